"""Mean-field theory against closed forms and published points of critical lines."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from backlit.core.activations import ACTIVATIONS, get_activation, leaky_relu
from backlit.diagnosis.theory.criticality import critical_point, depth_scale
from backlit.diagnosis.theory.expectations import mean, overlap, second_moment, slope_moment, slope_overlap
from backlit.diagnosis.theory.fixed_points import LayerSpec, fixed_point, scale

ELEMENTWISE = [phi for name, phi in ACTIVATIONS.items() if name != "softmax"]
RELU, TANH = get_activation("relu"), get_activation("tanh")


@pytest.mark.parametrize("q", [0.01, 1.0, 37.0])
@pytest.mark.parametrize("alpha", [0.0, 0.01, 0.3])
def test_moments_of_leaky_relu_are_the_closed_forms(q, alpha):
    phi = leaky_relu(alpha)
    assert_allclose(second_moment(phi, q), q * (1 + alpha**2) / 2, rtol=1e-12)
    assert_allclose(slope_moment(phi, q), (1 + alpha**2) / 2, rtol=1e-12)
    assert_allclose(mean(phi, q), (1 - alpha) * math.sqrt(q / (2 * math.pi)), rtol=1e-12)


@pytest.mark.parametrize("c", [-0.7, 0.1, 0.9, 0.999, 1 - 1e-7])
def test_overlap_of_relu_is_the_arc_cosine_kernel(c):
    q, angle = 2.3, math.acos(c)
    assert_allclose(overlap(RELU, q, c * q), q / (2 * math.pi) * (math.sin(angle) + (math.pi - angle) * c), rtol=1e-11)
    assert_allclose(slope_overlap(RELU, q, c * q), (math.pi - angle) / (2 * math.pi), rtol=1e-11)


@pytest.mark.parametrize("phi", ELEMENTWISE, ids=lambda phi: phi.name)
def test_moments_are_those_of_a_fine_sum(phi):
    q, z = 1.3, np.linspace(-14, 14, 2_000_001)
    weight = np.exp(-z * z / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    u = math.sqrt(q) * z
    assert_allclose(second_moment(phi, q), (phi.function(u) ** 2 * weight).sum(), rtol=1e-8)
    assert_allclose(slope_moment(phi, q), (phi.derivative(u) ** 2 * weight).sum(), rtol=2e-5)  # a sum at a jump


@pytest.mark.parametrize(
    ("sigma_b2", "sigma_w2", "q"), [(0.01, 1.424205, 0.273301), (0.05, 1.760955, 0.570048), (0.1, 1.986073, 0.805799)]
)
def test_critical_line_of_tanh_is_the_published_one(sigma_b2, sigma_w2, q):
    point = critical_point(TANH, sigma_b2)
    assert_allclose([point.sigma_w2, point.q_star], [sigma_w2, q], atol=1e-6)
    theory = fixed_point(LayerSpec(TANH, point.sigma_w2, sigma_b2))
    assert_allclose([theory.q_star, theory.chi_1], [point.q_star, 1], rtol=1e-9)


def test_selu_normalizes_itself_under_lecun():
    theory = fixed_point(LayerSpec(get_activation("selu"), 1.0))
    assert_allclose([theory.q_star, theory.chi_1], [1, 1.071575], atol=1e-6)


@pytest.mark.parametrize("name", ["gelu", "silu"])
def test_he_lets_gelu_and_silu_collapse(name):
    assert fixed_point(LayerSpec(get_activation(name), 2.0)).q_star == 0


def test_relu_is_critical_under_he_at_any_length_and_diverges_above():
    assert_allclose(fixed_point(LayerSpec(RELU, 2.0), q_start=7.0).q_star, 7)
    above = fixed_point(LayerSpec(RELU, 3.0))
    assert above.q_star is None
    assert_allclose([above.chi_1, above.divergence_rate], [1.5, 1.5])


def test_depth_scales_are_the_definitions():
    """ξ_c is the slope of the correlation map at c*, here by differences."""
    kind = LayerSpec(TANH, 2.5, 0.1)
    theory = fixed_point(kind)
    q, c, h = theory.q_star, theory.c_star, 1e-5
    assert 0 < c < 1
    assert_allclose((2.5 * overlap(TANH, q, c * q) + 0.1) / q, c, rtol=1e-10)
    slope = 2.5 * (overlap(TANH, q, (c + h) * q) - overlap(TANH, q, (c - h) * q)) / (2 * h * q)
    assert_allclose(theory.xi_c, -1 / math.log(slope), rtol=1e-6)
    step = (kind.length(q + h) - kind.length(q - h)) / (2 * h)
    assert_allclose(theory.xi_q, -1 / math.log(step), rtol=1e-6)


@pytest.mark.parametrize("phi", ELEMENTWISE, ids=lambda phi: phi.name)
def test_batch_norm_never_shrinks_gradients(phi):
    """Gaussian Poincaré: E φ'² ≥ Var φ, equal for linear φ alone."""
    chi = fixed_point(LayerSpec(phi, 2.0, norm="batch", eps=0.0)).chi_1
    assert chi == pytest.approx(1, rel=1e-12) if phi.name == "identity" else chi > 1


