"""Every Gaussian expectation of every activation, to 1e-8 against SciPy's adaptive quadrature cut at the kinks."""

import itertools
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad

from backlit.core.activations import ACTIVATIONS, elu, leaky_relu
from backlit.diagnosis.theory.expectations import (
    growth,
    mean,
    overlap,
    second_moment,
    slope_moment,
    slope_overlap,
)

PHI = [*(phi for name, phi in ACTIVATIONS.items() if name != "softmax"), leaky_relu(0.3), elu(1.7)]
LENGTHS = [1e-3, 0.03, 1.0, 14.0, 1e2]
SHORT = {"exp": [1e-3, 0.03, 1.0, 14.0]}  # E e^{4u} = e^{8q} is beyond float64 at 100
PAIRS = [(1e-3, 0.5), (1.0, 0.97), (1e2, -0.6)]
NODES = np.polynomial.legendre.leggauss(24)
REACH = 9.0  # what lies beyond weighs 1e-19, before e^u


def scalar(f):
    """A function of one float."""
    return lambda u: float(f(np.array([u]))[0])


def cuts(phi, q, shift=0.0, spread=1.0):
    """z at which φ(√q (shift + spread z)) has a kink or bends, within reach."""
    us = np.array([0.0, -1.0, 1.0, -6.0, 6.0, *phi.kinks])
    far = REACH + (4 * math.sqrt(q) if phi.name == "exp" else 0.0)
    z = (us / math.sqrt(q) - shift) / spread
    return np.unique(np.clip([-far, -3, 0, 3, far, *z], -far, far))


def integral(f, points, tolerance=1e-12):
    """∫ f between the first and last point, piece by piece."""
    pieces = itertools.pairwise(points)
    return math.fsum(quad(f, a, b, epsabs=1e-15, epsrel=tolerance, limit=200)[0] for a, b in pieces)


def normal(z):
    """The standard normal's density."""
    return math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)


def by_quad(phi, q, f):
    """E f(√q Z)."""
    return integral(lambda z: f(math.sqrt(q) * z) * normal(z), cuts(phi, q))


@pytest.mark.parametrize("phi", PHI, ids=lambda phi: f"{phi.name}{phi.parameters.get('alpha', '')}")
def test_single_expectations_are_those_of_adaptive_quadrature(phi):
    """E φ, E φ², E φ'², E φ'⁴ and E φ'² + E φ φ''; the last also by differences of E φ² itself."""
    f, slope = scalar(phi.function), scalar(phi.derivative)
    for q in SHORT.get(phi.name, LENGTHS):
        wanted = {
            mean: lambda u: f(u),
            second_moment: lambda u: f(u) ** 2,
            slope_moment: lambda u: slope(u) ** 2,
            growth: lambda u, q=q: f(u) * slope(u) * u / q,
        }
        for ours, integrand in wanted.items():
            scale = math.sqrt(second_moment(phi, q)) if ours is mean else 0.0  # E φ may cancel to 0
            assert_allclose(ours(phi, q), by_quad(phi, q, integrand), rtol=1e-8, atol=1e-10 * scale, err_msg=f"{q}")
        assert_allclose(slope_moment(phi, q, 4), by_quad(phi, q, lambda u: slope(u) ** 4), rtol=1e-8)
        h = 1e-4 * q
        steps = [second_moment(phi, q + k * h) for k in (-2, -1, 1, 2)]
        central = (steps[0] - 8 * steps[1] + 8 * steps[2] - steps[3]) / (12 * h)
        assert_allclose(growth(phi, q), central, rtol=1e-8)


def pair_by_quad(phi, q, c, f):
    """E f(u₁)f(u₂) with u = √q (√((1+c)/2) x ± √((1−c)/2) y): even in y, and other cuts than ours."""
    p, r = math.sqrt((1 + c) / 2), math.sqrt((1 - c) / 2)

    def inner(x):
        far = REACH + (4 * math.sqrt(q) if phi.name == "exp" else 0.0)
        us = np.array([0.0, -1.0, 1.0, *phi.kinks]) / math.sqrt(q)
        points = np.unique(np.clip(np.concatenate([[0, 2, 5, far], (us - p * x) / r, (p * x - us) / r]), 0, far))
        y, w = NODES
        width = np.diff(points)[:, None] / 2
        y = (points[:-1, None] + width + width * y).ravel()
        weight = (width * w).ravel() * np.exp(-0.5 * y * y) * math.sqrt(2 / math.pi)
        return float((f(math.sqrt(q) * (p * x + r * y)) * f(math.sqrt(q) * (p * x - r * y)) * weight).sum())

    return integral(lambda x: inner(x) * normal(x), cuts(phi, q, 0.0, p), 1e-10)


@pytest.mark.parametrize(
    ("phi", "q", "c"),
    [
        pytest.param(phi, q, c, id=f"{phi.name}{phi.parameters.get('alpha', '')}-{q:g}", marks=marks)
        for k, phi in enumerate(PHI)
        for i, (q, c) in enumerate(PAIRS)
        for marks in ([] if k % 3 == i else [pytest.mark.slow],)  # one of the three for each, in turn
    ],
)
def test_pair_expectations_are_those_of_adaptive_quadrature(phi, q, c):
    """E φ(u₁)φ(u₂) and E φ'(u₁)φ'(u₂), relative to E φ² and E φ'²: the pair may cancel to 0."""
    q = min(q, max(SHORT.get(phi.name, LENGTHS)))
    for ours, f, size in ((overlap, phi.function, second_moment), (slope_overlap, phi.derivative, slope_moment)):
        assert_allclose(ours(phi, q, c * q), pair_by_quad(phi, q, c, f), rtol=1e-8, atol=1e-9 * size(phi, q))


@pytest.mark.parametrize("q", [math.nan, math.inf])
def test_an_overlap_of_lengths_that_are_no_numbers_is_infinite(q):
    assert overlap(ACTIVATIONS["tanh"], q, 1.0) == math.inf
    assert slope_overlap(ACTIVATIONS["exp"], q, math.nan) == math.inf
