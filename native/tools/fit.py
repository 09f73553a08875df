"""Print the polynomial coefficients of native/src/functions.hpp, lowest power first, with their largest relative error.

Needs mpmath: `python native/tools/fit.py`.  Chebyshev fits; a polynomial in t or in t = x² on the interval named.
"""

from mpmath import chebyfit, erf, erfc, exp, expm1, log, mp, mpf, polyval, sqrt

mp.dps = 40


def exp_tail(r):
    """(e^r − 1 − r)/r², the part of e^r after its first two terms."""
    return mpf(1) / 2 + r / 6 + r**2 / 24 + r**3 / 120 if abs(r) < mpf(10) ** -12 else (expm1(r) - r) / r**2


def erf_ratio(s):
    """erf(x)/x as a function of s = x²."""
    x = sqrt(s)
    return 2 / sqrt(mp.pi) if x == 0 else erf(x) / x


def erfc_scaled(t):
    """(1 + 2x) e^{x²} erfc(x) at x = c (1 + t)/(1 − t), c = 3.75: smooth for x ≥ 0 (Shepherd & Laframboise 1981)."""
    x = C * (1 + t) / (1 - t)
    return (1 + 2 * x) * exp(x * x) * erfc(x)


C = mpf("3.75")
LIMIT = log(2) / 2 * mpf("1.001")


def at(x):
    """The t of an x."""
    return (x - C) / (x + C)


def show(name, f, interval, terms):
    """Fit, measure, print."""
    coefficients, _ = chebyfit(f, interval, terms, error=True)
    low, high = interval
    points = [low + (high - low) * mpf(k) / 400 for k in range(1, 400)]
    worst = max(abs(polyval(coefficients, p) / f(p) - 1) for p in points)
    print(f"{name}: {terms} terms, relative error {mp.nstr(worst, 2)}")
    print("  {" + ", ".join(mp.nstr(c, 20) for c in reversed(coefficients)) + "}")


if __name__ == "__main__":
    show("exp_tail, double", exp_tail, [-LIMIT, LIMIT], 10)
    show("exp_tail, float", exp_tail, [-LIMIT, LIMIT], 5)
    show("erf_ratio, double", erf_ratio, [mpf(0), mpf(1)], 13)
    show("erf_ratio, float", erf_ratio, [mpf(0), mpf(1)], 7)
    show("erfc_scaled, double", erfc_scaled, [at(mpf("0.45")), at(mpf(28))], 22)
    show("erfc_scaled, float", erfc_scaled, [at(mpf("0.45")), at(mpf(11))], 10)
