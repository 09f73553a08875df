"""The verdict and its evidence, on flows whose numbers are known; each trap where it stands, and none near it."""

import math
from dataclasses import replace

import numpy as np
import pytest

from backlit import diagnose
from backlit.core import Dense, Network, backward, forward
from backlit.core.activations import get_activation
from backlit.core.dropout import DropoutKey
from backlit.core.problem import Problem
from backlit.diagnosis.findings import (
    BOUND,
    VERDICTS,
    evidence,
    findings_of,
    first_layer,
    frozen,
    lengths,
    regime_of,
    units,
    verdict_of,
)
from backlit.diagnosis.inputs import from_problem, update_ratios
from backlit.diagnosis.measurement import LayerFlow, MeasuredFlow
from backlit.diagnosis.pitfalls import Stack, rare, traps_of
from backlit.diagnosis.theory.expectations import slope_moment
from backlit.diagnosis.theory.fixed_points import LayerSpec, fixed_point
from backlit.optim import get_optimizer


def flow(deltas, grad_as=None, q=1.0, dead=None, saturated=None, **more):
    """Of these E‖δ‖², bottom first; without `grad_as` the weight term does it all."""
    L = len(deltas)
    dead, saturated, grad_as = dead or [0.0] * L, saturated or [0.0] * L, grad_as or deltas
    rows = zip(deltas, grad_as, dead, saturated, strict=True)
    layers = [None, *(LayerFlow(q, d, a, 0.0, no, low, 0.1, None, **more) for d, a, no, low in rows)]
    with np.errstate(invalid="ignore"):
        levels = np.array([deltas]) / deltas[-1] if deltas[-1] else np.empty((0, L))  # of one example
    return MeasuredFlow(layers, levels)


@pytest.mark.parametrize(("deltas", "verdict"), [
    ([1.0, 1.0], "healthy"), ([BOUND, 1.0], "healthy"), ([1.001 * BOUND, 1.0], "exploding"), ([5.0], "healthy"),
    ([1.0, BOUND], "healthy"), ([1.0, 1.001 * BOUND], "vanishing"), ([0.0, 1.0], "vanishing"),
    ([1.0, 0.0], "vanishing"), ([math.inf, 1.0], "exploding"), ([1.0, math.nan], "exploding"),
])  # fmt: skip
def test_the_verdict_is_by_the_ratio_of_bottom_to_top(deltas, verdict):
    assert verdict_of(flow(deltas)) == verdict


def test_lengths_that_leave_the_floats_explode():
    assert verdict_of(flow([1.0, 1.0], q=math.inf)) == "exploding"


def test_the_evidence_of_gradients_that_fade():
    """A hundredfold a layer: half by weights, a fifth more by slopes, which are the worse."""
    found = {one.kind: one for one in evidence(flow([1e-6, 1e-4, 1e-2, 1.0], [4e-6, 4e-4, 4e-2, 1.0]), "vanishing")}
    assert list(found) == ["vanishing", "start", "cause", "depth"]
    first = found["vanishing"]
    assert first.message == "‖δ‖² at layer 1 is 1e-06 times that at layer 4, in the median over examples"
    assert (first.number, first.layer, first.term) == (pytest.approx(1e-6), 1, "weight")
    assert first.to_dict() == {
        "kind": "vanishing", "message": first.message, "number": first.number, "layer": 1, "term": "weight",
    }  # fmt: skip
    assert found["start"].message == "coming down, ‖δ‖² leaves a factor 1000 of the top's at layer 2"
    assert found["start"].layer == 2
    assert found["cause"].message == "the weight term does most of it"
    assert found["cause"].number == pytest.approx(0.04**3)
    assert found["depth"].number == pytest.approx(math.log(100))
    assert found["depth"].message == "about 2 layers of this kind stay within a factor 1000"


@pytest.mark.parametrize(("grad_as", "ratio", "term"), [
    ([2e4, 1.0], 1e4, "weight"), ([0.5, 1.0], 1e4, "derivative"), ([2e-4, 1.0], 1e-4, "weight"),
    ([0.5, 1.0], 1e-4, "derivative"),
])  # fmt: skip
def test_the_cause_is_the_term_that_goes_further_in_the_direction_of_the_whole(grad_as, ratio, term):
    verdict = "exploding" if ratio > 1 else "vanishing"
    found = {one.kind: one for one in evidence(flow([ratio, 1.0], grad_as), verdict)}
    assert found["cause"].term == found[verdict].term == term


