"""Standard output and standard error while a command runs: buffered, in any encoding, and closed ones are known.

Python writes straight through where PYTHONUNBUFFERED is set, and forgets what a full disk didn't take; it prints
nowhere, without a word, where a stream is closed; and it stops in the middle where the encoding lacks a sign.
"""

import codecs
import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from backlit.terminal import printable

INSTEAD = {"→": "->", "–": "-", "−": "-", "…": "...", "×": "x", "·": "*", "“": '"', "”": '"', "’": "'", "∞": "inf"}


def replace_signs(error: UnicodeError) -> tuple[str, int]:
    """What stands for signs that an encoding lacks: a word of ASCII, or the sign's number."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    return "".join(INSTEAD.get(c) or c.encode("ascii", "backslashreplace").decode() for c in text), error.end


codecs.register_error("backlit", replace_signs)


class Closed(io.RawIOBase):
    """A standard output that nobody opened: what is written fails, as it does on a full disk."""

    def writable(self) -> bool:
        """It may be tried."""
        return True

    def write(self, data: Any) -> int:
        """Fail."""
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    def fileno(self) -> int:
        """The descriptor, which leads nowhere."""
        return 1


class Forgiving(io.FileIO):
    """A standard error: where it is full or gone, what a command does goes on all the same."""

    def write(self, data: Any) -> int:
        """Write what can be written."""
        with suppress(OSError):
            return super().write(data)
        return len(data)


@contextmanager
def guarded() -> Iterator[None]:
    """Take the place of both streams, and give them back."""
    before = sys.stdout, sys.stderr
    hold_descriptors()
    sys.stdout = buffered(sys.stdout, io.FileIO) if sys.stdout else text_stream(Closed(), "utf-8")
    sys.stderr = buffered(sys.stderr, Forgiving) if sys.stderr else text_stream(Forgiving(os.devnull, "w"), "utf-8")
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        sys.stdout, sys.stderr = before


def hold_descriptors() -> None:
    """Let no file that is opened later get the number of a stream that is closed."""
    with suppress(OSError):
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(descriptor)


def buffered(stream: TextIO, kind: type[io.FileIO]) -> TextIO:
    """The same place through a buffer of its own; a stream in memory stays as it is."""
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return stream
    stream.flush()
    return text_stream(kind(descriptor, "w", closefd=False), stream.encoding, line_buffering=stream.isatty())


def text_stream(raw: io.RawIOBase, encoding: str, *, line_buffering: bool = False) -> TextIO:
    """Text that any encoding takes, through a buffer that tries until all is written or fails."""
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, "backlit", line_buffering=line_buffering)


def say(text: object, *, error: bool = False) -> None:
    """Print a line that may hold a stranger's words."""
    print(printable(str(text)), file=sys.stderr if error else sys.stdout)


def write_data(text: str) -> None:
    """Write data: UTF-8 as in a file, but on a terminal without what would steer it."""
    buffer: Any = getattr(sys.stdout, "buffer", None)
    if buffer is None or sys.stdout.isatty():
        sys.stdout.write(printable(text) if sys.stdout.isatty() else text)
        return
    sys.stdout.flush()
    buffer.write(text.encode("utf-8", "backslashreplace"))
