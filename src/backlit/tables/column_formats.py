"""What the cells of one column mean: decided once, in training, from the counts over its cells, and kept in the model.

A format holds all that a cell leaves open, so that each cell is read by itself: the same cell is the same value in
every file, whatever stands beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from backlit.errors import ProblemError, TableError, near
from backlit.tables.messages import count, shown
from backlit.tables.messages import near as near_column
from backlit.tables.moment_formats import COMPACT, ORDERS, MomentCounts, read_durations, read_moments, read_times
from backlit.tables.number_formats import PLAIN, NumberCounts, decide_styles, read_numbers, with_ascii_digits

if TYPE_CHECKING:
    import polars as pl

KINDS = ("number", "boolean", "date", "time", "duration", "text", "typed")
MISSING = (  # in any column: what pandas, R, Excel and databases write for a value that is not there, and UCI's "?"
    *("", "NA", "N/A", "n/a", "<NA>", "#N/A", "#NA", "#N/A N/A", "NaN", "nan", "NAN", "-NaN", "-nan", "NaT", "<null>"),
    *("NULL", "Null", "null", "(null)", "None", "\\N", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN", "?"),
    *("#VALUE!", "#REF!", "#DIV/0!", "#NUM!", "#NAME?", "#NULL!"),
)
NO_VALUE = (  # among numbers, dates and times also
    *("-", "--", "---", "–", "—", ".", "..", "...", "*", "na", "n.a.", "N.A.", "none", "nil", "unknown", "Unknown"),
    *("missing", "Missing", "not available", "k.A.", "s/d", "nd", "n.d.", "0000-00-00", "0000-00-00 00:00:00"),
)
BLANKS = " \t\r\n\f\v\u00a0\ufeff\u200b\u3000\u202f\u2009"  # around a value
FEWEST_COMPACT = 5  # cells as 20230113, all of them dates, from which on they are read as dates
FEW = 0.05  # share of the cells that may be none of what the others are: they count as missing, and it is said
FEWEST_MOMENTS = 8  # of which one may be none, however large its share
MOST_STRAYS = 200  # different words among them, which the format holds
PLACEHOLDERS = 3  # different words at most that may be more than a few, where they hold no digit
MANY = 20  # different numbers or dates from which on a column of them is no list of categories
TYPES = {  # what --column NAME=TYPE takes
    "number": "numbers",
    "decimal-comma": "numbers, a comma before the decimals",
    "decimal-point": "numbers, a point before the decimals",
    "category": "words",
    "date": "dates",
    **{order: f"dates, {words}" for order, words in ORDERS.items()},
    "ignore": "left out",
}


FORCED: dict[str, str] = {
    **dict.fromkeys(("number", "decimal-comma", "decimal-point"), "number"),
    **dict.fromkeys(("category", "ignore"), "text"),
    **dict.fromkeys(("date", *ORDERS), "date"),
}
FORCED_BY = {"number": "number", "date": "date", "time": "category", "duration": "category", "boolean": "category"}
DECIMAL = {"decimal-comma": ",", "decimal-point": "."}
NAMES: dict[str, str] = {
    "number": "numbers",
    "boolean": "true and false",
    "date": "dates",
    "time": "times of day",
    "duration": "durations",
}


@dataclass(frozen=True)
class ColumnFormat:
    """How a column is written.

    kind : what its cells are; "typed" where the file itself says it (Parquet, JSON's numbers).
    before, after : the unit of its numbers, at either side.  thousands, decimal : the signs in its numbers.
    by_others : its own cells have neither sign, and the two are those of other columns.
    order : of day, month and year, where all are numbers.
    missing : words that stand for no value, besides MISSING and NO_VALUE.
    lenient : whatever is none of its kind is missing, as the user said what the column is.
    strays, cells : training cells that were none of its kind and became missing, of how many that were not empty.
    almost : the kind of most cells of a column of words.
    problem : why it cannot be told what the column is; only while a table is read for training.
    """

    kind: str
    before: str = ""
    after: str = ""
    thousands: str = ""
    decimal: str = "."
    by_others: bool = False
    order: str = ""
    missing: tuple[str, ...] = ()
    strays: int = 0
    cells: int = 0
    lenient: bool = False
    almost: str = ""
    problem: str = ""

    def read(self, column: pl.Series) -> tuple[pl.Series, pl.Series]:
        """The values, and which cells have none though something is written there.

        >>> import polars as pl
        >>> values, unread = ColumnFormat("number", after="%").read(pl.Series(["12%", "-", "x"]))
        >>> values.to_list(), unread.to_list()
        ([12, None, None], [False, False, True])
        """
        import polars as pl

        if column.dtype != pl.String:
            column = self._from_type(column)
        if self.kind == "typed" or column.dtype != pl.String:
            return column, pl.repeat(False, len(column), dtype=pl.Boolean, eager=True)
        text = without(column.str.strip_chars(BLANKS), ("",)) if self.as_written else cleaned(column)
        if self.kind != "text":
            text = without(with_ascii_digits(text), (*NO_VALUE, *self.missing))
        values = self._values(text)
        unread = values.is_null() & text.is_not_null()
        return values, unread & (not self.lenient)

    @property
    def as_written(self) -> bool:
        """Whether the user said that it holds words: then NA is one of them."""
        return self.kind == "text" and self.lenient

    def _from_type(self, column: pl.Series) -> pl.Series:
        """Words and dates from whole numbers, where the column held words or dates in training."""
        import polars as pl

        words = self.kind in ("text", "date") and column.dtype.is_numeric()
        plain = not (column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object))
        return as_text(column) if words or (self.lenient and self.kind == "text" and plain) else column

    def _values(self, text: pl.Series) -> pl.Series:
        if self.kind == "number":
            return read_numbers(text, (self.before, self.after), (self.thousands, self.decimal))
        if self.kind == "boolean":
            lower = text.str.to_lowercase()
            return lower.replace_strict({"true": True, "false": False, "1": True, "0": False}, default=None)
        if self.kind == "date":
            return read_moments(text, self.order)
        forms = {"time": read_times, "duration": read_durations}
        return forms[self.kind](text) if self.kind in forms else text

    @property
    def words(self) -> str:
        """How it is written, for a person; empty where there is nothing to say."""
        said = []
        if self.before or self.after:
            said.append(f"in {self.before or self.after}")
        if (self.thousands, self.decimal) != PLAIN and not self.by_others:
            mark = {" ": "a blank", "'": "an apostrophe", ",": "a comma", ".": "a point"}
            said.append(f"with {mark[self.thousands]} between thousands and {mark[self.decimal]} before decimals")
        if self.order:
            said.append(f"written {ORDERS[self.order]}")
        return f"{NAMES[self.kind]} {', '.join(said)}" if said else ""

    @property
    def share(self) -> float:
        """Share of the training cells for which it was not true."""
        return self.strays / self.cells if self.cells else 0.0

    @property
    def note(self) -> str:
        """What a reader of the report should know of how the column was read; may be empty."""
        said = [f"read as {self.words}"] if self.words else []
        kind = self.almost or self.kind
        if self.strays and kind in NAMES:
            such = f", such as {shown(self.missing[0])}," if self.missing else ""
            cells = f"{self.strays:,} of {count(self.cells, 'cell')} ({share(self.share)})"
            done = "so all are read as words" if self.almost else "and count as missing"
            said.append(f"{cells}{such} are no {NAMES[kind]}, {done}")
        return "; ".join(said)


def share(part: float) -> str:
    """A share in percent.

    >>> share(0.015), share(0.00002)
    ('1.5 %', 'under 0.01 %')
    """
    return f"{100 * part:.3g} %" if part >= 1e-4 else "under 0.01 %"


def as_text(column: pl.Series) -> pl.Series:
    """Write each value as text; whole numbers without decimals.

    >>> import polars as pl
    >>> as_text(pl.Series([1.0, 2.5, None])).to_list()
    ['1', '2.5', None]
    """
    import polars as pl

    text = column.cast(pl.String)
    return text.str.replace(r"\.0$", "") if column.dtype.is_float() else text


def cleaned(column: pl.Series) -> pl.Series:
    """Take off the blanks around each text, and make null of the words that stand for no value in any column."""
    return without(column.str.strip_chars(BLANKS), MISSING)


def without(text: pl.Series, words: tuple[str, ...]) -> pl.Series:
    """Make null of these words."""
    import polars as pl

    missing = text.is_in(list(words))
    return text.set(missing, None) if missing.any() else text.cast(pl.String)


@dataclass
class CellCounts:
    """What has been seen of a column of text; `add` takes chunks of any length."""

    cells: int = 0  # that are not empty
    marks: Counter[str] = field(default_factory=Counter)  # of them, words of NO_VALUE
    flags: int = 0
    numbers: NumberCounts = field(default_factory=NumberCounts)
    moments: MomentCounts = field(default_factory=MomentCounts)
    different: set[str] = field(default_factory=set)  # no more than MANY and one

    def add(self, column: pl.Series) -> None:
        """Take in a chunk of text."""
        import polars as pl

        given = cleaned(column).alias("cell").drop_nulls()
        plain = not given.cast(pl.Float64, strict=False).null_count()  # numbers seldom say a thing twice
        seen = given.to_frame().with_columns(times=pl.lit(1)) if plain else given.value_counts(name="times")
        self.cells += int(seen["times"].sum())
        marks = seen["cell"].is_in(list(NO_VALUE))
        self.marks.update(dict(seen.filter(marks).iter_rows()))
        seen = seen.filter(~marks)
        if not seen.height:
            return
        values, weights = with_ascii_digits(seen["cell"]), seen["times"]
        self.different |= set(values.unique().head(MANY + 1)) if len(self.different) <= MANY else set()
        self.flags += int(weights.filter(values.str.to_lowercase().is_in(["true", "false"])).sum())
        self.numbers.add(values, weights)
        if not plain or values.str.contains(COMPACT).all():
            self.moments.add(values, weights)

    @property
    def given(self) -> int:
        """Cells that say something."""
        return self.cells - sum(self.marks.values())

    def fits(self, format: ColumnFormat) -> bool:
        """Whether every cell that says something has this format."""
        found = {
            "number": self.numbers.best()[1][format.thousands, format.decimal],
            "boolean": self.flags,
            "date": self.moments.dates[format.order],
            "time": self.moments.times,
            "duration": self.moments.durations,
        }
        return found.get(format.kind, self.given) == self.given

    def best(self) -> tuple[str, int]:
        """What most cells are, and how many; text where no other kind fits any."""
        numbers, dates = max(self.numbers.best()[1].values(), default=0), max(self.moments.dates.values(), default=0)
        fits: dict[str, int] = {
            "number": numbers,
            "date": dates,
            "time": self.moments.times,
            "duration": self.moments.durations,
            "boolean": self.flags,
        }
        if dates == self.given == self.moments.compact >= FEWEST_COMPACT:  # 20230113 is a whole number too
            return "date", dates
        kind = max(fits, key=lambda kind: fits[kind])
        return (kind, fits[kind]) if fits[kind] else ("text", 0)


def decide_formats(columns: dict[str, CellCounts], delimiter: str, types: dict[str, str]) -> dict[str, ColumnFormat]:
    """The format that most cells of each column of text have; `checked` then looks at the others.

    delimiter : between fields, "" where none is.  types : what the user says of columns, as in TYPES.
    """
    kinds: dict[str, str] = {name: FORCED.get(types.get(name, ""), _kind(counts)) for name, counts in columns.items()}
    numbers = {name: columns[name].numbers for name, kind in kinds.items() if kind == "number"}
    styles = decide_styles(numbers, delimiter, {n: DECIMAL[types[n]] for n in numbers if types.get(n) in DECIMAL})
    orders = {columns[name].moments.settled() for name, kind in kinds.items() if kind == "date"} - {""}
    hint = orders.pop() if len(orders) == 1 else ""
    found = {}
    for name, kind in kinds.items():
        moments, asked = columns[name].moments, types.get(name, "")
        if kind == "number":
            (before, after), (thousands, decimal) = columns[name].numbers.best()[0], styles[name]
            by_others = not asked and columns[name].numbers.leaves_open(styles[name])
            found[name] = ColumnFormat(kind, before, after, thousands, decimal, by_others=by_others)
        elif kind == "date":
            order = asked if asked in ORDERS else moments.order(hint)
            open = f"holds dates such as {shown(moments.example)}, in which day and month cannot be told apart: say "
            open += f"which comes first, --column {option(name, 'dmy')} or --column {option(name, 'mdy')}"
            found[name] = ColumnFormat("text", problem=open) if order is None else ColumnFormat(kind, order=order)
        else:
            found[name] = ColumnFormat(kind)
    return found


def _kind(counts: CellCounts) -> str:
    kind, cells = counts.best()
    code = kind == "number" and counts.numbers.codes and counts.numbers.best()[0] == ("", "")
    return "text" if code or 2 * cells < counts.given else kind


def checked(name: str, format: ColumnFormat, counts: CellCounts, strays: Counter[str], asked: bool) -> ColumnFormat:
    """The format with the cells that do not fit it, or that of words where these are too many.

    strays : the words of these cells and how often each is there.  asked : the user said what the column is.
    """
    if format.kind == "text":  # in which "unknown" is a word like others
        return replace(format, cells=counts.cells, lenient=asked)
    words = sorted(strays, key=lambda word: (-strays[word], word))
    several, marks = sum(strays.values()), sum(counts.marks.values())
    spare = 1 if format.kind not in ("number", "boolean") and counts.given >= FEWEST_MOMENTS else 0
    few = several <= max(FEW * counts.given, spare) and len(words) <= MOST_STRAYS
    few_different = len(counts.different) <= MANY
    digits = any(letter.isdigit() for letter in "".join(words))
    placeholders = len(words) <= PLACEHOLDERS and not digits and not few_different
    codes = few_different and format.kind in ("number", "boolean") and 2 * len(counts.different) <= counts.given
    if words and not asked and (codes or not (few or placeholders)):
        if few_different:
            return ColumnFormat("text", missing=(words[0],), strays=several, cells=counts.cells, almost=format.kind)
        return ColumnFormat(
            "text",
            problem=f"is {NAMES[format.kind]} but for {share(several / counts.given)} of its cells, such as "
            f"{shown(words[0])}: mend or empty these, or say what the column is, --column "
            f"{option(name, FORCED_BY[format.kind])}, by which they are missing, or {option(name, 'category')}",
        )
    examples = tuple(words) or tuple(sorted(counts.marks, key=lambda word: (-counts.marks[word], word)))
    return replace(format, missing=examples[:MOST_STRAYS], strays=several + marks, cells=counts.cells, lenient=asked)


def option(name: str, type: str) -> str:
    """NAME=TYPE as a shell takes it.

    >>> option("day of birth", "dmy")
    "'day of birth=dmy'"
    """
    text = f"{name}={type}"
    return f"'{text}'" if any(letter.isspace() for letter in text) else text


def check_types(types: dict[str, str], columns: Collection[str]) -> None:
    """Raise an error for a column that is not there and for a type that is none of TYPES."""
    for name, type in types.items():
        if name not in columns:
            said = f"column {shown(name)} is said to be {type}"
            raise TableError(f"{said}, and is not there: {near_column(name, columns)}")
        if type not in TYPES:
            raise ProblemError(f"column {shown(name)}: unknown type {type!r}: {near(type, TYPES)}")
