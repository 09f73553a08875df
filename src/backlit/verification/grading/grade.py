"""`grade`: run every submission, check its numbers, and say for each the first wrong equation."""

import csv
import hashlib
import io
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from textwrap import shorten
from typing import Any

from backlit.bounded_reading import open_regular, read_bytes
from backlit.errors import BacklitError, ProblemError
from backlit.files import atomic_write
from backlit.terminal import one_line, printable
from backlit.verification.grading.rubric import Rubric
from backlit.verification.grading.sandbox import Run, chosen, run_submission, source_of
from backlit.verification.network_check import Convention
from backlit.verification.problem_check import CheckResult, check
from backlit.verification.quantities import key_of


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
        How long it ran, without the time in which it waited for a processor that others had.
    network_cut : bool
        Whether the submission ran without access to the network.
    assumed : str
        How the submission holds its numbers, where that is not what the rubric asked for.
    sandbox : {"bwrap", "landlock", "none"}
        What it ran in.
    seed : int
        Drew the networks; `grade --seed` with it draws them again.
    digest : str
        Of the submission and the rubric: while it is the same, so is the grade.
    by_quantity : mapping of str to float
        The points of each quantity.
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
    sandbox: str = "none"
    seed: int = 0
    digest: str = ""
    by_quantity: Mapping[str, float] = field(default_factory=dict)
    result: CheckResult | None = None

    def line(self) -> str:
        """What a person reads while the others run: the outcome, and the first thing that is wrong."""
        where = self.first_wrong and f"{self.first_wrong} ({self.equation})" if self.equation else self.first_wrong
        why = ": ".join(part for part in (where, self.bug) if part)
        said = "; ".join(part for part in (why, self.error, self.assumed) if part)
        return one_line(f"{self.file}: {self.verdict} {self.points:g}/{self.out_of:g}" + (f", {said}" if said else ""))

    def row(self) -> dict[str, Any]:
        """Plain values, a row of the table."""
        points = {f"{POINTS}{key}": value for key, value in self.by_quantity.items()}
        return {name: getattr(self, name) for name in COLUMNS} | points


COLUMNS = (
    *("file", "verdict", "points", "out_of", "first_wrong", "equation", "bug", "explanation", "error"),
    *("seconds", "network_cut", "assumed", "sandbox", "seed", "digest"),
)
POINTS = "points of "  # a quantity: these columns are the last
RIGHT = "right"
UNRESOLVED = "nothing is certified, and nothing gets points: too few digits, or the right value is unsure; look at it"
EQUATION_OF = {"loss": "C1", "grad_W": "BP4", "grad_b": "BP3", "z": "F1", "a": "F2", "delta": "BP2"}  # what is returned


