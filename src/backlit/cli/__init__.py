"""The command line: one file a command, and a command is three lines: load, call, show.

Exit codes: 0 done, 1 `check` found something wrong or `train` failed on its data, 2 the call or a file is unusable;
130 interrupted, 141 the reader of the output has left, as a shell says of any program.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import typer

from backlit.errors import BacklitError

INTERRUPTED, LEFT = 130, 141  # as a shell says of a command that Ctrl-C, or a reader that left, ended
UsageError: Any = typer.BadParameter.__bases__[0]  # what typer raises for a bad call; only its subclass is public


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; every error is one line on standard error."""
    try:
        from backlit.cli.commands import app

        code = app(args=None if arguments is None else list(arguments), prog_name="backlit", standalone_mode=False)
        sys.stdout.flush()  # here, where what goes wrong has its line; at the interpreter's end it would have none
    except UsageError as error:
        return fail(one_line(error.format_message().replace("Value error, ", "")) + usage_hint(error))
    except BacklitError as error:
        return fail(one_line(str(error)))
    except MemoryError as error:
        return fail(f"out of memory ({one_line(str(error)) or 'no size given'}): use fewer rows, units or classes")
    except (KeyboardInterrupt, typer.Abort):
        return fail("interrupted", code=INTERRUPTED)
    except BrokenPipeError:
        return forsaken()
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # typer leaves with 1 then, which means a failed check here
            return forsaken()
        raise
    except OSError as error:
        return unwritten(error)
    if code == INTERRUPTED:  # typer has caught it, and said nothing
        return fail("interrupted", code=INTERRUPTED)
    return code if isinstance(code, int) else 0


def fail(message: str, code: int = 2) -> int:
    """Print one line on standard error and return the exit code."""
    print(f"backlit: {message}", file=sys.stderr)
    return code


def forsaken() -> int:
    """Say nothing, since the reader of the output, such as `head`, has left; return the exit code for that."""
    muffle()
    return LEFT


def unwritten(error: OSError) -> int:
    """Say that the output cannot be written; faults of files are told where these are read or written."""
    muffle()
    reason = (error.strerror or str(error)).lower()
    what = "standard output" if error.filename is None else error.filename
    return fail(f"{what}: could not be written ({reason}): make room there, or write elsewhere (-o, or > FILE)")


def muffle() -> None:
    """Send what is still buffered nowhere, so that the interpreter's end does not fail on it once more."""
    with suppress(OSError, ValueError), open(os.devnull, "w") as nowhere:  # a stream in memory has no descriptor
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def one_line(text: str) -> str:
    """The text without line breaks."""
    return " ".join(text.split())


def usage_hint(error: Exception) -> str:
    """Say which help to read."""
    context = getattr(error, "ctx", None)
    return f" (see {context.command_path} --help)" if context is not None else ""
