"""Grades as a CSV table and as one page."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from backlit.render.pages import page
from backlit.verification.grading.grade import COLUMNS, Grade

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run a text that starts so


def grades_csv(grades: Sequence[Grade]) -> str:
    """One row a submission."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: cell(value) for key, value in one.row().items()} for one in grades)
    return text.getvalue()


def cell(value: Any) -> Any:
    """A text that a spreadsheet takes as text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def grades_page(grades: Sequence[Grade], *, title: str) -> str:
    """All submissions, each with its first wrong equation, the wrong formula beside the right one."""
    return page("grades.html.j2", title=title, grades=grades, passed=sum(one.verdict == "pass" for one in grades))
