"""`backlit train`: a table in, a trained network, an honest score, a model file and a report out."""

import sys
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from backlit.cli.formats import Format, print_json
from backlit.errors import Divergence, ProblemError, WrongGradient
from backlit.tables.messages import figure

RIVALS = {"constant": "constant", "linear": "linear", "gradient_boosting": "boosting"}


def command(
    table: Annotated[
        Path | None, Argument(help="CSV, Parquet or JSON lines; or a folder of Parquet files.", show_default=False)
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
    format: Annotated[Format, Option(help="How to show the result.")] = Format.text,
) -> int:
    """Train a network on a table and score it on rows that it never saw."""
    from backlit.tabular import train

    try:
        result = train(
            table,
            target,
            dataset=dataset,
            task=task,
            drop=drop or (),
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
        )
    except (Divergence, WrongGradient) as error:
        print(f"backlit: {error}", file=sys.stderr)
        return 1
    print_json(result.to_dict()) if format is Format.json else show(result)
    return 0


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
    """Print what a person wants to know, what the score is worth first, in a terminal's width."""
    from rich.console import Console

    from backlit.render.report import STOPPED, duration, sentence

    console = Console()
    if result.assessment:
        console.print(f"[bold]{escaped(sentence(result.assessment.verdict))}[/]")
    shape = " → ".join(map(str, result.model.net.n))
    console.print(
        f"{result.task} of [bold]{escaped(result.model.target.name)}[/], network {shape}, {result.engine} engine; "
        f"gradient checked: largest relative error {result.gradient_check.max_relative_error:.1e}"
    )
    best = f"; the best was epoch {result.history.best_epoch}" if result.history.best_epoch else ""
    console.print(
        f"{len(result.history)} epochs in {duration(result.seconds)} s, until {STOPPED[result.history.stopped]}{best}"
    )
    if result.history.stopped == "interrupted":
        console.print("stopped by Ctrl-C: the model and its scores are those of the best epoch until then")
    console.print(
        f"{result.n_train:,} training rows, {result.n_validation:,} of them to stop by; {result.n_test:,} held-out rows"
    )
    console.print(score_table(result))
    console.print(escaped(columns_in_short(result)))
    for note in result.notes:
        console.print(f"note: {escaped(note)}", style="dim")
    for kind, path in (("model", result.model_path), ("report", result.report_path)):
        if path:
            console.print(f"{kind}: {escaped(path)}", soft_wrap=True)


def score_table(result: Any) -> Any:
    """A row a metric, beside the baselines of the same held-out rows."""
    from rich.table import Table

    table = Table("metric", box=None, header_style="dim", pad_edge=False, padding=(0, 1))
    assessed = result.assessment
    rivals = assessed.baselines if assessed else {}
    for head in ("training", "held out", *(["95% interval"] if assessed else []), *(RIVALS[name] for name in rivals)):
        table.add_column(head, justify="right")
    for name, value in result.metrics["test"].items():
        ends = [short_interval(assessed.intervals.get(name))] if assessed else []
        theirs = [figure(scores[name]) for scores in rivals.values()]
        table.add_row(name, figure(result.metrics["train"][name]), f"[bold]{figure(value)}[/]", *ends, *theirs)
    return table


def short_interval(ends: tuple[float, float] | None) -> str:
    """Both ends in three digits.

    >>> short_interval((0.77081, 0.8131)), short_interval((18_893.2, 27_418.8)), short_interval(None)
    ('0.771–0.813', '18,893–27,419', '–')
    """
    return "–" if ends is None else "–".join(figure(end) if abs(end) >= 1e4 else f"{end:.3g}" for end in ends)


def columns_in_short(result: Any) -> str:
    """How many features the columns became, where most, and which columns matter most."""
    columns = result.columns
    features = [column.features for column in columns]
    widest = max(columns, key=lambda column: column.features)
    most = f", {widest.features} of them of {widest.name!r}" if widest.features > 2 and len(columns) > 1 else ""
    used = sum(n > 0 for n in features)
    left_out = f" ({len(columns) - used} left out)" if used < len(columns) else ""
    told = f"{used} column{'s' if used != 1 else ''}{left_out} as {sum(features):,} features{most}"
    growing = (
        [name for name, growth in result.assessment.importances.items() if growth > 0] if result.assessment else []
    )
    return f"{told}; what matters most: {', '.join(growing[:5])}" if growing else told


def escaped(text: str) -> str:
    """Text in which Rich sees no markup."""
    from rich.markup import escape

    return escape(text)
