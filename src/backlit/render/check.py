"""A check shown: as one page that fetches nothing, in a notebook as a fragment or as Markdown, and in the terminal.

In a notebook text and lines take the colors of what is around them, so that the fragment is read on light and on dark;
the two that stand for wrong and right have enough contrast on both, and a word beside them.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import singledispatch
from typing import Any

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from backlit import terminal
from backlit.equations import EQUATIONS
from backlit.render.pages import page
from backlit.verification.comparison import Compared
from backlit.verification.function_check import FunctionCheck
from backlit.verification.grading.grade import Grade, summary
from backlit.verification.identify import Diagnosis
from backlit.verification.network_check import NetworkCheck
from backlit.verification.problem_check import CheckResult
from backlit.verification.telling_numbers import Suggestion

WORDS = {
    "pass": "all claims are right.",
    "fail": "something is wrong.",
    "unresolved": "nothing is certified.",
    "convention": "the gradient belongs to your loss, but that is not the one that was asked for.",
}
MOST_ENTRIES = 10  # in a row or a column of a matrix that is shown
UNKNOWN = "The mistake is none that the catalogue knows, alone or in pairs."


def check_page(result: CheckResult, *, title: str) -> str:
    """The page of a check."""
    return page(
        "check.html.j2",
        title=title,
        result=result,
        headline=said(result.verdict),
        first=None if result.wrong is None else first(result.wrong),
    )


def said(verdict: str) -> str:
    """The verdict as a sentence."""
    return f"{verdict.capitalize()}: {WORDS[verdict]}"


def first(one: Compared) -> dict[str, Any]:
    """The first wrong quantity in words and digits."""
    at = f"entry [{', '.join(map(str, one.worst.index))}]" if one.worst.index else "its only number"
    return {
        "name": one.name,
        "wrong_entries": one.wrong_entries,
        "entries": one.entries,
        "at": at,
        "claimed": f"{one.worst.claimed:.10g}",
        "right": f"{one.worst.right:.10g}",
        "sides": sides(one),
    }


def sides(one: Compared) -> list[tuple[str, list[list[tuple[str, bool]]]]]:
    """The claimed matrix and the right one, each entry with whether it is wrong; none for one number or too many."""
    if one.claimed is None or one.right is None or one.wrong is None:
        return []
    shape = np.atleast_2d(one.wrong).shape
    if one.wrong.ndim > 2 or one.wrong.size < 2 or max(shape) > MOST_ENTRIES:
        return []
    wrong = one.wrong.reshape(shape)
    return [
        (name, [[(f"{value:.6g}".replace("-", "−"), bool(wrong[i, j])) for j, value in enumerate(row)] for i, row in
                enumerate(np.reshape(values, shape))])
        for name, values in (("claimed", one.claimed), ("right", one.right))
    ]  # fmt: skip


def grades_page(grades: Sequence[Grade], *, title: str, limits: str = "process") -> str:
    """All submissions, each with its first wrong equation, the wrong formula beside the right one.

    limits : what they were held for, each process or the whole control group of a submission.
    """
    passed = sum(one.verdict == "pass" for one in grades)
    return page("grades.html.j2", title=title, grades=grades, passed=passed, summary=summary(grades), limits=limits)


# --- in a notebook ---------------------------------------------------------------------------------------------------


@singledispatch
def contents(result: Any) -> dict[str, Any]:
    """What is shown of a result: a headline, lines of text, mistakes, and rows (name, outcome, relative error)."""
    raise TypeError(f"{type(result).__name__} is no result of a check")


@contents.register
def _(result: CheckResult) -> dict[str, Any]:
    unknown = result.wrong is not None and not result.diagnoses
    return {
        "headline": said(result.verdict),
        "lines": [*sentences(result.notes), *([UNKNOWN] if unknown else []), *broken(result.facts)],
        "first": None if result.wrong is None else first(result.wrong),
        "diagnoses": result.diagnoses,
        "rows": [(one.name, one.ok, one.max_relative_error) for one in result.quantities.values()],
    }


@contents.register
def _(result: FunctionCheck) -> dict[str, Any]:
    index, claimed, right = result.worst
    lines = [f"Worst is entry {index}: claimed {claimed:.10g}, right {right:.10g}, by {result.method}."]
    return {
        "headline": said(result.verdict),
        "lines": [*lines, *sentences([result.note] if result.note else []), *broken(result.facts)],
        "first": None,
        "diagnoses": (),
        "rows": [(name, None, error) for name, error in result.by_name.items()],
    }


@contents.register
def _(result: NetworkCheck) -> dict[str, Any]:
    found = contents(result.against)
    lines = [of_its_own(result), *found["lines"], *broken(result.facts)]
    return found | {"headline": said(result.verdict), "lines": lines}


def of_its_own(result: NetworkCheck) -> str:
    """Whether the gradient belongs to the code's loss."""
    return f"Your gradient {'is' if result.own.ok else 'is not'} the gradient of your own loss."


