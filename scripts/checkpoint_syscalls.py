"""Kill the writing of a checkpoint at each of its system calls: the old or the new checkpoint is whole, always.

A child process replaces one checkpoint by another; strace counts its system calls between two marks, and then kills one
child for each of them with SIGKILL as the call is made (`strace -e inject=CALL:signal=KILL:when=N`).
After each kill the file must be the old checkpoint or the new one to the byte, load, and be replaceable by the next
write; no second file may lie there under the checkpoint's name.  Needs strace and the right to trace one's own
children.  Prints the calls; exits with 1 at the first failure.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from backlit.core import Dense, Network
from backlit.engine import Data, State, get_engine
from backlit.engine.base import TrainConfig
from backlit.optim import get_optimizer
from backlit.training import History, Settings
from backlit.training.checkpoint import FILE, load_checkpoint, read, save_checkpoint
from backlit.training.run import EarlyStopping, Run

BEGIN, END = "/backlit-begin", "/backlit-end"  # looked for by name, never there: marks in the trace
UNSTARTED = ("execve", "exit_group", "exit")
CALL = re.compile(r"^(?:\d+ +)?(\w+)\((.*)")


def a_run(step: int) -> Run:
    """A run as it stands after some step, with a batch norm and an optimizer's vectors."""
    draw = np.random.default_rng(step)
    net = Network(4, [Dense(30, "tanh", norm="batch"), Dense(1)])
    settings = Settings(epochs=3, batch_size=5, optimizer=get_optimizer("adam"), engine="reference")
    state = State.start(net, net.init(seed=step), settings.optimizer)
    state.step = step
    rows = np.ones((10, 4))
    engine = get_engine("reference", TrainConfig(net, settings.optimizer, 5))
    run = Run(net, settings, engine, state, History(), Data(rows, rows[:, :1]), None, None, EarlyStopping(settings))
    for slot in state.slots:
        slot[:] = draw.standard_normal(len(slot))
    return run


def child(folder: Path, step: int) -> None:
    """Write one checkpoint between the marks; whatever Python loads lazily has been loaded before the first."""
    with tempfile.TemporaryDirectory() as elsewhere:
        save_checkpoint(Path(elsewhere), a_run(0))
    run = a_run(step)
    os.path.exists(BEGIN)
    save_checkpoint(folder, run)
    os.path.exists(END)


def start(folder: Path, step: int, trace: list[str]) -> subprocess.CompletedProcess:
    command = [sys.executable, __file__, "--child", str(folder), "--step", str(step)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run([*trace, *command], env=environment, capture_output=True, text=True, check=False)


def calls(folder: Path, log: Path) -> list[tuple[str, int]]:
    """(name, which of that name in the whole process) of each system call of writing a checkpoint."""
    done = start(folder, 2, ["strace", "-f", "-qq", "-o", str(log)])
    if done.returncode:
        sys.exit(f"strace cannot trace a child here: {done.stderr.strip()[-300:]}")
    counted: Counter[str] = Counter()
    found, inside = [], False
    for line in log.read_text(errors="replace").splitlines():
        match = CALL.match(line)
        if match is None:
            continue
        name, rest = match.groups()
        counted[name] += 1
        if END in rest:
            break
        if inside and name not in UNSTARTED:
            found.append((name, counted[name]))
        inside = inside or BEGIN in rest
    return found


def whole(folder: Path, old: bytes, new: bytes) -> str:
    """Which checkpoint lies in the folder; exits where it is neither, or does not load, or cannot be replaced."""
    content = (folder / FILE).read_bytes()
    if content not in (old, new):
        sys.exit(f"{len(content)} bytes are neither the old nor the new checkpoint")
    read(folder / FILE)
    run = a_run(1)
    load_checkpoint(folder, run)
    if run.state.step != (1 if content == old else 2):
        sys.exit(f"the checkpoint loads as step {run.state.step}")
    litter = [path.name for path in folder.iterdir() if path.name != FILE]
    if any(not name.startswith(".") for name in litter):
        sys.exit(f"files were left under a visible name: {litter}")
    save_checkpoint(folder, a_run(3))  # what the kill left does not stand in the way of the next one
    return "old" if content == old else "new"


def killed(top: Path, name: str, when: int, old: bytes, new: bytes) -> str:
    """Which checkpoint is found after a kill at one system call."""
    folder = top / f"{name}-{when}"
    folder.mkdir()
    (folder / FILE).write_bytes(old)
    inject = ["-e", f"trace={name}", "-e", f"inject={name}:signal=KILL:when={when}"]
    done = start(folder, 2, ["strace", "-f", "-qq", "-o", os.devnull, *inject])
    if done.returncode not in (-signal.SIGKILL, 128 + signal.SIGKILL):
        sys.exit(f"{name} number {when}: the child ended with {done.returncode} and was not killed there")
    found = whole(folder, old, new)
    shutil.rmtree(folder)
    return found


def content_of(top: Path, step: int) -> bytes:
    save_checkpoint(top / f"step-{step}", a_run(step))
    return (top / f"step-{step}" / FILE).read_bytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=int, default=10**6, help="calls to kill at, evenly chosen")
    parser.add_argument("--child", type=Path)
    parser.add_argument("--step", type=int, default=2)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.step)
        return
    if shutil.which("strace") is None:
        sys.exit("strace is not installed: install it, and run this again")
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        old, new = content_of(top, 1), content_of(top, 2)
        (top / "traced").mkdir()
        (top / "traced" / FILE).write_bytes(old)
        found = calls(top / "traced", top / "log")
        chosen = found[:: max(1, -(-len(found) // options.most))]
        seen: Counter[str] = Counter()
        for number, (name, when) in enumerate(chosen, start=1):
            seen[killed(top, name, when, old, new)] += 1
            if sys.stderr.isatty():
                print(f"\r{number} of {len(chosen)}", end="", file=sys.stderr)
    names = ", ".join(f"{name} {count}" for name, count in Counter(name for name, _ in found).most_common())
    print(f"killed at {len(chosen)} of the {len(found)} system calls of writing a checkpoint: always a whole one")
    print(f"  the old one {seen['old']} times, the new one {seen['new']} times; calls: {names}")
    if not seen["old"] or (len(chosen) == len(found) and not seen["new"]):
        sys.exit("the kills did not come on both sides of the rename: nothing was shown")


if __name__ == "__main__":
    main()
