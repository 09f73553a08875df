"""The verb `explain`: a problem in, its derivation out, which shows itself in every format."""

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.derivation import Derivation, derive
from backlit.derivation.document import Line, Step
from backlit.derivation.examples import given
from backlit.derivation.expressions import Chain
from backlit.derivation.single_entry import derive_entry
from backlit.derivation.worksheet import worksheet as blank_derivation
from backlit.errors import BacklitError, ProblemError
from backlit.files import atomic_write
from backlit.formats.ensembles import Ensemble
from backlit.formats.models import Model
from backlit.formats.sources import row_problem
from backlit.render.unicode_math import inline
from backlit.terminal import piped_width, printable

if TYPE_CHECKING:
    import polars as pl

SUFFIXES = {
    "text": (".txt",),
    "markdown": (".md",),
    "latex": (".tex",),
    "beamer": (".tex",),
    "typst": (".typ",),
    "html": (".html", ".htm"),
    "pdf": (".pdf",),
    "json": (".json",),
}
FORMATS = tuple(SUFFIXES)


@dataclass(frozen=True)
class Explanation:
    """A derivation that can be written in every format; in a notebook it shows itself as a page.

    Parameters
    ----------
    derivation : Derivation
        What is written.

    Examples
    --------
    >>> explain(example="worked").to_text().splitlines()[0]
    'Backpropagation, worked: the example “worked”'
    """

    derivation: Derivation

    def __repr__(self) -> str:
        return f"<Explanation: {self.derivation.title}>"

    def to_text(self) -> str:
        """Plain text, Unicode."""
        from backlit.render.derivation_text import to_text

        return to_text(self.derivation)

    def to_markdown(self) -> str:
        """Markdown with LaTeX between dollars."""
        from backlit.render.derivation_markdown import to_markdown

        return to_markdown(self.derivation)

    def to_latex(self) -> str:
        """A LaTeX document that compiles as it is."""
        from backlit.render.derivation_latex import to_latex

        return to_latex(self.derivation)

    def to_beamer(self) -> str:
        """Slides in LaTeX, a step a slide, its numbers one click each."""
        from backlit.render.derivation_latex import to_beamer

        return to_beamer(self.derivation)

    def svg_steps(self) -> dict[str, str]:
        """One SVG a step, by the name of its file; BacklitError if the extra `pdf` is not installed."""
        from backlit.render.derivation_typst import svg_steps

        return svg_steps(self.derivation)

    def write_svg_steps(self, folder: str | Path) -> list[Path]:
        """Write `svg_steps` into a folder, which is made where it is not there; the files in their order."""
        made = self.svg_steps()
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BacklitError(f"{folder}: cannot be a folder: {error.strerror}: give another name") from None
        for name, content in made.items():
            with atomic_write(folder / name) as temporary:
                temporary.write_text(content, encoding="utf-8")
        return [folder / name for name in made]

    def to_typst(self) -> str:
        """A Typst document."""
        from backlit.render.derivation_typst import to_typst

        return to_typst(self.derivation)

    def to_pdf(self) -> bytes:
        """The Typst document as PDF; BacklitError if the extra `pdf` is not installed."""
        from backlit.render.derivation_typst import to_pdf

        return to_pdf(self.derivation)

    def to_html(self) -> str:
        """One self-contained page."""
        from backlit.render.derivation_html import to_html

        return to_html(self.derivation)

    def to_dict(self) -> dict[str, Any]:
        """The quantities by name, and every step, as `--format json` prints them."""
        steps = [described for step in self.derivation.steps() for described in described_steps(step)]
        stopped = {"stopped": self.derivation.stopped} if self.derivation.stopped else {}
        return {**self.derivation.quantities, **stopped, "claims": self.derivation.claims, "steps": steps}

    def to_json(self) -> str:
        """`to_dict` as one JSON object; what is not finite becomes null."""
        import json

        return json.dumps(finite(self.to_dict()), ensure_ascii=False) + "\n"

    def render(self, format: str) -> str | bytes:
        """The document in a format by name: text, markdown, latex, beamer, typst, html, pdf (bytes) or json."""
        writers = {name: getattr(self, f"to_{name}", None) for name in FORMATS}
        writer = writers.get(format)
        if writer is None:
            raise ProblemError(f"no format is called {format!r}: choose one of {', '.join(FORMATS)}")
        made: str | bytes = writer()
        return made

    def write(self, format: str = "text", path: str | Path | None = None) -> None:
        """Write the document to a file, whole or not at all, or to standard output."""
        import sys

        if format == "text" and path is None and sys.stdout.isatty():
            from backlit.render.derivation_text import to_terminal

            to_terminal(self.derivation)
            return
        check_format(path, format)
        made = self.piped() if format == "text" and path is None else self.render(format)
        content = made if isinstance(made, bytes) else made.encode("utf-8", "backslashreplace")
        if path is not None:
            with atomic_write(path) as temporary:
                temporary.write_bytes(content)
        elif isinstance(made, str) and (format == "text" or sys.stdout.isatty()):
            sys.stdout.write(printable(made))
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(content)

    def piped(self) -> str:
        """Plain text as wide as the terminal behind a pipe."""
        from backlit.render.derivation_text import to_text
        from backlit.render.unicode_math import WIDTH

        width = piped_width()
        return to_text(self.derivation) if width is None else to_text(self.derivation, min(width, WIDTH), tight=True)

    def _repr_html_(self) -> str:
        from backlit.render.pages import frame

        return frame(self.to_html(), self.derivation.title)

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def _repr_latex_(self) -> str:
        """The cost's gradients as one display; a whole document is no formula that a notebook could show."""
        from backlit.render.derivation_latex import aligned

        chains = [step.lines[-1].chain for step in self.derivation.steps() if step.id.startswith("grad_W")]
        return "".join(f"$$\n{aligned(chain)}\n$$\n" for chain in chains if isinstance(chain, Chain))

    def __str__(self) -> str:
        return self.to_text()


