"""The column to predict: its task, its values as numbers, the rows that have one, and its labels as they were.

It is read of a table in memory (`read_target`), or by the same rules learned from chunks (`GatheredTarget`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from backlit.bounded_reading import check_memory
from backlit.errors import ModelError, ProblemError, TableError
from backlit.tables.columns import frequencies, settle
from backlit.tables.messages import count, listed, near, shown
from backlit.tables.schema import REMEDY, check_field, check_header

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import ArrayLike, NDArray


Task = Literal["classification", "regression"]
Label = bool | int | float | str
FORMAT, VERSION = "backlit target", 1
MOST_INTEGER_CLASSES = 20
MOST_VALUES = 100_000  # different values that are counted; more cannot be classes


@dataclass(frozen=True)
class TargetCodec:
    """Between the values of the target column and the numbers that a network learns.

    name : the column.  task : "classification" or "regression".
    classes : labels in order, all bool, int, float or str; class k is classes[k].  Empty for regression.

    >>> TargetCodec("color", "classification", ("green", "red")).decode([1, 0]).to_list()
    ['red', 'green']
    """

    name: str
    task: Task
    classes: tuple[Label, ...] = ()

    def decode(self, predicted: ArrayLike) -> pl.Series:
        """Return a column of the target's name and type for class indices (classification) or numbers (regression)."""
        import polars as pl

        values = np.asarray(predicted)
        if self.task == "regression":
            return pl.Series(self.name, values.astype(np.float64))
        return pl.Series(self.name, self.classes, dtype=_type_of(self.classes)).gather(values.astype(np.int64))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON types, which keep a label's type."""
        stored = {"name": self.name, "task": self.task, "classes": list(self.classes)}
        return {"format": FORMAT, "version": VERSION} | stored

    @classmethod
    def from_dict(cls, stored: object) -> TargetCodec:
        """Build the codec that `to_dict` was called on; raises ModelError for anything else."""
        record = check_header(stored, FORMAT, VERSION)
        name, task = (check_field(record, field, "str", f"{FORMAT}: ") for field in ("name", "task"))
        classes = record.get("classes")
        kinds = {type(label) for label in classes} if isinstance(classes, list) else {list}
        if task not in ("classification", "regression") or not kinds <= {bool, int, float, str} or len(kinds) > 1:
            raise ModelError(
                f"{FORMAT}: task {task!r} with classes of types {listed(k.__name__ for k in kinds)}: {REMEDY}"
            )
        codec = cls(name, task, tuple(classes or ()))
        wanted = len(codec.classes) >= 2 if task == "classification" else not codec.classes
        finite = all(isfinite(label) for label in codec.classes if isinstance(label, float))
        if not wanted or not finite or len(set(codec.classes)) < len(codec.classes):
            raise ModelError(f"{FORMAT}: {task} with classes {listed(codec.classes)}: {REMEDY}")
        return codec


def _type_of(classes: tuple[Label, ...]) -> Any:
    """The type of the column that holds these labels."""
    import polars as pl

    kind = type(classes[0])
    whole = pl.UInt64 if kind is int and max(map(int, classes)) >= 2**63 else pl.Int64
    return {bool: pl.Boolean, int: whole, float: pl.Float64, str: pl.String}[kind]


@dataclass(frozen=True)
class Target:
    """A target column, read.

    codec : task and labels, to store with the model.
    y : (m,) class indices (int64) for classification, values (float64) for regression.
    rows : (m,) indices of the rows of the table that have a target, ascending; `table[target.rows]` fits `y`.
    notes : what a reader of the report should know.
    """

    codec: TargetCodec
    y: NDArray[np.int64] | NDArray[np.float64]
    rows: NDArray[np.int64]
    notes: tuple[str, ...]

    @property
    def task(self) -> Task:
        """Classification or regression."""
        return self.codec.task

    @property
    def classes(self) -> tuple[Label, ...]:
        """Labels in order; empty for regression."""
        return self.codec.classes


