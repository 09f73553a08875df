"""The regime of networks of which it is known: theorems, published figures and what every course says, with sources."""

import math

import pytest
from tests.helpers import quick_first

from backlit.diagnosis import diagnose

CRITICAL_005, CRITICAL_001 = (1.760955**0.5, 0.05**0.5), (1.424205**0.5, 0.01**0.5)  # σ_w, σ_b with χ₁ = 1
LEAKY = {"name": "leaky_relu", "alpha": 0.2}


def stack(depth, width, activation, init=None, **more):
    return {"depth": depth, "width": width, "activation": activation, "init": init, **more}


def gaussian(depth, width, activation, sigma_w, sigma_b=0.0, **more):
    return stack(depth, width, activation, sigma_w=sigma_w, sigma_b=sigma_b, **more)


KNOWN = [  # regime, network, source
    ("vanishing", stack(10, 64, "sigmoid"), "Hochreiter 1991; σ' ≤ ¼: Nielsen 2015, chapter 5"),
    ("vanishing", stack(30, 64, "sigmoid", "he_normal"), "the slope is the cause, not the weights: Nielsen 2015"),
    ("vanishing", gaussian(10, 64, "sigmoid", 3**-0.5), "Glorot & Bengio 2010: the standard U(±1/√n)"),
    ("vanishing", gaussian(20, 64, "tanh", 3**-0.5), "Glorot & Bengio 2010, figure 7: the standard U(±1/√n)"),
    ("healthy", stack(5, 64, "tanh", "xavier_uniform"), "Glorot & Bengio 2010, figure 7: normalized initialization"),
    ("healthy", stack(50, 64, "tanh", "xavier_normal"), "tanh at (1, 0) is critical: Pennington et al. 2017"),
    ("healthy", gaussian(100, 256, "tanh", *CRITICAL_005), "tanh's critical line: Schoenholz et al. 2017"),
    ("healthy", gaussian(100, 256, "tanh", *CRITICAL_001), "tanh's critical line: Schoenholz et al. 2017"),
    ("vanishing", gaussian(50, 128, "tanh", 0.7, 0.05**0.5), "the ordered phase: Poole et al. 2016"),
    ("vanishing", gaussian(100, 128, "tanh", 1.0, 0.05**0.5), "the ordered phase: Schoenholz et al. 2017"),
    ("chaotic", gaussian(50, 256, "tanh", 2.5, 0.3), "the chaotic phase: Poole et al. 2016, σ_w = 2.5, σ_b = 0.3"),
    ("chaotic", gaussian(30, 256, "tanh", 4.0, 0.3), "the chaotic phase: Poole et al. 2016, σ_w = 4, σ_b = 0.3"),
    ("chaotic", gaussian(100, 128, "tanh", 5 / 3), "a gain of 5/3 is above tanh's critical 1 at σ_b = 0"),
    ("chaotic", gaussian(50, 128, "hard_tanh", 2.5, 0.3), "bounded φ with large weights: Poole et al. 2016"),
    ("healthy", stack(30, 256, "relu", "he_normal"), "He et al. 2015, figure 3: 30 layers converge"),
    ("vanishing", stack(30, 256, "relu", "xavier_normal"), "He et al. 2015, figure 3: 30 layers stall, 2⁻²⁹"),
    ("vanishing", gaussian(10, 128, "relu", 3**-0.5), "PyTorch's nn.Linear: 1/3 · ½ a layer; issue 15314"),
    ("exploding", gaussian(30, 128, "relu", 2.0), "χ₁ = σ_w²/2: Hanin & Rolnick 2018; lengths double a layer"),
    ("healthy", gaussian(30, 256, LEAKY, (2 / 1.04) ** 0.5), "He et al. 2015, (15): gain √(2/(1 + a²))"),
    ("vanishing", gaussian(40, 256, LEAKY, 1.0), "He et al. 2015, (15): (1.04/2)³⁹"),
    ("healthy", stack(100, 64, "identity", "orthogonal"), "Saxe et al. 2014: dynamical isometry"),
    ("healthy", gaussian(50, 256, "identity", 1.0), "Saxe et al. 2014: the right variance keeps lengths"),
    ("exploding", gaussian(30, 64, "identity", 1.5), "a product of 30 factors 2.25"),
    ("vanishing", gaussian(30, 64, "identity", 0.5), "a product of 30 factors ¼"),
    ("healthy", stack(50, 256, "selu", "lecun_normal"), "Klambauer et al. 2017: 1.0716⁴⁹ = 30"),
    ("exploding", stack(60, 64, "selu", "he_normal"), "χ₁ > 1 by twice SELU's variance: Klambauer et al. 2017"),
    ("vanishing", stack(40, 32, "gelu", "he_normal"), "He's 2 is ReLU's; E 2 gelu(Z)² = 0.85, and χ₁ → ½ as q → 0"),
    ("vanishing", stack(40, 32, "silu", "he_normal"), "likewise, E 2 silu(Z)² = 0.71"),
    ("vanishing", stack(40, 64, "mish", "he_normal", seeds=3), "likewise"),
    ("exploding", stack(50, 128, "relu", "he_normal", norm="batch"), "Yang et al. 2019: π/(π − 1) a layer"),
    ("healthy", stack(50, 128, "identity", "lecun_normal", norm="batch"), "Yang et al. 2019: 1 a layer if φ is linear"),
    ("healthy", stack(50, 128, "relu", "he_normal", norm="layer"), "Ba et al. 2016; E φ'²/E φ² = 1 for ReLU"),
    ("healthy", stack(50, 128, "relu", "xavier_normal", norm="layer"), "the scale of W is taken away: Ba et al. 2016"),
    ("exploding", stack(30, 128, "relu", "he_normal", skip=1.0), "Zhang et al. 2019 (Fixup): lengths grow"),
    ("healthy", gaussian(30, 128, "relu", (2 / 30) ** 0.5, skip=1.0), "Hanin & Rolnick 2018: branches of 1/√L"),
    ("healthy", gaussian(100, 128, "tanh", 0.1, skip=1.0), "Yang & Schoenholz 2017: skips at the edge of chaos"),
    ("dead", gaussian(100, 2, "relu", 2**0.5, seeds=9), "Lu et al. 2020: narrow deep ReLU networks are born dead"),
    ("dead", gaussian(200, 3, "relu", 2**0.5, seeds=9), "Lu et al. 2020"),
    ("symmetric", stack(3, 8, "tanh", "zeros"), "Goodfellow et al. 2016, 8.4: equal units stay equal"),
]  # fmt: skip


