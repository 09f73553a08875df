"""Schedules that need no end: by steps, exponential, and as a power of time."""

from dataclasses import dataclass
from typing import Any, ClassVar

from backlit.optim.schedules.base import SHARE, Schedule, register_schedule
from backlit.optim.schedules.base import Constant as Constant  # which pickles look for here
from backlit.registry import Check, number, whole


@register_schedule
@dataclass(frozen=True, kw_only=True)
class Step(Schedule):
    """A fall by `rate` every `every`:  rate^⌊t/every⌋, PyTorch's `StepLR`.

    Parameters
    ----------
    per : {"epoch", "step"}, default 'epoch'
        What t counts.
    every : int, default 30
        Length of a stair in the unit of `per`, at least 1.
    rate : float, default 0.1
        What a stair multiplies by, in [0, 1].

    Raises
    ------
    ProblemError
        If a value is outside these.

    Examples
    --------
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


@register_schedule
@dataclass(frozen=True, kw_only=True)
class Exponential(Schedule):
    """A fall by `rate` each time:  rate^t, PyTorch's `ExponentialLR`.

    Parameters
    ----------
    per : {"epoch", "step"}, default 'epoch'
        What t counts.
    rate : float, default 0.95
        What each time multiplies by, in [0, 1].

    Raises
    ------
    ProblemError
        If a value is outside these.

    Examples
    --------
    >>> Exponential(rate=0.5).factor([0, 1, 2])
    array([1.  , 0.5 , 0.25])
    """

    name: ClassVar[str] = "exponential"
    checks: ClassVar[dict[str, Check]] = {**Schedule.checks, "rate": SHARE}
    rate: float = 0.95

    def curve(self, t: Any) -> Any:
        """See the class."""
        return self.rate**t  # [SCH-EXP]


@register_schedule
@dataclass(frozen=True, kw_only=True)
class InverseScaling(Schedule):
    """A fall as a power of time:  (1 + scale · t)^−power.

    Parameters
    ----------
    per : {"epoch", "step"}, default 'epoch'
        What t counts.
    power : float, default 0.5
        At least 0; Robbins and Monro ask for one in (1/2, 1].
    scale : float, default 1.0
        What t is multiplied by, at least 0.

    Raises
    ------
    ProblemError
        If a value is outside these.

    Notes
    -----
    scikit-learn's "invscaling" moves the rate once an epoch and counts the examples seen: that is per="epoch",
    power=power_t and scale=the number of training examples.

    References
    ----------
    Robbins & Monro 1951.

    Examples
    --------
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
