"""Schedules that watch a metric: the rate falls when it has stopped improving.

They depend on what was measured, so they aren't functions of t but of a state: `observe` takes the state and a metric
and gives the next state, whose `factor` multiplies the learning rate from then on.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from backlit.optim.checks import Check, number, one_of, whole
from backlit.optim.schedules.base import SHARE, Schedule


@dataclass(frozen=True)
class PlateauState:
    """What is remembered: the best metric, the epochs since it improved, and the factor now."""

    best: float = math.inf
    waited: int = 0
    factor: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Plateau(Schedule):
    """What both have: a fall f ← max(rate · f, floor) after more than `patience` epochs without an improvement.

    Lower is better; hand in the negative of a score.  A subclass gives `observe`, which says what an improvement is.
    Raises ProblemError unless 0 ≤ rate < 1, patience ≥ 0 is a whole number and 0 ≤ floor ≤ 1.
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
        """1: what has been observed comes on top."""
        return np.ones_like(t)

    def observe(self, state: PlateauState, metric: float) -> PlateauState:
        """The state after an epoch with this metric; NaN is no improvement."""
        raise TypeError(f"{type(self).__name__} does not say what an improvement is")

    def wait(self, state: PlateauState) -> PlateauState:
        """The state after an epoch without an improvement: longer waited, or fallen and waiting anew."""
        if state.waited < self.patience:
            return replace(state, waited=state.waited + 1)
        return PlateauState(state.best, 0, max(self.rate * state.factor, self.floor))  # [SCH-PLATEAU]


@dataclass(frozen=True, kw_only=True)
class ReduceOnPlateau(Plateau):
    """A fall when no metric of more than `patience` epochs was below best − threshold · |best|.

    The best metric is the last that was an improvement, so small ones add up.  It equals PyTorch's `ReduceLROnPlateau`
    with factor = rate, cooldown = 0, eps = 0 and min_lr = floor · learning_rate: in its mode "min" for metrics above 0,
    in "max" for scores above 0 whose negatives are handed in here.
    Raises ProblemError as `Plateau` does, and unless 0 ≤ threshold ≤ 1.

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


@dataclass(frozen=True, kw_only=True)
class Adaptive(Plateau):
    """scikit-learn's "adaptive" rate: a fall when each of more than `patience` epochs improved by less than tol.

    tol is in the metric's own unit.  The best metric moves with the smallest improvement, so a slow descent counts as a
    plateau here, where `ReduceOnPlateau` adds it up.  scikit-learn's n_iter_no_change is patience; its rate is 1/5.
    Raises ProblemError as `Plateau` does, and unless 0 ≤ tol < ∞.

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
