"""Batch norm over small batches: closed forms, limits, a finer integration, direct draws, and measured networks."""

import json
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from tests.helpers import quick_first, raises_naming
from tests.scripts import load_script

from backlit.cli import main
from backlit.core import Dense, Network
from backlit.core.activations import ACTIVATIONS, get_activation
from backlit.core.norms import normalize, pull_back
from backlit.diagnosis import diagnose
from backlit.diagnosis.inputs import Subject
from backlit.diagnosis.measurement import average
from backlit.diagnosis.theory import batch_norm
from backlit.diagnosis.theory.batch_norm import Batch, follow, gram_slopes, on_sphere
from backlit.diagnosis.theory.expectations import Rule, first, second
from backlit.diagnosis.theory.fixed_points import LayerSpec, fixed_point
from backlit.diagnosis.theory.predicted import predict_flow, scheme_scales, unit_of
from backlit.errors import ProblemError
from backlit.render.diagnosis import diagnosis_page, theory_rows

ELEMENTWISE = [phi for name, phi in ACTIVATIONS.items() if name != "softmax"]
IDENTITY, RELU, TANH = (get_activation(name) for name in ("identity", "relu", "tanh"))
SIZES = [3, 4, 5, 8, 32, 128, 1000]

table = load_script("batch_norm_table")


@pytest.mark.parametrize("m", [2, *SIZES])
def test_the_sphere_has_the_moments_of_a_normalized_batch(m):
    x, w = first(m)
    y, v = second(x, m)

    def both(f):
        return float(((f * v).sum(axis=1)) @ w)

    X = x[:, None]
    assert_allclose([w.sum(), both(1 + 0 * y)], 1, rtol=1e-11)
    assert_allclose([x @ w, both(y)], 0, atol=1e-11)
    assert_allclose([x**2 @ w, both(y**2)], 1, rtol=1e-11)
    assert_allclose(x**4 @ w, 3 * (m - 1) / (m + 1), rtol=1e-11)
    assert_allclose(both(X * y), -1 / (m - 1), rtol=1e-10)
    assert_allclose(both(X**2 * y**2), ((m - 1) ** 2 + 2) / (m * m - 1), rtol=1e-11)