def read_target(table: pl.DataFrame, column: str, task: Task | None = None) -> Target:
    """Read the column to predict.

    task : "classification" or "regression"; where None, the column's type decides:

    - text, categories, true and false: classification;
    - whole numbers: classification where there are at most 20 different ones and each has two rows or more on
      average, else regression;
    - numbers with decimals (floats, `1.0` too): regression.

    Labels keep their type (bool, int, float, str) and are in ascending order.  Rows without a value (NaN is none) are
    left out.  A class with a single row is learned but cannot be tested, as `split` keeps it for training; a note
    says so.

    Raises TableError, one line with column, fact and remedy, where the column is not there, is empty, infinite, of a
    type that the task cannot take, has one value only, or more classes than half of its rows or than memory allows.

    >>> import polars as pl
    >>> target = read_target(pl.DataFrame({"won": [1, 0, None, 1, 0]}), "won")
    >>> target.task, target.classes, target.y, target.rows
    ('classification', (0, 1), array([1, 0, 1, 0]), array([0, 1, 3, 4]))
    """
    check_column(table.columns, column, task)
    whole = settle(table[column])
    rows = np.flatnonzero(whole.is_not_null().to_numpy())
    if not rows.size:
        raise TableError(
            f"target {shown(column)} has no value in any of {count(len(whole), 'row')}: name another column"
        )
    given = whole.drop_nulls()
    check_type(given, rows)
    different = given.n_unique()
    if different == 1:
        alone = f"target {shown(column)} has one value only, {shown(given[0])}, in {count(len(given), 'row')}"
        raise TableError(f"{alone}: there is nothing to tell apart; add rows with other values, or name another column")
    decided = task or decide_task(given)
    notes = [] if rows.size == len(whole) else [f"{count(len(whole) - rows.size, 'row')} without a target left out"]
    read = _classes if decided == "classification" else _values
    codec, y, more = read(given, rows)
    if task is None:
        whole_numbers = given.dtype.is_float() and bool((given == given.round()).all())
        more += doubts(given.dtype, decided, different, len(given), whole_numbers)
    return Target(codec, y, rows, tuple(notes + more))


def decide_task(given: pl.Series) -> Task:
    """Apply the rule of `read_target` to the values of a target.

    >>> import polars as pl
    >>> decide_task(pl.Series([3, 3, 5, 5])), decide_task(pl.Series([3, 4, 5, 6]))
    ('classification', 'regression')
    """
    return decide(given.dtype, given.n_unique(), len(given))


def decide(dtype: pl.DataType, different: int, rows: int) -> Task:
    """Choose the task by the rule of `read_target` from a column's type and its numbers of distinct values and rows."""
    if dtype.is_integer():
        few = different <= MOST_INTEGER_CLASSES and 2 * different <= rows
        return "classification" if few else "regression"
    return "regression" if dtype.is_numeric() else "classification"


def check_column(columns: Collection[str], column: str, task: Task | None) -> None:
    """Raise an error if there is no such task, or the column is not in the table."""
    if task not in (None, "classification", "regression"):
        raise ProblemError(
            f"task is {task!r}: give 'classification' or 'regression', or nothing to let the target decide"
        )
    if column not in columns:
        raise TableError(f"target {shown(column)} is not a column of the table: {near(column, columns)}")


def check_type(given: pl.Series, rows: NDArray[np.int64]) -> None:
    """Raise TableError for moments and infinite numbers; rows (m,) says where each value stands."""
    import polars as pl

    if given.dtype.is_temporal():
        raise TableError(
            f"target {shown(given.name)} holds dates or times, such as {shown(str(given[0]))}: write it as a number "
            f"(days from a date) for regression, or as text for classification"
        )
    if given.dtype.is_float() and not given.is_finite().all():
        row = int((~given.is_finite()).arg_max() or 0)
        raise TableError(
            f"target {shown(given.name)} is infinite in {count(int((~given.is_finite()).sum()), 'row')}, first in row "
            f"{rows[row] + 1}: write a number there, or empty it to leave the row out"
        )
    assert given.dtype.is_numeric() or given.dtype in (pl.String, pl.Boolean), "settled, and no moment"


