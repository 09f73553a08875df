"""exp, log, tanh and the others: within 4 ulp over the whole range, on every instruction set of this processor."""

import numpy as np
import pytest
from hypothesis import settings
from scipy import special
from tests.engine.kernels import ELEMENTWISE

from backlit.core import ACTIVATIONS
from backlit.engine.native import extension

ISAS = extension().instruction_sets() if extension() else ["none"]
FUNCTIONS = extension().functions() if extension() else []
EXACT = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "erf": special.erf,
    "erfc": special.erfc,
}
LIMIT = 4.0  # ulp
SHAPES = [(1, 1, 1), (3, 5, 2), (7, 17, 33), (29, 64, 64), (14, 100, 31), (15, 32, 784), (9, 40, 1500), (16, 33, 1024)]
LIMITS = {("erfc", np.float32): 5.0}  # gelu's; it is made of an exp, a quotient and two products
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0]


def apply(name, x, isa):
    """The kernel's values."""
    y = np.empty_like(x)
    suffix = "32" if x.dtype == np.float32 else "64"
    getattr(extension(), f"apply_{suffix}")(isa, name, x, y)
    return y


SHARE = max(1, 60 // settings().max_examples)  # by hand a share of the numbers, all in `ci`


def samples(name, dtype):
    """The whole range of the dtype, dense where something happens, with its limits and its denormal numbers."""
    rng = np.random.default_rng(7)
    info = np.finfo(dtype)
    top = {"exp": 800, "expm1": 800, "tanh": 25, "erf": 7, "erfc": 30}.get(name, 10)
    near = rng.uniform(-top, top, 200_000 // SHARE)
    signs = rng.choice([-1, 1], 50_000 // SHARE)
    exponents = rng.uniform(np.log2(float(info.tiny)) - info.nmant, np.log2(float(info.max)), 50_000 // SHARE)
    wide = signs * 2.0 ** np.clip(exponents, -1074, 1023.9)
    middle = rng.uniform(-1.5, 1.5, 100_000 // SHARE)
    ends = [info.max, -info.max, info.tiny, -info.tiny, info.smallest_subnormal, -info.smallest_subnormal]
    return np.concatenate([near, middle, wide, ends, SPECIAL]).astype(dtype)


def exact_values(name, x):
    """float32: computed in float64.  float64: in long double where NumPy has it, else in float64 (SciPy's erf)."""
    if x.dtype == np.float32:
        return EXACT[name](x.astype(np.float64))
    if name in ("erf", "erfc") or np.finfo(np.longdouble).nmant < 60:
        return EXACT[name](x)
    return EXACT[name](x.astype(np.longdouble))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_within_four_ulp(name, dtype, isa):
    x = samples(name, dtype)
    got, exact = apply(name, x, isa), exact_values(name, x)
    rounded = exact.astype(dtype)
    finite = np.isfinite(rounded)
    # at the very end of the range one rounding decides between the largest number and infinity
    same = (got == rounded) | (np.isnan(got) & np.isnan(rounded)) | (np.abs(exact) >= np.finfo(dtype).max * 0.9999)
    assert same[~finite].all(), x[~finite][~same[~finite]][:5]
    size = np.abs(rounded[finite])
    error = np.abs(got[finite] - exact[finite]) / np.spacing(np.maximum(size, np.finfo(dtype).tiny)).astype(float)
    if name == "erfc" and dtype == np.float64:
        error[np.abs(x[finite]) > 0.5] = 0  # SciPy's own error reaches several ulp there: see test_against_mpmath
    worst = np.nanargmax(error)
    limit = LIMITS.get((name, dtype), LIMIT)
    assert error[worst] <= limit, f"{name}({x[finite][worst]!r}) is off by {error[worst]:.2f} ulp"


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", ["exp", "tanh", "erf", "erfc", "log1p"])
def test_against_mpmath(name, isa):
    mpmath = pytest.importorskip("mpmath")

    mpmath.mp.dps = 40
    rng = np.random.default_rng(3)
    top = {"exp": 700, "tanh": 20, "erf": 6, "erfc": 26, "log1p": 5}[name]
    x = np.concatenate(
        [rng.uniform(-top, top, 800 // SHARE), rng.uniform(-1, 1, 800 // SHARE), 10.0 ** rng.uniform(-300, 0, 100)]
    )
    x = x[x > -1] if name == "log1p" else x
    for value, got in zip(x, apply(name, x, isa), strict=True):
        exact = getattr(mpmath, name)(mpmath.mpf(value))
        assert abs(exact - mpmath.mpf(got)) <= LIMIT * np.spacing(abs(float(exact))), (name, value)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_activation_and_slope_are_the_textbooks(name, isa):
    phi = ACTIVATIONS[name]
    u = np.concatenate([np.linspace(-40, 40, 4001), np.linspace(-2, 2, 997), [0.0, 1.0, -1.0]])
    a, slope = np.empty_like(u), np.empty_like(u)
    extension().activate_64(isa, name, dict(phi.parameters), u, a, slope)
    np.testing.assert_allclose(a, phi.function(u), rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(slope, phi.derivative(u), rtol=1e-11, atol=1e-300)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_nan_goes_through_every_activation(name, isa):
    u = np.array([np.nan, 1.0, np.nan])
    a, slope = np.empty_like(u), np.empty_like(u)
    extension().activate_64(isa, name, dict(ACTIVATIONS[name].parameters), u, a, slope)
    assert np.isnan(a).tolist() == [True, False, True]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("keep", [True, False])
def test_product(shape, keep, dtype, isa, rng):
    m, n, k = shape
    A, W = rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((n, k)).astype(dtype)
    bias, C = rng.standard_normal(n).astype(dtype), np.empty((m, n), dtype)
    getattr(extension(), "product_32" if dtype == np.float32 else "product_64")(isa, keep, A, W, bias, C)
    exact = A.astype(float) @ W.astype(float).T + bias
    np.testing.assert_allclose(C, exact, atol=4 * np.finfo(dtype).eps * k, rtol=1e-12 if dtype == np.float64 else 1e-5)