@pytest.mark.parametrize("m", [2, *SIZES])
@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_moments_of_relu_are_the_arc_cosine_kernels(m, scale):
    """x_1 and x_2 stand at an angle whose cosine is −1/(m−1), and only angles count."""
    c = -1 / (m - 1)
    angle = math.acos(c)
    found = on_sphere(RELU, m, scale, 0.0)
    assert_allclose(found[1], scale**2 / 2, rtol=1e-11)
    assert_allclose(found[3], 0.5, rtol=1e-11)
    kernel = scale**2 / (2 * math.pi) * (math.sin(angle) + (math.pi - angle) * c)
    assert_allclose(found[2], kernel, rtol=1e-9, atol=1e-12)
    assert_allclose(found[4], (math.pi - angle) / (2 * math.pi), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("m", [4, 5, 8, 128, 1000])
def test_linear_layers_have_a_closed_form(m):
    deep = follow(IDENTITY, Batch(m, eps=0.0), 1.7)
    assert_allclose(deep.at.growth(1.7), (m - 2) / (m - 3), rtol=1e-10)
    assert_allclose(deep.at.inverse, m / (m - 3) / deep.s2, rtol=1e-10)
    assert_allclose(np.array(gram_slopes(IDENTITY, m)) * 1.7 / deep.s2, (m - 1) / (m + 1), rtol=1e-8)


def test_two_examples_pass_nothing_and_three_have_no_mean():
    """x̂ = ±1 at m = 2; at m = 3 E 1/σ² diverges; one example is its own mean."""
    for phi in (IDENTITY, RELU, TANH):
        assert Batch(1, 0.0).averages(phi, 1.0).growth(1.0) == 0
        assert Batch(2, 0.0).averages(phi, 1.0).growth(1.0) == 0
        assert Batch(3, 0.0).averages(phi, 1.0).growth(1.0) == math.inf
        assert math.isfinite(Batch(4, 0.0).averages(phi, 1.0).growth(1.0))


def test_two_examples_and_epsilon_have_a_closed_form():
    """δ = (g_1 − g_2)/2 · ε/(v + ε)^{3/2}, v/s² half a χ²_1 variable: E by a sum over a fine grid of its root."""
    eps, s2 = 1e-3, 0.8
    z = np.linspace(0, 12, 1_000_001)
    density = np.exp(-z * z / 2) * math.sqrt(2 / math.pi) * (z[1] - z[0])
    density[0] /= 2
    v = s2 / 2 * z**2
    at = Batch(2, eps).averages(IDENTITY, s2)
    assert_allclose(at.inverse, (density / (v + eps)).sum(), rtol=1e-8)
    assert_allclose(at.growth(1.0), (density * eps**2 / (v + eps) ** 3).sum(), rtol=1e-8)
    assert_allclose(at.slope4, (density / (v + eps) ** 2).sum(), rtol=1e-8)


@pytest.mark.parametrize("phi", ELEMENTWISE, ids=lambda phi: phi.name)
def test_many_examples_come_to_the_endless_batch(phi):
    """As 1/m, which leaves nothing of the first order after one step of Richardson's."""
    kind = LayerSpec(phi, 1.7, 0.1, norm="batch")
    endless = fixed_point(kind)
    near, far = (fixed_point(LayerSpec(phi, 1.7, 0.1, norm="batch", batch=m)) for m in (2000, 4000))
    for name in ("q_star", "chi_1", "c_star"):
        a, b = getattr(near, name), getattr(far, name)
        assert_allclose(2 * b - a, getattr(endless, name), rtol=3e-5, atol=1e-6)
        assert_allclose(a, getattr(endless, name), rtol=5e-3, atol=1e-3)


FINE = list(dict.fromkeys([
    *((get_activation(phi), m) for phi, m in (("tanh", 4), ("relu", 4), ("gelu", 2), ("hard_tanh", 3))),
    *((phi, 4) for phi in ELEMENTWISE),
    *((get_activation(phi), m) for phi, m in (("exp", 16), ("selu", 16), ("hard_tanh", 16))),
]))  # fmt: skip


@pytest.mark.parametrize(("phi", "m"), quick_first(FINE, 4), ids=[f"{phi.name}-{m}" for phi, m in FINE])
def test_quadrature_holds_its_digits(phi, m, monkeypatch):
    """Twice the panels, on the sphere and in v, change nothing above 1e-8."""

    def forget():
        for cached in (batch_norm.table, batch_norm.panels, batch_norm.averages):
            cached.cache_clear()

    def values():
        forget()
        at = Batch(m, 1e-5).averages(phi, 0.7)
        return [at.level, at.square, at.pair, at.spread, at.inverse, at.growth(1.0), at.slope2]

    coarse = values()
    edges = np.array(batch_norm.EDGES)
    monkeypatch.setattr(batch_norm, "EDGES", (*edges, *(edges[1:] + edges[:-1]) / 2))
    monkeypatch.setattr(batch_norm, "FEW", batch_norm.FEW + 4)
    monkeypatch.setattr(batch_norm, "FINE", Rule(0.65, 18))
    assert_allclose(values(), coarse, rtol=1e-8, atol=1e-10)
    forget()


@pytest.mark.parametrize(("phi", "m", "gamma2", "beta2"), quick_first([
    ("tanh", 5, 1.0, 0.0), ("gelu", 6, 2.0, 0.5), ("sigmoid", 4, 0.5, 1.0), ("relu", 8, 1.0, 0.0),
    ("hard_tanh", 7, 1.0, 0.0),
], 3))  # fmt: skip
def test_one_unit_is_what_draws_give(phi, m, gamma2, beta2):
    """core's own normalize and pull_back on many units; ∂ℓ/∂a correlated over the batch; ε large enough to tell."""
    rng, n, s2, o = np.random.default_rng(0), 200_000, 0.9, 0.35
    layer = Dense(1, phi, norm="batch", eps=0.05)
    z, gamma, beta = rng.standard_normal((m, n)) * s2**0.5, gamma2**0.5, beta2**0.5 * rng.standard_normal(n)
    g = math.sqrt(1 - o) * rng.standard_normal((m, n)) + math.sqrt(o) * rng.standard_normal(n)
    norm = normalize(layer, z)
    u = gamma * norm.x_hat + beta
    a = layer.activation.function(u)
    delta = pull_back(norm, np.full(n, gamma), g * layer.activation.derivative(u))
    unit = unit_of(layer, s2, 0.0, gamma2, beta2, batch=m)
    own, pair = unit.down(1.0, o)
    slope = gamma * norm.inverse_std * layer.activation.derivative(u)
    for draws, expected in (
        (a, unit.level), (a**2, unit.square), (a[0] * a[1], unit.pair), (u**2, unit.u), (delta**2, own),
        (delta[0] * delta[1], pair), (slope**2, unit.slope2), (slope**4, unit.slope4),
    ):  # fmt: skip
        rows = np.atleast_2d(draws).mean(axis=0)
        assert abs(rows.mean() - expected) < 4.5 * rows.std() / n**0.5, (rows.mean(), expected)


def test_how_the_covariances_change_is_what_differences_give():
    """`gram_slopes` against E φφᵀ of draws whose covariances were changed, the draws the same."""
    m, h, n = 6, 0.05, 200_000
    rng = np.random.default_rng(1)
    P = np.eye(m) - 1 / m
    y = rng.standard_normal((n, m)) @ P
    pairs, lengths = np.zeros((m, m)), np.zeros((m, m))
    for i, j, sign in ((0, 1, 1), (2, 3, 1), (0, 2, -1), (1, 3, -1)):
        pairs[i, j] = pairs[j, i] = sign
    lengths[0, 0], lengths[1, 1] = 1, -1

    def changed(E, sign):
        value, vectors = np.linalg.eigh(np.eye(m) + sign * h * P @ E @ P)
        x = y @ (vectors * np.sqrt(value)) @ vectors.T
        a = get_activation("gelu").function(x * (m / (x**2).sum(axis=1, keepdims=True)) ** 0.5)
        return P @ (a.T @ a / n) @ P

    found = []
    for E in (pairs, lengths):
        centered = P @ E @ P
        change = (changed(E, 1) - changed(E, -1)) / (2 * h)
        found.append((change * centered).sum() / (centered**2).sum())
    assert_allclose(found, gram_slopes(get_activation("gelu"), m), rtol=0.02)


@pytest.mark.parametrize(
    ("phi", "m"), quick_first([("identity", 8), ("relu", 8), ("tanh", 8), ("sigmoid", 16), ("tanh", 128)], 2)
)
def test_measured_growth_is_the_predicted_one(phi, m):
    """Thirty draws of width 256: four deviations of the mean, and 10/n for what is of order 1/n."""
    case = table.measure(phi, m, width=256, seeds=30)
    assert abs(case.measured - case.predicted) < 4 * case.error + case.predicted * 10 / 256
    if m == 8:  # and the endless batch's is far off
        assert abs(case.measured - case.many) > 8 * case.error


@pytest.mark.parametrize("skip", [None, 0.7])
def test_a_mixed_network_is_the_mean_over_seeds(skip):
    """Batch norm below a plain layer and below layer norm, with dropout and skips: the errors' own pairs count."""
    more = [{} if skip is None else {"skip_from": l, "skip_scale": skip} for l in range(4)]
    kinds = [("gelu", "batch", 0.0), ("tanh", None, 0.0), ("relu", "batch", 0.2), ("tanh", "layer", 0.0)]
    net = Network(256, [Dense(256, phi, norm=norm, dropout=p, **more[l]) for l, (phi, norm, p) in enumerate(kinds)])
    flow = average([Subject(net, "", "he_normal", batch=6).flow(seed) for seed in range(20)])
    theory = predict_flow(net, scheme_scales(net, "he_normal"), batch=6)
    for l in range(1, 4):
        assert abs(math.log(flow.grad_ratio(l) / theory.grad_ratio[l])) < 0.1
        assert abs(math.log(flow.layers[l].q / theory.q[l])) < 0.06


def test_below_a_short_form_with_batch_norm_the_errors_sum_to_0():
    """δ_L is then what the norm leaves of p − y, and the layer below sees it so."""
    net = Network(256, [Dense(256, norm="batch")] * 3)
    flow = average([Subject(net, "", "lecun_normal", batch=6).flow(seed) for seed in range(20)])
    theory = predict_flow(net, scheme_scales(net, "lecun_normal"), batch=6)
    assert_allclose(theory.grad_ratio[2], 4 / 3, rtol=1e-3)
    assert_allclose(flow.grad_ratio(2), theory.grad_ratio[2], rtol=0.08)


def test_gelu_s_examples_drift_apart_and_tanh_s_do_not():
    """The factor of lengths above 1 is seen: after 60 layers few examples have most of z."""

    def spread(phi):
        net = Network(128, [Dense(128, phi, norm="batch")] * 60)
        from backlit.core import forward

        z = forward(net, net.init("lecun_normal", seed=0), np.random.default_rng(0).standard_normal((128, 128))).z[60]
        lengths = (z**2).mean(axis=1)
        return lengths.max() / np.median(lengths)

    silu, tanh = (fixed_point(LayerSpec(get_activation(phi), 1.0, norm="batch", batch=128)) for phi in ("silu", "tanh"))
    assert silu.batch_factor > 1.05 > 1 > tanh.batch_factor
    assert spread("silu") > 5 > 2 > spread("tanh")


SMALL = [
    (1, "tanh", "lets no gradient through"), (2, "tanh", "x̂ = ±1"), (3, "relu", "over 3 examples"),
    (8, "relu", "with 8 examples a batch"),
]  # fmt: skip


@pytest.mark.parametrize(("m", "phi", "says"), SMALL)
def test_a_small_batch_is_said(m, phi, says):
    found = diagnose(depth=12, width=32, activation=phi, norm="batch", batch=m, seeds=1, remedies=False)
    (finding,) = [finding for finding in found.findings if finding.kind == "trap_small_batch"]
    assert says in finding.message
    assert finding.number is not None
    assert found.theory.batch == m


def test_the_batch_that_is_measured_is_the_one_predicted():
    found = diagnose(depth=9, width=32, activation="relu", norm="batch", batch=8, seeds=1, remedies=False)
    assert_allclose(found.predicted.grad_ratio[4], found.theory.chi_1, rtol=1e-6)
    plain = diagnose(depth=9, width=32, activation="relu", init="he_normal", batch=8, seeds=1)
    (remedy,) = [remedy for remedy in plain.remedies if remedy.remedy == "batch norm"]
    known = predict_flow(remedy.net, scheme_scales(remedy.net, "he_normal"), batch=8)
    assert remedy.predicted_ratio == known.top_to_bottom


def test_a_large_batch_is_not_called_small():
    found = diagnose(depth=12, width=32, activation="relu", norm="batch", seeds=1, remedies=False)
    assert found.theory.batch == 128
    assert "trap_small_batch" not in [finding.kind for finding in found.findings]


@pytest.mark.usefixtures("few_draws", "unplotted")
def test_text_and_page_show_what_the_json_has(capsys):
    options = ["--depth", "6", "--width", "32", "--norm", "batch", "--batch", "8", "--seeds", "1", "--no-remedies"]
    assert main(["diagnose", *options, "--format", "json"]) == 0
    predicted = json.loads(capsys.readouterr().out)["predicted"]
    assert (predicted["batch"], predicted["c_approach"]) == (8, "exponential")
    found = diagnose(depth=6, width=32, norm="batch", batch=8, seeds=1, remedies=False)
    rows, page = dict(theory_rows(found.theory)), diagnosis_page(found)
    assert rows["batch"] == "8"
    assert rows["c*"] == f"{predicted['c_star']:.4g} (exponentially)"
    for what, value in rows.items():
        assert what in page
        assert value in page


@pytest.mark.parametrize(("batch", "says"), [(0, ("batch", "at least 1")), (5, ("3", "rows"))])
def test_an_impossible_batch_is_one_line(batch, says):
    problem = {"inputs": 2, "layers": [{"units": 1}], "x": [[1.0, 2.0]] * 3, "y": [[1.0]] * 3}
    from backlit.api import diagnose as of_file

    with raises_naming(ProblemError, *says):
        of_file(problem, batch=batch)


@pytest.mark.parametrize(("s2", "eps"), [(1e-300, 1e300), (5e-324, 1.0), (1e300, 1e-320)])
def test_a_variance_far_from_eps_is_integrated_too(s2, eps):
    v, w = batch_norm.variances(3, s2, eps)
    assert_allclose(w.sum(), 1, rtol=1e-3)
    assert np.isfinite(v).all()
