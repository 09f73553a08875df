"""The command line: one file a command, and a command is three lines: load, call, show.

Exit codes: 0 done, 1 `check` found something wrong or `train` failed on its data, 2 the call or a file is unusable;
130 interrupted, 141 the reader of the output has left, as a shell says of any program.
"""

import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from backlit.cli.streams import guarded, say
from backlit.errors import BacklitError
from backlit.terminal import one_line

INTERRUPTED, LEFT = 130, 141  # as a shell says of a command that Ctrl-C, or a reader that left, ended
FLOATS = "(overflow|underflow|invalid value|divide by zero) encountered"  # NumPy's, which names lines; results say it
TRACEBACK = "BACKLIT_TRACEBACK"  # in the environment: show how an unexpected error came about


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; every error is one line on standard error."""
    with guarded(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", FLOATS, RuntimeWarning)
        try:
            code = run(arguments)
            sys.stdout.flush()  # here, where what goes wrong has its line; at the interpreter's end it would have none
        except BaseException as error:
            code = ended_by(error)
            show_traceback(error, code)
            if code != LEFT:
                flush()
    return code


def run(arguments: Sequence[str] | None) -> int:
    """Run one command; its errors are raised."""
    from backlit.cli.commands import app

    code = app(args=None if arguments is None else list(arguments), prog_name="backlit", standalone_mode=False)
    if code == INTERRUPTED:  # typer has caught it, and said nothing
        raise KeyboardInterrupt
    return code if isinstance(code, int) else 0


def ended_by(error: BaseException) -> int:
    """Say in one line what ended a command, and return the exit code for it."""
    if hasattr(error, "format_message"):  # a bad call, of which typer makes only one kind public
        return fail(one_line(error.format_message().replace("Value error, ", "")) + usage_hint(error))
    if isinstance(error, BacklitError):
        return fail(one_line(str(error)))
    if isinstance(error, MemoryError):
        return fail(f"out of memory ({one_line(str(error)) or 'no size given'}): use fewer rows, units or classes")
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "Abort":  # typer's own word for it
        return fail("interrupted", code=INTERRUPTED)
    if isinstance(error, BrokenPipeError) or isinstance(error.__context__, BrokenPipeError):
        return forsaken()  # typer leaves with SystemExit(1) then, which means a failed check here
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 0 if error.code is None else fail(one_line(str(error)))
    if isinstance(error, OSError):
        return unwritten(error)
    if isinstance(error, ImportError):
        return fail(f"a part cannot be loaded ({one_line(str(error))}): install Backlit anew, or allow more memory")
    what = one_line(f"{type(error).__name__}: {error}")
    return fail(
        f"an error that Backlit didn't foresee ({what}): {TRACEBACK}=1 in the environment shows where; please report it"
    )


def show_traceback(error: BaseException, code: int) -> None:
    """Show how an error came about, to whoever asked for it."""
    if code == 2 and os.environ.get(TRACEBACK, "0") not in ("", "0"):
        import traceback

        with suppress(OSError):
            say("".join(traceback.format_exception(error)), error=True)


def fail(message: str, code: int = 2) -> int:
    """Print one line on standard error and return the exit code; a full or closed standard error changes neither."""
    with suppress(OSError, ValueError):
        print(f"backlit: {message}", file=sys.stderr, flush=True)
    return code


def flush() -> None:
    """Write what is still buffered, where that can be; the exit code says already that something went wrong."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        muffle()


def forsaken() -> int:
    """Say nothing, since the reader of the output, such as `head`, has left; return the exit code for that."""
    muffle()
    return LEFT


def unwritten(error: OSError) -> int:
    """Say that the output cannot be written; faults of files are told where these are read or written."""
    muffle()
    reason = (error.strerror or str(error)).lower()
    what = "standard output" if error.filename is None else error.filename
    return fail(
        one_line(f"{what}: could not be written ({reason}): make room there, or write elsewhere (-o, or > FILE)")
    )


def muffle() -> None:
    """Send what is still buffered nowhere, so that the interpreter's end does not fail on it once more."""
    with suppress(OSError, ValueError), open(os.devnull, "w") as nowhere:  # a stream in memory has no descriptor
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def usage_hint(error: Any) -> str:
    """Say which help to read."""
    context = getattr(error, "ctx", None)
    return f" (see {context.command_path} --help)" if context is not None else ""