def grade(files: Sequence[str | Path], rubric: Rubric, *, sandbox: str = "auto") -> Iterator[Grade]:
    r"""Grade submissions one after the other, each in a process of its own.

    Parameters
    ----------
    files : sequence of str or Path
        Python files that define the rubric's function.
    rubric : Rubric
        Which function to call on which networks, for how many points, within how many seconds and MB; `read_rubric` of
        `backlit.verification.grading.rubric` reads one from a TOML file.
    sandbox : {"auto", "bwrap", "landlock", "none"}, default 'auto'
        What each runs in: bubblewrap, the Linux kernel's Landlock, or limits alone, which a hostile program escapes.
        "auto" takes the first that works here.

    Yields
    ------
    Grade
        One for each file, as soon as it is done, whatever the submission does.

    Raises
    ------
    ProblemError
        If a file is not there or is no Python file, or the sandbox does not work here; before any is run.

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
    check_files(files)  # before any is run
    sandbox = chosen(sandbox)
    for file in files:
        try:
            convention, run = settled(Path(file), rubric, sandbox)
            yield graded(Path(file), run, rubric, convention)
        except Exception as fault:  # one submission's fault is no other's: whatever this one led to is its own row
            run = Run((), one_line(str(fault) if isinstance(fault, BacklitError) else repr(fault)), 0.0, True, sandbox)
            yield graded(Path(file), run, rubric, rubric.views[0].convention)


def check_files(files: Iterable[str | Path]) -> None:
    """Raise ProblemError for a file that is not there, or is no Python file."""
    for file in map(Path, files):
        if not file.exists() and not file.is_symlink():
            raise ProblemError(f"{file}: no such file: check the name and the folder")
        if file.suffix.lower() != ".py":
            raise ProblemError(f"{file}: a submission is a Python file: give one that ends in .py, or a folder of them")


def digest(file: Path, rubric: Rubric) -> str:
    """What a grade was given for; "" for what cannot be read."""
    with suppress(BacklitError):
        return hashlib.sha256(rubric.source + b"\0" + source_of(file)).hexdigest()[:16]
    return ""


def settled(file: Path, rubric: Rubric, sandbox: str) -> tuple[Convention, Run]:
    """The run in the first convention in which every loss is right, or else in which it runs, or else the first run.

    All runs together take at most twice the time that one may take.
    """
    asked = rubric.views[0].convention
    first: tuple[Convention, Run] | None = None
    ran: tuple[Convention, Run] | None = None
    left = 2 * rubric.seconds
    for convention in (asked, *asked.others([view.problem for view in rubric.views])):
        views = [replace(view, convention=convention) for view in rubric.views]
        inputs = [plain(view.inputs(view.problem.params)) for view in views]
        limits = {"seconds": min(rubric.seconds, left), "memory_mb": rubric.memory_mb}
        run = run_submission(file, rubric.function, inputs, sandbox=sandbox, **limits)
        first = first or (convention, run)
        left -= run.seconds
        if run.ended or left <= 0:
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
        view = replace(asked, convention=convention)
        try:
            results.append(check(view.problem, view.claims(view.read(answer))))
        except (BacklitError, TypeError, ValueError, ArithmeticError, AttributeError, KeyError) as fault:
            error = error or " ".join(str(fault).split())
            break
    wrong = next((result for result in results if not result.ok), None)
    verdict = "error" if error else "pass" if wrong is None else wrong.verdict
    earned = {key: point * (not error and right_everywhere(key, results)) for key, point in rubric.points.items()}
    first_wrong, equation, bug, explanation = said(wrong)
    return Grade(
        file=str(file),
        verdict=verdict,
        points=sum(earned.values()),
        out_of=rubric.out_of,
        first_wrong=first_wrong,
        equation=equation,
        bug=bug,
        explanation=UNRESOLVED if verdict == "unresolved" else explanation,
        error=None if error is None else one_line(error),
        seconds=round(run.seconds, 3),
        network_cut=run.network_cut,
        assumed=convention.beside(rubric.views[0].convention),
        sandbox=run.sandbox,
        seed=rubric.seed,
        digest=digest(file, rubric),
        by_quantity=earned,
        result=wrong,
    )


def right_everywhere(key: str, results: Sequence[CheckResult]) -> bool:
    """Whether a quantity was handed in and is right in every layer and on every network; no check may be unresolved."""
    if any(result.verdict == "unresolved" for result in results):
        return False
    found: list[Mapping[str, Any]] = [
        {name: one for name, one in result.quantities.items() if key_of(name) == key} for result in results
    ]
    return bool(found) and all(part and all(one.ok for one in part.values()) for part in found)


def said(wrong: CheckResult | None) -> tuple[str | None, str | None, str | None, str]:
    """(first wrong quantity, equation, bug, explanation) of a check that failed."""
    if wrong is None or wrong.first_wrong is None:
        return None, None, None, ""
    if not wrong.diagnoses:
        return wrong.first_wrong, EQUATION_OF[key_of(wrong.first_wrong)], None, "an unknown mistake"
    best = wrong.diagnoses[0]
    return wrong.first_wrong, best.bugs[0].equation, best.name, " ".join(bug.words for bug in best.bugs)


def summary(grades: Iterable[Grade]) -> list[tuple[int, str]]:
    """How many submissions made each mistake, the commonest first, in words; those that are right first of all."""
    counts = Counter(what_happened(one) for one in grades)
    return sorted(((n, what) for what, n in counts.items()), key=lambda pair: (pair[1] != RIGHT, -pair[0], pair[1]))


def what_happened(grade: Grade) -> str:
    """The mistake of a submission, in words that others share who made it."""
    if grade.verdict == "pass":
        return RIGHT
    if grade.error is not None:
        kind = grade.error.partition(":")[0]  # an exception of theirs counts by its type, what the grader says as it is
        raised = kind.isidentifier() and kind[0].isupper()
        return "could not be graded: " + (kind if raised else shorten(grade.error, 90, placeholder=" …"))
    if grade.bug is not None:
        return f"{grade.bug} ({grade.equation})"
    return f"{grade.verdict}: first wrong {(grade.first_wrong or 'nothing').partition('[')[0]}"


# --- the table: a row a submission, from which an interrupted run goes on ---------------------------------------------

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run a text that starts so
TEXTS = ("file", "verdict", "first_wrong", "equation", "bug", "explanation", "error", "assumed", "sandbox", "digest")
HEAD = b"file,verdict,points,"  # how each table of grades begins
NONE_IF_EMPTY = ("first_wrong", "equation", "bug", "error")


def columns(rubric: Rubric) -> list[str]:
    """The names at the head of the table."""
    return [*COLUMNS, *(f"{POINTS}{key}" for key in rubric.points)]


def grades_csv(grades: Sequence[Grade], rubric: Rubric, *, header: bool = True) -> str:
    """One row a submission."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns(rubric), lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows({key: cell(value) for key, value in one.row().items()} for one in grades)
    return text.getvalue()


