"""Where a function crosses 0, by Brent's method, as `scipy.optimize.brentq` does it: importing that package alone would
take a tenth of the time that a whole diagnosis has.

>>> round(root(lambda x: x**2 - 2, 0.0, 2.0), 12)
1.414213562373
"""

from collections.abc import Callable

ROUNDS = 200
EPSILON = 4 * 2.0**-52


def root(f: Callable[[float], float], low: float, high: float, *, xtol: float = 0.0, rtol: float = EPSILON) -> float:
    """x between low and high, where f has other signs, with f(x) = 0 to xtol + rtol |x|.

    Source: Brent 1973, Algorithms for Minimization without Derivatives, chapter 4: bisection, unless a secant or an
    inverse parabola through the last points is safely faster.
    """
    a, b, fa, fb = low, high, f(low), f(high)
    c, fc = a, fa
    step = before = b - a
    for _ in range(ROUNDS):
        if (fb > 0) == (fc > 0):  # b and c enclose the root
            c, fc = a, fa
            step = before = b - a
        if abs(fc) < abs(fb):  # b is the best so far
            a, b, c, fa, fb, fc = b, c, b, fb, fc, fb
        tolerance, half = (xtol + rtol * abs(b)) / 2, (c - b) / 2
        if fb == 0 or abs(half) <= tolerance:
            return b
        before, step = (step, interpolated(a, b, c, fa, fb, fc)) if abs(fa) > abs(fb) else (half, half)
        safe = min(3 * abs(half) - tolerance, abs(before))
        if not 0 < step * (1 if half > 0 else -1) * 2 < safe:
            step = before = half
        a, fa = b, fb
        b += step if abs(step) > tolerance else tolerance if half > 0 else -tolerance
        fb = f(b)
    return b


def interpolated(a: float, b: float, c: float, fa: float, fb: float, fc: float) -> float:
    """The step from b to where a line through two points, or an inverse parabola through three, crosses 0."""
    s = fb / fa
    if a == c:
        return -(c - b) * s / (1 - s)
    q, r = fa / fc, fb / fc
    over = (q - 1) * (r - 1) * (s - 1)
    return -s * ((c - b) * q * (q - r) - (b - a) * (r - 1)) / over if over else 0.0
