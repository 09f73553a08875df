"""The app with all of its commands; a command's own imports wait until it runs."""

import typer

from backlit.cli import check, cost, diagnose, example, explain, explore, export, grade, predict, train

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


app.command("train")(train.command)
app.command("predict")(predict.command)
app.command("explain")(explain.command)
app.command("explore")(explore.command)
app.command("example")(example.command)
app.command("check")(check.command)
app.command("grade")(grade.command)
app.command("cost")(cost.command)
app.command("diagnose")(diagnose.command)
app.command("export")(export.command)
