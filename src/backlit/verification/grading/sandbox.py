"""Run one submission in a process of its own, within limits, and in the strongest sandbox that this machine has.

`bwrap`: bubblewrap (https://github.com/containers/bubblewrap).  The submission sees Python's own files to read, an
empty folder of 64 MiB in memory, no other process and no network, and cannot start processes.
`landlock`: the Linux kernel alone.  It reads Python's own files, writes none, and has no network, signals or processes.
`none`: limits alone.  They protect from accidents; the submission runs as you, with your files and your network.
In each it has a clock from the moment its own code begins, bounds on memory, files and processor time, no part of this
process's environment, no right answer, and answers through a pipe of which at most ANSWER_BYTES are read.
"""

import errno
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from backlit.bounded_reading import from_json, read_bytes
from backlit.errors import BacklitError, ProblemError
from backlit.verification.grading import child, confinement

START_SECONDS = 60.0  # for starting Python and NumPy on a busy machine; the submission's own time begins after that
SOURCE_BYTES, SCRATCH_BYTES = 2**20, 64 * 2**20
KEPT = ("PATH", "SYSTEMROOT", "LANG", "LC_ALL")  # of the environment; secrets stay behind
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "VECLIB", "NUMEXPR")}
SANDBOXES = ("auto", "bwrap", "landlock", "none")
SYSTEM = ("/usr/lib", "/usr/lib64", "/usr/lib32", "/usr/local/lib", "/lib", "/lib64", "/lib32")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime", "/usr/share/zoneinfo")
PACKAGE = "backlit"
READY = b"ready\n"


@dataclass(frozen=True)
class Run:
    """What came back: answers, one a network, or an error in one line; ended : it left no answer at all."""

    answers: tuple[Any, ...]
    error: str | None
    seconds: float
    network_cut: bool
    sandbox: str = "none"
    ended: bool = False


def chosen(sandbox: str = "auto", *, required: bool = False) -> str:
    """The sandbox that is asked for, or the strongest that works here.

    Raises ProblemError if the one asked for does not work here, or none does and one is required.
    """
    if sandbox not in SANDBOXES:
        raise ProblemError(f"sandbox must be one of {', '.join(SANDBOXES)}, not {sandbox!r}")
    working: dict[str, Callable[[], bool]] = {"bwrap": bwrap_works, "landlock": landlock_works, "none": lambda: True}
    if sandbox == "auto":
        sandbox = next(name for name, works in working.items() if works())
    elif not working[sandbox]():
        raise ProblemError(f"the sandbox {sandbox} does not work here: install bubblewrap, or give --sandbox auto")
    if required and sandbox == "none":
        raise ProblemError(
            "a sandbox is required, and none works here: install bubblewrap on Linux, or grade in a container"
        )
    return sandbox


@cache
def bwrap_works() -> bool:
    """Whether bubblewrap is installed and may make its namespaces here."""
    if shutil.which("bwrap") is None:
        return False
    with suppress(OSError, subprocess.SubprocessError):
        ended = subprocess.run([*bwrap(), sys.executable, "-I", "-c", "import numpy"], capture_output=True, timeout=60)
        return ended.returncode == 0
    return False


@cache
def landlock_works() -> bool:
    """Whether this kernel has Landlock and the filter of system calls."""
    return confinement.landlock_version() > 0 and os.uname().machine in confinement.MACHINES


def run_submission(
    file: Path,
    function: str,
    inputs: Sequence[Any],
    *,
    seconds: float = 10.0,
    memory_mb: float = 1024,
    sandbox: str = "auto",
) -> Run:
    """Call `function` of a file on each of the inputs, `{"W", "b", "X", "y"}` of plain lists."""
    sandbox = chosen(sandbox)
    job = {
        "source": source_of(file).decode("latin-1"),
        "function": function,
        "inputs": list(inputs),
        "seconds": seconds,
        "memory_mb": memory_mb,
        "sandbox": sandbox,
        "readable": readable() if sandbox == "landlock" else [],
    }
    python = [sys.executable, "-I", "-B", child.__file__]
    with empty_folder(sandbox) as folder:
        process = subprocess.Popen(
            [*bwrap(), *python] if sandbox == "bwrap" else python,
            cwd=folder,
            env={key: os.environ[key] for key in KEPT if key in os.environ} | ONE_THREAD,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            send(process, json.dumps(job).encode())
            answer, took = listen(process, seconds)
        finally:
            end(process)
    return outcome(answer, took, process.returncode, seconds, memory_mb, sandbox)


def source_of(file: Path) -> bytes:
    """The submission's text; BacklitError if it is no file of its own, or a huge one."""
    try:
        if file.is_symlink():
            raise OSError(errno.ELOOP, "it is a link, not a file: hand in the file itself", str(file))
        return read_bytes(file, SOURCE_BYTES)
    except OSError as error:
        raise BacklitError(f"cannot be read: {error.strerror}") from None


@contextmanager
def empty_folder(sandbox: str) -> Iterator[str]:
    """A folder to run in; with `none` one that may be written in, removed by a program that no depth stops."""
    if sandbox != "none":
        yield "/"
        return
    folder = tempfile.mkdtemp(prefix="backlit-grade-")
    try:
        yield folder
    finally:
        if os.name == "posix":
            subprocess.run(["chmod", "-R", "u+rwX", folder], capture_output=True)
            subprocess.run(["rm", "-rf", folder], capture_output=True)
        else:
            with suppress(RecursionError):
                shutil.rmtree(folder, ignore_errors=True)


def send(process: subprocess.Popen[bytes], job: bytes) -> None:
    """Hand the job over; a process that has gone already says so by its answer."""
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.write(job)
    with suppress(BrokenPipeError):
        process.stdin.close()


def listen(process: subprocess.Popen[bytes], seconds: float) -> tuple[bytes | None, float | None]:
    """(answer, seconds that it took): no answer if it is late, no seconds if the submission did not even begin."""
    parts: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=read_parts, args=(process.stdout, parts), daemon=True).start()
    content, ready = bytearray(), None
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            part = parts.get(timeout=max(deadline - time.monotonic(), 0))
        except queue.Empty:
            return None, None if ready is None else time.monotonic() - ready
        content += part
        if ready is None and content.startswith(READY):
            ready = time.monotonic()
            deadline = ready + seconds
        if not part:
            return bytes(content.removeprefix(READY)), None if ready is None else time.monotonic() - ready


