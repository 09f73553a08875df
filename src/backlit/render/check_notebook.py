"""Results of `check` in a notebook: a fragment that needs nothing else, in the notebook's own colors, or Markdown.

Text and lines take the colors of what is around them, so that the fragment is read on light and on dark; the two that
stand for wrong and right have enough contrast on both, and a word beside them.
"""

from functools import singledispatch
from typing import Any

from backlit.render.check_html import HEADLINES, UNKNOWN
from backlit.render.check_html import first as worst_of
from backlit.render.pages import page
from backlit.verification.function_check import FunctionCheck
from backlit.verification.network_check import NetworkCheck
from backlit.verification.result import CheckResult


@singledispatch
def contents(result: Any) -> dict[str, Any]:
    """What is shown of a result: a headline, lines of text, mistakes, and rows (name, outcome, relative error)."""
    raise TypeError(f"{type(result).__name__} is no result of a check")


@contents.register
def _(result: CheckResult) -> dict[str, Any]:
    wrong = result.quantities[result.first_wrong] if result.first_wrong and result.verdict == "fail" else None
    unknown = wrong is not None and not result.diagnoses
    return {
        "headline": HEADLINES[result.verdict],
        "lines": [*sentences(result.notes), *([UNKNOWN] if unknown else []), *broken(result.facts)],
        "first": None if wrong is None else worst_of(wrong),
        "diagnoses": result.diagnoses,
        "rows": [(one.name, one.ok, one.max_relative_error) for one in result.quantities.values()],
    }


@contents.register
def _(result: FunctionCheck) -> dict[str, Any]:
    index, claimed, right = result.worst
    lines = [f"Worst is entry {index}: claimed {claimed:.10g}, right {right:.10g}, by {result.method}."]
    return {
        "headline": HEADLINES[result.verdict],
        "lines": [*lines, *sentences([result.note] if result.note else []), *broken(result.facts)],
        "first": None,
        "diagnoses": (),
        "rows": [(name, None, error) for name, error in result.by_name.items()],
    }


@contents.register
def _(result: NetworkCheck) -> dict[str, Any]:
    own = "is" if result.own.ok else "is not"
    found = contents(result.against)
    lines = [f"Your gradient {own} the gradient of your own loss.", *found["lines"], *broken(result.facts)]
    headline = "Another convention: the gradient belongs to your loss, but that is not the one that was asked for."
    return found | {"headline": HEADLINES.get(result.verdict, headline), "lines": lines}


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
