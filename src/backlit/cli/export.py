"""`backlit export`: a model as ONNX, for other runtimes."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from backlit.cli.streams import say


def command(
    model: Annotated[Path, Argument(help="A model file that `backlit train` wrote.")],
    output: Annotated[Path, Argument(help="The ONNX file to write.")],
    member: Annotated[
        int | None, Option(help="Of an ensemble: which network, from 0; else the heaviest.", show_default=False)
    ] = None,
    features: Annotated[
        bool, Option("--features", help="Of one network, from the encoded numbers, not from the table's columns.")
    ] = False,
) -> None:
    """Write a model as ONNX: a table's columns in and predictions out, or one network's --features in, outputs out."""
    from backlit.files import check_outputs, check_suffix
    from backlit.formats.ensembles import load_ensemble
    from backlit.formats.models import load_model
    from backlit.formats.onnx import export_onnx
    from backlit.formats.onnx_tables import export_table_onnx

    check_outputs(output, inputs=(model,))
    check_suffix(output, ".onnx", what="an ONNX file")
    if not features and (whole := load_ensemble(model) if member is None else load_model(model, member=member)).encoder:
        export_table_onnx(whole, output)
        say(f"ONNX, from the table's columns to the prediction: {output}")
        return
    loaded = load_model(model, member=member)
    if loaded.estimator is None:
        export_onnx(loaded, output)
    else:
        from backlit.estimators.record import estimator_of

        estimator_of(loaded).to_onnx(output)  # which knows its labels, where an example has several
    say(f"ONNX: {output}")
