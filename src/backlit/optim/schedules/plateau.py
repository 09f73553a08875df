"""Schedules that watch a metric: the rate falls when it has stopped improving.

They depend on what was measured, so they aren't functions of t but of a state: `observe` takes the state and a metric
and gives the next state, whose `factor` multiplies the learning rate from then on.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from backlit.optim.schedules.base import SHARE, Schedule, register_schedule
from backlit.registry import Check, number, one_of, whole


@dataclass(frozen=True)
class PlateauState:
    """What a schedule that watches a metric remembers.

    Parameters
    ----------
    best : float, default inf
        Best metric so far.
    waited : int, default 0
        Epochs since it improved.
    factor : float, default 1.0
        What the learning rate is multiplied by now.

    Examples
    --------
    >>> ReduceOnPlateau(patience=0, rate=0.5).observe(PlateauState(best=1.0), 2.0)
    PlateauState(best=1.0, waited=0, factor=0.5)
    """

    best: float = math.inf
    waited: int = 0
    factor: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Plateau(Schedule):
    """What schedules that watch a metric share: f ← max(rate · f, floor) after more than `patience` bad epochs.

    Lower is better: give the negative of a score.  A subclass gives `observe`, which says what an improvement is.

    Parameters
    ----------
    per : {"epoch"}, default 'epoch'
        What is counted.
    rate : float, default 0.1
        What the factor is multiplied by when it falls, in [0, 1).
    patience : int, default 10
        Epochs without an improvement that pass before a fall, at least 0.
    floor : float, default 0.0
        Smallest factor, in [0, 1].

    Raises
    ------
    ProblemError
        If a value is outside these.

    Examples
    --------
    >>> isinstance(ReduceOnPlateau(), Plateau), ReduceOnPlateau().factor([0, 100])
    (True, array([1., 1.]))
    """

    checks: ClassVar[dict[str, Check]] = {
        "per": one_of("epoch"),
        "rate": number(0, 1, high_open=True),
        "patience": whole(0),
        "floor": SHARE,
    }
    rate: float = 0.1
    patience: int = 10
    floor: float = 0.0

    def curve(self, t: Any) -> Any:
        """1: what was observed is multiplied on top."""
        return np.ones_like(t)

    def observe(self, state: PlateauState, metric: float) -> PlateauState:
        """The state after an epoch with this metric; NaN is no improvement."""
        raise TypeError(f"{type(self).__name__} does not say what an improvement is")

    def wait(self, state: PlateauState) -> PlateauState:
        """The state after an epoch without an improvement: it has waited longer, or the factor has fallen."""
        if state.waited < self.patience:
            return replace(state, waited=state.waited + 1)
        return PlateauState(state.best, 0, max(self.rate * state.factor, self.floor))  # [SCH-PLATEAU]


@register_schedule
@dataclass(frozen=True, kw_only=True)
class ReduceOnPlateau(Plateau):
    """A fall when no metric of more than `patience` epochs was below best − threshold · abs(best).

    Parameters
    ----------
    threshold : float, default 0.0001
        Share of the best metric, in [0, 1], by which a metric has to improve on it.

    Notes
    -----
    The best metric is the last that was an improvement, so small ones add up.  This is PyTorch's `ReduceLROnPlateau`
    with factor = rate, cooldown = 0, eps = 0 and min_lr = floor · learning_rate: in its mode "min" for metrics above 0,
    in "max" for scores above 0 whose negatives are given here.

    Examples
    --------
    >>> schedule, state = ReduceOnPlateau(rate=0.5, patience=1), PlateauState()
    >>> for metric in (3.0, 2.0, 2.0, 2.0, 2.0):
    ...     state = schedule.observe(state, metric)
    ...     print(state.factor, end=" ")
    1.0 1.0 1.0 0.5 0.5
    """

    name: ClassVar[str] = "reduce_on_plateau"
    checks: ClassVar[dict[str, Check]] = {**Plateau.checks, "threshold": SHARE}
    threshold: float = 1e-4

    def observe(self, state: PlateauState, metric: float) -> PlateauState:
        """See `Plateau.observe`."""
        margin = self.threshold * abs(state.best) if math.isfinite(state.best) else 0.0
        if metric < state.best - margin:
            return PlateauState(float(metric), 0, state.factor)
        return self.wait(state)


@register_schedule
@dataclass(frozen=True, kw_only=True)
class Adaptive(Plateau):
    """scikit-learn's "adaptive" rate: a fall when each of more than `patience` epochs improved by less than tol.

    Parameters
    ----------
    rate : float, default 0.2
        What the factor is multiplied by when it falls, in [0, 1).  scikit-learn's is 1/5.
    patience : int, default 10
        Epochs without an improvement that pass before a fall, at least 0: scikit-learn's n_iter_no_change.
    tol : float, default 0.0001
        Smallest improvement, at least 0, in the metric's own unit.

    Notes
    -----
    The best metric moves with the smallest improvement, so a slow descent counts as a plateau here, while
    `ReduceOnPlateau` adds it up.

    Examples
    --------
    >>> for schedule in (Adaptive(patience=2, tol=0.015), ReduceOnPlateau(patience=2, threshold=0.015)):
    ...     state = PlateauState()
    ...     for metric in (1.0, 0.99, 0.98, 0.97):
    ...         state = schedule.observe(state, metric)
    ...     print(schedule.name, state.factor)
    adaptive 0.2
    reduce_on_plateau 1.0
    """

    name: ClassVar[str] = "adaptive"
    checks: ClassVar[dict[str, Check]] = {**Plateau.checks, "tol": number(0)}
    rate: float = 0.2
    tol: float = 1e-4

    def observe(self, state: PlateauState, metric: float) -> PlateauState:
        """See `Plateau.observe`."""
        improved = metric <= state.best - self.tol
        moved = replace(state, best=float(metric)) if metric < state.best else state
        return replace(moved, waited=0) if improved else self.wait(moved)
