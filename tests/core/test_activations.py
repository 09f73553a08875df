"""The table of activations is the test plan: value, slope, range, dtype, extremes, NaN, spec and pickle of each."""

import json
import pickle
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import settings
from numpy.testing import assert_allclose, assert_array_equal
from tests.core.complex_step import slope
from tests.helpers import raises_naming

from backlit.core import ACTIVATIONS, Activation, get_activation
from backlit.core.activations import log_softmax, sigmoid_slope, softmax, tanh_slope
from backlit.core.formulas import Arithmetic
from backlit.errors import ProblemError

mp = pytest.importorskip("mpmath")

ALPHAS = [("leaky_relu", 0.3), ("leaky_relu", 0.0), ("leaky_relu", -0.2), ("elu", 0.5), ("elu", 1.5), ("elu", -0.5)]
CUSTOM = [get_activation({"name": name, "alpha": alpha}) for name, alpha in ALPHAS]
ALL = [*ACTIVATIONS.values(), *CUSTOM]
ELEMENTWISE = [phi for phi in ALL if phi.elementwise]


def label(phi: Activation) -> str:
    return "-".join(str(part) for part in (phi.name, *phi.parameters.values()))


every = pytest.mark.parametrize("phi", ALL, ids=label)
every_elementwise = pytest.mark.parametrize("phi", ELEMENTWISE, ids=label)
SHARE = max(1, 60 // settings().max_examples)  # by hand a share of the numbers is compared, all in `ci`


@pytest.fixture
def u_away_from_kinks(phi, rng):
    """Numbers of all sizes and both signs, in rows of five, none within 1e-6 of a kink."""
    u = np.concatenate([rng.uniform(-30, 30, 200), rng.standard_normal(200), 10 ** rng.uniform(-8, 1, 100)])
    u[-50:] *= -1
    kinks = np.array(phi.kinks)
    assert all(np.abs(u - kink).min() > 1e-9 for kink in kinks)
    return u.reshape(-1, 5)


# --- value and slope ------------------------------------------------------------------------------------------------


def log1pexp(u):
    return mp.log1p(mp.exp(u))


def gelu(u):
    return u * mp.erfc(-u / mp.sqrt(2)) / 2


SELU_SCALE, SELU_ALPHA = mp.mpf("1.0507009873554804934193349852946"), mp.mpf("1.6732632423543772848170429916717")
DEFINITIONS: dict[str, Callable] = {
    "identity": lambda u: u,
    "sigmoid": lambda u: 1 / (1 + mp.exp(-u)),
    "tanh": mp.tanh,
    "relu": lambda u: max(u, mp.mpf(0)),
    "leaky_relu": lambda u, alpha: u if u > 0 else mp.mpf(alpha) * u,
    "elu": lambda u, alpha: u if u > 0 else mp.mpf(alpha) * mp.expm1(u),
    "selu": lambda u: SELU_SCALE * (u if u > 0 else SELU_ALPHA * mp.expm1(u)),
    "gelu": gelu,
    "silu": lambda u: u / (1 + mp.exp(-u)),
    "softplus": log1pexp,
    "mish": lambda u: u * mp.tanh(log1pexp(u)),
    "hard_tanh": lambda u: min(max(u, mp.mpf(-1)), mp.mpf(1)),
    "softsign": lambda u: u / (1 + abs(u)),
    "exp": mp.exp,
}


MPMATH = Arithmetic(mp.mpf, lambda name, *args: getattr(mp, name)(*args))


def defined(phi: Activation) -> Callable:
    """The definition in 40 digits, with the activation's parameters; without one, the record's formula."""
    if phi.name in DEFINITIONS:
        return lambda u: DEFINITIONS[phi.name](u, **phi.parameters)
    if phi.formula is None:
        pytest.skip("neither a definition here nor a formula to hold the function against")
    return lambda u: phi.formula(u, MPMATH)


def few_ulp(f: Callable, u: mp.mpf, value: mp.mpf) -> float:
    """Six roundings of the value, plus what two roundings of u do to it: the best that a formula in u can do."""
    return float(np.finfo(float).eps * (6 * abs(value) + 2 * abs(u * mp.diff(f, u, h=mp.mpf(10) ** -20))))


@every_elementwise
def test_value_to_a_few_ulp(phi, u_away_from_kinks):
    f, u = defined(phi), u_away_from_kinks.ravel()[::SHARE]
    got = phi.function(u)
    with mp.workdps(60):
        for x, value in zip(u.tolist(), got.tolist(), strict=True):
            exact = f(mp.mpf(x))
            assert abs(value - exact) <= few_ulp(f, mp.mpf(x), exact), f"φ({x!r}) = {value!r}, exact {exact}"


@every_elementwise
def test_derivative_against_the_definition(phi, u_away_from_kinks):
    """To 1e-13 of the slope or, near a zero of it, of the largest slope there is."""
    f, u = defined(phi), u_away_from_kinks.ravel()[::SHARE]
    with mp.workdps(60):
        exact = np.array([float(mp.diff(f, mp.mpf(x), h=mp.mpf(10) ** -20)) for x in u.tolist()])
    assert_allclose(phi.derivative(u), exact, rtol=2e-13, atol=1e-15)


@every_elementwise
def test_derivative_is_the_slope(phi, u_away_from_kinks):
    assert_allclose(phi.derivative(u_away_from_kinks), slope(phi.function, u_away_from_kinks), rtol=1e-12, atol=1e-15)


@every_elementwise
def test_derivative_is_the_slope_at_exactly_0(phi):
    """Where formulas in |u| change sides: there, too, a complex step passes through, from the left where it matters."""
    zeros = np.array([0.0, -0.0])
    assert_allclose(phi.derivative(zeros), slope(phi.function, zeros), rtol=1e-15)


@pytest.mark.parametrize("phi", [phi for phi in ALL if not phi.elementwise], ids=label)
def test_pull_back_is_the_transposed_jacobian(phi, rng):
    for K in (1, 2, 7):
        u, g = rng.standard_normal((4, K)) * 3, rng.standard_normal((4, K))
        jacobian = np.array([phi.function(u + 1e-30j * e).imag / 1e-30 for e in np.eye(K)])  # [j, i, k] = ∂h_ik/∂u_ij
        assert_allclose(phi.pull_back(u, g), np.einsum("jik,ik->ij", jacobian, g), rtol=1e-12, atol=1e-15)
        assert_allclose(phi.derivative(u), np.einsum("jij->ij", jacobian), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("name", "at", "slope_there"), [
    ("relu", 0.0, 0.0),
    ({"name": "leaky_relu", "alpha": 0.3}, 0.0, 0.3),
    ({"name": "elu", "alpha": 0.5}, 0.0, 0.5),
    ("elu", 0.0, 1.0),
    ("selu", 0.0, 1.0507009873554805 * 1.6732632423543772),
    ("hard_tanh", 1.0, 0.0),
    ("hard_tanh", -1.0, 0.0),
])  # fmt: skip
def test_slope_at_a_kink(name, at, slope_there):
    assert_allclose(get_activation(name).derivative(np.array([at])), [slope_there], rtol=1e-15)


@pytest.mark.parametrize("f", [sigmoid_slope, tanh_slope])
def test_slopes_keep_their_digits_in_the_tails(f):
    """1 − σ(40) rounds to 0 in 1 − p; the tails are symmetric and positive as long as e^{−|u|} is."""
    u = np.array([20.0, 40.0, 300.0])
    assert_allclose(f(u), f(-u), rtol=1e-15)
    assert (f(u) > 0).all()


@every
def test_range_holds_every_value(phi):
    u = np.linspace(-60, 60, 24000).reshape(-1, 3)
    low, high = phi.range
    h = phi.function(u)
    assert ((h >= low) & (h <= high)).all()


@every_elementwise
def test_range_is_no_wider_than_need_be(phi):
    u = np.linspace(-60, 60, 240001)
    low, high = phi.range
    h = phi.function(u)
    assert h.max() > 50 if high == np.inf else high - h.max() < 0.02
    assert h.min() < -0.5 if low == -np.inf else h.min() - low < 0.02


@every_elementwise
def test_kinks_are_where_the_slope_jumps(phi):
    u = np.linspace(-3, 3, 601).round(2)
    jumps = np.abs(phi.derivative(u + 1e-9) - phi.derivative(u - 1e-9)) > 1e-3 * (1 + np.exp(3) * (phi.name == "exp"))
    assert set(u[jumps]) == set(phi.kinks if phi.parameters.get("alpha") != 1 else ())


# --- numbers of every kind ------------------------------------------------------------------------------------------


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(phi, dtype):
    u = np.array([[-2.0, -0.5, 0.0, 0.5, 2.0]], dtype)
    assert phi.function(u).dtype == dtype
    assert phi.derivative(u).dtype == dtype
    if phi.pull_back:
        assert phi.pull_back(u, u).dtype == dtype


@every
def test_complex_has_the_real_value(phi, rng):
    """What a complex step passes through is the same function."""
    u = np.concatenate([rng.uniform(-30, 30, 500), rng.standard_normal(500)]).reshape(-1, 5)
    value = phi.function(u.astype(complex))
    assert value.dtype == complex
    assert_allclose(value.real, phi.function(u), rtol=1e-12, atol=1e-300)
    assert_array_equal(value.imag, 0)


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extremes_are_finite_without_a_warning(phi, dtype):
    """exp is left out upwards: e^{1e4} has no finite value in these types, and inf is the right answer."""
    u = np.array([[-1e4, 1e4], [-100, 100], [1e4, 1e4], [-1e4, -1e4]], dtype)
    u = np.minimum(u, 80) if phi.name == "exp" else u
    for value in (phi.function(u), phi.derivative(u), *([phi.pull_back(u, u)] if phi.pull_back else [])):
        assert np.isfinite(value).all()


def test_exp_overflows_to_inf():
    with np.errstate(over="ignore"):
        assert_array_equal(get_activation("exp").function(np.array([1e4], np.float32)), [np.inf])


@every_elementwise
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_limits_at_infinity_of_the_scale(phi, dtype):
    """Far out each activation has reached its asymptote."""
    asymptotes = {
        **dict.fromkeys(("relu", "gelu", "silu", "softplus", "mish"), (0, 1e4)),
        **dict.fromkeys(("tanh", "hard_tanh"), (-1, 1)),
        "sigmoid": (0, 1),
        "identity": (-1e4, 1e4),
        "softsign": (-1e4 / 10001, 1e4 / 10001),
        "selu": (-1.0507009873554805 * 1.6732632423543772, 1.0507009873554805e4),
        "exp": (0, None),
        "elu": (-phi.parameters.get("alpha", 0), 1e4),
        "leaky_relu": (-1e4 * phi.parameters.get("alpha", 0), 1e4),
    }
    if phi.name not in asymptotes:
        asymptotes[phi.name] = [float(defined(phi)(mp.mpf(u))) for u in (-1e4, 1e4)]
    for u, limit in zip((-1e4, 1e4), asymptotes[phi.name], strict=True):
        if limit is not None:
            assert_allclose(phi.function(np.array([u], dtype)), [limit], rtol=1e-6)


@every
def test_nan_goes_through(phi):
    """A NaN in gives a NaN out, and no warning; for softmax, in its own row alone."""
    h = phi.function(np.array([[np.nan, 1.0], [0.5, 1.0]]))
    assert np.isnan(h[0, 0])
    assert np.isfinite(h[1]).all()


@every
def test_no_rows_and_no_columns_of_another_shape(phi):
    for shape in ((0, 3), (2, 1), (1, 4)):
        u = np.ones(shape)
        assert phi.function(u).shape == phi.derivative(u).shape == shape


# --- names ----------------------------------------------------------------------------------------------------------


@every
def test_spec_round_trip(phi):
    assert get_activation(json.loads(json.dumps(phi.spec))) == phi
    assert get_activation(phi) is phi


@every
def test_pickle_round_trip(phi):
    copy = pickle.loads(pickle.dumps(phi))
    u = np.linspace(-3, 3, 10).reshape(2, 5)
    assert copy == phi
    assert hash(copy) == hash(phi)
    assert_array_equal(copy.function(u), phi.function(u))


def test_a_users_own_activation_is_pickled_with_its_functions():
    own = Activation("cube", np.sin, np.cos, latex="s", derivative_latex="c", range=(-1, 1))
    copy = pickle.loads(pickle.dumps(own))
    assert copy == own
    assert copy.function is np.sin


def test_parameters_tell_activations_apart():
    assert get_activation({"name": "leaky_relu", "alpha": 0.2}) != get_activation("leaky_relu")
    assert get_activation({"name": "leaky_relu", "alpha": 0.01}) == get_activation("leaky_relu")


@pytest.mark.parametrize(("spec", "message"), [
    ("relo", ("activation", "'relo'", "relu?")),
    ("", ("activation", "''")),
    (3, ("activation", "name")),
    (None, ("activation", "name")),
    ({"alpha": 1}, ("activation", "name")),
    ({"name": 3}, ("activation", "3")),
    ({"name": "relu", "alpha": 0.1}, ("activation", "relu", "parameter", "'alpha'", "none")),
    ({"name": "elu", "alhpa": 0.1}, ("activation", "elu", "parameter", "'alhpa'", "alpha")),
    ({"name": "elu", "alpha": "1"}, ("activation", "elu", "alpha", "finite number", "'1'")),
    ({"name": "elu", "alpha": float("nan")}, ("finite number", "nan")),
    ({"name": "elu", "alpha": True}, ("finite number", "True")),
    ({"name": "elu", "alpha": 10**400}, ("finite number",)),
])  # fmt: skip
def test_bad_specs(spec, message):
    with raises_naming(ProblemError, *message):
        get_activation(spec)


# --- softmax --------------------------------------------------------------------------------------------------------


def test_softmax_rows_are_probabilities(rng):
    p = softmax(rng.standard_normal((20, 7)) * 10)
    assert (p >= 0).all()
    assert_allclose(p.sum(1), 1, rtol=1e-15 * 8)


def test_softmax_does_not_see_a_shift(rng):
    z = rng.standard_normal((5, 4))
    assert_allclose(softmax(z + 1000), softmax(z), rtol=1e-12)
    assert_allclose(log_softmax(z + 1000), log_softmax(z), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_at_1e4(dtype):
    z = np.array([[1e4, 0, -1e4]], dtype)
    assert_array_equal(softmax(z), [[1, 0, 0]])
    assert_array_equal(log_softmax(z), [[0, -1e4, -2e4]])
    assert softmax(z).dtype == log_softmax(z).dtype == dtype


def test_log_softmax_is_the_logarithm(rng):
    z = rng.standard_normal((10, 6)) * 5
    with mp.workdps(40):
        exact = [
            [float(mp.mpf(x) - mp.log(mp.fsum(mp.exp(mp.mpf(v)) for v in row))) for x in row] for row in z.tolist()
        ]
    assert_allclose(log_softmax(z), exact, rtol=1e-14, atol=1e-15)
