"""`backlit export`: a model as ONNX, for other runtimes."""

from pathlib import Path
from typing import Annotated

from typer import Argument


def command(
    model: Annotated[Path, Argument(help="A model file that `backlit train` wrote.")],
    output: Annotated[Path, Argument(help="The ONNX file to write.")],
) -> None:
    """Write a model as ONNX: features in, outputs, probabilities and label out."""
    from backlit.io.atomic import check_outputs
    from backlit.io.exchange.onnx import export_onnx
    from backlit.io.models import load_model

    check_outputs(output, inputs=(model,))
    export_onnx(load_model(model), output)
    print(f"ONNX: {output}")
