"""What other programs name: public functions with their parameters and defaults, methods, options of the commands.

One line a name.  A line that was recorded must stay; more may come.
"""

import inspect
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import typer
from tests.golden.store import FOLDER

import backlit
from backlit.cli import main
from backlit.cli.commands import app

PATH = FOLDER / "names.txt"
SHOWN = (str, int, float, bool, tuple, list, type(None))  # defaults that say the same everywhere


def names() -> Iterator[str]:
    """Every line, sorted within its kind."""
    for name in sorted(backlit.__all__):
        if name != "__version__":
            yield from lines(f"backlit.{name}", getattr(backlit, name))
    with redirect_stdout(StringIO()):
        main(["--version"])  # registers the commands
    yield from commands("backlit", typer.main.get_command(app))


def lines(name: str, value: Any) -> Iterator[str]:
    """A function's or a class's name, its parameters, and the public methods of a class."""
    yield name
    yield from parameters(name, value)
    if inspect.isclass(value):
        for member in sorted(dir(value)):
            if not member.startswith(("_", "set_")):  # scikit-learn makes set_…_request by its own version
                yield f"{name}.{member}"
                yield from parameters(f"{name}.{member}", getattr(value, member))


def parameters(name: str, value: Any) -> Iterator[str]:
    """Name, default and kind of each parameter of what can be called."""
    if not callable(value):
        return
    try:
        signature = inspect.signature(value)
    except ValueError:
        return
    for parameter in signature.parameters.values():
        default = "" if not isinstance(parameter.default, SHOWN) else f" = {parameter.default!r}"
        kind = "keyword " if parameter.kind is inspect.Parameter.KEYWORD_ONLY else ""
        if parameter.name != "self":
            yield f"{name}: {kind}{parameter.name}{default}"


def commands(name: str, command: Any) -> Iterator[str]:
    """A command's arguments and options with their defaults, and those of the commands in it."""
    for parameter in command.params:
        default = parameter.default if isinstance(parameter.default, SHOWN) else str(parameter.default)
        yield f"{name} {' '.join([*parameter.opts, *parameter.secondary_opts])} = {default}"
    for key, inner in getattr(command, "commands", {}).items():
        yield from commands(f"{name} {key}", inner)


def recorded() -> list[str]:
    """The lines that were recorded."""
    return PATH.read_text(encoding="utf-8").splitlines() if PATH.exists() else []
