"""Numbers as people write them: 1.5, 1,5, 1.234,5 and 1,234.5, told apart over a whole table.

One column can leave it open (is `1,234` a thousand or a little over one?), a table seldom does:

- a text that Polars reads as a number is that number, unless some value has a leading zero (`007`): then it is a code;
- values that fit `1.234,5` alone have a decimal comma, and values that fit `1,234.5` alone have commas between
  thousands;
- values that fit both have a decimal comma where fields end at semicolons (spreadsheets write those where the comma is
  the decimal sign) or where another column has one; commas between thousands elsewhere;
- in a table with a decimal comma, `1.234` and `12.345.678` have dots between thousands.

Digits of every script are read, and Arabic's own signs, `١٬٢٣٤٫٥`, which leave nothing open.
"""

from __future__ import annotations

import sys
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

ARABIC_DECIMAL, ARABIC_THOUSANDS = "٫", "٬"
CODE = r"^[+-]?0[0-9]"  # 007, 01234: the zeros would be lost in a number
COMMA_DECIMAL = r"^[+-]?(([0-9]+|[0-9]{1,3}(\.[0-9]{3})+)(,[0-9]*)?|,[0-9]+)([eE][+-]?[0-9]+)?$"
COMMA_THOUSANDS = r"^[+-]?(([0-9]+|[0-9]{1,3}(,[0-9]{3})+)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
DOT_THOUSANDS = r"^[+-]?([1-9][0-9]{0,2}(\.[0-9]{3})+|[0-9]{1,3})$"


def read_numbers(texts: dict[str, pl.Series], delimiter: str) -> dict[str, pl.Series]:
    """Return the columns that hold numbers, as Int64, UInt64 or Float64; the others are left out.

    texts : columns of text, stripped, with ASCII digits, missing values null.
    delimiter : the sign between fields, "" where none is.

    >>> import polars as pl
    >>> read_numbers({"a": pl.Series(["1,5", "2"]), "b": pl.Series(["1.234", "999"])}, ";")["b"].to_list()
    [1234, 999]
    """
    numbers: dict[str, pl.Series] = {}
    unread: dict[str, pl.Series] = {}
    for name, text in texts.items():
        if text.null_count() == len(text) or text.str.contains(CODE).any():
            continue
        number = plain_number(text)
        (unread if number is None else numbers)[name] = text if number is None else number
    as_decimal = {name for name, text in unread.items() if _all(text, COMMA_DECIMAL)}
    as_thousands = {name for name, text in unread.items() if _all(text, COMMA_THOUSANDS)}
    comma_is_decimal = (delimiter == ";" and bool(as_decimal)) or bool(as_decimal - as_thousands)
    for name in as_decimal if comma_is_decimal else as_thousands:
        numbers[name] = _without(unread[name], ".", ",") if comma_is_decimal else _without(unread[name], ",", ".")
    for name in as_thousands - as_decimal:
        numbers[name] = _without(unread[name], ",", ".")
    if comma_is_decimal:
        for name in numbers.keys() - unread.keys():
            if _all(texts[name], DOT_THOUSANDS) and texts[name].str.contains(".", literal=True).any():
                numbers[name] = _without(texts[name], ".", ",")
    return numbers


def plain_number(text: pl.Series) -> pl.Series | None:
    """Int64, UInt64 or Float64 where every value is a number with a decimal point (or infinite), else None.

    UInt64 from 2⁶³ on, where labels would run together as Float64; whole numbers beyond 64 bits become Float64.

    >>> import polars as pl
    >>> plain_number(pl.Series(["1", None, "2.5"])).to_list(), plain_number(pl.Series(["1", "x"]))
    ([1.0, None, 2.5], None)
    """
    import polars as pl

    if text.str.contains(f"[{ARABIC_DECIMAL}{ARABIC_THOUSANDS}]").any():
        text = text.str.replace_all(ARABIC_THOUSANDS, "", literal=True).str.replace(ARABIC_DECIMAL, ".", literal=True)
    for dtype in (pl.Int64, pl.UInt64, pl.Float64):
        number = text.cast(dtype, strict=False)
        if number.null_count() == text.null_count():
            return number
    return None


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


def _all(text: pl.Series, pattern: str) -> bool:
    return bool(text.str.contains(pattern).all())


def _without(text: pl.Series, group: str, decimal: str) -> pl.Series:
    """Take out the sign between thousands and write the decimal sign as a point."""
    number = plain_number(text.str.replace_all(group, "", literal=True).str.replace(decimal, ".", literal=True))
    assert number is not None, "the pattern lets nothing through that is not a number"
    return number