def test_evidence_where_there_is_no_ratio():
    def said(one, regime):
        (found,) = evidence(one, regime)
        return found.kind, found.message, found.number

    assert said(flow([0.0, 1.0, 1.0]), "vanishing") == (
        "vanishing", "‖δ‖² is rounded to 0 in float64 from layer 1 down", None)  # fmt: skip
    assert said(flow([1.0, 0.0]), "vanishing")[1].startswith("the loss hands no gradient down")
    assert said(flow([math.inf, 1.0]), "exploding")[1] == "‖δ‖² leaves the range of float64"
    assert said(flow([1.0, 1.0], q=math.inf), "exploding")[1] == "z leaves the range of float64 at layer 1"


def test_a_healthy_flow_says_its_ratio_alone():
    (found,) = evidence(flow([2.0, 1.0, 4.0]), "healthy")
    assert (found.kind, found.number, found.layer) == ("healthy", 0.5, None)
    assert found.message == "‖δ‖² at layer 1 is 0.5 times that at layer 3, in the median over examples"


def test_the_first_layer_outside_is_the_highest():
    assert first_layer(flow([1e-9, 1e-5, 1e-2, 1.0])) == 2
    assert first_layer(flow([1e9, 1e3, 1e2, 1.0])) == 1
    assert first_layer(flow([1.0, 2.0, 0.0])) == 2
    assert first_layer(flow([1.0, 1.0, 1.0], q=math.inf)) == 1


def several(ratios, **more):
    """Two layers, and these ‖δ_1‖² of examples whose ‖δ_2‖² is 1."""
    mean = flow([sum(ratios) / len(ratios), 1.0], **more)
    return replace(mean, levels=np.array([[one, 1.0] for one in ratios]))


def test_the_median_example_decides_and_few_that_carry_the_mean_are_counted():
    few = several([1e-6] * 97 + [30.0] * 3)
    assert (verdict_of(few), few.median(1), few.half_carried_by) == ("vanishing", 1e-6, 0.02)
    assert few.geometric_mean == pytest.approx(math.exp(0.97 * math.log(1e-6) + 0.03 * math.log(30)))
    (found,) = [one for one in evidence(few, "vanishing") if one.kind == "uneven_examples"]
    assert found.message == "the mean of that ratio, 0.9, is that of few: 2 of 100 examples carry half of it"
    assert found.number == 0.02
    for even in ([1.0] * 100, [1.0] * 97 + [3.0] * 3, [1e-6] * 50 + [1.0] * 50):
        assert not [one for one in evidence(several(even), "healthy") if one.kind == "uneven_examples"]


def test_a_regime_is_told_by_what_cuts_growth_or_likeness_there_is():
    chaos = fixed_point(kind("tanh", 9.0))
    assert regime_of(flow([1e4, 1.0]), chaos) == "chaotic"
    assert regime_of(flow([1e4, 1.0]), fixed_point(kind("relu", 4.0))) == "exploding"
    assert regime_of(flow([10.0, 1.0]), chaos) == "healthy"
    assert regime_of(flow([1.0, 1.0], alike=1.0)) == "symmetric"
    assert regime_of(several([0.0] * 6 + [1.0] * 4)) == "dead"
    assert regime_of(several([0.0] * 4 + [1.0] * 6)) == "healthy"
    assert regime_of(flow([0.0, 1e-250, 1.0])) == "vanishing"  # faded
    assert regime_of(flow([0.0, 1e-9, 1.0])) == "dead"  # cut off
    assert regime_of(flow([0.0, 0.0], dead=[0.0, 1.0])) == "dead"
    assert regime_of(flow([0.0, 0.0])) == "vanishing"  # each output at its target
    assert set(VERDICTS.values()) == {"healthy", "vanishing", "exploding"}


