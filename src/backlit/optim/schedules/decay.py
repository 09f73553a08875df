"""Schedules that are functions of time: falls by steps, exponentially, as a power, along a cosine; and a rise first."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from backlit.errors import ProblemError
from backlit.optim.schedules.base import SHARE, TOTAL, Schedule, Unit, get_schedule, length, register_schedule
from backlit.optim.schedules.base import Constant as Constant  # which pickles look for here
from backlit.optim.schedules.plateau import Plateau
from backlit.registry import Check, number, split, whole


@register_schedule
@dataclass(frozen=True, kw_only=True)
class Step(Schedule):
    """A fall by `rate` every `every`:  rate^⌊t/every⌋, PyTorch's `StepLR`.

    Parameters
    ----------
    every : int, default 30
        Length of a stair in the unit of `per`, at least 1.
    rate : float, default 0.1
        What a stair multiplies by, in [0, 1].

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
    rate : float, default 0.95
        What each time multiplies by, in [0, 1].

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
    power : float, default 0.5
        At least 0; Robbins and Monro ask for one in (1/2, 1].
    scale : float, default 1.0
        What t is multiplied by, at least 0.

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


@register_schedule
@dataclass(frozen=True, kw_only=True)
class Cosine(Schedule):
    r"""Half a cosine from 1 down to `floor` over `total`, and `floor` from there on.

    .. math:: f + (1 - f)\,\tfrac12 (1 + \cos \pi x), \qquad x = \min(t/T, 1)

    with f = floor and T = total.

    Parameters
    ----------
    floor : float, default 0.0
        Last factor, in [0, 1].
    total : int, optional
        Length in the unit of `per`, at least 1; a trainer fills it in if it is not given.

    Notes
    -----
    This is PyTorch's `CosineAnnealingLR` with T_max = total and eta_min = floor · learning_rate, except that PyTorch's
    rises again after T.

    References
    ----------
    Loshchilov & Hutter 2017, equation 5, without restarts.

    Examples
    --------
    >>> Cosine(total=10).factor([0, 5, 10, 11]).round(3)
    array([1. , 0.5, 0. , 0. ])
    """

    name: ClassVar[str] = "cosine"
    checks: ClassVar[dict[str, Check]] = {**Schedule.checks, "floor": SHARE, "total": TOTAL}
    floor: float = 0.0
    total: int | None = None

    def curve(self, t: Any) -> Any:
        """See the class."""
        x = np.minimum(t / length(self), 1)
        return self.floor + (1 - self.floor) * (1 + np.cos(np.pi * x)) / 2  # [SCH-COS]


@register_schedule
@dataclass(frozen=True, kw_only=True)
class OneCycle(Schedule):
    r"""Up from `start` to 1 over the first share `rise` of `total`, then down to `end`, both by half a cosine.

    .. math:: s + (1 - s)\,\tfrac12 (1 - \cos \pi x) \quad\text{then}\quad e + (1 - e)\,\tfrac12 (1 + \cos \pi x)

    with x from 0 to 1 in each part; the peak is at t = rise · total − 1, the end at t = total − 1.  After the end the
    factor stays there.

    Parameters
    ----------
    start : float, default 0.04
        First factor, in [0, 1].
    end : float, default 4e-06
        Last factor, in [0, 1].
    rise : float, default 0.3
        Share of `total` in which the factor rises, in [0, 1].
    total : int, optional
        Length in the unit of `per`, at least 1; a trainer fills it in if it is not given.

    Notes
    -----
    This is PyTorch's `OneCycleLR` with max_lr = learning_rate, total_steps = total, pct_start = rise, div_factor =
    1/start, final_div_factor = start/end and cycle_momentum = False.

    References
    ----------
    Smith & Topin 2018.

    Examples
    --------
    >>> OneCycle(total=11, rise=6 / 11).factor([0, 5, 10]).round(6)
    array([4.e-02, 1.e+00, 4.e-06])
    """

    name: ClassVar[str] = "one_cycle"
    checks: ClassVar[dict[str, Check]] = {
        **Schedule.checks,
        "start": SHARE,
        "end": SHARE,
        "rise": SHARE,
        "total": TOTAL,
    }
    per: Unit = "step"
    start: float = 0.04
    end: float = 4e-6
    rise: float = 0.3
    total: int | None = None

    def curve(self, t: Any) -> Any:
        """The rising half where t is not past the peak, the falling half behind it."""
        last = length(self) - 1
        peak = min(self.rise * length(self) - 1, last)  # before 0 where the rise is shorter than one t
        up, down = share(t, 0, peak), share(t, peak, last)
        rising = self.start + (1 - self.start) * (1 - np.cos(np.pi * up)) / 2  # [SCH-ONE1]
        falling = self.end + (1 - self.end) * (1 + np.cos(np.pi * down)) / 2  # [SCH-ONE2]
        return np.where(t <= peak, rising, falling)


