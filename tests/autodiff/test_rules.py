"""Every rule against the complex step and central differences, from one table: a new primitive is a new row."""
# ruff: noqa: E501  (the table is read by rows)

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import scipy.special as sp
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from tests.helpers import quick_first, raises_naming
from tests.strategies import draws

from backlit.autodiff import RULES, AutodiffError, Rule, elementwise, gradient, record, steps, value_and_gradient
from backlit.autodiff.composites import COMPOSITES
from backlit.autodiff.rules import SPECIAL

# --- samples: seeded, uneven, no number twice -----------------------------------------------------------------------


def between(low: float, high: float, *shape: int, seed: int = 0) -> np.ndarray:
    return np.asarray(np.random.default_rng([seed, *shape]).uniform(low, high, shape))


def signed(*shape: int, seed: int = 0) -> np.ndarray:
    """Numbers of both signs with magnitudes in 0.3 … 1.7: away from the kinks at 0."""
    rng = np.random.default_rng([seed, *shape])
    return np.asarray(rng.uniform(0.3, 1.7, shape) * rng.choice([-1.0, 1.0], shape))


def positive(*shape: int, seed: int = 0) -> np.ndarray:
    return between(0.3, 1.7, *shape, seed=seed)


@dataclass(frozen=True)
class Row:
    """A primitive, a call of it, and where.  analytic: it takes complex numbers; twice: it can be differentiated twice."""

    function: Any
    call: Callable[..., Any]
    args: tuple[np.ndarray, ...]
    analytic: bool = True
    twice: bool = True


def one(function: Any, *args: np.ndarray, **flags: bool) -> Row:
    return Row(function, function, args, **flags)


x23, y23, x3, x21 = signed(2, 3), signed(2, 3, seed=1), signed(3), signed(2, 1)
CUBE = signed(2, 3, 4)
ZEROS = np.array([[2.0, 0.0, 3.0], [0.0, 0.0, 1.5]])  # a product with one and with two zeros
COND = np.array([[True, False, True], [False, False, True]])

