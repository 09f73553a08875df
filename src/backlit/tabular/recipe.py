"""What `train` learns from a table in memory: an ensemble of itself, or one network as asked for."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from backlit.core.parameters import Parameters
from backlit.core.targets import as_targets
from backlit.engine import Data
from backlit.errors import ProblemError, near
from backlit.formats.ensembles import Ensemble
from backlit.formats.models import Model
from backlit.tables import TableEncoder, split
from backlit.tables.encoder import enriched
from backlit.tabular.blend import measure_of, predict_rows
from backlit.tabular.ensemble import Learned, train_ensemble
from backlit.tabular.members import check_time_limit
from backlit.tabular.presets import ENCODINGS, build_network, quality_of, target_scale, unscale
from backlit.tabular.result import TrainResult, made_by, notes_on_shards
from backlit.tabular.scoring import outputs_of, score
from backlit.tabular.table_rows import TableRows, rows_to_split, weights_of
from backlit.training import History, Outcome, Settings, Shards, fit
from backlit.training.engine_check import EngineCheck, check_engine

Array = np.ndarray


def check_recipe(task: str, quality: str, metric: str | None, time_limit: float | None) -> None:
    """Raise ProblemError where `train_recipe` cannot do what is asked."""
    quality_of(quality)
    measure_of(task, metric)
    check_time_limit(time_limit)


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
    return summarize_ensemble(rows, learned)


def summarize_ensemble(rows: TableRows, learned: Learned) -> TrainResult:
    """What is told of an ensemble; its settings and epochs are the heaviest member's."""
    kept = rows.kept[learned.rows]
    heaviest = max(zip(learned.ensemble.members, learned.trained, strict=True), key=lambda pair: pair[0].weight)[1]
    return summarize(
        rows,
        learned.ensemble,
        score(rows.target.task, rows.target.y[kept], learned.outputs, rows.weight_of(kept)),
        predict_rows(learned.ensemble, rows.scoring[0]),
        replace(heaviest.settings, seed=learned.seed),
        heaviest.history,
        epochs=learned.epochs,
        gradient_check=max(learned.checks, key=lambda check: check.max_relative_error),
        engine=heaviest.engine,
        seconds=learned.seconds,
        n_validation=0,
        notes=(*rows.target.notes, *learned.notes),
        members=learned.ensemble.members,
        ended=learned.stopped,
    )


# --- one network ------------------------------------------------------------------------------------------------------

ALONE = "one network is trained in this process, as each of its steps is one shard: --shards 8, say, are for workers"


def train_network(
    rows: TableRows, told: dict[str, Any], settings: Settings, *, progress: bool, cluster: Any
) -> TrainResult:
    """Train the network that `told` describes, stopped by a tenth of its training rows.  See `train`."""
    from backlit.distributed import engine_on

    read, kept, seed = rows.target, rows.kept, settings.seed
    fitting, validating = (kept[part] for part in validation_split(rows, seed + 1))
    encoder = encoder_of(rows, told["encoding"], fitting)
    X = encoder.transform(rows.frame, np.float32)
    net = build_network(
        encoder,
        read,
        told["hidden"],
        told["activation"],
        norm=told["norm"],
        dropout=told["dropout"],
        l2=told["l2"],
    )
    params = net.init(told["init"], seed=seed, dtype=np.float32, X=X[kept])
    params.W[1][:, encoder.silent_features] = 0
    shift, scale = (0.0, 1.0) if read.task == "classification" else target_scale(read.y[kept], rows.weight_of(kept))
    Y = as_targets(net, (read.y - shift) / scale if read.task == "regression" else read.y, len(X), np.float32)
    settings = replace(settings, batch_size=min(settings.batch_size, len(kept)))
    data, validation = (Data(X[part], Y[part], weights_of(rows.roles.weight, part)) for part in (fitting, validating))
    checked = check_engine(net, params, data, settings)
    penalties: list[float] = []
    learned = data if told["shards"] == 1 else Shards.deal(data, told["shards"], settings)
    with engine_on(cluster, net, params, learned, settings, data) as engine:
        outcome = fit(
            net,
            params,
            learned,
            settings,
            validation=validation,
            callbacks=[lambda run: penalties.append(penalty(run.state.params))],
            progress=progress,
            checkpoint=told["checkpoint"],
            checkpoint_every=told["checkpoint_every"],
            engine=engine,
        )
    if outcome.divergence is not None:
        raise outcome.divergence
    if read.task == "regression":
        unscale(outcome.params, shift, scale)
    result = summarize_network(rows, encoder, X, len(validating), outcome, checked, settings)
    alone = (ALONE,) if told["shards"] == 1 and cluster else ()
    return replace(result, penalties=tuple(penalties), notes=(*result.notes, *alone))


