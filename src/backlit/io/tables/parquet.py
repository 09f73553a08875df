"""Parquet: types and names are in the file; what can go wrong is the file itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backlit.errors import TableError

if TYPE_CHECKING:
    from collections.abc import Collection

    import polars as pl

MAGIC = b"PAR1"  # first and last four bytes of every Parquet file
ROW_LABELS = "__index_level_0__"  # pandas' name for an index without a name


def read_parquet(data: bytes, path: object, text: Collection[str]) -> pl.DataFrame:
    """Read a Parquet file; its types are kept, so `text` changes nothing."""
    import polars as pl

    if not data.startswith(MAGIC):
        raise TableError(
            f"{path}: is not a Parquet file, though its name says so: give it its own suffix, or write it anew"
        )
    if not data.endswith(MAGIC):
        raise TableError(f"{path}: is a Parquet file cut short (its end is missing): copy or write it anew")
    try:
        return pl.read_parquet(data).drop(ROW_LABELS, strict=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise TableError(f"{path}: is a damaged Parquet file ({reason}): copy or write it anew") from error
