"""The computational graph: how NumPy's work is recorded, and how the chain rule walks back through it.

*Recording.*  A `Var` looks like an array.  NumPy asks each argument of a function whether it wants to take the call
over (`__array_ufunc__`, `__array_function__`); a Var does: it lets NumPy compute the value and returns a new Var that
remembers the function and its arguments.  So plain NumPy code, run on Vars, draws its own graph.

*Going back.*  C is the output, v̄ = ∂C/∂v.  Start with C̄ = 1 and visit the nodes so that each comes after all of the
nodes that used it.  Its v̄ is then complete, and its rule hands each argument x its part:

    x̄ = Σ over the nodes v that use x of (∂v/∂x)ᵀ v̄                                                   the chain rule
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import count
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from backlit.autodiff.composites import COMPOSITES, PLAIN, REDUCTIONS
from backlit.autodiff.rules import AutodiffError, Rule, rule_of
from backlit.autodiff.steps import cast, getitem, is_recorded

_births = count()


class Var(NDArrayOperatorsMixin):
    """A node of the graph: a real floating-point array and how it was computed.

    value : array of real floating-point numbers, copied; a list or a float becomes float64.
    name : what the drawing calls it.
    func, args, options : the call that made it; func is None for a leaf, whose value was given.
    fixed : whether it is a leaf of a gradient that is finished: for an outer gradient it is a constant then.
    birth : a running number.  A node is born after its arguments, so births in order are a topological order.

    Raises AutodiffError for integers (they have no neighborhood in which to take a slope) and complex numbers.

    >>> x = Var([3.0, 4.0], name="x")
    >>> length = np.sqrt(x @ x)
    >>> length.value
    array(5.)
    >>> backward(length)[x]
    array([0.6, 0.8])
    """

    __slots__ = ("__weakref__", "args", "birth", "fixed", "func", "name", "options", "value")

    def __init__(self, value: Any, name: str | None = None):
        if isinstance(value, Var):
            raise AutodiffError("Var takes numbers, but got a Var: use it as it is")
        self._fill(require_real(np.array(value), name or "the variable"), None, (), {}, name)

    def _fill(self, value: np.ndarray, func: Any, args: tuple, options: Mapping[str, Any], name: str | None) -> None:
        self.value, self.func, self.args, self.options, self.name = value, func, args, options, name
        self.birth, self.fixed = next(_births), False

    @classmethod
    def _computed(cls, value: np.ndarray, func: Any, args: tuple, options: Mapping[str, Any]) -> Var:
        node = cls.__new__(cls)
        node._fill(value, func, args, options, None)
        return node

    @property
    def rule(self) -> Rule | None:
        """The rule of the primitive that made the node; None for a leaf."""
        return None if self.func is None else rule_of(self.func)

    @property
    def parents(self) -> list[Var]:
        """The Vars among the arguments, in order; one that is used twice stands here twice."""
        return [x for x in self.args if isinstance(x, Var)]

    # -- what NumPy asks for

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **options: Any) -> Any:
        if "out" in options:
            raise AutodiffError(
                f"{title(ufunc)} was told to write in place (out=, or += and its kin), which would lose the value "
                "that the gradient needs: write x = x + y instead"
            )
        if method == "__call__":
            return apply(ufunc, args, options)
        if (ufunc, method) in REDUCTIONS:
            return apply(REDUCTIONS[ufunc, method], args, {"axis": 0, **options})
        raise AutodiffError(
            f"{title(ufunc)}.{method} cannot be differentiated: write it with {title(ufunc)}, indexing and sums"
        )

    def __array_function__(self, func: Callable[..., Any], types: Any, args: tuple, options: dict[str, Any]) -> Any:
        return apply(func, args, options)

    def __array__(self, *args: Any, **options: Any) -> np.ndarray:
        raise AutodiffError(
            "a recorded variable cannot become a plain array, which would cut the graph: leave out np.asarray and "
            "np.array, build arrays with np.stack, np.concatenate or np.where, or take .value for a constant"
        )

    def _no_number(self) -> Any:
        raise AutodiffError(
            "a recorded variable cannot become a plain number, which would cut the graph: use NumPy's functions "
            "(np.exp, not math.exp), build arrays with np.stack, or take .value for a constant"
        )

    __float__ = __int__ = __complex__ = __index__ = _no_number

    def __setitem__(self, key: Any, value: Any) -> None:
        raise AutodiffError(
            "x[i] = … writes in place, which would lose the value that the gradient needs: use np.where, np.stack or "
            "np.concatenate"
        )

    def __getattr__(self, name: str) -> Any:
        if hasattr(np.ndarray, name) and not name.startswith("__"):
            raise AttributeError(
                f"x.{name} is not recorded: use np functions that backlit.autodiff.RULES lists, or x.value.{name}"
            )
        raise AttributeError(f"'Var' object has no attribute '{name}'")

    # -- what code does with arrays

    shape = property(lambda self: self.value.shape)
    ndim = property(lambda self: self.value.ndim)
    size = property(lambda self: self.value.size)
    dtype = property(lambda self: self.value.dtype)
    T = property(lambda self: np.transpose(self))
    mT = property(lambda self: np.swapaxes(self, -1, -2))
    real = property(lambda self: self)

    def __len__(self) -> int:
        return len(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __getitem__(self, key: Any) -> Var:
        return getitem(self, key)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        name = f", name={self.name!r}" if self.name else ""
        made = f" from {title(self.func)}" if self.func else ""
        return f"<Var {np.array2string(self.value, threshold=20)}{name}{made}>"

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        """The numbers in another precision; in integers they are no longer variables, and a plain array comes back."""
        return cast(self, dtype) if np.dtype(dtype).kind == "f" else self.value.astype(dtype)

    def reshape(self, *shape: Any) -> Any:
        """As np.reshape."""
        return np.reshape(self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Any:
        """As np.transpose."""
        return np.transpose(self, (axes[0] if len(axes) == 1 else axes) or None)

    def flatten(self) -> Any:
        """As np.ravel."""
        return np.ravel(self)

    def copy(self) -> Any:
        """Itself: nothing is written in place, so that nothing needs a copy."""
        return self


def _as_method(func: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Var, *args: Any, **options: Any) -> Any:
        return func(self, *args, **options)

    method.__doc__ = f"As np.{func.__name__}."
    return method


for _func in (
    *(np.sum, np.mean, np.max, np.min, np.prod, np.var, np.std, np.cumsum, np.clip, np.dot, np.ravel, np.squeeze),
    *(np.swapaxes, np.repeat, np.take, np.argmax, np.argmin, np.argsort, np.any, np.all),
):
    setattr(Var, _func.__name__, _as_method(_func))


# ------------------------------------------------------------------------------------------------- recording


def apply(func: Any, args: tuple, options: Mapping[str, Any]) -> Any:
    """Compute func(*args, **options) and record it as a node; a function that has no slope gives a plain array."""
    if func in PLAIN:
        return func(*map(_value, args), **{name: _value(x) for name, x in options.items()})
    if func in COMPOSITES:
        require_arguments(func, signature(COMPOSITES[func]), args, options)
        return COMPOSITES[func](*args, **options)
    check_call(func, rule_of(func), args, options)
    value = np.asarray(func(*map(_value, args), **options))
    return Var._computed(require_real(value, func), func, tuple(map(_kept, args)), options)


def _kept(x: Any) -> Any:
    """A constant as it is now: code may write in its own arrays before the gradient is taken."""
    return x.copy() if isinstance(x, np.ndarray) else x


def _value(x: Any) -> Any:
    return x.value if isinstance(x, Var) else x


# ----------------------------------------------------------------------------------------------- going back


def topological_order(node: Var) -> list[Var]:
    """The nodes that `node` was computed from, itself last: each stands behind its arguments.

    >>> x = Var(2.0, name="x")
    >>> [n.name or n.rule.symbol for n in topological_order(x * np.exp(x))]
    ['x', 'exp', '×']
    """
    found = {node.birth: node}
    to_visit = [node]  # a list, not recursion: a graph may be deeper than Python's stack
    while to_visit:
        for parent in to_visit.pop().parents:
            if parent.birth not in found:
                found[parent.birth] = parent
                to_visit.append(parent)
    return [found[birth] for birth in sorted(found)]


class Gradients:
    """The gradients of one output: `gradients[x]` is ∂C/∂x in x's shape, zeros where C does not depend on x."""

    def __init__(self, bars: dict[int, Any]):
        self._bars = bars

    def __getitem__(self, x: Var) -> Any:
        bar = self._bars.get(x.birth)
        if isinstance(bar, Var):
            return bar
        return np.zeros_like(x.value) if bar is None else np.array(bar)

    def __contains__(self, x: Var) -> bool:
        return x.birth in self._bars


