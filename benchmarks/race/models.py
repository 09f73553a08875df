"""The models of the race, each with its defaults: predictions for the test rows of a table, and the time of the fit."""

import resource
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.race.tables import Table


@dataclass(frozen=True)
class Fit:
    """What a model made of a table.

    outputs : (m, K) probabilities or (m,) numbers for the test rows.  seconds, cpu_seconds : of the fit alone.
    covered : share of the test rows that lie within their 90 % intervals, where there are any.
    """

    outputs: np.ndarray
    seconds: float
    cpu_seconds: float
    covered: float | None = None


class Clock:
    """Wall and processor seconds of a block, those of child processes too."""

    @contextmanager
    def running(self):
        wall, cpu = time.perf_counter(), processor_seconds()
        yield
        self.seconds, self.cpu_seconds = time.perf_counter() - wall, processor_seconds() - cpu


def processor_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def predicted(model: Any, table: Table, X: pd.DataFrame, X_test: pd.DataFrame, **fit: Any) -> Fit:
    """Fit a model that follows scikit-learn's conventions, and predict."""
    clock = Clock()
    with clock.running():
        model.fit(X, table.y, **fit)
    outputs = model.predict_proba(X_test) if table.labels else np.ravel(model.predict(X_test))
    return Fit(outputs, clock.seconds, clock.cpu_seconds)


def constant(table: Table, seed: int, threads: int) -> Fit:
    """The shares of the classes, or the mean: where normalized scores begin."""
    from sklearn.dummy import DummyClassifier, DummyRegressor

    model = DummyClassifier(strategy="prior") if table.labels else DummyRegressor()
    return predicted(model, table, table.X, table.X_test)


def linear(table: Table, seed: int, threads: int) -> Fit:
    from sklearn.linear_model import LogisticRegression, RidgeCV

    model = LogisticRegression(max_iter=1000) if table.labels else RidgeCV(np.logspace(-3, 3, 13))
    return predicted(behind_encoding(model, table), table, *plain(table))


def sklearn_mlp(table: Table, seed: int, threads: int) -> Fit:
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.preprocessing import StandardScaler

    options = {"hidden_layer_sizes": (128, 64), "early_stopping": True, "n_iter_no_change": 20, "random_state": seed}
    if table.labels:
        model = MLPClassifier(**options)
    else:
        model = TransformedTargetRegressor(MLPRegressor(**options), transformer=StandardScaler())
    return predicted(behind_encoding(model, table), table, *plain(table))


def behind_encoding(model: Any, table: Table) -> Any:
    """Numbers standardized, categories one-hot, gaps filled, then the model."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    words = make_pipeline(SimpleImputer(strategy="constant", fill_value="?"), OneHotEncoder(handle_unknown="ignore"))
    rest = [c for c in table.X if c not in table.categorical]
    return make_pipeline(make_column_transformer((numbers, rest), (words, table.categorical)), model)


def plain(table: Table, missing: Any = np.nan) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Features whose categories are plain text."""
    as_text = dict.fromkeys(table.categorical, object)
    X, X_test = table.X.astype(as_text), table.X_test.astype(as_text)
    for part in (X, X_test):
        part[table.categorical] = part[table.categorical].where(part[table.categorical].notna(), missing)
    return X, X_test


def hist_gradient_boosting(table: Table, seed: int, threads: int) -> Fit:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingClassifier if table.labels else HistGradientBoostingRegressor
    X, X_test = table.X.copy(), table.X_test.copy()
    for c in table.categorical:
        if X[c].cat.categories.size > 255:  # more than it takes
            X[c], X_test[c] = X[c].cat.codes, X_test[c].cat.codes
    return predicted(kind(categorical_features="from_dtype", random_state=seed), table, X, X_test)


def numbered(table: Table) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Features under plain names: LightGBM and XGBoost refuse some characters."""
    names = [f"f{k}" for k in range(table.X.shape[1])]
    return table.X.set_axis(names, axis=1), table.X_test.set_axis(names, axis=1)


def lightgbm(table: Table, seed: int, threads: int) -> Fit:
    from lightgbm import LGBMClassifier, LGBMRegressor

    kind = LGBMClassifier if table.labels else LGBMRegressor
    return predicted(kind(random_state=seed, verbose=-1, n_jobs=threads), table, *numbered(table))


def xgboost(table: Table, seed: int, threads: int) -> Fit:
    from xgboost import XGBClassifier, XGBRegressor

    kind = XGBClassifier if table.labels else XGBRegressor
    return predicted(kind(random_state=seed, enable_categorical=True, n_jobs=threads), table, *numbered(table))


def catboost(table: Table, seed: int, threads: int) -> Fit:
    from catboost import CatBoostClassifier, CatBoostRegressor

    kind = CatBoostClassifier if table.labels else CatBoostRegressor
    options = {"verbose": 0, "allow_writing_files": False, "cat_features": table.categorical}
    return predicted(kind(random_seed=seed, thread_count=threads, **options), table, *plain(table, missing="?"))


def pytabkit(table: Table, seed: int, threads: int, *, kind: str) -> Fit:
    """A network of pytabkit's, with missing numbers filled by the median."""
    import pytabkit as kit

    model = getattr(kit, f"{kind}_{'Classifier' if table.labels else 'Regressor'}")
    rest = [c for c in table.X if c not in table.categorical]
    medians = table.X[rest].median()
    filled = [part.assign(**part[rest].fillna(medians)) for part in (table.X, table.X_test)]
    made = model(device="cpu", random_state=seed, n_threads=threads, verbosity=0)
    return predicted(made, table, *filled, cat_col_names=table.categorical)