ROWS = [
    # Arithmetic, with the shapes that broadcast
    *(one(f, *xy) for f in (np.add, np.subtract, np.multiply, np.divide) for xy in
      [(x23, y23), (x23, x3), (x3, x23), (x21, x3), (signed(), x23), (x23, signed(1, 1)), (signed(2, 1, 3), x21)]),
    one(np.power, positive(2, 3), x3), one(np.power, positive(3), signed(2, 1)),
    Row(np.power, lambda x: x**3, (x23,)), Row(np.power, lambda x: 1.7**x, (x23,)),
    Row(np.power, lambda x: x ** np.array([0, 1, 2]), (x23,)),
    one(np.float_power, positive(2, 3), x3),
    one(np.remainder, between(5.1, 5.4, 2, 3), between(2.1, 2.4, 3), analytic=False),
    one(np.negative, x23), one(np.positive, x23), one(np.reciprocal, x23), one(np.square, x23),
    one(np.sqrt, positive(2, 3)), one(np.cbrt, x23, analytic=False),
    Row(steps.cast, lambda x: x.astype(np.longdouble) * 2.0, (x23,), analytic=False),
    # Exponentials and logarithms
    *(one(f, x23) for f in (np.exp, np.exp2, np.expm1)),
    *(one(f, positive(2, 3)) for f in (np.log, np.log2, np.log10)), one(np.log1p, between(-0.7, 2, 2, 3)),
    one(np.logaddexp, x23, x3, analytic=False),
    # Circles and hyperbolas
    *(one(f, x23) for f in (np.sin, np.cos, np.tanh, np.sinh, np.cosh, np.arctan, np.arcsinh)),
    one(np.tan, between(-1.2, 1.2, 2, 3)),
    *(one(f, between(-0.8, 0.8, 2, 3)) for f in (np.arcsin, np.arccos, np.arctanh)),
    one(np.arccosh, between(1.3, 3, 2, 3)),
    one(np.arctan2, x23, x3, analytic=False), one(np.hypot, x23, x3, analytic=False),
    # Kinks and steps, away from the kink
    *(one(f, x23, analytic=False) for f in (np.absolute, np.fabs, np.sign, np.floor, np.ceil, np.rint, np.trunc)),
    one(np.maximum, x23, x3, analytic=False), one(np.minimum, x23, x3, analytic=False),
    Row(np.maximum, lambda x: np.maximum(x, 0.1), (x23,), analytic=False),
    Row(np.minimum, lambda x: np.minimum(np.array([[0.5], [0.1]]), x), (x3,), analytic=False),
    Row(np.clip, lambda x: np.clip(x, -0.8, 0.9), (x23,), analytic=False),
    Row(np.clip, lambda x, low: np.clip(x, low, None), (x23, signed(3, seed=5)), analytic=False),
    Row(np.heaviside, lambda x, h: np.heaviside(np.where(COND, 0.0, x), h), (x23, x3), analytic=False),
    Row(np.where, lambda x, y: np.where(COND, x, y), (x23, x3)),
    Row(np.where, lambda x: np.where(x > 0, x * x, -x), (x23,)),
    # Reductions
    *(Row(f, lambda x, f=f, axis=axis, keepdims=keepdims: f(x, axis=axis, keepdims=keepdims), (x,),
          analytic=f in (np.sum, np.mean, np.prod), twice=f is not np.prod)
      for f in (np.sum, np.mean, np.max, np.min, np.amax, np.amin, np.prod, np.var, np.std)
      for x, axis, keepdims in [(x23, None, False), (x23, 0, False), (x23, -1, True), (CUBE, (0, 2), False), (x3, 0, True)]),
    Row(np.var, lambda x: np.var(x, axis=1, ddof=1), (x23,), analytic=False),
    Row(np.std, lambda x: np.std(x, 0, ddof=0.5), (x23,), analytic=False),
    *(Row(np.prod, lambda x, axis=axis: np.prod(x, axis=axis), (x,), twice=False) for x in (ZEROS, CUBE) for axis in (None, 1)),
    *(Row(np.cumsum, lambda x, axis=axis: np.cumsum(x, axis), (CUBE,)) for axis in (None, 0, 1, -1)),
    *(Row(np.diff, lambda x, n=n: np.diff(x, n, axis=1), (CUBE,)) for n in (1, 2)),
    Row(np.average, lambda x, w: np.average(x, weights=w), (x23, positive(2, 3))),
    Row(np.average, lambda x, w: np.average(x, axis=1, weights=w), (x23, positive(3))),
    Row(np.average, lambda x: np.average(x, axis=0), (x23,)),
    *(Row(np.linalg.norm, lambda x, axis=axis: np.linalg.norm(x, axis=axis, keepdims=True), (CUBE,), analytic=False)
      for axis in (None, 0, -1, (0, 2))),
    *(Row(np.linalg.norm, lambda x, ord=ord: np.linalg.norm(x, ord, axis=1), (x23,), analytic=False) for ord in (1, 2, np.inf)),
    Row(np.linalg.norm, lambda x: np.linalg.norm(x, "fro"), (x23,), analytic=False),
    # Linear algebra: vectors, matrices, stacks
    *(one(np.matmul, signed(*a), signed(*b, seed=1)) for a, b in
      [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4)), ((5, 2, 3), (5, 3, 4)), ((5, 1, 2, 3), (2, 3, 4)),
       ((2, 3), (5, 3, 4)), ((5, 2, 3), (3,)), ((3,), (5, 3, 2)), ((1, 1), (1, 1))]),
    *(one(np.dot, signed(*a), signed(*b, seed=1)) for a, b in
      [((3,), (3,)), ((2, 3), (3, 4)), ((), (2, 3)), ((2, 3), ()), ((5, 2, 3), (3,))]),
    *(one(np.inner, signed(*a), signed(*b, seed=1)) for a, b in [((3,), (3,)), ((2, 3), (4, 3)), ((2, 3), (3,))]),
    one(np.outer, x3, signed(2, 2)), Row(np.vecdot, np.vecdot, (x23, x3), analytic=False),
    *(Row(np.einsum, lambda *xs, s=s: np.einsum(s, *xs), tuple(signed(*shape, seed=i) for i, shape in enumerate(shapes)))
      for s, shapes in [("ij,jk->ik", [(2, 3), (3, 4)]), ("bij, bjk -> bik", [(5, 2, 3), (5, 3, 4)]), ("ij->j", [(2, 3)]),
                        ("ij->", [(2, 3)]), ("ij,j", [(2, 3), (3,)]), ("i,j->ji", [(2,), (3,)]), ("ij,ik,il->jkl", [(2, 3), (2, 4), (2, 2)]),
                        ("ij,kl->il", [(2, 3), (4, 2)]), ("ij,ij->ij", [(1, 3), (2, 3)])]),
    # Shape
    Row(np.reshape, lambda x: np.reshape(x, (3, -1)), (CUBE,)), Row(np.reshape, lambda x: x.reshape(4, 6), (CUBE,)),
    Row(np.transpose, lambda x: x.T, (CUBE,)), Row(np.transpose, lambda x: np.transpose(x, (1, 2, 0)), (CUBE,)),
    Row(np.transpose, lambda x: x.transpose(2, 0, -2), (CUBE,)),
    Row(np.broadcast_to, lambda x: np.broadcast_to(x, (4, 2, 3)), (x21,)),
    Row(np.copy, lambda x: np.copy(x) * 2.0, (x23,)), Row(np.real, lambda x: np.real(x) * x.real, (x23,), analytic=False),
    Row(np.ravel, lambda x: x.ravel(), (CUBE,)), Row(np.ravel, np.ravel, (CUBE,)),
    Row(np.squeeze, np.squeeze, (signed(2, 1, 3, 1),)), Row(np.squeeze, lambda x: np.squeeze(x, 1), (signed(2, 1, 3, 1),)),
    Row(np.expand_dims, lambda x: np.expand_dims(x, (0, -1)), (x23,)),
    Row(np.swapaxes, lambda x: x.swapaxes(0, -1), (CUBE,)), one(np.matrix_transpose, CUBE),
    Row(np.moveaxis, lambda x: np.moveaxis(x, 0, -1), (CUBE,)), Row(np.moveaxis, lambda x: np.moveaxis(x, (2, 0), (0, 1)), (CUBE,)),
    one(np.atleast_1d, signed()), one(np.atleast_2d, x3), one(np.atleast_2d, CUBE),
    *(Row(np.concatenate, lambda *xs, axis=axis: np.concatenate(xs, axis), (CUBE, signed(2, 3, 4, seed=1), CUBE + 1)) for axis in (None, 0, 1, -1)),
    Row(np.concatenate, lambda x, y: np.concatenate([x, np.ones((1, 3)), y]), (x23, signed(4, 3))),
    *(Row(np.stack, lambda *xs, axis=axis: np.stack(xs, axis), (x23, y23)) for axis in (0, 1, -1)),
    Row(np.hstack, lambda x, y: np.hstack([x, y]), (x23, x21)), Row(np.hstack, lambda x, y: np.hstack([x, y]), (x3, signed(2))),
    Row(np.vstack, lambda x, y: np.vstack([x, y]), (x23, x3)), Row(np.column_stack, lambda x, y: np.column_stack([x, y]), (x3, signed(3, 2))),
    # Indexing
    *(Row(steps.getitem, lambda x, key=key: x[key], (CUBE,)) for key in
      [0, -1, slice(1, None), (slice(None), 1), (..., None, 2), (slice(None, None, -1), slice(0, 3, 2)), (0, 1, 2), None,
       [1, 0, 1, 1], (np.array([0, 1, 1, 0]), np.array([2, 0, 0, 2])), (slice(None), np.array([[0, 2], [2, 2]])), CUBE > 0, (1, CUBE[0] > 0)]),
    Row(steps.scatter, lambda x: gradient(lambda z: np.sum(x * z[[0, 2, 2]]), np.ones(4)), (x3,), analytic=False),
    Row(np.take, lambda x: np.take(x, [1, 1, 0], axis=1), (CUBE,)), Row(np.take, lambda x: x.take([[1, 7], [1, 0]]), (CUBE,)),
    Row(np.take_along_axis, lambda x: np.take_along_axis(x, np.array([[2], [0]]), 1), (x23,)),
    Row(np.take_along_axis, lambda x: np.take_along_axis(x, np.array([[1, 0, 1]]), 0), (x23,)),
    Row(np.flip, np.flip, (CUBE,)), Row(np.flip, lambda x: np.flip(x, (0, -1)), (CUBE,)),
    Row(np.roll, lambda x: np.roll(x, 2, 1), (CUBE,)), Row(np.roll, lambda x: np.roll(x, -1), (x23,)),
    Row(np.repeat, lambda x: np.repeat(x, 2), (x23,)), Row(np.repeat, lambda x: x.repeat([1, 0, 3], axis=1), (x23,)),
    # Ufunc methods
    Row(np.sum, lambda x: np.add.reduce(x), (x23,)), Row(np.sum, lambda x: np.add.reduce(x, axis=1, keepdims=True), (x23,)),
    Row(np.prod, lambda x: np.multiply.reduce(x, axis=None), (x23,), twice=False), Row(np.cumsum, lambda x: np.add.accumulate(x, 1), (x23,)),
    Row(np.max, lambda x: np.maximum.reduce(x, axis=1), (x23,), analytic=False), Row(np.min, lambda x: np.minimum.reduce(x), (x23,), analytic=False),
    # scipy.special
    *(one(f, x23) for f in (sp.erf, sp.erfc, sp.erfcx, sp.ndtr, sp.log_ndtr)),
    *(one(f, 3 * x23, analytic=False) for f in (sp.expit, sp.log_expit)), one(sp.logit, between(0.1, 0.9, 2, 3), analytic=False),
    one(sp.xlogy, x23, positive(3)), one(sp.xlog1py, x23, positive(3)), one(sp.entr, positive(2, 3), analytic=False),
    one(sp.rel_entr, positive(2, 3), positive(3), analytic=False), one(sp.kl_div, positive(2, 3), positive(3), analytic=False),
    Row(sp.huber, lambda r: sp.huber(0.85, r), (x23,), analytic=False),
]  # fmt: skip


