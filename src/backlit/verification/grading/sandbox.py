"""Run one submission in a process of its own, within limits, and in the strongest sandbox that this machine has.

`bwrap`: bubblewrap (https://github.com/containers/bubblewrap).  The submission sees Python's own files to read, an
empty folder of 64 MiB in memory, no other process and no network, and cannot start processes.
`landlock`: the Linux kernel alone.  It reads Python's own files, writes none, and has no network, signals or processes.
`none`: limits alone.  They protect from accidents; the submission runs as you, with your files and your network.
In each it has a clock from the moment its own code begins, bounds on memory, files and processor time, no part of this
process's environment, no right answer, and answers through a pipe of which at most ANSWER_BYTES are read.  Where
systemd gives a user control groups, one of its own bounds the memory and the processes of all that it starts.
"""

import errno
import json
import os
import queue
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from backlit.bounded_reading import from_json, read_bytes
from backlit.errors import BacklitError, ProblemError
from backlit.files import locked
from backlit.verification.grading import child

SOURCE_BYTES, SCRATCH_BYTES = 2**20, 64 * 2**20
KEPT = ("PATH", "SYSTEMROOT", "LANG", "LC_ALL")  # of the environment; secrets stay behind
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "VECLIB", "NUMEXPR")}
SANDBOXES = ("auto", "bwrap", "landlock", "none")
SYSTEM = ("/usr/lib", "/usr/lib64", "/usr/lib32", "/usr/local/lib", "/lib", "/lib64", "/lib32")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime", "/usr/share/zoneinfo")
PACKAGE = "backlit"
SCOPE = ("systemd-run", "--user", "--scope", "--quiet", "--collect")
TASKS = 256  # threads and processes in a control group
BUS = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")  # where systemd-run finds systemd; a submission is not told
SHOW_BOUNDS = "cd /sys/fs/cgroup$(cut -d: -f3- /proc/self/cgroup) && cat memory.max memory.swap.max pids.max"
FOLDER, NEW_SECONDS = "backlit-grade-", 60.0  # how a folder's name begins; by when a grader has locked its folder


@dataclass(frozen=True)
class Run:
    """What came back: answers, one a network, or an error in one line.

    seconds : as `Clock` counts them.  ended : it left no answer at all.
    """

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
    return child.landlock_version() > 0 and os.uname().machine in child.MACHINES


def bounded() -> str:
    """What bounds memory and processes here."""
    return "control group" if scope_works() else "process"


@cache
def scope_works() -> bool:
    """Whether systemd makes control groups for this user here, and the kernel holds their bounds (cgroup v2)."""
    if shutil.which(SCOPE[0]) is None:
        return False
    with suppress(OSError, subprocess.SubprocessError):
        shown = subprocess.run([*scope(1), "sh", "-c", SHOW_BOUNDS], capture_output=True, timeout=60)
        return shown.stdout.split() == [str(bound).encode() for bound in scope_bounds(1).values()]
    return False


def scope_bounds(memory_mb: float) -> dict[str, int]:
    """The bounds of a control group, by systemd's names."""
    return {"MemoryMax": int(memory_mb * 2**20) + SCRATCH_BYTES, "MemorySwapMax": 0, "TasksMax": TASKS}


