"""The graph: recording, order, accumulation, depth, memory, precision, and everything that is refused."""

import gc
import math
import weakref

import numpy as np
import pytest
import scipy.special as sp
from numpy.testing import assert_allclose, assert_array_equal
from tests.helpers import raises_naming

from backlit.autodiff import RULES, AutodiffError, Rule, Var, backward, gradient, topological_order


def x() -> Var:
    return Var([[0.5, -1.5, 2.0], [1.0, 0.25, -0.75]], "x")


# --- the chain rule -------------------------------------------------------------------------------------------------


def test_a_node_used_several_times_receives_the_sum_over_its_uses():
    u = Var(1.5)
    v = np.exp(u)
    out = v * v + u * v - v  # e^{2u} + u e^u − e^u, whose slope is 2 e^{2u} + u e^u
    grads = backward(out)
    assert_allclose(grads[u], 2 * math.exp(3) + 1.5 * math.exp(1.5), rtol=1e-15)
    assert_allclose(grads[v], 2 * math.exp(1.5) + 1.5 - 1, rtol=1e-15)
    assert grads[out] == 1


def test_paths_of_different_length_are_complete_before_they_go_on():
    u = Var(0.7)
    v = u
    for _ in range(5):
        v = v * u + u  # u feeds every step
    expected = np.polyval(np.polyder([1, 1, 1, 1, 1, 1, 0]), 0.7)
    assert_allclose(backward(v)[u], expected, rtol=1e-14)


def test_order_puts_each_node_behind_its_arguments():
    a = x()
    b = np.tanh(a) + a
    c = b * np.exp(a) + b
    order = topological_order(c)
    place = {node.birth: i for i, node in enumerate(order)}
    assert order[-1] is c
    assert all(place[p.birth] < place[node.birth] for node in order for p in node.parents)
    assert len(place) == len(order) == 6


def test_what_the_output_does_not_use_has_gradient_zero():
    a, other = x(), Var([1.0, 2.0])
    grads = backward(np.sum(a))
    assert_array_equal(grads[other], [0, 0])
    assert other not in grads
    assert a in grads


def test_a_chain_of_ten_thousand_nodes_stays_off_pythons_stack():
    u = v = Var(0.1)
    for _ in range(3400):  # of three nodes
        v = v * 0.999 + 1e-3 * u
    closed = 0.999**3400 + 1e-3 * (1 - 0.999**3400) / (1 - 0.999)
    assert_allclose(backward(v)[u], closed, rtol=1e-11)


def test_second_derivatives_of_a_deep_chain():
    def f(u):
        v = u
        for _ in range(1500):
            v = v + 1e-3 * np.sin(u)
        return v

    assert_allclose(gradient(lambda u: gradient(f, u), 0.5), -1.5 * math.sin(0.5), rtol=1e-12)


def test_dropping_the_output_frees_the_graph_without_the_garbage_collector():
    gc.disable()
    try:
        u = Var(np.ones(3))
        v = np.exp(u)
        dead = weakref.ref(v)
        out = v
        for _ in range(20_000):
            out = out + 1.0
        grads = backward(out, seed=np.ones(3))
        del out, v
        assert dead() is None
        assert_array_equal(grads[u], np.exp(np.ones(3)))
    finally:
        gc.enable()


def test_seed_weights_the_outputs():
    a = x()
    c = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]])
    assert_allclose(backward(a * a, c)[a], 2 * a.value * c, rtol=1e-15)


@pytest.mark.parametrize("seed", [1.0, np.ones(3), np.ones((3, 2))])
def test_a_seed_of_another_shape_is_refused(seed):
    with raises_naming(AutodiffError, "shape", "(2, 3)"):
        backward(x() * 2.0, seed)


def test_an_array_without_a_seed_is_refused():
    with raises_naming(AutodiffError, "shape", "(2, 3)", "one number"):
        backward(x() * 2.0)


def test_gradients_are_the_callers_to_write_in():
    a, b = Var([1.0, 2.0]), Var([3.0, 4.0])
    grads = backward(np.sum(a + b))
    grads[a][0] = 7
    assert_array_equal(grads[a], [1, 1])
    assert_array_equal(grads[b], [1, 1])


def test_a_variable_keeps_its_numbers_when_the_callers_array_changes():
    data = np.array([1.0, 2.0])
    a = Var(data)
    out = np.sum(a * a)
    data[:] = 0
    assert_array_equal(backward(out)[a], [2, 4])


