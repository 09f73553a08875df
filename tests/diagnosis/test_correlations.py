"""c* and ξ_c with norms and skips against the recursion itself, layer by layer."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from tests.helpers import quick_first

from backlit.core.activations import get_activation
from backlit.core.network import Dense, Network
from backlit.diagnosis.inputs import Subject
from backlit.diagnosis.theory.expectations import mean, overlap, second_moment
from backlit.diagnosis.theory.fixed_points import LayerSpec, fixed_point


def kind_of(name, sigma_b2=0.0, **other):
    """A layer kind of σ_w² = 2."""
    return LayerSpec(get_activation(name), 2.0, sigma_b2, **other)


def recursion(kind, depth, c=0.3):
    """z's correlation, by layer, from inputs of correlation c: E a², E a a', E a carried up, no fixed point asked."""
    square, shared, level, s = 1.0, c, 0.0, kind.skip or 0.0
    found = []
    for _ in range(depth):
        q, o = (2.0 * value + kind.sigma_b2 for value in (square, shared))
        found.append(o / q)
        v = q - (o if kind.norm == "batch" else 0.0)
        u = v / (v + kind.eps) if kind.norm else q
        o_u = 0.0 if kind.norm == "batch" else o * u / q
        m = mean(kind.phi, u)
        shared = overlap(kind.phi, u, o_u) + s * s * shared + 2 * s * m * level
        square = second_moment(kind.phi, u) + s * s * square + 2 * s * m * level
        level = m + s * level
    return np.array(found)


@pytest.mark.parametrize("kind", quick_first([
    kind_of("relu", skip=1.0), kind_of("gelu", norm="layer", skip=0.5), kind_of("tanh", 0.1, skip=0.5),
    kind_of("gelu", norm="layer"), kind_of("tanh", 0.1, norm="layer"),
], 3), ids=lambda kind: f"{kind.phi.name}-{kind.norm}-{kind.skip}")  # fmt: skip
def test_exponential_approach_is_the_recursions(kind):
    theory = fixed_point(kind)
    assert theory.c_approach == "exponential"
    c = recursion(kind, 20 + int(6 * theory.xi_c))
    assert_allclose(c[-1], theory.c_star, atol=5e-3)
    deviation = np.abs(c - theory.c_star)
    late = int(4 * theory.xi_c) + 10
    assert_allclose(-1 / math.log(deviation[late + 1] / deviation[late]), theory.xi_c, rtol=0.03)


@pytest.mark.parametrize("depth", quick_first([25, 40]))
@pytest.mark.parametrize("kind", quick_first([
    kind_of("relu"), kind_of("tanh", skip=1.0), kind_of("relu", norm="layer", skip=1.0), kind_of("relu", norm="layer"),
    kind_of("sigmoid", skip=1.0),
], 3), ids=lambda kind: f"{kind.phi.name}-{kind.norm}-{kind.skip}")  # fmt: skip
def test_polynomial_approach_has_no_depth_scale(kind, depth):
    """The deviation falls as a power of depth: by about the same factor over each doubling, far from e^{-l/ξ}."""
    theory = fixed_point(kind)
    assert theory.c_approach == "polynomial"
    assert theory.xi_c == math.inf
    deviation = np.abs(recursion(kind, 4 * depth + 1) - theory.c_star)
    first, second = deviation[2 * depth] / deviation[depth], deviation[4 * depth] / deviation[2 * depth]
    assert 0.15 < second < 0.97
    assert_allclose(first, second, rtol=0.15)


@pytest.mark.parametrize("eps", [1e-5, 1e-3])
def test_epsilon_gives_linear_layers_under_batch_norm_no_depth_scale(eps):
    """A deviation is multiplied by 1/(1 + ε/v) a layer, which is 1 but for what keeps σ from 0."""
    theory = fixed_point(kind_of("identity", norm="batch", eps=eps))
    assert (theory.c_approach, theory.xi_c) == ("polynomial", math.inf)
    assert_allclose(theory.c_star, 0, atol=1e-12)


@pytest.mark.parametrize("skip", [None, 1.0])
def test_linear_layers_keep_every_correlation(skip):
    kind = kind_of("identity", norm="layer", skip=skip)
    theory = fixed_point(kind)
    assert (theory.c_star, theory.c_approach) == (None, "kept")
    assert_allclose(recursion(kind, 20), 0.3, rtol=1e-9)


@pytest.mark.parametrize(
    ("norm", "skip", "name"), quick_first([("batch", None, "relu"), ("layer", 0.5, "gelu"), ("layer", None, "gelu")], 2)
)
def test_measured_correlation_comes_to_c_star(norm, skip, name):
    """Forty layers of 256 units, z's mean cosine between two examples."""
    theory = fixed_point(kind_of(name, norm=norm, skip=skip))
    assert theory.xi_c < 20
    layers = [
        Dense(256, name, norm=norm, skip_from=None if skip is None else l, skip_scale=skip or 1.0) for l in range(40)
    ]
    subject = Subject(Network(256, layers), "", {"scheme": "gaussian", "sigma_w": 2**0.5})
    measured = np.mean([subject.flow(seed).layers[40].correlation for seed in range(2)])
    assert_allclose(measured, theory.c_star, atol=0.06)
