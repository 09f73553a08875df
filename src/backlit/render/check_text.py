"""A check in the terminal: the verdict, the first wrong quantity, the wrong formula beside the right one."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from backlit import terminal
from backlit.equations import EQUATIONS
from backlit.render.check_html import UNKNOWN
from backlit.verification.comparison import Compared
from backlit.verification.hypotheses import Suggestion
from backlit.verification.identify import Diagnosis
from backlit.verification.network_check import NetworkCheck
from backlit.verification.problem_check import CheckResult

STYLES = {"pass": "bold green", "fail": "bold red", "unresolved": "bold yellow", "convention": "bold yellow"}
WORDS = {
    "pass": "All claims are right.",
    "fail": "Something is wrong.",
    "unresolved": "Nothing is certified.",
    "convention": "The gradient belongs to your loss, but your loss is another one.",
}
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
    own = "is" if result.own.ok else "is not"
    parts: list[RenderableType] = [headline(result.verdict, result.against)]
    parts.append(Text(f"Your gradient {own} the gradient of your own loss."))
    parts += findings(result.against)
    parts += [Text(str(fact)) for fact in result.facts if not fact.ok]
    return terminal.as_text(*parts)


def findings(result: CheckResult) -> list[RenderableType]:
    """All that is said below the verdict."""
    parts: list[RenderableType] = [Text(note, style="yellow") for note in result.notes]
    if result.first_wrong is not None and result.verdict == "fail":
        parts += [where_it_starts(result.quantities[result.first_wrong]), *explanations(result)]
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
    return Text.assemble((verdict.upper(), STYLES[verdict]), f"  {WORDS[verdict]}  ({counted})")


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
    return Text(
        f"These claims and inputs could not show: {listed}{more}. --suggest-inputs proposes better ones.", "dim"
    )


def show_suggestion(suggestion: Suggestion) -> None:
    """Print what a suggested problem reveals; the problem itself is for a file."""
    console = terminal.console(stderr=True)
    console.print(f"{suggestion.problem.X.shape[0] if suggestion.problem.X is not None else 0} examples, b ≠ 0, λ > 0.")
    console.print(Text(f"It reveals, beyond the given problem: {', '.join(suggestion.revealed) or 'nothing more'}."))
    for name, needs in suggestion.hidden.items():
        console.print(Text(f"Still hidden: {name} (shows {needs}).", style="dim"))