def sentences(notes: Any) -> list[str]:
    """Each note with a full stop."""
    return [f"{note}." for note in notes]


def broken(facts: Any) -> list[str]:
    """The facts that don't hold."""
    return [f"{fact}." for fact in facts if not fact.ok]


def to_html(result: Any) -> str:
    """A result as a fragment."""
    return page("check_notebook.html.j2", **contents(result))


def to_markdown(result: Any) -> str:
    """A result as Markdown."""
    shown = contents(result)
    lines = [f"**{shown['headline']}**", "", *(line + "  " for line in shown["lines"])]
    if shown["first"]:
        name, at, claimed, right = (shown["first"][key] for key in ("name", "at", "claimed", "right"))
        lines.append(f"First wrong: `{name}`, {at}: claimed {claimed}, right {right}.")
    for one in shown["diagnoses"]:
        lines += ["", f"**{one.name}** ({one.kind})"]
        for bug in one.bugs:
            lines += [f"- {bug.words}", f"  - used `{bug.wrong}`", f"  - right `{bug.right}` ({bug.equation})"]
            lines.append(f"  - where to look: {bug.fix}")
    lines += ["", "| quantity | outcome | relative error |", "|---|---|---:|"]
    lines += [f"| `{name}` | {outcome(ok)} | {error:.1e} |" for name, ok, error in shown["rows"]]
    return "\n".join(lines) + "\n"


def outcome(ok: bool | None) -> str:
    """A word for a row; parts of a function are measured, not judged one by one."""
    return {None: "", True: "ok", False: "wrong"}[ok]


# --- in the terminal: the verdict, the first wrong quantity, the wrong formula beside the right one -------------------

STYLES = {"pass": "bold green", "fail": "bold red", "unresolved": "bold yellow", "convention": "bold yellow"}
MOST_HIDDEN = 8  # names listed


def show_check(result: CheckResult, console: Console | None = None) -> None:
    """Print a check."""
    (console or terminal.console()).print(check_text(result))


def check_text(result: CheckResult) -> RenderableType:
    """A check as something that Rich can print."""
    return Group(headline(result.verdict, result), *findings(result))


def plain_text(result: CheckResult) -> str:
    """A check as plain text."""
    return terminal.as_text(check_text(result))


def network_text(result: NetworkCheck) -> str:
    """A check of one's own backpropagation as plain text: the verdict once, then each mistake as `check` shows it."""
    parts: list[RenderableType] = [headline(result.verdict, result.against), Text(of_its_own(result))]
    parts += findings(result.against)
    parts += [Text(str(fact)) for fact in result.facts if not fact.ok]
    return terminal.as_text(*parts)


def findings(result: CheckResult) -> list[RenderableType]:
    """All that is said below the verdict."""
    parts: list[RenderableType] = [Text(note, style="yellow") for note in result.notes]
    if result.wrong is not None:
        parts += [where_it_starts(result.wrong), *explanations(result)]
    parts.append(quantities(result.quantities.values()))
    parts += [Text(str(fact), style="dim" if fact.ok else "red") for fact in result.facts]
    if result.oracles.excused:
        parts.append(excused(result.oracles.excused))
    if result.not_detectable:
        parts.append(hidden(list(result.not_detectable)))
    return parts


