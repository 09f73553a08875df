"""The target's meaning: its task, and its labels as the table had them, so that predictions come back the same."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from backlit.errors import ModelError
from backlit.tables.messages import listed
from backlit.tables.schema import REMEDY, check_field, check_header

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import ArrayLike

Task = Literal["classification", "regression"]
Label = bool | int | float | str
FORMAT, VERSION = "backlit target", 1


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
