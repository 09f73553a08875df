"""Numbers as people write them: 1.5, 1,5, 1.234,5, 1 234.5, 12,34,567, $1,234.50, 12 %, (300), 5 kg, 2.5M.

A cell is sign, unit, digits, exponent and unit again.  Two things in it hang on the column: the unit, which all cells
share, and which sign stands between thousands and which before decimals, where `1,234` is a thousand or a little over
one.  One column can leave the signs open, a table seldom does (`decide_styles`):

- values that fit `1.234,5` alone have a decimal comma, and values that fit `1,234.5` alone commas between thousands;
- values that fit both have a decimal comma where fields end at semicolons (spreadsheets write those where the comma is
  the decimal sign) or where another column has one; commas between thousands elsewhere;
- in a table with a decimal comma, `1.234` and `12.345.678` have dots between thousands.

Digits of every script are read, and Arabic's own signs, `١٬٢٣٤٫٥`, which leave nothing open.
"""

from __future__ import annotations

import sys
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

ARABIC_DECIMAL, ARABIC_THOUSANDS = "٫", "٬"
CODE = r"^[+-]?0[0-9]"  # 007, 01234: the zeros would be lost in a number
CURRENCY = (
    r"[A-Z]{0,3}\p{Sc}|USD|EUR|GBP|JPY|CHF|CNY|RMB|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|RUB|BRL|MXN|ZAR|TRY|KRW|"
    r"R\$|Rs\.?|Fr\.?|kr\.?|Kč|zł|Ft|руб\.?"
)
UNIT = r"[%‰+″′\"]|°?[\p{L}µ°](?:[\p{L}/·.]|[\^]?[23²³])*(?: \p{L}+)?"
CELL = (
    rf"^(?P<open>\()?(?P<sign>[+-])? ?(?P<before>{CURRENCY})? ?(?P<bracket>\()?(?P<inner>[+-])? ?"
    r"(?P<body>[0-9](?:[0-9.,' ]*[0-9.,])?|[.,][0-9]+)(?P<exponent>[eE][+-]?[0-9]+)?"
    rf" ?(?P<after>{CURRENCY}|{UNIT})?(?P<trailing>-)?(?P<close>\))?$"
)
SAME = {
    **dict.fromkeys("\u00a0\u202f\u2009\u2007", " "),
    **dict.fromkeys("’ʼ`´", "'"),
    **dict.fromkeys("−–‒", "-"),
    ARABIC_THOUSANDS: "",
    ARABIC_DECIMAL: ".",
}
FOR_ZEROS = r"[.,][-–—]+( |$)"  # 12,– and 1.200,- €
PLAIN = ("", ".")
STYLES = {  # the signs between thousands and before decimals: what a value looks like
    PLAIN: r"^([0-9]+\.?[0-9]*|\.[0-9]+)$",
    (",", "."): r"^(([0-9]+|[0-9]{1,3}(,[0-9]{3})+|[0-9]{1,2}(,[0-9]{2})+,[0-9]{3})(\.[0-9]*)?|\.[0-9]+)$",
    (".", ","): r"^(([0-9]+|[0-9]{1,3}(\.[0-9]{3})+)(,[0-9]*)?|,[0-9]+)$",
    (" ", "."): r"^(([0-9]+|[0-9]{1,3}( [0-9]{3})+)(\.[0-9]*)?|\.[0-9]+)$",
    (" ", ","): r"^(([0-9]+|[0-9]{1,3}( [0-9]{3})+)(,[0-9]*)?|,[0-9]+)$",
    ("'", "."): r"^(([0-9]+|[0-9]{1,3}('[0-9]{3})+)(\.[0-9]*)?|\.[0-9]+)$",
    ("'", ","): r"^(([0-9]+|[0-9]{1,3}('[0-9]{3})+)(,[0-9]*)?|,[0-9]+)$",
}
COMMONEST = {".": (",", "."), ",": (".", ",")}  # by the sign before decimals
DOT_THOUSANDS = r"^([1-9][0-9]{0,2}(\.[0-9]{3})+|[0-9]{1,3})$"
ZERO = r"^[+-]?0+([.,]0*)?$"
MULTIPLES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "m": 1e6, "Mn": 1e6, "B": 1e9, "bn": 1e9, "T": 1e12}
MULTIPLE = "k, M or B"  # the unit of a column in which each cell has a multiple of its own
MOST_UNITS = 40

Style = tuple[str, str]
Unit = tuple[str, str]  # before and after the digits