def read_parts(pipe: Any, parts: "queue.SimpleQueue[bytes]") -> None:
    """Put what comes out of a pipe into a queue, up to a bound, and then nothing, which is the end."""
    size = 0
    with pipe, suppress(OSError):
        while size <= len(READY) + child.ANSWER_BYTES and (part := os.read(pipe.fileno(), 2**16)):
            size += len(part)
            parts.put(part)
    parts.put(b"")


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop the process and what it started in its session."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=0.2)  # one that has answered is about to end by itself, and says how
    with suppress(ProcessLookupError, PermissionError, AttributeError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(ProcessLookupError):
        process.kill()
    process.wait()


def outcome(answer: bytes | None, took: float | None, code: int, seconds: float, memory_mb: float, sandbox: str) -> Run:
    """Read what came back, trusting none of it."""
    late = f"stopped: it took longer than {seconds:g} s"
    if took is None:
        return Run((), f"the sandbox {sandbox} did not start (exit code {code})", 0.0, False, sandbox, ended=True)
    if answer is None or signal_of(code) == getattr(signal, "SIGXCPU", 0):
        return Run((), late, took, False, sandbox, ended=True)
    if len(answer) > child.ANSWER_BYTES:
        return Run((), f"its answer is larger than {child.ANSWER_BYTES >> 20} MiB", took, False, sandbox, ended=True)
    try:
        content = from_json(answer.decode())
        answers, error = tuple(content["answers"]), content.get("error")
        network_cut = content.get("network_cut") is True
    except (ValueError, KeyError, TypeError, AttributeError):
        number = signal_of(code)
        how = f"signal {signal.Signals(number).name}" if number in set(signal.Signals) else f"exit code {code}"
        said = f"it crashed or ended itself without an answer ({how}; at most {memory_mb:g} MB)"
        return Run((), said, took, False, sandbox, ended=True)
    return Run(answers, None if error is None else str(error)[:400], took, network_cut, sandbox)


def signal_of(code: int) -> int:
    """The signal that ended a process, 0 if none did; bubblewrap adds 128 as a shell does."""
    return -code if code < 0 else code - 128 if code > 128 else 0


def readable() -> list[tuple[str, int]]:
    """Files and folders that a submission may read, with its rights there: Python's own, but for Backlit."""
    both = confinement.READ_FILE | confinement.READ_DIR
    found = [(path, both) for path in (*python_paths(), *SYSTEM, *SYSTEM_FILES, "/dev/null", "/dev/urandom")]
    for packages in package_folders():
        found.append((packages, confinement.READ_DIR))
        found += [(str(one), both) for one in Path(packages).iterdir() if PACKAGE not in one.name.lower()]
    return found


def python_paths() -> list[str]:
    """The interpreter and its standard library."""
    library = sysconfig.get_path("stdlib")
    beside = [str(one) for one in Path(sys.base_prefix, "lib").glob("libpython*")]
    return [os.path.realpath(sys.executable), library, *beside]


def package_folders() -> list[str]:
    """Where installed packages lie."""
    paths = {sysconfig.get_path(name) for name in ("purelib", "platlib")} | set(sys.path)
    return sorted(path for path in paths if path.endswith(("site-packages", "dist-packages")) and os.path.isdir(path))


def bwrap() -> list[str]:
    """The call of bubblewrap up to the program that it runs."""
    made = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--dev", "/dev"]
    for path in SYSTEM:
        made += ["--symlink", os.readlink(path), path] if os.path.islink(path) else ["--ro-bind-try", path, path]
    configuration = str(Path(sys.prefix, "pyvenv.cfg"))
    own = [sys.executable, configuration, child.__file__, confinement.__file__]
    for path in (*SYSTEM_FILES, *python_paths(), *package_folders(), *own):
        made += ["--ro-bind-try", path, path]
    for packages in package_folders():
        for one in Path(packages).iterdir():
            if PACKAGE in one.name.lower():  # right answers
                made += ["--tmpfs", str(one)] if one.is_dir() else ["--ro-bind", "/dev/null", str(one)]
    made += ["--size", str(SCRATCH_BYTES), "--tmpfs", "/tmp", "--remount-ro", "/", "--chdir", "/tmp"]
    return [*made, "--"]
