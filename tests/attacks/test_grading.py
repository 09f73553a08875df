"""Hostile submissions: whatever one does, it gets its own row, and the others get the grades that they earned."""

import csv
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.commands import run_command
from tests.helpers import assert_names, raises_naming

from backlit import files
from backlit.errors import ProblemError
from backlit.verification.grading import child
from backlit.verification.grading import sandbox as sandboxes
from backlit.verification.grading.grade import append, begin, digest, grade, grade_of, grades_csv, known_grades, summary
from backlit.verification.grading.rubric import read_rubric, rubric_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limits for a process")
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
WORKING = {"bwrap": sandboxes.bwrap_works, "landlock": sandboxes.landlock_works, "none": lambda: True}
HERE = {name: works() for name, works in WORKING.items()}
QUICK = next(name for name in HERE if HERE[name])  # the sandbox that all is tried in; in the others, what takes longer


def sandbox_param(name):
    marks = [pytest.mark.skipif(not HERE[name], reason=f"{name} does not work here")]
    return pytest.param(name, marks=marks if name == QUICK else [*marks, pytest.mark.slow])


ALL = [sandbox_param(name) for name in HERE]
CLOSED = ALL[:-1]
PATIENT = 120.0  # seconds for what ends by itself, on the slowest machine
RUBRIC = rubric_of({"seconds": PATIENT, "memory_mb": 512, "networks": [{"shapes": [2, 2, 1]}]}, seed=1)


def graded(tmp_path, code, sandbox, **limits):
    """What is said of a submission whose function has this body."""
    file = tmp_path / "hostile.py"
    file.write_text(f"import os, sys, signal, socket, threading, time\ndef backprop(W, b, X, y):\n {code}\n")
    (one,) = grade([file], replace(RUBRIC, **limits), sandbox=sandbox)
    assert (one.verdict, one.points, one.sandbox) == ("error", 0, sandbox)
    assert one.line().count("\n") == 0
    return one.error


HOSTILE = {
    "sleeps": ("time.sleep(600)", "longer than 1 s"),
    "spins": ("\n while True: pass", "longer than 1 s"),
    "spins in threads": ("[threading.Thread(target=eval, args=('9**9**9',)).start() for _ in 'abc']", "longer|signal"),
    "ignores signals": ("[signal.signal(s, signal.SIG_IGN) for s in (15, 24)]\n while True: pass", "longer than 1 s"),
    "fills memory": ("return bytearray(2 * 10**9)", "MemoryError"),
    "kills itself": ("os.kill(os.getpid(), signal.SIGKILL)", "signal SIGKILL"),
    "crashes": ("import ctypes; ctypes.string_at(0)", "signal SIGSEGV"),
    "aborts": ("os.abort()", "signal SIGABRT"),
    "leaves": ("os._exit(0)", "exit code 0"),
    "exits": ("sys.exit(0)", "SystemExit"),
    "huge answer": ("return 'x' * (40 * 2**20)", "larger than 32 MiB"),
    "deep answer": ("x = []\n for _ in range(900): x = [x]\n return x", "RecursionError|without an answer"),
    "half a character": (r"raise ValueError('\ud800 \x1b[2J')", "ValueError"),
    "its own error": ("class E(Exception):\n  def __str__(self): raise E\n raise E", "without an answer|E"),
    "numbers that are none": ("return {'loss': float('nan'), 'grad_W': W, 'grad_b': b}", "nan"),
    "a huge number": ("return {'loss': 10**400, 'grad_W': W, 'grad_b': b}", "401 digits|without an answer"),
    "writes into every descriptor": (
        "\n for fd in range(64):\n  try: os.write(fd, b'ready\\n{]')\n  except OSError: pass\n os._exit(0)",
        "without an answer",
    ),
    "closes every descriptor": ("os.closerange(0, 64)", "without an answer"),
    "replaces its trusted half": ("sys.modules['__main__'].json.dumps = lambda *a, **k: '{[}'", "without an answer"),
}  # fmt: skip


@pytest.mark.parametrize("sandbox", ALL)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_submission_is_one_row_and_soon(tmp_path, name, sandbox):
    import re

    code, words = HOSTILE[name]
    error = graded(tmp_path, code, sandbox, **({"seconds": 1} if "longer" in words else {}))
    assert re.search(words, error), error
    assert "\x1b" not in error


