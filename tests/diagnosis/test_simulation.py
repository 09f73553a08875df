"""Bands from draws: their statistics against distributions that are known, their draws against the one measured, and
what a diagnosis says of them."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from tests.helpers import quick_first

from backlit.core import Dense, Network
from backlit.core.problem import Problem
from backlit.diagnosis import diagnose
from backlit.diagnosis.inputs import Subject, from_problem, from_sizes, passes_of
from backlit.diagnosis.measurement import average
from backlit.diagnosis.simulation import FEWEST, FIRST, MOST, Ensemble, drawn_like, interval, student
from backlit.render.diagnosis import band_line


@pytest.mark.parametrize(("freedom", "t"), [(7, 2.364624), (15, 2.131450), (99, 1.984217), (10**9, 1.959964)])
def test_the_quantile_is_student_s(freedom, t):
    assert_allclose(student(freedom), t, rtol=4e-4)


@pytest.mark.parametrize("S", [8, 100])
@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("deviation", [0.05, 1.0])
def test_an_interval_holds_95_percent_of_log_normal_means(S, k, deviation):
    """On the average over bands, of 600 of them; a mean of few widely spread draws is not quite log-normal."""
    rng, inside = np.random.default_rng(0), []
    for _ in range(600):
        low, high = interval(rng.normal(0.3, deviation, S), k=k)
        means = np.exp(rng.normal(0.3, deviation, (200, k))).mean(axis=1)
        inside.append(((low <= means) & (means <= high)).mean())
    assert np.mean(inside) == pytest.approx(0.95, abs=0.01 if k == 1 or deviation < 1 else 0.03)


@pytest.mark.parametrize("k", [1, 5])
def test_a_quotient_of_means_knows_that_both_are_over_the_same_draws(k):
    rng, inside, widths = np.random.default_rng(1), [], []
    for _ in range(300):
        common, own = rng.normal(0, 0.5, 100), rng.normal(0, 0.1, 100)
        low, high = interval(common + own, common, k=k)
        common, own = rng.normal(0, 0.5, (200, k)), rng.normal(0, 0.1, (200, k))
        quotients = np.exp(common + own).mean(axis=1) / np.exp(common).mean(axis=1)
        inside.append(((low <= quotients) & (quotients <= high)).mean())
        widths.append(math.log(high / low) / 2)
    assert np.mean(inside) == pytest.approx(0.95, abs=0.015)
    assert np.mean(widths) < 1.3 * 1.96 * 0.1 / k**0.5  # apart they would stray by 0.5 each


def test_no_interval_of_what_has_no_logarithm_and_none_beyond_floats():
    with np.errstate(divide="ignore"):
        assert interval(np.log([1.0, 0.0]), k=1) is None
    assert interval(np.array([1.0, math.nan]), k=1) is None
    low, high = interval(np.array([-1e4, 1e4]), k=1)
    assert (low, math.isfinite(high)) == (0.0, True)


def test_a_draw_is_what_is_measured():
    subject = from_sizes(5, 12, "gelu", norm="batch", skip=0.5, dropout=0.2)
    q, level = Ensemble(subject, first=3).logarithms
    flow = subject.flow(5)  # the third
    assert_allclose(np.exp(q[2]), [layer.q for layer in flow.layers[1:]], rtol=1e-12)
    assert_allclose(np.exp(level[2]), [layer.delta / flow.layers[5].delta for layer in flow.layers[1:]], rtol=1e-12)


def test_draws_do_not_depend_on_the_network_s_own_weights_but_on_their_mean_squares():
    rng = np.random.default_rng(0)
    net = Network(20, [Dense(200, "tanh", norm="layer"), Dense(100)])
    problem = Problem(net, net.init({"scheme": "gaussian", "sigma_w": 1.7, "sigma_b": 0.3}, seed=5))
    problem.params.gamma[1][:] = rng.uniform(0, 2, 200)
    other = drawn_like(problem.params, seed=1)
    for slot, given in problem.params.items():
        assert np.mean(other[slot] ** 2) == pytest.approx(np.mean(given**2), rel=0.4, abs=1e-12)
        assert not given.any() or not np.array_equal(other[slot], given)
    assert np.ptp(other.gamma[1]) == 0
    flipped = replace(problem, params=net.init("zeros"))
    flipped.params.theta[:] = -problem.params.theta
    ours, theirs = (Ensemble(from_problem(one)).total_interval(1) for one in (problem, flipped))
    assert ours == theirs


def test_large_networks_are_drawn_less_often():
    assert [Ensemble(from_sizes(*sizes)).draws for sizes in ((3, 8), (30, 128), (50, 256))] == [MOST, MOST, 19]
    assert Ensemble(Subject(Network(10**5, [Dense(10**5)]), "", "he_normal")).draws == FEWEST


def test_no_measured_draw_is_a_draw_of_its_own_band():
    assert Ensemble(from_sizes(2, 2)).first == FIRST > 10**9


def test_orthogonal_linear_layers_have_no_band_and_gaussian_ones_have_two_over_n():
    """One example of 100 units: ‖Wᵀδ‖²/‖δ‖² is χ²/n."""
    exact = Ensemble(from_sizes(5, 100, "identity", "orthogonal"))
    exact.draws = 10
    assert_allclose(exact.total_interval(1), 1, rtol=1e-11)
    one = Ensemble(replace(from_sizes(5, 100, "identity", "lecun_normal"), batch=1))
    one.draws = 400
    low, high = one.ratio_interval(3, 1)
    assert math.log(high / low) / 2 / 1.96 == pytest.approx(math.sqrt(2 / 100), rel=0.12)


def test_a_relu_s_width_is_five_over_n():
    ensemble = Ensemble(replace(from_sizes(3, 100, "relu", "he_normal"), batch=1))
    ensemble.draws = 400
    low, high = ensemble.ratio_interval(2, 1)
    assert (math.log(high / low) / 2 / 1.96) ** 2 == pytest.approx(5 / 100, rel=0.2)


HARD = [
    {"depth": 30, "width": 16, "activation": "relu", "init": "he_normal"},
    {"depth": 12, "width": 16, "activation": "relu", "norm": "layer", "skip": 1.0, "dropout": 0.3},
    {"depth": 30, "width": 32, "activation": "relu", "init": "he_normal", "skip": 1.0},
    {"depth": 12, "width": 16, "activation": "tanh", "norm": "batch"},
]


@pytest.mark.parametrize("sizes", quick_first(HARD, 2), ids=lambda sizes: f"{sizes['activation']}-{sizes['depth']}")
def test_bands_hold_where_networks_are_narrow_and_deep(sizes):
    """300 networks, and 60 means over five of them, as they are measured."""
    subject = from_sizes(**sizes)
    ensemble, measured = Ensemble(subject), Ensemble(subject, first=0)
    measured.draws = 300
    single = np.exp(measured.logarithms[1])
    means = single.reshape(60, 5, -1).mean(axis=1)
    l = sizes["depth"] // 2
    for levels, k in ((single, 1), (means, 5)):
        for values, ends in (
            (levels[:, 0], ensemble.total_interval(k)),
            (levels[:, l - 1] / levels[:, l], ensemble.ratio_interval(l, k)),
        ):
            assert ((ends[0] <= values) & (values <= ends[1])).mean() > 0.86
            deviations = math.log(ends[1] / ends[0]) / np.log(values).std()
            assert deviations < (5 if k == 1 else 7)  # 3.9 are 95 %; means of log-normal draws are not quite such


def test_skips_with_relu_grow_as_the_conserved_product_says():
    """⟨a_l, ∂ℓ/∂a_l⟩ is the same at all layers without bias, so that E‖∂ℓ/∂a_1‖² is at least ‖a_L‖²/(n ‖a_1‖²) of the
    top's, far above χ₁^{L−1} = 2^{L−1}: the prediction knows it, and is within the band."""
    found = diagnose(depth=30, width=64, activation="relu", init="he_normal", skip=1.0, remedies=False)
    told = found.to_dict()["top_to_bottom"]
    assert told["band"][0] / 100 > 2.0**29
    assert told["band"][0] < told["predicted"] < told["band"][1]
    assert told["band_mean"][0] < told["measured"] < told["band_mean"][1]
    bound = found.theory.divergence_rate**28 / 64  # of ‖a‖², over the layers from 2 to 30
    assert bound / 10 < told["band"][0]
    assert told["band"][1] < 100 * bound
    trace, grad = passes_of(found.subject.net, found.subject.draw(0), found.subject.inputs(0), None, 0)
    products = [(a * g).sum(axis=1) for a, g in zip(trace.a[1:], grad.a[1:], strict=True)]
    assert_allclose(products, [products[-1]] * 30, rtol=1e-6)
    assert told["predicted_inside"] is True


