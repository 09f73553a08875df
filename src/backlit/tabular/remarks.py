"""What is odd: in a training table, so that a score says too much or too little, and in rows that are predicted.

Each check of a table gives sentences for `notes`; it takes columns as they are, and costs no more than a sort of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.formats.ensembles import Ensemble
from backlit.formats.models import Model
from backlit.tables import TableEncoder, Target
from backlit.tables.columns import Category, Column, as_numbers, frequencies, leave_out, settle
from backlit.tables.columns.scaled import READ
from backlit.tables.messages import count, figure, listed, shown

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray
BINS = 32
FEW_ROWS = 10  # of a class, below which neither learning nor testing it means much
ID_WORDS = {"id", "uid", "uuid", "guid", "key", "nr", "no", "number", "index", "idx", "row", "rownum", "rowid"}


def remarks(features: "pl.DataFrame", target: Target, kept: Array, held_out: Array) -> list[str]:
    """Everything that there is to say.

    features : the columns that are learned from, of the rows that have a target.
    kept, held_out : (n,) the rows of it that train and that test.
    """
    columns = [settle(features[name]) for name in features.columns]
    train = [column.gather(kept) for column in columns]
    return [
        *identifiers(train),
        *leaks(train, target.codec.name, target.y[kept], target.classes),
        *repeated_rows(features, kept, held_out),
        *rare_classes(target, kept),
        *untested_classes(target, held_out),
        *drifts(columns, target),
    ]


def identifiers(columns: Iterable["pl.Series"]) -> Iterator[str]:
    """Columns that name rows: whole numbers or words of which hardly two rows share one.

    Whole numbers count rows if they leave out few in their range, or by the column's name.
    """
    for column in columns:
        given = column.drop_nulls()
        if len(given) < 20 or given.n_unique() < 0.95 * len(given):
            continue
        if given.dtype.is_integer():
            span = int(given.max()) - int(given.min()) + 1  # type: ignore[arg-type]  # numbers, by the line before
            if span > 2 * len(given) and not named_as_identifier(column.name):
                continue
        elif not str(given.dtype).startswith("String"):
            continue
        yield (
            f"{shown(column.name)} looks like an identifier ({given.n_unique():,} different values in {len(given):,} "
            f"training rows), and is used as a feature: {leave_out(column.name)}"
        )


def named_as_identifier(name: str) -> bool:
    """Whether a word of the name says so.

    >>> named_as_identifier("customer_id"), named_as_identifier("orderId"), named_as_identifier("width")
    (True, True, False)
    """
    import re

    words = re.split(r"[^A-Za-z]+|(?<=[a-z])(?=[A-Z])", name)
    return any(word.lower() in ID_WORDS for word in words)


def leaks(columns: Iterable["pl.Series"], target: str, y: Array, classes: tuple[Any, ...]) -> Iterator[str]:
    """Columns that alone tell the target nearly always: they may hold the answer.

    What half of the rows teach about each bin, or word, of a column is tried on the other half.
    """
    learn = np.arange(len(y)) % 2 == 0
    if len(y) < 40:
        return
    for column in columns:
        at = bins(column)
        told = alone(at[learn], y[learn], at[~learn], y[~learn], len(classes))
        if not classes and column.dtype.is_numeric():
            told = max(told, correlation(column.to_numpy().astype(np.float64), y) ** 2)
        if told > 0.98:
            saved = f"{told:.1%} of " + ("the mistakes of one answer for all" if classes else "the variance")
            yield (
                f"{shown(column.name)} alone tells {shown(target)} nearly always (it takes away {saved}): "
                f"if it is not known before {shown(target)} is, {leave_out(column.name)}"
            )


def correlation(x: Array, y: Array) -> float:
    """Pearson's, over the rows (m,) where x is not NaN; 0 where it has none."""
    given = ~np.isnan(x)
    x, y = x[given] - x[given].mean(), y[given] - y[given].mean()
    scale = float((x @ x) * (y @ y)) ** 0.5
    return float(x @ y) / scale if scale > 0 else 0.0


