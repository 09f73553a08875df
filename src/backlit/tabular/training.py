"""`train`: a table in, a trained network, an honest score, a model file and a report out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.core.initializers import checked_seed
from backlit.core.targets import as_targets
from backlit.engine import Data
from backlit.errors import ProblemError, TableError
from backlit.files import atomic_write, check_outputs, check_suffix
from backlit.formats.models import Model, save_model
from backlit.optim import get_optimizer, get_schedule
from backlit.render.report import render_report
from backlit.tables import TableEncoder, Target, read_target, split
from backlit.tables.reading import RawTable, read_cells
from backlit.tabular.assessment import assess
from backlit.tabular.building import build_network, rows_to_split, target_scale, unscale
from backlit.tabular.datasets import load_dataset
from backlit.tabular.provenance import command_of, data_sha256
from backlit.tabular.reasons import describe_typical
from backlit.tabular.result import TrainResult, made_by
from backlit.tabular.scoring import outputs_of, score
from backlit.tabular.streamed import train_streamed
from backlit.training import Outcome, Settings, fit
from backlit.training.engine_check import EngineCheck, check_engine

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray
FEWEST_ROWS = 5


def train(
    table: "str | Path | Sequence[str | Path] | pl.DataFrame | None" = None,
    target: str | None = None,
    *,
    dataset: str | None = None,
    task: str | None = None,
    drop: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    hidden: Sequence[int] = (128, 64),
    activation: str = "relu",
    norm: str | None = None,
    dropout: float = 0.0,
    init: str = "xavier_uniform",
    optimizer: Any = "adam",
    schedule: Any = "constant",
    l2: float = 0.005,
    clip_norm: float | None = None,
    epochs: int = 200,
    batch_size: int = 32,
    patience: int = 20,
    test_size: float = 0.2,
    seed: int = 0,
    engine: str = "auto",
    out: str | Path | None = None,
    report: str | Path | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int | None = None,
    stream: bool = False,
    buffer_mb: float = 64.0,
    compare: bool = True,
    progress: bool = False,
    cluster: Any = 0,
) -> TrainResult:
    """Train a network on a table and score it on rows that it never saw.

    Parameters
    ----------
    table : str, Path, list of them, or polars.DataFrame, optional
        A CSV, Parquet, JSON lines or Excel file, or several with the same columns; a folder of Parquet files; or a data
        frame.  Give this or `dataset`.
    target : str, optional
        Name of the column to predict.
    dataset : {"digits", "iris", "wine", "breast_cancer", "diabetes"}, optional
        A table of scikit-learn's.
    task : {"classification", "regression"}, optional
        What to predict; the target's type decides if not given.
    drop : sequence of str, default ()
        Columns to leave out.
    columns : mapping of str to str, optional
        What columns are, where the cells leave it open: number, decimal-comma, decimal-point, category, date, dmy, mdy,
        ymd or ignore for a column's name.
    hidden : sequence of int, default (128, 64)
        Units of the hidden layers.
    activation : str, default 'relu'
        Activation of the hidden layers.
    norm : {"batch", "layer"}, optional
        Norm of the hidden layers.
    dropout : float, default 0.0
        Probability in [0, 1) that a hidden unit is dropped in training.
    init : str, default 'xavier_uniform'
        How W is drawn; a scheme of `backlit.core.initializers`.
    optimizer : str, mapping or Optimizer, default 'adam'
        As `backlit.optim.get_optimizer` takes it.
    schedule : str, mapping or Schedule, default 'constant'
        As `backlit.optim.get_schedule` takes it.
    l2 : float, default 0.005
        λ in (λ/2) Σ ‖W‖².
    clip_norm : float, optional
        Bound on the norm of the gradient.
    epochs : int, default 200
        Passes over the training rows, at most.
    batch_size : int, default 32
        Rows in a step.
    patience : int, default 20
        Training stops after so many epochs in which the loss on a tenth of the training rows did not fall, and ends
        with the best epoch's weights.
    test_size : float, default 0.2
        Share of the rows to score on.
    seed : int, default 0
        Draws the split, the weights, the order of the rows and the dropout masks.
    engine : {"auto", "native", "reference"}, default 'auto'
        Who runs the passes.
    out : str or Path, optional
        Model file to write, .safetensors.
    report : str or Path, optional
        Report to write, .html.
    checkpoint : str or Path, optional
        A folder.  A run that was stopped goes on from there, with the bits of an unbroken one.
    checkpoint_every : int, optional
        Batches from one checkpoint to the next; if not given, one an epoch, and for a streamed table one a buffer.
    stream : bool, default False
        Whether a single Parquet file stays on the disk as a folder does.
    buffer_mb : float, default 64.0
        MB of rows that a streamed table holds in memory; it does not grow with the table.
    compare : bool, default True
        Whether scikit-learn's gradient boosting is trained on the same rows too, to say what the score is worth.  The
        constant prediction and a linear model always are; a streamed table has no baselines.
    progress : bool, default False
        Whether to show a progress bar.
    cluster : int, str or distributed.Client, default 0
        Who runs what can run apart, as the survey and the scores of a streamed table: a number of processes, 0 for this
        one, the address of a Dask scheduler, or a client.  The result is the same.

    Returns
    -------
    TrainResult
        The model, its scores, and how they came about.

    Raises
    ------
    BacklitError
        If a table, column or option cannot be used, or a file cannot be written.
    TableError
        If fewer than 5 rows have a target.
    ProblemError
        If neither or both of table and dataset are given, or no target.
    Divergence
        If training leaves the finite numbers.
    WrongGradient
        If the gradient of the engine that trains is not that of the cost; it is checked before the first step.

    Examples
    --------
    >>> result = train(dataset="iris", epochs=50, seed=1)
    >>> result.task, result.n_test, result.metrics["test"]["accuracy"] > 0.9
    ('classification', 30, True)
    """
    command = command_of(train, locals())
    seed = checked_seed(seed)
    check_outputs(out, report, inputs=table if isinstance(table, list | tuple) else (table,))
    check_suffix(out, ".safetensors", what="a model")
    check_suffix(report, ".html", ".htm", what="a report")
    settings = Settings(
        epochs=epochs,
        batch_size=batch_size,
        optimizer=get_optimizer(optimizer),
        schedule=get_schedule(schedule),
        clip_norm=clip_norm,
        monitor="validation_loss",
        patience=patience,
        tol=0.0,
        restore_best=True,
        seed=seed,
        engine=engine,
    )
    if streams(table, target, dataset, stream):
        result = train_streamed(
            table,  # type: ignore[arg-type]  # streams() let a path through, and a target
            target,  # type: ignore[arg-type]  # as above
            settings,
            network={"hidden": hidden, "activation": activation, "norm": norm, "dropout": dropout, "l2": l2},
            init=init,
            task=task,  # type: ignore[arg-type]  # any other word is refused where the target is read
            drop=drop,
            columns=dict(columns or {}),
            test_size=test_size,
            buffer_mb=buffer_mb,
            checkpoint=checkpoint,
            checkpoint_every=checkpoint_every,
            progress=progress,
            cluster=cluster,
        )
        return write_files(replace(result, command=command, data_sha256=data_sha256(table)), out, report)  # type: ignore[arg-type]
    raw, column = find_table(table, target, dataset)
    drop = [*drop, *(name for name, type in (columns or {}).items() if type == "ignore")]
    source, format, frame = raw.name, *raw.typed(dict(columns or {}), drop)
    read = read_target(frame, column, task)  # type: ignore[arg-type]  # which refuses any other word
    if len(read.rows) < FEWEST_ROWS:
        raise TableError(f"{source}: {len(read.rows)} rows with a target, and at least {FEWEST_ROWS} are needed")
    kept, held_out = split(rows_to_split(read), test_size=test_size, seed=seed)
    encoder = TableEncoder.fit(frame[read.rows[kept]], drop=[column, *drop], format=format)
    X = encoder.transform(frame[read.rows], np.float32)

    net = build_network(encoder, read, hidden, activation, norm=norm, dropout=dropout, l2=l2)
    params = net.init(init, seed=seed, dtype=np.float32, X=X[kept])
    params.W[1][:, encoder.silent_features] = 0
    shift, scale = target_scale(read, kept)
    Y = as_targets(net, (read.y - shift) / scale if read.task == "regression" else read.y, len(X), np.float32)
    fitting, validating = (kept[rows] for rows in split(rows_to_split(read, kept), test_size=0.1, seed=seed + 1))
    settings = replace(settings, batch_size=min(batch_size, len(kept)))
    data, validation = Data(X[fitting], Y[fitting]), Data(X[validating], Y[validating])
    checked = check_engine(net, params, data, settings)
    outcome = fit(
        net,
        params,
        data,
        settings,
        validation=validation,
        progress=progress,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
    )
    if outcome.divergence is not None:
        raise outcome.divergence
    if read.task == "regression":
        unscale(outcome.params, shift, scale)
    notes = raw.notes + format.notes([column])
    result = summarize(source, read, notes, encoder, X, kept, held_out, len(validating), outcome, checked, settings)
    assessed = assess(
        frame[read.rows].drop(column, *drop),
        read,
        kept,
        held_out,
        lambda rows: outputs_of(result.model, encoder.transform(rows, np.float32)),
        boosting=compare,
        seed=seed,
    )
    notes = (*result.notes, *assessed.remarks)
    digest = data_sha256(frame.drop(*drop) if table is None or hasattr(table, "columns") else table)
    typical = describe_typical(frame[read.rows[kept]], encoder)
    model = replace(result.model, training={**result.model.training, "typical_row": typical})
    result = replace(result, model=model, assessment=assessed, notes=notes, command=command, data_sha256=digest)
    return write_files(result, out, report)


def streams(table: Any, target: str | None, dataset: str | None, asked: bool) -> bool:
    """Whether a table is streamed: a folder always, a file if it is asked for."""
    folder = isinstance(table, str | Path) and Path(table).is_dir()
    if not (folder or asked):
        return False
    if not isinstance(table, str | Path) or dataset is not None:
        raise ProblemError("stream reads a Parquet file or a folder of them: give its path, and no dataset")
    if target is None:
        raise ProblemError("a table needs the name of its target column: give --target COLUMN")
    return True


def find_table(table: Any, target: str | None, dataset: str | None) -> tuple[RawTable, str]:
    """The table as it is written, and its target column."""
    if (table is None) == (dataset is None):
        raise ProblemError("give a table or the name of a dataset, one of the two")
    if dataset is not None:
        return RawTable(dataset, load_dataset(dataset)), target or "target"
    if target is None:
        raise ProblemError("a table needs the name of its target column: give --target COLUMN")
    if isinstance(table, str | Path | list | tuple):
        return read_cells(table), target
    return RawTable("table", table), target


def summarize(
    source: str,
    target: Target,
    notes: tuple[str, ...],
    encoder: TableEncoder,
    X: Array,
    kept: Array,
    held_out: Array,
    n_validation: int,
    outcome: Outcome,
    checked: EngineCheck,
    settings: Settings,
) -> TrainResult:
    """Score the trained network and put everything together."""
    model = Model(outcome.params, outcome.statistics, encoder, target.codec)
    outputs = {"train": outputs_of(model, X[kept]), "test": outputs_of(model, X[held_out])}
    metrics = {
        "train": score(target.task, target.y[kept], outputs["train"]),
        "test": score(target.task, target.y[held_out], outputs["test"]),
    }
    seconds = outcome.history.seconds
    training = made_by(source, settings, outcome, metrics)
    return TrainResult(
        task=target.task,
        source=source,
        model=replace(model, training=training),
        metrics=metrics,
        history=outcome.history,
        gradient_check=checked,
        engine=outcome.engine.name,
        seconds=seconds,
        n_train=len(kept),
        n_validation=n_validation,
        n_test=len(held_out),
        y_test=target.y[held_out],
        test_outputs=outputs["test"],
        notes=(*notes, *target.notes, *encoder.remarks()),
        settings=settings,
    )


def write_files(result: TrainResult, out: str | Path | None, report: str | Path | None) -> TrainResult:
    """Write the model and the report, if they are wanted, and note where they are."""
    model_path, report_path = (None if path is None else str(path) for path in (out, report))
    result = replace(result, model_path=model_path, report_path=report_path)
    text = render_report(result) if report is not None else ""  # rendered first: if it fails, nothing is written
    if out is not None:
        save_model(result.model, out)
    if report is not None:
        with atomic_write(report) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return result