@dataclass
class NumberCounts:
    """How many cells of a column are numbers in each unit and style, counted chunk by chunk."""

    units: dict[Unit, Counter[Style]] = field(default_factory=dict)
    cells: Counter[Unit] = field(default_factory=Counter)
    pointed: Counter[Unit] = field(default_factory=Counter)  # numbers with a point
    grouped: Counter[Unit] = field(default_factory=Counter)  # those whose points can part thousands: 1.234, and 12 too
    codes: int = 0
    zeros: int = 0  # written without a unit, which a zero does not need

    def add(self, values: pl.Series, weights: pl.Series) -> None:
        """Count values (n,), each as often as it is there."""
        import polars as pl

        self.codes += weigh(values.str.contains(CODE), weights)
        if not values.cast(pl.Float64, strict=False).null_count():
            self._add_plain(values, weights)
            return
        parts = split_cells(values).with_columns(weight=weights).filter(pl.col("body").is_not_null())
        bare = (pl.col("before") == "") & (pl.col("after") == "")
        self.zeros += weigh(parts.select(bare & pl.col("body").str.contains(ZERO)).to_series(), parts["weight"])
        body, weight = pl.col("body"), pl.col("weight")
        tests = {str(k): body.str.contains(pattern) for k, pattern in enumerate(STYLES.values())}
        tests |= {"pointed": body.str.contains(".", literal=True), "grouped": body.str.contains(DOT_THOUSANDS)}
        counts = [weight.filter(test).sum().alias(name) for name, test in tests.items()]
        found = parts.group_by("before", "after", maintain_order=True).agg(weight.sum().alias("all"), *counts)
        for before, after, cells, *fits, pointed, grouped in found.iter_rows():
            if (before, after) in self.units or len(self.units) < MOST_UNITS:
                self._count((before, after), cells, dict(zip(STYLES, fits, strict=True)), pointed, grouped)

    def _add_plain(self, values: pl.Series, weights: pl.Series) -> None:
        """The same for numbers with a point alone, which most columns hold, without a pattern a style."""
        import polars as pl

        point = values.str.contains(".", literal=True)
        digits = values.str.strip_chars_start("+-")
        thousands = digits.head(99).str.contains(DOT_THOUSANDS)
        if thousands.all():  # else it is not asked for: only where all are such can points part thousands
            thousands = digits.str.contains(DOT_THOUSANDS)
        thousands = thousands.extend_constant(False, len(values) - len(thousands))
        cells, pointed = int(weights.sum()), weigh(point, weights)
        self.zeros += weigh(values.cast(pl.Float64) == 0, weights)
        commas = cells - pointed + weigh(point & thousands, weights)
        fits = {style: cells if style[1] == "." else cells - pointed for style in STYLES} | {COMMONEST[","]: commas}
        self._count(("", ""), cells, fits, pointed, weigh(thousands, weights))

    def _count(self, unit: Unit, cells: int, fits: dict[Style, int], pointed: int, grouped: int) -> None:
        self.cells[unit] += cells
        self.units.setdefault(unit, Counter()).update(fits)
        self.pointed[unit] += pointed
        self.grouped[unit] += grouped

    def leaves_open(self, style: Style) -> bool:
        """Whether no cell shows how the column is written: all are plain, and no point is taken for another sign."""
        unit, fits = self.best()
        return fits[PLAIN] == fits[style] and (style[1] == "." or not self.pointed[unit])

    def best(self) -> tuple[Unit, Counter[Style]]:
        """The most frequent unit, and how many cells with it each style fits."""
        if not self.units:
            return ("", ""), Counter()
        unit = max(self.units, key=lambda u: (self.cells[u] - (self.zeros if u == ("", "") else 0), u))
        multiples = [u for u in self.units if u[0] == unit[0] and u[1] in MULTIPLES]
        if unit in multiples and len(multiples) > 1 and any(u[1] for u in multiples):
            together: Counter[Style] = Counter()
            for each in multiples:
                together += self.units[each]
            if max(together.values(), default=0) > max(self.units[unit].values(), default=0):
                return (unit[0], MULTIPLE), together
        zeros = Counter(dict.fromkeys(STYLES, 0 if unit == ("", "") else self.zeros))
        return unit, self.units[unit] + zeros


def decide_styles(columns: dict[str, NumberCounts], delimiter: str, asked: dict[str, str]) -> dict[str, Style]:
    """The style of each column of numbers, by the rule at the top of this file.

    columns : what was counted of the columns of numbers.  delimiter : the sign between fields, "" where none is.
    asked : the decimal sign of columns for which the user says it.
    """
    fits: dict[str, set[Style]] = {}
    for name, counts in columns.items():
        most = max(counts.best()[1].values(), default=0)
        fits[name] = {style for style, cells in counts.best()[1].items() if cells == most} or {PLAIN}
        if name in asked:
            so = {style for style in fits[name] - {PLAIN} if style[1] == asked[name]}
            fits[name] = so or {COMMONEST[asked[name]]}
    unread = {name: styles for name, styles in fits.items() if PLAIN not in styles}
    comma = [name for name, styles in unread.items() if (".", ",") in styles]
    comma_is_decimal = (delimiter == ";" and bool(comma)) or any((",", ".") not in unread[name] for name in comma)
    thousands = any((",", ".") in styles for styles in unread.values())
    found: dict[str, Style] = {}
    for name, styles in fits.items():
        counts, preferred = columns[name], COMMONEST["," if comma_is_decimal else "."]
        if name in unread:
            order = [preferred, (".", ","), (",", "."), *(s for s in STYLES if s[1] == preferred[1]), *STYLES]
            found[name] = next(style for style in order if style in styles)
        elif counts.pointed[counts.best()[0]]:  # 1.234 in a table with a decimal comma
            unit = counts.best()[0]
            grouped = comma_is_decimal and counts.grouped[unit] == counts.cells[unit]
            found[name] = (".", ",") if grouped else (",", ".") if thousands and not comma_is_decimal else PLAIN
        else:
            found[name] = preferred if comma_is_decimal or thousands else PLAIN
    return found