def test_constants_keep_their_numbers_when_the_code_reuses_their_array():
    a, buffer, out = Var([1.0, 1.0]), np.empty(2), 0.0
    for scale in (2.0, 3.0):
        buffer[:] = scale
        out = out + np.sum(a * buffer)
    buffer[:] = 0
    assert_array_equal(backward(out)[a], [5, 5])


# --- conventions at kinks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "at", "slope"),
    [
        (lambda u: np.maximum(u, 0), 0.0, 0.0),
        (lambda u: np.maximum(0, u), 0.0, 0.0),
        (lambda u: np.maximum(np.zeros_like(u), u), 0.0, 0.0),
        (lambda u: np.minimum(u, 0), 0.0, 1.0),
        (lambda u: np.minimum(0, u), 0.0, 1.0),
        (lambda u: np.maximum(u, 0) + 0.1 * np.minimum(u, 0), 0.0, 0.1),
        (lambda u: np.maximum(u, 0) + np.expm1(np.minimum(u, 0)), 0.0, 1.0),
        (lambda u: np.where(u > 0, u, 0), 0.0, 0.0),
        (lambda u: u * (u > 0), 0.0, 0.0),
        (lambda u: np.where(u > 0, u, 0.1 * u), 0.0, 0.1),
        (lambda u: np.clip(u, -1, 1), 1.0, 0.0),
        (lambda u: np.clip(u, -1, 1), -1.0, 0.0),
        (lambda u: u.clip(min=-1, max=1), 0.999, 1.0),
        (np.abs, 0.0, 0.0),
        (lambda u: np.maximum(u, u), 0.0, 1.0),
        (lambda u: np.minimum(u, u), 3.0, 1.0),
        (lambda u: np.maximum(u, 0.2 * u), 0.0, 0.6),
        (lambda u: np.max(np.stack([u, u, u])), 2.0, 1.0),
        (lambda u: np.hypot(u, u), 0.0, 0.0),
        (lambda u: np.linalg.norm(np.stack([u, u])), 0.0, 0.0),
        (lambda u: np.std(np.stack([u, u])), 1.0, 0.0),
    ],
)
def test_slope_at_a_kink(f, at, slope):
    assert gradient(f, at) == slope


def test_the_largest_share_evenly():
    assert_array_equal(gradient(np.max, np.array([3.0, 1.0, 3.0, 3.0])), np.array([1, 0, 1, 1]) / 3)


@pytest.mark.parametrize("u", [1000.0, -1000.0, 0.5])
def test_the_branch_not_taken_cannot_spoil_the_gradient(u):
    def elu(u):
        with np.errstate(over="ignore"):
            return np.where(u > 0, u, np.exp(u) - 1)

    assert gradient(elu, u) == (1 if u > 0 else 0)


def test_a_log_of_zero_behind_a_zero_target_does_no_harm():
    y, p = np.array([1.0, 0.0]), np.array([0.5, 0.0])
    with np.errstate(divide="ignore", invalid="ignore"):
        grad = gradient(lambda p: -np.sum(np.where(y > 0, y * np.log(p), 0)), p)
    assert_array_equal(grad, [-2, 0])
    assert_array_equal(gradient(lambda p: -np.sum(sp.xlogy(y, p)), p), [-2, 0])


@pytest.mark.parametrize(("base", "exponent", "slope"), [(0.0, 1, 1.0), (0.0, 2, 0.0), (0.0, 0, 0.0), (-2.0, 3, 12.0)])
def test_power_at_zero(base, exponent, slope):
    assert gradient(lambda u: u**exponent, base) == slope


def test_power_of_zero_with_a_variable_exponent():
    assert_array_equal(gradient(lambda y: np.sum(np.array([0.0, 1.0]) ** y), np.array([2.0, 2.0])), [0, 0])


def test_a_true_infinity_shows():
    assert gradient(np.sqrt, 0.0) == np.inf


@pytest.mark.parametrize(("f", "slope"), [(np.tanh, 4 * math.exp(-80.0)), (sp.expit, math.exp(-40.0))])
def test_saturated_slopes_keep_their_digits(f, slope):
    assert_allclose(gradient(f, 40.0), slope, rtol=1e-13)
    assert_allclose(gradient(f, -40.0), slope, rtol=1e-13)
    assert gradient(f, 1e4) == 0


