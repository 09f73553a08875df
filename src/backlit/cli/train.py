"""`backlit train`: a table in, a trained network, an honest score, a model file and a report out."""

from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from backlit.cli.cluster import Cluster, Workers, cluster_of
from backlit.cli.formats import Format, print_json
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
    hidden: Annotated[str, Option(help="Units of the hidden layers, first to last; 0 for none.")] = "128,64",
    activation: Annotated[str, Option(help="Activation of the hidden layers.")] = "relu",
    norm: Annotated[str | None, Option(help="batch or layer, in every hidden layer.", show_default=False)] = None,
    dropout: Annotated[float, Option(help="Probability of a hidden unit being dropped.")] = 0.0,
    optimizer: Annotated[str, Option(help="sgd, adagrad, rmsprop, adam, amsgrad or adamw.")] = "adam",
    learning_rate: Annotated[
        float | None, Option(help="Step size; else the optimizer's usual one.", show_default=False)
    ] = None,
    schedule: Annotated[str, Option(help="constant, step, exponential, cosine, one_cycle, warm_up, …")] = "constant",
    l2: Annotated[float, Option(help="λ of the (λ/2) Σ ‖W‖² added to the loss.")] = 0.005,
    clip_norm: Annotated[float | None, Option(help="Longest gradient.", show_default=False)] = None,
    epochs: Annotated[int, Option(help="Passes over the training rows, at most.")] = 200,
    batch_size: Annotated[int, Option(help="Rows a step.")] = 32,
    patience: Annotated[int, Option(help="Epochs without a lower validation loss before it stops.")] = 20,
    test_size: Annotated[float, Option(help="Share of the rows held out for the score.")] = 0.2,
    seed: Annotated[int, Option(help="Of the split, the initial weights, the shuffling and the dropout.")] = 0,
    engine: Annotated[str, Option(help="auto, native or reference.")] = "auto",
    out: Annotated[Path | None, Option(help="Write the model here (.safetensors).", show_default=False)] = None,
    report: Annotated[Path | None, Option(help="Write a report here (.html).", show_default=False)] = None,
    checkpoint: Annotated[
        Path | None, Option(help="Keep the run in this folder, and go on from what it holds.", show_default=False)
    ] = None,
    checkpoint_every: Annotated[
        int | None, Option(help="Batches between two checkpoints; else one an epoch, or a buffer.", show_default=False)
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
    """Train a network on a table and score it on rows that it never saw."""
    from backlit.tabular import train

    try:
        result = train(
            table[0] if table and len(table) == 1 else table or None,
            target,
            dataset=dataset,
            task=task,
            drop=drop or (),
            columns=dict(column_type(text) for text in column or ()),
            hidden=sizes(hidden),
            activation=activation,
            norm=norm,
            dropout=dropout,
            optimizer={"name": optimizer} | ({} if learning_rate is None else {"learning_rate": learning_rate}),
            schedule=schedule,
            l2=l2,
            clip_norm=clip_norm,
            epochs=epochs,
            batch_size=batch_size,
            patience=patience,
            test_size=test_size,
            seed=seed,
            engine=engine,
            out=out,
            report=report,
            checkpoint=checkpoint,
            checkpoint_every=checkpoint_every,
            stream=stream,
            buffer_mb=buffer_mb,
            compare=compare,
            progress=True,
            cluster=cluster_of(workers, cluster),
        )
    except (Divergence, WrongGradient) as error:
        say(f"backlit: {one_line(str(error))}", error=True)
        return 1
    print_json(result.to_dict()) if format is Format.json else show(result)
    return 0


def column_type(text: str) -> tuple[str, str]:
    """Name and type of "NAME=TYPE"; a name may hold "=" too."""
    name, equals, type = text.rpartition("=")
    if not equals or not name:
        raise ProblemError(f"--column takes NAME=TYPE, such as day=dmy, not {text!r}")
    return name, type


def sizes(text: str) -> list[int]:
    """The units that "256,128" names; "0" or nothing is a network without hidden layers."""
    try:
        units = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise ProblemError(
            f"--hidden takes whole numbers with commas between them, such as 256,128, not {text!r}"
        ) from None
    return [] if units == [0] else units


def show(result: Any) -> None:
    """Print what a person wants to know, in a terminal's width."""
    from rich.table import Table
    from rich.text import Text

    from backlit import terminal
    from backlit.render.report import duration

    console = terminal.console()
    shape = " → ".join(map(str, result.model.net.n))
    target = (result.model.target.name, "bold")
    console.print(Text.assemble(f"{result.task} of ", target, f", network {shape}, {result.engine} engine"))
    console.print(
        f"{len(result.history)} epochs in {duration(result.seconds)} s, {result.samples_per_second:,.0f} rows a second"
    )
    if result.history.stopped == "interrupted":
        console.print("stopped by Ctrl-C: the model and its scores are those of the best epoch until then")
    console.print(f"gradient checked: largest relative error {result.gradient_check.max_relative_error:.1e}")
    table = Table("metric", box=None, header_style="dim", pad_edge=False)
    table.add_column(f"{result.n_train:,} training rows", justify="right")
    table.add_column(f"{result.n_test:,} held-out rows", justify="right")
    for name, value in result.metrics["test"].items():
        table.add_row(name, figure(result.metrics["train"][name]), Text(figure(value), "bold"))
    console.print(table)
    for note in result.notes:
        console.print(f"note: {note}", style="dim")
    for kind, path in (("model", result.model_path), ("report", result.report_path)):
        if path:
            console.print(f"{kind}: {path}", soft_wrap=True)


def figure(value: float | None) -> str:
    """Four digits, or a dash for what is undefined."""
    return "–" if value is None else f"{value:.4g}"