@dataclass(frozen=True)
class Worksheet(Explanation):
    """A derivation with blanks in place of its numbers; as JSON it is the file that takes the answers."""

    def to_dict(self) -> dict[str, Any]:
        """The quantities by name, null for each number, as `check` takes them when they are filled in."""
        return self.derivation.quantities

    def to_json(self) -> str:
        """`to_dict` as JSON with a line for each layer, to be filled in by hand."""
        return layer_by_layer(self.to_dict()) + "\n"

    def __repr__(self) -> str:
        return f"<Worksheet: {self.derivation.title}>"


def layer_by_layer(value: Any, indent: str = "") -> str:
    """A table of tables as JSON, its lists on one line each.

    >>> print(layer_by_layer({"z": {"1": [[None, 1.5]]}}))
    {
     "z": {
      "1": [[null, 1.5]]
     }
    }
    """
    import json

    if not isinstance(value, dict):
        return json.dumps(value)
    inner = indent + " "
    items = (f'{inner}"{key}": {layer_by_layer(item, inner)}' for key, item in value.items())
    return "{\n" + ",\n".join(items) + f"\n{indent}}}"


def described_steps(step: Step) -> list[dict[str, Any]]:
    """A step and its entries as plain values."""
    from backlit.render.derivation_latex import latex

    value = None if step.value is None else np.asarray(step.value, float).tolist()
    whole = {
        "id": step.id,
        "equation": step.equation,
        "latex": r" \\ ".join(latex(line.chain) for line in step.lines),
        "text": "; ".join(spoken(line) for line in step.lines),
        "value": value,
        "title": step.title,
        "sentence": step.sentence,
        "formula": inline(step.formula),
        "checks": [{"method": c.kind, "relative_error": c.error, "ok": c.ok} for c in step.checks],
    }
    entries = [
        {
            "id": line.id,
            "equation": step.equation,
            "latex": latex(line.chain),
            "text": inline(line.chain),
            "value": last_value(line),
        }
        for line in step.entries
    ]
    return [whole, *entries]


def check_format(path: str | Path | None, format: str) -> None:
    """Raise ProblemError if a file's name says another format than is asked for; other names may end as they like.

    >>> check_format("page.html", "text")
    Traceback (most recent call last):
    backlit.errors.ProblemError: page.html: its name says html, and text is asked for: give the format html, or ...
    """
    suffix = "" if path is None else Path(path).suffix.lower()
    said = next((name for name, known in SUFFIXES.items() if suffix in known), format)
    if format in SUFFIXES and said != format and suffix not in SUFFIXES[format]:
        ends = SUFFIXES[format][0]
        raise ProblemError(
            f"{path}: its name says {said}, and {format} is asked for: give the format {said}, or a name that ends in "
            f"{ends}"
        )


