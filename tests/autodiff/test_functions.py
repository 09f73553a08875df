"""Gradients of functions, slopes of activations and losses, gradients of gradients."""

import numpy as np
import pytest
import scipy.special as sp
from numpy.testing import assert_allclose, assert_array_equal
from tests.helpers import raises_naming

from backlit.autodiff import AutodiffError, Var, derivative, gradient, record, value_and_gradient, value_and_slope
from backlit.core.activations import ACTIVATIONS
from backlit.core.losses import LOSSES

U = np.concatenate([np.linspace(-6, 6, 40), [-60.0, -20.0, 20.0, 60.0]])  # 0 is not among them

# --- gradient -------------------------------------------------------------------------------------------------------


def energy(w, b):
    return np.sum(np.tanh(w @ np.array([1.0, -2.0]) + b) ** 2)


W, B = np.array([[0.5, 0.25], [-1.0, 0.75]]), np.array([0.1, -0.3])


def test_one_argument_gives_an_array_and_several_a_tuple():
    both = gradient(energy, W, B)
    assert isinstance(both, tuple)
    assert_array_equal(gradient(energy, W, B, wrt=0), both[0])
    assert_array_equal(gradient(energy, W, B, wrt=-1), both[1])
    assert_array_equal(gradient(energy, W, B, wrt=[1])[0], both[1])
    assert_array_equal(gradient(lambda w: energy(w, B), W), both[0])


def test_value_is_the_functions_own():
    value, _ = value_and_gradient(energy, W, B)
    assert value == energy(W, B)
    assert isinstance(value, float)


def test_arguments_that_are_not_differentiated_pass_untouched():
    seen = []

    def loss(w, labels, option):
        seen.append((type(labels), option))
        return np.sum(w[labels])

    assert_array_equal(gradient(loss, np.ones(3), np.array([0, 0, 2]), "text", wrt=0), [2, 0, 1])
    assert seen == [(np.ndarray, "text")]


def test_a_function_that_ignores_its_argument_has_gradient_zero():
    assert_array_equal(gradient(lambda w: 3.0, W), np.zeros((2, 2)))


def test_a_seed_gives_the_gradient_of_the_weighted_sum():
    c = np.array([2.0, -1.0])
    assert_allclose(gradient(lambda w: np.exp(w), B, seed=c), c * np.exp(B))


@pytest.mark.parametrize(
    ("f", "args", "words"),
    [
        (lambda w: w * 2.0, (W,), ("one number",)),
        (lambda w: (w, w), (W,), ("returned", "2")),
        (lambda w: None, (W,), ("returned", "None")),
        (lambda w: np.sum(w), (np.array([1, 2]),), ("w", "int64", "write", "2.0")),
        (lambda w: np.sum(w), (np.array([1j]),), ("w", "complex128")),
        (np.exp, (2,), ("variable", "int64", "write", "2.0")),
    ],
)
def test_misuse_is_refused(f, args, words):
    with raises_naming(AutodiffError, *words):
        gradient(f, *args)


def test_record_names_the_inputs_and_keeps_the_graph():
    graph = record(energy, W, B)
    assert [x.name for x in graph.inputs] == ["w", "b"]
    grads = graph.backward()
    assert_allclose(grads[graph.inputs[0]], gradient(energy, W, B)[0])
    assert graph.output.value == energy(W, B)
    assert len(graph.nodes) == 7
    assert graph._repr_svg_().startswith("<svg ")
    assert [x.name for x in record(np.multiply, W, B).inputs] == [None, None]
    assert [x.name for x in record(lambda *args: args[0] * args[1], W, B).inputs] == [None, None]


# --- a gradient within a gradient -----------------------------------------------------------------------------------


def test_hessian_of_a_quadratic_form():
    a = np.array([[2.0, 1.0, 0.0], [1.0, 3.0, -1.0], [0.0, -1.0, 1.0]])
    rows = [gradient(lambda w, i=i: gradient(lambda w: w @ a @ w / 2, w)[i], np.ones(3)) for i in range(3)]
    assert_allclose(rows, a, rtol=1e-15)


