"""Formulas: a function of a record, written once in Python and read in many arithmetics.

A formula takes its argument and an arithmetic `f`: `lambda u, f: u / (1 + f.abs(u))`.  `f.abs` is a function by name
and `f(0.3)` a number; Python's operators do the rest.  Given a symbol it is what `explain` prints, given a `Fraction`
it is exact, given an array it is NumPy's, given a node of a graph it is ONNX.

The functions: exp, ln, tanh, sigmoid, softplus, Phi, phi (the normal distribution's), sqrt, abs, sign, max, min, and
- holds(a, ">", b): 1 where it holds, else 0; the relations are =, <, > and ≤.
- where(a, "≤", b, then, otherwise): one of the two, where a and b are numbers.
- tie(a, b, then, otherwise): `then` where two numbers are equal.
- log(a), ratio(y, a): ln max(a, tiny), and its slope y/a, which is 0 where a < tiny.

>>> softsign = lambda u, f: u / (1 + f.abs(u))
>>> softsign(np.array([-1.0, 3.0]), NUMPY)
array([-0.5 ,  0.75])
"""

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from backlit.core.activations import normal_cdf, normal_pdf, sigmoid, softplus

Formula = Callable[..., Any]
COMPARED = {"=": operator.eq, ">": operator.gt, "<": operator.lt, "≤": operator.le}


class Unsupported(Exception):
    """A formula asks for what an arithmetic does not have."""


class Arithmetic:
    """Numbers and functions of one kind.  number : from a float.  function : its name and its arguments ↦ a value."""

    def __init__(self, number: Callable[[float], Any], function: Callable[..., Any]):
        self.number, self.function = number, function

    def __call__(self, value: float) -> Any:
        """A number."""
        return self.number(value)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """A function."""
        if name.startswith("__"):
            raise AttributeError(name)
        return partial(self.function, name)


class Operand:
    """Something that Python's operators make larger; subclasses say how, for + − * / ** and a minus in front."""

    def combined(self, sign: str, *operands: Any) -> Any:
        """The operands under a sign; each is an Operand or a Python number."""
        raise NotImplementedError

    def __add__(self, other: Any) -> Any:
        return self.combined("+", self, other)

    def __radd__(self, other: Any) -> Any:
        return self.combined("+", other, self)

    def __sub__(self, other: Any) -> Any:
        return self.combined("-", self, other)

    def __rsub__(self, other: Any) -> Any:
        return self.combined("-", other, self)

    def __mul__(self, other: Any) -> Any:
        return self.combined("*", self, other)

    def __rmul__(self, other: Any) -> Any:
        return self.combined("*", other, self)

    def __truediv__(self, other: Any) -> Any:
        return self.combined("/", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self.combined("/", other, self)

    def __pow__(self, other: Any) -> Any:
        return self.combined("**", self, other)

    def __neg__(self) -> Any:
        return self.combined("neg", self)


# --- NumPy's ------------------------------------------------------------------------------------------------------

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "exp": np.exp,
    "ln": np.log,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "Phi": lambda u: normal_cdf(np.asarray(u, float)),
    "phi": lambda u: normal_pdf(np.asarray(u, float)),
    "sqrt": np.sqrt,
    "abs": np.abs,
    "sign": np.sign,
    "max": np.maximum,
    "min": np.minimum,
    "holds": lambda a, relation, b: COMPARED[relation](a, b) * 1.0,
    "where": lambda a, relation, b, then, otherwise: np.where(COMPARED[relation](a, b), then, otherwise),
    "tie": lambda a, b, then, otherwise: np.where(a == b, then, otherwise),
    "log": lambda a: np.log(np.maximum(a, np.finfo(float).tiny)),
    "ratio": lambda y, a: np.where(a < np.finfo(float).tiny, 0, y / np.maximum(a, np.finfo(float).tiny)),
}
NUMPY = Arithmetic(float, lambda name, *args: FUNCTIONS[name](*args))
