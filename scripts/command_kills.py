"""Kill commands in the act, and fill their disk: each output is the old one or a whole new one, and no cut one has 0.

Train, predict, save, checkpoint, grade and explore are killed by SIGKILL at a random moment, or at one of their events
(a file opened, renamed, removed, …), or may write so many bytes to a file and no more.  Then: every output is what it
was before or whole; the exit code is 0 only where all of it is whole; the same command, run again (after one
run of four), ends with 0 and leaves nothing half-written behind.  Prints what it did; exits
with 1 at the first failure.
"""

import argparse
import csv
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from backlit.cli import commands as _loaded  # noqa: F401  loaded, for all that fork from here
from backlit.cli import main as backlit
from backlit.formats.models import load_model
from backlit.training.checkpoint import FILE, read

EVENTS = ("open", "os.rename", "os.remove", "os.chmod", "os.mkdir", "os.truncate")
AGAIN = 4  # of so many runs one is followed by an unbroken one
SLOWEST = 600.0  # seconds: a bound against hanging
IRIS = "sepal_length_cm,sepal_width_cm,petal_length_cm,petal_width_cm\n" + "5.1,3.5,1.4,0.2\n" * 400
TEMPLATE = Path(__file__).resolve().parents[1] / "examples" / "student_template.py"
RUBRIC = """
[points]
loss = 1
[[networks]]
shapes = [4, 5, 3]
activations = ["sigmoid", "softmax"]
loss = "cross_entropy"
"""
TRAIN = ["train", "--dataset", "iris", "--hidden", "4", "--no-compare", "--format", "json"]
GRADE = ["grade", "a.py", "b.py", "--rubric", "r.toml", "--out", "G.csv", "--html", "g.html", "--format", "json"]


# --- what is killed ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A command, or a function of the library, and what it writes; each output has what says whether it is whole."""

    run: list[str] | Callable[[], object]
    outputs: dict[str, Callable[[Path], object]]


def ends_as_a_page(path: Path) -> None:
    if not path.read_text(encoding="utf-8").rstrip().endswith("</html>"):
        raise ValueError("a page without an end")


def has_every_row(path: Path) -> None:
    if path.read_bytes().count(b"\n") != IRIS.count("\n"):
        raise ValueError("rows are missing")


def has_both_grades(path: Path) -> None:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    if [(row["file"], float(row["points"])) for row in rows] != [("a.py", 1.0), ("b.py", 0.0)]:
        raise ValueError(f"other grades: {rows}")


def save() -> None:
    import numpy as np

    from backlit.estimators import MLPRegressor

    X = np.arange(12.0).reshape(6, 2)
    MLPRegressor(hidden_layer_sizes=(3,), max_iter=1, tol=0).partial_fit(X, X[:, 0]).save("s.safetensors")


CASES = {
    "train": Case(
        [*TRAIN, "--epochs", "2", "--out", "n.safetensors", "--report", "n.html"],
        {"n.safetensors": load_model, "n.html": ends_as_a_page},
    ),
    "predict": Case(["predict", "m.safetensors", "iris.csv", "-o", "p.csv"], {"p.csv": has_every_row}),
    "save": Case(save, {"s.safetensors": load_model}),
    "checkpoint": Case([*TRAIN, "--epochs", "9", "--checkpoint", "run"], {f"run/{FILE}": read}),
    "explore": Case(["explore", "--example", "worked", "-o", "e.html"], {"e.html": ends_as_a_page}),
    "grade": Case(GRADE, {"G.csv": has_both_grades, "g.html": ends_as_a_page}),
}
GROWS = ("G.csv", f"run/{FILE}")  # a row, or an epoch, at a time: what is there before the end is whole, but not all


def prepare(folder: Path) -> None:
    """The inputs of the commands."""
    (folder / "iris.csv").write_text(IRIS)
    (folder / "r.toml").write_text(RUBRIC)
    shutil.copy(TEMPLATE, folder / "a.py")
    (folder / "b.py").write_text("def backprop(W, b, X, y):\n    return {'loss': -1.0}\n")
    if run(Case([*TRAIN, "--epochs", "1", "--out", "m.safetensors"], {}), folder).code:
        sys.exit("no model to predict with")


# --- how it ends ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ended:
    code: int
    events: int
    seconds: float
    output: str
    errors: str


