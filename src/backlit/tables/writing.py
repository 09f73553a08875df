"""Write a table to a file, by its suffix, whole or not at all."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from backlit.errors import TableError
from backlit.files import atomic_write

if TYPE_CHECKING:
    import polars as pl

FORMULA = r"^[=+\-@\t\r\n]"
SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")


def write_table(table: pl.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a table as CSV (.csv), tab-separated text (.tsv), Parquet (.parquet) or JSON lines (.jsonl, .ndjson).

    Floats are written so that reading gives the same bits.  The file appears whole or not at all (`atomic_write`).
    Raises TableError for another suffix or values that the format cannot hold, BacklitError where writing fails.

    >>> import tempfile, polars as pl
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_table(pl.DataFrame({"color": ["red"], "p": [0.1]}), Path(folder, "t.csv"))
    ...     Path(folder, "t.csv").read_text(encoding="utf-8")
    'color,p\\nred,0.1\\n'
    """
    import polars as pl

    suffix = Path(path).suffix.lower()
    check_suffix(path)
    try:
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            if suffix == ".parquet":
                table.write_parquet(file)
            elif suffix in (".csv", ".tsv"):
                separator, missing = csv_marks(suffix, table.width)
                table.write_csv(file, separator=separator, null_value=missing)
            else:
                table.write_ndjson(file)
    except pl.exceptions.PolarsError as error:
        raise TableError(
            f"{path}: could not be written ({str(error).splitlines()[0]}): write .parquet instead"
        ) from error


def spreadsheet_safe(table: pl.DataFrame) -> pl.DataFrame:
    """The table with an apostrophe before each text and name that a spreadsheet would run as a formula.

    Those begin with = + - @, a tab or a line's end.  Numbers stay as they are.

    >>> import polars as pl
    >>> spreadsheet_safe(pl.DataFrame({"=A1": ["-x", "x"], "n": [-1, 2]})).rows(named=True)
    [{"'=A1": "'-x", 'n': -1}, {"'=A1": 'x', 'n': 2}]
    """
    import polars as pl

    text = pl.col(pl.String)
    safe = table.with_columns(pl.when(text.str.contains(FORMULA)).then("'" + text).otherwise(text).name.keep())
    return safe.rename({name: f"'{name}" for name in table.columns if re.match(FORMULA, name)})


def csv_marks(suffix: str, columns: int) -> tuple[str, str]:
    """What separates values, and what stands for a missing one: in a table of one column an empty line is no row."""
    return "\t" if suffix == ".tsv" else ",", "NA" if columns == 1 else ""


def check_suffix(path: str | os.PathLike[str]) -> None:
    """Raise TableError where `write_table` does not know the suffix; to be asked before hours of work.

    >>> check_suffix("predictions.csv")
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        ending = f"its name ends in {suffix!r}" if suffix else "its name has no suffix"
        raise TableError(f"{path}: {ending}, which says no known format: end it in {', '.join(SUFFIXES)}")
