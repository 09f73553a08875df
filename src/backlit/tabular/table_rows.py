"""A table as training takes it: its rows with a target, which of them train, and which score."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.errors import TableError
from backlit.tables import TableEncoder, Target, read_target
from backlit.tables.messages import shown
from backlit.tables.table_formats import TableFormat
from backlit.tabular.folds import Roles, read_weight
from backlit.tabular.prediction import truth_of

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
    frame: "pl.DataFrame"
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
        frame: "pl.DataFrame",
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
    ) -> "TableRows":
        """Read target and roles, and split.  Raises TableError where fewer than 5 rows have a target."""
        target = read_target(frame, column, task)
        if len(target.rows) < FEWEST_ROWS:
            raise TableError(f"{source}: {len(target.rows)} rows with a target, and at least {FEWEST_ROWS} are needed")
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
    def scoring(self) -> tuple["pl.DataFrame", Array, Array | None]:
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

    def to_assess(self) -> tuple["pl.DataFrame", Target, Array, Array]:
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