def test_what_is_dead_or_alike_is_said_with_its_layer():
    (top,) = evidence(flow([0.0, 0.0], dead=[0.0, 1.0]), "dead")
    assert (top.kind, top.layer) == ("dead_output", 2)
    (path,) = evidence(flow([0.0, 1e-9, 1.0], dead=[0.1, 0.9, 0.0]), "dead")
    assert (path.kind, path.layer, path.number) == ("dead_path", 2, 1.0)
    (same,) = evidence(flow([1.0] * 3, alike=1.0), "symmetric")
    assert (same.kind, same.layer, same.number) == ("symmetric", 1, 2.0)


def test_units_are_named_at_the_layer_that_has_most():
    assert units(flow([1.0, 1.0], dead=[0.2, 0.1], saturated=[0.5, 0.1])) == []
    dead, saturated = units(flow([1.0] * 3, dead=[0.3, 0.25, 0.1], saturated=[0.1, 0.2, 0.625]))
    assert (dead.kind, dead.number, dead.layer) == ("dead", 0.3, 1)
    assert dead.message == "layer 1: 30% of the units have slope 0 on every example"
    assert (saturated.kind, saturated.number, saturated.layer) == ("saturated", 0.625, 3)
    assert saturated.message == "layer 3: 62% of the entries have a slope below 5 % of the activation's largest"
    assert units(flow([1.0], saturated=[0.7], usual=0.5)) == []  # ReLU, which has slope 0 on half of the line
    (more,) = units(flow([1.0], saturated=[0.8], usual=0.5))
    assert more.message.endswith("largest (50% at standard normal u)")


def test_a_bias_is_why_where_units_would_live_without_it():
    assert [one.kind for one in units(flow([1.0], dead=[0.4], dead_by_bias=0.1))] == ["dead"]
    _, bias = units(flow([1.0], dead=[0.4], dead_by_bias=0.3))
    assert bias.message == "the bias is why: with bias 0, 30% of layer 1's units would have a slope again"
    assert (bias.kind, bias.number, bias.layer) == ("bias", 0.3, 1)


def test_frozen_layers_are_counted_and_the_stillest_is_named():
    assert frozen([None, 1e-3, 2.0**-24, math.nan]) == []
    (one,) = frozen([None, 1e-3, 1e-9])
    assert (one.number, one.layer) == (1e-9, 2)
    assert one.message == "the first step moves 1 layer by less than float32 can hold: ‖ΔW‖/‖W‖ = 1e-09 at 2"
    (two,) = frozen([None, 1e-12, 1e-9, 1e-3])
    assert two.message.startswith("the first step moves 2 layers by less")
    assert two.layer == 1


def kind(phi, sigma_w2, **more):
    return LayerSpec(get_activation(phi), sigma_w2, **more)


def test_what_the_length_map_says():
    def said(one):
        return [(found.kind, found.number) for found in lengths(fixed_point(one), one, depth)]

    depth = 9

    assert said(kind("tanh", 1.0, sigma_b2=0.1)) == []
    assert said(kind("relu", 4.0)) == [("no_fixed_point", pytest.approx(2.0))]
    ((name, number),) = said(kind("relu", 1.0))
    assert (name, number) == ("collapse", pytest.approx(0.5))
    assert said(kind("relu", 2.002)) == []  # 1.001 a layer comes to nothing here
    depth = 2
    assert said(kind("relu", 1.0)) == []
    assert said(kind("relu", 6.1)) == [("no_fixed_point", pytest.approx(3.05))]
    one = kind("relu", 1.0)
    both = findings_of(flow([1.0, 1.0], dead=[0.9, 0.0]), fixed_point(one), one, "healthy")
    assert [found.kind for found in both] == ["healthy", "dead"]