def narrower(network):
    """The same with at most 64 units and, where a batch counts for nothing, 16 examples."""
    few = {} if network.get("norm") == "batch" else {"batch": 16}
    return {**network, **few, "width": min(network["width"], 64)}


@pytest.mark.parametrize("sized", quick_first([narrower, dict]))
@pytest.mark.parametrize(("regime", "network", "source"), KNOWN, ids=range(len(KNOWN)))
def test_a_network_of_which_it_is_known(regime, network, source, sized):
    found = diagnose(remedies=False, **{"seeds": 1, **sized(network)})
    assert found.regime == regime, (source, found.measured.median(1))


def test_the_table_is_large_and_knows_each_regime_that_needs_no_data():
    assert len(KNOWN) >= 30
    assert {regime for regime, _, _ in KNOWN} == {"healthy", "vanishing", "exploding", "chaotic", "dead", "symmetric"}


@pytest.mark.parametrize(("network", "growth", "within"), quick_first([
    (gaussian(40, 256, "tanh", *CRITICAL_005), 1.0, 0.03), (stack(40, 256, "relu", "xavier_normal"), 0.5, 0.02),
    (stack(40, 256, "selu", "lecun_normal"), 1.071575, 0.02),
    (stack(40, 128, "relu", "he_normal", norm="batch"), math.pi / (math.pi - 1), 0.03),
    (stack(40, 64, "identity", "orthogonal"), 1.0, 1e-9),
    (stack(40, 256, "relu", "he_normal", norm="layer"), 1.0, 0.02), (stack(40, 256, "relu", "he_normal"), 1.0, 0.02),
    (stack(40, 256, "identity", "orthogonal"), 1.0, 1e-9),
    (stack(40, 256, "relu", "he_normal", norm="batch", batch=512, seeds=3), math.pi / (math.pi - 1), 0.03),
], 5))  # fmt: skip
def test_growth_a_layer_is_the_published_one(network, growth, within):
    """Away from the top, where the output's slope counts."""
    flow = diagnose(remedies=False, **{"seeds": 1, **network}).measured
    assert (flow.median(5) / flow.median(35)) ** (1 / 30) == pytest.approx(growth, rel=within)