def test_an_outer_variable_inside_an_inner_gradient_is_not_lost():
    """d/dx (d/dy x² y³ at y = 2) = d/dx 12 x² = 24 x."""
    mixed = gradient(lambda x: gradient(lambda y: x**2 * y**3, 2.0), 5.0)
    assert type(mixed) is np.float64  # and the inner y = 2 is a constant once its gradient is done
    assert mixed == 120.0


def test_a_gradient_penalty():
    """∂/∂w ‖∂(w·x)²/∂x‖² = ∂/∂w 4 (w·x)² w·w."""
    x, w = np.array([1.0, -2.0]), np.array([0.5, 0.75])
    penalty = gradient(lambda w: np.sum(gradient(lambda x: (w @ x) ** 2, x) ** 2), w)
    assert_allclose(penalty, 8 * (w @ x) * x * (w @ w) + 8 * (w @ x) ** 2 * w, rtol=1e-14)


def test_an_inner_derivative_with_an_outer_variable():
    """d/dx [x cos(x t) at t = 0.5], from φ(t) = sin(x t)."""
    mixed = gradient(lambda x: derivative(lambda t: np.sin(x * t))(0.5), 2.0)
    assert_allclose(mixed, np.cos(1.0) - 1.0 * np.sin(1.0), rtol=1e-14)


def test_third_derivative():
    assert_allclose(derivative(derivative(derivative(np.sin)))(U), -np.cos(U), rtol=1e-13, atol=1e-15)


def test_slope_of_a_slope_where_the_first_is_zero():
    """At 0, d/du u² is 0 but its own slope is 2: a zero gradient on the way must not be taken for a constant."""
    assert gradient(lambda u: gradient(lambda t: np.sin(t) ** 2, u), 0.0) == 2.0


# --- derivative of an activation ------------------------------------------------------------------------------------


