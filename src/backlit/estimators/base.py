"""What the classifier and the regressor share: from constructor parameters to a network, settings and a fit.

The constructor parameters of scikit-learn's `MLPClassifier` and `MLPRegressor` keep their names, defaults and meaning.
Beyond them: `activation` takes every activation of Backlit and a tuple of one a hidden layer; `norm`, `dropout`,
`init`, `clip_norm`, `engine` and `n_threads` are new.
"""

import warnings
from collections.abc import Iterable
from functools import partial
from math import ceil
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data

from backlit.core.network import Dense, Network
from backlit.core.norms import Statistics
from backlit.core.parameters import Parameters
from backlit.engine import Data, Engine, Recipe, State, get_engine
from backlit.errors import ProblemError
from backlit.estimators.guard import refuse_no_numbers, unchanged_on_error
from backlit.estimators.inspection import Inspection
from backlit.estimators.lbfgs import fit_lbfgs, take_moments
from backlit.estimators.options import ACTIVATION_NAMES, optimizer_of, rate_is_spent, schedule_of
from backlit.estimators.persistence import Persistence
from backlit.training import History, Settings
from backlit.training import fit as train

Array = np.ndarray
POSITIVE, NOT_NEGATIVE = Interval(Real, 0, None, closed="neither"), Interval(Real, 0, None, closed="left")
COUNT, SHARE = Interval(Integral, 1, None, closed="left"), Interval(Real, 0, 1, closed="left")


