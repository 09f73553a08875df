"""The regressor: identity output and squared error, or exp output and the Poisson loss for counts."""

from typing import Any, ClassVar, Self

from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from backlit.core.norms import Statistics
from backlit.core.parameters import Parameters
from backlit.engine import Data, Engine
from backlit.estimators.base import Array, BaseMLP
from backlit.estimators.classifier import stochastic
from backlit.estimators.guard import unchanged_on_error

OUTPUTS = {"squared_error": ("identity", "half_squared_error"), "poisson": ("exp", "poisson")}


class MLPRegressor(RegressorMixin, BaseMLP):
    """A multilayer perceptron for numbers; see `backlit.estimators.base` for the parameters.

    loss : "squared_error" (½ Σ (a − y)², as in scikit-learn) or "poisson" (targets ≥ 0).

    >>> import numpy as np
    >>> X = np.linspace(-2, 2, 200)[:, None]
    >>> model = MLPRegressor(hidden_layer_sizes=(32,), solver="lbfgs", max_iter=500, random_state=0)
    >>> model.fit(X, X.ravel() ** 2).score(X, X.ravel() ** 2) > 0.99
    True
    """

    _parameter_constraints: ClassVar = {**BaseMLP._parameter_constraints, "loss": [StrOptions(set(OUTPUTS))]}
    _numeric = True

    def __init__(
        self,
        loss="squared_error",
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        solver="adam",
        alpha=0.0001,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        norm=None,
        dropout=0.0,
        init="xavier_uniform",
        clip_norm=None,
        engine="auto",
        n_threads=None,
    ):
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.norm = norm
        self.dropout = dropout
        self.init = init
        self.clip_norm = clip_norm
        self.engine = engine
        self.n_threads = n_threads

    def _read_targets(self, y: Any, first: bool) -> Array:
        if self.loss == "poisson" and (y < 0).any():
            raise ValueError(f"y holds {y.min():g}, but the Poisson loss takes targets >= 0")
        return y[:, None] if y.ndim == 1 else y

    def _output(self) -> tuple[str, Any]:
        return OUTPUTS[self.loss]

    def _validation_score(self, held_out: Data, engine: Engine, params: Parameters, statistics: Statistics) -> float:
        predicted = engine.predict(params, statistics, held_out.X)
        return float(r2_score(held_out.Y, predicted, sample_weight=held_out.sample_weight))

    def predict(self, X: Any) -> Array:
        """The outputs for X (n, n_features): (n,), or (n, n_outputs) for several targets."""
        outputs = self._outputs(X)
        return outputs.ravel() if outputs.shape[1] == 1 else outputs

    @available_if(stochastic)
    @unchanged_on_error
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One pass over these examples."""
        return self._partial_fit(X, y, sample_weight, not hasattr(self, "network_"))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
