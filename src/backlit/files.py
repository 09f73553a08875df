"""Files and data as they lie: written whole or not at all, and told apart by a checksum."""

import errno
import os
import re
import secrets
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from backlit.errors import BacklitError

try:
    import fcntl
except ImportError:  # Windows locks no files
    fcntl = None  # type: ignore[assignment]  # a module elsewhere

UNFINISHED = re.compile(r"(\..*\.)[0-9a-f]{12}(|\.[^.]*)")  # the name of a temporary file, around its mark


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; when the block ends well, it takes the place of `path`.

    The temporary file is empty, has the suffix of `path` (some writers look at it) and is hidden.  It is flushed to the
    disk before the rename, so a reader, or a machine that loses power, sees the old file or the new one, never a part.
    When the block fails, by Ctrl-C too, the temporary file is removed and `path` is as it was.  A link is followed; a
    file that is replaced keeps its permissions; a device or a pipe (`/dev/stdout`) cannot be replaced and is yielded
    itself.

    Raises BacklitError with one line where the folder is missing, `path` is a folder, writing is not allowed or the
    disk is full.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_write(Path(folder, "report.txt")) as temporary:
    ...         _ = temporary.write_text("whole", encoding="utf-8")
    ...     Path(folder, "report.txt").read_text(encoding="utf-8")
    'whole'
    """
    final = Path(os.path.realpath(path))
    temporary = _temporary(final, secrets.token_hex(6))
    try:
        if final.is_dir():
            raise BacklitError(f"{path}: is a folder: give the name of a file to write in it")
        if final.exists() and not final.is_file():
            yield final
            return
        with _made(temporary):
            yield temporary
            _flush(temporary)
            if final.exists():
                temporary.chmod(final.stat().st_mode)
            os.replace(temporary, final)
        _flush_folder(final.parent)
    except OSError as error:
        if error.filename is not None and Path(error.filename) not in (temporary, final):
            raise  # another file's fault, which the block met by chance
        raise BacklitError(f"{path}: {_fault(error, final.parent)}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def remove_unfinished(folder: str | os.PathLike[str], names: Iterable[str]) -> None:
    """Remove what `atomic_write` of these files left in a folder where it was ended at once (SIGKILL, no power).

    A file that is still being written is locked, and stays; so do all where the system has no locks.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     left = Path(folder, ".report.0123456789ab.txt")
    ...     left.touch()
    ...     remove_unfinished(folder, ["report.txt"])
    ...     left.exists()
    False
    """
    beginnings = {_temporary(Path(name), "").name for name in names}
    for path in Path(folder).iterdir():
        found = UNFINISHED.fullmatch(path.name)
        if found and found[1] + found[2] in beginnings:
            with suppress(OSError), locked(os.open(path, os.O_RDONLY)):
                path.unlink()


@contextmanager
def _made(temporary: Path) -> Iterator[None]:
    """Make an empty file, and lock it while it is written, where the system can."""
    descriptor = _new(temporary)
    if fcntl is None:  # Windows, which renames no open file either
        os.close(descriptor)
        yield
        return
    try:
        yield
    finally:
        os.close(descriptor)


def _new(path: Path) -> int:
    """The descriptor of a new file, locked where the system can."""
    while True:
        # os.open, because it lets the umask set the permissions, as for any file that a program writes
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        if path.exists():
            return descriptor
        os.close(descriptor)  # before it was locked, another process took it for what a dead one left


@contextmanager
def locked(descriptor: int) -> Iterator[None]:
    """Hold the lock of an open file, and close it; OSError where another process holds it, or there are no locks."""
    try:
        if fcntl is None:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _temporary(final: Path, mark: str) -> Path:
    """The hidden file that takes the place of `final` when it is whole."""
    return final.with_name(f".{final.stem[:60]}.{mark}{final.suffix}")


def check_folder(path: str | os.PathLike[str] | None) -> None:
    """Raise BacklitError if a file at `path` could not be written, so that long work is not done in vain."""
    if path is None:
        return
    final = Path(os.path.realpath(path))
    if final.is_dir():
        raise BacklitError(f"{path}: is a folder: give the name of a file to write in it")
    if not final.parent.is_dir():
        raise BacklitError(f"{path}: the folder {final.parent} does not exist: make it, or write elsewhere")
    if not os.access(final.parent, os.W_OK):
        raise BacklitError(f"{path}: writing in the folder {final.parent} is not allowed: write elsewhere")


def check_outputs(*outputs: str | os.PathLike[str] | None, inputs: Iterable[object] = ()) -> None:
    """`check_folder` of each output, and BacklitError if one would take the place of an input or of another output.

    What earlier runs left unfinished in the outputs' places is removed.

    inputs : what is read; what is no path, such as a table in memory, is passed over.

    >>> check_outputs("model.safetensors", "report.html", inputs=["table.csv", None])
    >>> check_outputs("table.csv", inputs=["./table.csv"])
    Traceback (most recent call last):
    backlit.errors.BacklitError: table.csv: would take the place of a file that is read: write to another name
    """
    read = {os.path.realpath(path) for path in inputs if isinstance(path, str | os.PathLike)}
    written: set[str] = set()
    for output in outputs:
        if output is None:
            continue
        check_folder(output)
        final = os.path.realpath(output)
        if final in read:
            raise BacklitError(f"{output}: would take the place of a file that is read: write to another name")
        if final in written and not (os.path.exists(final) and not os.path.isfile(final)):  # a device holds both
            raise BacklitError(f"{output}: is named for two outputs: give each a name of its own")
        written.add(final)
    for final in written:
        remove_unfinished(os.path.dirname(final), [os.path.basename(final)])


def check_suffix(path: str | os.PathLike[str] | None, *known: str, what: str) -> None:
    """Raise BacklitError if the name of an output ends in none of the known suffixes; a device or a pipe may.

    >>> check_suffix("model.safetensors", ".safetensors", what="a model")
    >>> check_suffix("model.pkl", ".safetensors", what="a model")
    Traceback (most recent call last):
    backlit.errors.BacklitError: model.pkl: a model is written as .safetensors: give a name that ends so
    """
    if path is None or Path(path).suffix.lower() in known or (os.path.exists(path) and not os.path.isfile(path)):
        return
    raise BacklitError(f"{path}: {what} is written as {' or '.join(known)}: give a name that ends so")


def _fault(error: OSError, folder: Path) -> str:
    """What went wrong and how to mend it, without the name of the file."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return f"the folder {folder} does not exist: make it, or write elsewhere"
    if isinstance(error, PermissionError):
        return f"writing in the folder {folder} is not allowed: write elsewhere, or ask for the right to"
    reason = (error.strerror or str(error)).lower()
    return f"could not be written ({reason}): make room on the disk, or write elsewhere"


