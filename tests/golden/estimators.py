"""Fits of MLPClassifier and MLPRegressor, as arrays by name."""

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from tests.golden.library import get_optimizer

from backlit import MLPClassifier, MLPRegressor

Array = np.ndarray
SMALL = {"hidden_layer_sizes": (5, 4), "max_iter": 4, "batch_size": 10, "random_state": 0, "learning_rate_init": 0.02}


def rows(n: int = 60) -> tuple[Array, Array]:
    """X (n, 4), multiples of 1/8, and a number for each row."""
    X = np.random.default_rng(11).integers(-16, 17, (n, 4)) / 8
    return X, X[:, 0] * X[:, 1] + X[:, 2]


X, NUMBER = rows()
WORDS = np.array(["no", "maybe", "yes"])[np.digitize(NUMBER, [-1, 1])]
TARGETS: dict[str, Any] = {
    "words": WORDS,
    "two": NUMBER > 0,
    "labels": np.column_stack([NUMBER > 0, NUMBER > 1, X[:, 3] > 0]).astype(int),
    "columns": np.column_stack([WORDS, np.where(X[:, 3] > 0, "p", "q")]),
    "number": NUMBER,
    "numbers": np.column_stack([NUMBER, X[:, 3] - NUMBER]),
    "counts": np.floor(np.abs(NUMBER)),
}
WEIGHT = np.arange(len(X)) % 3 / 2
SGD = {"solver": "sgd", "learning_rate_init": 0.1}

CLASSIFIERS: dict[str, tuple[str, dict[str, Any]]] = {  # target, options
    "plain": ("words", {}),
    "two classes": ("two", {}),
    "labels": ("labels", {}),
    "columns of classes": ("columns", {}),
    "sgd": ("words", SGD),
    "sgd without momentum": ("words", {**SGD, "momentum": 0.0}),
    "momentum, not Nesterov's": ("words", {**SGD, "nesterovs_momentum": False}),
    "invscaling": ("words", {**SGD, "learning_rate": "invscaling", "power_t": 0.3}),
    "adaptive": ("words", {**SGD, "learning_rate": "adaptive", "n_iter_no_change": 1, "tol": 0.1, "max_iter": 9}),
    "lbfgs": ("words", {"solver": "lbfgs", "max_iter": 6, "alpha": 0.1}),
    "early stopping": ("words", {"early_stopping": True, "validation_fraction": 0.2, "max_iter": 12}),
    "early stopping of labels": ("labels", {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 8}),
    "patience": ("two", {"n_iter_no_change": 1, "tol": 0.5, "max_iter": 20}),
    "class weights": ("words", {"class_weight": "balanced", "label_smoothing": 0.1}),
    "binary cross-entropy of three": ("words", {"loss": "binary_cross_entropy", "class_weight": {"yes": 2.0}}),
    "squared error of classes": ("words", {"loss": "squared_error"}),
    "batch norm and dropout": ("words", {**SGD, "norm": "batch", "dropout": 0.2}),
    "layer norm": ("two", {"norm": "layer", "activation": "gelu"}),
    "residual": ("words", {"hidden_layer_sizes": (5, 5, 5), "skip": "residual", "activation": "silu"}),
    "an activation a layer": ("words", {"activation": ("tanh", {"name": "leaky_relu", "alpha": 0.2})}),
    "own optimizer and schedule": ("words", {"optimizer": {"name": "rmsprop", "lr": 0.01, "momentum": 0.5},
                                             "schedule": {"name": "warm_up", "length": 3, "after": "cosine"}}),
    "an optimizer object": ("two", {"optimizer": get_optimizer({"name": "adamw", "lr": 0.02}), "clip_norm": 0.5}),
    "large alpha": ("words", {"alpha": 3.0}),
    "init gaussian": ("words", {"init": {"scheme": "gaussian", "sigma_w": 1.2, "sigma_b": 0.3}}),
    "init lsuv": ("words", {"init": "lsuv"}),
    "not shuffled, logistic": ("words", {"shuffle": False, "activation": "logistic"}),
    "scoring": ("two", {"early_stopping": True, "scoring": "neg_log_loss", "max_iter": 6}),
    "monitored loss": ("two", {"early_stopping": True, "monitor": "validation_loss", "restore_best": False}),
}  # fmt: skip
TEXTBOOK_ONLY = ("classifier: columns of classes",)  # a softmax for each of several labels
REGRESSORS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("number", {}),
    "columns": ("numbers", {}),
    "lbfgs": ("number", {"solver": "lbfgs", "max_iter": 6}),
    "early stopping": ("number", {"early_stopping": True, "max_iter": 12}),
    "absolute error": ("number", {"loss": "absolute_error"}),
    "huber": ("numbers", {"loss": {"name": "huber", "delta": 0.5}}),
    "quantile": ("number", {"loss": {"name": "quantile", "quantile": 0.9}}),
    "poisson": ("counts", {"loss": "poisson"}),
    "batch norm": ("number", {**SGD, "norm": "batch", "activation": "elu", "init": "he_normal"}),
    "residual with a scale": ("number", {"hidden_layer_sizes": (5, 5), "skip": 0.5, "dropout": 0.1}),
}


