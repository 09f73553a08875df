"""`train`: a table in, a trained network, an honest score, a model file and a report out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backlit.core.initializers import checked_seed
from backlit.errors import ProblemError
from backlit.files import atomic_write, check_outputs, check_suffix
from backlit.formats.ensembles import save_ensemble
from backlit.jobs import Serial, Threads
from backlit.optim import get_optimizer, get_schedule
from backlit.registry import positive_integer
from backlit.render.report import render_report
from backlit.tables.frames import frame_of
from backlit.tables.parquet import remote
from backlit.tables.table_files import RawTable, read_cells
from backlit.tabular.assessment import Rival, assess
from backlit.tabular.blend import few_members, predict_dealt, predict_rows
from backlit.tabular.datasets import load_dataset
from backlit.tabular.recipe import check_recipe, train_network, train_recipe
from backlit.tabular.remarks import describe_ranges, describe_typical
from backlit.tabular.result import TrainResult, command_of, data_sha256
from backlit.tabular.streamed import train_streamed
from backlit.tabular.table_rows import TableRows
from backlit.training import Settings

if TYPE_CHECKING:
    import polars as pl

ONE: dict[str, Any] = {  # one network's options where they are not given
    "hidden": (128, 64),
    "encoding": "standard",
    "activation": "relu",
    "norm": None,
    "dropout": 0.0,
    "init": "xavier_uniform",
    "optimizer": "adam",
    "schedule": None,
    "l2": 0.005,
    "clip_norm": None,
    "epochs": 200,
    "batch_size": 32,
    "rate_batch_size": None,
    "patience": 20,
    "checkpoint_every": None,
    "shards": 1,
}


def train(
    table: "str | Path | Sequence[str | Path] | pl.DataFrame | None" = None,
    target: str | None = None,
    *,
    dataset: str | None = None,
    task: str | None = None,
    drop: str | Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    quality: str | None = None,
    time_limit: float | None = None,
    metric: str | None = None,
    group: str | None = None,
    time: str | None = None,
    weight: str | None = None,
    test: "str | Path | pl.DataFrame | None" = None,
    test_size: float = 0.2,
    seed: int = 0,
    hidden: int | Sequence[int] | None = None,
    encoding: str | None = None,
    activation: str | None = None,
    norm: str | None = None,
    dropout: float | None = None,
    init: str | None = None,
    optimizer: Any = None,
    schedule: Any = None,
    l2: float | None = None,
    clip_norm: float | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    rate_batch_size: int | None = None,
    patience: int | None = None,
    engine: str = "auto",
    out: str | Path | None = None,
    report: str | Path | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int | None = None,
    shards: int | None = None,
    stream: bool = False,
    buffer_mb: float = 64.0,
    compare: bool = True,
    progress: bool = False,
    cluster: Any = 0,
) -> TrainResult:
    """Train the best model of a table, and score it on rows that it never saw.

    That is an ensemble of networks: presets are tried on some of the folds of the training rows, the best of them
    trained on all, and weighed by what they say of rows that they never learned from.  With `hidden`, or any other
    option of one network, that network alone is trained; a streamed table has one network too.

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
    drop : str or sequence of str, default ()
        Columns to leave out.
    columns : mapping of str to str, optional
        What columns are, where the cells leave it open: number, decimal-comma, decimal-point, category, date, dmy, mdy,
        ymd or ignore for a column's name.
    quality : {"fast", "good", "best"}, optional
        How many presets and folds an ensemble has, "good" if not given.  It sets the work, not the seconds: the same
        seed gives the same bits on any number of processors.
    time_limit : float, optional
        Seconds after which an ensemble is what it is by then; the first network has an epoch all the same.
    metric : {"log_loss", "accuracy", "balanced_accuracy", "roc_auc", "rmse", "mae", "r2"}, optional
        What an ensemble's presets are chosen and its networks stopped by; log loss or root mean square error if not
        given.
    group : str, optional
        A column: rows of one group are all in the same fold, and all train or all score.  It is no feature.
    time : str, optional
        A column of dates or numbers: later rows score, and folds learn from what was before them.
    weight : str, optional
        A column of weights, 0 or more, by which rows count.  It is no feature.
    test : str, Path or polars.DataFrame, optional
        Rows to score on, in place of a share of the table's.
    test_size : float, default 0.2
        Share of the rows to score on.
    seed : int, default 0
        Draws the split, the weights, the order of the rows and the dropout masks.
    hidden : int or sequence of int, optional
        Units of the hidden layers of one network, (128, 64) if not given.
    encoding : {"standard", "no_bins", "quantiles", "fine", "by_target", "eight_by_target", "steps"}, optional
        How numbers, dates and words become one network's inputs, "standard" if not given; see docs/tables.md.
    activation : str, optional
        Activation of the hidden layers, "relu" if not given.
    norm : {"batch", "layer"}, optional
        Norm of the hidden layers.
    dropout : float, optional
        Probability in [0, 1) that a hidden unit is dropped in training, 0 if not given.
    init : str, optional
        How W is drawn, "xavier_uniform" if not given; a scheme of `backlit.core.initializers`.
    optimizer : str, mapping or Optimizer, optional
        As `backlit.optim.get_optimizer` takes it, "adam" if not given.
    schedule : str, mapping or Schedule, optional
        As `backlit.optim.get_schedule` takes it, "constant" if not given.
    l2 : float, optional
        λ in (λ/2) Σ ‖W‖², 0.005 if not given.
    clip_norm : float, optional
        Bound on the norm of the gradient.
    epochs : int, optional
        Passes over the training rows, at most; 200 if not given.
    batch_size : int, optional
        Rows in a step, 32 if not given.
    rate_batch_size : int, optional
        Rows in the steps that the learning rate is for.  With a larger `batch_size` the rate grows with it (linearly in
        sgd, by the square root in the others) and is warmed up over 100 steps, unless a schedule is given.
    patience : int, optional
        One network stops after so many epochs, 20 if not given, in which the loss on a tenth of the training rows did
        not fall, and ends with the best epoch's weights.
    engine : {"auto", "native", "reference"}, default 'auto'
        Who runs the passes.
    out : str or Path, optional
        Model file to write, .safetensors.
    report : str or Path, optional
        Report to write, .html.
    checkpoint : str or Path, optional
        A folder, in which one network's run is kept, or an ensemble's finished networks.  A run that was stopped goes
        on from there, with the bits of an unbroken one.
    checkpoint_every : int, optional
        Batches from one checkpoint of one network to the next; if not given, one an epoch, and for a streamed table one
        a buffer.
    shards : int, optional
        For one network: each of its steps is a sum over so many shards of the rows, 1 if not given.  The result hangs
        on their number, and not on who computes them.
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
        Who runs what can run apart, such as an ensemble's networks, or the survey and the scores of a streamed table: a
        number of processes, 0 for this one, the address of a Dask scheduler, or a client.  The result is the same.

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
        If neither or both of table and dataset are given, or no target, or options that do not go together.
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
    if isinstance(hidden, int):
        hidden = (hidden,)
    if isinstance(drop, str):
        drop = [drop]
    if not isinstance(columns, Mapping | None):
        raise ProblemError(f"columns is {columns!r}: give a mapping of column to type, such as {{'price': 'number'}}")
    given = dict(locals())
    command = command_of(train, given)
    seed = checked_seed(seed)
    tables = table if isinstance(table, list | tuple) else [table]
    check_outputs(out, report, inputs=(*tables, test if isinstance(test, str | Path) else None))
    check_suffix(out, ".safetensors", what="a model")
    check_suffix(report, ".html", ".htm", what="a report")
    asked = {name: given[name] for name in ONE}
    asked["shards"] = None if shards is None else positive_integer(shards, "shards")
    told = ONE | {name: value for name, value in asked.items() if value is not None} | {"checkpoint": checkpoint}
    streamed = streams(table, target, dataset, stream)
    one_network = streamed or any(value is not None for value in asked.values())
    recipe = {"quality": quality, "time_limit": time_limit, "metric": metric}
    refuse_mixed(recipe, asked, one_network)
    refuse_second_role(target, drop, columns or {}, {"group": group, "time": time, "weight": weight})
    if streamed:
        refuse_streamed({"encoding": encoding, "group": group, "time": time, "weight": weight, "test": test})
        result = train_streamed(
            table,  # type: ignore[arg-type]  # streams() let a path through, and a target
            target,  # type: ignore[arg-type]  # as above
            settings_of(told, seed, engine),
            network={name: told[name] for name in ("hidden", "activation", "norm", "dropout", "l2")},
            init=told["init"],
            task=task,  # type: ignore[arg-type]  # any other word is refused where the target is read
            drop=drop,
            columns=dict(columns or {}),
            test_size=test_size,
            buffer_mb=buffer_mb,
            checkpoint=checkpoint,
            checkpoint_every=checkpoint_every,
            shards=told["shards"],
            progress=progress,
            cluster=cluster,
        )
        result = replace(result, command=command, data_sha256=data_sha256(table))  # type: ignore[arg-type]  # as above
        return write_files(result, out, report)
    raw, column = find_table(table, target, dataset)
    drop = [*drop, *(name for name, type in (columns or {}).items() if type == "ignore")]
    format, frame = raw.typed(dict(columns or {}), drop)
    rows = TableRows.read(
        raw.name,
        frame,
        column,
        task,
        drop,
        group=group,
        time=time,
        weight=weight,
        test=test,
        test_size=test_size,
        seed=seed,
        format=format,
    )
    if not one_network:
        check_recipe(rows.target.task, quality or "good", metric, time_limit)
    assessed = rows.to_assess()
    weighed: dict[str, Any] = {"weight": rows.assessed_weight, "seed": seed}
    side_by_side = not one_network and isinstance(cluster, int) and cluster == 0  # with members, which have one thread
    with Threads(1) if side_by_side else Serial() as beside:
        rival = beside.submit(partial(Rival.train, *assessed, wanted=compare, **weighed), "gradient boosting")
        if one_network:
            result = train_network(rows, told, settings_of(told, seed, engine), progress=progress, cluster=cluster)
        else:
            result = train_recipe(
                rows,
                quality or "good",
                seed=seed,
                engine=engine,
                time_limit=time_limit,
                metric=metric,
                checkpoint=checkpoint,
                cluster=cluster,
                progress=progress,
            )
        model = result.model
        whole, few = partial(predict_rows, model), partial(predict_dealt, few_members(model))
        assessment = assess(*assessed, whole, few, rival.result(), **weighed)
    read = (*raw.notes, *format.notes([column]))
    notes = (*read, *result.notes, *rows.encoder.remarks(), *assessment.remarks)
    digest = data_sha256(table if isinstance(table, str | Path | list | tuple) else frame.drop(*drop))
    features, _, kept, _ = assessed
    typical = describe_typical(features[kept], rows.encoder)
    notes_of_rows: dict[str, Any] = {"typical_row": typical, "ranges": describe_ranges(features[kept], rows.encoder)}
    notes_of_rows |= {} if weight is None else {"weight": weight}
    model = replace(model, training={**model.training, **notes_of_rows})
    result = replace(result, model=model, assessment=assessment, notes=notes, command=command, data_sha256=digest)
    return write_files(result, out, report)


