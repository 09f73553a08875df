"""Grade a class of 300 in one command, 50 of them hostile, and hold every grade against the one that was earned.

The honest ones are the template, and the template with one of some mistakes, in a random order of names; what each must
get is known from how it was made.  The hostile ones are drawn by `hostile_submissions`.  Then nothing of theirs may run
or lie about, nobody may have opened a file that they were after (inotify tells) or called its socket.  Prints what it
did; exits with 1 at the first wrong grade, or trace.
"""

import argparse
import csv
import ctypes
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from hostile_submissions import MARK, SLEEPS, write_hostile

from backlit.verification.grading import child

TEMPLATE = (Path(__file__).resolve().parents[1] / "examples" / "student_template.py").read_text(encoding="utf-8")
RUBRIC = """
seconds = 2
memory_mb = 512
[points]
loss = 1
grad_b = 2
grad_W = 3
[[networks]]
shapes = [4, 5, 3]
activations = ["sigmoid", "softmax"]
loss = "cross_entropy"
"""
ALL_EVENTS = 0xFFF  # of inotify: opened, read, written, moved, removed, …
WRAP = "\n\nexact = backprop\n\n\ndef backprop(W, b, X, y):\n    r = exact(W, b, X, y)\n    {}\n    return r\n"
HONEST = {  # what is done to the template's answer: points that are left
    "pass": 6,
    "r['grad_W'] = [2 * w for w in r['grad_W']]": 3,
    "r['grad_b'] = [-v for v in r['grad_b']]": 4,
    "r['grad_W'] = [len(X) * w for w in r['grad_W']]; r['grad_b'] = [len(X) * v for v in r['grad_b']]": 1,
    "r['loss'] = r['loss'] + 1": 5,
    "r['grad_W'][0] = r['grad_W'][0] * (1 + 1e-3)": 3,
}


def write_class(folder: Path, honest: int, hostile: int, draw: random.Random, secret: Path) -> dict[str, float]:
    """Write the files; what each must get by its name."""
    points: dict[str, float] = {}
    kinds = [*range(honest), *[-1] * hostile]
    draw.shuffle(kinds)
    for number, kind in enumerate(kinds):
        path = folder / f"student_{number:04}.py"
        if kind >= 0:
            change = draw.choice(list(HONEST))
            path.write_text(TEMPLATE + WRAP.format(change), encoding="utf-8")
            points[str(path)] = HONEST[change]
            continue
        points[str(path)] = 0
        write_hostile(path, draw, secret)
    return points


class Audit:
    """A file, a folder and two sockets that no submission may touch, and whoever does."""

    TOKEN = "the secret of those who grade"

    def __init__(self, top: Path) -> None:
        self.secret = top / "secrets" / "secret.txt"
        self.secret.parent.mkdir()
        self.secret.write_text(self.TOKEN)
        names = str(self.secret.with_name("socket")), f"\0{self.secret}"
        self.servers = [socket.socket(socket.AF_UNIX) for _ in names]
        for server, name in zip(self.servers, names, strict=True):
            server.bind(name)
            server.listen()
            server.setblocking(False)
        library = ctypes.CDLL(None, use_errno=True)
        self.events = library.inotify_init1(os.O_NONBLOCK)
        if library.inotify_add_watch(self.events, os.fsencode(self.secret.parent), ALL_EVENTS) < 0:
            sys.exit("this system has no inotify: nothing could be seen")

    def traces(self, texts: list[str]) -> list[str]:
        """What was touched, left running or left lying about, and where the secret shows."""
        found = [f"the secret is told: {text[:200]}" for text in texts if self.TOKEN in text]
        with suppress(BlockingIOError):
            found.append(f"somebody opened a secret: {os.read(self.events, 4096)!r}")
        for server in self.servers:
            with suppress(BlockingIOError):
                found.append(f"a call from {server.accept()}")
        for place in ("/tmp", "/var/tmp", "/dev/shm", Path.home(), Path.cwd(), "/"):
            found += [f"{one} was written" for one in Path(place).glob(f"*{MARK}*")]
        return found + [f"process {one} still runs: {words[-3:]}" for one, words in forsaken()]


def forsaken() -> Iterator[tuple[int, list[bytes]]]:
    """Processes of submissions below no grader that runs, and their command lines."""
    parents, words = {}, {}
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            words[int(place.name)] = (place / "cmdline").read_bytes().split(b"\0")
            parents[int(place.name)] = int((place / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    for one, said in words.items():
        if {SLEEPS, os.fsencode(child.__file__)} & set(said):
            above = one
            while above in parents and b"grade" not in words[above]:
                above = parents[above]
            if above not in parents:
                yield one, said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--honest", type=int, default=250)
    parser.add_argument("--hostile", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sandbox", default="auto")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as top:
        folder, out, rubric, scratch = (Path(top, name) for name in ("class", "G.csv", "rubric.toml", "scratch"))
        folder.mkdir()
        scratch.mkdir()
        audit = Audit(Path(top))
        rubric.write_text(RUBRIC, encoding="utf-8")
        points = write_class(folder, options.honest, options.hostile, random.Random(options.seed), audit.secret)
        before, started = sorted(Path(top).iterdir()), time.perf_counter()
        command = ["grade", folder, "--rubric", rubric, "--out", out, "--sandbox", options.sandbox, "--require-sandbox"]
        done = subprocess.run(
            [sys.executable, "-m", "backlit", *command],
            env=os.environ | {"TMPDIR": str(scratch)},
            capture_output=True,
            text=True,
            check=False,
        )
        took = time.perf_counter() - started
        if done.returncode:
            sys.exit(f"exit code {done.returncode}:\n{done.stderr[-3000:]}")
        with out.open(newline="", encoding="utf-8") as file:
            found = {row["file"]: row for row in csv.DictReader(file)}
        if set(found) != set(points):
            sys.exit(f"{len(found)} of {len(points)} rows:\n{done.stderr[-3000:]}")
        for name, wanted in points.items():
            if float(found[name]["points"]) != wanted:
                sys.exit(f"{Path(name).name}: {wanted} points earned, got {found[name]}")
        if re.search(r"[\x00-\x08\x0b-\x1f]", done.stderr) or [*scratch.iterdir()]:
            sys.exit("control characters on the terminal, or files left")
        if sorted(Path(top).iterdir()) != sorted([*before, out]):
            sys.exit(f"files left: {sorted(Path(top).iterdir())}")
        if traces := audit.traces([out.read_text(encoding="utf-8"), done.stdout, done.stderr]):
            sys.exit("\n".join(traces))
        sandbox = next(iter(found.values()))["sandbox"]
        print(f"{len(points)} submissions, {options.hostile} of them hostile, in one run: every grade is right")
        print("  nothing read, written, called or left running elsewhere")
        print(f"  sandbox {sandbox}, {took:.0f} s, {took / len(points):.2f} s a submission")
        print("  " + "\n  ".join(done.stderr.splitlines()[-12:]))


if __name__ == "__main__":
    main()
