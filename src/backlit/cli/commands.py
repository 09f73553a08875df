"""The app with all of its commands; a command's own imports wait until it runs."""

import typer

from backlit.cli import check, cost, diagnose, example, explain, explore, export, grade, predict, search, train
from backlit.cli.help import described

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


for module in (train, search, predict, explain, explore, example, check, grade, cost, diagnose, export):
    app.command(**described(module.__name__.rpartition(".")[2], module.command))(module.command)
