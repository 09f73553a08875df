"""Which values each constructor parameter may take; `parameter_docs` says what they mean."""

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, Options, StrOptions

from backlit.core.activations import Activation
from backlit.core.losses import Loss
from backlit.errors import ProblemError
from backlit.optim import Adam, Optimizer, Schedule, Sgd, get_optimizer, get_schedule
from backlit.optim.schedules import Adaptive, Constant, InverseScaling

POSITIVE, NOT_NEGATIVE = Interval(Real, 0, None, closed="neither"), Interval(Real, 0, None, closed="left")
COUNT, SHARE = Interval(Integral, 1, None, closed="left"), Interval(Real, 0, 1, closed="left")
MONITORS = ("loss", "validation_loss", "validation_score")

CONSTRAINTS: dict[str, list[Any]] = {
    "loss": [str, dict, Loss, callable],
    "hidden_layer_sizes": ["array-like", COUNT],
    "activation": [str, dict, list, tuple, Activation, callable],
    "solver": [StrOptions({"lbfgs", "sgd", "adam"})],
    "alpha": [NOT_NEGATIVE],
    "batch_size": [StrOptions({"auto"}), COUNT],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
    "learning_rate_init": [POSITIVE],
    "power_t": [NOT_NEGATIVE],
    "max_iter": [COUNT],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [NOT_NEGATIVE],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [SHARE],
    "beta_1": [SHARE],
    "beta_2": [SHARE],
    "epsilon": [POSITIVE],
    "n_iter_no_change": [COUNT, Options(Real, {np.inf})],
    "max_fun": [COUNT],
    "norm": [StrOptions({"batch", "layer"}), None],
    "dropout": [SHARE],
    "skip": [StrOptions({"residual"}), POSITIVE, None],
    "init": [str, dict],
    "optimizer": [str, dict, Optimizer, None],
    "schedule": [str, dict, Schedule, None],
    "clip_norm": [POSITIVE, None],
    "callbacks": [list, tuple, None],
    "monitor": [StrOptions({"auto", *MONITORS})],
    "scoring": [str, callable, None],
    "restore_best": ["boolean", None],
    "engine": [str],
    "n_threads": [COUNT, None],
}
CLASSIFIER_CONSTRAINTS: dict[str, list[Any]] = {
    **CONSTRAINTS,
    "class_weight": [StrOptions({"balanced"}), dict, list, None],
    "label_smoothing": [SHARE],
}


def keep(estimator: Any, arguments: Mapping[str, Any]) -> None:
    """Set the arguments of a constructor, its `locals()`, as the attributes that scikit-learn expects, untouched."""
    for name, value in arguments.items():
        if name not in ("self", "__class__"):
            setattr(estimator, name, value)


RATES = ("learning_rate", "learning_rate_init", "lr")


def optimizer_of(estimator: Any) -> Optimizer:
    """The optimizer that `optimizer`, or else `solver` and its parameters, describe."""
    given = estimator.optimizer
    if isinstance(given, Optimizer):
        return given
    if given is not None:
        spec = dict(given) if isinstance(given, Mapping) else {"name": given}
        rate = {} if any(name in spec for name in RATES) else {"learning_rate": estimator.learning_rate_init}
        return get_optimizer(spec | rate)
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
    """The schedule that `schedule`, or else `learning_rate`, describes for n examples.

    `learning_rate` is, as in scikit-learn, for "sgd" only; `schedule` for whatever optimizer.
    """
    if estimator.schedule is not None:
        return get_schedule(estimator.schedule)
    if estimator.solver != "sgd" or estimator.learning_rate == "constant":
        return Constant()
    if estimator.learning_rate == "invscaling":
        return InverseScaling(power=estimator.power_t, scale=n)
    return Adaptive(rate=0.2, patience=patience_of(estimator) or 2**31, tol=estimator.tol)


def adapts(estimator: Any) -> bool:
    """Whether the rate falls as scikit-learn's "adaptive", which takes the place of patience."""
    return estimator.schedule is None and estimator.learning_rate == "adaptive" and estimator.solver == "sgd"


def patience_of(estimator: Any) -> int | None:
    """Epochs without improvement after which training stops, None for any number."""
    return None if np.isinf(estimator.n_iter_no_change) else int(estimator.n_iter_no_change)


def monitor_of(estimator: Any) -> Any:
    """The number that patience watches."""
    if estimator.monitor != "auto":
        return estimator.monitor
    return "validation_score" if estimator.early_stopping else "loss"


def restores_best(estimator: Any) -> bool:
    """Whether training ends with the best epoch's parameters."""
    return bool(estimator.early_stopping if estimator.restore_best is None else estimator.restore_best)


def callbacks_of(estimator: Any) -> list[Any]:
    """What is called after each epoch.  Raises ProblemError for what cannot be called."""
    given = list(estimator.callbacks or [])
    for callback in given:
        if not callable(callback):
            raise ProblemError(f"callbacks must be functions of the run, but holds {callback!r}")
    return [*given, rate_is_spent] if adapts(estimator) else given


def rate_is_spent(run: Any) -> bool:
    """A callback that ends "adaptive" as scikit-learn does: no progress at a learning rate of 1e-6 or less."""
    return run.settings.optimizer.learning_rate * run.plateau.factor <= 0.2 * 1e-6
