"""Gradients of plain NumPy functions: of a whole computation, of an activation, of a loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np

from backlit.autodiff.draw import to_svg
from backlit.autodiff.graph import Gradients, Var, backward, topological_order
from backlit.autodiff.rules import AutodiffError

Array = np.ndarray


@dataclass(frozen=True)
class Graph:
    """What `record` returns: the output, and the Vars that stood in for the arguments.  Notebooks draw it."""

    output: Var
    inputs: tuple[Var, ...]

    @property
    def nodes(self) -> list[Var]:
        """All nodes on which the output depends, each behind its arguments."""
        return topological_order(self.output)

    def backward(self, seed: Any = None) -> Gradients:
        """The gradient of the output, or of ⟨seed, output⟩, with respect to every node."""
        return backward(self.output, seed)

    def draw(self, *, seed: Any = None, title: str | None = None) -> str:
        """The graph as SVG, values above and gradients below; see `to_svg`."""
        return to_svg(self.output, seed=seed, title=title)

    def _repr_svg_(self) -> str:
        return self.draw()


def record(f: Callable[..., Any], *args: Any) -> Graph:
    """Call f on Vars made from args, named as f names its parameters, and keep the graph.

    >>> graph = record(lambda w, x: np.tanh(w * x), 0.5, 2.0)
    >>> [node.name or node.rule.symbol for node in graph.nodes]
    ['w', 'x', '×', 'tanh']
    >>> graph.backward()[graph.inputs[0]]
    array(0.83994868)
    """
    return _trace(f, args, range(len(args)))


def _trace(f: Callable[..., Any], args: Sequence[Any], wrt: Sequence[int]) -> Graph:
    names = _names(f, len(args))
    variables = {i: _variable(args[i], names[i]) for i in wrt}
    output = _run(f, [variables.get(i, x) for i, x in enumerate(args)])
    if isinstance(output, tuple | list):
        raise AutodiffError(
            f"f must return one array, but returned {len(output)} values: return the one to differentiate"
        )
    if output is None:
        raise AutodiffError("f must return one array, but returned None: end it with return")
    if not isinstance(output, Var):  # f does not depend on its arguments: its gradient is 0
        output = Var(np.asarray(output, float))
    return Graph(output, tuple(variables[i] for i in wrt))


def _run(f: Callable[..., Any], args: Sequence[Any]) -> Any:
    """Call f; where NumPy hides our message behind its own, "setting an array element with a sequence", bring it up."""
    try:
        return f(*args)
    except (TypeError, ValueError) as error:
        cause = error.__cause__ or error.__context__
        if isinstance(cause, AutodiffError) and not isinstance(error, AutodiffError):
            raise cause from None
        raise


def _names(f: Callable[..., Any], n: int) -> list[str | None]:
    if isinstance(f, np.ufunc):  # older NumPy cannot say how it names them
        return [None] * n
    try:
        parameters = list(signature(f).parameters.values())
    except (TypeError, ValueError):  # a function written in C
        return [None] * n
    names: list[str | None] = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return (names + [None] * n)[:n]


def _variable(x: Any, name: str | None) -> Any:
    """A new variable; from a Var, one that remembers it, so that a gradient can be differentiated again."""
    return np.positive(x) if isinstance(x, Var) else Var(x, name)


def value_and_gradient(
    f: Callable[..., Any], *args: Any, wrt: int | Sequence[int] | None = None, seed: Any = None
) -> tuple[Any, Any]:
    """Compute f(*args) and its gradient with respect to the arguments, in their shapes and precision.

    f : a plain NumPy function that returns one number (or an array, with a seed of its shape: then the gradient is that
        of ⟨seed, f⟩).
    wrt : which arguments, by index: an int, several, or None for all; the others are passed on untouched.
    Returns the value, and one array if there is one argument or wrt is an int, else a tuple.

    Raises AutodiffError where f does something that has no rule, naming it and what to write instead.

    >>> value, (grad_w, grad_b) = value_and_gradient(lambda w, b: np.sum((w * 3.0 + b) ** 2), 1.0, [0.0, 1.0])
    >>> value, grad_w, grad_b
    (np.float64(25.0), np.float64(42.0), array([6., 8.]))

    Called on a Var, it records itself, and so gives second derivatives:

    >>> gradient(lambda x: gradient(lambda y: y**3, x), 2.0)
    np.float64(12.0)
    """
    indices = range(len(args)) if wrt is None else [wrt] if isinstance(wrt, int) else wrt
    graph = _trace(f, args, [i % len(args) for i in indices])
    again = _depends_on_others(graph)
    bars = backward(graph.output, seed, record=again)
    grads = tuple(_plain(bars[x]) for x in graph.inputs)
    _fix(graph)
    value = graph.output if again else graph.output.value[()]
    return value, grads[0] if len(args) == 1 or isinstance(wrt, int) else grads


def gradient(f: Callable[..., Any], *args: Any, wrt: int | Sequence[int] | None = None, seed: Any = None) -> Any:
    """Compute the gradient of f at args: `value_and_gradient` without the value.

    >>> gradient(lambda x: np.sum(np.exp(x) * x), np.array([0.0, 1.0]))
    array([1.        , 5.43656366])
    """
    return value_and_gradient(f, *args, wrt=wrt, seed=seed)[1]


def _depends_on_others(graph: Graph) -> bool:
    """Whether a variable of an outer gradient is in the graph; then this gradient must be recorded too."""
    own = {x.birth for x in graph.inputs} | {graph.output.birth}
    return any(node.func is None and not node.fixed and node.birth not in own for node in graph.nodes)


def _fix(graph: Graph) -> None:
    for x in graph.inputs:
        x.fixed = True


def _plain(x: Any) -> Any:
    return x if isinstance(x, Var) else x[()]


def derivative(phi: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Make φ', a plain NumPy function, from φ, a NumPy function that acts on each number by itself.

    At a kink it gives what backlit.autodiff.rules says: relu'(0) = 0.  It can be applied to its own result: φ''.

    Raises AutodiffError, when called, if φ changes the shape or one number's value depends on another's.

    >>> swish = lambda u: u / (1 + np.exp(-u))
    >>> derivative(swish)(np.array([-1.0, 0.0, 1.0]))
    array([0.07232949, 0.5       , 0.92767051])
    >>> round(derivative(derivative(np.tanh))(0.5), 9)
    np.float64(-0.726861981)
    """

    def slope(u: Any) -> Any:
        u = u if isinstance(u, Var) else _floats(u)
        graph = _trace(phi, (u,), [0])
        if graph.output.shape != np.shape(u):
            raise AutodiffError(
                f"φ must keep the shape, but made {graph.output.shape} from {np.shape(u)}: apply it to each number"
            )
        [slopes] = _vjp(graph, np.ones(graph.output.shape))
        if not all(node.func is None or node.rule.elementwise for node in graph.nodes):  # type: ignore[union-attr]  # a func has one
            probe = _probe(graph.output.shape)
            if not _close(_vjp(graph, probe)[0], probe * slopes):
                raise AutodiffError(
                    "φ must act on each number by itself, but one value depends on another number: "
                    "a softmax or a norm is not an activation with a slope φ'(u)"
                )
        _fix(graph)
        return _plain(slopes)

    slope.__name__ = slope.__qualname__ = f"derivative_of_{getattr(phi, '__name__', 'phi')}"
    slope.__doc__ = f"The derivative of {getattr(phi, '__name__', 'phi')}, at each number of u."
    return slope