def cell(value: Any) -> Any:
    """A text that a spreadsheet takes as text, and that no reader's terminal obeys."""
    if not isinstance(value, str):
        return value
    value = printable(value)
    return f"'{value}" if value.startswith(FORMULA) else value


def check_table(path: Path) -> None:
    """Raise ProblemError for a file that is no table of grades, and would be lost."""
    head = b""
    with suppress(OSError), open(path, "rb", opener=lambda name, _: open_regular(name)) as file:
        head = file.read(len(HEAD))
    if head and head != HEAD:
        raise ProblemError(f"{path}: is there, and is no table that grade wrote: give another name, or remove it")


def known_grades(path: Path, rubric: Rubric | None = None) -> list[Grade]:
    """The whole rows of a table that another run left; none of a file that is not such a table.

    rubric : only rows with the columns of its points.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(read_bytes(path).decode()), strict=True))
    except (OSError, ValueError, csv.Error):
        return []
    grades = []
    for row in rows:
        with suppress(KeyError, ValueError, TypeError, AttributeError):  # a row that was cut, or of another program
            if rubric is None or list(row) == columns(rubric):
                grades.append(grade_of(row))
    return grades


def grade_of(row: dict[str, str]) -> Grade:
    """A grade of its row; its result is not kept.  Raises what a row that is not whole leads to."""
    texts: dict[str, Any] = {name: text_of(row[name]) for name in TEXTS}
    texts |= {name: texts[name] or None for name in NONE_IF_EMPTY}
    earned = {name.removeprefix(POINTS): float(row[name]) for name in row if name.startswith(POINTS)}
    numbers: dict[str, Any] = {name: float(row[name]) for name in ("points", "out_of", "seconds")}
    if row["network_cut"] not in ("True", "False"):
        raise ValueError("neither True nor False")
    cut = row["network_cut"] == "True"
    return Grade(**texts, **numbers, network_cut=cut, seed=int(row["seed"]), by_quantity=earned)


def text_of(value: str) -> str:
    """The text of a cell, without what kept a spreadsheet from running it."""
    return value[1:] if value.startswith("'") and value[1:].startswith(FORMULA) else value


def begin(path: Path, grades: Sequence[Grade], rubric: Rubric) -> None:
    """Write the table with what is known so far."""
    with atomic_write(path) as temporary:
        temporary.write_text(grades_csv(grades, rubric), encoding="utf-8")


def append(path: Path, grade: Grade, rubric: Rubric) -> None:
    """Add a row, and wait until it is on the disk."""
    with open(path, "a", encoding="utf-8", newline="") as file:
        file.write(grades_csv([grade], rubric, header=False))
        file.flush()
        if file.seekable():
            os.fsync(file.fileno())
