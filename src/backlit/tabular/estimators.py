"""`train`'s ensemble in scikit-learn's conventions, for data frames and arrays."""

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from backlit.display import written
from backlit.errors import TableError
from backlit.formats.ensembles import save_ensemble
from backlit.signatures import documented
from backlit.tables import TableEncoder, TargetCodec
from backlit.tables.frames import as_table, is_frame
from backlit.tables.messages import count
from backlit.tables.table_formats import TableFormat
from backlit.tables.target import Task
from backlit.tabular.blend import predict_interval, predict_rows
from backlit.tabular.ensemble import train_ensemble
from backlit.tabular.presets import quality_of
from backlit.tabular.table_rows import group_folds, plain_folds

Array = np.ndarray
FEWEST_ROWS = 4
PARAMETERS = {
    "quality": """quality : {"fast", "good", "best"}
    How much work goes into the ensemble.
""",
    "time_limit": """time_limit : float
    Seconds after which the ensemble is what it is by then.
""",
    "metric": """metric : str
    What presets are chosen and networks stopped by; log loss or root mean square error if not given.
""",
    "random_state": """random_state : int or RandomState
    Draws folds, weights and the order of the rows.
""",
    "n_jobs": """n_jobs : int
    Networks that are trained at a time; as many as there are processors if not given.
""",
    "engine": """engine : {"auto", "native", "reference"}
    Who runs the passes.
""",
    "verbose": """verbose : bool
    Whether to show how far training is.
""",
}


class BaseTabular(BaseEstimator):
    """What both share; see `backlit.train` for the recipe."""

    _task: ClassVar[Task]

    def __init__(
        self,
        quality="good",
        *,
        time_limit=None,
        metric=None,
        random_state=None,
        n_jobs=None,
        engine="auto",
        verbose=False,
    ):
        self.quality = quality
        self.time_limit = time_limit
        self.metric = metric
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.engine = engine
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Train an ensemble.

        Parameters
        ----------
        X : DataFrame or (n, n_features) array
            Numbers, and in a data frame words, truth values, dates and missing values too.
        y : (n,) array
            What to predict.
        sample_weight : (n,) array, optional
            Weights of the rows, 0 or more; rows of weight 0 are left out.
        groups : (n,) array, optional
            Rows of one group are in the same fold.

        Returns
        -------
        TabularClassifier or TabularRegressor
            The estimator itself.

        Raises
        ------
        TableError
            If a column cannot be learned from, or there are too few rows.
        ProblemError
            If an option is impossible.
        """
        table, y = self._rows(X, y)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        target, y = self._target(y)
        used = np.arange(len(y)) if weight is None else np.flatnonzero(weight)
        if len(used) < FEWEST_ROWS:
            raise TableError(f"{len(used)} sample (n_samples={len(used)}) to learn from: give {FEWEST_ROWS} or more")
        format = TableFormat.learn(table)  # numbers and dates that are written as text
        table, y = format.read(table)[used], y[used]
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        quality = quality_of(self.quality).for_rows(len(y))
        folds = (
            plain_folds(y, quality.folds, seed)
            if groups is None
            else group_folds(np.unique(np.asarray(groups)[used], return_inverse=True)[1], quality.folds, seed)
        )
        learned = train_ensemble(
            table,
            y,
            target,
            TableEncoder.fit(table, format=format),
            folds,
            quality,
            weight=None if weight is None else weight[used] / weight[used].mean(),
            metric=self.metric,
            seed=seed,
            engine=self.engine,
            time_limit=self.time_limit,
            workers=self.n_jobs,
            progress=bool(self.verbose),
        )
        self.ensemble_, self.stopped_ = learned.ensemble, learned.stopped
        self.out_of_fold_ = np.full((len(used), *learned.outputs.shape[1:]), np.nan)
        self.out_of_fold_[learned.rows] = learned.outputs
        return self

    def to_text(self) -> str:
        """The ensemble, a row a member, as plain text.

        Returns
        -------
        str
            What `print` shows of `ensemble_`, under the estimator's name.
        """
        return written(self, "text") or repr(self)

    def save(self, path: str | Path) -> None:
        """Write the ensemble to a file that `backlit predict` reads.

        Parameters
        ----------
        path : str or Path
            The file, .safetensors.
        """
        check_is_fitted(self)
        save_ensemble(self.ensemble_, path)

    def _rows(self, X: Any, y: Any) -> tuple[Any, Array]:
        """X as a table and y (n,), checked as scikit-learn does."""
        if is_frame(X):
            y = column_or_1d(y, warn=True)
            refuse_missing(y)
            validate_data(self, X, skip_check_array=True)
            if len(X) != len(y):
                raise TableError(f"X has {count(len(X), 'row')} and y {len(y)}: give a target for each row")
            return as_table(X), y
        X, y = validate_data(
            self, X, y, dtype="numeric", ensure_all_finite="allow-nan", y_numeric=self._task == "regression"
        )
        return as_table(X), column_or_1d(y, warn=True)

    def _outputs(self, X: Any) -> Array:
        """Probabilities (n, K) or numbers (n,)."""
        check_is_fitted(self)
        return predict_rows(self.ensemble_, self._table(X))

    def _table(self, X: Any) -> Any:
        """X as a table, checked against what was fitted."""
        if is_frame(X):
            validate_data(self, X, reset=False, skip_check_array=True)
            encoder = self.ensemble_.encoder
            assert encoder is not None, "fit gave it one"
            return encoder.read(as_table(X))
        table = as_table(validate_data(self, X, reset=False, dtype="numeric", ensure_all_finite="allow-nan"))
        table.columns = list(getattr(self, "feature_names_in_", table.columns))  # by their places, as scikit-learn does
        return table

    def _target(self, y: Array) -> tuple[TargetCodec, Array]:
        """What y means, and its class indices or numbers."""
        raise NotImplementedError

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def refuse_missing(y: Array) -> None:
    """Raise TableError where a target (n,) is missing or infinite.

    >>> refuse_missing(np.array(["a", None], dtype=object))
    Traceback (most recent call last):
    backlit.errors.TableError: y[1] is None: leave rows without a target out, or give them one
    """
    if y.dtype.kind == "O":  # NaN is not itself, and of pandas' NA it is not known
        there = [value is not None and (value == value) is True and value not in (np.inf, -np.inf) for value in y]
        wrong = ~np.array(there, dtype=bool)
    else:
        wrong = ~np.isfinite(y) if y.dtype.kind in "fmM" else np.zeros(len(y), bool)
    if wrong.any():
        at = int(wrong.argmax())
        raise TableError(f"y[{at}] is {y[at]}: leave rows without a target out, or give them one")


@documented(PARAMETERS)
class TabularClassifier(ClassifierMixin, BaseTabular):
    """An ensemble of networks for classes, with probabilities that are calibrated out of fold.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    classes_ : (n_classes,) array
        The distinct classes, sorted.
    ensemble_ : Ensemble
        What was learned; `backlit.explain` and `backlit.diagnose` take it.
    out_of_fold_ : (n, n_classes) array
        Probabilities of the training rows by members that never learned from them, NaN where there are none.
    stopped_ : str
        "finished", "time limit" or "interrupted".
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : (n_features,) array of str
        Their names, if X had names.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> TabularClassifier("fast", random_state=0).fit(X, y).score(X, y) > 0.95
    True
    """

    _task = "classification"

    def predict(self, X: Any) -> Array:
        """The most likely class of each row.

        Parameters
        ----------
        X : DataFrame or (n, n_features) array
            As in training.

        Returns
        -------
        (n,) array
            Classes.
        """
        outputs = self._outputs(X)  # which sees to it that there are classes
        return self.classes_[outputs.argmax(axis=1)]

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class.

        Parameters
        ----------
        X : DataFrame or (n, n_features) array
            As in training.

        Returns
        -------
        (n, n_classes) array
            Probabilities, in the order of `classes_`.
        """
        return self._outputs(X)

    def _target(self, y: Array) -> tuple[TargetCodec, Array]:
        check_classification_targets(y)
        self.classes_, indices = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise TableError(f"y has one class only, {self.classes_.tolist()[0]!r}: there is nothing to tell apart")
        labels = self.classes_.tolist()
        if len({type(label) for label in labels}) > 1 or not isinstance(labels[0], bool | int | float | str):
            labels = [str(label) for label in labels]
        return TargetCodec("target", "classification", tuple(labels)), indices.astype(np.int64)


