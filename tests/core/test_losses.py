"""The table of losses is the test plan: value, slope, domain, dtype, saturated outputs, spec and pickle of each."""

import json
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tests.core.test_activations import MPMATH
from tests.helpers import raises_naming

from backlit.core import LOSSES, Dense, Loss, Network, get_loss
from backlit.core.targets import as_targets
from backlit.errors import DomainError, ProblemError

mp = pytest.importorskip("mpmath")

CUSTOM = [
    *(get_loss({"name": "huber", "delta": delta}) for delta in (0.3, 2)),
    *(get_loss({"name": "quantile", "quantile": q}) for q in (0.1, 0.9)),
]
ALL = [*LOSSES.values(), *CUSTOM]
H = 1e-30


def label(loss: Loss) -> str:
    return "-".join(str(part) for part in (loss.name, *loss.parameters.values()))


every = pytest.mark.parametrize("loss", ALL, ids=label)


@pytest.fixture(params=[1, 4], ids="K={}".format)
def batch(request, loss, rng):
    """Outputs and targets (50, K) inside the loss's domains, a few in common sizes, none where it has a kink."""
    shape = (50, request.param)
    y = {0: lambda: rng.standard_normal(shape) * 3, 1: lambda: rng.random(shape)}[loss.targets == (0, 1)]()
    y = rng.poisson(2.0, shape).astype(float) if loss.name == "poisson" else y
    a = y + rng.choice((-1, 1), shape) * rng.uniform(0.01, 3, shape)
    if loss.outputs[0] == 0:
        a = rng.uniform(1e-3, 0.999, shape) if loss.outputs[1] == 1 else rng.uniform(1e-3, 5, shape)
    return a, y


DEFINITIONS = {
    "half_squared_error": lambda a, y, n: (a - y) ** 2 / 2,
    "squared_error": lambda a, y, n: (a - y) ** 2,
    "mean_squared_error": lambda a, y, n: (a - y) ** 2 / n,
    "absolute_error": lambda a, y, n: abs(a - y),
    "huber": lambda a, y, n, delta: (
        (a - y) ** 2 / 2 if abs(a - y) <= delta else mp.mpf(delta) * (abs(a - y) - mp.mpf(delta) / 2)
    ),
    "quantile": lambda a, y, n, quantile: max(mp.mpf(quantile) * (y - a), (mp.mpf(quantile) - 1) * (y - a)),
    "cross_entropy": lambda a, y, n: -y * mp.log(a),
    "binary_cross_entropy": lambda a, y, n: -y * mp.log(a) - (1 - y) * mp.log(1 - a),
    "poisson": lambda a, y, n: a - y * mp.log(a),
}


def defined(loss):
    """One output's part by the definition; without one, by its formula."""
    if loss.name in DEFINITIONS:
        return DEFINITIONS[loss.name]
    if loss.formula is None:
        pytest.skip("neither a definition here nor a formula to hold the value against")
    return lambda a, y, n: loss.formula(a, y, MPMATH)


@every
def test_value_is_the_definition(loss, batch):
    a, y = batch
    f, n = defined(loss), a.shape[1]
    with mp.workdps(40):
        exact = [
            float(mp.fsum(f(mp.mpf(p), mp.mpf(t), n, **loss.parameters) for p, t in zip(*rows, strict=True)))
            for rows in zip(a.tolist(), y.tolist(), strict=True)
        ]
    assert_allclose(loss.value(a, y), exact, rtol=2e-14, atol=1e-14)


@every
def test_gradient_is_the_slope(loss, batch):
    a, y = batch
    columns = np.eye(a.shape[1])
    slopes = np.stack([loss.value(a + 1j * H * e, y).imag / H for e in columns], axis=1)
    assert_allclose(loss.gradient(a, y), slopes, rtol=1e-13)


@every
def test_complex_has_the_real_value(loss, batch):
    a, y = batch
    assert_allclose(loss.value(a.astype(complex), y).real, loss.value(a, y), rtol=1e-14)


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(loss, batch, dtype):
    a, y = (part.astype(dtype) for part in batch)
    assert loss.value(a, y).dtype == loss.gradient(a, y).dtype == dtype
    assert loss.value(a, y).shape == (50,)
    assert loss.gradient(a, y).shape == a.shape


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_finite_at_saturated_outputs(loss, dtype):
    """Where a probability has rounded to 0 or 1, and where an output is huge, without a warning."""
    low, high = np.maximum(loss.outputs[0], -1e4), np.minimum(loss.outputs[1], 1e4)
    tiny = np.finfo(dtype).tiny
    edges = np.array([low, high, *([tiny, tiny / 2, 0, 1] if loss.outputs[0] == 0 else [0, 1])], dtype)
    a, y = (part.reshape(-1, 1) for part in np.meshgrid(edges, np.array([0, 0.5, 1], dtype)))
    value, gradient = loss.value(a, y), loss.gradient(a, y)
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()