TRAPS = [  # kind, depth, the traps; each beside what is near it and no trap
    (kind("gelu", 2.0), 9, ["he_gelu"]), (kind("silu", 2.03), 9, ["he_gelu"]), (kind("gelu", 2.05), 9, []),
    (kind("gelu", 2.0, norm="layer"), 9, []), (kind("gelu", 2.0, skip=1.0), 9, []), (kind("relu", 2.0), 9, []),
    (kind("tanh", 25 / 9), 9, ["tanh_gain"]), (kind("tanh", 2.5), 9, []), (kind("sigmoid", 25 / 9), 3, []),
    (kind("tanh", 25 / 9, norm="layer"), 9, []),
    (kind("selu", 2.0), 9, ["selu_init"]), (kind("selu", 1.0), 9, []), (kind("selu", 2.0, norm="layer"), 9, []),
    (kind("relu", 2.0, norm="batch"), 60, ["batch_norm_depth"]), (kind("relu", 2.0, norm="batch"), 9, []),
    (kind("relu", 2.0, norm="batch", skip=1.0), 60, []), (kind("relu", 2.0, norm="layer"), 60, []),
    (kind("sigmoid", 1.0), 4, ["sigmoid_stack"]), (kind("sigmoid", 1.0), 3, []), (kind("sigmoid", 400.0), 4, []),
    (kind("sigmoid", 1.0, skip=1.0), 4, []), (kind("sigmoid", 1.0, norm="layer"), 4, []),
    (kind("relu", 1 / 3), 9, ["pytorch_default"]), (kind("relu", 1 / 3, norm="layer"), 9, []),
    (kind("relu", 1 / 3, skip=1.0), 9, []), (kind("relu", 0.35), 9, []),
    (kind("silu", 2.0, norm="batch", batch=64), 12, []),
    (kind("softplus", 2.0, norm="batch", batch=64), 54, ["small_batch"]),
    (kind("silu", 2.0, norm="batch", batch=64), 21, ["uneven_batch"]),
    (kind("silu", 2.0, norm="batch", batch=64, skip=1.0), 20, []),
    (kind("relu", 2.0, norm="batch", batch=16), 10, ["small_batch"]),
    (kind("relu", 2.0, norm="batch", batch=16), 6, []),
]  # fmt: skip


@pytest.mark.parametrize(("one", "depth", "names"), TRAPS)
def test_a_trap_is_found_where_it_stands_and_nowhere_near(one, depth, names):
    found = traps_of(Stack(one, fixed_point(one), depth))
    assert [trap.kind for trap in found] == [f"trap_{name}" for name in names]


def test_a_variance_is_near_a_trap_as_far_as_its_weights_tell():
    """Of 32 × 32 normal weights a variance is off by 4.4 %, one deviation."""

    def names(variance, noise):
        one = kind("gelu", variance)
        return [trap.kind for trap in traps_of(Stack(one, fixed_point(one), 9, noise=noise))]

    noise = (2 / 32**2) ** 0.5
    assert names(2.12, noise) == names(1.88, noise) == ["trap_he_gelu"]
    assert names(2.12, 0.0) == names(2.4, noise) == []
    draws = [np.random.default_rng(seed).standard_normal((32, 32)).var() for seed in range(200)]
    assert max(abs(one - 1) for one in draws) > 0.02 * 3  # which 2 % would have missed
    assert np.mean([abs(one - 1) < 3 * noise for one in draws]) > 0.98


def test_the_numbers_of_traps():
    def only(one, depth=60):
        (found,) = traps_of(Stack(one, fixed_point(one), depth))
        return found

    gelu = only(kind("gelu", 2.0))
    assert gelu.number == pytest.approx(2 * 0.425220, rel=1e-5)  # E gelu(Z)²
    assert gelu.message.endswith("a layer makes q = 1 into 0.8504")
    chi = fixed_point(kind("tanh", 25 / 9)).chi_1
    assert only(kind("tanh", 25 / 9)).number == chi > 1
    assert only(kind("selu", 2.0)).message.endswith("here n_in Var W = 2")
    growth = math.pi / (math.pi - 1)  # E φ'²/Var φ of ReLU: ½/(½ − 1/2π)
    batch = only(kind("relu", 2.0, norm="batch", eps=0.0))
    assert batch.number == pytest.approx(growth)
    assert batch.message == (
        f"batch norm makes gradients grow by {growth:.4g} a layer: {growth**59:.2g} from layer 60 to 1"
    )
    one = kind("relu", 2.0, norm="batch", eps=0.0)
    (few,) = traps_of(Stack(one, fixed_point(one), 5, 4e4))  # as predicted layer by layer, here with larger weights
    assert few.number == pytest.approx(4e4 ** (1 / 4))
    assert few.message == f"batch norm makes gradients grow by {few.number:.4g} a layer: 4e+04 from layer 5 to 1"
    assert "inf from layer 9000 to 1" in only(kind("relu", 2.0, norm="batch"), 9000).message
    assert only(kind("relu", 1 / 3)).number == pytest.approx(1 / 6)
    sigmoid = fixed_point(kind("sigmoid", 1.0))
    slope = slope_moment(get_activation("sigmoid"), sigmoid.q_star)
    assert only(kind("sigmoid", 1.0)).message == (
        f"a stack of sigmoids: E φ'² = {slope:.4g} (at most 1/16), so χ₁ = {sigmoid.chi_1:.4g}"
    )
    assert only(kind("tanh", 25 / 9)).message == (
        f"gain 5/3 with tanh is chaotic: gradients grow by χ₁ = {chi:.4g} a layer going down"
    )


