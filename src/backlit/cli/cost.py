"""`backlit cost`: operations and bytes of a training step, before it runs."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from backlit.cli.formats import Format, print_json
from backlit.errors import ProblemError


def command(
    problem: Annotated[Path | None, Argument(help="A problem file, or an ONNX file.", show_default=False)] = None,
    model: Annotated[Path | None, Option(help="A model file.", show_default=False)] = None,
    member: Annotated[
        int | None, Option(help="Of an ensemble: which network, from 0; else the heaviest.", show_default=False)
    ] = None,
    sizes: Annotated[
        str | None, Option(help="Inputs and units of each layer, such as 784,512,10.", show_default=False)
    ] = None,
    activation: Annotated[str, Option(help="Activation of the hidden layers, with --sizes.")] = "relu",
    batch: Annotated[
        int | None, Option(help="Examples a step; else the problem's, else 1.", show_default=False)
    ] = None,
    dtype: Annotated[str, Option(help="float32 or float64.")] = "float32",
    optimizer: Annotated[
        str | None, Option(help="sgd, adagrad, rmsprop, adam, amsgrad or adamw.", show_default=False)
    ] = None,
    memory_limit: Annotated[
        str | None,
        Option(help="Bytes that a step may take, such as 64MB: plan what to keep.", show_default=False),
    ] = None,
    timing: Annotated[bool, Option("--timing", help="Measure this machine and a real step too.")] = False,
    measure: Annotated[bool, Option("--measure", help="Measure the peak of a process that trains too.")] = False,
    workers: Annotated[
        int | None, Option(help="Predict a step on so many machines like this one.", show_default=False)
    ] = None,
    network: Annotated[
        str | None, Option(help="With --workers: the link's bits a second.", show_default="10Gb/s")
    ] = None,
    html: Annotated[Path | None, Option(help="Write a page here too.", show_default=False)] = None,
    format: Annotated[Format, Option(help="How to show the result.")] = Format.text,
) -> None:
    """Count operations and bytes of a training step, equation by equation."""
    from backlit.costs import cost
    from backlit.files import atomic_write, check_outputs, check_suffix
    from backlit.formats.models import load_model

    check_outputs(html, inputs=(problem, model))
    check_suffix(html, ".html", ".htm", what="a page")
    if model is not None and problem is not None:
        raise ProblemError("a problem file and --model both name a network: give one of the two")
    if member is not None and model is None:
        raise ProblemError("--member goes with --model: give a model file as well")
    if network is not None and workers is None:
        raise ProblemError("--network goes with --workers: say how many there are")
    result = cost(
        problem if model is None else load_model(model, member=member),
        sizes=None if sizes is None else numbers(sizes),
        activation=activation,
        batch=batch,
        dtype=dtype,
        optimizer=optimizer,
        timing=timing,
        peak=measure,
        memory_limit=memory_limit,
        workers=workers,
        network=network or "10Gb/s",
    )
    if html is not None:
        from backlit.render.cost import cost_page, shape

        title = str(problem or model) if problem or model else shape(result.net.n)
        with atomic_write(html) as file:
            file.write_text(cost_page(result, title=title), encoding="utf-8")
    print_json(result.to_dict()) if format is Format.json else print(result)


def numbers(text: str) -> list[int]:
    """The whole numbers of "784,512,10"."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ProblemError(
            f"--sizes takes whole numbers with commas between them, such as 784,512,10, not {text!r}"
        ) from None
