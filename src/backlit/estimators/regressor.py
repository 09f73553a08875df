"""The regressor: identity output and a loss of numbers, or exp output and the Poisson loss for counts."""

from typing import Any, ClassVar, Self

from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.metaestimators import available_if

from backlit.core.activations import Activation
from backlit.core.losses import Loss
from backlit.estimators.base import Array, BaseMLP
from backlit.estimators.classifier import stochastic
from backlit.estimators.network import check_targets, number_output
from backlit.estimators.parameters import ATTRIBUTES, CONSTRAINTS, REGRESSOR, keep
from backlit.estimators.validation import unchanged_on_error
from backlit.signatures import documented


@documented(REGRESSOR, attributes=ATTRIBUTES)
class MLPRegressor(RegressorMixin, BaseMLP):
    """A multilayer perceptron for numbers: scikit-learn's `MLPRegressor` with every parameter, and more.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(-2, 2, 200)[:, None]
    >>> model = MLPRegressor(hidden_layer_sizes=(32,), solver="lbfgs", max_iter=500, random_state=0)
    >>> model.fit(X, X.ravel() ** 2).score(X, X.ravel() ** 2) > 0.99
    True
    """

    _parameter_constraints: ClassVar = CONSTRAINTS
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
        skip=None,
        optimizer=None,
        schedule=None,
        callbacks=None,
        monitor="auto",
        scoring=None,
        restore_best=None,
    ):
        keep(self, locals())

    def _read_targets(self, y: Any, first: bool) -> Array:
        if y.dtype.kind in "US":  # which scikit-learn's check lets through
            raise ValueError(
                f"y holds text, such as {str(y.flat[0])!r}: give numbers, or use MLPClassifier for classes"
            )
        check_targets(number_output(self.loss)[2], y)
        return y[:, None] if y.ndim == 1 else y

    def _output(self) -> tuple[str, Activation, Loss]:
        return number_output(self.loss)

    def _decode(self, outputs: Array) -> Any:
        return outputs.ravel() if outputs.shape[1] == 1 else outputs

    def _score_of(self, y: Any, predicted: Any, sample_weight: Array | None) -> float:
        return float(r2_score(y, predicted, sample_weight=sample_weight))

    def predict(self, X: Any) -> Array:
        """The outputs for rows.

        Parameters
        ----------
        X : (n, n_features) array, sparse matrix or data frame
            Rows.

        Returns
        -------
        (n,) array, or (n, n_outputs) for several targets
            Predicted numbers.

        Raises
        ------
        ValueError
            If X has other columns than in training, or holds NaN or infinity.
        """
        return self._decode(self._outputs(X))

    @available_if(stochastic)
    @unchanged_on_error
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, *, validation_data: Any = None) -> Self:
        """Make one pass over these examples.

        With early_stopping a share of each call's examples is held out.  Calls without an improvement are counted, and
        after `n_iter_no_change` of them `stopped_` is "patience", and further calls change nothing.

        Parameters
        ----------
        X : (n, n_features) array, sparse matrix or data frame
            Rows.
        y : (n,) or (n, n_outputs) array
            Their targets.
        sample_weight : (n,) array, optional
            Weights of the rows.
        validation_data : tuple (X, y) or (X, y, sample_weight), optional
            Rows to measure on, in place of held-out ones.

        Returns
        -------
        MLPRegressor
            The estimator itself.

        Raises
        ------
        ValueError
            If a value cannot be used.
        Divergence
            If training leaves the finite numbers.
        """
        return self._partial_fit(X, y, sample_weight, validation_data, not hasattr(self, "network_"))
