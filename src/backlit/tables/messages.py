"""Names in messages: a column as it is written, and the columns it may have been meant to be."""

from collections.abc import Iterable
from difflib import get_close_matches


def near(name: str, names: Iterable[str], *, most: int = 8) -> str:
    """Say which of `names` was likely meant by `name`, or, where none is near, which there are.

    >>> near("Age", ["age", "income"])
    "did you mean 'age'?"
    >>> near("zip", ["age", "income"])
    "there are 'age', 'income'"
    """
    names = list(names)
    lower: dict[str, str] = {}
    for candidate in names:
        lower.setdefault(candidate.strip().lower(), candidate)
    close = get_close_matches(name.strip().lower(), lower, n=2, cutoff=0.7)
    if close:
        return f"did you mean {' or '.join(repr(lower[key]) for key in close)}?"
    return f"there are {listed(names, most=most)}" if names else "there are none"


def listed(values: Iterable[object], *, most: int = 8) -> str:
    """Write values one after another, and say how many were left out.

    >>> listed(["a", "b", "c"], most=2)
    "'a', 'b' and 1 more"
    """
    values = list(values)
    left = len(values) - most
    return ", ".join(shown(value) for value in values[:most]) + (f" and {left} more" if left > 0 else "")


def shown(value: object, *, most: int = 40) -> str:
    """Write one value on one line, cut where it is long.

    >>> shown("x" * 50, most=5)
    "'xxxxx…'"
    """
    if isinstance(value, str) and len(value) > most:
        value = value[:most] + "…"
    return repr(value)


def count(number: int, noun: str) -> str:
    """Write a number with its noun.

    >>> count(1, "row"), count(2000, "row")
    ('1 row', '2,000 rows')
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def figure(value: float | None) -> str:
    """Four digits, large numbers with their thousands apart, or a dash for what is undefined.

    >>> figure(0.123456), figure(1234.56), figure(22764.2), figure(3.2e12), figure(None)
    ('0.1235', '1235', '22,764', '3.2e+12', '–')
    """
    if value is None:
        return "–"
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"
