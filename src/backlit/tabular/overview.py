"""What is in each column of a table: a line of numbers or words, and how often what occurs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backlit.tables.columns import frequencies, settle
from backlit.tables.messages import figure, shown

if TYPE_CHECKING:
    import polars as pl

BARS = 16


@dataclass(frozen=True)
class ColumnOverview:
    """One column.

    missing : share of the rows.  different : how many values.  summary : quartiles, or the most frequent words.
    bars : how many rows each of up to 16 equal intervals holds, or each of the 16 most frequent words.
    """

    name: str
    missing: float
    different: int
    summary: str
    bars: tuple[int, ...]


def overview(table: "pl.DataFrame") -> list[ColumnOverview]:
    """Every column, in the table's order.

    >>> import polars as pl
    >>> [line] = overview(pl.DataFrame({"color": ["red", "red", None, "blue"]}))
    >>> line.missing, line.different, line.summary, line.bars
    (0.25, 2, "'red' 67%, 'blue' 33%", (2, 1))
    """
    return [describe(settle(table[name])) for name in table.columns]


def describe(column: "pl.Series") -> ColumnOverview:
    """One settled column."""
    import polars as pl

    given = column.drop_nulls()
    missing = column.null_count() / max(len(column), 1)
    words = given.dtype in (pl.String, pl.Boolean) or not len(given)
    summary, bars = of_words(given) if words else of_numbers(given)
    return ColumnOverview(column.name, missing, given.n_unique(), summary, bars)


def of_words(given: "pl.Series") -> tuple[str, tuple[int, ...]]:
    """The three most frequent values with their shares, and the counts of the first 16."""
    counts = sorted(frequencies(given).items(), key=lambda pair: (-pair[1], str(pair[0])))
    shares = [f"{shown(value, most=20)} {n / len(given):.0%}" for value, n in counts[:3]]
    rest = f", {len(counts) - 3:,} more" if len(counts) > 3 else ""
    return ", ".join(shares) + rest, tuple(n for _, n in counts[:BARS])


def of_numbers(given: "pl.Series") -> tuple[str, tuple[int, ...]]:
    """Least, quartiles and largest of numbers or moments, and the counts of 16 equal intervals."""
    told = [given.sort()[round(q * (len(given) - 1))] for q in (0, 0.25, 0.5, 0.75, 1)]
    words = [figure(v) if given.dtype.is_numeric() else str(v) for v in told]
    values = given.to_physical().to_numpy()
    if values.dtype.kind in "iu":  # large ones may differ in their last digits: from the least on, modulo 2⁶⁴
        values = values.astype(np.uint64) - values.min().astype(np.uint64)
    counts, _ = np.histogram(values.astype(np.float64), bins=BARS)
    if given.dtype.is_numeric():
        return f"{words[0]} to {words[4]}, half within {words[1]} and {words[3]}, median {words[2]}", tuple(
            map(int, counts)
        )
    return f"{words[0]} to {words[4]}, median {words[2]}", tuple(map(int, counts))
