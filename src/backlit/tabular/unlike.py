"""Rows unlike the training rows: a number far beyond all of them, a word that none had, a gap where none was.

Of such a row the model says what it says of the nearest rows that it knows, and nobody has tested that.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.formats.ensembles import Ensemble
from backlit.formats.models import Model
from backlit.tables import TableEncoder
from backlit.tables.columns import Category, Column, as_numbers, settle
from backlit.tables.columns.scaled import READ
from backlit.tables.messages import count, figure, shown

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray
MARGIN = 0.25  # of the range of the training rows, within which a number is not far beyond them
UNIT = {"date": 1.0, "datetime": 86_400.0}  # of a moment, that make a day


@dataclass(frozen=True)
class Oddity:
    """What is unlike in one column.

    rows : (m,) whether it is.  why : in words, such as "beyond 17 to 90".
    """

    column: str
    rows: Array
    why: str


@dataclass(frozen=True)
class Unlike:
    """The rows that are unlike the training rows, and why.

    n : rows in all.  oddities : by column, those with the most rows first.
    """

    n: int
    oddities: tuple[Oddity, ...]

    @property
    def rows(self) -> Array:
        """(m,) whether a row is unlike them in some column."""
        return np.logical_or.reduce([oddity.rows for oddity in self.oddities], initial=False) | np.zeros(self.n, bool)

    def in_words(self, most: int = 3) -> str:
        """One sentence; empty where all rows are like them."""
        if not self.oddities:
            return ""
        told, more = self.oddities[:most], len(self.oddities) - most
        parts = [f"{shown(odd.column)} {odd.why} in {count(int(odd.rows.sum()), 'row')}" for odd in told]
        rest = f" and {count(more, 'more column')}" if more > 0 else ""
        number, first = int(self.rows.sum()), int(self.rows.argmax()) + 1
        are = f"row {first:,} is" if number == 1 else f"{count(number, 'row')}, such as row {first:,}, are"
        return f"{are} unlike the training rows: {', '.join(parts)}{rest}"

    def table(self) -> "pl.DataFrame":
        """The column "unlike training": what is unlike in each row, empty where nothing is."""
        import polars as pl

        words = [[f"{odd.column} {odd.why}" for odd in self.oddities if odd.rows[i]] for i in range(self.n)]
        return pl.DataFrame([pl.Series("unlike training", ["; ".join(parts) for parts in words], dtype=pl.String)])

    def to_dict(self) -> dict[str, Any]:
        """What `backlit predict --format json` says of them; rows are counted from 1."""
        numbers = {odd.column: (np.flatnonzero(odd.rows) + 1).tolist() for odd in self.oddities}
        return {
            "rows": (np.flatnonzero(self.rows) + 1).tolist(),
            "columns": {odd.column: {"why": odd.why, "rows": numbers[odd.column]} for odd in self.oddities},
        }


def describe_ranges(frame: "pl.DataFrame", encoder: TableEncoder) -> dict[str, list[float]]:
    """Least and largest value of each column of numbers or moments in the training rows, as JSON.

    >>> import polars as pl
    >>> table = pl.DataFrame({"age": [20.0, 40.0, None], "color": ["red", "blue", "red"]})
    >>> describe_ranges(table, TableEncoder.fit(table))
    {'age': [20.0, 40.0]}
    """
    numbers = [column for column in encoder.columns if column.features and column.kind in READ]
    values = {column.name: as_numbers(settle(frame[column.name]), column.kind) for column in numbers}
    known = {name: found[~np.isnan(found)] for name, found in values.items()}
    return {name: [float(found.min()), float(found.max())] for name, found in known.items() if len(found)}


def rows_unlike(model: Model | Ensemble, frame: "pl.DataFrame") -> Unlike:
    """What in the rows of a table is unlike the rows that the model learned from, by the columns that it uses."""
    ranges = model.training.get("ranges")
    assert model.encoder is not None
    found = [
        odd
        for column in model.encoder.columns
        if column.features
        for odd in oddities(column, settle(frame[column.name]), ranges if isinstance(ranges, dict) else {})
        if odd.rows.any()
    ]
    return Unlike(len(frame), tuple(sorted(found, key=lambda odd: -odd.rows.sum())))


def oddities(column: Column, values: "pl.Series", ranges: dict[str, Any]) -> list[Oddity]:
    """What may be unlike in one column."""
    missing = values.is_null().to_numpy()
    gaps = [] if column.missing else [Oddity(column.name, missing, "missing")]
    if isinstance(column, Category):
        known = np.isin(values.cast(str).fill_null("").to_numpy().astype(str), column.values)
        return [*gaps, Oddity(column.name, ~missing & ~known, "new")] if not column.pooled else gaps
    ends = ranges.get(column.name)
    if column.kind not in READ or not (isinstance(ends, list) and len(ends) == 2):
        return gaps
    low, high = map(float, ends)
    numbers, margin = as_numbers(values, column.kind), MARGIN * (high - low)
    with np.errstate(invalid="ignore"):
        far = (numbers < low - margin) | (numbers > high + margin)
    return [*gaps, Oddity(column.name, far, f"beyond {in_unit(low, column.kind)} to {in_unit(high, column.kind)}")]


def in_unit(value: float, kind: str) -> str:
    """A number of `as_numbers` as a reader knows it.

    >>> in_unit(0.0, "date"), in_unit(86_400.0, "datetime"), in_unit(2.5, "number")
    ('1970-01-01', '1970-01-02', '2.5')
    """
    if kind not in UNIT:
        return figure(value)
    return str(np.datetime64("1970-01-01") + np.timedelta64(int(value // UNIT[kind]), "D"))
