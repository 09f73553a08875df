"""`backlit predict`: a model and a table in, predictions out."""

import sys
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from backlit.cli.formats import Cluster, Format, Workers, cluster_of, print_json
from backlit.cli.streams import say, write_data
from backlit.errors import ProblemError
from backlit.terminal import one_line

TYPICAL = 12  # columns of the typical row that are printed


def command(
    model: Annotated[Path, Argument(help="A model file that `backlit train` wrote.")],
    table: Annotated[Path, Argument(help="CSV, Parquet, JSON lines or a Parquet folder with the training columns.")],
    output: Annotated[
        str | None,
        Option(
            "--output",
            "-o",
            help="Write here (.csv, .parquet, .jsonl), or into this folder, for a folder; else CSV on standard output.",
            show_default=False,
        ),
    ] = None,
    interval: Annotated[
        float | None,
        Option(help="Add TARGET low and TARGET high, which hold a row's value so often, as 0.9.", show_default=False),
    ] = None,
    reasons: Annotated[
        int | None,
        Option(metavar="K", help="Name the K columns that moved each prediction most.", show_default=False),
    ] = None,
    cost: Annotated[
        list[str] | None,
        Option(
            metavar="CLASS=COST",
            help="What missing a row of this class costs, others 1: the cheapest answer is given; may be repeated.",
            show_default=False,
        ),
    ] = None,
    unlike: Annotated[
        bool, Option("--unlike", help="Add a column that says what in a row is unlike the training rows.")
    ] = False,
    spreadsheet_safe: Annotated[
        bool, Option("--spreadsheet-safe", help="Write texts of a CSV so that no spreadsheet runs them as formulas.")
    ] = False,
    stream: Annotated[bool, Option("--stream", help="Leave a Parquet file on the disk; a folder always is.")] = False,
    workers: Workers = 0,
    cluster: Cluster = None,
    format: Annotated[Format, Option(help="How to show the result.")] = Format.text,
) -> int:
    """Predict every row of a table by a trained model."""
    from backlit.files import check_outputs
    from backlit.tables import check_table_suffix, write_table
    from backlit.tables.parquet import remote
    from backlit.tables.table_files import spreadsheet_safe as safe_table
    from backlit.tabular import predict
    from backlit.tabular.streamed_prediction import is_folder

    if spreadsheet_safe:
        check_safe(output, format)
    who = cluster_of(workers, cluster)
    streams = stream or table.is_dir() or who != 0 or remote(table) is not None
    if output is not None and not (streams and is_folder(output)):
        check_table_suffix(output)
        check_outputs(output, inputs=(model, table))
    if streams:
        for name, asked in (("interval", interval), ("reasons", reasons), ("cost", cost), ("unlike", unlike or None)):
            if asked is not None:
                raise ProblemError(
                    f"--{name} is worked out in memory: give a file without --stream, --workers or --cluster"
                )
        return streamed(model, table, output, format, who, spreadsheet_safe)
    predictions = predict(
        model,
        table,
        interval=interval,
        reasons=reasons,
        cost=None if cost is None else costs_of(cost),
        unlike=unlike,
    )
    made = safe_table(predictions.table) if spreadsheet_safe else predictions.table
    if output is not None:
        write_table(made, output)
    if format is Format.json:
        print_json(predictions.to_dict() | {"output": output and str(output)})
        return 0
    if output is None:
        write_data(made.write_csv())
    else:
        say(f"{predictions.table.height:,} predictions: {output}")
    show_metrics(predictions.metrics, predictions.weight)
    show_reasons(predictions.reasons)
    for told in (predictions.costs, predictions.unlike):
        if told and (words := told.in_words()):
            print(f"note: {one_line(words)}", file=sys.stderr)
    return 0


def costs_of(texts: list[str]) -> dict[str, float]:
    """What missing each class costs; of a class that is named twice one would be lost."""
    costs: dict[str, float] = {}
    for label, cost in map(cost_of, texts):
        if label in costs:
            raise ProblemError(f"--cost names the class {label!r} twice: give one cost for each class")
        costs[label] = cost
    return costs


def cost_of(text: str) -> tuple[str, float]:
    """Label and cost of "CLASS=COST"; a label may hold "=" too."""
    label, equals, cost = text.rpartition("=")
    try:
        if equals:
            return label, float(cost)
    except ValueError:
        pass
    raise ProblemError(f"--cost takes CLASS=COST, such as yes=10, not {text!r}")


def check_safe(output: str | None, format: Format) -> None:
    """Raise ProblemError where no CSV is written that could be kept safe."""
    if format is Format.json or (output is not None and not output.lower().endswith((".csv", ".tsv"))):
        raise ProblemError("--spreadsheet-safe is for CSV: give -o FILE.csv, or leave it out")


def streamed(model: Path, table: Path, output: str | None, format: Format, cluster: Any, safe: bool) -> int:
    """Predict a table that stays on the disk, into a file, or as CSV on standard output."""
    from backlit.tables.table_files import spreadsheet_safe as safe_table
    from backlit.tabular.streamed_prediction import open_pass, predict_streamed
    from backlit.training.progress import show_passes

    if output is not None:
        with show_passes("predict", True) as show:
            result = predict_streamed(model, table, output, cluster=cluster, show=show, safe=safe)
        if format is Format.json:
            print_json(result.to_dict())
            return 0
        kept = f" ({result.kept:,} files were there)" if result.kept else ""
        say(f"{result.n:,} predictions: {output}{kept}")
        show_metrics(result.metrics, result.weight)
        return 0
    if format is Format.json:
        raise ProblemError("predictions of a streamed table do not fit one JSON object: give -o FILE.jsonl")
    done = open_pass(model, table, cluster)
    for number, part in enumerate(done):
        part = safe_table(part) if safe else part
        write_data(part.write_csv(include_header=not number))
    result = done.result()
    show_metrics(result.metrics, result.weight)
    return 0


def show_reasons(reasons: Any) -> None:
    """Say what the reasons' effects are effects on, and beside which row."""
    if reasons:
        from backlit.formats.sources import as_word

        shown = list(reasons.typical.items())[:TYPICAL]
        row = ", ".join(f"{name}={as_word(value)}" for name, value in shown)
        left = len(reasons.typical) - len(shown)
        row += f", and {left} more (--format json has them)" if left else ""
        print(f"reasons: what each column adds to the {reasons.unit}, beside a typical row: {row}", file=sys.stderr)


def show_metrics(metrics: dict[str, Any] | None, weight: str = "") -> None:
    """Say how right the predictions were, where the table knows, and by which column's weights."""
    if metrics:
        scores = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items() if value is not None)
        by = f" (rows weighed by {one_line(weight)})" if weight else ""
        print(f"the table holds true values: {scores}{by}", file=sys.stderr)
