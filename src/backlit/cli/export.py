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
) -> None:
    """Write a model as ONNX: features in, outputs, probabilities and label out."""
    from backlit.files import check_outputs, check_suffix
    from backlit.formats.models import load_model
    from backlit.formats.onnx import export_onnx

    check_outputs(output, inputs=(model,))
    check_suffix(output, ".onnx", what="an ONNX file")
    loaded = load_model(model, member=member)
    if loaded.estimator is None:
        export_onnx(loaded, output)
    else:
        from backlit.estimators.record import estimator_of

        estimator_of(loaded).to_onnx(output)  # which knows its labels, where an example has several
    say(f"ONNX: {output}")