def share(t: Any, first: float, last: float) -> Any:
    """How far t is on the way from first to last, in [0, 1]; all the way where there is no way to go.

    >>> share(np.array([0.0, 3.0, 9.0]), 2, 4)
    array([0. , 0.5, 1. ])
    """
    return np.clip((t - first) / (last - first), 0, 1) if last > first else np.ones_like(t)


# --- a rise first -----------------------------------------------------------------------------------------------------


def function_of_time(value: object, what: str) -> Schedule | None:
    """Check `after`: a schedule whose factor is known beforehand, or None for a constant."""
    if value is not None and (not isinstance(value, Schedule) or isinstance(value, Plateau)):
        raise ProblemError(f"{what} must be a schedule that is a function of time, not {value!r}")
    return value


@register_schedule
@dataclass(frozen=True, kw_only=True)
class WarmUp(Schedule):
    """A rise over the first k = `length`, (t + 1)/(k + 1), and then the schedule `after`, counted from 0 again.

    The first factor is 1/(k + 1), and the rise meets 1 at t = k, where `after` starts.

    Parameters
    ----------
    length : int, default 100
        k, at least 1, in the unit of `per`.
    after : Schedule, optional
        A schedule of the same unit that is a function of time, which those that watch a metric are not; a constant if
        none is given.  If its total is not given, it gets what the rise leaves of the run.

    References
    ----------
    Goyal et al. 2017, section 2.2.

    Examples
    --------
    >>> WarmUp(length=3, after=Exponential(rate=0.5, per="step")).factor([0, 1, 2, 3, 4])
    array([0.25, 0.5 , 0.75, 1.  , 0.5 ])
    """

    name: ClassVar[str] = "warm_up"
    checks: ClassVar[dict[str, Check]] = {**Schedule.checks, "length": whole(1), "after": function_of_time}
    per: Unit = "step"
    length: int = 100
    after: Schedule | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.after is None:
            object.__setattr__(self, "after", Constant(per=self.per))
        if self.then.per != self.per:
            raise ProblemError(
                f"schedule warm_up: it counts {self.per}s but after, {self.then.name}, counts {self.then.per}s: "
                f'give both per="{self.per}"'
            )

    @classmethod
    def options(cls, given: dict[str, Any]) -> dict[str, Any]:
        """`after` may be a description too, and counts warm_up's unit if it names none."""
        after = given.get("after")
        if not isinstance(after, Schedule | None):
            given["after"] = get_schedule(
                {"per": given.get("per", cls.per)} | split(after, "schedule warm_up: after")[1]
            )
        return given

    @property
    def then(self) -> Schedule:
        """`after`, which is never None once it has been checked."""
        assert self.after is not None
        return self.after

    def curve(self, t: Any) -> Any:
        """See the class."""
        rising = (t + 1) / (self.length + 1)  # [SCH-WARM]
        return np.where(t < self.length, rising, self.then.factor(np.maximum(t - self.length, 0)))

    def bind(self, *, epochs: int, steps: int) -> Self:
        """The schedule whose `after` takes what the rise leaves."""
        left = {"epochs": max(epochs - self.length, 1), "steps": max(steps - self.length, 1)}
        return replace(self, after=self.then.bind(**left))

    def to_dict(self) -> dict[str, Any]:
        """Plain names and numbers, those of `after` too."""
        return super().to_dict() | {"after": self.then.to_dict()}
