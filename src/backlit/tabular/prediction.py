"""`predict`: a model and a table in, a column of predictions out."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from backlit.display import Displayed
from backlit.errors import ProblemError, TableError, near
from backlit.formats.ensembles import Ensemble, load_ensemble
from backlit.formats.models import Model
from backlit.tables import TargetCodec
from backlit.tables.messages import count, figure, shown
from backlit.tables.target import Label
from backlit.tabular.blend import predict_interval, predict_rows
from backlit.tabular.remarks import Unlike, rows_unlike
from backlit.tabular.result import TrainResult
from backlit.tabular.scoring import as_table, finite, known_model, outputs_in, score, truth_of
from backlit.tabular.streamed_prediction import Show, StreamedPredictions, predict_streamed, quiet
from backlit.tabular.table_rows import read_weight

if TYPE_CHECKING:
    import polars as pl

    from backlit.tabular.reasons import Reasons

Array = np.ndarray


@dataclass(frozen=True)
class Predictions(Displayed):
    """Predictions for the rows of a table.

    Parameters
    ----------
    table : polars.DataFrame
        One row a row of the table: the prediction in the target's own name and type, and the probability of each class.
    task : {"classification", "regression"}
        What the model predicts.
    metrics : dict or None
        Scores on the rows whose true value the table holds; None if there are none.
    reasons : Reasons, optional
        Which columns moved each prediction, if it was asked for.
    unlike : Unlike, optional
        Which rows are unlike those that the model learned from, and in what.
    costs : Costs, optional
        What mistakes cost, if that decided the answers.
    weight : str, default ''
        The column whose weights the scores go by, where the model was trained by one and the table has it.

    Examples
    --------
    >>> from backlit.tabular import predict, train
    >>> from backlit.tabular.datasets import load_dataset
    >>> model = train(dataset="iris", epochs=2).model
    >>> predict(model, load_dataset("iris")).table.columns[0]
    'target'
    """

    table: pl.DataFrame
    task: str
    metrics: dict[str, Any] | None
    reasons: Reasons | None = None
    unlike: Unlike | None = None
    costs: Costs | None = None
    weight: str = ""

    def __repr__(self) -> str:
        return f"<Predictions of {count(self.table.height, 'row')}: {', '.join(self.table.columns)}>"

    def to_dict(self) -> dict[str, Any]:
        """The result as `backlit predict --format json` prints it."""
        return {
            "task": self.task,
            "n": self.table.height,
            "metrics": self.metrics,
            "predictions": self.table.to_dict(as_series=False),
            **({"reasons": self.reasons.to_dict()} if self.reasons else {}),
            **({"unlike": self.unlike.to_dict()} if self.unlike else {}),
            **({"cost": self.costs.to_dict()} if self.costs else {}),
            **({"weight": self.weight} if self.weight else {}),
        }


@overload
def predict(
    model: str | Path | Model | Ensemble | TrainResult,
    table: Any,
    *,
    interval: float | None = None,
    reasons: int | None = None,
    cost: Mapping[Any, float] | None = None,
    unlike: bool = False,
) -> Predictions: ...
@overload
def predict(
    model: str | Path | Model | Ensemble, table: str | Path, *, out: str | Path, cluster: Any = 0, show: Show = quiet
) -> StreamedPredictions: ...
def predict(
    model: str | Path | Model | Ensemble | TrainResult,
    table: Any,
    *,
    interval: float | None = None,
    reasons: int | None = None,
    cost: Mapping[Any, float] | None = None,
    unlike: bool = False,
    out: str | Path | None = None,
    cluster: Any = 0,
    show: Show = quiet,
) -> Predictions | StreamedPredictions:
    """Predict every row of a table by a model that `train` made.

    With `out` the table is Parquet, stays on the disk and is predicted piece by piece, in memory that does not grow
    with its rows.

    Parameters
    ----------
    model : str, Path, Model, Ensemble or TrainResult
        A model file, or what `train` gave.
    table : str, Path, polars.DataFrame or dask.dataframe.DataFrame
        A CSV, Parquet or JSON lines file, or a data frame, with the columns of the training table; with `out` a Parquet
        file or a folder of them.  Of a Dask DataFrame one partition is in memory at a time, beside the predictions
        (among whose columns reasons and what is unlike are) and the columns that score them.
    interval : float, optional
        Probability that the columns "TARGET low" and "TARGET high" hold a row's value; for an ensemble's regression.
    reasons : int, optional
        How many columns to name for each row as the reasons of its prediction: "reason 1", … as COLUMN=VALUE: ±EFFECT,
        beside a typical training row, in the target's unit or as log-odds of the predicted class, and "reasons rest",
        which with them makes the whole difference.  See `backlit.tabular.reasons`.  Not with `out`.
    cost : mapping of label to float, optional
        What it costs to miss a row of a class, 1 where none is given: the class is answered whose mistakes cost least
        in the mean, and `metrics` has "cost", the mean over the rows, beside "cost_of_likeliest".  Not with `out`.
    unlike : bool, default False
        Whether the column "unlike training" is to say what is unlike in rows unlike the training rows.
    out : str or Path, optional
        Where predictions are written: a file, which appears whole or not at all; or a folder (one that exists, or a
        name that ends in a slash), which gets a Parquet file for each of the table's.  Those that it has, made by the
        same model of the same rows, are kept, so that a call that was broken off can be made again.
    cluster : int, str or distributed.Client, default 0
        With `out`, who predicts: a number of processes, 0 for this one, the address of a Dask scheduler, or a client.
        What is written is the same to the byte.
    show : callable, optional
        With `out`, called with the share of the rows that is done.

    Returns
    -------
    Predictions or StreamedPredictions
        A table with one row a row, and the scores if it holds the true values; with `out` their number and the scores.

    Raises
    ------
    ModelError
        If the model cannot be read, was not made from a table, has no intervals, or no typical row for reasons.
    TableError
        If the table cannot be read, has no rows, or lacks a column.
    ProblemError
        If a cluster is given and no `out`, `out` with reasons, costs or an interval, or a cost of no class.

    Examples
    --------
    >>> from backlit.tabular import train
    >>> from backlit.tabular.datasets import load_dataset
    >>> found = predict(train(dataset="iris", epochs=50, seed=1).model, load_dataset("iris"))
    >>> found.table.height, found.metrics["accuracy"] > 0.9
    (150, True)
    """
    if isinstance(model, TrainResult):
        model = model.model
    if out is not None:
        for name, asked in (("interval", interval), ("reasons", reasons), ("cost", cost), ("unlike", unlike or None)):
            if asked is not None:
                raise ProblemError(f"{name} is worked out in memory: leave out= away, or {name}=")
        return predict_streamed(model, table, out, cluster=cluster, show=show)
    if not (isinstance(cluster, int) and cluster == 0):
        raise ProblemError("a cluster predicts Parquet files into files: say where (out=, or -o), or leave it out")
    name = str(model) if isinstance(model, str | Path) else "the model"
    model = load_ensemble(model) if isinstance(model, str | Path) else model
    encoder, codec = known_model(model, name)
    if hasattr(table, "__dask_graph__"):
        return predict_partitions(model, table, interval, reasons, cost, unlike)
    costs = None if cost is None else Costs.read(codec, cost)
    weight = model.training.get("weight", "")
    frame = encoder.read(table, codec.name, weight)
    where = f"{table}: " if isinstance(table, str | Path) else ""
    if not frame.height:
        raise TableError(f"{where}the table has no rows to predict: give it some")
    try:
        outputs = finite(predict_rows(model, frame))
        answers = None if costs is None else costs.answers(outputs)
        made, why, odd = as_table(codec, outputs, answers), None, rows_unlike(model, frame)
        if interval is not None:
            low, high = predict_interval(model, frame, interval)
            made = made.with_columns(
                codec.decode(low).alias(f"{codec.name} low"), codec.decode(high).alias(f"{codec.name} high")
            )
    except TableError as error:
        raise TableError(f"{where}{error}") from None
    if reasons is not None:
        from backlit.tabular.reasons import explain_rows  # which brings in the derivation

        if reasons < 1:
            raise ProblemError(f"reasons is {reasons}: give how many columns to name for each row, 1 or more")
        why = explain_rows(model, frame)
        made = made.hstack(why.table(reasons))
    if unlike:
        made = made.hstack(odd.table())
    metrics, weight = scores_if_known(codec, frame, outputs, weight, costs)
    return Predictions(made, codec.task, metrics, why, odd, costs, weight)


def scores_if_known(
    codec: TargetCodec, frame: pl.DataFrame, outputs: Any, weight: str, costs: Costs | None
) -> tuple[dict[str, Any] | None, str]:
    """Metrics on the rows whose true value the table holds, None if it holds none; and the column that weighs them."""
    truth = truth_of(codec, frame)
    if truth is None:
        return None, ""
    known, y = truth
    outputs, w = outputs[known], None
    with suppress(TableError):  # without weights the scores are plain, and say so
        w = read_weight(frame[known], weight)
    answers = None if costs is None else costs.answers(outputs)
    metrics = score(codec.task, y, outputs, w, answers)
    if costs is not None and answers is not None:
        metrics["cost"] = costs.mean(y, answers, w)
        metrics["cost_of_likeliest"] = costs.mean(y, outputs.argmax(axis=1), w)
    return metrics, "" if w is None else weight


def predict_partitions(
    model: Model | Ensemble,
    table: Any,
    interval: float | None,
    reasons: int | None,
    cost: Mapping[Any, float] | None,
    unlike: bool,
) -> Predictions:
    """Predict a Dask DataFrame, a partition at a time; Dask computes each, where its client does.

    The targets and weights of all of them are kept, and scored at the end as those of a table in memory.
    """
    import polars as pl

    if not hasattr(table, "columns"):
        raise TableError("a Dask array has no named columns: give a Dask DataFrame with those of the training table")
    encoder, codec = known_model(model, "the model")
    costs, weight = None if cost is None else Costs.read(codec, cost), model.training.get("weight", "")
    wanted = [name for name in (codec.name, weight) if name in table.columns]
    made, kept = [], []
    for number, part in enumerate(table.to_delayed(), start=1):
        frame = pl.from_pandas(part.compute())
        if not frame.height:
            continue
        try:
            told = predict(model, frame, interval=interval, reasons=reasons, cost=cost, unlike=unlike)
            made.append(told.table)
            kept.append(encoder.read(frame, codec.name, weight).select(wanted))
        except TableError as error:
            raise TableError(f"partition {number}: {error}") from None
    if not made:
        raise TableError("the table has no rows to predict: give it some")
    whole = pl.concat(made)
    frame = pl.concat(kept, how="vertical_relaxed")
    metrics, weight = scores_if_known(codec, frame, outputs_in(codec, whole), weight, costs)
    return Predictions(whole, codec.task, metrics, costs=costs, weight=weight)


# --- the class to answer where mistakes cost unlike -------------------------------------------------------------------


@dataclass(frozen=True)
class Costs:
    """What it costs to miss a row of each class; the class is answered whose mistakes cost least in the mean.

    A row of class k that is answered as another costs c_k, so the answer j costs Σ_{k≠j} p_k c_k in the mean, which is
    least where p_j c_j is largest.  Of two classes that is a threshold: the second is answered from c_0/(c_0 + c_1) on.
    Source: Elkan 2001.

    labels : of the K classes.  missing : (K,) costs above 0.

    >>> costs = Costs.read(TargetCodec("ill", "classification", ("no", "yes")), {"yes": 9})
    >>> costs.answers(np.array([[0.95, 0.05], [0.85, 0.15]])), costs.in_words()
    (array([0, 1]), "'yes' is answered from a probability of 0.1 on")
    """

    labels: tuple[Label, ...]
    missing: Array

    @classmethod
    def read(cls, target: TargetCodec, given: Mapping[Any, float]) -> Costs:
        """Costs by label, or by its text; 1 where none is given.  Raises ProblemError for what cannot be one."""
        if target.task != "classification":
            raise ProblemError(f"cost is for classes, and {shown(target.name)} is a number: leave it out")
        index = {str(label): k for k, label in enumerate(target.classes)}
        missing = np.ones(len(index))
        for label, cost in given.items():
            if str(label) not in index:
                raise ProblemError(f"cost names {shown(label)}, which is no class: {near(str(label), index)}")
            if not (isfinite(cost) and cost > 0):
                raise ProblemError(f"cost of {shown(label)} is {cost:g}: give a number above 0")
            missing[index[str(label)]] = cost
        return cls(target.classes, missing)

    def answers(self, p: Array) -> Array:
        """The class (m,) that costs least in the mean, for probabilities p (m, K)."""
        return (p * self.missing).argmax(axis=1)

    def mean(self, y: Array, answers: Array, weight: Array | None = None) -> float:
        """What answers (m,) cost in the mean of rows of classes y (m,)."""
        return float(np.average(np.where(answers == y, 0.0, self.missing[y]), weights=weight))

    def in_words(self) -> str:
        """What the costs come to, in a sentence."""
        if len(self.labels) == 2:
            threshold = self.missing[0] / self.missing.sum()
            return f"{shown(self.labels[1])} is answered from a probability of {figure(threshold)} on"
        listed = ", ".join(f"{shown(k)} {figure(c)}" for k, c in zip(self.labels, self.missing, strict=True) if c != 1)
        return f"the class of the largest probability times cost is answered ({listed}; the others 1)"

    def to_dict(self) -> dict[str, float]:
        """The cost of each label."""
        return {str(label): float(cost) for label, cost in zip(self.labels, self.missing, strict=True)}