# --- precision ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_precision_is_kept(dtype):
    data = np.array([[0.5, -1.5], [1.25, 2.0]], dtype)
    grad = gradient(lambda w: np.sum(np.tanh(w @ w) * np.float64(0.5)) + np.mean(w), data)
    assert grad.dtype == dtype
    assert_allclose(grad.astype(float), gradient(lambda w: np.sum(np.tanh(w @ w)) / 2 + np.mean(w), data.astype(float)),
                    rtol=10 * float(np.finfo(dtype).eps) + 1e-15)  # fmt: skip


def test_lists_and_floats_become_float64():
    assert Var([1.0, 2.0]).dtype == Var(1.0).dtype == np.float64


def test_mixed_precision_gives_each_its_own():
    a, b = Var(np.ones(3, np.float32)), Var(np.ones(3))
    grads = backward(np.sum(a * b))
    assert grads[a].dtype == np.float32
    assert grads[b].dtype == np.float64


# --- arrays and scalars from NumPy on the left ----------------------------------------------------------------------


@pytest.mark.parametrize("left", [2, 2.0, np.float64(2), np.float32(2), np.array([2.0]), np.array([[2.0], [2.0]])])
def test_operators_with_numpys_own_on_the_left(left):
    a = x()
    out = left * a - left / a + left**a
    assert isinstance(out, Var)
    expected = 2 + 2 / a.value**2 + 2**a.value * math.log(2)
    assert_allclose(backward(np.sum(out))[a], expected, rtol=1e-6)


def test_a_var_looks_like_an_array():
    a = x()
    assert (a.shape, a.ndim, a.size, len(a), a.dtype) == ((2, 3), 2, 6, 2, np.float64)
    assert a.T.shape == a.mT.shape == (3, 2)
    assert [row.shape for row in a] == [(3,), (3,)]
    assert a.astype(np.float32).dtype == np.float32
    assert type(a.astype(int)) is np.ndarray
    assert a.argmax() == 2
    assert a.flatten().shape == (6,)
    assert a.copy() is a
    assert "name='x'" in repr(a)
    assert "from np.tanh" in repr(np.tanh(a))
    assert bool(Var(0.0)) is False
    assert Var(1.0).dtype.kind == "f"


