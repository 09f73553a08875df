"""The constructor parameters and the fitted attributes of both estimators: what each means, and what it may be.

The docstrings of `MLPClassifier` and `MLPRegressor` are made of these entries.  scikit-learn's own parameters keep
their names, defaults and meaning; those beyond them are keywords.
"""

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, Options, StrOptions

from backlit.core.activations import Activation
from backlit.core.losses import Loss
from backlit.core.norms import NORMS
from backlit.optim import Optimizer, Schedule
from backlit.signatures import entries

PARAMETERS = entries("""
hidden_layer_sizes : int or sequence of int
    Units of each hidden layer.
activation : str, mapping, Activation, callable, or tuple of one a hidden layer
    φ of the hidden layers: "identity", "logistic", "tanh", "relu", or any other activation of Backlit's;
    `{"name": "leaky_relu", "alpha": 0.1}`; a NumPy function of u.
solver : {"lbfgs", "sgd", "adam"}
    "lbfgs" takes all examples at once, the others take batches.
alpha : float
    L2: each batch has (alpha/2) Σ ‖W‖² over its weight in its cost, as in scikit-learn.
batch_size : int or "auto"
    Examples in a step; "auto" is min(200, n).
learning_rate : {"constant", "invscaling", "adaptive"}
    How the rate of solver "sgd" changes: not at all; divided by (1 + examples seen)^power_t; divided by 5 when the
    monitored number has stopped improving by `tol`.
learning_rate_init : float
    First learning rate of "sgd" and "adam".
power_t : float
    Power of "invscaling".
max_iter : int
    Epochs at most, or iterations of "lbfgs".
shuffle : bool
    Whether each epoch has an order of its own.
random_state : int or RandomState
    Draws the weights, the held-out examples, the order of the examples and the dropout masks.
tol : float
    Smallest improvement of the monitored number that counts as one; of "lbfgs", the tolerance.
verbose : bool
    Whether to print a line for each epoch on standard output.
warm_start : bool
    Whether `fit` goes on from the weights of the last fit; what describes the network must be as it was.
momentum : float
    Momentum of "sgd", in [0, 1].
nesterovs_momentum : bool
    Whether it is Nesterov's.
early_stopping : bool
    Whether to hold examples out and to stop when their score has stopped improving.
validation_fraction : float
    Share of the examples that early stopping holds out, in [0, 1).
beta_1 : float
    β₁ of "adam", in [0, 1).
beta_2 : float
    β₂ of "adam", in [0, 1).
epsilon : float
    ε of "adam", above 0.
n_iter_no_change : int or inf
    Epochs without an improvement by `tol` after which training stops.
max_fun : int
    Evaluations of the cost at most, of "lbfgs".
norm : {"batch", "layer"}
    Norm of every hidden layer.
dropout : float
    Probability in [0, 1) that a hidden unit is dropped in training.
skip : "residual" or float
    A hidden layer as wide as the hidden layer before it adds that layer's output to its own, times this number
    ("residual" is 1).
init : str or mapping
    How the weights are drawn: a scheme of `backlit.core.initializers`, or `{"scheme": "gaussian", "sigma_w": 1.0}`.
clip_norm : float
    Bound on the norm of the whole gradient.
engine : {"auto", "native", "reference"}
    Who runs the passes; "auto" takes the compiled engine if it can run this.
n_threads : int
    Threads of the compiled engine; as many as it may use if not given.
class_weight : "balanced", mapping of class to weight, or list of one for each label
    Multiplies the weights of the examples by their class.
label_smoothing : float
    ε in [0, 1): a target is (1 − ε) y + ε/K for K classes, K = 2 for a sigmoid (Szegedy et al. 2016).
optimizer : str, mapping or Optimizer
    An optimizer of `backlit.optim`, in place of `solver`; its rate is `learning_rate_init` if it names none.
schedule : str, mapping or Schedule
    A schedule of `backlit.optim`, in place of `learning_rate` and for every optimizer; warm-up is
    `{"name": "warm_up", "length": 500, "per": "step", "after": "cosine"}`.
callbacks : list of callables
    Called with the `backlit.training.Run` after each epoch; one that returns True ends training.
monitor : {"auto", "loss", "validation_loss", "validation_score"}
    What early stopping and "adaptive" watch; "auto" is the validation score with `early_stopping`, otherwise the loss.
scoring : str or callable
    The validation score: name of a scikit-learn scorer, or a callable (estimator, X, y); accuracy or R² if not given.
restore_best : bool
    Whether to end with the best epoch's weights; if not given, it does with `early_stopping`.
""")
CLASSIFIER = PARAMETERS | entries("""
loss : str, mapping or callable
    "auto" is cross-entropy; "cross_entropy" is softmax for two classes as well, "binary_cross_entropy" a sigmoid a
    class; or a squared error; or a NumPy function loss(a, y) of (m, n_L) arrays that gives (m,).
""")
REGRESSOR = PARAMETERS | entries("""
loss : str, mapping or callable
    "squared_error", which is ½ Σ (a − y)² as in scikit-learn, "absolute_error", "huber", "quantile" or "poisson", with
    a parameter as `{"name": "quantile", "quantile": 0.9}`; or a NumPy function loss(a, y) of (m, n_L) arrays that gives
    (m,).
""")

ATTRIBUTES = """\
n_features_in_ : int
    Columns of X.
feature_names_in_ : (n_features,) array of str
    Their names, if X had names.
network_ : Network
    The network that was trained.
history_ : History
    The epochs: losses, scores, learning rates, gradient norms, seconds.
coefs_ : list of (n_{l−1}, n_l) arrays
    Weights, transposed as scikit-learn has them; arrays of these shapes may be set.
intercepts_ : list of (n_l,) arrays
    Biases; they may be set too.
n_layers_ : int
    Layers, with the input counted.
n_outputs_ : int
    Output units.
out_activation_ : str
    Activation of the output.
n_iter_ : int
    Epochs of the last fit, or iterations of "lbfgs".
t_ : int
    Examples that were learned from, each as often as it was.
loss_ : float
    Cost of the last epoch.
best_loss_ : float or None
    Smallest cost of an epoch; None with early stopping.
loss_curve_ : list of float
    Cost of each epoch; not there after "lbfgs".
validation_scores_ : list of float or None
    Score of each epoch on the examples that were held out or given; None if there were none.
best_validation_score_ : float or None
    The best of them.
validation_losses_ : list of float or None
    Cost of each epoch on the same examples.
stopped_ : str
    Why training ended: "epochs", "patience", "callback", "interrupted" or "diverged"; empty while `partial_fit` may
    go on."""


POSITIVE, NOT_NEGATIVE = Interval(Real, 0, None, closed="neither"), Interval(Real, 0, None, closed="left")
COUNT, SHARE = Interval(Integral, 1, None, closed="left"), Interval(Real, 0, 1, closed="left")
# --- what each may be -------------------------------------------------------------------------------------------------

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
    "norm": [StrOptions(set(NORMS)), None],
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
