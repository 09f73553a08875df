"""Schedules: the learning rate is the optimizer's `learning_rate` times `factor(t)`, a pure function of t.

t counts what `per` says, "epoch" or "step", from 0, and may be an array, so that an engine can be handed the rates of a
whole epoch at once.  A schedule that ends takes its length, `total`, from the trainer where it is not given.

>>> Cosine(total=10).factor(np.array([0, 5, 10])).round(3)
array([1. , 0.5, 0. ])
"""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np

from backlit.errors import ProblemError
from backlit.optim.checks import number, whole

Unit = Literal["epoch", "step"]
INF = float("inf")
COUNTS = ("every", "total", "length", "patience")  # whole numbers


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The base; raises ProblemError for a number outside its range."""

    name: ClassVar[str]
    ranges: ClassVar[dict[str, tuple[float, float]]] = {}
    per: Unit = "epoch"

    def __post_init__(self):
        if self.per not in ("epoch", "step"):
            raise ProblemError(f'schedule {self.name}: per must be "epoch" or "step", not {self.per!r}')
        for f in fields(self):
            if f.name in self.ranges and getattr(self, f.name) is not None:
                check = whole if f.name in COUNTS else number
                check(getattr(self, f.name), f"schedule {self.name}: {f.name}", *self.ranges[f.name])

    def factor(self, t: Any) -> Any:
        """What the learning rate is multiplied by at epoch or step t (a number or an array)."""
        raise TypeError(f"{type(self).__name__} has no factor")

    def bind(self, *, epochs: int, steps: int) -> Self:
        """The schedule with its `total` filled in, where it has one that is not given."""
        if getattr(self, "total", 0) is not None:
            return self
        bound: Any = {"total": epochs if self.per == "epoch" else steps}
        return replace(self, **bound)

    def to_dict(self) -> dict[str, Any]:
        """Plain names and numbers; `get_schedule` reads them back."""
        return {"name": self.name, **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class Constant(Schedule):
    """Always 1."""

    name: ClassVar[str] = "constant"

    def factor(self, t: Any) -> Any:
        """1, in t's shape."""
        return np.ones(np.shape(t))[()]


@dataclass(frozen=True, kw_only=True)
class Step(Schedule):
    """Falls by `rate` every `every`."""

    name: ClassVar[str] = "step"
    ranges: ClassVar = {"every": (1, INF), "rate": (0.0, 1.0)}
    every: int = 30
    rate: float = 0.1

    def factor(self, t: Any) -> Any:
        """rate^⌊t/every⌋."""
        return self.rate ** np.floor_divide(t, self.every)  # [SCH-STEP]


@dataclass(frozen=True, kw_only=True)
class Exponential(Schedule):
    """Falls by `rate` each time."""

    name: ClassVar[str] = "exponential"
    ranges: ClassVar = {"rate": (0.0, 1.0)}
    rate: float = 0.95

    def factor(self, t: Any) -> Any:
        """rate^t."""
        return self.rate ** np.asarray(t, dtype=float)[()]  # [SCH-EXP]


@dataclass(frozen=True, kw_only=True)
class InverseScaling(Schedule):
    """Falls as 1/(t + 1)^power, scikit-learn's "invscaling"."""

    name: ClassVar[str] = "inverse_scaling"
    ranges: ClassVar = {"power": (0.0, INF)}
    power: float = 0.5

    def factor(self, t: Any) -> Any:
        """(t + 1)^−power."""
        return (np.asarray(t, dtype=float)[()] + 1) ** -self.power  # [SCH-INV]


@dataclass(frozen=True, kw_only=True)
class Cosine(Schedule):
    """Half a cosine from 1 down to `floor` over `total`, then `floor` (Loshchilov & Hutter 2017)."""

    name: ClassVar[str] = "cosine"
    ranges: ClassVar = {"floor": (0.0, 1.0), "total": (1, INF)}
    floor: float = 0.0
    total: int | None = None

    def factor(self, t: Any) -> Any:
        """Floor + (1 − floor)(1 + cos πx)/2, x = min(t/total, 1)."""
        x = np.minimum(np.asarray(t, dtype=float) / length(self), 1)[()]
        return self.floor + (1 - self.floor) * (1 + np.cos(np.pi * x)) / 2  # [SCH-COS]