@pytest.mark.parametrize(("parts", "times", "waited", "heard", "waits"), [
    ((b"ready\n", b"{}", b""), (0, 50, 50, 50, 50.125, 50.125, 50.25), (), (b"{}", 0.25), [60, 0.5, 0.375]),
    ((b"ready\n",), (0, 50, 50, 50, 51, 51, 51), (), (None, 1), [60, 0.5]),
    ((), (0,), (), (None, None), [60]),
    ((b"ready\n",), (0, 50, 50, 50, 51, 51, 52, 52, 52), (7, 7, 7.75, 8.25, 8.25), (None, 0.75), [60, 0.5, 0.25]),
    ((b"ready\n",), (0, 50, 50, 50, 55, 55, 55), (0, 0, 9, 9), (None, 0), [60, 0.5]),
    ((b"ready\n", b"{", b"}"), (0, 50, 50, 50, 50.5, 50.5, 51, 51, 51), (), (None, 1), [60, 0.5, 0]),
])  # fmt: skip
def test_the_clock_begins_with_the_submission_and_stops_while_others_have_its_processor(
    monkeypatch, parts, times, waited, heard, waits
):
    """By a clock that shows these times, and a kernel that says that it waited for a processor for so long.

    Whoever waits gets as much more, up to ten times on the wall; whose answer trickles is late.
    """
    shown, said, asked = iter(times), iter(waited), []

    class Queue(queue.SimpleQueue):
        def get(self, timeout):
            asked.append(timeout)
            return super().get(timeout=min(timeout, 0.01) if self.empty() else timeout)

    monkeypatch.setattr(sandboxes, "time", SimpleNamespace(monotonic=lambda: next(shown)))
    monkeypatch.setattr(sandboxes, "waited_for_processor", lambda process: next(said, 0.0) if waited else 0.0)
    monkeypatch.setattr(sandboxes, "read_parts", lambda pipe, queue: [queue.put(part) for part in parts])
    monkeypatch.setattr(sandboxes.queue, "SimpleQueue", Queue)
    monkeypatch.setattr(sandboxes.threading, "Thread", Now)
    assert sandboxes.listen(SimpleNamespace(stdout=None, pid=os.getpid()), seconds=0.5) == heard
    assert asked == waits


class Now:
    """A thread that has done all of its work as soon as it is started."""

    def __init__(self, target, args, daemon):
        self.start = lambda: target(*args)


def says_who_waits() -> bool:
    """Whether the kernel counts at all: this process has used a processor."""
    place = Path("/proc/self/schedstat")
    return place.exists() and int(place.read_text().split()[0]) > 0