def backward(node: Var, seed: Any = None, *, record: bool = False) -> Gradients:
    """Apply the chain rule from `node` back to everything it was computed from.

    seed : ∂C/∂node, in node's shape; may be left out where node is one number, which then is C itself.
    record : let the gradients be Vars, to be differentiated once more.

    Raises AutodiffError without a seed for an array (whose sum would hide errors that cancel), or of another shape.

    >>> x = Var([1.0, 2.0])
    >>> backward(x * x, seed=[1.0, -1.0])[x]
    array([ 2., -4.])
    """
    bars: dict[int, Any] = {node.birth: _seed(node, seed)}
    with np.errstate(all="ignore"):  # an infinite slope shows in the result, or does not matter
        for v in reversed(topological_order(node)):  # v̄ is complete: whatever used v has been visited
            for i, x in enumerate(v.args):
                if isinstance(x, Var):
                    part = _part(v, i, bars[v.birth], record)
                    bars[x.birth] = bars[x.birth] + part if x.birth in bars else part  # the sum over the paths
    return Gradients(bars)


def _seed(node: Var, seed: Any) -> Any:
    if seed is None:
        if node.size != 1:
            raise AutodiffError(
                f"the output has shape {node.shape}, not one number: reduce it (np.sum, np.mean) or give a seed like it"
            )
        return np.ones_like(node.value)
    if np.shape(seed) != node.shape:
        raise AutodiffError(f"the seed is ∂C/∂output and has its shape {node.shape}, but this one has {np.shape(seed)}")
    return seed if isinstance(seed, Var) else np.asarray(seed, node.dtype)