@dataclass(frozen=True, kw_only=True)
class OneCycle(Schedule):
    """Up from `start` to 1 over the first `rise` of `total`, then down to `end`, both by a half cosine (Smith 2018)."""

    name: ClassVar[str] = "one_cycle"
    ranges: ClassVar = {"start": (0.0, 1.0), "end": (0.0, 1.0), "rise": (0.0, 1.0), "total": (1, INF)}
    per: Unit = "step"
    start: float = 0.04
    end: float = 4e-6
    rise: float = 0.3
    total: int | None = None

    def factor(self, t: Any) -> Any:
        """The cosine from start to 1 where t is before the peak, from 1 to end after it."""
        last = length(self) - 1
        peak = self.rise * length(self) - 1
        t = np.asarray(t, dtype=float)
        up = np.clip(t / max(peak, 1e-9), 0, 1)
        down = np.clip((t - peak) / max(last - peak, 1e-9), 0, 1)
        rising = self.start + (1 - self.start) * (1 - np.cos(np.pi * up)) / 2  # [SCH-ONE1]
        falling = self.end + (1 - self.end) * (1 + np.cos(np.pi * down)) / 2  # [SCH-ONE2]
        return np.where(t <= peak, rising, falling)[()]


@dataclass(frozen=True, kw_only=True)
class WarmUp(Schedule):
    """Rises in a straight line over the first `length`, and then is the schedule `after`, counted from there."""

    name: ClassVar[str] = "warm_up"
    ranges: ClassVar = {"length": (1, INF)}
    per: Unit = "step"
    length: int = 100
    after: Schedule = Constant(per="step")

    def __post_init__(self):
        super().__post_init__()
        if not isinstance(self.after, Schedule) or self.after.per != self.per:
            raise ProblemError(
                f'schedule warm_up: after must be a schedule that counts the same unit, per "{self.per}"'
            )
        if isinstance(self.after, ReduceOnPlateau):
            raise ProblemError("schedule warm_up: after cannot be reduce_on_plateau, which is no function of time")

    def factor(self, t: Any) -> Any:
        """(t + 1)/(length + 1) before, after.factor(t − length) from there on."""
        t = np.asarray(t, dtype=float)
        rising = (t + 1) / (self.length + 1)  # [SCH-WARM]
        return np.where(t < self.length, rising, self.after.factor(np.maximum(t - self.length, 0)))[()]

    def bind(self, *, epochs: int, steps: int) -> Self:
        """The schedule whose `after` takes what the rise leaves."""
        return replace(
            self, after=self.after.bind(epochs=max(epochs - self.length, 1), steps=max(steps - self.length, 1))
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain names and numbers, `after` too."""
        return {"name": self.name, "per": self.per, "length": self.length, "after": self.after.to_dict()}


@dataclass(frozen=True)
class PlateauState:
    """What reduce-on-plateau remembers: the best metric, the epochs since, and the factor now."""

    best: float = INF
    waited: int = 0
    factor: float = 1.0


@dataclass(frozen=True, kw_only=True)
class ReduceOnPlateau(Schedule):
    """Falls by `rate` when a metric (lower is better) has not improved for more than `patience` epochs.

    It depends on what was measured, so it is not a function of t but a pure function of a state: see `observe`.
    """

    name: ClassVar[str] = "reduce_on_plateau"
    ranges: ClassVar = {"rate": (0.0, 1.0), "patience": (0, INF), "threshold": (0.0, 1.0), "floor": (0.0, 1.0)}
    rate: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    floor: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        if self.per != "epoch":
            raise ProblemError('schedule reduce_on_plateau looks at the end of each epoch: leave per at "epoch"')

    def factor(self, t: Any) -> Any:
        """1: what has been observed comes on top."""
        return np.ones(np.shape(t))[()]

    def observe(self, state: PlateauState, metric: float) -> PlateauState:
        """The state after an epoch with this metric; `state.factor` multiplies the learning rate from then on."""
        if state.best == INF or metric < state.best - self.threshold * abs(state.best):
            return PlateauState(metric, 0, state.factor)
        if state.waited < self.patience:
            return replace(state, waited=state.waited + 1)
        return PlateauState(state.best, 0, max(state.factor * self.rate, self.floor))  # [SCH-PLATEAU]


def length(schedule: Any) -> int:
    """The schedule's `total`; ProblemError where neither the caller nor a trainer gave it."""
    if schedule.total is None:
        raise ProblemError(f"schedule {schedule.name}: give its length as total, or let a trainer bind it")
    return schedule.total
