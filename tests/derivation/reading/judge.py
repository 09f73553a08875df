"""Whether a printed chain is true: its printed numbers give its printed result within the printed rounding.

A number with fewer digits than the setting is all of its value; another one stands for all values that are rounded to
it.  "=" says that the printed figures themselves give the printed result; "≈" that they do for some values that they
may stand for, and not by themselves.
"""

import numpy as np
from tests.derivation.reading.meaning import Symbolic, nodes, value

TRIES = 12
FLOAT = 1e-11  # relative: what is left of float64 after some dozens of operations


class Untrue(AssertionError):
    """A printed line does not hold."""


def judge(chain, digits):
    """How many relations of a chain were proved; Untrue where one does not hold."""
    _, parts, signs = chain
    *made, result = parts
    try:
        printed = value(result)
    except Symbolic:
        return 0
    half = half_units(result, digits)
    proved = 0
    for part, sign in zip(made, signs, strict=True):
        if sign not in "=≈":
            continue
        try:
            found = np.broadcast_to(value(part), np.shape(printed))
        except Symbolic:
            continue
        off = np.abs(found - printed)
        size = np.maximum(np.abs(found), np.abs(printed)) + largest_number(part) * 1e-3
        alike = off <= half * (1 + 1e-9) + FLOAT * size
        same = bool((alike | equal(found, printed)).all())
        if sign == "=" and not same:
            raise Untrue(f"= but {found} is not {printed}: {chain}")
        if sign == "≈" and same and not near_tie(off, half, size):
            raise Untrue(f"≈ where = holds: {found} is {printed}: {chain}")
        if sign == "≈" and not (off <= half + spread(part, digits, np.shape(printed)) + FLOAT * size).all():
            raise Untrue(f"{found} is not about {printed}: {chain}")
        proved += 1
    return proved


def equal(found, printed):
    """The same, NaN and infinities too."""
    return (found == printed) | (np.isnan(found) & np.isnan(printed))


def near_tie(off, half, size):
    """Whether rounding alone could have decided whether a cell is within half a unit."""
    return bool((np.abs(off - half) <= 2 * FLOAT * size).any())


def significant(text):
    """Digits that count."""
    return len(text.partition("e")[0].replace(".", "").lstrip("0"))


def half_unit(text):
    """Half a unit of the last printed place."""
    mantissa, _, exponent = text.partition("e")
    return 0.5 * 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def half_units(result, digits):
    """Half a unit of each number of a result; 0 where it is a fraction or has fewer digits than the setting."""
    if result[0] == "mat":
        return np.array([[half_units(cell, digits) for cell in row] for row in result[1]])
    if result[0] == "neg":
        return half_units(result[1], digits)
    rounded = result[0] == "num" and result[1] not in ("∞", "NaN") and significant(result[1]) >= digits
    return half_unit(result[1]) if rounded else 0.0


def largest_number(part):
    """The largest printed number, whose own rounding in float64 is more than a small result's."""
    numbers = [float(node[1]) for node in nodes(part) if node[0] == "num" and node[1] not in ("∞", "NaN")]
    return max(map(abs, numbers), default=0.0)


def spread(part, digits, shape):
    """How far the value goes when each rounded number moves within its rounding, for matrices cell by cell."""
    rng, centre, reach = np.random.default_rng(0), value(part), np.zeros(shape)

    def moved(text):
        if text in ("∞", "NaN") or significant(text) < digits:
            return float(text.replace("∞", "inf"))
        return float(text) + rng.uniform(-1, 1) * half_unit(text)

    for _ in range(TRIES):
        reach = np.maximum(reach, np.abs(value(part, moved) - centre))
    return 4 * np.nan_to_num(reach)
