"""A table in Parquet files, read a slice of rows at a time: one file, or a folder whose files have the same columns.

They lie on a disk or in object storage: Polars reads `s3://bucket/folder` and its kin too, and finds the credentials
where the storage's own tools do, such as AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL and ~/.aws for S3.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import accumulate, groupby
from pathlib import Path, PurePosixPath
from socket import gethostname
from typing import TYPE_CHECKING

from backlit.bounded_reading import open_regular
from backlit.errors import TableError
from backlit.tables.binary_files import MAGIC, ROW_LABELS
from backlit.tables.messages import count, near, shown
from backlit.tables.table_files import converted
from backlit.tables.table_formats import TableFormat

if TYPE_CHECKING:
    import polars as pl

SUFFIX = ".parquet"
URL = re.compile(r"(s3|s3a|gs|gcs|az|azure|abfs|abfss|adl):/+(.+)")
BYTES_AT_ONCE = 1 << 26  # of the texts from which formats are learned, at 64 bytes each
CHUNKS = 16  # of a piece: about a second's work
TAIL = 2**16  # bytes of a file's end that tell it from another


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


File = Path | RemoteFile


@dataclass(frozen=True)
class Chunk:
    """Rows of one file.

    file : which.  start : its first row there.  first : its first row in the whole table.  rows : how many.
    """

    file: int
    start: int
    first: int
    rows: int


@dataclass(frozen=True)
class Piece:
    """Chunks of one file that are read together, perhaps by another process on another machine.

    table : the file.  chunks : their `first` counts in the table that the file is of.  mark : see `mark`.
    """

    table: ParquetTable
    chunks: tuple[Chunk, ...]
    mark: tuple[int, int]

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return sum(chunk.rows for chunk in self.chunks)

    def checked(self) -> ParquetTable:
        """The file, looked at here.  Raises TableError if it isn't there, or not the one that was marked."""
        file = self.table.files[0]
        if not file.exists():
            raise TableError(
                f"{file}: cannot be seen on {gethostname()}, where a job reads it: put the table on a path that all "
                f"workers share"
            )
        if mark(file) != self.mark:
            raise TableError(
                f"{file}: is another file on {gethostname()}, where a job reads it, or was changed: give all workers "
                f"the same files, and leave them as they are meanwhile"
            )
        return self.table


