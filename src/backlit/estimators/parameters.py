"""Which values each constructor parameter may take; `parameter_docs` says what they mean."""

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, Options, StrOptions

from backlit.core.activations import Activation
from backlit.core.losses import Loss
from backlit.optim import Optimizer, Schedule

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
