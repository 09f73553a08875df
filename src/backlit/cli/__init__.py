"""The command line: one file a command, and a command is three lines: load, call, show.

Exit codes: 0 done, 1 `check` found something wrong or `train` failed on its data, 2 the call or a file is unusable;
130 interrupted, 141 the reader of the output has left, as a shell says of any program.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

from backlit.errors import BacklitError

app = typer.Typer(
    name="backlit",
    pretty_exceptions_enable=False,
    help="Feed-forward networks trained by backpropagation in plain sight.",
)

INTERRUPTED, LEFT = 130, 141
UsageError: Any = typer.BadParameter.__bases__[0]  # what typer raises for a bad call; only its subclass is public


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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; every error is one line on standard error."""
    from backlit.cli import commands  # noqa: F401  registers them

    try:
        code = app(args=None if arguments is None else list(arguments), prog_name="backlit", standalone_mode=False)
        sys.stdout.flush()
    except UsageError as error:
        return fail(one_line(error.format_message()) + usage_hint(error))
    except BacklitError as error:
        return fail(one_line(str(error)))
    except MemoryError as error:
        return fail(f"out of memory ({one_line(str(error)) or 'no size given'}): use fewer rows, units or classes")
    except (BrokenPipeError, SystemExit) as end:
        if not isinstance(end, BrokenPipeError) and not isinstance(end.__context__, BrokenPipeError):
            raise  # a shell asked how a word goes on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still to be written
        return LEFT  # where Typer says 1, which is `check`'s
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    if code == INTERRUPTED:  # some versions of Typer make it an exit code, without a word
        return fail("interrupted", code)
    return code if isinstance(code, int) else 0


def fail(message: str, code: int = 2) -> int:
    """Print one line on standard error and return the exit code."""
    print(f"backlit: {message}", file=sys.stderr)
    return code


def one_line(text: str) -> str:
    """The text without line breaks."""
    return " ".join(text.split())


def usage_hint(error: Exception) -> str:
    """Say which help to read."""
    context = getattr(error, "ctx", None)
    return f" (see {context.command_path} --help)" if context is not None else ""
