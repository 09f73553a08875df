"""Excel workbooks, by Polars' engine fastexcel (extra `excel`): one sheet, its cells as text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from backlit.errors import TableError
from backlit.tables.messages import listed, near

if TYPE_CHECKING:
    import polars as pl


def sheet_of(path: Path) -> tuple[Path, str]:
    """The file and the sheet that FILE.xlsx:SHEET names; "" where it names none.

    >>> sheet_of(Path("a.xlsx:Prices")), sheet_of(Path("a.csv"))
    ((PosixPath('a.xlsx'), 'Prices'), (PosixPath('a.csv'), ''))
    """
    for suffix in (".xlsx:", ".xls:", ".ods:"):
        at = path.name.lower().find(suffix)
        if at >= 0:
            end = at + len(suffix)
            return path.with_name(path.name[: end - 1]), path.name[end:]
    return path, ""


def read_workbook(data: bytes, path: object, sheet: str) -> pl.DataFrame:
    """Read a sheet as text; dates come as year-month-day.

    sheet : its name; "" for the only one that has cells.  Raises TableError if there is no such sheet, or several.
    """
    import polars as pl

    try:
        from fastexcel import FastExcelError, read_excel
    except ImportError:
        raise TableError(
            f"{path}: reading a workbook needs fastexcel: pip install 'backlit[excel]', or save it as CSV"
        ) from None
    try:
        book = read_excel(data)
        names = book.sheet_names
        if sheet and sheet not in names:
            raise TableError(f"{path}: has no sheet {sheet!r}: {near(sheet, names)}")
        tables = {name: book.load_sheet(name, dtypes="string").to_polars() for name in ([sheet] if sheet else names)}
    except FastExcelError as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise TableError(f"{path}: could not be read as a workbook ({reason}): save it anew, or as CSV") from None
    full = [name for name, table in tables.items() if table.width]
    if len(full) > 1:
        raise TableError(f"{path}: has sheets {listed(full)}: say which, {Path(str(path)).name}:{full[0]}")
    table = tables[full[0]] if full else pl.DataFrame()
    filled = pl.any_horizontal(pl.all().str.strip_chars().fill_null("") != "")
    return table.filter(filled) if table.width else table