def value_and_slope(loss: Callable[[Any, Any], Any]) -> Callable[[Any, Any], tuple[Array, Array]]:
    """Make a function (a, y) -> (ℓ, ∂ℓ/∂a) from a loss per example, a plain NumPy function loss(a, y).

    a : (m, n_L) outputs.  y : the targets, whatever the loss expects.  Returns ℓ, (m,), and ∂ℓ_i/∂a_i, (m, n_L).

    Raises AutodiffError, when called, if the loss does not return one number per example, or if one example's loss
    depends on another example (a loss already averaged over the batch does, and would hide 1/m in the slope).

    >>> log_cosh = value_and_slope(lambda a, y: np.sum(np.log(np.cosh(a - y)), axis=1))
    >>> log_cosh(np.array([[1.0, 2.0]]), np.array([[1.0, 1.0]]))
    (array([0.43378083]), array([[0.        , 0.76159416]]))
    """

    def value_and_slope_of_loss(a: Any, y: Any) -> tuple[Array, Array]:
        a = _floats(a)
        graph = _trace(lambda a: loss(a, y), (a,), [0])
        if graph.output.shape != a.shape[:1]:
            raise AutodiffError(
                f"a loss gives one number per example, shape {a.shape[:1]}, but gave {graph.output.shape}: "
                "sum over the outputs (axis=1), not over the examples"
            )
        [slopes] = _vjp(graph, np.ones(graph.output.shape))
        probe = _probe(graph.output.shape)
        if not _close(_vjp(graph, probe)[0], probe.reshape(-1, *[1] * (a.ndim - 1)) * slopes):
            raise AutodiffError("one example's loss depends on another example's output: compute each row by itself")
        return graph.output.value, slopes

    return value_and_slope_of_loss


def _floats(x: Any) -> Array:
    """Let whole numbers be points at which a slope is taken."""
    x = np.asarray(x)
    return x.astype(float) if x.dtype.kind in "iub" else x


def _vjp(graph: Graph, seed: Array) -> list[Any]:
    bars = backward(graph.output, seed, record=_depends_on_others(graph))
    return [bars[x] for x in graph.inputs]


def _probe(shape: tuple[int, ...]) -> Array:
    """Uneven weights of both signs: with them the effects of one number on another cannot cancel."""
    return np.random.default_rng(0).uniform(0.5, 1.5, shape) * np.where(
        np.arange(np.prod(shape)).reshape(shape) % 2, -1, 1
    )


def _close(x: Any, y: Any) -> bool:
    x, y = (v.value if isinstance(v, Var) else v for v in (x, y))
    tolerance = 1e3 * np.finfo(x.dtype).eps
    return bool(np.allclose(x, y, rtol=tolerance, atol=tolerance * np.max(np.abs(y), initial=0), equal_nan=True))