def _classes(given: pl.Series, rows: NDArray[np.int64]) -> tuple[TargetCodec, NDArray[np.int64], list[str]]:
    import polars as pl

    frequency = frequencies(given)
    codec, notes = codec_of(given.name, given.dtype, frequency)
    what = f"target {shown(given.name)}: the scores of {len(frequency):,} classes in {count(len(given), 'row')}"
    check_memory(8 * len(frequency) * len(given), what, "join rare classes, or give fewer rows")
    classes = list(codec.classes)
    return codec, given.replace_strict(classes, list(range(len(classes))), return_dtype=pl.Int64).to_numpy(), notes


def codec_of(name: str, dtype: Any, frequency: dict[Label, int]) -> tuple[TargetCodec, list[str]]:
    """Classes in order, and a note on those of a single row.  Raises TableError if there are too many."""
    rows, different = sum(frequency.values()), len(frequency)
    if 2 * different > rows:
        raise TableError(
            f"target {shown(name)} has {count(different, 'different value')} in {count(rows, 'row')}, too many for "
            f"classes, which need two rows each on average: {too_many(dtype, list(frequency))}"
        )
    classes = sorted(frequency)
    single = [label for label in classes if frequency[label] == 1]
    notes = []
    if single:
        verb = "has" if len(single) == 1 else "have"
        notes.append(f"{listed(single, most=5)} {verb} a single row: kept for training, never tested")
    return TargetCodec(name, "classification", tuple(classes)), notes


def too_many(dtype: Any, values: list[Label]) -> str:
    """The remedy for too many classes, which depends on the type."""
    import polars as pl

    if dtype.is_numeric():
        return "use the task regression"
    texts = pl.Series(values, dtype=dtype)
    read = texts.cast(pl.Float64, strict=False)
    if dtype == pl.String and 2 * read.null_count() < len(values):
        word = shown(texts.filter(read.is_null()).min())
        return f"it is numbers but for {word} and the like; mend or empty these values to use regression"
    return "join rare values, or name another column"


def _values(given: pl.Series, rows: NDArray[np.int64]) -> tuple[TargetCodec, NDArray[np.float64], list[str]]:
    return TargetCodec(given.name, "regression"), numbers_of(given, rows).copy(), []