def spoken(line: Line) -> str:
    """A line with its label in front."""
    return f"{line.label}: {inline(line.chain)}" if line.label else inline(line.chain)


def last_value(line: Line) -> float | None:
    """The number at the end of a chain, at full precision."""
    last = getattr(line.chain, "parts", (None,))[-1]
    return getattr(last, "value", None)


def explain(
    problem: Any = None,
    *,
    X: Any = None,
    y: Any = None,
    loss: Any = None,
    example: str | None = None,
    model: str | Path | Model | Ensemble | None = None,
    member: int | None = None,
    table: "str | Path | pl.DataFrame | None" = None,
    row: int | None = None,
    steps: int = 1,
    digits: int = 5,
    entry: str | None = None,
    fractions: bool = False,
    worksheet: bool = False,
) -> Explanation:
    """Work out where every number of a problem's gradient comes from.

    Give a problem, or an example, or a model with a table and a row.

    Parameters
    ----------
    problem : str, Path, mapping, Problem, Model or a network of another program, optional
        A problem file, its content, or a Problem, with examples; or what `problem_from` takes, such as a
        `torch.nn.Sequential`.
    X : (m, n_0) array, optional
        Inputs, if the problem has none.
    y : (m, n_L) array, optional
        Their targets.
    loss : str, mapping, or a loss of the other program, optional
        The loss, if the problem has none.
    example : str, optional
        Name of a built-in problem, such as "worked".
    model : str, Path, Model or Ensemble, optional
        A trained model, or its file.
    member : int, optional
        Which network of an ensemble, counted from 0; the heaviest if not given.
    table : str, Path or polars.DataFrame, optional
        A table with the columns of the model's training, its target among them.
    row : int, optional
        The row of the table, counted from 0.
    steps : int, default 1
        Optimizer steps to take.
    digits : int, default 5
        Significant digits that are printed, 2 to 15.
    entry : str, optional
        Work this entry alone, such as `grad_W[2][0,1]`.
    fractions : bool, default False
        Whether to compute and print fractions, as far as numbers are rational.
    worksheet : bool, default False
        Whether to leave a blank for each number that is to be computed.  `to_json` is then the file that takes the
        answers, which `backlit.check` marks.

    Returns
    -------
    Explanation
        The derivation; `to_text`, `to_markdown`, `to_latex`, `to_html`, `to_pdf` and others write it.

    Raises
    ------
    ProblemError
        If none or several of these are given, or an option is out of range.
    ModelError
        If the model cannot be read, or is not of a table.
    TableError
        If the table cannot be read, or has no such row.

    Examples
    --------
    >>> explain(example="worked").derivation.quantities["delta"]["2"]
    [[-1.29001855615989...]]
    >>> print(explain(example="worked", entry="grad_W[1][0,1]").derivation.step("grad_W[1][0,1]").value)
    -0.126142303...
    """
    found, model = given(problem, example, model, X=X, y=y, loss=loss, member=member, table=table, row=row)
    if found is None:
        assert table is not None
        assert row is not None
        found = row_problem(model, table, row, member)
    name = Path(found.name).name if example is None else f"the example “{example}”"
    if worksheet:
        if entry is not None or fractions or steps != 1:
            raise ProblemError("a worksheet is of one step and in decimals: leave out entry, fractions and steps")
        file = Path(found.name).name if example is None else f"{example}.json"
        return Worksheet(blank_derivation(found, digits=digits, title=f"Worksheet: {name}", name=file))
    if entry is not None:
        title = f"{entry} of {name}"
        made = derive_entry(found, entry, steps=steps, digits=digits, fractions=fractions, title=title)
    else:
        title = f"Backpropagation, worked: {name}"
        made = derive(found, steps=steps, digits=digits, fractions=fractions, title=title)
    return Explanation(made)


def finite(value: Any) -> Any:
    """The same with None in place of NaN and infinity, for which JSON has no word."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value
