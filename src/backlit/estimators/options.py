"""scikit-learn's words for optimizers and schedules, in Backlit's."""

from typing import Any

from backlit.optim import Adam, Optimizer, Schedule, Sgd
from backlit.optim.schedules import Adaptive, Constant, InverseScaling

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
        return InverseScaling(power=estimator.power_t, scale=n)
    return Adaptive(rate=0.2, patience=estimator.n_iter_no_change, tol=estimator.tol)


def rate_is_spent(run: Any) -> bool:
    """A callback that ends "adaptive" as scikit-learn does: no progress at a learning rate of 1e-6 or less."""
    return run.settings.optimizer.learning_rate * run.plateau.factor <= 0.2 * 1e-6