@pytest.mark.parametrize(("network", "factor"), quick_first([
    ({"activation": "relu", "init": "he_normal"}, None),
    ({"activation": "relu", "sigma_w": 2**0.5, "sigma_b": 0.01}, 2.0),
    ({"activation": "gelu", "init": "he_normal"}, None),
    ({"activation": "identity", "init": "lecun_normal"}, 2.0),
    ({"activation": "leaky_relu", "init": "he_normal"}, None),
], 3))  # fmt: skip
def test_only_a_homogeneous_stack_without_bias_grows_by_more_than_its_factor(network, factor):
    found = diagnose(depth=20, width=64, skip=1.0, remedies=False, seeds=2, **network)
    found.ensemble.draws = 30
    told, homogeneous = found.to_dict()["top_to_bottom"], network["activation"] != "gelu"
    if factor is not None:
        assert told["predicted"] == pytest.approx(factor**19, rel=1e-6)
    elif homogeneous:
        assert told["predicted"] > 1.5 * found.theory.chi_1**19
        assert told["band"][0] < told["predicted"] < told["band"][1]
    else:
        assert told["predicted"] < 1.5 * found.theory.chi_1**19


def test_a_prediction_beyond_its_band_is_said(monkeypatch):
    found = diagnose(depth=4, width=64, activation="relu", init="he_normal", remedies=False, seeds=2)
    far = replace(found, predicted=replace(found.predicted, top_to_bottom=1e6))
    assert far.to_dict()["top_to_bottom"]["predicted_inside"] is False
    assert band_line(far).endswith("The prediction, of endless width, is far from it")


