"""What `train` does of itself: an ensemble, and what there is to say of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from backlit.errors import ProblemError
from backlit.tabular.blend import predict_rows
from backlit.tabular.ensemble import Learned, train_ensemble
from backlit.tabular.metrics import measure_of
from backlit.tabular.presets import quality_of
from backlit.tabular.result import TrainResult, made_by
from backlit.tabular.scoring import score
from backlit.tabular.table_rows import TableRows


def check_recipe(task: str, quality: str, metric: str | None, time_limit: float | None) -> None:
    """Raise ProblemError where `train_recipe` cannot do what is asked."""
    quality_of(quality)
    measure_of(task, metric)
    if time_limit is not None and not time_limit > 0:
        raise ProblemError(f"time_limit is {time_limit}: give seconds above 0, or none")


def train_recipe(
    rows: TableRows,
    quality: str,
    *,
    seed: int,
    engine: str,
    time_limit: float | None,
    metric: str | None,
    checkpoint: str | Path | None,
    cluster: Any,
    progress: bool,
) -> TrainResult:
    """Train an ensemble of a table and score it on the rows held out.  See `train`."""
    target, kept = rows.target, rows.kept
    wanted = quality_of(quality).for_rows(len(kept))
    _ = rows.scoring  # refuses what cannot be scored, before anything is trained
    learned = train_ensemble(
        rows.frame[kept],
        target.y[kept],
        target.codec,
        rows.encoder,
        rows.roles.folds(target.y[kept], kept, wanted.folds, seed),
        wanted,
        weight=rows.weight_of(kept),
        metric=metric,
        seed=seed,
        engine=engine,
        time_limit=time_limit,
        checkpoint=None if checkpoint is None else Path(checkpoint),
        how="threads" if isinstance(cluster, int) and cluster == 0 else cluster,
        progress=progress,
    )
    return summarize(rows, learned)


def summarize(rows: TableRows, learned: Learned) -> TrainResult:
    """Score the ensemble and put everything together."""
    target, kept = rows.target, rows.kept
    test, y_test, weight = rows.scoring
    heaviest = max(zip(learned.ensemble.members, learned.trained, strict=True), key=lambda pair: pair[0].weight)[1]
    test_outputs = predict_rows(learned.ensemble, test)
    metrics = {
        "train": score(target.task, target.y[kept][learned.rows], learned.outputs, rows.weight_of(kept[learned.rows])),
        "test": score(target.task, y_test, test_outputs, weight),
    }
    settings = replace(heaviest.settings, seed=learned.seed)
    training = made_by(rows.source, settings, heaviest.history, metrics) | {"epochs": learned.epochs}
    return TrainResult(
        task=target.task,
        source=rows.source,
        model=replace(learned.ensemble, training=training),
        metrics=metrics,
        history=heaviest.history,
        gradient_check=max(learned.checks, key=lambda check: check.max_relative_error),
        engine=heaviest.engine,
        seconds=learned.seconds,
        n_train=len(kept),
        n_validation=0,
        n_test=len(y_test),
        y_test=y_test,
        test_outputs=test_outputs,
        notes=(*target.notes, *learned.notes),
        settings=settings,
        members=learned.ensemble.members,
        ended=learned.stopped,
    )
