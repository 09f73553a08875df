"""One pass over a table that is too large for memory: the encoder, the target's meaning, and what each part holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import starmap
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.errors import DomainError, TableError
from backlit.files import checksum, joined_checksum
from backlit.tables.accumulators import ExactMoments, Gathered, gathered
from backlit.tables.columns import leave_out, settle
from backlit.tables.encoder import MAX_CATEGORIES, TableEncoder, names_kept
from backlit.tables.messages import count, shown
from backlit.tables.parquet import Chunk, ParquetTable, Piece
from backlit.tables.splitting import drawn
from backlit.tables.target import GatheredTarget, TargetCodec, Task, class_indices

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

Run = Callable[[Callable[..., Any], Sequence[tuple[Any, ...]]], Iterable[Any]]  # as `itertools.starmap`
TRAINING, VALIDATION, TEST = range(3)
CELL = 1024  # rows in which the training rows are counted; a chunk of training is a whole number of them
BYTES_AT_ONCE = 2**22  # of a chunk, at 8 bytes a value


@dataclass(frozen=True)
class Parts:
    """Which part of a split each row is in: a function of its number and the seed.

    >>> Parts(seed=0, test_size=0.25, validation=0.25).of(0, 8)
    array([2, 1, 2, 0, 0, 0, 0, 0])
    """

    seed: int
    test_size: float
    validation: float  # share of all rows

    def __post_init__(self) -> None:
        if not 0 < self.test_size < 1:
            raise DomainError(f"test_size is {self.test_size}: give a share between 0 and 1, such as 0.25")

    def of(self, first: int, rows: int) -> NDArray[np.int64]:
        """TRAINING, VALIDATION or TEST for each of the rows first, first + 1, … (rows,)."""
        return 2 - np.digitize(drawn(first, rows, self.seed), [self.test_size, self.test_size + self.validation]) % 3


@dataclass(frozen=True)
class Survey:
    """What one pass over a table found.

    encoder : learned from the training and validation rows.  codec, notes : the target's meaning.
    shift, scale : mean and standard deviation of the target over these rows, for regression; else 0 and 1.
    n : rows with a target in each of the three parts.  cells : training rows in each CELL rows of each file.
    validation : the validation rows.  checksum : of every value that is learned from, in its place in its file.
    """

    table: ParquetTable
    parts: Parts
    encoder: TableEncoder
    codec: TargetCodec
    notes: tuple[str, ...]
    shift: float
    scale: float
    n: tuple[int, int, int]
    cells: tuple[NDArray[np.int64], ...]
    validation: pl.DataFrame
    checksum: int

    def training_rows(self, chunk: Chunk) -> int:
        """Training rows in a chunk, which begins at a cell's border and ends at one, or with its file."""
        return int(self.cells[chunk.file][chunk.start // CELL : -(-(chunk.start + chunk.rows) // CELL)].sum())


@dataclass
class Seen:
    """What has been seen of a table's rows; what is seen of those that follow is merged into it.

    cells, held : training rows of each cell, and the validation rows, piece by piece.  check, bytes : a checksum of
    all values, and of how many bytes it is.
    """

    columns: dict[str, Gathered]
    target: GatheredTarget
    moments: ExactMoments = field(default_factory=ExactMoments)
    n: NDArray[np.int64] = field(default_factory=lambda: np.zeros(3, np.int64))
    cells: list[NDArray[np.int64]] = field(default_factory=list)
    held: list[pl.DataFrame] = field(default_factory=list)
    check: int = 0
    bytes: int = 0

    @classmethod
    def nothing(cls, table: ParquetTable, names: Iterable[str], target: str, task: Task | None) -> Seen:
        """Before the first row."""
        columns = {name: _gathered(table, name) for name in names}
        return cls(columns, GatheredTarget(table.schema, target, task))

    def add(self, frame: pl.DataFrame, start: int, part: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Take in a chunk, which begins at row `start` of its file; which of its rows are trained on (m,)."""
        import polars as pl

        names, target = list(self.columns), self.target.name
        has = self.target.add(frame[target], start)
        _refuse_infinite(frame, names, start)
        kept = frame.filter(has & (part != TEST))
        for name, column in self.columns.items():
            column.add(settle(kept[name]))
        self.n += np.bincount(part[has], minlength=3)
        self.held.append(frame.filter(has & (part == VALIDATION)))
        for values in frame.iter_columns():
            array = as_array(values)
            self.check, self.bytes = checksum(array, self.check), self.bytes + array.nbytes
        if kept[target].dtype.is_numeric():
            self.moments.add(kept[target].cast(pl.Float64).to_numpy())
        return has & (part == TRAINING)

    def merge(self, other: Seen) -> None:
        """Take in what another has seen of the rows that follow."""
        for name, column in self.columns.items():
            column.merge(other.columns[name])
        self.target.merge(other.target)
        self.moments.merge(other.moments)
        self.n += other.n
        self.cells += other.cells
        self.held += other.held
        self.check = joined_checksum(self.check, other.check, other.bytes)
        self.bytes += other.bytes


def see(piece: Piece, names: Sequence[str], target: str, task: Task | None, parts: Parts) -> Seen:
    """What is seen of a piece of a table."""
    table, begin = piece.checked(), piece.chunks[0].start
    seen = Seen.nothing(table, names, target, task)
    cells = np.zeros(-(-piece.rows // CELL), np.int64)
    for chunk in piece.chunks:
        frame = table.read(chunk, [*names, target])
        try:
            trained = seen.add(frame, chunk.start, parts.of(chunk.first, chunk.rows))
        except TableError as error:
            raise TableError(f"{table.where(chunk)}: {error}") from None
        np.add.at(cells, (chunk.start - begin + np.flatnonzero(trained)) // CELL, 1)
    seen.cells.append(cells)
    return seen


def survey(
    table: ParquetTable,
    target: str,
    task: Task | None,
    parts: Parts,
    *,
    drop: Iterable[str] = (),
    max_categories: int = MAX_CATEGORIES,
    show: Callable[[float], None] = lambda share: None,
    run: Run = starmap,
) -> Survey:
    """Read the whole table once, a piece at a time, and learn how to encode it; memory does not grow with its rows.

    show : is told the share that is done.  run : calls a function with each of some arguments, anywhere, and gives the
    results in their order.  Raises TableError, with the file's name where it is a file's fault, for what
    `TableEncoder.fit` and `read_target` refuse.
    """
    import polars as pl

    names = names_kept(table.schema, [target, *drop] if target in table.schema else drop)
    seen, done = Seen.nothing(table, names, target, task), 0
    pieces = table.pieces(rows_at_once(len(names) + 1))
    for piece, found in zip(pieces, run(see, [(piece, names, target, task, parts) for piece in pieces]), strict=True):
        try:
            seen.merge(found)
        except TableError as error:
            raise TableError(f"{piece.table.files[0]}: {error}") from None
        done += piece.rows
        show(done / len(table))
    try:
        codec, notes = seen.target.learned()
        _refuse_empty(seen.n)
        columns = [column.column(max_categories) for column in seen.columns.values()]
        encoder = TableEncoder.of(columns, int(seen.n[:TEST].sum()), table.format)
    except TableError as error:
        raise TableError(f"{table.path}: {error}") from None
    shift, scale = seen.moments.mean_and_scale() if codec.task == "regression" else (0.0, 1.0)
    return Survey(
        table,
        parts,
        encoder,
        codec,
        notes,
        shift,
        scale or 1.0,
        (int(seen.n[0]), int(seen.n[1]), int(seen.n[2])),
        cells_by_file(table, seen.cells),
        pl.concat(seen.held),
        seen.check,
    )


def cells_by_file(table: ParquetTable, cells: Sequence[NDArray[np.int64]]) -> tuple[NDArray[np.int64], ...]:
    """Training rows in each CELL rows of each file, from those of the pieces."""
    ends = np.cumsum([-(-rows // CELL) for rows in table.rows])
    return tuple(np.split(np.concatenate(cells), ends[:-1]))


def rows_at_once(columns: int) -> int:
    """Rows of a chunk that is read: whole cells, about BYTES_AT_ONCE.

    >>> rows_at_once(20), rows_at_once(10_000)
    (26624, 1024)
    """
    return max(BYTES_AT_ONCE // (8 * columns) // CELL + 1, 1) * CELL


def targets(codec: TargetCodec, column: pl.Series) -> NDArray[np.float64] | NDArray[np.int64]:
    """Class indices or numbers (m,) of a target column without missing values."""
    import polars as pl

    column = settle(column)
    if codec.task == "classification":
        return class_indices(codec, column)
    return column.cast(pl.Float64).to_numpy()


def as_array(column: pl.Series) -> NDArray[Any]:
    """The values of a column, or the bytes of its words, for a checksum.

    >>> import polars as pl
    >>> as_array(pl.Series([1, None])), as_array(pl.Series(["a", "b"])).tolist()
    (array([ 1., nan]), [97, 10, 98, 10])
    """
    import polars as pl

    physical = column.to_physical() if column.dtype.is_temporal() else column
    physical = physical.cast(pl.UInt8) if column.dtype == pl.Boolean else physical
    if physical.dtype.is_numeric():
        return physical.cast(pl.Float64).to_numpy() if physical.dtype.is_decimal() else physical.to_numpy()
    words = column.cast(pl.String).fill_null("\0").str.join("\n").item()
    return np.frombuffer(f"{words}\n".encode(), np.uint8)


def _gathered(table: ParquetTable, name: str) -> Gathered:
    import polars as pl

    try:
        return gathered(name, settle(pl.Series(name, [], table.types[name])).dtype)
    except TableError as error:
        raise TableError(f"{table.files[0]}: {error}") from None


def _refuse_infinite(frame: pl.DataFrame, names: list[str], first: int) -> None:
    """Raise TableError for infinite numbers, in held-out rows too, with the row in its file."""
    for name in names:
        if frame[name].dtype.is_float() and frame[name].is_infinite().any():
            row = first + int(frame[name].is_infinite().arg_max() or 0) + 1
            raise TableError(
                f"column {shown(name)} is infinite in row {row:,}: write a number there, empty the value, or "
                f"{leave_out(name)}"
            )


def _refuse_empty(n: NDArray[np.int64]) -> None:
    for part, name in ((TRAINING, "training"), (VALIDATION, "validation"), (TEST, "test")):
        if not n[part]:
            raise TableError(
                f"{count(int(n.sum()), 'row')} with a target leave no {name} row: give more rows, or read the table "
                f"into memory"
            )