def row_id(row: Row) -> str:
    return f"{row.function.__name__}-{'-'.join('x'.join(map(str, x.shape)) or 'number' for x in row.args)}"


every_row = pytest.mark.parametrize("row", ROWS, ids=row_id)

# --- the checker ----------------------------------------------------------------------------------------------------


def cotangent(shape: tuple[int, ...], seed: int = 7) -> np.ndarray:
    """Uneven weights of both signs; all ones would be blind where gradients cancel."""
    return signed(*shape, seed=seed)


def moved(args: tuple, i: int, place: tuple, by: complex) -> list[np.ndarray]:
    shifted = [x.astype(np.result_type(x, by)) for x in args]
    shifted[i][place] += by
    return shifted


def slopes(f: Callable[..., Any], args: tuple, c: np.ndarray, slope: Callable) -> list[np.ndarray]:
    """∂⟨c, f⟩/∂args, number by number."""
    grads = [np.zeros(x.shape) for x in args]
    for i, grad in enumerate(grads):
        for place in np.ndindex(grad.shape):
            grad[place] = slope(lambda by, i=i, place=place: np.sum(c * np.asarray(f(*moved(args, i, place, by)))))
    return grads


def complex_step(value: Callable[[complex], Any]) -> float:
    return value(1e-30j).imag / 1e-30