def settings_of(told: dict[str, Any], seed: int, engine: str) -> Settings:
    """How one network is trained."""
    optimizer, schedule = get_optimizer(told["optimizer"]), told["schedule"]
    if told["rate_batch_size"] is not None:
        usual = positive_integer(told["rate_batch_size"], "rate_batch_size")
        optimizer = optimizer.for_batches(positive_integer(told["batch_size"], "batch_size"), usual)
    return Settings(
        epochs=told["epochs"],
        batch_size=told["batch_size"],
        optimizer=optimizer,
        schedule=get_schedule(schedule or ("constant" if told["rate_batch_size"] is None else "warm_up")),
        clip_norm=told["clip_norm"],
        monitor="validation_loss",
        patience=told["patience"],
        tol=0.0,
        restore_best=True,
        seed=seed,
        engine=engine,
    )


def refuse_second_role(
    target: str | None, drop: Sequence[str], columns: Mapping[str, str], roles: Mapping[str, str | None]
) -> None:
    """Raise ProblemError where the target is to be left out, or is named for something else too."""
    named = {option("drop"): [*drop]}
    named |= {"columns (--column)": [name for name, kind in columns.items() if kind == "ignore"]}
    named |= {option(role): [name] for role, name in roles.items() if name is not None}
    second = next((role for role, names in named.items() if target in names), None)
    if second is not None:
        raise ProblemError(f"{target!r} is the target, and {second} names it too: give another column")