class BaseMLP(Inspection, Persistence, BaseEstimator):
    """The fit, and the attributes that it leaves; the subclasses say what the outputs and the loss are."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", COUNT],
        "activation": [str, dict, list, tuple],
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
        "n_iter_no_change": [COUNT],
        "max_fun": [COUNT],
        "norm": [StrOptions({"batch", "layer"}), None],
        "dropout": [SHARE],
        "init": [str, dict],
        "clip_norm": [POSITIVE, None],
        "engine": [str],
        "n_threads": [COUNT, None],
    }

    _state: State | None  # of the stochastic solvers, kept from one partial_fit to the next

    # --- what a subclass gives ---

    def _read_targets(self, y: Any, first: bool) -> Array:
        """Y (n, n_L), from y as the caller gave it."""
        raise TypeError(f"{type(self).__name__} reads no targets")

    def _output(self) -> tuple[str, Any]:
        """Activation of the output, and loss."""
        raise TypeError(f"{type(self).__name__} names no loss")

    def _validation_score(self, held_out: Data, engine: Engine, params: Parameters, statistics: Statistics) -> float:
        """Accuracy or R² on held-out examples."""
        raise TypeError(f"{type(self).__name__} has no score")

    def _stratify(self, y: Any) -> Any:
        """What to stratify the held-out examples by."""
        return None

    # --- fit ---

    @unchanged_on_error
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on X (n, n_features) and y, with optional weights (n,).

        Raises ValueError for what cannot be used; Divergence, a ValueError, where training leaves the finite numbers
        (the estimator then holds the last finite parameters).
        """
        self._validate_params()
        go_on = self.warm_start and hasattr(self, "network_")
        data = self._read(X, y, sample_weight, first=not go_on, new_targets=not go_on)
        if not go_on:
            self._start(data)
        self._check_shapes(data)
        self._state = None  # warm_start keeps what was learned, not the optimizer's memory
        if self.solver == "lbfgs":
            return self._fit_lbfgs(data)
        data, held_out = self._hold_out(data) if self.early_stopping else (data, None)
        return self._fit_stochastic(data, held_out)

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, first: bool) -> Self:
        if self.solver == "lbfgs":
            raise AttributeError("partial_fit is only available for stochastic optimizers: solver is lbfgs")
        if self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True: it sees no held-out examples")
        self._validate_params()
        data = self._read(X, y, sample_weight, first=first, new_targets=False)  # the caller named the classes
        if first:
            self._start(data)
        self._check_shapes(data)
        return self._fit_stochastic(data, None, epochs=1)

    def _read(self, X: Any, y: Any, sample_weight: Any, *, first: bool, new_targets: bool) -> Data:
        refuse_no_numbers(X, "X")
        refuse_no_numbers(y, "y")
        X, y = validate_data(
            self,
            X,
            y,
            multi_output=True,
            y_numeric=self._numeric,
            dtype=(np.float64, np.float32),
            order="C",
            reset=first,
        )
        y = column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        if weight is not None and not weight.any():
            raise ValueError("sample_weight is zero everywhere: give at least one example a weight above 0")
        Y = np.ascontiguousarray(self._read_targets(y, new_targets), dtype=X.dtype)
        return Data(X, Y, None if weight is None else weight.astype(X.dtype))

    _numeric = False

    def _start(self, data: Data) -> None:
        """Make the network and draw its parameters."""
        self._random = check_random_state(self.random_state)
        self.network_ = self._build(data)
        X = data.X if self._scheme().get("scheme") == "lsuv" else None
        self._params = self.network_.init(self._scheme(), seed=self._draw_seed(), X=X, dtype=data.X.dtype)
        self._statistics = Statistics(self.network_, data.X.dtype)
        self._state = None
        self.history_ = History()
        self.t_ = 0

    def _scheme(self) -> dict[str, Any]:
        return {"scheme": self.init} if isinstance(self.init, str) else dict(self.init)

    def _draw_seed(self) -> int:
        return int(self._random.randint(2**31 - 1))

    def _build(self, data: Data) -> Network:
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if isinstance(sizes, Iterable) else [sizes]
        if any(not isinstance(size, Integral) or size <= 0 for size in sizes):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        layers = [
            Dense(int(size), activation, norm=self.norm, dropout=self.dropout)
            for size, activation in zip(sizes, self._activations(len(sizes)), strict=True)
        ]
        self.out_activation_, loss = self._output()
        output = Dense(data.Y.shape[1], ACTIVATION_NAMES.get(self.out_activation_, self.out_activation_))
        return Network(data.X.shape[1], [*layers, output], loss=loss, l2=self.alpha / self._weight_of_batch(data))

    def _weight_of_batch(self, data: Data) -> float:
        """The sum of the weights in a batch, which scikit-learn divides alpha by; over minibatches, its mean."""
        share = 1.0 if self.solver == "lbfgs" else self._batch(len(data)) / len(data)
        return share * float(len(data) if data.sample_weight is None else data.sample_weight.sum())

    def _activations(self, n_hidden: int) -> list[Any]:
        given = self.activation
        each = list(given) if isinstance(given, list | tuple) else [given] * n_hidden
        if len(each) != n_hidden:
            raise ProblemError(f"activation names {len(each)} layers, but hidden_layer_sizes has {n_hidden}")
        return [ACTIVATION_NAMES.get(name, name) if isinstance(name, str) else name for name in each]

    def _batch(self, n: int) -> int:
        if self.batch_size != "auto" and self.batch_size > n:
            warnings.warn("Got `batch_size` larger than the sample size. It is going to be clipped", stacklevel=5)
        return min(200 if self.batch_size == "auto" else self.batch_size, n)

    def _check_shapes(self, data: Data) -> None:
        if data.Y.shape[1] != self.network_.outputs:
            raise ValueError(f"y has {data.Y.shape[1]} outputs, but the network was built for {self.network_.outputs}")

    def _hold_out(self, data: Data) -> tuple[Data, Data]:
        """Examples to learn from and examples to score by; those of weight 0 can be neither."""
        rows = np.arange(len(data)) if data.sample_weight is None else np.flatnonzero(data.sample_weight)
        n_held_out = ceil(self.validation_fraction * len(rows))
        if n_held_out < 2:
            raise ValueError(
                f"The validation set is too small: n_samples = {len(rows)} and validation_fraction = "
                f"{self.validation_fraction:g} make {n_held_out} of at least 2. Increase validation_fraction, or set "
                f"early_stopping=False"
            )
        labels = self._stratify(data.Y[rows])
        if labels is not None:  # only where both parts can hold every class
            counts = np.unique(labels, return_counts=True)[1]
            labels = labels if counts.min() > 1 and len(counts) <= min(n_held_out, len(rows) - n_held_out) else None
        kept, held_out = train_test_split(rows, test_size=n_held_out, random_state=self._draw_seed(), stratify=labels)
        return take(data, kept), take(data, held_out)

    def _settings(self, n: int, epochs: int) -> Settings:
        return Settings(
            epochs=epochs,
            batch_size=self._batch(n),
            optimizer=optimizer_of(self),
            schedule=schedule_of(self, n),
            clip_norm=self.clip_norm,
            shuffle=self.shuffle,
            monitor="validation_score" if self.early_stopping else "loss",
            patience=None if self._adapts() else self.n_iter_no_change,
            tol=self.tol,
            restore_best=self.early_stopping,
            seed=self._draw_seed(),
            engine=self.engine,
            n_threads=self.n_threads,
        )

    def _adapts(self) -> bool:
        return self.learning_rate == "adaptive" and self.solver == "sgd"

    def _fit_stochastic(self, data: Data, held_out: Data | None, epochs: int | None = None) -> Self:
        before, settings = len(self.history_), self._settings(len(data), epochs or self.max_iter)
        if self._state is None:
            slots = settings.optimizer.init(self._params.theta)
            self._state = State(self._params, slots, self._statistics)
        outcome = train(
            self.network_,
            self._params,
            data,
            settings,
            validation=held_out,
            score=None if held_out is None else partial(self._validation_score, held_out),
            callbacks=[rate_is_spent] if self._adapts() else [],
            progress=bool(self.verbose),
            state=self._state,
            history=self.history_,
        )
        self._params, self._statistics, self._state = outcome.params, outcome.statistics, outcome.state
        self._record(len(self.history_) - before, len(data))
        if outcome.divergence is not None:
            raise outcome.divergence
        self._warn(outcome.history.stopped, epochs)
        return self

    def _warn(self, stopped: str, epochs: int | None) -> None:
        if stopped == "interrupted":
            warnings.warn("Training interrupted by user.", stacklevel=5)
        if stopped == "epochs" and epochs is None:
            message = f"Maximum iterations ({self.max_iter}) reached and the optimization hasn't converged yet."
            warnings.warn(f"Stochastic Optimizer: {message}", ConvergenceWarning, stacklevel=5)

    def _record(self, epochs: int, n: int) -> None:
        """Leave scikit-learn's fitted attributes."""
        self.n_iter_ = epochs
        self.t_ += epochs * n
        self.loss_curve_ = self.history_.column("loss")
        if self.loss_curve_:
            self.loss_ = self.loss_curve_[-1]
        scores = [s for s in self.history_.column("validation_score") if s is not None]
        self.validation_scores_ = scores if self.early_stopping else None
        self.best_validation_score_ = max(scores, default=None) if self.early_stopping else None
        self.best_loss_ = None if self.early_stopping else min(self.loss_curve_, default=None)

    def _fit_lbfgs(self, data: Data) -> Self:
        recipe = Recipe(self.network_, optimizer_of(self), len(data), n_threads=self.n_threads)
        engine = get_engine(self.engine, recipe)
        if self.dropout:
            raise ValueError(
                "dropout draws a mask for each step, which lbfgs cannot follow: set dropout=0 or solver=adam"
            )
        found = fit_lbfgs(
            engine,
            self._params,
            data,
            max_iter=self.max_iter,
            max_fun=self.max_fun,
            tol=self.tol,
            verbose=bool(self.verbose),
        )
        self.loss_, self.n_iter_ = float(found.fun), int(found.nit)
        if not np.isfinite(self._params.theta).all():
            raise ValueError("Solver produced non-finite parameter weights: scale the inputs")
        take_moments(self._statistics, self._params, data.X)
        if found.status:
            message = f"lbfgs failed to converge after {self.n_iter_} iterations: {found.message}"
            warnings.warn(message, ConvergenceWarning, stacklevel=4)
        return self

    # --- predict ---

    def _outputs(self, X: Any) -> Array:
        """a_L (n, n_L)."""
        check_is_fitted(self)
        refuse_no_numbers(X, "X")
        X = validate_data(self, X, dtype=(np.float64, np.float32), order="C", reset=False)
        engine = get_engine(self.engine, Recipe(self.network_, optimizer_of(self), 1, n_threads=self.n_threads))
        return engine.predict(self._params, self._statistics, X.astype(self._params.theta.dtype, copy=False))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    @property
    def coefs_(self) -> list[Array]:
        """Weights as scikit-learn has them, W[l]ᵀ (n_{l−1}, n_l), views of the parameters."""
        check_is_fitted(self)
        return [W.T for W in self._params.W[1:]]

    @property
    def intercepts_(self) -> list[Array]:
        """Biases b[l] (n_l,), views of the parameters."""
        check_is_fitted(self)
        return self._params.b[1:]

    @property
    def n_layers_(self) -> int:
        """Layers, the input counted."""
        check_is_fitted(self)
        return self.network_.L + 1

    @property
    def n_outputs_(self) -> int:
        """Output units."""
        check_is_fitted(self)
        return self.network_.outputs


def take(data: Data, rows: Array) -> Data:
    """Some rows of the data."""
    return Data(data.X[rows], data.Y[rows], None if data.sample_weight is None else data.sample_weight[rows])