@pytest.mark.parametrize("phi", [phi for phi in ACTIVATIONS.values() if phi.elementwise], ids=lambda phi: phi.name)
def test_derivative_of_the_textbooks_activations(phi):
    with np.errstate(over="ignore"):
        assert_allclose(derivative(phi.function)(U), phi.derivative(U), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("phi", "name"),
    [
        (lambda u: np.maximum(u, 0), "relu"),
        (lambda u: u * (u > 0), "relu"),
        (lambda u: np.where(u > 0, u, 0.01 * u), "leaky_relu"),
        (lambda u: np.maximum(u, 0) + 0.01 * np.minimum(u, 0), "leaky_relu"),
        (lambda u: np.clip(u, -1, 1), "hard_tanh"),
        (lambda u: np.maximum(u, 0) + np.expm1(np.minimum(u, 0)), "elu"),
        (lambda u: np.where(u > 0, u, np.expm1(np.minimum(u, 0))), "elu"),
        (lambda u: np.logaddexp(u, 0), "softplus"),
        (sp.expit, "sigmoid"),
        (lambda u: (1 + np.tanh(u / 2)) / 2, "sigmoid"),
        (lambda u: u * sp.ndtr(u), "gelu"),
        (lambda u: u * (1 + sp.erf(u / np.sqrt(2))) / 2, "gelu"),
        (lambda u: u * sp.expit(u), "silu"),
        (lambda u: u * np.tanh(np.logaddexp(0, u)), "mish"),
        (lambda u: u / (1 + np.abs(u)), "softsign"),
        (np.exp, "exp"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
@pytest.mark.parametrize("u", [0.0, 1.0, -1.0, 0.3, -0.3, 4.0, -4.0])
def test_plain_numpy_activations_agree_with_the_textbook_at_kinks_too(phi, name, u):
    assert_allclose(derivative(phi)(u), ACTIVATIONS[name].derivative(np.array([u]))[0], rtol=1e-13, atol=1e-16)


def test_derivative_keeps_shape_precision_and_takes_whole_numbers():
    slope = derivative(lambda u: u * u)
    assert slope(3) == 6.0
    assert_array_equal(slope([1, 2]), [2, 4])
    assert slope(np.ones((2, 3), np.float32)).dtype == np.float32
    assert slope(np.ones((2, 0, 3))).shape == (2, 0, 3)
    assert slope.__name__ == "derivative_of_<lambda>"


def test_a_step_has_slope_zero():
    assert_array_equal(derivative(lambda u: (u > 0) * 1.0)(U), np.zeros(U.shape))


def test_an_elementwise_function_may_use_other_steps():
    """A maximum over a stacked axis is elementwise though its primitives are not."""

    def phi(u):
        return np.max(np.stack([0.1 * u, u]), axis=0)

    assert_array_equal(derivative(phi)(np.array([[-2.0, 3.0]])), [[0.1, 1.0]])


@pytest.mark.parametrize(
    ("phi", "words"),
    [
        (lambda u: np.exp(u) / np.sum(np.exp(u)), ("by itself",)),
        (lambda u: u - np.mean(u, axis=-1, keepdims=True), ("by itself",)),
        (lambda u: u[::-1] * 1.0, ("by itself",)),
        (lambda u: np.sum(u), ("keep", "shape")),
        (lambda u: u * np.ones((3, 1)), ("keep", "shape")),
    ],
)
def test_what_is_no_activation_is_refused(phi, words):
    with raises_naming(AutodiffError, *words):
        derivative(phi)(np.array([0.5, -1.0, 2.0, 0.1]))


# --- slope of a loss ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES.values(), ids=lambda loss: loss.name)
def test_slope_of_the_textbooks_losses(loss):
    rng = np.random.default_rng(3)
    a, y = rng.uniform(0.05, 0.95, (5, 3)), rng.uniform(0.05, 0.95, (5, 3))
    value, slope = value_and_slope(loss.value)(a, y)
    assert_allclose(value, loss.value(a, y), rtol=1e-15)
    assert_allclose(slope, loss.gradient(a, y), rtol=1e-12, atol=1e-15)


def test_a_loss_with_class_indices():
    a, y = np.array([[0.2, 0.8], [0.6, 0.4], [0.5, 0.5]]), np.array([1, 0, 0])
    value, slope = value_and_slope(lambda a, y: -np.log(a[np.arange(len(y)), y]))(a, y)
    assert_allclose(value, -np.log([0.8, 0.6, 0.5]))
    assert_allclose(slope, [[0, -1.25], [-1 / 0.6, 0], [-2, 0]])


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (lambda a, y: np.mean((a - y) ** 2), ("one number", "example")),
        (lambda a, y: (a - y) ** 2, ("one number", "example")),
        (lambda a, y: np.sum((a - y) ** 2, axis=0), ("one number", "example")),
        (lambda a, y: np.sum((a - np.mean(a, axis=0)) ** 2, axis=1), ("depends", "example")),
        (lambda a, y: np.sum((a - y) ** 2) * np.ones(len(a)), ("depends", "example")),
    ],
)
def test_a_loss_of_the_whole_batch_is_refused(loss, words):
    with raises_naming(AutodiffError, *words):
        value_and_slope(loss)(np.array([[1.0, 2.0], [0.5, -1.0], [3.0, 0.0]]), np.zeros((3, 2)))


def test_one_example_and_no_example():
    f = value_and_slope(lambda a, y: np.sum((a - y) ** 2, axis=1))
    assert f(np.ones((0, 2)), np.ones((0, 2)))[1].shape == (0, 2)
    assert_array_equal(f(np.ones((1, 2)), np.zeros((1, 2)))[1], [[2, 2]])


def test_a_var_is_an_argument_like_another():
    u = Var([0.5, 1.0])
    assert isinstance(derivative(np.tanh)(u), Var)
    assert isinstance(value_and_gradient(np.sum, u)[0], Var)
