"""A user's own activation or loss, given as a plain NumPy function: its derivative comes from the tape of `autodiff`.

`Dense(4, lambda u: u * np.tanh(u))` and `Network(..., loss=my_loss)` come here; the functions train, explain and check
like built-ins, by the reference engine.  Files name activations and losses, so a model with one can't be saved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlit.core.activations import ACTIVATIONS, Activation
from backlit.core.losses import LOSSES, Loss
from backlit.errors import ShapeError

Array = np.ndarray
INF = float("inf")


def activation_of(function: Callable[[Array], Array], *, name: str = "", kinks: tuple[float, ...] = ()) -> Activation:
    """An activation from φ, a NumPy function that acts on each number by itself.

    kinks : where φ' jumps, so that `check` knows.  Raises AutodiffError, when differentiated, where φ mixes numbers
    or calls what the tape has no rule for.

    >>> square = activation_of(lambda u: u**2, name="square")
    >>> square.derivative(np.array([-1.0, 3.0]))
    array([-2.,  6.])
    """
    name = name or name_of(function, ACTIVATIONS)
    word = rf"\mathrm{{{name.replace('_', chr(92) + '_')}}}"
    return Activation(name, function, Derivative(function), rf"{word}(u)", rf"{word}'(u)", (-INF, INF), kinks)


def loss_of(function: Callable[[Array, Array], Array], *, name: str = "", kinked: bool = False) -> Loss:
    """A loss from ℓ(a, y), a NumPy function of (m, n) outputs and targets that gives one number an example, (m,).

    kinked : whether ℓ has a kink where a = y.  Raises ShapeError where ℓ gives another shape.

    >>> log_cosh = loss_of(lambda a, y: np.sum(np.log(np.cosh(a - y)), axis=1), name="log_cosh")
    >>> log_cosh.gradient(np.array([[1.0, 2.0]]), np.array([[1.0, 1.0]])).round(4)
    array([[0.    , 0.7616]])
    """
    name = name or name_of(function, LOSSES)
    word = rf"\mathrm{{{name.replace('_', chr(92) + '_')}}}"
    gradient_latex = rf"\partial {word} / \partial a_k"
    return Loss(name, Value(name, function), Slope(function), rf"{word}(a, y)", gradient_latex, kinked=kinked)


# Classes, not closures: a fitted estimator is pickled with the functions that pickle finds by name.
@dataclass(frozen=True)
class Derivative:
    """φ' of a user's activation."""

    function: Callable[[Any], Any]

    def __call__(self, u: Any) -> Any:
        """φ'(u), elementwise."""
        from backlit.autodiff import derivative  # loaded by those who need it

        return derivative(self.function)(u)


@dataclass(frozen=True)
class Value:
    """ℓ of a user's loss, which must give one number an example."""

    name: str
    function: Callable[[Any, Any], Any]

    def __call__(self, a: Any, y: Any) -> Any:
        """(a (m, n), y (m, n)), arrays or what the tape records, ↦ (m,)."""
        found = self.function(a, y)
        if np.shape(found) != np.shape(a)[:1]:
            raise ShapeError(
                f"loss {self.name} must give one number an example, shape {np.shape(a)[:1]}, not {np.shape(found)}: "
                "sum over the outputs (axis=1), not over the examples"
            )
        return found


@dataclass(frozen=True)
class Slope:
    """∂ℓ/∂a of a user's loss."""

    function: Callable[[Any, Any], Any]

    def __call__(self, a: Array, y: Array) -> Array:
        """(a (m, n), y (m, n)) ↦ (m, n), in a's dtype."""
        from backlit.autodiff import value_and_slope

        return value_and_slope(self.function)(a, y)[1].astype(a.dtype, copy=False)


def name_of(function: Callable[..., Any], taken: Any) -> str:
    """The function's own name, kept apart from the built-ins'."""
    name = getattr(function, "__name__", "")
    name = name if name.isidentifier() else "custom"  # a lambda's is no name
    return f"own_{name}" if name in taken else name


ACTIVATIONS.readers.append(lambda spec: activation_of(spec) if callable(spec) else None)
LOSSES.readers.append(lambda spec: loss_of(spec) if callable(spec) else None)
