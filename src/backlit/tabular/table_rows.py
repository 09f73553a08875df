"""A table as training takes it: its rows with a target, which of them train, which score, and which each member skips.

Rows are held out at random, by group, or by time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.errors import DomainError, TableError
from backlit.tables import TableEncoder, Target, read_target, split
from backlit.tables.columns import as_numbers, settle
from backlit.tables.fitting import kind_of
from backlit.tables.messages import count, near, shown
from backlit.tables.table_formats import TableFormat
from backlit.tabular.scoring import truth_of

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray
FEWEST_ROWS = 5


@dataclass(frozen=True)
class TableRows:
    """The rows with a target.

    frame : all columns of them.  kept, held_out : (n,) rows that train, and that score where `test` is None.
    test : rows of a table of their own, with their targets.  left_out : columns that are no features.
    weight_column : that of the rows' weights.  format : by which the table was read.
    """

    source: str
    frame: pl.DataFrame
    target: Target
    roles: Roles
    kept: Array
    held_out: Array
    left_out: tuple[str, ...]
    test_table: Any = None
    weight_column: str | None = None
    format: TableFormat | None = None

    @classmethod
    def read(
        cls,
        source: str,
        frame: pl.DataFrame,
        column: str,
        task: Any,
        drop: Sequence[str],
        *,
        group: str | None,
        time: str | None,
        weight: str | None,
        test: Any,
        test_size: float,
        seed: int,
        format: TableFormat | None = None,
    ) -> TableRows:
        """Read target and roles, and split.  Raises TableError where fewer than 5 rows have a target."""
        target = read_target(frame, column, task)
        if len(target.rows) < FEWEST_ROWS:
            raise TableError(
                f"{source}: {count(len(target.rows), 'row')} with a target, and at least {FEWEST_ROWS} are needed"
            )
        frame = frame[target.rows]
        roles = Roles.read(frame, group, time, weight)
        everything = np.arange(len(frame))
        kept, held = (everything, everything[:0]) if test is not None else roles.hold_out(target, test_size, seed)
        left_out = tuple(dict.fromkeys([column, *drop, *(name for name in (group, weight) if name is not None)]))
        return cls(source, frame, target, roles, kept, held, left_out, test, weight, format)

    @cached_property
    def encoder(self) -> TableEncoder:
        """Fitted to the training rows."""
        return TableEncoder.fit(self.frame[self.kept], drop=self.left_out, format=self.format)

    @cached_property
    def scoring(self) -> tuple[pl.DataFrame, Array, Array | None]:
        """The rows that score, their targets (m,) and weights (m,) or None.

        Raises TableError where a table to test on has no targets or weights, or no row weighs anything.
        """
        if self.test_table is None:
            held = self.held_out
            return self.frame[held], self.target.y[held], self.weighing(self.weight_of(held))
        table = self.test_table
        frame = self.encoder.read(table, self.target.codec.name, *filter(None, [self.weight_column]))
        truth = truth_of(self.target.codec, frame)
        if truth is None:
            where = f"{table}: " if isinstance(table, str | Path) else ""
            raise TableError(
                f"{where}no row of the test table has a value of the target {shown(self.target.codec.name)} that the "
                f"training rows know: give a table with this column, or leave --test out"
            )
        rows = frame[truth[0]]
        weight = None if self.weight_column is None else read_weight(rows, self.weight_column)
        return rows, truth[1], self.weighing(weight)

    def weighing(self, weight: Array | None) -> Array | None:
        """Weights (m,) of rows that score, some of which have to be above 0."""
        if weight is None or weight.any():
            return weight
        raise TableError(
            f"{self.source}: no row that scores has a weight above 0: hold more rows out (--test-size), or leave "
            f"--weight out"
        )

    @property
    def assessed_weight(self) -> Array | None:
        """The weights of the rows of `to_assess`."""
        weight = self.scoring[2]
        if self.test_table is None or self.roles.weight is None or weight is None:
            return self.roles.weight
        return np.concatenate([self.roles.weight, weight])

    def to_assess(self) -> tuple[pl.DataFrame, Target, Array, Array]:
        """Features and target of all rows, those of a table of their own last, and which train and which score."""
        features = self.frame.drop(self.left_out, strict=False)
        if self.test_table is None:
            return features, self.target, self.kept, self.held_out
        import polars as pl

        test, y, _ = self.scoring
        known = [name for name in features.columns if name in test.columns]
        test = test.select(pl.col(name).cast(features.schema[name], strict=False) for name in known)
        target = replace(self.target, y=np.concatenate([self.target.y, y]), rows=np.arange(len(features) + len(y)))
        return pl.concat([features, test], how="diagonal"), target, self.kept, target.rows[len(features) :]

    def weight_of(self, rows: Array) -> Array | None:
        """The weights of some rows."""
        return self.roles.weight_of(rows)


# --- folds: which rows each member leaves out -------------------------------------------------------------------------


@dataclass(frozen=True)
class Folds:
    """Which fold each row is in.

    of : (n,) the fold, −1 for a row that is never left out.  K : how many.
    past : whether a fold's members learn only from rows of earlier folds, as when rows are ordered in time.
    """

    of: Array
    K: int
    past: bool = False

    def parts(self, k: int) -> tuple[Array, Array]:
        """The rows that fold k's members learn from, and those that they leave out."""
        learned = self.of < k if self.past else self.of != k
        return np.flatnonzero(learned), np.flatnonzero(self.of == k)


