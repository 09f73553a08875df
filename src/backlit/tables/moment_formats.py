"""Dates and times as databases, spreadsheets, logs and people write them.

    2023-01-13   13.01.2023   1/13/23   20230113   13-Jan-2023   Jan 13, 2023   13 janvier 2023   2023年1月13日
    2023-01-13 10:15:32.5+00   2023-01-13T10:15Z   1/13/2023 10:15 PM   13/Jan/2023:10:15:32 +0200   2023-01   2023Q1

One thing in a cell hangs on the column: the order of day, month and year where all three are numbers of two digits
(`03/04/2024`).  It is "dmy", "mdy" or "ymd", or "" where it is not known; every other form is read the same in each.
Offsets from UTC are taken away, and what names none is taken as UTC.
Years of two digits are 1969 to 2068, as in POSIX.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backlit.tables.number_formats import weigh

if TYPE_CHECKING:
    import polars as pl

ORDERS = {"dmy": "day/month/year", "mdy": "month/day/year", "ymd": "year/month/day"}
MONTHS = {  # by how they begin in English, German, French, Spanish, Italian, Portuguese, Dutch
    **dict.fromkeys(("jan", "ene", "gen"), 1),
    **dict.fromkeys(("feb", "fev", "fév"), 2),
    **dict.fromkeys(("mar", "mär", "mrz", "mrt"), 3),
    **dict.fromkeys(("apr", "abr", "avr"), 4),
    **dict.fromkeys(("may", "mai", "mag", "mei"), 5),
    **dict.fromkeys(("jun", "juin", "giu"), 6),
    **dict.fromkeys(("jul", "juil", "lug"), 7),
    **dict.fromkeys(("aug", "ago", "aoû", "aou"), 8),
    **dict.fromkeys(("sep", "set"), 9),
    **dict.fromkeys(("oct", "okt", "ott", "out"), 10),
    **dict.fromkeys(("nov",), 11),
    **dict.fromkeys(("dec", "dez", "dic", "déc"), 12),
}
WEEKDAY = r"^(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,? +)?"
MONTH = rf"(?P<month>{'|'.join(sorted(MONTHS, key=len, reverse=True))})\p{{L}}*\.?"
DAY_NUMBER = r"(?P<d>\d{1,2})(?:st|nd|rd|th|\.)?"
CLOCK = r"(?P<H>\d{1,2}):(?P<M>\d\d)(?::(?P<S>\d\d(?:[.,]\d{1,9})?))?(?: ?(?P<half>[ap])\.?m\.?)?"
ZONE = r"(?: ?(?P<zone>z|(?:utc|gmt)?[+-]\d\d(?::?\d\d)?|utc|gmt)(?: ?\([a-z ]+\)| ?\[[a-z/_]+\]| [+-]\d{4}| utc)?)?"
TAIL = rf"(?:(?:t| +|, ?|:| at ){CLOCK}{ZONE})?$"
DATES = (  # of which the first that a cell fits is taken
    rf"{WEEKDAY}(?P<y>\d{{4}})(?:[-/.]|年)(?P<m>\d{{1,2}})(?:[-/.]|月)(?P<d>\d{{1,2}})日?{TAIL}",
    rf"^(?P<y>(?:19|20)\d\d)(?P<m>\d\d)(?P<d>\d\d){TAIL}",
    rf"{WEEKDAY}(?P<a>\d{{1,2}})[-/.] ?(?P<b>\d{{1,2}})[-/.] ?(?P<c>\d{{4}}|\d{{2}}){TAIL}",
    rf"{WEEKDAY}{DAY_NUMBER}[ /-]*(?:of |de )?{MONTH}(?:[ /,.-]|de )*(?P<y>\d{{4}}|\d{{2}}){TAIL}",
    rf"{WEEKDAY}{MONTH}[ .-]*{DAY_NUMBER},? *,? +(?P<y>\d{{4}}){TAIL}",
    rf"^(?P<y>\d{{4}})[ -]{MONTH}[ -](?P<d>\d{{1,2}}){TAIL}",
    rf"{WEEKDAY}{MONTH} +(?P<d>\d{{1,2}}) +{CLOCK}(?: (?P<zone>utc|gmt|z|[+-]\d{{4}}))? (?P<y>\d{{4}})$",
    r"^(?P<y>\d{4})[-/](?P<m>\d{1,2})$",
    r"^(?P<m>\d{1,2})[-/](?P<y>\d{4})$",
    rf"^{MONTH}[ .,/-]*(?:de )?(?P<y>\d{{4}})$",
    rf"^{MONTH}[-']+(?P<y>\d{{2}})$",
    r"^(?P<y>\d{4})[ -]?q(?P<quarter>[1-4])$",
    r"^q(?P<quarter>[1-4])[ -]?(?P<y>\d{4})$",
)
PIECES = ("y", "m", "d", "a", "b", "c", "month", "quarter", "H", "M", "S", "half", "zone")
COMPACT_CLOCK = r"(\d)t(\d\d)(\d\d)(\d\d)"  # 20141013T101532
COMPACT = r"^\d{8}$"
LONGEST = 48  # letters of a date
DOTTED = r"^[^/-]*\."  # 1.2.2024: the day comes first
TIME = rf"^{CLOCK}$"
DURATION = r"^(?P<sign>-)?(?:(?P<days>-?\d+) days?,? )?\+?(?P<H>\d{1,4}):(?P<M>\d\d):(?P<S>\d\d(?:\.\d{1,9})?)$"
SECOND, DAY = 1_000_000, 86_400_000_000  # in microseconds


@dataclass
class MomentCounts:
    """How many cells of a column are dates in each order, times of day, and durations, counted chunk by chunk."""

    dates: Counter[str] = field(default_factory=Counter)  # by order
    numeric: int = 0  # dates whose day, month and year are all numbers of two digits
    open: int = 0  # of these, dates that differ between dmy and mdy
    example: str = ""  # one of them
    dotted: int = 0
    compact: int = 0  # 20230113, which is a whole number too
    times: int = 0
    durations: int = 0

    def add(self, values: pl.Series, weights: pl.Series) -> None:
        """Count different values (n,), each as often as it is there."""
        pieces = split_dates(values)
        if pieces is not None:
            self._add_dates(values, weights, pieces)
        if values.str.contains(":", literal=True).any():
            self.times += weigh(read_times(values).is_not_null(), weights)
            self.durations += weigh(read_durations(values).is_not_null(), weights)

    def _add_dates(self, values: pl.Series, weights: pl.Series, pieces: pl.DataFrame) -> None:
        numeric, clock = pieces["a"].is_not_null(), clock_fits(pieces)
        read = {order: date_of(pieces, order) for order in (ORDERS if numeric.any() else ("dmy",))}
        fits = {order: weigh(dates.is_not_null() & clock, weights) for order, dates in read.items()}
        self.dates.update(fits if numeric.any() else dict.fromkeys(ORDERS, fits["dmy"]))
        self.compact += weigh(values.str.contains(COMPACT) & read["dmy"].is_not_null(), weights)
        if numeric.any():
            unclear = numeric & (read["dmy"] != read["mdy"])
            self.numeric += weigh(numeric, weights)
            self.open += weigh(unclear, weights)
            self.example = self.example or str(values.filter(unclear.fill_null(False)).min() or "")
            self.dotted += weigh(numeric & values.str.contains(DOTTED), weights)

    def order(self, hint: str) -> str | None:
        """The order that most cells fit, "" where no cell needs one; None where day and month cannot be told apart.

        hint : an order that another column of the table shows, or "".
        """
        if not self.numeric:
            return ""
        most = max(self.dates.values(), default=0)
        fits = [order for order in ORDERS if self.dates[order] == most]
        if "dmy" not in fits or "mdy" not in fits:
            return fits[0]
        if not self.open or self.dotted:
            return "dmy"
        return hint if hint in fits else None

    def settled(self) -> str:
        """The order that this column shows to others; "" where it leaves it open."""
        differs = self.dates["dmy"] != self.dates["mdy"]
        return (self.order("") or "") if differs else ""


def read_moments(text: pl.Series, order: str) -> pl.Series:
    """Dates, or dates with times in UTC where some cell has a time; null where a cell is no date in that order.

    >>> import polars as pl
    >>> read_moments(pl.Series(["31/12/2024", "1.2.24", "13/13/2024"]), "dmy").to_list()
    [datetime.date(2024, 12, 31), datetime.date(2024, 2, 1), None]
    """
    import polars as pl

    pieces = split_dates(text)
    if pieces is None:
        return pl.Series(text.name, [None] * len(text), dtype=pl.Date)
    dates = date_of(pieces, order).set(~clock_fits(pieces), None)
    if not pieces["H"].is_not_null().any():
        return dates.alias(text.name)
    moments = dates.to_physical().cast(pl.Int64) * DAY + clock(pieces).fill_null(0) - offset(pieces).fill_null(0)
    zone = "UTC" if pieces["zone"].is_not_null().any() else None
    return moments.cast(pl.Datetime("us", zone)).alias(text.name)


def read_times(text: pl.Series) -> pl.Series:
    """Times of day; null where a cell is none.

    >>> import polars as pl
    >>> read_times(pl.Series(["9:05", "10:20 PM", "25:00"])).to_list()
    [datetime.time(9, 5), datetime.time(22, 20), None]
    """
    import polars as pl

    pieces = text.str.to_lowercase().str.extract_groups(TIME).struct.unnest()
    return (clock(pieces).set(~clock_fits(pieces), None) * 1000).cast(pl.Time).alias(text.name)


def read_durations(text: pl.Series) -> pl.Series:
    """Durations, `1 days 02:00:00` or `36:15:00`; null where a cell is none.

    >>> import polars as pl
    >>> read_durations(pl.Series(["1 days 02:00:00", "36:15:00"])).to_list()
    [datetime.timedelta(days=1, seconds=7200), datetime.timedelta(days=1, seconds=44100)]
    """
    import polars as pl

    pieces = text.str.extract_groups(DURATION).struct.unnest()
    length = clock(pieces) + pieces["days"].cast(pl.Int64).fill_null(0) * DAY
    signed = length * pieces["sign"].is_null().replace_strict({True: 1, False: -1}, return_dtype=pl.Int64)
    fits = (pieces["M"].cast(pl.Int64) < 60) & (pieces["S"].cast(pl.Float64) < 60)
    return signed.set(~fits.fill_null(False), None).cast(pl.Duration("us")).alias(text.name)


def split_dates(text: pl.Series) -> pl.DataFrame | None:
    """The pieces (PIECES, as text) of each cell by the first form that it fits; None where no cell fits any.

    >>> import polars as pl
    >>> [piece for piece in split_dates(pl.Series(["Fri, 13 Jan 2023 10:15 GMT"])).row(0) if piece]
    ['2023', '13', 'jan', '10', '15', 'gmt']
    """
    import polars as pl

    lower = text.str.to_lowercase().str.replace(COMPACT_CLOCK, "${1}t${2}:${3}:${4}")
    left = lower.is_not_null() & lower.str.contains(r"\d") & (lower.str.len_chars() <= LONGEST)
    at = pl.Series(range(len(lower)), dtype=pl.UInt32).filter(left)
    found = []
    for form in DATES:
        if not len(at):
            break
        pieces = lower.gather(at).str.extract_groups(form).struct.unnest()
        fits = pieces["y" if "y" in pieces.columns else "c"].is_not_null()
        if fits.any():
            found.append(pieces.with_columns(at=at).filter(fits))
            at = at.filter(~fits)
    if not found:
        return None
    empty = pl.DataFrame(schema=dict.fromkeys(PIECES, pl.String) | {"at": pl.UInt32})
    whole = pl.concat([empty, *found], how="diagonal")
    return pl.DataFrame({"at": pl.Series(range(len(lower)), dtype=pl.UInt32)}).join(
        whole, on="at", how="left", maintain_order="left"
    )


def date_of(pieces: pl.DataFrame, order: str) -> pl.Series:
    """Date; null where the pieces make none."""
    import polars as pl

    place = dict(zip(order, "abc", strict=True)) if order else {}
    y, m, d = (pl.coalesce(piece, place.get(piece, piece)) for piece in "ymd")
    months = pl.col("month").replace_strict(MONTHS, default=None, return_dtype=pl.Int64)
    quarter = pl.col("quarter").cast(pl.Int64) * 3 - 2
    month = pl.coalesce(months, quarter, m.cast(pl.Int64, strict=False))
    short = y.str.len_chars() <= 2
    year = y.cast(pl.Int64, strict=False)
    century = pl.when(short & (year < 69)).then(2000).when(short).then(1900).otherwise(0)
    day = pl.when(pl.col("c").is_null()).then(d.fill_null("1")).otherwise(d)
    text = pl.format("{}-{}-{}", year + century, month, day)
    known = pl.col("y").is_not_null() | pl.col("c").is_not_null()
    # in the order ymd the first number has two digits, and in the others the last may have four
    known &= (pl.col("c").str.len_chars() == 2).fill_null(True) if order == "ymd" else pl.lit(True)
    return pieces.select(pl.when(known).then(text).str.to_date("%Y-%m-%d", strict=False)).to_series()


def clock(pieces: pl.DataFrame) -> pl.Series:
    """Microseconds since midnight; null where there is no time."""
    import polars as pl

    hours = pl.col("H").cast(pl.Int64)
    if "half" in pieces.columns:
        hours = pl.when(pl.col("half").is_null()).then(hours).otherwise(hours % 12 + 12 * (pl.col("half") == "p"))
    seconds = pl.col("S").str.replace(",", ".", literal=True).cast(pl.Float64).fill_null(0)
    whole = hours * 3600 + pl.col("M").cast(pl.Int64) * 60
    return pieces.select(whole * SECOND + (seconds * SECOND).round().cast(pl.Int64)).to_series()


def clock_fits(pieces: pl.DataFrame) -> pl.Series:
    """Whether there is no time, or one that a clock shows."""
    import polars as pl

    seconds = pl.col("S").str.replace(",", ".", literal=True).cast(pl.Float64).fill_null(0)
    fits = (pl.col("H").cast(pl.Int64) < 24) & (pl.col("M").cast(pl.Int64) < 60) & (seconds < 60)
    return pieces.select(fits.fill_null(True)).to_series()


def offset(pieces: pl.DataFrame) -> pl.Series:
    """Microseconds that the zone is ahead of UTC; null where there is none."""
    import polars as pl

    digits = pl.col("zone").str.replace_all(r"[^0-9]", "").str.pad_end(4, "0")
    minutes = digits.str.head(2).cast(pl.Int64) * 60 + digits.str.tail(2).cast(pl.Int64)
    sign = pl.when(pl.col("zone").str.contains("-", literal=True)).then(-1).otherwise(1)
    return pieces.select(sign * minutes * 60 * SECOND).to_series()