def autogluon(table: Table, seed: int, threads: int) -> Fit:
    """AutoGluon's best quality within a limit of wall seconds; it takes words and dates as the file has them."""
    from autogluon.tabular import TabularPredictor

    clock, K = Clock(), len(table.labels)
    kind = "regression" if not K else "binary" if K == 2 else "multiclass"
    with tempfile.TemporaryDirectory() as folder:
        made = TabularPredictor(
            label=table.target,
            problem_type=kind,
            eval_metric="log_loss" if K else "root_mean_squared_error",
            path=folder,
            verbosity=0,
        )
        rows = table.as_read.assign(**{table.target: table.y})
        with clock.running():
            made.fit(rows, presets="best_quality", time_limit=AUTOGLUON_SECONDS, num_cpus=threads, num_gpus=0)
        outputs = made.predict_proba(table.as_read_test)[list(range(K))] if K else made.predict(table.as_read_test)
    return Fit(outputs.to_numpy(float), clock.seconds, clock.cpu_seconds)


LOADED_LATE = (  # by `train`, when it needs them; no model's imports are timed
    "polars",
    "scipy.special",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.metrics",
)


def backlit(table: Table, seed: int, threads: int, **options: Any) -> Fit:
    """`train` and `predict` through files, as the command has them; nearly all rows train, as the race tests."""
    from backlit import predict, train

    for module in LOADED_LATE:
        import_module(module)
    labels = np.array([f"c{k}" for k in range(len(table.labels))])
    y = labels[table.y] if table.labels else table.y
    with tempfile.TemporaryDirectory() as folder:
        rows, asked = Path(folder, "rows.csv"), Path(folder, "asked.csv")
        table.as_read.assign(**{table.target: y}).to_csv(rows, index=False)
        table.as_read_test.to_csv(asked, index=False)
        clock = Clock()
        with clock.running():
            result = train(rows, table.target, task=table.task, test_size=0.02, seed=seed, **options)
        interval = None if table.labels or "hidden" in options else 0.9  # one network has none
        frame = predict(result.model, asked, interval=interval).table
    if not table.labels:
        covered = None
        if interval is not None:
            low, high = (frame[f"{table.target} {end}"].to_numpy() for end in ("low", "high"))
            covered = float(((low <= table.y_test) & (table.y_test <= high)).mean())
        return Fit(frame[table.target].to_numpy(), clock.seconds, clock.cpu_seconds, covered)
    outputs = np.zeros((len(table.y_test), len(labels)))
    for k, label in enumerate(labels):
        if f"probability of {label}" in frame.columns:
            outputs[:, k] = frame[f"probability of {label}"].to_numpy()
    return Fit(outputs, clock.seconds, clock.cpu_seconds)


@dataclass(frozen=True)
class Model:
    """A model, the packages whose versions it depends on, and what it can take.

    most_rows : training rows beyond which it takes too long on two cores.  seeds : how many are run.
    time_limit : seconds of wall time that it is told to keep to, where its result hangs on them; kept with its results.
    """

    fit: Callable[[Table, int, int], Fit]
    packages: tuple[str, ...]
    most_rows: int = 8000
    seeds: int = 3
    time_limit: float | None = None


AUTOGLUON_SECONDS = 60.0  # of wall time, on a machine that does nothing else
PYTABKIT = ("pytabkit", "torch", "pytorch-lightning")
PEERS = {
    "constant": Model(constant, ("scikit-learn",)),
    "linear": Model(linear, ("scikit-learn",)),
    "sklearn_mlp": Model(sklearn_mlp, ("scikit-learn",)),
    "hgb": Model(hist_gradient_boosting, ("scikit-learn",)),
    "lightgbm": Model(lightgbm, ("lightgbm",)),
    "xgboost": Model(xgboost, ("xgboost-cpu",)),
    "catboost": Model(catboost, ("catboost",)),
    "realmlp": Model(partial(pytabkit, kind="RealMLP_TD"), PYTABKIT, seeds=1),
    "tabm": Model(partial(pytabkit, kind="TabM_D"), PYTABKIT, most_rows=3000, seeds=1),
    "autogluon": Model(
        autogluon,
        ("autogluon.tabular", "lightgbm", "catboost", "xgboost-cpu"),
        seeds=1,
        time_limit=AUTOGLUON_SECONDS,
    ),
}
OURS = {
    "backlit_one": Model(partial(backlit, hidden=(128, 64)), ("backlit",)),
    "backlit": Model(backlit, ("backlit",)),
    "backlit_fast": Model(partial(backlit, quality="fast"), ("backlit",)),
    "backlit_best": Model(partial(backlit, quality="best"), ("backlit",)),
}
MODELS = PEERS | OURS
TREES = ("hgb", "lightgbm", "xgboost", "catboost")


def installed() -> list[str]:
    """The models whose packages this environment has."""
    there = []
    for name in MODELS:
        with suppress(PackageNotFoundError):
            versions(name)
            there.append(name)
    return there


def versions(name: str) -> dict[str, str]:
    """The versions that a model's result depends on."""
    return {package: version(package) for package in MODELS[name].packages}
