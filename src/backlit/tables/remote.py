"""Parquet files in object storage, which Polars reads: `s3://bucket/folder`, and its kin.

Polars finds the credentials where the storage's own tools do, such as AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL and
~/.aws for S3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from backlit.errors import TableError

if TYPE_CHECKING:
    import polars as pl

URL = re.compile(r"(s3|s3a|gs|gcs|az|azure|abfs|abfss|adl):/+(.+)")


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