def read_numbers(text: pl.Series, unit: Unit, style: Style) -> pl.Series:
    """Int64, UInt64 or Float64; null where a cell is no number in that unit and style.

    >>> import polars as pl
    >>> read_numbers(pl.Series(["€ 1.234,5", "-€7", "8"]), ("€", ""), (".", ",")).to_list()
    [1234.5, -7.0, None]
    """
    import polars as pl

    if unit == ("", "") and style[1] == "." and not text.str.contains(" ", literal=True).any():
        number = plain_number(text)
        if number.null_count() == text.null_count():
            return number
    parts = split_cells(text)
    thousands, decimal = style
    fits = (pl.col("before") == unit[0]) & pl.col("body").str.contains(STYLES[style])
    fits &= pl.col("after").is_in(list(MULTIPLES)) if unit[1] == MULTIPLE else pl.col("after") == unit[1]
    fits |= (pl.col("before") == "") & (pl.col("after") == "") & pl.col("body").str.contains(ZERO)
    digits = pl.col("body").str.replace_all(thousands, "", literal=True) if thousands else pl.col("body")
    digits = digits.str.replace(decimal, ".", literal=True)
    written = pl.when(fits).then(pl.concat_str("sign", digits, "exponent"))
    number = plain_number(parts.select(written.alias(text.name)).to_series())
    if unit[1] == MULTIPLE:
        number = number * parts["after"].replace_strict(MULTIPLES, default=None, return_dtype=pl.Float64)
    return number


def split_cells(text: pl.Series) -> pl.DataFrame:
    """Columns sign, before, body, exponent, after of each cell, all null where it looks like no number.

    >>> import polars as pl
    >>> split_cells(pl.Series(["($1,200)", "12 %", "x"])).rows()
    [('-', '$', '1,200', '', ''), ('', '', '12', '', '%'), (None, None, None, None, None)]
    """
    import polars as pl

    same = text.str.replace_many(list(SAME), list(SAME.values())).str.replace(FOR_ZEROS, "${1}")
    found = same.str.extract_groups(CELL).struct.unnest()
    open = pl.coalesce("open", "bracket")  # ($5) and €(5)
    signs = [pl.col(name) for name in ("sign", "inner", "trailing", "open", "bracket")]
    is_one = (
        pl.col("body").is_not_null()
        & (open.is_null() == pl.col("close").is_null())
        & (pl.sum_horizontal(sign.is_not_null() for sign in signs) <= 1)
    )
    minus = pl.coalesce("sign", "inner", "trailing", pl.lit("+")).eq("-") | open.is_not_null()
    filled = {
        "sign": pl.when(minus).then(pl.lit("-")).otherwise(pl.lit("")),
        "before": pl.col("before").fill_null("").str.strip_chars_end("."),
        "body": pl.col("body"),
        "exponent": pl.col("exponent").fill_null(""),
        "after": pl.col("after").fill_null("").str.replace(r"(\p{L}{3,})s\b", "${1}").str.strip_chars_end("."),
    }
    return found.select(pl.when(is_one).then(value).alias(name) for name, value in filled.items())


def plain_number(text: pl.Series) -> pl.Series:
    """Int64, UInt64 or Float64, null where a text is no number with a decimal point (or infinite).

    UInt64 from 2⁶³ on, where labels would run together as Float64; whole numbers beyond 64 bits become Float64.

    >>> import polars as pl
    >>> plain_number(pl.Series(["1", None, "2.5"])).to_list(), plain_number(pl.Series(["1", "x"])).to_list()
    ([1.0, None, 2.5], [1, None])
    """
    import polars as pl

    readings = [text.cast(dtype, strict=False) for dtype in (pl.Float64, pl.UInt64, pl.Int64)]
    return min(reversed(readings), key=lambda number: number.null_count())


def with_ascii_digits(text: pl.Series) -> pl.Series:
    """Write the decimal digits of every script as 0 to 9.

    >>> import polars as pl
    >>> with_ascii_digits(pl.Series(["٤٢", "४२", "x"])).to_list()
    ['42', '42', 'x']
    """
    return text.str.replace_many(other_digits()) if text.str.contains(r"[\p{Nd}--[0-9]]").any() else text


@cache
def other_digits() -> dict[str, str]:
    """Each decimal digit beyond ASCII, and its value as an ASCII digit."""
    letters = map(chr, range(128, sys.maxunicode + 1))
    return {letter: str(unicodedata.decimal(letter)) for letter in letters if letter.isdecimal()}


def weigh(which: pl.Series, weights: pl.Series) -> int:
    """The sum of the weights of some values."""
    return int(weights.filter(which.fill_null(False)).sum())