@pytest.mark.parametrize(("phi", "norm", "dropout"), [
    ("tanh", None, 0.0), ("sigmoid", None, 0.0), ("relu", "layer", 0.0), ("gelu", "layer", 0.25), ("tanh", None, 0.25),
    ("sigmoid", "batch", 0.0),
])  # fmt: skip
def test_layers_with_skips_settle_where_their_equations_say(phi, norm, dropout):
    """E a² = E φ²/keep + s² E a² + 2 s E φ E a, E a = E φ + s E a, and χ = s² + σ_w² E φ'²/(keep (v + ε))."""
    phi, s, keep, eps = get_activation(phi), 0.5, 1 - dropout, 1e-2
    theory = fixed_point(LayerSpec(phi, 1.2, 0.1, norm=norm, eps=eps, dropout=dropout, skip=s))
    q = theory.q_star
    square = (q - 0.1) / 1.2
    v = {None: 1 - eps, "layer": q}.get(norm)
    u = q if norm is None else q / (q + eps)
    if norm == "batch":
        level = mean(phi, 1.0) / (1 - s)
        for _ in range(100):
            v = q - 1.2 * level**2 - 0.1
            u = v / (v + eps)
            level = mean(phi, u) / (1 - s)
    m = mean(phi, u)
    assert second_moment(phi, u) / keep + s * s * square + 2 * s * m * m / (1 - s) == pytest.approx(square, rel=1e-9)
    chi = s * s + 1.2 * slope_moment(phi, u) / keep / (v + eps)
    assert theory.chi_1 == pytest.approx(chi, rel=1e-9)
    assert theory.xi_grad == pytest.approx(1 / abs(math.log(chi)), rel=1e-6)
    assert (theory.divergence_rate, theory.xi_q) == (None, None)


def test_a_skip_of_scale_1_lets_lengths_grow():
    relu = fixed_point(LayerSpec(get_activation("relu"), 2.0, skip=1.0))
    assert relu.q_star is None
    assert relu.chi_1 == pytest.approx(2)
    assert relu.divergence_rate > 1.9  # E a² gains E φ² = E a², and 2 E φ E a
    bounded = fixed_point(LayerSpec(get_activation("tanh"), 1.0, skip=1.0))
    assert bounded.q_star is None
    assert 1 < bounded.divergence_rate < 1.01  # as a power of depth
    assert bounded.chi_1 == pytest.approx(1 + slope_moment(get_activation("tanh"), 1000), rel=0.1)


def test_an_xi_is_the_layers_of_a_factor_e():
    assert [scale(chi) for chi in (0.0, -1.0, math.inf, math.nan, 1.0)] == [0, 0, 0, 0, math.inf]
    assert (scale(math.e), scale(1 / math.e), scale(math.exp(0.1))) == pytest.approx((1, 1, 10))


def test_critical_points_where_no_bias_is():
    relu = critical_point(RELU)
    assert (relu.sigma_w2, relu.sigma_b2, relu.q_star) == pytest.approx((2.0, 0.0, 1.0))
    leaky = critical_point(leaky_relu(0.3))
    assert (leaky.sigma_w2, leaky.q_star) == pytest.approx((2 / 1.09, 1.0))
    tanh = critical_point(TANH)
    assert (tanh.sigma_w2, tanh.sigma_b2, tanh.q_star) == pytest.approx((1.0, 0.0, 0.0))
    gelu = critical_point(get_activation("gelu"))  # its line comes to no bias at a length of its own
    assert gelu.sigma_w2 * slope_moment(get_activation("gelu"), gelu.q_star) == pytest.approx(1)
    assert gelu.sigma_w2 * second_moment(get_activation("gelu"), gelu.q_star) == pytest.approx(gelu.q_star)
    assert critical_point(RELU, 0.1) is None


def test_right_angles_stay_where_an_odd_activation_has_no_bias():
    chaotic = fixed_point(LayerSpec(TANH, 4.0))
    assert (chaotic.c_star, chaotic.c_approach) == (0.0, "exponential")
    slope = 4.0 * slope_moment(TANH, chaotic.q_star, 1) ** 2  # of the map at c = 0: σ_w² (E φ')²
    assert chaotic.xi_c == pytest.approx(-1 / math.log(slope))


@pytest.mark.parametrize(("factor", "layers"), [
    (-1.0, 0.0), (0.0, 0.0), (math.exp(-1), 1.0), (math.exp(-0.1), 10.0), (1.0, math.inf), (1 + 1e-10, math.inf),
    (1.5, None),
])  # fmt: skip
def test_a_deviation_shrinks_by_e_in_so_many_layers(factor, layers):
    assert depth_scale(factor) == (layers if layers in (None, math.inf) else pytest.approx(layers))