@documented(PARAMETERS)
class TabularRegressor(RegressorMixin, BaseTabular):
    """An ensemble of networks for numbers, with intervals that hold.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    ensemble_ : Ensemble
        What was learned; `backlit.explain` and `backlit.diagnose` take it.
    out_of_fold_ : (n,) array
        Predictions of the training rows by members that never learned from them, NaN where there are none.
    stopped_ : str
        "finished", "time limit" or "interrupted".
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : (n_features,) array of str
        Their names, if X had names.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> TabularRegressor("fast", random_state=0).fit(X, y).score(X, y) > 0.4
    True
    """

    _task = "regression"

    def predict(self, X: Any) -> Array:
        """The expected number of each row.

        Parameters
        ----------
        X : DataFrame or (n, n_features) array
            As in training.

        Returns
        -------
        (n,) array
            Numbers.
        """
        return self._outputs(X)

    def predict_interval(self, X: Any, coverage: float = 0.9) -> tuple[Array, Array]:
        """An interval of each row that holds its value so often.

        Parameters
        ----------
        X : DataFrame or (n, n_features) array
            As in training.
        coverage : float, default 0.9
            Probability in (0, 1).

        Returns
        -------
        pair of (n,) arrays
            Lower and upper ends, by CV+; see `backlit.tabular.blend`.
        """
        check_is_fitted(self)
        return predict_interval(self.ensemble_, self._table(X), coverage)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R² of the predictions.

        Parameters
        ----------
        X : DataFrame or (n, n_features) array
            As in training.
        y : (n,) array
            True values.
        sample_weight : (n,) array, optional
            Weights of the rows.

        Returns
        -------
        float
            1 for perfect ones, 0 for the mean.
        """
        return float(r2_score(y, self.predict(X), sample_weight=sample_weight))

    def _target(self, y: Array) -> tuple[TargetCodec, Array]:
        return TargetCodec("target", "regression"), y.astype(np.float64)