def central(value: Callable[[float], Any], h: float = 2e-3) -> float:
    """Central differences, the h² and h⁴ terms taken out (Richardson)."""
    d = [(value(h / 2**k) - value(-h / 2**k)) / (2 * h / 2**k) for k in range(3)]
    d = [(4 * b - a) / 3 for a, b in pairwise(d)]
    return (16 * d[1] - d[0]) / 15


def check(f: Callable[..., Any], args: tuple, *, analytic: bool) -> None:
    c = cotangent(np.shape(f(*args)))
    value, grads = value_and_gradient(f, *args, wrt=range(len(args)), seed=c)
    assert_allclose(value, f(*args), rtol=1e-15)
    for method, tolerance in [(central, 3e-10)] + [(complex_step, 4e-14)] * analytic:
        for grad, x, expected in zip(
            grads if len(args) > 1 else (grads,), args, slopes(f, args, c, method), strict=True
        ):
            assert grad.shape == x.shape
            assert grad.dtype == x.dtype
            assert_allclose(grad, expected, rtol=tolerance, atol=tolerance * max(1, np.abs(expected).max(initial=0)))


@every_row
def test_rule_is_the_slope(row):
    check(row.call, row.args, analytic=row.analytic)


FIRST = [row for k, row in enumerate(ROWS) if row.function not in [before.function for before in ROWS[:k]]]
OTHERS = [row for row in ROWS if not any(row is first for first in FIRST)]


@pytest.mark.parametrize("row", quick_first([*FIRST, *OTHERS], len(FIRST)), ids=row_id)
def test_rule_can_be_differentiated_again_or_says_that_it_cannot(row):
    c = cotangent(np.shape(row.call(*row.args)))
    weights = [cotangent(x.shape, seed=11) for x in row.args]

    def weighted_gradient(*args):
        grads = gradient(row.call, *args, wrt=range(len(args)), seed=c)
        return sum(np.sum(w * g) for w, g in zip(weights, grads if len(args) > 1 else (grads,), strict=True))

    if row.twice:
        check(weighted_gradient, row.args, analytic=False)
    else:
        with raises_naming(AutodiffError, "rule", "derivative"):
            gradient(weighted_gradient, *row.args)


def noting(used, function, composite):
    """The composite, which adds its function to `used` when it is called."""

    def noted(*args, **options):
        used.add(function)
        return composite(*args, **options)

    return noted


def test_the_table_has_a_row_for_every_primitive_and_composite(monkeypatch):
    used = set()
    for function, composite in COMPOSITES.items():
        monkeypatch.setitem(COMPOSITES, function, noting(used, function, composite))
    for row in ROWS:
        graph = record(row.call, *row.args)
        primitives = {node.func for node in graph.nodes}
        used |= primitives
        assert row.function in used or SPECIAL.get(row.function.__name__)
    names = {getattr(f, "__name__", None) for f in used}
    assert set(RULES) | set(COMPOSITES) <= used
    assert set(SPECIAL) <= names


