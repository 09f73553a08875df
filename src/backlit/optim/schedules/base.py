"""What a schedule is: a pure function of the time t that multiplies the learning rate; and the one that does nothing.

learning rate = the optimizer's `learning_rate` · factor(t).  t counts from 0 what `per` says, "epoch" or "step", over
the whole run: a step-wise schedule doesn't start anew with each epoch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np

from backlit.errors import DomainError, ProblemError
from backlit.registry import Check, Described, Descriptions, number, one_of, optional, whole

Unit = Literal["epoch", "step"]
SHARE = number(0, 1)
TOTAL = optional(whole(1))


@dataclass(frozen=True, kw_only=True)
class Schedule(Described):
    """What every schedule is: a name, parameters with their checks, and the unit that t counts.

    A subclass gives `checks` (one for each field) and `curve`; one that ends has a field `total`, its length.

    Parameters
    ----------
    per : {"epoch", "step"}, default 'epoch'
        What t counts, from 0 over the whole run.

    Raises
    ------
    ProblemError
        If a parameter is not a number, not finite or out of range.

    Examples
    --------
    >>> from backlit.optim import get_schedule
    >>> get_schedule({"name": "step", "every": 2, "rate": 0.5}).factor([0, 1, 2, 3, 4])
    array([1.  , 1.  , 0.5 , 0.5 , 0.25])
    """

    kind: ClassVar[str] = "schedule"
    checks: ClassVar[dict[str, Check]] = {"per": one_of("epoch", "step")}
    words: ClassVar[dict[str, str]] = {  # PyTorch's and scikit-learn's
        "step_size": "every",
        "gamma": "rate",
        "power_t": "power",
        "T_max": "total",
        "total_steps": "total",
        "pct_start": "rise",
    }
    per: Unit = "epoch"

    def curve(self, t: Any) -> Any:
        """The equation of `factor`, on float64 t that has been checked."""
        raise TypeError(f"{type(self).__name__} has no curve")

    def factor(self, t: Any) -> Any:
        """What the learning rate is multiplied by at time t.

        Parameters
        ----------
        t : float or array
            Times from 0 on.

        Returns
        -------
        float64 number or array
            The factor at each time, in the shape of t.

        Raises
        ------
        DomainError
            If a time is negative or not finite.
        ProblemError
            If the schedule needs `total` and has none.
        """
        times = np.asarray(t, dtype=np.float64)
        count = type(t) is int and t >= 0  # as a trainer asks each epoch
        if not (count or (np.isfinite(times) & (times >= 0)).all()):
            raise DomainError(f"schedule {self.name}: t counts {self.per}s from 0, but has {times.min()}")
        return self.curve(times)[()]

    def bind(self, *, epochs: int, steps: int) -> Self:
        """The schedule with the run's length, in its own unit, as its `total`, if it has a total that is not given."""
        if getattr(self, "total", 0) is not None:
            return self
        bound: Any = {"total": epochs if self.per == "epoch" else steps}
        return replace(self, **bound)


def length(schedule: Any) -> int:
    """The schedule's `total`; ProblemError if neither the caller nor a trainer gave it."""
    if schedule.total is None:
        raise ProblemError(f"schedule {schedule.name}: give its length as total, or let a trainer bind it")
    return schedule.total


SCHEDULES = Descriptions("schedule")


def register_schedule(rule: type[Any]) -> type[Any]:
    """Let `get_schedule` know a class by its name.

    Parameters
    ----------
    rule : type
        A subclass of a schedule with a `name`.

    Returns
    -------
    type
        The class itself, so that this decorates it.

    Examples
    --------
    >>> from backlit.optim import SCHEDULES, get_schedule
    >>> from backlit.optim.schedules import Cosine
    >>> @register_schedule
    ... class Swing(Cosine):
    ...     name = "swing"
    >>> get_schedule("swing").name, SCHEDULES.pop("swing") is Swing
    ('swing', True)
    """
    return SCHEDULES.register(rule)


def get_schedule(spec: str | Mapping[str, Any] | Schedule) -> Schedule:
    """A schedule by name or by a description.

    Parameters
    ----------
    spec : str, mapping or Schedule
        A name, `{"name": "step", "every": 10}`, or a schedule, which is returned as it is.  Names are constant, step,
        exponential, cosine, one_cycle, warm_up, inverse_scaling, reduce_on_plateau and adaptive.  The `after` of
        warm_up is a description too, and counts warm_up's unit if it names none.

    Returns
    -------
    Schedule
        A frozen description with the pure function `factor`.

    Raises
    ------
    ProblemError
        If a name or a key is unknown (the error gives the nearest), or a number is out of range.

    Examples
    --------
    >>> get_schedule({"name": "exponential", "rate": 0.5}).factor([0, 1, 2])
    array([1.  , 0.5 , 0.25])
    >>> warm_up = get_schedule({"name": "warm_up", "length": 9, "after": "cosine"})
    >>> warm_up.bind(epochs=1, steps=109).factor([0, 9, 59])
    array([0.1, 1. , 0.5])
    """
    return spec if isinstance(spec, Schedule) else SCHEDULES.make(spec)


@register_schedule
@dataclass(frozen=True, kw_only=True)
class Constant(Schedule):
    """The learning rate as it is: factor 1.

    Examples
    --------
    >>> Constant().factor([0, 10, 20])
    array([1., 1., 1.])
    """

    name: ClassVar[str] = "constant"

    def curve(self, t: Any) -> Any:
        """1."""
        return 0 * t + 1