def test_a_diagnosis_says_what_its_bands_hold():
    told = diagnose(depth=6, width=64, activation="tanh", norm="batch", remedies=False).to_dict()
    assert (told["bands_hold"], told["bands_trusted"]) == (0.95, True)
    assert 0 <= told["inside"] <= 1
    *rows, top = told["layers"]
    for row in rows:
        (low, high), (low_mean, high_mean) = row["grad_ratio_band"], row["grad_ratio_band_mean"]
        assert low < low_mean < high_mean < high
    assert top["grad_ratio_band"] is None
    assert told["top_to_bottom"]["band"][0] < told["top_to_bottom"]["measured"] < told["top_to_bottom"]["band"][1]
    assert told["top_to_bottom"]["predicted_inside"] is True


def test_a_band_of_means_is_of_the_mean_that_is_shown():
    """`average` divides means: so does the band, also where single draws differ by factors."""
    subject = from_sizes(20, 16, "relu", "he_normal")
    ensemble = Ensemble(subject)
    inside = []
    for start in range(0, 200, 5):
        flow = average([subject.flow(seed) for seed in range(start, start + 5)])
        low, high = ensemble.ratio_interval(3, 5)
        inside.append(low <= flow.grad_ratio(3) <= high)
    assert np.mean(inside) > 0.85
    assert not ensemble.trusted


@pytest.mark.parametrize("sizes", [
    {"depth": 15, "width": 2, "activation": "relu", "batch": 2},  # of fifteen layers one is dead in most draws
    {"depth": 3, "width": 4, "init": "zeros"},
])  # fmt: skip
def test_where_draws_die_there_is_no_band(sizes):
    told = diagnose(**sizes, seeds=1, remedies=False).to_dict()
    assert (told["top_to_bottom"]["band"], told["top_to_bottom"]["predicted_inside"]) == (None, None)
    assert told["bands_trusted"] is False


def test_given_rows_do_not_change_between_draws():
    net, rows = Network(50, [Dense(200, "tanh"), Dense(1)]), np.random.default_rng(0).standard_normal((64, 50))
    fresh = Subject(net, "", {"scheme": "gaussian", "sigma_w": 1.3})

    def width(subject):
        low, high = Ensemble(subject).q_interval(1, 1)
        return math.log(high / low) / 2 / 1.96

    assert width(replace(fresh, X=rows)) < width(fresh)
    alike = replace(fresh, X=np.tile(rows[0], (64, 1)))  # one example, 64 times
    assert width(alike) == pytest.approx(math.sqrt(2 / 200), rel=0.25)