def refuse_mixed(recipe: dict[str, Any], asked: dict[str, Any], one_network: bool) -> None:
    """Raise ProblemError where options of an ensemble and of one network are given together."""
    of_ensemble = [name for name, value in recipe.items() if value is not None]
    if not one_network or not of_ensemble:
        return
    of_one = [name for name, value in asked.items() if value is not None] or ["stream"]
    raise ProblemError(
        f"{option(of_ensemble[0])} is for an ensemble and {option(of_one[0])} for one network: give one of the two"
    )


def refuse_streamed(roles: dict[str, Any]) -> None:
    """Raise ProblemError where a streamed table is to be split in a way that needs all of its rows."""
    for name, value in roles.items():
        if value is not None:
            raise ProblemError(f"{option(name)} is for a table in memory, and this one is streamed: leave it out")


def option(name: str) -> str:
    """An option as Python and as the command line have it.

    >>> option("time_limit")
    'time_limit (--time-limit)'
    """
    return f"{name} (--{name.replace('_', '-')})"


def streams(table: Any, target: str | None, dataset: str | None, asked: bool) -> bool:
    """Whether a table is streamed: a folder always, a file if it is asked for."""
    folder = isinstance(table, str | Path) and (Path(table).is_dir() or remote(table) is not None)
    if not (folder or asked):
        return False
    if not isinstance(table, str | Path) or dataset is not None:
        raise ProblemError("stream reads a Parquet file or a folder of them: give its path, and no dataset")
    named(target)
    return True