@every
def test_nan_goes_through(loss):
    a = np.array([[np.nan], [0.5]])
    value = loss.value(a, np.array([[1.0], [1.0]]))
    assert_array_equal(np.isnan(value), [True, False])


@every
def test_examples_do_not_mix(loss, batch):
    a, y = batch
    assert_array_equal(loss.value(a, y)[7:9], loss.value(a[7:9], y[7:9]))
    assert_array_equal(loss.gradient(a, y)[7:9], loss.gradient(a[7:9], y[7:9]))


@every
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, "low", "high"])
def test_targets_outside_the_domain(loss, bad):
    low, high = loss.targets
    target = {"low": low - 0.5, "high": high + 0.5}.get(bad, bad)
    if np.isinf(target) and isinstance(bad, str):
        assert bad == {-np.inf: "low", np.inf: "high"}[target]
        return  # the domain has no such end
    net = Network(1, [Dense(1, "softplus")], loss=loss)
    with raises_naming(DomainError, "y[1][0]", loss.name, "finite targets"):
        as_targets(net, [[0.5], [target]], 2)


@pytest.mark.parametrize(("name", "expected"), [("absolute_error", 0.0), ("quantile", 0.0), ("huber", 0.0)])
def test_slope_is_0_at_the_target(name, expected):
    """0 lies between the one-sided slopes there, and makes the target a fixed point."""
    assert_array_equal(get_loss(name).gradient(np.array([[2.0]]), np.array([[2.0]])), [[expected]])


@every
def test_kinked_says_whether_the_slope_jumps(loss):
    y = np.full((2, 1), 0.5)
    below, above = loss.gradient(y + np.array([[-1e-9], [1e-9]]), y).ravel()
    assert loss.kinked == (abs(above - below) > 1e-3)


@pytest.mark.parametrize("q", [0.1, 0.5, 0.9])
def test_the_pinball_loss_is_least_at_the_quantile(q, rng):
    y = rng.standard_normal((2001, 1))
    loss = get_loss({"name": "quantile", "quantile": q})
    slope_at = [loss.gradient(np.full_like(y, c), y).mean() for c in np.quantile(y, [q - 0.01, q, q + 0.01])]
    assert slope_at[0] < 0 < slope_at[2]
    assert abs(slope_at[1]) < 1 / 1000


def test_half_the_pinball_of_the_median_is_half_the_absolute_error(rng):
    a, y = rng.standard_normal((2, 30, 3))
    assert_allclose(2 * get_loss("quantile").value(a, y), get_loss("absolute_error").value(a, y), rtol=1e-14)


def test_huber_is_squared_within_delta_and_straight_beyond():
    loss = get_loss({"name": "huber", "delta": 2})
    r = np.array([[0.5], [-2], [5], [-5]])
    assert_allclose(loss.value(r, 0 * r), [0.125, 2, 8, 8])
    assert_allclose(loss.gradient(r, 0 * r), [[0.5], [-2], [2], [-2]])


# --- names ------------------------------------------------------------------------------------------------------------


@every
def test_spec_round_trip(loss):
    assert get_loss(json.loads(json.dumps(loss.spec))) == loss
    assert get_loss(loss) is loss


@every
def test_pickle_round_trip(loss):
    copy = pickle.loads(pickle.dumps(loss))
    a, y = np.array([[0.2, 0.7]]), np.array([[0.0, 1.0]])
    assert copy == loss
    assert hash(copy) == hash(loss)
    assert_array_equal(copy.value(a, y), loss.value(a, y))


@pytest.mark.parametrize(("spec", "message"), [
    ("mse", ("loss", "'mse'", "half_squared_error")),
    ("cross_entrpy", ("loss", "'cross_entrpy'", "cross_entropy")),
    (["huber"], ("loss", "name")),
    ({"name": "huber", "quantile": 0.5}, ("loss", "huber", "parameter", "'quantile'")),
    ({"name": "poisson", "delta": 1}, ("loss", "poisson", "parameter", "'delta'", "none")),
    ({"name": "huber", "delta": 0}, ("loss", "huber", "delta", "> 0", "not 0.0")),
    ({"name": "huber", "delta": -1}, ("loss", "huber", "delta", "> 0")),
    ({"name": "huber", "delta": None}, ("loss", "huber", "delta", "finite number", "None")),
    ({"name": "quantile", "quantile": 1}, ("quantile", "0 and 1", "not 1.0")),
    ({"name": "quantile", "quantile": 0}, ("quantile", "0 and 1", "not 0.0")),
])  # fmt: skip
def test_bad_specs(spec, message):
    with raises_naming(ProblemError, *message):
        get_loss(spec)
