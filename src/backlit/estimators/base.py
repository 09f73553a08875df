"""What the classifier and the regressor share: `fit`, `partial_fit`, and what a fit leaves.

`backlit.estimators.parameters` says what the constructor's parameters mean.
"""

from dataclasses import replace
from functools import lru_cache
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from backlit.core.activations import Activation
from backlit.core.losses import Loss
from backlit.engine import Data, DenseBatches, Engine, State, TrainConfig, kept_engine
from backlit.errors import ProblemError
from backlit.estimators.early_stopping import Stopping, hold_out
from backlit.estimators.inspection import Inspection
from backlit.estimators.lbfgs import check_lbfgs, fit_lbfgs
from backlit.estimators.network import FittedAttributes, build_network, draw_parameters
from backlit.estimators.out_of_core import ChunkedFit
from backlit.estimators.parameters import CONSTRAINTS
from backlit.estimators.serialization import Persistence
from backlit.estimators.train import (
    batch_size_of,
    check_optimizer,
    check_resumable,
    check_same_network,
    current,
    monitor_of,
    optimizer_of,
    record,
    run_training,
    settings_of,
    warn_of_end,
)
from backlit.estimators.validation import Reading, check_scorer, plain_rows, refuse_no_numbers, unchanged_on_error
from backlit.optim import Optimizer
from backlit.training import History

Array = np.ndarray
CONSTANTS = (int, float, str, type(None))  # whose text says all that there is to know of them
FINE: set[tuple[type, str]] = set()  # classes and values of all their parameters that were found fine
MOST_FINE = 1000


def is_plain(value: Any) -> bool:
    """Whether a parameter is a constant or a tuple of them."""
    return isinstance(value, CONSTANTS) or (type(value) is tuple and all(isinstance(v, CONSTANTS) for v in value))