def plain_folds(y: Array, K: int, seed: int) -> Folds:
    """K folds in which each class, or each range of a number, has about the same share.

    y : (n,) class indices or numbers.  Fewer folds are made where there are fewer than two rows for each.

    >>> folds = plain_folds(np.array([0, 0, 0, 1, 1, 1]), 3, seed=0)
    >>> [sorted(np.array([0, 0, 0, 1, 1, 1])[folds.of == k].tolist()) for k in range(3)]
    [[0, 1], [0, 1], [0, 1]]
    """
    n = len(y)
    K = max(2, min(K, n // 2))
    draw = np.random.default_rng(seed).random(n)
    order = np.lexsort((draw, y))  # sorted by target, at random among equals
    of = np.empty(n, np.int64)
    if np.issubdtype(y.dtype, np.integer):
        of[order] = np.arange(n) % K
        return Folds(of, K)
    for start in range(0, n, K):  # one row of each K neighbors a fold, in an order of its own
        block = order[start : start + K]
        of[block] = np.argsort(np.random.default_rng((seed, start)).random(K))[: len(block)]
    return Folds(of, K)


def group_folds(groups: Array, K: int, seed: int) -> Folds:
    """Folds that hold whole groups: the largest first, each into the fold with the fewest rows.

    groups : (n,) the group's index of each row.

    >>> group_folds(np.array([0, 0, 1, 2, 2, 1]), 3, seed=0).K
    3
    """
    sizes = np.bincount(groups)
    K = max(2, min(K, len(sizes)))
    draw, filled = np.random.default_rng(seed).random(len(sizes)), np.zeros(K)
    fold_of = np.empty(len(sizes), np.int64)
    for group in np.lexsort((draw, -sizes)):
        fold_of[group] = filled.argmin()
        filled[fold_of[group]] += sizes[group]
    return Folds(fold_of[groups], K)


def time_folds(moments: Array, K: int) -> Folds:
    """Folds of the later half of the rows, in order of time; each fold's members learn from all that was before.

    moments : (n,) numbers that grow with time; rows of one moment are in one fold.

    >>> time_folds(np.arange(8.0), 2).of
    array([-1, -1, -1, -1,  0,  0,  1,  1])
    """
    n = len(moments)
    K = max(1, min(K, n // 4))
    rank = np.searchsorted(np.sort(moments), moments)  # of equal moments the first's
    half = n // 2
    of = np.where(rank < half, -1, (rank - half) * K // max(n - half, 1))
    kept = np.unique(of[of >= 0])
    return Folds(np.where(of < 0, -1, np.searchsorted(kept, of)), max(len(kept), 1), past=True)


@dataclass(frozen=True)
class Roles:
    """What the columns that are no features say of the rows with a target, (n,) each, or None.

    groups : index of the group.  moments : numbers that grow with time.  weight : ≥ 0, with mean 1.
    """

    groups: Array | None = None
    moments: Array | None = None
    weight: Array | None = None

    @classmethod
    def read(cls, table: pl.DataFrame, group: str | None, time: str | None, weight: str | None) -> Roles:
        """Read them of rows that have a target.  Raises TableError that names the column at fault."""
        if group is not None and time is not None:
            raise TableError("rows are held out by group or by time, not by both: give one of --group and --time")
        return cls(
            None if group is None else read_groups(table, group),
            None if time is None else read_moments(table, time),
            None if weight is None else read_weight(table, weight),
        )

    def hold_out(self, target: Target, test_size: float, seed: int) -> tuple[Array, Array]:
        """Rows that train and rows that score, ascending."""
        if not 0 < test_size < 1:
            raise DomainError(f"test_size is {test_size}: give a share between 0 and 1, such as 0.25")
        if self.groups is not None:
            held = hold_out_groups(self.groups, test_size, seed)
        elif self.moments is not None:
            held = hold_out_last(self.moments, test_size)
        else:
            return split(rows_to_split(target), test_size=test_size, seed=seed)
        return np.flatnonzero(~held), np.flatnonzero(held)

    def folds(self, y: Array, kept: Array, K: int, seed: int) -> Folds:
        """Folds of the training rows `kept`, whose targets are y."""
        if self.groups is not None:
            return group_folds(np.unique(self.groups[kept], return_inverse=True)[1], K, seed)
        return plain_folds(y, K, seed) if self.moments is None else time_folds(self.moments[kept], K)

    def weight_of(self, rows: Array) -> Array | None:
        """The weights of some rows."""
        return None if self.weight is None else self.weight[rows]


def rows_to_split(target: Target, rows: Array | None = None) -> Any:
    """What `split` takes: class indices, for a split by class, or the number of rows."""
    y = target.y if rows is None else target.y[rows]
    return y if target.task == "classification" else len(y)


def column_of(table: pl.DataFrame, name: str, what: str) -> pl.Series:
    """A column in which every row has a value."""
    if name not in table.columns:
        raise TableError(f"{what} column {shown(name)} is not in the table: {near(name, table.columns)}")
    column = settle(table[name])
    if column.null_count():
        row = int(column.is_null().arg_max() or 0) + 1
        raise TableError(f"{what} column {shown(name)} has no value in row {row} of those with a target: fill it in")
    return column


def read_groups(table: pl.DataFrame, name: str) -> Array:
    """The index of each row's group."""
    column = column_of(table, name, "group")
    groups = column.rank("dense").to_numpy().astype(np.int64) - 1
    if groups.max() < 2:
        raise TableError(
            f"group column {shown(name)} has {groups.max() + 1} groups: 3 or more are needed, as one scores"
        )
    return groups


def read_moments(table: pl.DataFrame, name: str) -> Array:
    """Numbers that grow with time."""
    column = column_of(table, name, "time")
    kind = kind_of(column.dtype)
    if kind not in ("number", "date", "datetime"):
        raise TableError(f"time column {shown(name)} holds {kind} values: give dates, instants or numbers")
    return as_numbers(column, kind)


def read_weight(table: pl.DataFrame, name: str) -> Array:
    """Weights, scaled to a mean of 1."""
    weight = raw_weight(table, name)
    if not weight.any():
        raise TableError(f"weight column {shown(name)}: all weights are 0: give numbers, 0 or more and not all 0")
    return weight / weight.mean()


def raw_weight(table: pl.DataFrame, name: str) -> Array:
    """Weights as the table has them."""
    column = column_of(table, name, "weight")
    if not column.dtype.is_numeric():
        raise TableError(f"weight column {shown(name)} holds {kind_of(column.dtype)} values: give numbers, 0 or more")
    weight = as_numbers(column, "number")
    if weight.min() < 0:
        raise TableError(f"weight column {shown(name)}: give numbers, 0 or more and not all 0, not {weight.min():g}")
    return weight


def weights_of(weight: Array | None, rows: Array) -> Array | None:
    """The weights of some rows as networks learn by them, float32."""
    return None if weight is None else weight[rows].astype(np.float32)


def hold_out_groups(groups: Array, test_size: float, seed: int) -> Array:
    """Whether each row is in one of the groups that score: in random order, until they hold `test_size` of the rows."""
    sizes = np.bincount(groups)
    order = np.random.default_rng(seed).permutation(len(sizes))
    enough = int(np.searchsorted(np.cumsum(sizes[order]), test_size * len(groups))) + 1
    return np.isin(groups, order[: min(enough, len(sizes) - 2)])


def hold_out_last(moments: Array, test_size: float) -> Array:
    """Whether each row is among the last `test_size`; rows of one moment stay together."""
    last = np.sort(moments)[max(len(moments) - 1 - round(test_size * len(moments)), 0)]
    held = moments > last
    if not held.any():
        raise TableError(f"no row is later than the rest at {last:g}: hold more rows out (--test-size), or drop --time")
    return held