@pytest.mark.parametrize(
    "call",
    [lambda a: a > 0, lambda a: a == a, lambda a: a <= 1.0, np.isfinite, np.isnan, np.argmax, np.argsort,
     np.sign, np.zeros_like, np.ones_like, np.shape, np.ndim,
     lambda a: np.allclose(a, a), lambda a: np.round(a), lambda a: a // 1.0],
)  # fmt: skip
def test_functions_without_a_slope_give_plain_values(call):
    a = x()
    out = call(a)
    if isinstance(out, Var):  # sign is recorded, with slope 0
        assert_array_equal(backward(out, np.ones(a.shape))[a], 0)
        out = out.value
    assert_array_equal(out, call(a.value))


# --- refusals: one line, the function and the remedy ----------------------------------------------------------------


def add_in_place(a):
    a += 1.0


def add_into_an_array(a):
    out = np.zeros((2, 3))
    out += a


def write(a):
    a[0] = 1.0


def write_into_an_array(a):
    out = np.zeros((2, 3))
    out[0, 0] = a[0, 0]


@pytest.mark.parametrize(
    ("call", "names", "remedy"),
    [
        (add_in_place, ("np.add",), ("x", "=", "+", "y")),
        (add_into_an_array, ("np.add",), ("x", "=", "+", "y")),
        (lambda a: np.exp(a, out=np.zeros((2, 3))), ("np.exp",), ("x", "=", "+", "y")),
        (lambda a: np.add.at(np.zeros(3), [0], a), ("np.add.at",), ("indexing",)),
        (lambda a: np.multiply.outer(a, a), ("np.multiply.outer",), ("write", "np.multiply")),
        (lambda a: np.add.reduceat(a, [0, 1]), ("np.add.reduceat",), ("write it with",)),
        (lambda a: np.subtract.reduce(a), ("np.subtract.reduce",), ("write it with",)),
        (write, ("x[i] = …",), ("np.where",)),
        (lambda a: gradient(write_into_an_array, a), ("plain",), ("np.stack",)),
        (lambda a: np.asarray(a), ("plain array",), ("leave", "np.asarray")),
        (lambda a: np.array([a, a]), ("plain array",), ("np.stack",)),
        (lambda a: math.exp(a[0, 0]), ("plain number",), ("np.exp",)),
        (lambda a: float(a[0, 0]), ("plain number",), ("value",)),
        (lambda a: np.ones(5)[Var(1.0)], ("plain array",), ()),
        (lambda a: np.sort(a), ("np.sort", "rule"), ("add", "line", "backlit.autodiff.RULES")),
        (lambda a: np.median(a), ("np.median", "rule"), ("RULES",)),
        (lambda a: np.linalg.inv(a @ a.T), ("np.linalg.inv", "rule"), ("RULES",)),
        (lambda a: sp.gamma(a), ("scipy.special.gamma", "rule"), ("RULES",)),
        (lambda a: np.modf(a), ("np.modf", "rule"), ("RULES",)),
        (lambda a: np.sum(a, where=a > 0), ("np.sum", "recorded", "arguments", "x", "axis", "keepdims"), ("where",)),
        (lambda a: np.sum(a, dtype=float), ("np.sum",), ("dtype",)),
        (lambda a: np.sum(a, initial=1.0), ("np.sum",), ("initial",)),
        (lambda a: np.exp(a, where=a.value > 0), ("np.exp",), ("where",)),
        (lambda a: np.mean(a, out=np.zeros(())), ("np.mean",), ("out",)),
        (lambda a: np.reshape(a, (3, 2), order="F"), ("np.reshape",), ("order",)),
        (lambda a: np.concatenate([a, a], dtype=float), ("np.concatenate",), ("dtype",)),
        (lambda a: np.where(a, a, 0.0), ("np.where", "slope", "argument", "1"), ("compare it first",)),
        (lambda a: np.ones(3)[None] * a[a], ("getitem", "slope", "argument", "2"), ("value",)),
        (lambda a: np.einsum("ii->i", a[:, :2]), ("np.einsum",), ("diagonal",)),
        (lambda a: np.einsum("...j->...", a), ("np.einsum",), ("letters",)),
        (lambda a: np.einsum(a, [0, 1]), ("np.einsum",), ("letters",)),
        (lambda a: np.dot(np.ones((2, 2, 3)), a.T), ("np.dot",), ("einsum",)),
        (lambda a: np.linalg.norm(a, 2), ("np.linalg.norm",), ("ord",)),
        (lambda a: np.linalg.norm(a, "nuc"), ("np.linalg.norm",), ("ord",)),
        (lambda a: np.squeeze(a, 0), ("np.squeeze",), ("length", "1")),
        (lambda a: a * 1j, ("np.multiply", "complex128"), ("real", "floats")),
        (lambda a: np.power(2.0, a, dtype=np.float32), ("np.power",), ("dtype",)),
        (lambda a: Var(a), ("Var",), ("use it as it is",)),
        (lambda a: Var(3), ("int64",), ("write", "2.0")),
        (lambda a: Var([True]), ("bool",), ("astype",)),
        (lambda a: Var(1j), ("complex128",), ("real", "floats")),
        (lambda a: Var("text"), ("<U4",), ("real", "floats")),
    ],
)  # fmt: skip
def test_what_cannot_be_recorded_is_refused_in_one_line(call, names, remedy):
    with raises_naming(AutodiffError, *names, *remedy):
        call(x())


def test_a_method_that_is_not_recorded_says_so():
    with raises_naming(AttributeError, "x.sort", "x.value.sort"):
        x().sort()
    with raises_naming(AttributeError, "foo"):
        x().foo()


def test_a_rule_that_gives_the_wrong_shape_is_named(monkeypatch):
    monkeypatch.setitem(RULES, np.exp, Rule("exp", "wrong", [lambda g, v, x: np.sum(g)]))
    a = x()
    with raises_naming(AutodiffError, "np.exp", "()", "argument", "(2, 3)"):
        backward(np.exp(a), np.ones((2, 3)))


def test_a_rule_can_be_added(monkeypatch):
    from backlit.autodiff import elementwise

    monkeypatch.setitem(RULES, np.sinc, elementwise("sinc", "…", lambda v, x: (np.cos(np.pi * x) - v) / x))
    h = 1e-5
    assert_allclose(gradient(np.sinc, 0.3), (np.sinc(0.3 + h) - np.sinc(0.3 - h)) / (2 * h), rtol=1e-8)
