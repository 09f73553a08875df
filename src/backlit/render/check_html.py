"""A check as one page that fetches nothing."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from backlit.render.pages import page
from backlit.verification.comparison import Compared
from backlit.verification.grading.grade import Grade, summary
from backlit.verification.result import CheckResult

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


def grades_page(grades: Sequence[Grade], *, title: str) -> str:
    """All submissions, each with its first wrong equation, the wrong formula beside the right one."""
    passed = sum(one.verdict == "pass" for one in grades)
    return page("grades.html.j2", title=title, grades=grades, passed=passed, summary=summary(grades))
