"""`backlit predict`: a model and a table in, predictions out."""

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from backlit.cli.formats import Format, print_json


def command(
    model: Annotated[Path, Argument(help="A model file that `backlit train` wrote.")],
    table: Annotated[Path, Argument(help="CSV, Parquet or JSON lines with the columns of the training table.")],
    output: Annotated[
        Path | None,
        Option(
            "--output",
            "-o",
            help="Write here (.csv, .parquet, .jsonl); else CSV on standard output.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[Format, Option(help="How to show the result.")] = Format.text,
) -> int:
    """Predict every row of a table by a trained model."""
    from backlit.io.atomic import check_folder
    from backlit.io.tables import check_suffix, write_table
    from backlit.tabular import predict

    if output is not None:
        check_suffix(output)
        check_folder(output)
    predictions = predict(model, table)
    if output is not None:
        write_table(predictions.table, output)
    if format is Format.json:
        print_json(predictions.to_dict() | {"output": output and str(output)})
        return 0
    if output is None:
        sys.stdout.write(predictions.table.write_csv())
    else:
        print(f"{predictions.table.height:,} predictions: {output}")
    if predictions.metrics:
        scores = ", ".join(f"{name} {value:.4g}" for name, value in predictions.metrics.items() if value is not None)
        print(f"the table holds true values: {scores}", file=sys.stderr)
    return 0