def seen(model: Any, x: Any) -> dict[str, Array]:
    """What scikit-learn's attributes and methods show of a fitted estimator."""
    made = {"theta": np.concatenate([np.ravel(array) for array in (*model.coefs_, *model.intercepts_)])}
    made["n_iter"] = np.array([model.n_iter_, model.t_])
    for name in ("loss_", "loss_curve_", "validation_scores_", "validation_losses_", "best_validation_score_"):
        if getattr(model, name, None) is not None:
            made[name.rstrip("_")] = np.array(getattr(model, name), dtype=float).ravel()
    outputs = model.predict_proba(x) if hasattr(model, "predict_proba") else model.predict(x)
    made["outputs"] = np.concatenate(outputs, axis=1) if isinstance(outputs, list) else outputs
    return made


def quietly(cls: Any, options: dict[str, Any], engine: str) -> Any:
    """A small estimator."""
    return cls(**{**SMALL, **options, "engine": engine, "n_threads": 1})


def fitted(cls: Any, target: str, options: dict[str, Any], engine: str) -> dict[str, Array]:
    """`fit`, and what it leaves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that four epochs do not converge
        return seen(quietly(cls, options, engine).fit(X, TARGETS[target]), X)


def weighted(engine: str) -> dict[str, Array]:
    """With sample weights, some 0."""
    return seen(quietly(MLPRegressor, {"tol": 9.0, "n_iter_no_change": 1}, engine).fit(X, NUMBER, WEIGHT), X)


def single(cls: Any, target: str, engine: str) -> dict[str, Array]:
    """X and parameters in float32."""
    x = X.astype(np.float32)
    return seen(quietly(cls, {"tol": 9.0, "n_iter_no_change": 2}, engine).fit(x, TARGETS[target]), x)


def sparse(cls: Any, target: str, engine: str) -> dict[str, Array]:
    """A CSR matrix."""
    from scipy.sparse import csr_matrix

    x = csr_matrix(np.where(np.abs(X) < 1, 0, X))
    return seen(quietly(cls, {"tol": 9.0, "n_iter_no_change": 2}, engine).fit(x, TARGETS[target]), x)


def partial_fits(options: dict[str, Any], engine: str) -> dict[str, Array]:
    """Calls of partial_fit on parts of the rows."""
    model = quietly(MLPClassifier, options, engine)
    for k in range(8):
        part = slice(20 * (k % 3), 20 * (k % 3 + 1))
        model.partial_fit(X[part], WORDS[part], classes=["maybe", "no", "yes"])
    return seen(model, X)


def warm(engine: str) -> dict[str, Array]:
    """fit, and fit again from there."""
    model = quietly(MLPRegressor, {"warm_start": True, "tol": 9.0, "n_iter_no_change": 2}, engine)
    return seen(model.fit(X, NUMBER).fit(X, NUMBER), X)


def chunked(options: dict[str, Any], engine: str) -> dict[str, Array]:
    """fit_chunks on uneven chunks."""
    cuts = [slice(0, 25), slice(25, 31), slice(31, 60)]
    model = quietly(MLPClassifier, {"tol": 9.0, "n_iter_no_change": 3, "max_iter": 9, **options}, engine)
    return seen(model.fit_chunks([(X[cut], WORDS[cut]) for cut in cuts]), X)


def estimator_fits() -> Iterator[tuple[str, Callable[[str], dict[str, Array]]]]:
    """Every fit of an estimator, as a function of the engine's name."""
    for name, (target, options) in CLASSIFIERS.items():
        yield f"classifier: {name}", partial(fitted, MLPClassifier, target, options)
    for name, (target, options) in REGRESSORS.items():
        yield f"regressor: {name}", partial(fitted, MLPRegressor, target, options)
    yield "regressor: sample weights", weighted
    yield "regressor: float32", partial(single, MLPRegressor, "number")
    yield "classifier: float32", partial(single, MLPClassifier, "words")
    yield "regressor: sparse", partial(sparse, MLPRegressor, "number")
    yield "classifier: sparse", partial(sparse, MLPClassifier, "words")
    yield "classifier: partial_fit", partial(partial_fits, {**SGD, "norm": "batch"})
    yield "classifier: partial_fit with early stopping", partial(partial_fits, {"early_stopping": True})
    yield "regressor: warm start", warm
    yield "classifier: fit_chunks", partial(chunked, {})
    yield "classifier: fit_chunks, not shuffled", partial(chunked, {"shuffle": False})
    yield "classifier: fit_chunks with early stopping", partial(chunked, {"early_stopping": True})
