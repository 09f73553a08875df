"""A pipeline as people write it, run with scikit-learn's MLPClassifier and with ours: one import apart, nothing else.

ColumnTransformer (numbers scaled, words one-hot, gaps filled) + MLP + GridSearchCV on a real table, Fair's survey of
6,366 married women (1978; in statsmodels): does a woman report an affair?  Both run in turns, each round with another
random_state; printed are the seconds of each, the ratio within a round, and the held-out score.
"""

import argparse
import importlib
import time
import warnings
from typing import Any

import numpy as np

PIPELINE = """
from {package} import MLPClassifier
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

numbers = ["rate_marriage", "age", "yrs_married", "children", "educ"]
words = ["religious", "occupation", "occupation_husb"]
columns = ColumnTransformer([
    ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
    ("words", OneHotEncoder(handle_unknown="ignore", sparse_output=False), words),
])
model = make_pipeline(columns, MLPClassifier(hidden_layer_sizes=(100,), max_iter=40, random_state=random_state))
grid = {{"mlpclassifier__alpha": [1e-4, 1e-2], "mlpclassifier__hidden_layer_sizes": [(50,), (100,)]}}
search = GridSearchCV(model, grid, cv=3)
search.fit(X_train, y_train)
score = search.score(X_test, y_test)
"""  # the one difference is the name of the package
PACKAGES = {"scikit-learn": "sklearn.neural_network", "backlit": "backlit.estimators"}


def table() -> tuple[Any, Any, Any, Any]:
    """Rows to train on and rows to score, of Fair's survey: columns of numbers, and three of words."""
    from sklearn.model_selection import train_test_split

    rows = importlib.import_module("statsmodels.datasets.fair").load_pandas().data
    y = rows.pop("affairs") > 0
    for column in ("religious", "occupation", "occupation_husb"):
        rows[column] = column + " " + rows[column].astype(int).astype(str)
    X_train, X_test, y_train, y_test = train_test_split(rows, y.to_numpy(), test_size=0.25, random_state=0)
    return X_train, X_test, y_train, y_test


def run(package: str, data: tuple[Any, Any, Any, Any], random_state: int) -> tuple[float, float, dict[str, Any]]:
    """Seconds of the search, its held-out accuracy, and what it chose."""
    X_train, X_test, y_train, y_test = data
    names: dict[str, Any] = {
        "X_train": X_train, "X_test": X_test, "y_train": y_train, "y_test": y_test, "random_state": random_state,
    }  # fmt: skip
    code = compile(PIPELINE.format(package=package), package, "exec")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 40 epochs do not converge, for either
        began = time.perf_counter()
        exec(code, names)
        return time.perf_counter() - began, names["score"], names["search"].best_params_


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    data = table()
    for package in PACKAGES.values():
        importlib.import_module(package)  # before the clock runs
    seconds: dict[str, list[float]] = {name: [] for name in PACKAGES}
    scores: dict[str, list[float]] = {name: [] for name in PACKAGES}
    for number in range(options.rounds):
        for name in list(PACKAGES)[:: 1 if number % 2 else -1]:
            spent, score, _ = run(PACKAGES[name], data, number)
            seconds[name].append(spent)
            scores[name].append(score)
    for name in PACKAGES:
        print(f"{name:13} {np.median(seconds[name]):6.2f} s, held-out accuracy {np.mean(scores[name]):.4f}")
    ratios = np.array(seconds["scikit-learn"]) / seconds["backlit"]
    low, middle, high = np.quantile(ratios, (0, 0.5, 1))
    print(f"scikit-learn / Backlit, within a round: median {middle:.2f}, {low:.2f} to {high:.2f}")


if __name__ == "__main__":
    main()