def _flush(path: Path) -> None:
    """Wait until the bytes of a file are on the disk."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_folder(folder: Path) -> None:
    """Make the rename last, where the system lets a folder be flushed (Windows does not)."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def checksum(array: np.ndarray, before: int = 0) -> int:
    """CRC-32 of the bytes of an array of numbers; `before` chains arrays.

    >>> a, swapped = np.array([1.0, 2.0, 3.0]), np.array([2.0, 1.0, 3.0])
    >>> checksum(a) == checksum(a.copy()), checksum(a) == checksum(swapped)
    (True, False)
    """
    return zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, before)


def joined_checksum(first: int, second: int, n: int) -> int:
    """CRC-32 of two pieces of bytes, one after the other, from their own, the second piece being n bytes long.

    >>> joined_checksum(zlib.crc32(b"back"), zlib.crc32(b"lit"), 3) == zlib.crc32(b"backlit")
    True
    """
    shift, square = 1 << 31, 1 << 23  # the polynomials 1 and x^8 over {0, 1}: CRC-32 has its lowest power in bit 31
    while n:
        if n & 1:
            shift = _product(shift, square)
        square, n = _product(square, square), n >> 1
    return _product(shift, first) ^ second


def _product(a: int, b: int) -> int:
    """The product of two polynomials modulo CRC-32's own."""
    total = 0
    for power in range(31, -1, -1):
        total ^= b if a >> power & 1 else 0
        b = b >> 1 ^ (0xEDB88320 if b & 1 else 0)
    return total