def numbers_of(given: pl.Series, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """The values of a target for regression; raises TableError if one is a word."""
    import polars as pl

    if not given.dtype.is_numeric():
        bad = given.cast(pl.Float64, strict=False).is_null() if given.dtype == pl.String else given.is_not_null()
        row = int(bad.arg_max() or 0)
        raise TableError(
            f"target {shown(given.name)} holds {shown(str(given[row]))} in row {rows[row] + 1}, and "
            f"regression needs numbers: mend or empty such values, or use the task classification"
        )
    return given.cast(pl.Float64).to_numpy()


def doubts(dtype: Any, task: Task, different: int, rows: int, whole_numbers: bool) -> list[str]:
    """Notes where the rule may have decided otherwise than the reader would."""
    if dtype.is_integer() and task == "classification":
        return [f"{different} whole numbers taken as classes; use the task regression where they are amounts"]
    if dtype.is_float() and whole_numbers and different <= MOST_INTEGER_CLASSES and 2 * different <= rows:
        return [
            f"{different} whole numbers written with decimals taken as amounts; use the task classification for classes"
        ]
    return []


# --- learned from chunks ----------------------------------------------------------------------------------------------


class GatheredTarget:
    """What has been seen of the target.

    >>> import polars as pl
    >>> seen = GatheredTarget({"won": pl.Int64()}, "won")
    >>> seen.add(pl.Series("won", [0, 1, None, 1])), seen.add(pl.Series("won", [0, 0]))
    (array([ True,  True, False,  True]), array([ True,  True]))
    >>> codec, notes = seen.learned()
    >>> codec.classes, codec.task, notes[0]
    ((0, 1), 'classification', '1 row without a target left out')
    """

    def __init__(self, schema: dict[str, Any], column: str, task: Task | None = None):
        check_column(list(schema), column, task)
        self.name, self.asked = column, task
        self.rows = self.given = 0
        self.frequency: Counter[Label] | None = Counter()
        self.dtype: pl.DataType | None = None

    def add(self, column: pl.Series, first: int = 0) -> NDArray[np.bool_]:
        """Take in a chunk; which of its rows (m,) have a target.

        first : number of the chunk's first row in its file, from 0, for errors.
        """
        whole = settle(column)
        has = whole.is_not_null().to_numpy()
        self.rows += len(whole)
        given = whole.drop_nulls()
        if not len(given):
            return has
        rows = first + np.flatnonzero(has)
        check_type(given, rows)
        if self.asked == "regression":
            numbers_of(given, rows)  # refuses words
        self.given, self.dtype = self.given + len(given), given.dtype
        if self.frequency is not None:
            for value, times in frequencies(given).items():
                self.frequency[value] += times
            self.frequency = self.frequency if len(self.frequency) <= MOST_VALUES else None
        return has

    def merge(self, other: GatheredTarget) -> None:
        """Take in what another has seen of the rows that follow."""
        self.rows, self.given = self.rows + other.rows, self.given + other.given
        self.dtype = other.dtype or self.dtype
        if self.frequency is None or other.frequency is None:
            self.frequency = None
            return
        self.frequency.update(other.frequency)
        self.frequency = self.frequency if len(self.frequency) <= MOST_VALUES else None

    def learned(self) -> tuple[TargetCodec, tuple[str, ...]]:
        """Task and labels, and what a reader should know.  Raises TableError if the column cannot be a target."""
        name = shown(self.name)
        if not self.given or self.dtype is None:
            raise TableError(f"target {name} has no value in any of {count(self.rows, 'row')}: name another column")
        different = MOST_VALUES + 1 if self.frequency is None else len(self.frequency)
        if different == 1 and self.frequency:
            alone = f"target {name} has one value only, {shown(next(iter(self.frequency)))}"
            raise TableError(
                f"{alone}, in {count(self.given, 'row')}: there is nothing to tell apart; add rows with other values, "
                f"or name another column"
            )
        task = self.asked or decide(self.dtype, different, self.given)
        left = self.rows - self.given
        notes = [f"{count(left, 'row')} without a target left out"] if left else []
        codec = TargetCodec(self.name, "regression") if task == "regression" else self._classes()
        if self.asked is None:
            whole = all(float(value).is_integer() for value in self._numbers())
            notes += doubts(self.dtype, task, different, self.given, whole)
        return codec, tuple(notes)

    def _classes(self) -> TargetCodec:
        if self.frequency is None:
            raise TableError(
                f"target {shown(self.name)} has more than {MOST_VALUES:,} different values, too many for classes: "
                f"{too_many(self.dtype, [])}"
            )
        return codec_of(self.name, self.dtype, dict(self.frequency))[0]

    def _numbers(self) -> list[Any]:
        numeric = self.dtype is not None and self.dtype.is_numeric()
        return list(self.frequency or ()) if numeric else []


def class_indices(codec: TargetCodec, column: pl.Series) -> NDArray[np.int64]:
    """Index of each value of a settled column without nulls, (m,), among the classes that were learned from it."""
    import polars as pl

    indices = list(range(len(codec.classes)))
    return column.replace_strict(list(codec.classes), indices, return_dtype=pl.Int64).to_numpy()
