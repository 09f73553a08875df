"""Singular values of the Jacobian: against differences, a dense decomposition and the theory over seeds."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from backlit.core import Dense, Network, forward
from backlit.core.dropout import DropoutKey
from backlit.diagnosis import diagnose
from backlit.diagnosis.inputs import normal_inputs
from backlit.diagnosis.spectrum import Linearized, ends, jacobian_spectrum, predict_spectrum
from backlit.diagnosis.theory.predicted import predict_flow, scheme_scales

MIXED = Network(6, [
    Dense(8, "tanh", norm="layer"), Dense(8, "gelu", skip_from=1, skip_scale=0.5),
    Dense(5, "elu", dropout=0.3), Dense(4, "softplus"),
])  # fmt: skip


def test_jacobian_is_the_slope_of_the_network():
    params, X, key, h = MIXED.init(seed=1), np.random.default_rng(0).standard_normal((3, 6)), DropoutKey(0), 1e-5
    J = Linearized(MIXED, params, forward(MIXED, params, X, dropout=key), example=1)
    for k in range(6):
        step = h * np.eye(6)[k] * np.eye(3)[1][:, None]
        up, down = (forward(MIXED, params, X + s * step, dropout=key).a[-1][1] for s in (1, -1))
        assert_allclose(J.push(np.eye(6))[:, k], (up - down) / (2 * h), rtol=1e-7, atol=1e-9)
    assert_allclose(J.pull(np.eye(4)).T, J.push(np.eye(6)), atol=1e-14)


def test_a_deep_orthogonal_linear_network_keeps_every_length():
    net = Network(40, [Dense(40)] * 200)
    params = net.init("orthogonal", seed=0)
    spectrum = jacobian_spectrum(net, params, forward(net, params, np.ones((1, 40))))
    assert_allclose(spectrum.values, 1, rtol=1e-12)
    assert abs(spectrum.variance) < 1e-12


CASES = [
    ({"scheme": "gaussian", "sigma_w": 1.3}, {"activation": "tanh"}, [128] * 4),
    ("orthogonal", {"activation": "tanh"}, [128] * 4),
    ("orthogonal", {"activation": "tanh"}, [256, 64, 128]),
    ("he_normal", {"activation": "relu", "norm": "layer"}, [128] * 3),
    ("he_normal", {"activation": "relu", "norm": "batch"}, [128] * 3),
    ("lecun_normal", {"activation": "gelu", "dropout": 0.3}, [128] * 3),
    ("he_normal", {"activation": "gelu", "skip": 0.5}, [128] * 4),
]


@pytest.mark.parametrize(("init", "layer", "widths"), CASES)
def test_prediction_is_the_mean_over_seeds(init, layer, widths):
    layer = dict(layer)
    skip, phi = layer.pop("skip", None), layer.pop("activation")
    skips = [{} if skip is None else {"skip_from": l, "skip_scale": skip} for l in range(len(widths))]
    net = Network(128, [Dense(n, phi, **layer, **s) for n, s in zip(widths, skips, strict=True)])
    measured = []
    for seed in range(10):
        params = net.init(init, seed=seed)
        trace = forward(net, params, normal_inputs(net, seed), dropout=DropoutKey(seed))
        spectrum = jacobian_spectrum(net, params, trace)
        measured.append([spectrum.mean, spectrum.variance])
    scales = scheme_scales(net, init)
    mean, variance = predict_spectrum(net, params, scales, predict_flow(net, scales))
    error = np.std(measured, axis=0) / 10**0.5
    room = 4 * error + 0.06 * np.array([mean, variance])  # four deviations of the mean, and what is of order 1/n
    assert (abs(np.mean(measured, axis=0) - [mean, variance]) < room).all()


def test_layer_norm_with_skips_is_predicted_for_the_average_example():
    """One example's mean square strays by a fifth at width 64, by its own length above all: 2.37 beside 3.07."""
    options = {"activation": "relu", "init": "he_normal", "norm": "layer", "skip": 1.0, "remedies": False}
    spectrum = diagnose(depth=5, width=64, seeds=30, **options).spectrum
    assert spectrum.cases == 120
    assert spectrum.deviation / spectrum.level > 0.1
    error = 2 * spectrum.deviation / 30**0.5  # a draw's examples are not independent
    assert abs(spectrum.level - spectrum.predicted_mean) < 2 * error + 2 / 64 * spectrum.level
    assert abs(spectrum.mean - spectrum.predicted_mean) < 4 * spectrum.deviation


def test_the_mean_over_draws_is_that_of_the_dense_matrices():
    found = diagnose(depth=3, width=40, activation="elu", norm="batch", batch=6, seeds=2, remedies=False)
    means = []
    for seed in range(2):
        params, X = found.subject.draw(seed), found.subject.inputs(seed)
        trace = forward(found.subject.net, params, X, dropout=DropoutKey(seed))
        means += [(Linearized(found.subject.net, params, trace, i).matrix() ** 2).sum() / 40 for i in range(4)]
    assert found.spectrum.cases == 8
    assert_allclose(found.spectrum.level, np.mean(means), rtol=0.1)
    assert_allclose(found.spectrum.deviation, np.std(means, ddof=1), rtol=0.3)


def test_lanczos_finds_the_largest_and_probes_the_moments():
    net = Network(300, [Dense(300, "tanh")] * 5)
    params = net.init(seed=0)
    trace = forward(net, params, normal_inputs(net, 0))
    dense, found = jacobian_spectrum(net, params, trace), ends(Linearized(net, params, trace))
    assert not found.complete
    assert_allclose(found.values[0], dense.values[0], rtol=1e-10)
    assert found.values[-1] >= dense.values[-1] * (1 - 1e-9)
    assert_allclose([found.mean, found.variance], [dense.mean, dense.variance], rtol=0.1)


def test_a_diagnosis_holds_its_spectrum():
    spectrum = diagnose(depth=4, width=16, seeds=1, remedies=False).to_dict()["spectrum"]
    assert len(spectrum["singular_values"]) == 16
    assert spectrum["largest"] == max(spectrum["singular_values"])
    assert 0.3 < spectrum["mean_square"] / spectrum["mean_square_predicted"] < 3


def test_a_spectrum_of_vanishing_numbers_keeps_its_shape():
    spectrum = diagnose(depth=40, width=12, activation="sigmoid", sigma_w=1e-4, seeds=1, remedies=False).spectrum
    assert spectrum.mean < 1e-300
    assert np.isfinite(spectrum.variance)
