"""Schedules that need no end: constant, by steps, exponential, and as a power of time."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from backlit.optim.checks import Check, number, whole
from backlit.optim.schedules.base import SHARE, Schedule


@dataclass(frozen=True, kw_only=True)
class Constant(Schedule):
    """The learning rate as it is: factor 1.

    >>> Constant().factor([0, 10, 20])
    array([1., 1., 1.])
    """

    name: ClassVar[str] = "constant"

    def curve(self, t: Any) -> Any:
        """1."""
        return np.ones_like(t)


@dataclass(frozen=True, kw_only=True)
class Step(Schedule):
    """A fall by `rate` every `every`:  rate^⌊t/every⌋, PyTorch's `StepLR`.

    Raises ProblemError unless every ≥ 1 is a whole number and 0 ≤ rate ≤ 1.

    >>> Step(every=10, rate=0.5).factor([0, 9, 10, 25])
    array([1.  , 1.  , 0.5 , 0.25])
    """

    name: ClassVar[str] = "step"
    checks: ClassVar[dict[str, Check]] = {**Schedule.checks, "every": whole(1), "rate": SHARE}
    every: int = 30
    rate: float = 0.1

    def curve(self, t: Any) -> Any:
        """See the class."""
        return self.rate ** (t // self.every)  # [SCH-STEP]


@dataclass(frozen=True, kw_only=True)
class Exponential(Schedule):
    """A fall by `rate` each time:  rate^t, PyTorch's `ExponentialLR`.

    Raises ProblemError unless 0 ≤ rate ≤ 1.

    >>> Exponential(rate=0.5).factor([0, 1, 2])
    array([1.  , 0.5 , 0.25])
    """

    name: ClassVar[str] = "exponential"
    checks: ClassVar[dict[str, Check]] = {**Schedule.checks, "rate": SHARE}
    rate: float = 0.95

    def curve(self, t: Any) -> Any:
        """See the class."""
        return self.rate**t  # [SCH-EXP]


@dataclass(frozen=True, kw_only=True)
class InverseScaling(Schedule):
    """A fall as a power of time:  (1 + scale · t)^−power.

    scikit-learn's "invscaling" moves the rate once an epoch and counts the examples seen: that is per="epoch",
    power=power_t, scale=the number of training examples.
    Raises ProblemError unless 0 ≤ power < ∞ and 0 ≤ scale < ∞.
    Source: Robbins & Monro 1951, who ask for a power in (1/2, 1].

    >>> InverseScaling().factor([0, 3, 8]).round(3)
    array([1.   , 0.5  , 0.333])
    >>> InverseScaling(scale=150).factor([0, 1, 2]).round(3)  # scikit-learn with 150 examples
    array([1.   , 0.081, 0.058])
    """

    name: ClassVar[str] = "inverse_scaling"
    checks: ClassVar[dict[str, Check]] = {**Schedule.checks, "power": number(0), "scale": number(0)}
    power: float = 0.5
    scale: float = 1.0

    def curve(self, t: Any) -> Any:
        """See the class."""
        return (1 + self.scale * t) ** -self.power  # [SCH-INV]