def penalty(params: Parameters) -> float:
    """(λ/2) Σ ‖W‖²."""
    return params.net.l2 / 2 * sum(float(np.vdot(W, W)) for W in params.W[1:])


def encoder_of(rows: TableRows, encoding: str, fitting: Array) -> TableEncoder:
    """The table's encoder, or a richer one of ENCODINGS, whose bins are cut by the rows that are learned from."""
    if encoding == "standard":
        return rows.encoder
    if encoding not in ENCODINGS:
        raise ProblemError(f"unknown encoding {encoding!r}: {near(encoding, ['standard', *ENCODINGS])}")
    return enriched(rows.encoder, rows.frame[fitting], ENCODINGS[encoding], rows.target.y[fitting])


def validation_split(rows: TableRows, seed: int) -> tuple[Array, Array]:
    """Training rows to learn from and to stop by, as indices into `kept`: a tenth, by group or time where rows are."""
    if rows.roles.groups is None and rows.roles.moments is None:
        return split(rows_to_split(rows.target, rows.kept), test_size=0.1, seed=seed)
    held = rows.roles.folds(rows.target.y[rows.kept], rows.kept, 10, seed)
    return held.parts(held.K - 1)


def summarize_network(
    rows: TableRows,
    encoder: TableEncoder,
    X: Array,
    n_validation: int,
    outcome: Outcome,
    checked: EngineCheck,
    settings: Settings,
) -> TrainResult:
    """What is told of one network, trained on rows with features X (n, n_0)."""
    target, kept = rows.target, rows.kept
    model = Model(outcome.params, outcome.statistics, encoder, target.codec)
    test_X = X[rows.held_out] if rows.test_table is None else encoder.transform(rows.scoring[0], np.float32)
    return summarize(
        rows,
        model,
        score(target.task, target.y[kept], outputs_of(model, X[kept]), rows.weight_of(kept)),
        outputs_of(model, test_X),
        settings,
        outcome.history,
        epochs=len(outcome.history),
        gradient_check=checked,
        engine=outcome.engine.name,
        seconds=outcome.history.seconds,
        n_validation=n_validation,
        notes=(*target.notes, *notes_on_shards(outcome, settings)),
    )


# --- of either --------------------------------------------------------------------------------------------------------


def summarize(
    rows: TableRows,
    model: Model | Ensemble,
    train_metrics: dict[str, Any],
    test_outputs: Array,
    settings: Settings,
    history: History,
    *,
    epochs: int,
    **told: Any,
) -> TrainResult:
    """Score a model's outputs for the rows that score, and put everything together.

    told : the fields of TrainResult that hang on what was trained.
    """
    _, y_test, weight = rows.scoring
    task = rows.target.task
    metrics = {"train": train_metrics, "test": score(task, y_test, test_outputs, weight)}
    return TrainResult(
        task=task,
        source=rows.source,
        model=replace(model, training=made_by(rows.source, settings.seed, epochs, metrics)),
        metrics=metrics,
        history=history,
        n_train=len(rows.kept),
        n_test=len(y_test),
        y_test=y_test,
        test_outputs=test_outputs,
        settings=settings,
        **told,
    )
