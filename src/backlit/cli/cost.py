"""`backlit cost`: operations and bytes of a training step, before it runs."""

from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from backlit.cli.formats import Format, print_json
from backlit.errors import ProblemError


def command(
    problem: Annotated[Path | None, Argument(help="A problem file.", show_default=False)] = None,
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
    timing: Annotated[bool, Option("--timing", help="Measure this machine and a real step too.")] = False,
    format: Annotated[Format, Option(help="How to show the result.")] = Format.text,
) -> None:
    """Count operations and bytes of a training step, equation by equation."""
    from backlit.costs import cost

    result = cost(
        problem,
        sizes=None if sizes is None else numbers(sizes),
        activation=activation,
        batch=batch,
        dtype=dtype,
        optimizer=optimizer,
        timing=timing,
    )
    print_json(result.to_dict()) if format is Format.json else show(result)


def numbers(text: str) -> list[int]:
    """The whole numbers of "784,512,10"."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ProblemError(
            f"--sizes takes whole numbers with commas between them, such as 784,512,10, not {text!r}"
        ) from None


def show(result: Any) -> None:
    """Print the ledger in a terminal's width."""
    from rich.console import Console
    from rich.table import Table

    console, described = Console(), result.to_dict()
    shape = " → ".join(map(str, result.net.n))
    console.print(
        f"[bold]{shape}[/], batch {result.batch}, {result.dtype}, {result.optimizer.name}; "
        f"operations (a multiply-add is 2)"
    )
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("layer")
    for name in ("forward", "of it products", "backward", "of it products", "activations"):
        table.add_column(name, justify="right")
    for row in described["layers"]:
        up, down = row["forward"], row["backward"]
        table.add_row(
            f"{row['layer']}  {row['inputs']} → {row['units']}", *flops(up), *flops(down), size(row["activations"])
        )
    up, down = described["forward"], described["backward"]
    table.add_row("[bold]all[/]", *flops(up), *flops(down), size(described["memory"]["activations"]))
    console.print(table)
    console.print(f"update: {amount(described['optimizer']['total_flops'])} operations")
    parts = ", ".join(f"{name} {size(value)}" for name, value in described["memory"].items() if name != "peak")
    console.print(f"memory: [bold]{size(described['memory']['peak'])}[/] ({parts})")
    if result.timing:
        timing = result.timing
        seconds = (timing.predicted_seconds * 1e6, timing.measured_seconds * 1e6)
        rates = f"products {timing.matmul_rate / 1e9:,.0f} GFLOP/s, memory {timing.memory_rate / 1e9:,.1f} GB/s"
        console.print(f"a step: predicted {seconds[0]:,.0f} µs, measured {seconds[1]:,.0f} µs ({timing.engine} engine)")
        console.print(f"this machine: {rates}")


def flops(row: dict[str, int]) -> tuple[str, str]:
    """All operations of a phase, and those in matrix products."""
    return amount(row["total_flops"]), amount(row["matmul_flops"])


def amount(value: float) -> str:
    """A count with a unit: 12.3 M."""
    for unit in ("", " k", " M", " G", " T"):
        if value < 1000:
            return f"{value:.4g}{unit}"
        value /= 1000
    return f"{value:.4g} P"


def size(value: float) -> str:
    """Bytes with a unit: 1.5 MiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.4g} {unit}"
        value /= 1024
    return f"{value:.4g} TiB"