class BaseMLP(FittedAttributes, Reading, Inspection, Persistence, ChunkedFit, BaseEstimator):
    """The fit, and the attributes that it leaves; the subclasses say what the outputs and the loss are."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CONSTRAINTS

    _state: State | None  # of the stochastic solvers, kept from one partial_fit to the next
    _stopping: Stopping | None  # of partial_fit with early stopping
    _fitted_with: dict[str, Any] | None = None  # the parameters that made network_; None in files of older versions
    _learned_by: Optimizer | None = None  # whose memory _state holds

    @classmethod
    @lru_cache(maxsize=32)
    def _get_param_names(cls) -> list[str]:
        """The constructor's parameters; scikit-learn reads its signature anew in every call of `fit`."""
        return super()._get_param_names()

    def _validate_params(self) -> None:
        """Raise where a parameter cannot be used; plain values that were found fine are not looked at again."""
        values = [getattr(self, name) for name in self._get_param_names()]
        key = (type(self), repr(values)) if all(map(is_plain, values)) else None
        if key is None or key not in FINE:
            super()._validate_params()
            if key is not None and len(FINE) < MOST_FINE:
                FINE.add(key)

    # --- what a subclass gives ---

    def _decode(self, outputs: Array) -> Any:
        """Predictions, in the shape and type of y, from outputs (n, n_L)."""
        raise TypeError(f"{type(self).__name__} decodes no outputs")

    def _output(self) -> tuple[str, Activation, Loss]:
        """scikit-learn's word for the output's activation, the activation, and the loss."""
        raise TypeError(f"{type(self).__name__} names no loss")

    def _score_of(self, y: Any, predicted: Any, sample_weight: Array | None) -> float:
        """Accuracy or R²."""
        raise TypeError(f"{type(self).__name__} has no score")

    def _strata(self, Y: Array) -> Array | None:
        """A number for each class (n,): the held-out examples are to have each in the same share."""
        return None

    def _to_learn(self, Y: Array) -> Array:
        """The targets as they are learned."""
        return Y

    # --- fit ---

    @unchanged_on_error
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        validation_data: Any = None,
        checkpoint: Any = None,
        checkpoint_every: int | None = None,
    ) -> Self:
        """Train on examples.

        A call that fails leaves the estimator as it was; after a Divergence it holds the last finite weights.

        Parameters
        ----------
        X : (n, n_features) array, sparse matrix or data frame
            Rows.
        y : (n,) or (n, k) array
            Their targets.
        sample_weight : (n,) array, optional
            Weights of the rows, none below 0.
        validation_data : tuple (X, y) or (X, y, sample_weight), optional
            Rows whose loss and score are measured after each epoch; with early_stopping in place of held-out ones.
        checkpoint : str or Path, optional
            A folder.  If it holds a checkpoint of this same fit, training goes on from there; needs a random_state.
        checkpoint_every : int, optional
            Batches from one checkpoint to the next; one an epoch if not given.

        Returns
        -------
        MLPClassifier or MLPRegressor
            The estimator itself.

        Raises
        ------
        ValueError
            If a parameter, X, y or a weight cannot be used.
        Divergence
            If training leaves the finite numbers; it is a ValueError too.
        """
        self._validate_params()
        check_resumable(self, checkpoint)
        go_on = self.warm_start and hasattr(self, "network_")
        data = self._read(X, y, sample_weight, first=not go_on, new_targets=not go_on, same_classes=go_on)
        if go_on:
            self._state, self._stopping = None, None  # warm_start keeps what was learned, not the optimizer's memory
            self._go_on_with_copies()
        else:
            self._start(data, len(data), data.weight())
        self._check_shapes(data)
        if self.solver == "lbfgs":
            check_lbfgs(self, validation_data, checkpoint)
            fit_lbfgs(self, data)
            return self
        data, held_out = self._validation(data, validation_data)
        settings = settings_of(self, len(data), self.max_iter)
        outcome = run_training(self, self._smooth(data), held_out, settings, checkpoint, checkpoint_every)
        warn_of_end(self, outcome.history.stopped)
        return self

    def _validation(self, data: Data, given: Any) -> tuple[Data, Data | None]:
        """Examples to learn from, and examples to measure on: those given, or with early stopping some held out."""
        check_scorer(self)
        if given is not None:
            return data, self._read_validation(given)
        if self.early_stopping:
            kept, out = hold_out(data, self._strata(data.Y), self.validation_fraction, self._draw_seed())
            return data.take(kept), data.take(out)
        if monitor_of(self) != "loss":
            raise ProblemError(
                f"monitor={self.monitor!r} needs examples to measure on: set early_stopping=True, which holds some "
                f"out, or give fit validation_data=(X, y)"
            )
        return data, None

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, validation_data: Any, first: bool) -> Self:
        if self.solver == "lbfgs":
            raise AttributeError("partial_fit is only available for stochastic optimizers: solver is lbfgs")
        self._validate_params()
        data = self._read(X, y, sample_weight, first=first, new_targets=False)  # the caller named the classes
        if first:
            self._start(data, len(data), data.weight())
        else:
            self._go_on_with_copies()
        self._check_shapes(data)
        held_out = None if validation_data is None else self._read_validation(validation_data)
        if self.early_stopping:
            return self._partial_fit_until_tired(data, held_out)
        if held_out is None and monitor_of(self) != "loss":
            raise ProblemError(f"monitor={self.monitor!r} needs validation_data=(X, y), or early_stopping=True")
        run_training(self, self._smooth(data), held_out, settings_of(self, len(data), 1))
        return self

    def _partial_fit_until_tired(self, data: Data, held_out: Data | None) -> Self:
        """Make a pass and measure the held-out sample; do nothing once early stopping has ended the training."""
        if self._stopping is None:
            settings = settings_of(self, len(data), 1)
            self._stopping = Stopping.start(settings, self.validation_fraction, self._draw_seed())
            self.stopped_ = ""
        if self.stopped_ == "patience":
            return self
        if held_out is None:
            data = self._stopping.split(data)
            held_out = self._stopping.enough()
        if not len(data):  # all of a small call was held out
            record(self, 0, 0)
            return self
        settings = settings_of(self, len(data), 1)
        told = replace(settings, monitor="loss", patience=None, restore_best=False)  # the trainer's end with the call
        run_training(self, self._smooth(data), held_out, told)
        if self._state is not None and self._stopping.update(self.history_.epochs[-1], self._state):
            self.history_.stopped = self.stopped_ = "patience"
        elif self.stopped_ == "epochs":
            self.stopped_ = ""
        return self

    def _smooth(self, data: Data) -> Data:
        return Data(data.X, self._to_learn(data.Y), data.sample_weight)

    # --- the network ---

    def _start(self, data: Data, n: int, weight: float) -> None:
        """Make the network and draw its parameters, for n examples of this weight together; data : some of them."""
        self._random = check_random_state(self.random_state)
        self.out_activation_, phi, loss = self._output()
        l2 = self.alpha / self._weight_of_batch(n, weight)
        self.network_ = build_network(self, data.X.shape[1], data.Y.shape[1], phi, loss, l2)
        self._params, self._statistics = draw_parameters(self, self.network_, data, self._draw_seed())
        self._state, self._stopping, self._fitted_with = None, None, current(self)
        self.history_ = History()
        self.t_ = 0

    def _go_on_with_copies(self) -> None:
        """Let what training writes into be copies, so that `unchanged_on_error` can put back what was there before.

        Raises ProblemError if the parameters describe another network, or an optimizer that cannot go on.
        """
        check_same_network(self)
        if self._state is not None:
            check_optimizer(self, optimizer_of(self))
        self.history_ = self.history_.copy()
        self._stopping = None if self._stopping is None else self._stopping.copy()
        if self._state is None:
            self._params, self._statistics = self._params.copy(), self._statistics.copy()
            return
        self._state = self._state.copy()
        self._params, self._statistics = self._state.params, self._state.statistics

    def _draw_seed(self) -> int:
        return int(self._random.randint(2**31 - 1))

    def _weight_of_batch(self, n: int, weight: float) -> float:
        """A batch's mean weight; `network_.l2` is alpha over it, though each batch has its own."""
        share = 1.0 if self.solver == "lbfgs" else batch_size_of(self, n) / n
        return share * weight

    # --- predict ---

    def _engine(self, batch_size: int, sparse: bool) -> Engine:
        recipe = TrainConfig(self.network_, optimizer_of(self), batch_size, n_threads=self.n_threads)
        engine = kept_engine(self.engine, recipe)
        return DenseBatches(engine, batch_size) if sparse else engine

    def _outputs(self, X: Any) -> Array:
        """a_L (n, n_L)."""
        check_is_fitted(self)
        if not plain_rows(X, self):
            refuse_no_numbers(X, "X")
            X = validate_data(self, X, accept_sparse="csr", dtype=(np.float64, np.float32), order="C", reset=False)
        engine = self._engine(1, not isinstance(X, np.ndarray))
        return engine.predict(self._params, self._statistics, X.astype(self._params.theta.dtype, copy=False))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.multi_output = True
        return tags
