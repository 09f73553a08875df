"""The constructor parameters: which values each may take, and what those mean that scikit-learn's classes don't have.

scikit-learn's own keep their names, defaults and meaning.  Beyond them, all as keywords:

- `activation` takes every activation of Backlit, `{"name": "leaky_relu", "alpha": 0.1}`, an `Activation`, a plain NumPy
  function of u, and a tuple of one a hidden layer.
- `norm` : None, "batch" or "layer", in every hidden layer.  `dropout` : probability in [0, 1) after each of them.
- `skip` : None, "residual", or a number s > 0: each hidden layer as wide as the hidden layer before it adds s times
  (1 for "residual") that layer's output to its own.
- `init` : a scheme of `backlit.core.initializers`, by name or as `{"scheme": "gaussian", "sigma_w": 1.0}`.
- `loss` : the regressor's "squared_error" (½ Σ (a − y)², as in scikit-learn), "absolute_error", "huber", "quantile" and
  "poisson", with a parameter as `{"name": "quantile", "quantile": 0.9}`; the classifier's "auto", "cross_entropy",
  "binary_cross_entropy" or a squared error; for both a plain NumPy function loss(a, y), (m, n_L) twice ↦ (m,), whose
  slope is found by `backlit.autodiff`.
- `class_weight` : None, "balanced", `{class: weight}`, or a list of one an output; it multiplies `sample_weight`.
- `label_smoothing` : ε in [0, 1): a target is (1 − ε) y + ε/K for K classes, K = 2 for a sigmoid.
- `optimizer` : None for what `solver` says; else a name, a dict or an object of `backlit.optim`, in place of it.
  `learning_rate_init` is its rate where it names none.
- `schedule` : None for what `learning_rate` says; else one of `backlit.optim`, for every stochastic solver; warm-up is
  `{"name": "warm_up", "length": 500, "per": "step", "after": "cosine"}`.
- `clip_norm` : bound on the norm of the whole gradient.
- `callbacks` : functions of the `backlit.training.Run`, called after each epoch; one that returns True stops training.
- `monitor` : what patience and "adaptive" watch: "loss", "validation_loss" or "validation_score"; "auto" is the
  validation score with `early_stopping`, else the loss.
- `scoring` : the validation score: a scikit-learn scorer's name or a callable(estimator, X, y); None for accuracy, R².
- `restore_best` : whether to end with the best epoch's parameters; None: with `early_stopping`.
- `engine` : "auto", "native" or "reference".  `n_threads` : of the native engine.

`fit` and `partial_fit` take `validation_data=(X, y)` or `(X, y, sample_weight)`; `fit` takes `checkpoint`, a folder,
and `checkpoint_every`, a number of batches.
"""

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
