"""scikit-learn's words for optimizers and schedules, in Backlit's."""

from dataclasses import dataclass
from typing import Any, ClassVar

from backlit.optim import Adam, Optimizer, PlateauState, Schedule, Sgd
from backlit.optim.schedules import Constant, InverseScaling, ReduceOnPlateau

ACTIVATION_NAMES = {"logistic": "sigmoid"}


def optimizer_of(estimator: Any) -> Optimizer:
    """The optimizer that `solver` and its parameters describe."""
    if estimator.solver == "sgd":
        return Sgd(
            learning_rate=estimator.learning_rate_init,
            momentum=estimator.momentum,
            nesterov=estimator.nesterovs_momentum,
        )
    return Adam(
        learning_rate=estimator.learning_rate_init,
        beta1=estimator.beta_1,
        beta2=estimator.beta_2,
        eps=estimator.epsilon,
    )


def schedule_of(estimator: Any, n: int) -> Schedule:
    """The schedule that `learning_rate` describes for n examples, which like scikit-learn's is for "sgd" only."""
    if estimator.solver != "sgd" or estimator.learning_rate == "constant":
        return Constant()
    if estimator.learning_rate == "invscaling":
        return InverseScalingByExample(power=estimator.power_t, n=n)
    return Adaptive(rate=0.2, patience=estimator.n_iter_no_change, tol=estimator.tol)


@dataclass(frozen=True, kw_only=True)
class InverseScalingByExample(InverseScaling):
    """scikit-learn's "invscaling": its time is the number of examples seen, n an epoch."""

    n: int

    def factor(self, t: Any) -> Any:
        """(n t + 1)^−power."""
        return super().factor(self.n * t)


@dataclass(frozen=True, kw_only=True)
class Adaptive(ReduceOnPlateau):
    """scikit-learn's "adaptive": an epoch counts as no progress where it is not better than the best by `tol`.

    A slow fall, below tol each epoch, is no progress however far it leads: the best moves with every epoch.
    """

    ranges: ClassVar = {**ReduceOnPlateau.ranges, "tol": (0.0, float("inf"))}
    tol: float

    def observe(self, state: PlateauState, metric: float) -> PlateauState:
        """See `ReduceOnPlateau.observe`."""
        best = min(metric, state.best)
        waited = state.waited + 1 if metric > state.best - self.tol else 0
        if waited <= self.patience:
            return PlateauState(best, waited, state.factor)
        return PlateauState(best, 0, state.factor * self.rate)


def rate_is_spent(run: Any) -> bool:
    """A callback that ends "adaptive" as scikit-learn does: no progress at a learning rate of 1e-6 or less."""
    return run.settings.optimizer.learning_rate * run.plateau.factor <= 0.2 * 1e-6
