"""A rise in a straight line before another schedule."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from backlit.errors import ProblemError
from backlit.optim.schedules.base import Constant, Schedule, Unit, get_schedule, register_schedule
from backlit.optim.schedules.plateau import Plateau
from backlit.registry import Check, split, whole


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
    >>> from backlit.optim.schedules import Exponential
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
