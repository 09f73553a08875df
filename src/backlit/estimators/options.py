"""scikit-learn's words for optimizers and schedules, in Backlit's."""

from typing import Any

from backlit.optim import Adam, Optimizer, Schedule, Sgd
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


def schedule_of(estimator: Any) -> Schedule:
    """The schedule that `learning_rate` describes, which like scikit-learn's is for the solver "sgd" only."""
    if estimator.solver != "sgd" or estimator.learning_rate == "constant":
        return Constant()
    if estimator.learning_rate == "invscaling":
        return InverseScaling(power=estimator.power_t)
    return ReduceOnPlateau(rate=0.2, patience=estimator.n_iter_no_change, threshold=0.0)