@pytest.mark.slow
@pytest.mark.skipif(not says_who_waits(), reason="this system doesn't say who waits")
def test_who_waits_for_a_processor_is_seen():
    """Two that spin on one processor wait for each other; one that is stopped waits for nobody."""
    core = min(os.sched_getaffinity(0))
    spin = [sys.executable, "-c", f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"]
    with subprocess.Popen(spin) as one, subprocess.Popen(["sh", "-c", '"$@"; :', "sh", *spin]) as other:
        try:
            end = time.monotonic() + 300
            while sandboxes.innermost(other.pid) == other.pid or sandboxes.waited_for_processor(one.pid) < 0.2:
                assert time.monotonic() < end, "nobody waits"
                time.sleep(0.05)
            one.send_signal(signal.SIGSTOP)
            while Path(f"/proc/{one.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
                assert time.monotonic() < end, "it does not stop"
                time.sleep(0.05)
            before = sandboxes.waited_for_processor(one.pid)
            time.sleep(0.2)
            assert sandboxes.waited_for_processor(one.pid) == before
        finally:
            os.kill(sandboxes.innermost(other.pid), signal.SIGKILL)
            one.kill()
    assert sandboxes.waited_for_processor(-1) == 0


def test_the_processor_time_of_its_start_is_not_the_submissions(monkeypatch):
    """On a slow machine Python and NumPy alone take seconds of it."""
    import resource

    bounds = {}
    monkeypatch.setattr(resource, "setrlimit", lambda which, bound: bounds.update({which: bound}))
    monkeypatch.setattr("time.process_time", lambda: 7.5)
    child.limit(seconds=1, memory_mb=512)
    assert bounds[resource.RLIMIT_CPU] == (9, 10)


def inputs():
    return {"W": [], "b": [], "X": [], "y": []}


C = """
def c(name, *arguments):
    import ctypes
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "no")
"""


def does(tmp_path, code, sandbox, above=""):
    """What a submission's function returns, or its error; `above` are functions that it may call."""
    file = tmp_path / "hostile.py"
    file.write_text(f"import os, sys, signal, socket, subprocess\n{C}\n{above}\ndef backprop(W, b, X, y):\n {code}\n")
    run = sandboxes.run_submission(file, "backprop", [inputs()], seconds=PATIENT, sandbox=sandbox)
    return run.error or run.answers[0]


FORBIDDEN = {
    "fork": "return os.fork()",
    "many forks": "\n while True: os.fork()",
    "run a program": "return subprocess.run(['/bin/ls', '/'])",
    "replace itself": "return os.execv('/bin/sh', ['sh'])",
    "multiprocessing": "import multiprocessing as m\n p = m.Process(target=print); p.start()",
    "internet": "return socket.socket()",
    "Unix sockets": "return socket.socket(socket.AF_UNIX)",
    "the grader's signals": "return os.kill(os.getppid(), signal.SIGTERM)",
    "everyone's signals": "return os.kill(-1, signal.SIGTERM)",
    "its group's signals": "return os.killpg(0, signal.SIGTERM)",
    "folders": "return os.listdir('/home')",
    "passwords": "return open('/etc/passwd').read()",
    "other processes": "return open('/proc/1/environ').read() + open(f'/proc/{os.getppid()}/environ').read()",
    "write at home": "return open('/home/x', 'w')",
    "write in Python": "return open(os.__file__, 'a')",
    "memory beside its bound": "return os.memfd_create('x')",
    "raise its bounds": "import resource as r; return r.setrlimit(r.RLIMIT_AS, (-1, -1))",
    "right answers": "import backlit.core\n return str(backlit.core)",
    "trace the grader": "return c('ptrace', 16, os.getppid(), 0, 0)",
    "new namespaces": "return c('unshare', 0x10000000)",
    "shared memory": "return c('shmget', 1, 9, 512)",
    "rights of a file": "return os.chmod(os.__file__, os.stat(os.__file__).st_mode)",
    "owner of a file": "return os.chown(os.__file__, -1, -1)",
    "times of a file": "s = os.stat(os.__file__); return os.utime(os.__file__, ns=(s.st_atime_ns, s.st_mtime_ns))",
    "attributes of a file": "return os.setxattr(os.__file__, 'user.x', b'')",
    "length of a file": "return os.truncate(os.__file__, os.path.getsize(os.__file__))",
    "watch files": "return c('inotify_init1', 0)",
    "processors of the grader": "return os.sched_setaffinity(os.getppid(), {0})",
    "the grader's signals by a pipe": "import fcntl; return fcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, os.getppid())",
    "the same by ioctl": "import fcntl, struct; return fcntl.ioctl(os.pipe()[0], 0x8901, struct.pack('i', 1))",
}  # fmt: skip


REFUSALS = ("PermissionError", "FileNotFoundError", "OSError", "ModuleNotFoundError", "ValueError: not allowed")


@pytest.mark.slow
@pytest.mark.parametrize("sandbox", CLOSED)
@pytest.mark.parametrize("name", FORBIDDEN)
def test_the_sandbox_forbids(tmp_path, name, sandbox):
    said = does(tmp_path, FORBIDDEN[name], sandbox)
    assert isinstance(said, str)
    assert said.startswith(REFUSALS), said


TRIES_ALL = """
 said = {}
 for name, function in [*globals().items()]:
  if name.startswith("try_"):
   try: said[name] = str(function())
   except Exception as error: said[name] = f"{type(error).__name__}: {error}"
 return said"""


@pytest.mark.parametrize("sandbox", CLOSED)
def test_the_sandbox_forbids_one_after_the_other(tmp_path, sandbox):
    """In one process: a quick form of the tests above."""
    tries = {f"try_{name.replace(' ', '_').replace(chr(39), '_')}": code for name, code in FORBIDDEN.items()}
    functions = "".join(f"def {name}():\n {code}\n" for name, code in tries.items())
    said = does(tmp_path, TRIES_ALL, sandbox, above=functions)
    assert {name: words for name, words in said.items() if not words.startswith(REFUSALS)} == {}
    assert said.keys() == tries.keys()


@pytest.mark.parametrize("sandbox", CLOSED)
def test_the_files_of_the_grader_and_of_others_are_not_there(tmp_path, sandbox):
    (tmp_path / "rubric.toml").write_text("secret")
    paths = [str(tmp_path), str(tmp_path / "rubric.toml"), str(tmp_path / "hostile.py"), str(EXAMPLES), __file__]
    for path in paths:
        code = f"return os.listdir({path!r}) if os.path.isdir({path!r}) else open({path!r}).read()"
        assert "Error" in does(tmp_path, code, sandbox)


@pytest.mark.parametrize("sandbox", CLOSED)
def test_a_unix_socket_of_this_machine_does_not_answer(tmp_path, sandbox):
    with socket.socket(socket.AF_UNIX) as server, tempfile.TemporaryDirectory(dir="/tmp") as place:
        path = f"{place}/socket"  # of at most 107 bytes
        server.bind(path)
        server.listen()
        code = f"s = socket.socket(socket.AF_UNIX)\n s.connect({path!r}); return 'connected'"
        assert does(tmp_path, code, "none") == "connected"  # the test would see it
        assert does(tmp_path, code, sandbox).startswith("PermissionError")


def test_the_tests_see_what_no_sandbox_allows(tmp_path):
    assert does(tmp_path, FORBIDDEN["passwords"], "none").startswith("root:")
    assert "backlit" in does(tmp_path, FORBIDDEN["right answers"], "none")


FILLS = """
 n = 0
 for place, _, _ in os.walk('/'):
  try:
   for k in range(99): n += open(f'{place}/{k}', 'wb').write(bytes(2**20))
  except OSError: pass
 return n"""


@pytest.mark.parametrize("sandbox", CLOSED)
def test_scratch_space_is_bounded_wherever_it_is(tmp_path, sandbox):
    written = does(tmp_path, FILLS, sandbox)
    assert written == 0 if sandbox == "landlock" else 0 < written <= sandboxes.SCRATCH_BYTES


@pytest.mark.skipif(not sandboxes.bwrap_works(), reason="bwrap does not work here")
def test_packages_that_lie_in_tmp_are_there_to_read(monkeypatch):
    with tempfile.TemporaryDirectory(dir="/tmp") as top:
        packages = Path(top, "site-packages")
        packages.mkdir()
        (packages / "one.py").write_text("told = 'read'")
        (packages / "backlit.py").write_text("told = 'right answers'")
        folders = [*sandboxes.package_folders(), str(packages)]
        monkeypatch.setattr(sandboxes, "package_folders", lambda: folders)
        code = f"sys.path.insert(0, {str(packages)!r})\n import one\n return [one.told, open(one.__file__, 'a')]"
        assert "Read-only" in does(Path(top), code, "bwrap")
        code = f"sys.path.insert(0, {str(packages)!r})\n import one, backlit\n return [one.told, dir(backlit)]"
        one, names = does(Path(top), code, "bwrap")
        assert one == "read"
        assert "told" not in names


def test_nested_folders_are_removed(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    sandboxes.tempfile.tempdir = None
    does(tmp_path, "\n for _ in range(3000): os.mkdir('d' * 200); os.chdir('d' * 200)\n os.chmod('.', 0)", "none")
    sandboxes.tempfile.tempdir = None
    assert [path.name for path in tmp_path.iterdir()] == ["hostile.py"]


def test_what_killed_graders_left_is_removed_and_what_others_use_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(sandboxes.tempfile, "tempdir", str(tmp_path))
    dead, new, used = (tmp_path / f"{sandboxes.FOLDER}{name}" for name in ("dead", "new", "used"))
    other = tmp_path / "other"
    for folder in (dead / "deep", new, used, other):
        folder.mkdir(parents=True)
        (folder / "file").touch()
    (tmp_path / "backlit-grade-link").symlink_to(other)
    for old in (dead, used, other):
        os.utime(old, (1, 1))
    with files.locked(os.open(used, os.O_RDONLY)), sandboxes.empty_folder("none") as mine:
        assert sorted(tmp_path.iterdir()) == sorted([new, used, tmp_path / "backlit-grade-link", other, Path(mine)])
        os.utime(mine, (1, 1))
        sandboxes.remove_dead_folders()  # as another grader does beside this one
        assert Path(mine).is_dir()
    assert not Path(mine).exists()
    assert (other / "file").exists()


# Stands in for systemd where none runs: notes how it is called, says that the kernel holds the bounds, and becomes the
# program.
SYSTEMD = """#!{python}
import os, sys
options, program = sys.argv[1:sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1:]
print(*options, os.environ.get("XDG_RUNTIME_DIR"), file=open("{log}", "a"))
if "memory.max" in program[-1]:
    print(*(option.rpartition("=")[2] for option in options if option.startswith("--property"){less}))
else:
    os.execvp(program[0], program)
"""


@pytest.mark.parametrize("sandbox", ALL)
@pytest.mark.parametrize("holds", [True, False])
def test_a_submission_gets_a_control_group_where_systemd_makes_one_that_holds(
    tmp_path, monkeypatch, capsys, sandbox, holds
):
    """By a program that stands in for systemd; without the bounds of the kernel nothing is claimed."""
    log, fake = tmp_path / "log", tmp_path / "bin" / "systemd-run"
    fake.parent.mkdir()
    fake.write_text(SYSTEMD.format(python=sys.executable, log=log, less="" if holds else " and 'Tasks' in option"))
    fake.chmod(0o700)
    monkeypatch.setenv("PATH", str(fake.parent), prepend=os.pathsep)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1")
    sandboxes.scope_works.cache_clear()
    try:
        (tmp_path / "s.py").write_text("import os\ndef backprop(*given): raise ValueError(sorted(os.environ))\n")
        (tmp_path / "r.toml").write_text("memory_mb = 512\nseconds = 120\n[[networks]]\nshapes = [2, 1]\n")
        command = ["grade", tmp_path / "s.py", "--rubric", tmp_path / "r.toml", "--sandbox", sandbox]
        code, out, err = run_command(capsys, *command, "--html", tmp_path / "g.html", "--format", "json")
    finally:
        sandboxes.scope_works.cache_clear()
    assert code == 0
    what = "control group" if holds else "process"
    assert json.loads(out)["limits"] == what
    assert f"limits for each {what}" in err
    assert ("submission's control group" in (tmp_path / "g.html").read_text()) == holds
    (one,) = json.loads(out)["grades"]
    assert "ValueError" in one["error"]
    assert "XDG_RUNTIME_DIR" not in one["error"]
    calls = log.read_text().splitlines()
    bounds = "--property=MemoryMax={} --property=MemorySwapMax=0 --property=TasksMax=256 /run/user/1"
    assert bounds.format((1 + 64) * 2**20) in calls[0]
    assert all(bounds.format((512 + 64) * 2**20) in call for call in calls[1:])
    assert (len(calls) > 1) == holds


# --- a class --------------------------------------------------------------------------------------------------------


@pytest.fixture
def class_folder(tmp_path):
    folder = tmp_path / "class"
    folder.mkdir()
    (folder / "a_right.py").write_text((EXAMPLES / "student_template.py").read_text())
    (folder / "z_right.py").write_text((EXAMPLES / "student_template.py").read_text())
    right = (EXAMPLES / "student_template.py").read_text()
    broken = right.replace("(delta @ W[l]) * a[l] * (1 - a[l])", "delta @ W[l]")
    assert broken != right
    (folder / "b_broken.py").write_text(broken)
    (folder / "c_broken.py").write_text(broken)
    os.mkfifo(folder / "d_pipe.py")
    (folder / "e_device.py").symlink_to("/dev/zero")
    (folder / "f_link.py").symlink_to(folder / "a_right.py")
    (folder / "g_dangling.py").symlink_to("nowhere")
    (folder / "h_folder.py").mkdir()
    (folder / "i_huge.py").write_bytes(b"#" * (2**20 + 1))
    (folder / "j_=cmd|' -C calc'!A0.py").write_text("raise ValueError('=1+1\\n\\ud800\\x1b[2J')")
    (folder / "k_kills.py").write_text("import os, signal\nos.kill(os.getppid(), signal.SIGTERM)\nwhile True: pass\n")
    (folder / "l_nul.py").write_bytes(b"x = 1\0")
    rubric = (EXAMPLES / "rubric.toml").read_text().replace("seconds = 10", f"seconds = {PATIENT}")
    rubric = rubric.replace("[4, 5, 3]", "[2, 3, 2]")
    (tmp_path / "rubric.toml").write_text("[[networks]]".join(rubric.split("[[networks]]")[:2]))
    return folder


ERRORS = {
    "d_pipe": "pipe", "e_device": "link", "f_link": "link", "g_dangling": "link", "h_folder": "directory",
    "i_huge": "larger than 1 MiB", "k_kills": "PermissionError", "l_nul": "null",
}  # fmt: skip


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return {Path(row["file"]).stem: row for row in csv.DictReader(file)}


@pytest.mark.skipif(not CLOSED, reason="no sandbox works here")
def test_every_honest_submission_gets_its_grade(class_folder, tmp_path, capsys):
    out, page = tmp_path / "G.csv", tmp_path / "G.html"
    arguments = ["grade", class_folder, "--rubric", tmp_path / "rubric.toml", "--out", out, "--html", page]
    code, printed, err = run_command(capsys, *arguments, "--require-sandbox", "--format", "json")
    assert code == 0
    found = rows(out)
    assert len(found) == 13
    for name in ("a_right", "z_right"):
        assert (found[name]["verdict"], found[name]["points"], found[name]["points of grad_W"]) == (
            "pass",
            "6.0",
            "3.0",
        )
    for name in ("b_broken", "c_broken"):
        assert (found[name]["verdict"], found[name]["points"]) == ("fail", "1.0")
        assert (found[name]["points of loss"], found[name]["points of grad_b"]) == ("1.0", "0.0")
    for name, words in ERRORS.items():
        assert (found[name]["verdict"], found[name]["points"]) == ("error", "0.0")
        assert words in found[name]["error"], found[name]
    assert "\x1b" not in out.read_text()
    assert "\x1b" not in err
    result = json.loads(printed)
    assert result["summary"][0] == {"submissions": 2, "what": "right"}
    mistake = f"{found['b_broken']['bug']} ({found['b_broken']['equation']})"
    assert {"submissions": 2, "what": mistake} in result["summary"]
    assert f"     2  {found['b_broken']['bug']}" in err
    html = page.read_text(encoding="utf-8")
    assert str(result["seed"]) in html
    assert found["b_broken"]["bug"] in html
    assert result["sandbox"] in html


def test_the_summary_of_a_class_counts_exceptions_by_type_and_says_the_rest_in_full(tmp_path):
    (tmp_path / "a.py").write_text("def backprop(W, b, X, y):\n    raise ValueError('mine')\n")
    (tmp_path / "b.py").write_text("def backprop(W, b, X, y):\n    raise ValueError('other')\n")
    (tmp_path / "c.py").write_text("def backprop(W, b, X, y):\n    return 1\n")
    found = summary(grade(sorted(tmp_path.glob("*.py")), RUBRIC, sandbox="none"))
    assert found[0] == (2, "could not be graded: ValueError")
    assert found[1][1].startswith(
        "could not be graded: backprop must return a mapping with loss, grad_W and grad_b, or (loss"
    )


def test_an_interrupted_run_goes_on_with_the_same_networks(class_folder, tmp_path, capsys):
    out = tmp_path / "G.csv"
    (class_folder / "c_broken.py").write_text("def backprop(W, b, X, y): return 1\n")
    arguments = ["grade", *sorted(class_folder.glob("[abc]*.py")), "--rubric", tmp_path / "rubric.toml", "--out", out]
    _, first, _ = run_command(capsys, *arguments, "--format", "json")
    seed = json.loads(first)["seed"]
    text = out.read_bytes()
    out.write_bytes(text[: text.index(b"b_broken") + 60])  # killed while it wrote
    (class_folder / "c_broken.py").write_text("x = 1")
    code, second, err = run_command(capsys, *arguments, "--format", "json")
    assert code == 0
    assert "1 of 3 are known" in err
    again = json.loads(second)
    assert again["seed"] == seed
    before, after = (json.loads(text)["grades"] for text in (first, second))
    assert after[0] == before[0]
    assert {**after[1], "seconds": 0} == {**before[1], "seconds": 0}
    assert "no function" in after[2]["error"]
    assert [row["file"] for row in rows(out).values()] == [one["file"] for one in after]
    _, _, err = run_command(capsys, *arguments)
    assert "3 of 3 are known" in err


@pytest.mark.parametrize("change", ["seed", "rubric", "sandbox"])
def test_grades_that_are_no_longer_good_are_given_anew(class_folder, tmp_path, capsys, change):
    out, rubric = tmp_path / "G.csv", tmp_path / "rubric.toml"
    arguments = ["grade", class_folder / "a_right.py", "--rubric", rubric, "--out", out, "--sandbox", "none"]
    run_command(capsys, *arguments, "--seed", 1)
    if change == "rubric":
        rubric.write_text(rubric.read_text().replace("grad_W = 3", "grad_W = 30"))
    sandbox = "auto" if change == "sandbox" else "none"
    if change == "sandbox" and sandboxes.chosen() == "none":
        pytest.skip("no sandbox works here")
    _, _, err = run_command(capsys, *arguments[:-1], sandbox, "--seed", 2 if change == "seed" else 1)
    assert "known" not in err
    assert "pass" in err
    assert rows(out)["a_right"]["points of grad_W"] == ("30.0" if change == "rubric" else "3.0")


def test_rows_are_there_as_soon_as_they_are_known(class_folder, tmp_path):
    out = tmp_path / "G.csv"
    (class_folder / "b_broken.py").write_text("import time\ndef backprop(W, b, X, y): time.sleep(600)\n")
    command = [sys.executable, "-m", "backlit", "grade", class_folder / "a_right.py", class_folder / "b_broken.py"]
    process = subprocess.Popen([*command, "--rubric", tmp_path / "rubric.toml", "-o", out], stderr=subprocess.DEVNULL)
    while not out.exists() or "a_right" not in rows(out):
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert list(rows(out)) == ["a_right"]


def test_secret_seeds_differ_and_a_recorded_one_gives_the_same_networks(tmp_path):
    (tmp_path / "r.toml").write_text("[[networks]]\nshapes = [2, 3, 1]\n[[networks]]\nshapes = [2, 1]\nseed = 7\n")
    one, other = read_rubric(tmp_path / "r.toml"), read_rubric(tmp_path / "r.toml")
    again = read_rubric(tmp_path / "r.toml", one.seed)

    def thetas(rubric):
        return [view.problem.params.theta.tolist() for view in rubric.views]

    assert one.seed != other.seed
    assert thetas(one)[0] != thetas(other)[0]
    assert thetas(one)[1] == thetas(other)[1]
    assert thetas(one) == thetas(again)


@pytest.mark.parametrize(
    "line",
    ["seconds = inf", "seconds = nan", "seconds = 0.0", "memory_mb = 0.5", "memory_mb = 1e99", "seconds = true",
     "[points]\nloss = inf"],
)  # fmt: skip
def test_limits_that_are_none_are_refused(tmp_path, line):
    (tmp_path / "r.toml").write_text(f"{line}\n[[networks]]\nshapes = [2, 1]\n")
    with raises_naming(ProblemError, line.partition(" ")[0].rpartition("\n")[2], "number"):
        read_rubric(tmp_path / "r.toml")


def test_a_right_answer_for_the_first_network_alone_gets_no_points(tmp_path):
    file = tmp_path / "once.py"
    file.write_text((EXAMPLES / "student_template.py").read_text() + "\nexact, calls = backprop, []\n"
                    "def backprop(*given):\n    calls.append(1)\n"
                    "    return exact(*given) if len(calls) == 1 else 1\n")  # fmt: skip
    (one,) = grade([file], read_rubric(EXAMPLES / "rubric.toml", 3), sandbox="none")
    assert (one.verdict, one.points, set(one.by_quantity.values())) == ("error", 0, {0})


def test_what_is_not_certified_gets_no_points(tmp_path):
    text = (EXAMPLES / "student_template.py").read_text()
    file = tmp_path / "rounded.py"
    file.write_text(text + "\nexact = backprop\ndef backprop(*given):\n    r = exact(*given)\n"
                    "    two = lambda x: [[float(f'{v:.1e}') for v in row] for row in x]\n"
                    "    return {'loss': float(f'{r[\"loss\"]:.1e}'), 'grad_W': [two(w) for w in r['grad_W']],"
                    " 'grad_b': [two([w])[0] for w in r['grad_b']]}\n")  # fmt: skip
    (one,) = grade([file], read_rubric(EXAMPLES / "rubric.toml", 3))
    assert (one.verdict, one.points) == ("unresolved", 0)
    assert "look at it" in one.explanation


def test_a_sandbox_that_does_not_work_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sandboxes, "bwrap_works", lambda: False)
    with raises_naming(ProblemError, "bwrap", "does not work here"):
        sandboxes.chosen("bwrap")
    monkeypatch.setattr(sandboxes, "landlock_works", lambda: False)
    assert sandboxes.chosen("auto") == "none"
    with raises_naming(ProblemError, "required", "bubblewrap"):
        sandboxes.chosen("auto", required=True)
    with raises_naming(ProblemError, "none", "required"):
        sandboxes.chosen("none", required=True)
    with raises_naming(ProblemError, "sandbox must be one of", "'jail'"):
        sandboxes.chosen("jail")
    (tmp_path / "s.py").write_text("")
    code, _, err = run_command(
        capsys, "grade", tmp_path / "s.py", "--rubric", EXAMPLES / "rubric.toml", "--require-sandbox"
    )
    assert (code, err.count("\n")) == (2, 1)


def test_another_file_is_not_lost_to_a_table_of_grades_and_no_submission_is_an_error(tmp_path, capsys):
    (tmp_path / "rubric.toml").write_text("[[networks]]\nshapes = [2, 1]\n")
    (tmp_path / "empty").mkdir()
    students = tmp_path / "students.csv"
    students.write_text("name;mark\nAda;1\n")
    (tmp_path / "s.py").write_text("")
    code, out, err = run_command(
        capsys, "grade", tmp_path / "s.py", "--rubric", tmp_path / "rubric.toml", "-o", students
    )
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "is no table that grade wrote" in err
    assert students.read_text() == "name;mark\nAda;1\n"
    code, out, err = run_command(capsys, "grade", tmp_path / "empty", "--rubric", tmp_path / "rubric.toml")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "holds no submission" in err


def test_a_file_that_is_no_python_is_not_run_and_leaves_no_table(tmp_path, capsys):
    (tmp_path / "rubric.toml").write_text("[[networks]]\nshapes = [2, 1]\n")
    (tmp_path / "rare.csv").write_text("a,b\n1,2\n")
    out_file = tmp_path / "grades.csv"
    code, out, err = run_command(
        capsys, "grade", tmp_path / "rare.csv", "--rubric", tmp_path / "rubric.toml", "-o", out_file
    )
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert_names(err, "rare.csv", ".py")
    assert not out_file.exists()
    with raises_naming(ProblemError, "rare.csv", ".py"):
        next(grade([tmp_path / "rare.csv"], RUBRIC))


def test_a_submission_that_returns_nothing_is_told_by_its_function(tmp_path):
    assert "backprop must return" in graded(tmp_path, "pass", QUICK)


def test_a_table_of_grades_reads_back_what_was_written(tmp_path):
    rubric = replace(RUBRIC, source=b"x")
    (tmp_path / "=s.py").write_text("raise ValueError('+1, \"x\"')")
    (one,) = grade([tmp_path / "=s.py"], rubric)
    one = replace(one, file="=s.py")
    begin(tmp_path / "G.csv", [one], rubric)
    append(tmp_path / "G.csv", replace(one, file="t.py", error="-2"), rubric)
    back = known_grades(tmp_path / "G.csv", rubric)
    assert [again.file for again in back] == ["=s.py", "t.py"]
    assert back[0].row() == one.row()
    assert back[1].error == "-2"
    text = (tmp_path / "G.csv").read_text()
    assert "\n'=s.py," in text
    assert ",'-2," in text
    assert one.digest == digest(tmp_path / "=s.py", rubric)
    for odd in (b"", b"a,b\n1,2\n", b"\xff\xfe", text.encode()[:40], text.replace("error", "errors").encode()):
        (tmp_path / "odd.csv").write_bytes(odd)
        assert known_grades(tmp_path / "odd.csv", rubric) == []
    with pytest.raises((KeyError, ValueError, TypeError), match=r"."):
        grade_of({"file": "x"})
    assert summary([one, one])[0][0] == 2
    assert grades_csv([], rubric).count("\n") == 1


def test_a_grader_in_a_thread_is_fine(tmp_path):
    (tmp_path / "s.py").write_text("x = 1")
    found = []
    threads = [threading.Thread(target=lambda: found.extend(grade([tmp_path / "s.py"], RUBRIC))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.verdict for one in found] == ["error"] * 4


SAYS_WHEN_IT_BEGINS = """
import os, sys
from pathlib import Path
from backlit.verification.grading import sandbox

read = sandbox.read_parts

def read_parts(pipe, parts):
    parts.put(os.read(pipe.fileno(), len(sandbox.READY)))
    print("begun", flush=True)
    read(pipe, parts)

sandbox.read_parts = read_parts
given = {"W": [], "b": [], "X": [[1.0]], "y": [[1.0]]}
sandbox.run_submission(Path(sys.argv[1]), "backprop", [given], seconds=10_000, sandbox=sys.argv[2])
"""


def descendants(process: int) -> set[int]:
    """What a process has started, and what that has."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found, before = {process}, set()
    while found != before:
        before, found = found, found | {one for one, parent in parents.items() if parent in found}
    return found - {process}


def runs(process: int) -> bool:
    """Whether a process is there and has not ended; one that nobody waits for stays in the list."""
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux ends a process with its parent")
@pytest.mark.parametrize("sandbox", ALL)
def test_a_submission_ends_with_a_grader_that_is_killed(tmp_path, sandbox):
    (tmp_path / "s.py").write_text("import time\ndef backprop(W, b, X, y):\n    time.sleep(10_000)\n")
    command = [sys.executable, "-c", SAYS_WHEN_IT_BEGINS, str(tmp_path / "s.py"), sandbox]
    environment = os.environ | {"TMPDIR": str(tmp_path)}  # where a killed grader's folder may stay
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as grader:
        assert grader.stdout.readline() == b"begun\n"
        started = descendants(grader.pid)
        assert started
        grader.kill()
    end = time.monotonic() + 300
    while any(map(runs, started)):
        assert time.monotonic() < end, "a submission outlives its grader"
        time.sleep(0.05)