def run(case: Case, folder: Path, *, at_event: int = 0, after: float = 0.0, most: int = 0) -> Ended:
    """Run a case in a process of its own: killed at an event, or after some seconds, or with files of `most` bytes."""
    out, err, count = folder / "out.txt", folder / "err.txt", folder / "count.txt"
    count.unlink(missing_ok=True)
    for path in (out, err):
        path.write_text("")
    started = time.monotonic()
    if (child := os.fork()) == 0:
        status = 70
        try:
            os.chdir(folder)
            for descriptor, path in ((1, out), (2, err)):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
            sys.stdout, sys.stderr = open(1, "w"), open(2, "w")  # noqa: SIM115  open until the process ends
            signal.setitimer(signal.ITIMER_REAL, SLOWEST)
            events = watched(folder, at_event)
            if most:
                resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
            status = backlit(case.run) if isinstance(case.run, list) else (case.run(), 0)[1]
            if not most:
                count.write_text(str(len(events)))
        except BaseException:
            with suppress(OSError):
                os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(status)
    if after:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    events = int(count.read_text()) if count.exists() else 0
    return Ended(code, events, time.monotonic() - started, out.read_text(), err.read_text(errors="replace"))


def watched(folder: Path, at_event: int) -> list[str]:
    """Count the events that change the folder, and end this process at one of them; a list that grows with them."""
    seen: list[str] = []

    def hook(event: str, arguments: tuple) -> None:
        if event not in EVENTS or not isinstance(arguments[0], str | os.PathLike):
            return
        if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
            return
        if os.path.realpath(arguments[0]).startswith(str(folder)):
            seen.append(event)
            if len(seen) == at_event:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    return seen


def fault_of(case: Case, folder: Path, before: dict[str, bytes | None], ended: Ended) -> str:
    """What is wrong with what a run left; "" if nothing."""
    for name, check in case.outputs.items():
        path = folder / name
        now = path.read_bytes() if path.exists() else None
        if now == before[name] and ended.code != 0:
            continue
        try:
            check(path)
        except Exception as error:
            if ended.code == 0 or name not in GROWS or name.startswith("run"):
                return f"{name} is neither the old one nor whole: {error!r}"
    if ended.code == 0 and isinstance(case.run, list) and "json" in case.run:
        json.loads(ended.output)
    if isinstance(case.run, list) and ("Traceback" in ended.errors or "didn't foresee" in ended.errors):
        return ended.errors[-2000:]
    return ""


def unfinished(case: Case, folder: Path) -> list[str]:
    """What is left of a case's outputs half-written; another's is its own next run's to remove."""
    places = [folder / output for output in case.outputs]
    return [str(left) for place in places for left in place.parent.glob(f".{place.stem}.*{place.suffix}")]


# --- many times -------------------------------------------------------------------------------------------------------


def tried(name: str, number: int, draw: random.Random, folder: Path, whole: Ended, largest: int) -> tuple[str, str]:
    """(how it was ended, what is wrong) of one run, and of the one after it."""
    case, how = CASES[name], ("event", "moment", "disk")[number // len(CASES) % 3]
    if draw.random() < 0.5:  # with no old outputs
        for output in case.outputs:
            (folder / output).unlink(missing_ok=True)
    before = {one: (folder / one).read_bytes() if (folder / one).exists() else None for one in case.outputs}
    told = {
        "event": {"at_event": draw.randint(1, max(whole.events, 1))},
        "moment": {"after": draw.uniform(0.001, whole.seconds)},
        "disk": {"most": draw.randint(1, largest)},
    }[how]
    ended = run(case, folder, **told)
    what = f"{how}: exit code {ended.code}" if ended.code >= 0 else f"{how}: killed"
    if fault := fault_of(case, folder, before, ended):
        return what, f"{told}: {fault}"
    if number // len(CASES) % AGAIN:  # else the next run of the case begins with what this one left
        return what, ""
    again = run(case, folder)
    before = dict.fromkeys(case.outputs)
    if again.code:
        return what, f"{told}, and then exit code {again.code}: {again.errors[-500:]}"
    if fault := fault_of(case, folder, before, again):
        return what, f"{told}, and then {fault}"
    return what, f"{told}: {left} are left" if (left := unfinished(case, folder)) else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--first", type=int, default=0, help="number of the first run")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    seen = Counter[str]()
    with tempfile.TemporaryDirectory() as top:
        folder = Path(os.path.realpath(top))
        prepare(folder)
        whole = {name: run(case, folder) for name, case in CASES.items()}
        if any(ended.code for ended in whole.values()):
            sys.exit(f"a command does not work: {whole}")
        largest = {
            name: max(int(1.2 * max((folder / one).stat().st_size for one in case.outputs)), 1)
            for name, case in CASES.items()
        }
        for number in range(options.first, options.first + options.runs):
            name, draw = list(CASES)[number % len(CASES)], random.Random(f"{options.seed} {number}")
            what, fault = tried(name, number, draw, folder, whole[name], largest[name])
            if fault:
                sys.exit(f"run {number}, {name}, {fault}")
            seen[f"{name} {what}"] += 1
            if (number + 1) % 50 == 0:
                print(f"{number + 1 - options.first} runs", flush=True)
    print(f"{options.runs} commands killed, or with a full disk: every output the old or a whole one, 0 only if whole")
    print("  " + "\n  ".join(f"{n:4} {what}" for what, n in sorted(seen.items())))


if __name__ == "__main__":
    main()
