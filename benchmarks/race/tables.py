"""The tables of the race, and how each is split: the same rows for every model."""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

CSV = Path(os.environ.get("TABLES", "csv"))  # what export.R wrote
MOST_TRAINING, MOST_TEST = 8000, 6000


@dataclass(frozen=True)
class Source:
    """Where a table comes from.

    file : a CSV's name without its suffix, or a data set of scikit-learn's.
    drop : columns that name a row or give the target away.  log : whether the target is the logarithm of its column.
    """

    file: str
    target: str
    task: str
    drop: tuple[str, ...] = ()
    log: bool = False


classes, numbers = partial(Source, task="classification"), partial(Source, task="regression")

DEVELOPMENT = {
    "letter": classes("letter", "lettr"),
    "vehicle": classes("vehicle", "Class"),
    "pima": classes("pima", "diabetes"),
    "vowel": classes("vowel", "Class"),
    "spam": classes("spam", "type"),
    "attrition": classes("md_attrition", "Attrition"),
    "credit": classes("md_credit_data", "Status"),
    "hpc": classes("md_hpc_data", "class"),
    "mlc_churn": classes("md_mlc_churn", "churn"),
    "diamonds": numbers("diamonds", "price"),
    "ames": numbers("md_ames", "Sale_Price"),
    "boston": numbers("boston", "cmedv", drop=("medv",)),
    "cars": numbers("md_car_prices", "Price"),
    "concrete": numbers("md_concrete", "compressive_strength"),
    "chicago": numbers("md_Chicago", "ridership"),
    "cps88": numbers("aer_CPS1988", "wage", log=True),
}
HELD_BACK = {  # no default of Backlit's was chosen on these
    "satellite": classes("satellite", "classes"),
    "dna": classes("dna", "Class"),
    "soybean": classes("soybean", "Class"),
    "lending_club": classes("md_lending_club", "Class"),
    "cells": classes("md_cells", "class", drop=("case",)),
    "wa_churn": classes("md_wa_churn", "churn"),
    "hmda": classes("hmda", "deny"),
    "digits": classes("sklearn:digits", "target"),
    "sacramento": numbers("md_Sacramento", "price"),
    "biomass": numbers("md_biomass", "HHV", drop=("sample", "dataset")),
    "stackoverflow": numbers("md_stackoverflow", "Salary"),
    "txhousing": numbers("txhousing", "median"),
    "psid": numbers("psid7682", "wage", drop=("id",), log=True),
    "diabetes": numbers("sklearn:diabetes", "target"),
}
SETS = {"development": DEVELOPMENT, "held_back": HELD_BACK}
SOURCES = DEVELOPMENT | HELD_BACK


@dataclass(frozen=True)
class Table:
    """A table, split.

    X, X_test : features; text columns are categories that the training rows have, missing where they do not.
    as_read, as_read_test : the same rows with words and dates as the file has them, for models that read these.
    y, y_test : (m,) class indices or numbers.  labels : of the classes; () for regression.
    """

    task: str
    target: str
    X: pd.DataFrame
    y: np.ndarray
    X_test: pd.DataFrame
    y_test: np.ndarray
    as_read: pd.DataFrame
    as_read_test: pd.DataFrame
    labels: tuple[str, ...] = ()

    @property
    def categorical(self) -> list[str]:
        """Columns that do not hold numbers."""
        return [c for c in self.X if isinstance(self.X[c].dtype, pd.CategoricalDtype)]


def load(name: str, seed: int) -> Table:
    """A table with a fifth of its rows, drawn by the seed, for testing."""
    source = SOURCES[name]
    frame = read(source)
    order = np.random.default_rng(1000 + seed).permutation(len(frame))
    cut = int(0.8 * len(frame))
    train, test = frame.iloc[order[:cut][:MOST_TRAINING]], frame.iloc[order[cut:][:MOST_TEST]]
    labels: tuple[str, ...] = ()
    if source.task == "classification":
        labels = tuple(sorted(train[source.target].astype(str).unique()))
        test = test[test[source.target].astype(str).isin(labels)]
    as_read = [part.drop(columns=source.target).reset_index(drop=True) for part in (train, test)]
    X, X_test = (categories(part, train) for part in as_read)
    y, y_test = (targets(part[source.target], labels) for part in (train, test))
    return Table(source.task, source.target, X, y, X_test, y_test, *as_read, labels)


def read(source: Source) -> pd.DataFrame:
    """The rows that have a target."""
    if source.file.startswith("sklearn:"):
        from sklearn import datasets

        frame = getattr(datasets, f"load_{source.file.removeprefix('sklearn:')}")(as_frame=True).frame
    else:
        frame = pd.read_csv(CSV / f"{source.file}.csv").drop(columns=list(source.drop))
    frame = frame[frame[source.target].notna()].reset_index(drop=True)
    return frame.assign(**{source.target: np.log(frame[source.target])}) if source.log else frame


def categories(X: pd.DataFrame, train: pd.DataFrame) -> pd.DataFrame:
    """Features with text, and true and false, as categories of the training rows."""
    X = X.copy()
    for c in X:
        if not pd.api.types.is_numeric_dtype(X[c]) or X[c].dtype == bool:
            known = sorted(train[c].dropna().astype(str).unique())
            text = X[c].astype(object).map(lambda v: v if pd.isna(v) else str(v))
            X[c] = text.where(text.isin(known)).astype(pd.CategoricalDtype(known))
    return X


def targets(y: pd.Series, labels: tuple[str, ...]) -> np.ndarray:
    """Class indices, or numbers where there are no labels."""
    if not labels:
        return y.to_numpy(float)
    index = {label: k for k, label in enumerate(labels)}
    return y.astype(str).map(index).to_numpy(int)