def scope(memory_mb: float) -> list[str]:
    """The call that runs a program in a control group of its own, up to the program."""
    bounds = [f"--property={name}={bound}" for name, bound in scope_bounds(memory_mb).items()]
    return [*SCOPE, *bounds, "--", "env", *(word for name in BUS for word in ("-u", name))]


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
    group = scope_works()
    kept = (*KEPT, *BUS) if group else KEPT
    with empty_folder(sandbox) as folder:
        process = subprocess.Popen(
            [*(scope(memory_mb) if group else []), *(bwrap() if sandbox == "bwrap" else []), *python],
            cwd=folder,
            env={key: os.environ[key] for key in kept if key in os.environ} | ONE_THREAD,
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
    """A folder to run in; with `none` one that may be written in, locked while it is used and removed after."""
    if sandbox != "none":
        yield "/"
        return
    remove_dead_folders()
    folder = tempfile.mkdtemp(prefix=FOLDER)
    with ExitStack() as stack:
        stack.callback(remove_tree, folder)
        with suppress(OSError):  # a system without such locks
            stack.enter_context(locked(os.open(folder, os.O_RDONLY)))
        yield folder


def remove_dead_folders() -> None:
    """Remove the folders that graders left which were ended at once; that of one which runs is locked, or quite new."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER}*"):
        with suppress(OSError, AttributeError):  # gone meanwhile; Windows has no getuid
            found = folder.lstat()
            old = found.st_uid == os.getuid() and time.time() - found.st_mtime > NEW_SECONDS
            if old and stat.S_ISDIR(found.st_mode):
                with locked(os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)):
                    remove_tree(str(folder))


def remove_tree(folder: str) -> None:
    """Remove a folder by a program that no depth stops."""
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
    both = child.READ_FILE | child.READ_DIR
    found = [(path, both) for path in (*python_paths(), *SYSTEM, *SYSTEM_FILES, "/dev/null", "/dev/urandom")]
    for packages in package_folders():
        found.append((packages, child.READ_DIR))
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
    made += ["--size", str(SCRATCH_BYTES), "--tmpfs", "/tmp"]  # first, as Python itself may lie in there
    for path in SYSTEM:
        made += ["--symlink", os.readlink(path), path] if os.path.islink(path) else ["--ro-bind-try", path, path]
    configuration = str(Path(sys.prefix, "pyvenv.cfg"))
    own = [sys.executable, configuration, child.__file__]
    for path in (*SYSTEM_FILES, *python_paths(), *package_folders(), *own):
        made += ["--ro-bind-try", path, path]
    for packages in package_folders():
        for one in Path(packages).iterdir():
            if PACKAGE in one.name.lower():  # right answers
                hidden = ["--tmpfs", str(one), "--remount-ro", str(one)]
                made += hidden if one.is_dir() else ["--ro-bind", "/dev/null", str(one)]
    made += ["--remount-ro", "/dev", "--remount-ro", "/"]  # both are in memory too, and have no bound of their own
    return [*made, "--chdir", "/tmp", "--"]


# --- its clock --------------------------------------------------------------------------------------------------------

START_SECONDS = 60.0  # for starting Python and NumPy on a busy machine; the submission's own time begins after that
BUSY = 10  # times its seconds on the wall's clock: a bound for one that waits for a processor, however busy the machine
READY = b"ready\n"


@dataclass
class Clock:
    """How long a submission has run since its own code began, as if it had had a processor for itself.

    That is the time on the wall without the time in which it could have run and others had its processor, which only
    Linux says; elsewhere it is the time on the wall.  Who sleeps, sleeps on this clock too.
    """

    process: int
    began: float
    before: float = 0.0
    waited: float = 0.0

    @classmethod
    def begin(cls, process: int) -> "Clock":
        """The clock of the program that a process runs, or that bubblewrap runs below it."""
        process = innermost(process)
        return cls(process, time.monotonic(), waited_for_processor(process))

    def took(self) -> float:
        """Seconds."""
        wall = time.monotonic() - self.began
        self.waited = max(self.waited, waited_for_processor(self.process) - self.before)  # 0 once it has ended
        return max(wall - self.waited, 0.0)

    def left(self, seconds: float) -> float:
        """How long to wait until so many seconds may have passed; 0 or less if they have, or too many on the wall."""
        return min(seconds - self.took(), self.began + BUSY * seconds - time.monotonic())


def waited_for_processor(process: int) -> float:
    """Seconds in which a process's first thread was ready to run and did not; 0 where the system doesn't say."""
    try:
        return int(Path(f"/proc/{process}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def innermost(process: int) -> int:
    """The process that one runs through others, each of which has started one."""
    parents: dict[int, int] = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):  # it ended meanwhile
            parents[int(place.read_text(errors="replace").rpartition(")")[2].split()[1])] = int(place.parent.name)
    while process in parents:
        process = parents[process]
    return process


def listen(process: subprocess.Popen[bytes], seconds: float) -> tuple[bytes | None, float | None]:
    """(answer, seconds that it took): no answer if it is late, no seconds if the submission did not even begin."""
    parts: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=read_parts, args=(process.stdout, parts), daemon=True).start()
    content, clock, wait = bytearray(), None, START_SECONDS
    start = time.monotonic() + START_SECONDS
    while True:
        try:
            part = parts.get(timeout=max(wait, 0))
        except queue.Empty:
            if clock is None:
                return None, None
            if (wait := clock.left(seconds)) <= 0:
                return None, clock.took()
            continue
        content += part
        if clock is None and content.startswith(READY):
            clock = Clock.begin(process.pid)
        if not part:
            return bytes(content.removeprefix(READY)), None if clock is None else clock.took()
        wait = start - time.monotonic() if clock is None else clock.left(seconds)
        if wait <= -seconds:  # an answer that is under way may end; one that trickles for as long again is late
            return None, None if clock is None else clock.took()


def read_parts(pipe: Any, parts: "queue.SimpleQueue[bytes]") -> None:
    """Put what comes out of a pipe into a queue, up to a bound, and then nothing, which is the end."""
    size = 0
    with pipe, suppress(OSError):
        while size <= len(READY) + child.ANSWER_BYTES and (part := os.read(pipe.fileno(), 2**16)):
            size += len(part)
            parts.put(part)
    parts.put(b"")