def test_the_growth_of_batch_norm_leaves_out_an_output_without_it():
    """The weights of the output layer are as large as its targets, whatever the norm below does."""
    net = Network(4, [*[Dense(16, "relu", norm="batch")] * 3, Dense(1)])
    params = net.init("he_normal", seed=0)
    params.W[-1][:] *= 1e4
    found = diagnose(Problem(net, params), remedies=False)
    assert found.verdict == "exploding"
    assert "trap_batch_norm_depth" not in {one.kind for one in found.findings}


def test_the_numbers_of_batches():
    def of(m, depth=21, phi="silu", **more):
        one = kind(phi, 2.0, norm="batch", batch=m, **more)
        return fixed_point(one), {found.kind: found for found in traps_of(Stack(one, fixed_point(one), depth))}

    theory, found = of(64)
    uneven = found["trap_uneven_batch"]
    assert uneven.number == theory.batch_factor > 1
    assert uneven.message == (
        f"under batch norm of 64, silu makes differences of length grow by {uneven.number:.4g} a layer: deep down "
        "few examples outweigh the rest, beyond this theory"
    )
    theory, found = of(16, phi="relu")
    many = fixed_point(kind("relu", 2.0, norm="batch")).chi_1
    assert found["trap_small_batch"].message == (
        f"with 16 examples a batch, gradients grow by {theory.chi_1:.4g} a layer; with many by {many:.4g}"
    )
    assert of(1)[1]["trap_small_batch"].number == 0.0
    share = math.erf(math.sqrt(1e-5))  # s² = σ_w² (E φ² − E φφ') = 2 (½ − 0): of two examples ReLU's a are 1 and 0
    assert of(2, phi="relu")[1]["trap_small_batch"].number == pytest.approx(share, rel=0.02)
    assert rare(kind("relu", 0.0, norm="batch", batch=2)) == 1.0


def test_the_first_step_of_each_layer_is_measured_against_its_weights():
    draw = np.random.default_rng(0)
    net = Network(3, [Dense(4, "tanh", dropout=0.5), Dense(1)])
    params, X, y = net.init("he_normal", seed=1), draw.standard_normal((6, 3)), draw.standard_normal((6, 1))
    sgd = get_optimizer({"name": "sgd", "learning_rate": 0.25})
    subject = from_problem(Problem(net, params, X=X, y=y, optimizer=sgd))
    grad = backward(net, params, forward(net, params, X, dropout=DropoutKey(0)), y)
    expected = [0.25 * np.linalg.norm(grad.W[l]) / np.linalg.norm(params.W[l]) for l in (1, 2)]
    assert update_ratios(subject)[1:] == pytest.approx(expected)
    clipped = replace(subject, problem=replace(subject.problem, clip_norm=0.01))
    share = 0.01 / np.linalg.norm(grad.theta)
    assert update_ratios(clipped)[1:] == pytest.approx([share * one for one in expected])
    bounded = replace(subject, problem=replace(subject.problem, clip_value=1e-6))
    assert update_ratios(bounded)[1] <= 0.25e-6 * 12**0.5 / np.linalg.norm(params.W[1]) * (1 + 1e-12)
    still = from_problem(Problem(net, net.init("zeros"), X=X, y=y, optimizer=sgd))
    assert math.isnan(update_ratios(still)[1])
