"""A check as one page that fetches nothing; and in a notebook as a fragment that needs nothing else, or as Markdown.

In a notebook text and lines take the colors of what is around them, so that the fragment is read on light and on dark;
the two that stand for wrong and right have enough contrast on both, and a word beside them.
"""

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import numpy as np

from backlit.render.pages import page
from backlit.verification.comparison import Compared
from backlit.verification.function_check import FunctionCheck
from backlit.verification.grading.grade import Grade, summary
from backlit.verification.network_check import NetworkCheck
from backlit.verification.problem_check import CheckResult

HEADLINES = {
    "pass": "Pass: all claims are right.",
    "fail": "Fail: something is wrong.",
    "unresolved": "Unresolved: nothing is certified.",
}
MOST_ENTRIES = 10  # in a row or a column of a matrix that is shown
UNKNOWN = "The mistake is none that the catalogue knows, alone or in pairs."


def check_page(result: CheckResult, *, title: str) -> str:
    """The page of a check."""
    wrong = result.quantities[result.first_wrong] if result.first_wrong and result.verdict == "fail" else None
    return page(
        "check.html.j2",
        title=title,
        result=result,
        headline=HEADLINES[result.verdict],
        first=None if wrong is None else first(wrong),
    )


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
    wrong = result.quantities[result.first_wrong] if result.first_wrong and result.verdict == "fail" else None
    unknown = wrong is not None and not result.diagnoses
    return {
        "headline": HEADLINES[result.verdict],
        "lines": [*sentences(result.notes), *([UNKNOWN] if unknown else []), *broken(result.facts)],
        "first": None if wrong is None else first(wrong),
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