# --- test the tester ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", quick_first([*FIRST, *OTHERS], len(FIRST)), ids=row_id)
def test_a_planted_error_in_any_vjp_is_noticed(row, monkeypatch):
    """Each VJP that a row uses, off by 1e-6 of an uneven pattern, must fail the row."""

    def off(vjp):
        def wrong(g, v, *args, **options):
            bar = vjp(g, v, *args, **options)
            return bar + 1e-6 * cotangent(np.shape(bar), seed=13)

        return wrong

    used = {node.func: node.rule for node in record(row.call, *row.args).nodes if node.func}
    for func, rule in used.items():
        broken = Rule(rule.symbol, rule.formula, Broken(rule, off), rule.elementwise)
        broken.__dict__["signature"] = rule.signature
        table, key = (RULES, func) if func in RULES else (SPECIAL, func.__name__)
        with monkeypatch.context() as patch:
            patch.setitem(table, key, broken)
            with pytest.raises(AssertionError, match="Not equal to tolerance"):
                check(row.call, row.args, analytic=row.analytic)


class Broken:
    def __init__(self, rule, off):
        self.rule, self.off = rule, off

    def __getitem__(self, i):
        vjp = self.rule.vjps[i]
        return vjp and self.off(vjp)


@pytest.mark.parametrize(
    ("function", "wrong", "sample"),
    [
        (np.tanh, lambda v, x: 1 - x * x, x23),  # fed with z in place of a
        (np.sqrt, lambda v, x: 2 / v, positive(3)),
        (np.exp, lambda v, x: x, x23),
        (np.cos, lambda v, x: np.sin(x), x23),
    ],
)
def test_textbook_slips_are_noticed(function, wrong, sample, monkeypatch):
    monkeypatch.setitem(RULES, function, elementwise("wrong", "wrong", wrong))
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check(function, (sample,), analytic=True)


def test_a_softmax_that_ones_cannot_see_is_seen_by_signed_weights(monkeypatch):
    """Σ_k p_k = 1, so with weights of all ones the gradient is 0 whatever the exponential's rule says."""

    def softmax(z):
        e = np.exp(z)
        return e / np.sum(e, axis=1, keepdims=True)

    right = gradient(softmax, x23, seed=np.ones((2, 3)))
    monkeypatch.setitem(RULES, np.exp, Rule("exp", "wrong", [lambda g, v, x: 2 * g * v]))
    assert_allclose(gradient(softmax, x23, seed=np.ones((2, 3))), right, atol=1e-15)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check(softmax, (x23,), analytic=True)


# --- any shape ------------------------------------------------------------------------------------------------------

few = draws(40)


@few
@given(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3, min_side=0))
def test_broadcasting_of_any_shapes(shapes):
    x, y, z = (signed(*shape, seed=i) for i, shape in enumerate(shapes.input_shapes))
    check(lambda x, y, z: np.where(x > 0, x * y, z / y) - x, (x, y, z), analytic=False)


@few
@given(hnp.mutually_broadcastable_shapes(signature=np.matmul.signature, max_dims=2, max_side=3))
def test_matmul_of_any_shapes(shapes):
    check(np.matmul, tuple(signed(*s, seed=i) for i, s in enumerate(shapes.input_shapes)), analytic=True)


@few
@given(st.data(), st.sampled_from([np.sum, np.mean, np.max, np.min, np.prod, np.var, np.linalg.norm]), st.booleans())
def test_reduction_over_any_axes(data, function, keepdims):
    shape = data.draw(hnp.array_shapes(max_dims=3, max_side=3))
    axes = hnp.valid_tuple_axes(len(shape), min_size=1)
    if function is np.linalg.norm:
        axes = axes.filter(lambda axis: len(axis) < 3)
    axis = data.draw(st.none() | st.integers(-len(shape), len(shape) - 1) | axes)
    check(lambda x: function(x, axis=axis, keepdims=keepdims), (signed(*shape),), analytic=False)


@few
@given(st.data())
def test_indexing_with_anything(data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=4))
    key = data.draw(
        hnp.basic_indices(shape, allow_newaxis=True)
        | hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2, max_side=5))
        | hnp.arrays(bool, shape)
    )
    check(lambda x: x[key] * 2.0, (signed(*shape),), analytic=True)


def test_scipy_is_not_imported_by_the_tape():
    code = "import sys, backlit.autodiff; sys.exit('scipy.special' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
