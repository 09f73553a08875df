"""docs/reading-tables.md, read row by row: what it says of cells is so, and it says it of every type."""

import datetime as dt
import re
from pathlib import Path

import polars as pl
import pytest
from tests.helpers import quick_first

from backlit.tables.column_formats import TYPES
from backlit.tables.table_files import SUFFIXES
from backlit.tables.table_formats import TableFormat

PAGE = (Path(__file__).parents[2] / "docs/reading-tables.md").read_text(encoding="utf-8")
ROWS = [line.strip("|").split(" | ") for line in PAGE.splitlines() if line.startswith("| ") and line.count("|") == 4]
CELLS = {
    what.strip(): (re.findall(r"`([^`]*)`", cells), values.strip()) for what, cells, values in ROWS if "`" in cells
}


def written(value):
    """A value as the page writes it."""
    if value is None:
        return "–"
    if isinstance(value, bool | dt.date | dt.time | dt.timedelta):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return f"{value:.15g}" if isinstance(value, int | float) else repr(value)


QUICK = [*CELLS][::3]


@pytest.mark.parametrize("what", quick_first([*QUICK, *(what for what in CELLS if what not in QUICK)], len(QUICK)))
def test_a_row_of_the_page_is_so(what):
    cells, values = CELLS[what]
    table = pl.DataFrame({"x": cells})
    column = TableFormat.learn(table).read(table)["x"]
    assert ", ".join(map(written, column.to_list())) == values


def test_the_page_has_its_rows_and_every_type_and_suffix():
    assert len(CELLS) == 29
    assert all(f"`{type}`" in PAGE for type in TYPES)
    assert all(f"`{suffix}`" in PAGE for suffix in SUFFIXES)