@dataclass(frozen=True)
class ParquetTable:
    """The files of a table in the order of their names, their rows, and the columns that all of them have.

    >>> import polars as pl, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for k in range(2):
    ...         pl.DataFrame({"a": [10 * k, 10 * k + 1, 10 * k + 2]}).write_parquet(f"{folder}/part-{k}.parquet")
    ...     table = ParquetTable.open(folder)
    ...     [table.read(chunk)["a"].to_list() for chunk in table.chunks(2)]
    [[0, 1], [2], [10, 11], [12]]
    """

    path: Path
    files: tuple[File, ...]
    rows: tuple[int, ...]
    schema: dict[str, pl.DataType]
    format: TableFormat | None = None  # by which its texts are read

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> ParquetTable:
        """Look at the footer of each file; no row is read.

        path : a folder, of which the files that end in .parquet count (hidden ones and those that begin with _ don't),
        or one such file; either may lie in object storage (s3://…).  Raises TableError, one line with the file's name,
        for a folder without such files, a damaged file, and files whose columns differ in name or type.
        """
        url, path = remote(path), Path(path)
        files: Sequence[File] = (
            remote_files(url) if url else parquet_files(path) if path.is_dir() else [checked_file(path)]
        )
        schemas, rows = zip(*(footer(file) for file in files), strict=True)
        schema = dict(schemas[0])
        for file, other in zip(files[1:], schemas[1:], strict=True):
            _same_columns(file, other, files[0], schema)
        if not sum(rows):
            raise TableError(f"{path}: has {count(len(schema), 'column')} and no rows: add rows, or check the export")
        return cls(path, tuple(files), rows, schema)

    def learn(self, types: dict[str, str]) -> ParquetTable:
        """The same table, whose texts are read as the numbers and dates that they are; in one pass over them or two.

        types : what the user says of columns (`column_formats.TYPES`).
        """

        def chunks(names: Sequence[str]) -> Iterator[pl.DataFrame]:
            return (self.read(chunk, names) for chunk in self.chunks(BYTES_AT_ONCE // (64 * len(names)) + 1))

        return replace(self, format=TableFormat.learn_chunks(self.schema, chunks, types=types))

    def refuse_problems(self, dropped: Sequence[str]) -> None:
        """Raise TableError for a column of which it cannot be told what it is, unless it is dropped."""
        if self.format is not None:
            with_name = f"{self.path}: "
            try:
                self.format.refuse_problems(dropped)
            except TableError as error:
                raise TableError(f"{with_name}{error}") from None

    @property
    def types(self) -> dict[str, pl.DataType]:
        """Types of the columns as they are read."""
        return self.schema if self.format is None else self.format.schema(self.schema)

    def __len__(self) -> int:
        return sum(self.rows)

    @property
    def bytes(self) -> int:
        """Size of the files."""
        return sum(size_of(file) for file in self.files)

    def chunks(self, most: int) -> list[Chunk]:
        """Every row in order, in pieces of one file of `most` rows or fewer."""
        firsts = accumulate(self.rows, initial=0)
        return [
            Chunk(file, start, first + start, min(most, rows - start))
            for file, (rows, first) in enumerate(zip(self.rows, firsts, strict=False))
            for start in range(0, rows, most)
        ]

    def read(self, chunk: Chunk, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The rows of a chunk, in order, and of them the columns asked for.  Raises TableError for a damaged file."""
        import polars as pl

        file, names = self.files[chunk.file], list(columns if columns is not None else self.schema)
        with readable(file):
            lazy = pl.scan_parquet(str(file), glob=False, hive_partitioning=False).select(names)
            # the streaming engine skips the pages before the slice, so that a huge row group costs no more memory
            table = lazy.slice(chunk.start, chunk.rows).collect(engine="streaming")
        if table.height != chunk.rows:
            raise TableError(f"{file}: has fewer rows than when it was opened: do not change it while it is read")
        table = table.cast({name: self.schema[name] for name in names if table.schema[name] != self.schema[name]})
        return table if self.format is None else self.format.read(table)

    def pieces(self, most: int) -> list[Piece]:
        """Every row in order, in pieces of CHUNKS chunks of one file, or fewer, to be read by whoever gets them."""
        chunks = [list(of_file) for _, of_file in groupby(self.chunks(most), key=lambda chunk: chunk.file)]
        marks = {of_file[0].file: mark(self.files[of_file[0].file]) for of_file in chunks}
        return [
            Piece(self.alone(part[0].file), tuple(replace(chunk, file=0) for chunk in part), marks[part[0].file])
            for of_file in chunks
            for part in (of_file[at : at + CHUNKS] for at in range(0, len(of_file), CHUNKS))
        ]

    def alone(self, file: int) -> ParquetTable:
        """The table of one of the files."""
        return replace(self, files=(self.files[file].absolute(),), rows=(self.rows[file],))

    def where(self, chunk: Chunk) -> str:
        """The file of a chunk, to stand before an error."""
        return str(self.files[chunk.file])


def size_of(file: File) -> int:
    """Bytes of a file; 0 for one in object storage, where Polars does not say it."""
    return 0 if isinstance(file, RemoteFile) else file.stat().st_size


def mark(file: File) -> tuple[int, int]:
    """Size and checksum of the end of a file, where Parquet says what lies where in it, and between which bounds.

    Of one in object storage, which is the same for all who read it, the number of rows.
    """
    if isinstance(file, RemoteFile):
        return remote_footer(file)[1], 0
    with readable(file), file.open("rb") as opened:
        size = opened.seek(0, os.SEEK_END)
        opened.seek(max(0, size - TAIL))
        return size, zlib.crc32(opened.read())


def parquet_files(folder: Path) -> list[Path]:
    """The Parquet files of a folder by name; raises TableError if there is none."""
    try:
        inside = sorted(folder.iterdir())
    except OSError as error:
        raise TableError(f"{folder}: the folder could not be read ({error.strerror}): check your right to it") from None
    files = [f for f in inside if f.suffix.lower() == SUFFIX and f.name[0] not in "._" and f.is_file()]
    if files:
        return files
    deeper = next((f for f in inside if f.is_dir() and any(f.glob(f"*{SUFFIX}"))), None)
    if deeper is not None:
        raise TableError(
            f"{folder}: has its Parquet files in folders below, such as {deeper.name}: give one of these, or write the "
            f"table into one folder"
        )
    other = next((f.name for f in inside if f.suffix.lower() in (".csv", ".tsv", ".jsonl", ".ndjson")), None)
    found = f"{shown(other)} and the like" if other else "the folder is empty" if not inside else "other files only"
    raise TableError(
        f"{folder}: holds no Parquet file ({found}): a folder is read as one table in files that end in {SUFFIX}; "
        f"write it so, for example with polars.scan_csv(...).sink_parquet(...)"
    )


def checked_file(path: Path) -> Path:
    """A single file that can be streamed."""
    if not path.exists():
        raise TableError(f"{path}: does not exist: check the name")
    if path.suffix.lower() != SUFFIX:
        raise TableError(
            f"{path}: only Parquet can be streamed: {converted(path)}; or leave --stream out to hold it in memory"
        )
    return path


def footer(file: File) -> tuple[dict[str, pl.DataType], int]:
    """Columns and number of rows of a file.  Raises TableError if it is no whole Parquet file."""
    import polars as pl

    if isinstance(file, RemoteFile):
        return remote_footer(file)
    with readable(file):
        with open(file, "rb", opener=lambda name, _: open_regular(name)) as opened:
            begins = opened.read(4)
            opened.seek(max(-4, -file.stat().st_size), os.SEEK_END)
            ends = opened.read(4)
        if begins != MAGIC:
            raise TableError(f"{file}: is not a Parquet file, though its name says so: write it anew, or move it away")
        if ends != MAGIC:
            raise TableError(f"{file}: is a Parquet file cut short (its end is missing): copy or write it anew")
        schema = dict(pl.read_parquet_schema(file))
        lazy = pl.scan_parquet(file, glob=False, hive_partitioning=False)
        rows = int(lazy.select(pl.len()).collect(engine="streaming").item())
    schema.pop(ROW_LABELS, None)
    return schema, rows


@contextmanager
def readable(file: File) -> Iterator[None]:
    """Say which file it was, in one line, where reading it fails."""
    import polars as pl

    try:
        yield
    except TableError:
        raise
    except PermissionError:
        raise TableError(f"{file}: reading it is not allowed: ask for the right to (chmod +r), or copy it") from None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]
        raise TableError(f"{file}: is a damaged Parquet file ({reason}): copy or write it anew") from error


def _same_columns(file: File, found: dict[str, pl.DataType], first: File, schema: dict[str, pl.DataType]) -> None:
    """Raise TableError if a file has other columns than the first; a column of nulls only fits every type."""
    import polars as pl

    for name, dtype in schema.items():
        if name not in found:
            raise TableError(
                f"{file}: has no column {shown(name)}, which {first.name} has, and all files of a folder need the same "
                f"columns: {near(name, found)}"
            )
        if dtype == pl.Null:
            schema[name] = found[name]
        elif found[name] not in (dtype, pl.Null):
            raise TableError(
                f"{file}: column {shown(name)} is {found[name]}, in {first.name} it is {dtype}: write the column in "
                f"one type in all files"
            )
    extra = next((name for name in found if name not in schema), None)
    if extra is not None:
        raise TableError(
            f"{file}: has a column {shown(extra)}, which {first.name} does not have: all files of a folder need the "
            f"same columns"
        )


# --- object storage ---------------------------------------------------------------------------------------------------


def remote(path: object) -> str | None:
    """The address, if it is one of object storage; pathlib makes one slash of its two.

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
