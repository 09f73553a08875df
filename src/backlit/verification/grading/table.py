"""The table of grades: a row a submission, appended as soon as it is known, from which an interrupted run goes on."""

import csv
import io
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from backlit.bounded_reading import open_regular, read_bytes
from backlit.errors import ProblemError
from backlit.files import atomic_write
from backlit.terminal import printable
from backlit.verification.grading.grade import COLUMNS, POINTS, Grade
from backlit.verification.grading.rubric import Rubric

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