def bins(column: "pl.Series") -> Array:
    """A whole number ≥ 0 a row (m,): its word, or its bin of numbers; a missing value has its own, 0."""
    import polars as pl

    if column.dtype in (pl.String, pl.Boolean) or column.n_unique() <= BINS:
        return column.rank("dense").fill_null(0).to_numpy().astype(np.int64)
    values = column.to_physical().cast(pl.Float64).to_numpy()
    given = values[~np.isnan(values)]
    n = min(8 * BINS, max(len(given) // 10, 2))
    edges = np.unique(np.quantile(given, np.linspace(0, 1, n + 1)[1:-1]))
    return np.where(np.isnan(values), 0, 1 + np.searchsorted(edges, values, side="right"))


def alone(at: Array, y: Array, at_test: Array, y_test: Array, K: int) -> float:
    """The share of the constant prediction's mistakes, or of the variance, that bins at (m,) save on other rows.

    0 where the constant prediction makes none.
    """
    n = int(max(at.max(), at_test.max())) + 1
    rows = np.bincount(at, minlength=n)
    if K:
        counts = np.bincount(at * K + y, minlength=n * K).reshape(n, K)
        usual = int(np.bincount(y, minlength=K).argmax())
        answer = np.where(rows > 0, counts.argmax(axis=1), usual)
        own, always = (answer[at_test] != y_test).mean(), (y_test != usual).mean()
    else:
        mean = np.where(rows > 0, np.bincount(at, y, n) / np.maximum(rows, 1), y.mean())
        own, always = ((mean[at_test] - y_test) ** 2).mean(), ((y.mean() - y_test) ** 2).mean()
    return float(1 - own / always) if always > 0 else 0.0


def repeated_rows(features: "pl.DataFrame", kept: Array, held_out: Array) -> Iterator[str]:
    """Test rows that are training rows over again in every column."""
    train, test = features[kept], features[held_out]
    repeats = len(test.join(train.unique(), on=features.columns, how="semi", nulls_equal=True))
    if repeats > max(1, 0.01 * len(test)):
        yield (
            f"{repeats:,} of {len(test):,} held-out rows equal a training row in every column: on new rows the score "
            f"may be lower; remove copies, or hold whole groups out (--group COLUMN)"
        )


def rare_classes(target: Target, kept: Array) -> Iterator[str]:
    """Classes that hardly a row teaches."""
    rows = np.bincount(target.y[kept], minlength=len(target.classes)) if target.classes else np.zeros(0, int)
    rare = [(target.classes[k], int(n)) for k, n in enumerate(rows) if n < FEW_ROWS]
    if rare:
        few = ", ".join(f"{shown(label)} {n}" for label, n in rare[:5]) + (" …" if len(rare) > 5 else "")
        n = f"{len(rare)} of {len(rows)} classes"
        yield f"{n} have under {FEW_ROWS} training rows ({few}): their scores tell little"


def untested_classes(target: Target, held_out: Array) -> Iterator[str]:
    """Classes that no row tests."""
    if target.classes:
        yield from without_area(target.classes, np.bincount(target.y[held_out], minlength=len(target.classes)))


def without_area(classes: Sequence[object], rows: Array) -> Iterator[str]:
    """Why there is no ROC AUC, for the held-out rows (K,) of each class.

    >>> list(without_area(["a", "b"], np.array([3, 0])))
    ["no held-out row is of class 'b': ROC AUC, which needs rows of every class, is undefined (–)"]
    """
    missing = [label for label, n in zip(classes, rows, strict=True) if n == 0]
    if missing:
        which = f"class{'' if len(missing) == 1 else 'es'} {listed(missing, most=5)}"
        yield f"no held-out row is of {which}: ROC AUC, which needs rows of every class, is undefined (–)"


def drifts(columns: Iterable["pl.Series"], target: Target) -> Iterator[str]:
    """Columns whose values differ between the first and the second half of the table's rows, and times that rise.

    A table in the order of its target is sorted, and says nothing; nor does a column that is.
    """
    n = len(target.y)
    if n < 100 or in_runs(target.y):
        return
    columns = list(columns)
    rising = next((c.name for c in columns if c.dtype.is_temporal() and c.null_count() == 0 and c.is_sorted()), None)
    least = max(0.2, 1.95 * (4 / n) ** 0.5)  # Kolmogorov and Smirnov's distance by chance, once in a thousand columns
    apart = {target.codec.name: distance(target.y)}
    apart |= {c.name: distance(at) for c in columns if not in_runs(at := bins(c))}
    drifting = sorted((name for name, gap in apart.items() if gap > least), key=lambda name: -apart[name])
    if rising or drifting:
        facts = [f"{shown(rising)} rises from row to row"] if rising else []
        facts += [f"rows of the second half differ from the first, most in {listed(drifting[:3])}"] if drifting else []
        yield (
            f"{', and '.join(facts)}: if rows to predict come after these, the score may be too good; hold the last "
            f"rows out (--time {rising or 'COLUMN'})"
        )


def in_runs(values: Array) -> bool:
    """Whether values (n,) rise or fall from row to row, or each of few stands in one run of rows."""
    steps = np.diff(values)
    few = 1 + int((steps != 0).sum()) == len(np.unique(values)) <= len(values) // 2
    return few or bool((steps >= 0).all() or (steps <= 0).all())


def distance(values: Array) -> float:
    """Kolmogorov and Smirnov's distance between both halves of (n,): the largest gap of their distributions."""
    first, second = np.sort(values[: len(values) // 2]), np.sort(values[len(values) // 2 :])
    at = np.concatenate([first, second])
    shares = [np.searchsorted(half, at, side="right") / len(half) for half in (first, second)]
    return float(np.abs(shares[0] - shares[1]).max())


# --- rows unlike the training rows ------------------------------------------------------------------------------------
# A number far beyond all of them, a word that none had, a gap where none was.  Of such a row the model says what it
# says of the nearest rows that it knows, and nobody has tested that.

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


def describe_typical(frame: "pl.DataFrame", encoder: TableEncoder) -> dict[str, Any]:
    """The typical row of training rows as JSON: means of numbers, medians of moments, and the most frequent words.

    >>> import polars as pl
    >>> table = pl.DataFrame({"age": [20.0, 40.0, None], "color": ["red", "blue", "red"]})
    >>> describe_typical(table, TableEncoder.fit(table))
    {'age': 30.0, 'color': 'red'}
    """
    import polars as pl

    row: dict[str, Any] = {}
    for column in encoder.columns:
        if not column.features:
            continue
        given = settle(frame[column.name]).drop_nulls()
        if given.dtype in (pl.String, pl.Boolean):
            counts = sorted(frequencies(given).items(), key=lambda pair: (-pair[1], str(pair[0])))
            row[column.name] = counts[0][0] if counts else None
        elif given.dtype.is_numeric():
            row[column.name] = float(given.cast(pl.Float64).mean())  # type: ignore[arg-type]  # a column has a value
        else:
            same_unit = given.dt.cast_time_unit("us") if given.dtype in (pl.Datetime, pl.Duration) else given
            row[column.name] = int(same_unit.to_physical().median())  # type: ignore[arg-type]  # as above
    return row


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
