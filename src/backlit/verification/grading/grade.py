"""`grade`: run every submission, check its numbers, and say for each the first wrong equation."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backlit.errors import BacklitError, ProblemError
from backlit.verification.grading.rubric import Rubric
from backlit.verification.grading.sandbox import Run, run_submission
from backlit.verification.problem_check import check
from backlit.verification.quantities import key_of
from backlit.verification.result import CheckResult
from backlit.verification.views import Convention


@dataclass(frozen=True)
class Grade:
    """What one submission got.

    Parameters
    ----------
    file : str
        The submission.
    verdict : {"pass", "fail", "unresolved", "error"}
        "error" if it could not be run or read.
    points, out_of : float
        What it got, and what there was to get.
    first_wrong : str or None
        The first wrong quantity, in the order of computation.
    equation : str or None
        Number of the formula to look at.
    bug : str or None
        The mistake, if it was recognized.
    explanation : str
        The mistake in words.
    error : str or None
        What went wrong before anything could be checked.
    seconds : float
        Wall time of the run.
    network_cut : bool
        Whether the submission ran without access to the network.
    assumed : str
        How the submission holds its numbers, where that is not what the rubric asked for.
    result : CheckResult, optional
        The check of the first network that is not right.
    """

    file: str
    verdict: str
    points: float
    out_of: float
    first_wrong: str | None
    equation: str | None
    bug: str | None
    explanation: str
    error: str | None
    seconds: float
    network_cut: bool
    assumed: str = ""
    result: CheckResult | None = None

    def line(self) -> str:
        """What a person reads while the others run: the outcome, and the first thing that is wrong."""
        where = self.first_wrong and f"{self.first_wrong} ({self.equation})" if self.equation else self.first_wrong
        why = ": ".join(part for part in (where, self.bug) if part)
        said = "; ".join(part for part in (why, self.error, self.assumed) if part)
        line = f"{self.file}: {self.verdict} {self.points:g}/{self.out_of:g}" + (f", {said}" if said else "")
        return "".join(c if c.isprintable() else "?" for c in line)  # an error's text is the submission's own

    def row(self) -> dict[str, Any]:
        """Plain values, a row of the table."""
        return {name: getattr(self, name) for name in COLUMNS}


COLUMNS = (
    *("file", "verdict", "points", "out_of", "first_wrong", "equation", "bug", "explanation", "error"),
    *("seconds", "network_cut", "assumed"),
)
EQUATION_OF = {"z": "F1", "u": "F1", "a": "F2", "loss": "C1", "grad_a": "BP5", "delta": "BP2"} | {
    "grad_b": "BP3",
    "grad_W": "BP4",
}


def grade(files: Sequence[str | Path], rubric: Rubric) -> Iterator[Grade]:
    r"""Grade submissions one after the other, each in a process of its own.

    Parameters
    ----------
    files : sequence of str or Path
        Python files that define the rubric's function.
    rubric : Rubric
        Which function to call on which networks, for how many points, within how many seconds and MB; `read_rubric` of
        `backlit.verification.grading.rubric` reads one from a TOML file.

    Yields
    ------
    Grade
        One for each file, as soon as it is done.

    Raises
    ------
    ProblemError
        If a file is not there; before any is run.

    Examples
    --------
    >>> import tempfile
    >>> from backlit.verification.grading.rubric import rubric_of
    >>> code = "def backprop(W, b, X, y):\n    raise NotImplementedError\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(f"{folder}/empty.py").write_text(code)
    ...     [one] = grade([f"{folder}/empty.py"], rubric_of({"networks": [{"shapes": [2, 1]}]}))
    >>> one.verdict, one.points
    ('error', 0.0)
    """
    for file in files:  # before any is run
        if not Path(file).is_file():
            found = "it is a folder; name its files, as FOLDER/*.py" if Path(file).is_dir() else "no such file"
            raise ProblemError(f"{file}: cannot be read: {found}")
    for file in files:
        convention, run = settled(Path(file), rubric)
        yield graded(Path(file), run, rubric, convention)


def settled(file: Path, rubric: Rubric) -> tuple[Convention, Run]:
    """The run in the first convention in which every loss is right, or else in which it runs, or else the first run."""
    asked = rubric.views[0].convention
    first: tuple[Convention, Run] | None = None
    ran: tuple[Convention, Run] | None = None
    for convention in (asked, *asked.others([view.problem for view in rubric.views])):
        views = [view.under(convention) for view in rubric.views]
        inputs = [plain(view.inputs(view.problem.params)) for view in views]
        run = run_submission(file, rubric.function, inputs, seconds=rubric.seconds, memory_mb=rubric.memory_mb)
        first = first or (convention, run)
        if run.ended:
            break
        with suppress(Exception):  # whatever the submission's answers lead to
            if run.error is None and len(run.answers) == len(views):
                right = [view.fits(view.read(answer)) for view, answer in zip(views, run.answers, strict=True)]
                ran = ran or (convention, run)
                if all(right):
                    return convention, run
    assert first is not None, "the loop runs once or more"
    return ran or first


def plain(value: Any) -> Any:
    """Arrays as lists."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value.tolist()


def graded(file: Path, run: Run, rubric: Rubric, convention: Convention) -> Grade:
    """Check what came back."""
    results: list[CheckResult] = []
    error = run.error
    if error is None and len(run.answers) != len(rubric.views):
        error = "it did not answer for every network"
    for asked, answer in zip(rubric.views, run.answers, strict=False):
        view = asked.under(convention)
        try:
            results.append(check(view.problem, view.claims(view.read(answer))))
        except (BacklitError, TypeError, ValueError, ArithmeticError, AttributeError, KeyError) as fault:
            error = error or " ".join(str(fault).split())
            break
    wrong = next((result for result in results if not result.ok), None)
    points = 0.0 if error else sum(rubric.points[key] for key in rubric.points if right_everywhere(key, results))
    verdict = "error" if error else "pass" if wrong is None else wrong.verdict
    assumed = convention.beside(rubric.views[0].convention)
    return Grade(
        *(str(file), verdict, points, rubric.out_of, *said(wrong)),
        error,
        round(run.seconds, 3),
        run.network_cut,
        assumed,
        wrong,
    )


def right_everywhere(key: str, results: Sequence[CheckResult]) -> bool:
    """Whether a quantity was handed in and is right in every layer and on every network."""
    found: list[Mapping[str, Any]] = [
        {name: one for name, one in result.quantities.items() if key_of(name) == key} for result in results
    ]
    return bool(found) and all(part and all(one.ok for one in part.values()) for part in found)


def said(wrong: CheckResult | None) -> tuple[str | None, str | None, str | None, str]:
    """(first wrong quantity, equation, bug, explanation) of a check that failed."""
    if wrong is None or wrong.first_wrong is None:
        return None, None, None, ""
    if not wrong.diagnoses:
        return wrong.first_wrong, EQUATION_OF.get(key_of(wrong.first_wrong)), None, "an unknown mistake"
    best = wrong.diagnoses[0]
    return wrong.first_wrong, best.bugs[0].equation, best.name, " ".join(bug.words for bug in best.bugs)
