"""The app with all of its commands, and what `--help` adds to their own words; their imports wait until one runs."""

from collections.abc import Callable
from typing import Any, get_type_hints

import typer

from backlit.cli import (
    check,
    cost,
    diagnose,
    example,
    explain,
    explore,
    export,
    grade,
    predict,
    search,
    train,
)

app = typer.Typer(
    name="backlit",
    pretty_exceptions_enable=False,
    help="Feed-forward networks trained by backpropagation in plain sight.",
)


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and leave."),
) -> None:
    """Feed-forward networks trained by backpropagation in plain sight."""
    if version:
        from backlit._version import __version__

        print(f"backlit {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit


# --- the commands, in the order in which `--help` lists them, and what it adds to their own words --------------------
# Each has two examples, and some have panels in which their options stand; an option that no panel names stands under
# "Options", and a name that a command does not have is passed over.

EXAMPLES = {
    train: ("train cars.csv --target mpg --out cars.safetensors --report cars.html", "train --dataset digits"),
    search: ("search cars.csv --target mpg --trials 40", "search --dataset digits --time-limit 60"),
    predict: (
        "predict cars.safetensors new.csv",
        "predict cars.safetensors new.csv --interval 0.9 --unlike -o predictions.csv",
    ),
    explain: ("explain --example worked", 'explain problem.json --entry "grad_W[1][0,1]"'),
    explore: ("explore --example worked", "explore problem.json -o page.html"),
    example: ("example", "example worked -o problem.json"),
    check: ("check problem.json claims.json", "check problem.json claims.json --html check.html"),
    grade: (
        "grade hand_in/*.py --rubric rubric.toml --out grades.csv",
        "grade hand_in/*.py --rubric rubric.toml --html grades.html",
    ),
    cost: (
        "cost --sizes 784,512,10 --batch 128",
        "cost problem.json --memory-limit 64MB",
    ),
    diagnose: (
        "diagnose --depth 30 --width 128 --activation sigmoid",
        "diagnose problem.json --train 15 --fix fixed.json",
    ),
    export: ("export cars.safetensors cars.onnx", "export cars.safetensors network.onnx --features --member 2"),
}
PANELS = {
    "predict": {
        "Model and rows": ("model", "table"),
        "What is said of each row": ("interval", "reasons", "cost", "unlike"),
        "Results": ("output", "spreadsheet_safe", "format"),
        "Large tables": ("stream", "workers", "cluster"),
    },
    "train": {
        "Data": (
            "table",
            "target",
            "dataset",
            "task",
            "drop",
            "group",
            "time",
            "test",
            "weight",
            "column",
            "test_size",
        ),
        "Ensemble": ("quality", "time_limit", "metric"),
        "One network, in place of an ensemble": (
            *("hidden", "encoding", "activation", "norm", "dropout", "optimizer", "learning_rate", "schedule", "l2"),
            *("clip_norm", "epochs", "batch_size", "rate_batch_size", "patience"),
        ),
        "How it runs": ("seed", "engine", "compare"),
        "Results": ("out", "report", "format"),
        "Long runs and large tables": (
            *("checkpoint", "checkpoint_every", "stream", "buffer_mb", "workers", "cluster", "shards"),
        ),
    },
    "explain": {
        "What is explained": ("problem", "example", "model", "table", "row", "member", "entry", "steps"),
        "How it is shown": ("format", "output", "svg_steps", "worksheet", "digits", "fractions"),
    },
    "diagnose": {
        "What is diagnosed": ("problem", "model", "table", "torch", "member"),
        "Or a network of equal layers": (
            *("depth", "width", "activation", "init", "sigma_w", "sigma_b", "norm", "skip", "dropout"),
        ),
        "How": ("batch", "seeds", "remedies", "probe", "train", "workers", "cluster"),
        "Results": ("fix", "fix_estimator", "format", "output"),
    },
    "cost": {
        "What is costed": (
            "problem",
            "model",
            "member",
            "sizes",
            "activation",
            "batch",
            "dtype",
            "optimizer",
            "memory_limit",
        ),
        "Measure this machine too": ("timing", "measure"),
        "Many machines": ("workers", "network"),
        "Results": ("html", "format"),
    },
}


def described(name: str, command: Callable[..., Any], examples: tuple[str, str]) -> dict[str, Any]:
    """What Typer is told of a command beside its function, whose options are put into their panels."""
    panel_of = {option: panel for panel, options in PANELS.get(name, {}).items() for option in options}
    for option, hint in get_type_hints(command, include_extras=True).items():
        if option in panel_of:
            hint.__metadata__[0].rich_help_panel = panel_of[option]
    lines = ["Examples:", *(f"$ backlit {example}" for example in examples)]
    return {"name": name, "epilog": "\n\n".join(lines)}


for module, examples in EXAMPLES.items():
    app.command(**described(module.__name__.rpartition(".")[2], module.command, examples))(module.command)
