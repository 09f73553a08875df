"""Mean-field theory against closed forms and the published points of FACTS."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from backlit.core.activations import ACTIVATIONS, get_activation, leaky_relu
from backlit.diagnosis.theory.criticality import critical_point
from backlit.diagnosis.theory.expectations import mean, overlap, second_moment, slope_moment, slope_overlap
from backlit.diagnosis.theory.fixed_points import Kind, fixed_point

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
    theory = fixed_point(Kind(TANH, point.sigma_w2, sigma_b2))
    assert_allclose([theory.q_star, theory.chi_1], [point.q_star, 1], rtol=1e-9)


def test_selu_normalizes_itself_under_lecun():
    theory = fixed_point(Kind(get_activation("selu"), 1.0))
    assert_allclose([theory.q_star, theory.chi_1], [1, 1.071575], atol=1e-6)


@pytest.mark.parametrize("name", ["gelu", "silu"])
def test_he_lets_gelu_and_silu_collapse(name):
    assert fixed_point(Kind(get_activation(name), 2.0)).q_star == 0


def test_relu_is_critical_under_he_at_any_length_and_diverges_above():
    assert_allclose(fixed_point(Kind(RELU, 2.0), q_start=7.0).q_star, 7)
    above = fixed_point(Kind(RELU, 3.0))
    assert above.q_star is None
    assert_allclose([above.chi_1, above.divergence_rate], [1.5, 1.5])


def test_depth_scales_are_the_definitions():
    """ξ_c is the slope of the correlation map at c*, here by differences."""
    kind = Kind(TANH, 2.5, 0.1)
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
    chi = fixed_point(Kind(phi, 2.0, norm="batch", eps=0.0)).chi_1
    assert chi == pytest.approx(1, rel=1e-12) if phi.name == "identity" else chi > 1