def headline(verdict: str, result: CheckResult) -> Text:
    """The verdict in a line."""
    wrong = sum(not one.ok for one in result.quantities.values())
    compared = len(result.quantities)
    noun = "quantity" if compared == 1 else "quantities"
    counted = f"{compared} {noun} compared, {wrong} wrong, tolerance {result.tolerance:.0e}"
    return Text.assemble((verdict.upper(), STYLES[verdict]), f"  {WORDS[verdict].capitalize()}  ({counted})")


def where_it_starts(one: Compared) -> Text:
    """The first wrong quantity, in the order of computation, and its worst entry."""
    at = f"[{', '.join(map(str, one.worst.index))}]" if one.worst.index else ""
    return Text.assemble(
        "First wrong: ",
        (one.name, "bold"),
        f" ({one.wrong_entries} of {one.entries} numbers). Worst at {at or 'its only number'}: claimed ",
        (f"{one.worst.claimed:.10g}", "red"),
        ", right ",
        (f"{one.worst.right:.10g}", "green"),
        ".",
    )


def explanations(result: CheckResult) -> list[RenderableType]:
    """Each diagnosis as a panel; a plain word where the mistake is unknown."""
    if not result.diagnoses:
        return [Text(UNKNOWN, style="bold")]
    return [explanation(one) for one in result.diagnoses]


def explanation(one: Diagnosis) -> Panel:
    """A diagnosis: what was done, the wrong formula beside the right one, where to look, and what gives the same."""
    parts: list[RenderableType] = []
    for bug, layers in zip(one.bugs, one.layers, strict=True):
        parts += [Text(bug.words), Text(f"Layer {', '.join(map(str, layers))}." if layers else "", style="dim")]
        parts.append(side_by_side(bug.wrong, bug.right, bug.equation))
        parts.append(Text.assemble(("Where to look: ", "bold"), bug.fix))
    if one.note:
        parts.append(Text(f"Found: {one.note}."))
    if one.equivalent:
        parts.append(Text(f"The same numbers would come from: {', '.join(one.equivalent)}.", style="dim"))
    title = "another convention, not a mistake" if one.kind == "convention" else one.name
    return Panel(Group(*parts), title=title, title_align="left", border_style="cyan")


def side_by_side(wrong: str, right: str, equation: str) -> Table:
    """The formula as it was used, and as it is."""
    table = Table(box=None, padding=(0, 3, 0, 0))
    table.add_column("used", style="red")
    table.add_column(f"right  [{equation}]", style="green")
    table.add_column("", style="dim")
    table.add_row(Text(wrong), Text(right), Text(EQUATIONS[equation].sentence))
    return table


def quantities(compared: Iterable[Compared]) -> Table:
    """All quantities in the order of computation."""
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("quantity")
    table.add_column("")
    table.add_column("relative error", justify="right")
    for one in compared:
        mark: Any = Text("ok", style="green") if one.ok else Text("wrong", style="red")
        table.add_row(Text(one.name), mark, f"{one.max_relative_error:.1e}")
    return table


def excused(tensors: Mapping[str, float]) -> Text:
    """Where the oracles agree only up to rounding."""
    listed = ", ".join(tensors)
    return Text(f"0 or small beside what it is a difference of, so agreed on up to its rounding: {listed}.", "dim")


def hidden(names: list[str]) -> Text:
    """What these inputs can't reveal."""
    more = f" and {len(names) - MOST_HIDDEN} more" if len(names) > MOST_HIDDEN else ""
    listed = ", ".join(names[:MOST_HIDDEN])
    better = "suggest_inputs (--suggest-inputs) proposes better ones."
    return Text(f"These claims and inputs could not show: {listed}{more}. {better}", "dim")


def show_suggestion(suggestion: Suggestion) -> None:
    """Print what a suggested problem reveals; the problem itself is for a file."""
    console = terminal.console(stderr=True)
    console.print(f"{suggestion.problem.X.shape[0] if suggestion.problem.X is not None else 0} examples, b ≠ 0, λ > 0.")
    console.print(Text(f"It reveals, beyond the given problem: {', '.join(suggestion.revealed) or 'nothing more'}."))
    for name, needs in suggestion.hidden.items():
        console.print(Text(f"Still hidden: {name} (shows {needs}).", style="dim"))
