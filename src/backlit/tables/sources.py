"""Tables that are no plain file: a sheet of a workbook, and Parquet files in object storage.

Workbooks are read by Polars' engine fastexcel (extra `excel`), their cells as text.  Polars reads `s3://bucket/folder`
and its kin too, and finds the credentials where the storage's own tools do, such as AWS_ACCESS_KEY_ID,
AWS_ENDPOINT_URL and ~/.aws for S3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from backlit.errors import TableError
from backlit.tables.messages import listed, near

if TYPE_CHECKING:
    import polars as pl

URL = re.compile(r"(s3|s3a|gs|gcs|az|azure|abfs|abfss|adl):/+(.+)")


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


@dataclass(frozen=True)
class RemoteFile:
    """A file in object storage, with as much of a Path as reading tables asks for."""

    url: str

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        """The last part of its address."""
        return PurePosixPath(self.url).name

    @property
    def stem(self) -> str:
        """Its name without the suffix."""
        return PurePosixPath(self.url).stem

    def absolute(self) -> RemoteFile:
        """An address says all."""
        return self

    def exists(self) -> bool:
        """As reading it will show."""
        return True


def remote(path: object) -> str | None:
    """The address, if it is one of object storage; pathlib makes one slash of its two.

    >>> from pathlib import Path
    >>> remote(Path("s3://shop/sales/")), remote("sales")
    ('s3://shop/sales', None)
    """
    found = URL.fullmatch(str(path))
    return None if found is None else f"{found[1]}://{found[2].rstrip('/')}"


def remote_files(url: str) -> list[RemoteFile]:
    """The Parquet files of a folder by name, or the one of that name.  Raises TableError if there is none."""
    if url.endswith(".parquet"):
        return [RemoteFile(url)]
    import polars as pl

    with reachable(url):
        # for object storage Polars makes a regular expression of it, in which ! is a letter
        lazy = pl.scan_parquet(f"{url}/[^._]*.parquet", include_file_paths="file").select("file").unique()
        files = lazy.collect(engine="streaming")["file"].to_list()
    return [RemoteFile(file) for file in sorted(files)]


def remote_footer(file: RemoteFile) -> tuple[dict[str, pl.DataType], int]:
    """Columns and number of rows of a file."""
    import polars as pl

    with reachable(file.url):
        lazy = pl.scan_parquet(file.url, glob=False, hive_partitioning=False)
        return dict(lazy.collect_schema()), int(lazy.select(pl.len()).collect(engine="streaming").item())


class reachable:
    """Say in one line why object storage gives nothing."""

    def __init__(self, url: str):
        self.url = url

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        import polars as pl

        if not isinstance(error, pl.exceptions.PolarsError | OSError):
            return
        said = " ".join(str(error).split())
        code = re.search(r"<Code>(\w+)</Code>|(expanded paths were empty)", said)
        reason = "no Parquet file is there" if code and code[2] else code[1] if code else said[:200]
        raise TableError(
            f"{self.url}: could not be read ({reason}): check the address, your credentials, and that its files end in "
            f".parquet"
        ) from error