def find_table(table: Any, target: str | None, dataset: str | None) -> tuple[RawTable, str]:
    """The table as it is written, and its target column."""
    if (table is None) == (dataset is None):
        raise ProblemError("give a table or the name of a dataset, one of the two")
    if dataset is not None:
        return RawTable(dataset, load_dataset(dataset)), target or "target"
    column = named(target)
    if isinstance(table, str | Path | list | tuple):
        return read_cells(table), column
    return RawTable("table", frame_of(table)), column


def named(target: str | None) -> str:
    """The target; raises ProblemError where none is named."""
    if target is None:
        raise ProblemError("a table needs the name of its target column: give it (target=, or --target COLUMN)")
    if not isinstance(target, str):
        raise ProblemError(f"the target is {target!r}: give the name of its column, a text")
    return target


def write_files(result: TrainResult, out: str | Path | None, report: str | Path | None) -> TrainResult:
    """Write the model and the report, if they are wanted, and note where they are."""
    model_path, report_path = (None if path is None else str(path) for path in (out, report))
    result = replace(result, model_path=model_path, report_path=report_path)
    text = render_report(result) if report is not None else ""  # rendered first: if it fails, nothing is written
    if out is not None:
        save_ensemble(result.model, out)
    if report is not None:
        with atomic_write(report) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return result
