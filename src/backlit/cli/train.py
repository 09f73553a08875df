"""`backlit train`: a table in, a trained model, an honest score, a model file and a report out."""

from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from backlit.cli.formats import Cluster, Format, Workers, cluster_of, print_json
from backlit.cli.streams import say
from backlit.errors import Divergence, ProblemError, WrongGradient
from backlit.terminal import one_line


def command(
    table: Annotated[
        list[Path] | None,
        Argument(
            help="CSV, Parquet, JSON lines or Excel (FILE.xlsx:SHEET); a folder of Parquet files; or several files.",
            show_default=False,
        ),
    ] = None,
    target: Annotated[str | None, Option(help="The column to predict.", show_default=False)] = None,
    dataset: Annotated[
        str | None, Option(help="digits, iris, wine, breast_cancer or diabetes, in place of TABLE.", show_default=False)
    ] = None,
    task: Annotated[
        str | None, Option(help="classification or regression; else the target's type decides.", show_default=False)
    ] = None,
    drop: Annotated[
        list[str] | None, Option(help="A column to leave out; may be given again.", show_default=False)
    ] = None,
    column: Annotated[
        list[str] | None,
        Option(
            help="NAME=TYPE says what a column is: number, decimal-comma, decimal-point, category, date, dmy, mdy, ymd "
            "or ignore; may be given again.",
            show_default=False,
        ),
    ] = None,
    quality: Annotated[
        str | None, Option(help="fast, good or best: how much work goes into an ensemble.", show_default="good")
    ] = None,
    time_limit: Annotated[
        float | None, Option(help="Seconds after which an ensemble is what it is by then.", show_default=False)
    ] = None,
    metric: Annotated[
        str | None, Option(help="What an ensemble is chosen by: log_loss, roc_auc, rmse, mae, …", show_default=False)
    ] = None,
    group: Annotated[
        str | None, Option(help="A column whose equal values train together or score together.", show_default=False)
    ] = None,
    time: Annotated[str | None, Option(help="A column of dates: later rows score.", show_default=False)] = None,
    weight: Annotated[str | None, Option(help="A column of weights of the rows.", show_default=False)] = None,
    test: Annotated[
        Path | None, Option(help="A table to score on, in place of a share of TABLE.", show_default=False)
    ] = None,
    test_size: Annotated[float, Option(help="Share of the rows held out for the score.")] = 0.2,
    seed: Annotated[int, Option(help="Of the split, the initial weights, the shuffling and the dropout.")] = 0,
    hidden: Annotated[
        str | None,
        Option(
            help="One network with these units in its hidden layers, such as 128,64; 0 for none.", show_default=False
        ),
    ] = None,
    encoding: Annotated[
        str | None,
        Option(
            help="Of one network's inputs: standard, no_bins, quantiles, fine, by_target, eight_by_target or steps.",
            show_default="standard",
        ),
    ] = None,
    activation: Annotated[str | None, Option(help="Of one network's hidden layers.", show_default="relu")] = None,
    norm: Annotated[str | None, Option(help="batch or layer, in every hidden layer.", show_default=False)] = None,
    dropout: Annotated[
        float | None, Option(help="Probability of a hidden unit being dropped.", show_default="0.0")
    ] = None,
    optimizer: Annotated[
        str | None, Option(help="sgd, adagrad, rmsprop, adam, amsgrad or adamw.", show_default="adam")
    ] = None,
    learning_rate: Annotated[
        float | None, Option(help="Step size; else the optimizer's usual one.", show_default=False)
    ] = None,
    schedule: Annotated[
        str | None,
        Option(help="constant, step, exponential, cosine, one_cycle, warm_up, …", show_default="constant"),
    ] = None,
    l2: Annotated[float | None, Option(help="λ of the (λ/2) Σ ‖W‖² added to the loss.", show_default="0.005")] = None,
    clip_norm: Annotated[float | None, Option(help="Longest gradient.", show_default=False)] = None,
    epochs: Annotated[int | None, Option(help="Passes over the training rows, at most.", show_default="200")] = None,
    batch_size: Annotated[int | None, Option(help="Rows a step.", show_default="32")] = None,
    rate_batch_size: Annotated[
        int | None,
        Option(help="Rows a step that the rate is for: it grows with --batch-size.", show_default=False),
    ] = None,
    patience: Annotated[
        int | None, Option(help="Epochs without a lower validation loss before it stops.", show_default="20")
    ] = None,
    engine: Annotated[str, Option(help="auto, native or reference.")] = "auto",
    out: Annotated[
        Path | None, Option("--out", "-o", help="Write the model here (.safetensors).", show_default=False)
    ] = None,
    report: Annotated[Path | None, Option(help="Write a report here (.html).", show_default=False)] = None,
    checkpoint: Annotated[
        Path | None, Option(help="Keep what is done in this folder, and go on from what it holds.", show_default=False)
    ] = None,
    checkpoint_every: Annotated[
        int | None,
        Option(
            help="Batches between two checkpoints of one network; else one an epoch, or a buffer.", show_default=False
        ),
    ] = None,
    shards: Annotated[
        int | None,
        Option(help="Of one network: shards of the rows over which each step is a sum.", show_default="1"),
    ] = None,
    stream: Annotated[bool, Option("--stream", help="Leave a Parquet file on the disk; a folder always is.")] = False,
    buffer_mb: Annotated[float, Option(help="MB of rows that a streamed epoch shuffles at a time.")] = 64.0,
    compare: Annotated[
        bool, Option("--compare/--no-compare", help="Train gradient boosting on the same rows, to compare with.")
    ] = True,
    workers: Workers = 0,
    cluster: Cluster = None,
    format: Annotated[Format, Option(help="How to show the result.")] = Format.text,
) -> int:
    """Train the best model of a table, and score it on rows that it never saw."""
    from backlit.render.report import show_result
    from backlit.tabular import train

    try:
        result = train(
            table[0] if table and len(table) == 1 else table or None,
            target,
            dataset=dataset,
            task=task,
            drop=drop or (),
            columns=dict(column_type(text) for text in column or ()) or None,
            quality=quality,
            time_limit=time_limit,
            metric=metric,
            group=group,
            time=time,
            weight=weight,
            test=test,
            hidden=None if hidden is None else sizes(hidden),
            encoding=encoding,
            activation=activation,
            norm=norm,
            dropout=dropout,
            optimizer=optimizer_of(optimizer, learning_rate),
            schedule=schedule,
            l2=l2,
            clip_norm=clip_norm,
            epochs=epochs,
            batch_size=batch_size,
            rate_batch_size=rate_batch_size,
            patience=patience,
            test_size=test_size,
            seed=seed,
            engine=engine,
            out=out,
            report=report,
            checkpoint=checkpoint,
            checkpoint_every=checkpoint_every,
            shards=shards,
            stream=stream,
            buffer_mb=buffer_mb,
            compare=compare,
            progress=True,
            cluster=cluster_of(workers, cluster),
        )
    except (Divergence, WrongGradient) as error:
        say(f"backlit: {one_line(str(error))}", error=True)
        return 1
    print_json(result.to_dict()) if format is Format.json else show_result(result)
    return 0


def optimizer_of(name: str | None, learning_rate: float | None) -> dict[str, Any] | None:
    """What `train` takes, None where neither is given."""
    if name is None and learning_rate is None:
        return None
    return {"name": name or "adam"} | ({} if learning_rate is None else {"learning_rate": learning_rate})


def column_type(text: str) -> tuple[str, str]:
    """Name and type of "NAME=TYPE"; a name may hold "=" too."""
    name, equals, type = text.rpartition("=")
    if not equals or not name:
        raise ProblemError(f"--column takes NAME=TYPE, such as day=dmy, not {text!r}")
    return name, type


def sizes(text: str) -> list[int]:
    """The units that "256,128" names; "0" or nothing is a network without hidden layers."""
    try:
        units = [int(part) for part in text.split(",")] if text.strip() else []
    except ValueError:
        raise ProblemError(
            f"--hidden takes whole numbers with commas between them, such as 256,128, not {text!r}"
        ) from None
    return [] if units == [0] else units