def _part(v: Var, i: int, bar: Any, record: bool) -> Any:
    """What v hands to its i-th argument x: (∂v/∂x)ᵀ v̄, in x's shape and precision."""
    x, vjp = v.args[i], v.rule.vjps[i]  # type: ignore[union-attr]  # a node with arguments has a rule
    assert vjp is not None  # recording refused a variable where there is no slope
    part = vjp(bar, v, *v.args, **v.options) if record else vjp(bar, v.value, *map(_value, v.args), **v.options)
    if np.shape(part) != x.shape:
        raise AutodiffError(
            f"the rule of {title(v.func)} made {np.shape(part)} for an argument {x.shape}: mend the rule"
        )
    if isinstance(part, Var):
        return part if part.dtype == x.dtype else part.astype(x.dtype)
    return np.asarray(part, x.dtype)


# --- what is not recorded: each refusal says the function, what was found, and what to write instead ------------------

signature = lru_cache(inspect.signature)
FIT: dict[tuple[Any, ...], inspect.Signature] = {}  # kinds of calls that fit; the value keeps the id its own


def check_call(func: Any, rule: Rule | None, args: tuple, options: Mapping[str, Any]) -> None:
    """Refuse a function without a rule, arguments the rule does not know, and variables where there is no slope."""
    if rule is None:
        raise AutodiffError(
            f"{title(func)} has no rule for its derivative: write it with functions that have one, or add a line to "
            "backlit.autodiff.RULES"
        )
    require_arguments(func, rule.signature, (None, None, *args), options)
    for i, x in enumerate(args):
        if is_recorded(x) and rule.vjps[i] is None:
            raise AutodiffError(
                f"{title(func)} has no slope in argument {i + 1}, which is a recorded variable: compare it first, or "
                "give its .value to hold it constant"
            )
    for name, x in options.items():
        if is_recorded(x):
            raise AutodiffError(f"{title(func)} got a recorded variable as {name}=: give arrays by position")


def require_arguments(func: Any, known: inspect.Signature, args: tuple, options: Mapping[str, Any]) -> None:
    """Refuse arguments that do not fit `known`."""
    call = (id(known), len(args), *options)
    if call in FIT:  # a training asks thousands of times, and to bind takes as long as to compute
        return
    try:
        known.bind(*args, **options)
    except TypeError as error:
        names = ", ".join(name for name in known.parameters if name not in ("g", "v"))
        raise AutodiffError(f"{title(func)} is recorded with the arguments {names} only: {error}") from None
    FIT[call] = known


def require_real(value: np.ndarray, what: Any) -> np.ndarray:
    """Give `value` back if it is made of real floating-point numbers, else refuse it.

    what : what it is, in words, or the function whose value it is.
    """
    if value.dtype.kind != "f":
        what = f"the value of {title(what)}" if callable(what) else what
        remedy = "write 2.0 for 2, or astype(float)" if value.dtype.kind in "iub" else "give real floats"
        raise AutodiffError(
            f"only real floating-point numbers have a gradient here, but {what} is {value.dtype}: {remedy}"
        )
    return value


def title(func: Any) -> str:
    """How a person writes the function: np.exp, scipy.special.erf."""
    name = getattr(func, "__name__", str(func))
    module = "np" if getattr(np, name, None) is func else getattr(func, "__module__", None) or "scipy.special"
    return f"{module}.{name}".replace("numpy.", "np.").removeprefix("backlit.autodiff.steps.")
