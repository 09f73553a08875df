"""Give mutated files to every parser, in forked workers under limits of time and memory.

A parser must answer with a value or with an error of one line, within seconds and within ten times the bytes that it
was given plus 200 MB, and touch nothing else: an audit hook watches.  A worker that hangs in a file is ended by the
system, as is one that crashes, and another goes on behind that file.  `--commands N` gives N of the files to whole
commands, in processes forked from one that has Backlit loaded; they must end with 0, 1 or 2 and errors of one line.
File k of a seed is the same in every run: `--first K` goes on where another run stopped, which says how far it came.
What breaks a rule is kept in `fuzzed/`; exits with 1.
"""

import argparse
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import Pipe
from multiprocessing.sharedctypes import RawArray
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_mutations import Source, mutated

from backlit import train
from backlit.cli import commands as _loaded  # noqa: F401  loaded, for all that fork from here
from backlit.cli import main as backlit
from backlit.core import Dense, Network
from backlit.derivation.examples import EXAMPLES, example_text
from backlit.engine import Data
from backlit.errors import BacklitError
from backlit.estimators import MLPClassifier, MLPRegressor
from backlit.formats.models import load_model
from backlit.formats.problems import read_problem
from backlit.tables import read_table
from backlit.training import Settings, fit
from backlit.training.checkpoint import FILE
from backlit.verification.grading.grade import known_grades
from backlit.verification.grading.rubric import read_rubric
from backlit.verification.quantities import named_claims

MOST_SECONDS = 60.0  # of a processor: a bound against hanging, on a busy machine too
SPARE, TIMES = 200 * 2**20, 10
WAIT = 300.0  # seconds that a file may keep a worker waiting, on a busy machine too
COUNTED = ("begun", "whole", "refused", "commands", "slowest", "largest")
FORBIDDEN = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect")
CHANGING = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.symlink", "os.link", "os.truncate")
PLACES = (sys.prefix, sys.base_prefix, *sys.path, *sys.modules["backlit"].__path__)
ITS_OWN = tuple({*map(os.path.realpath, PLACES), "/proc", "/sys", "/dev/null"})
TOML = 'title = "x"\nseconds = 5\n[points]\nloss = 1\n[[networks]]\nshapes = [2, 1]\nactivations = ["tanh"]\n'
YAML = "inputs: 2\nlayers:\n- &h {units: 2, activation: tanh}\n- *h\n- units: 1\nx: [[1, 2.5]]\ny: [[1]]\nl2: 1e-3\n"


# --- what is mutated --------------------------------------------------------------------------------------------------


def sources(folder: Path) -> list[Source]:
    """A right file of each kind, and what reads it."""
    page = str(folder / "page.html")
    shown = [["cost", "{}"], ["explain", "{}"], ["explore", "{}", "-o", page], ["check", "{}", "{}"]]
    problems = [Source(".json", example_text(name).encode(), read_problem, shown) for name in EXAMPLES]
    grading = [["grade", "{}", "--rubric", "{}", "--sandbox", "none", "--out", str(folder / "g.csv")]]
    worked = read_problem(json.loads(example_text("worked")))
    claims = json.dumps({"loss": 0.5, "grad_W": {"1": [[0.1, 0.2], [0.3, 0.4]]}, "z": {"2": [[1.0]]}}).encode()
    (folder / "p.json").write_text(example_text("worked"))
    return [
        *problems,
        Source(".yaml", YAML.encode(), read_problem, shown),
        Source(".toml", TOML.encode(), read_rubric, grading),
        Source(".json", claims, partial(named_claims, worked), [["check", str(folder / "p.json"), "{}"]]),
        *models(folder),
        *tables(folder),
        checkpoint(folder),
    ]


def models(folder: Path) -> Iterator[Source]:
    """Models of `train`, and of estimators with parameters and classes of several kinds."""
    train(dataset="iris", hidden=(4,), norm="batch", epochs=1, out=folder / "m.safetensors")
    train(dataset="iris", quality="fast", time_limit=1, compare=False, out=folder / "e.safetensors")
    (folder / "iris.csv").write_text("sepal length (cm),petal length (cm)\n5.1,1.4\n,x\n")
    out = [["export", "{}", str(folder / "m.onnx")], ["explore", "--model", "{}", "-o", str(folder / "page.html")]]
    for name in ("m", "e"):
        content = (folder / f"{name}.safetensors").read_bytes()
        used = [["cost", "{}"], ["diagnose", "--model", "{}"], ["predict", "{}", str(folder / "iris.csv")], *out]
        yield Source(".safetensors", content, load_model, used)
    X = np.random.default_rng(0).standard_normal((40, 3))
    words, labels = np.array(["a", "b", "c"])[np.arange(40) % 3], (X > 0).astype(int)
    options: dict[str, Any] = {"hidden_layer_sizes": (4, 4), "max_iter": 2, "random_state": 0}
    for model in (
        MLPClassifier(**options, activation=("tanh", {"name": "elu", "alpha": 0.5})).fit(X, words),
        MLPClassifier(**options, early_stopping=True).fit(X.astype(np.float32), labels),
        MLPRegressor(**options, norm="batch").fit(X, X[:, 0]),
    ):
        model.save(folder / "s.safetensors")
        yield Source(".safetensors", (folder / "s.safetensors").read_bytes(), type(model).load, [["cost", "{}"]])


def tables(folder: Path) -> Iterator[Source]:
    """Tables of each kind, and a table of grades."""
    import gzip

    import polars as pl

    frame = pl.DataFrame({"a": [1.5, None, 3.0], "b": ["x", "ü", "="], "day": ["2024-01-01", "2024-02-03", None]})
    training = ["train", "{}", "--target", "b", "--hidden", "2", "--epochs", "1", "--no-compare"]
    used = [["predict", str(folder / "m.safetensors"), "{}"], training]
    lines = frame.write_ndjson().encode()
    frame.write_parquet(folder / "t.parquet")
    frame.write_excel(folder / "t.xlsx")
    yield Source(".csv", frame.write_csv().encode(), read_table, used)
    yield Source(".tsv", frame.write_csv(separator="\t").encode("utf-16"), read_table, used)
    yield Source(".csv.gz", gzip.compress(frame.write_csv().encode()), read_table, used)
    yield Source(".jsonl", lines, read_table, used)
    yield Source(".parquet", (folder / "t.parquet").read_bytes(), read_table, used)
    yield Source(".xlsx", (folder / "t.xlsx").read_bytes(), read_table, used)
    head = "file,verdict,points,out_of,seed,points of loss\ns.py,pass,1.0,1.0,7,1.0\n"
    yield Source(".csv", head.encode(), known_grades, used)


def checkpoint(folder: Path) -> Source:
    """A checkpoint in mid-epoch; its parser goes on from it."""
    X = np.random.default_rng(0).standard_normal((6, 2))
    net, data = Network(2, [Dense(3, "tanh", norm="batch"), Dense(1)]), Data(X, X[:, :1])
    settings = Settings(epochs=2, batch_size=2, n_threads=1, restore_best=True)
    run = folder / "run"

    def resume(path: Path | None = None) -> Any:
        if path is not None:
            (run / FILE).write_bytes(path.read_bytes())
        return fit(net, net.init(seed=1), data, settings, checkpoint=run, checkpoint_every=2)

    resume()
    return Source(".safetensors", (run / FILE).read_bytes(), resume, [["cost", "{}"]])


# --- a worker ---------------------------------------------------------------------------------------------------------


class Tally:
    """Counts in memory that outlives the worker which writes them; `slowest` in seconds, `largest` in bytes."""

    def __init__(self) -> None:
        self.counts = RawArray("d", len(COUNTED))

    def __getitem__(self, name: str) -> float:
        return self.counts[COUNTED.index(name)]

    def __setitem__(self, name: str, count: float) -> None:
        self.counts[COUNTED.index(name)] = count

    def said(self) -> dict[str, float]:
        return dict(zip(COUNTED, self.counts, strict=True))


def touches(event: str, arguments: tuple, folder: Path) -> bool:
    """Does an event of the audit hook reach beyond the folder: by a process, a connection, or a file that changes?"""
    if event in FORBIDDEN:
        return True
    if event not in ("open", *CHANGING) or not isinstance(arguments[0], str | bytes | os.PathLike):
        return False
    path = os.path.realpath(os.fsdecode(arguments[0]))
    writes = event != "open" or bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))
    return not path.startswith((str(folder), "/dev/null") if writes else (str(folder), *ITS_OWN, "/etc", "/usr/share"))


def supervise(shares: range, options: argparse.Namespace, folder: Path, report: int) -> None:
    """Have workers parse a share of the files, a new one behind each file that ends a worker.

    This process itself runs no library, whose threads a fork would lose.
    """
    tally = Tally()
    while tally["begun"] < len(shares):
        if (child := os.fork()) == 0:
            status = 1
            try:
                work(shares, tally, options, folder, report)
                status = 0
            except BaseException:
                os.write(report, f"{traceback.format_exc()}\n".replace("\n", " | ").encode() + b"\n")
            finally:
                os._exit(status)
        status, number = os.waitpid(child, 0)[1], shares[max(int(tally["begun"]) - 1, 0)]
        if os.WIFSIGNALED(status):
            how = signal.Signals(os.WTERMSIG(status)).name
            last = max(folder.glob("f.*"), key=lambda file: file.stat().st_mtime_ns)
            keep(f"{number}{last.name[1:]}", last.read_bytes(), f"ended by {how}", report)
        elif status:
            os.write(report, f"a worker ended with {status} at file {number}\n".encode())
            if not tally["begun"]:
                return
    progress(shares, tally, report)


def keep(name: str, data: bytes, fault: str, report: int) -> None:
    """Keep a file that breaks a rule, and say which."""
    kept = Path("fuzzed") / name
    kept.parent.mkdir(exist_ok=True)
    kept.write_bytes(data)
    os.write(report, f"{kept}: {fault}\n".encode("utf-8", "backslashreplace"))


def progress(shares: range, tally: Tally, report: int) -> None:
    """Tell how far a share has come."""
    os.write(report, f"# {shares.start} {json.dumps(tally.said())}\n".encode())


@contextmanager
def cut_when_late() -> Iterator[None]:
    """Have the system end this process where one file takes too long, whatever code it is in."""
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + 2 * MOST_SECONDS) + 1, resource.RLIM_INFINITY))
    signal.setitimer(signal.ITIMER_REAL, WAIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def work(shares: range, tally: Tally, options: argparse.Namespace, folder: Path, report: int) -> None:
    """One worker: parse what is left of its share; write a line for each file that breaks a rule."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    run = command_runner(folder) if options.commands else None
    all_sources, touched, watching, told = sources(folder), [], False, time.monotonic()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what libraries say as they refuse a file

    def hook(event: str, arguments: tuple) -> None:
        if watching and touches(event, arguments, folder):
            touched.append(f"{event} {arguments}"[:200])

    sys.addaudithook(hook)
    for number in shares[int(tally["begun"]) :]:
        tally["begun"] += 1
        draw = random.Random(f"{options.seed} {number}")
        source = draw.choice(all_sources)
        data, path, fault = mutated(draw, source), folder / f"f{source.suffix}", ""
        path.write_bytes(data)
        before, started, watching = most_memory(), time.thread_time(), True
        try:
            with cut_when_late():
                value = source.parse(path)
            tally["whole"] += 1
            del value
        except BacklitError as error:
            tally["refused"] += 1
            fault = "an error of several lines" if "\n" in str(error) else ""
        except BaseException as error:  # anything else is what is looked for
            fault = f"{type(error).__name__}: {str(error)[:200]}"
        watching, took, used = False, time.thread_time() - started, most_memory() - before
        tally["slowest"], tally["largest"] = max(took, tally["slowest"]), max(used, tally["largest"])
        if took > MOST_SECONDS or used > TIMES * len(data) + SPARE or touched:
            fault = fault or f"{took:.1f} s, {used / 2**20:.0f} MB, touched {touched}"
        if not fault and run and number * options.commands % options.files < options.commands:
            tally["commands"] += 1
            fault, took = as_a_command(run, [part.format(path) for part in draw.choice(source.commands)])
            tally["slowest"] = max(took, tally["slowest"])
        if fault:
            keep(f"{number}{source.suffix}", data, fault, report)
            touched.clear()
        if time.monotonic() - told > 5:
            progress(shares, tally, report)
            told = time.monotonic()


def most_memory() -> int:
    """The most that this process held so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


# --- whole commands ---------------------------------------------------------------------------------------------------


Runner = Callable[[list[str]], tuple[int, str, float]]


def command_runner(folder: Path) -> Runner:
    """What runs a command in a process of its own: (exit code, standard error, seconds of a processor).

    They fork from a process that has Backlit loaded, but has never run a library that starts threads.
    """
    ours, theirs = Pipe()
    if os.fork() == 0:
        ours.close()
        try:
            while True:
                arguments = theirs.recv()
                if (child := os.fork()) == 0:
                    command(arguments, folder)
                _, status, usage = os.wait4(child, 0)
                said = (folder / "err").read_text(errors="replace")
                theirs.send((os.waitstatus_to_exitcode(status), said, usage.ru_utime + usage.ru_stime))
        finally:
            os._exit(0)
    theirs.close()

    def run(arguments: list[str]) -> tuple[int, str, float]:
        ours.send(arguments)
        return ours.recv()

    return run


def command(arguments: list[str], folder: Path) -> None:
    """Run one command in this process, and end it."""
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    sys.stdout, sys.stderr = open(1, "w"), open(2, "w")  # noqa: SIM115  open until the process ends
    sys.dont_write_bytecode, tempfile.tempdir = True, str(folder)
    resource.setrlimit(resource.RLIMIT_CPU, (int(MOST_SECONDS), resource.RLIM_INFINITY))
    signal.setitimer(signal.ITIMER_REAL, 10 * WAIT)
    grades = arguments[0] == "grade"  # whose work it is to start processes

    def hook(event: str, values: tuple) -> None:
        if touches(event, values, folder) and not (grades and event in FORBIDDEN):
            os.write(2, f"Traceback: touched {event} {values}"[:300].encode() + b"\n")

    code = 70
    try:
        sys.addaudithook(hook)
        code = backlit(arguments)
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def as_a_command(run: Runner, arguments: list[str]) -> tuple[str, float]:
    """What is wrong with how a command ended, "" if nothing; and the seconds of a processor that it took."""
    code, said, took = run(arguments)
    errors = sum(line.startswith("backlit:") for line in said.splitlines())
    if code not in (0, 1, 2) or "Traceback" in said or "didn't foresee" in said:
        return f"{' '.join(arguments)}: exit code {code}, {said[-300:]!r}", took
    return "" if code != 2 or errors == 1 else f"{' '.join(arguments)}: {errors} lines of errors", took


# --- all of them ------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--commands", type=int, default=20_000, help="of the files, given to whole commands too")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    options = parser.parse_args()
    options.commands = min(options.commands, options.files)
    latest, faults, last, told = {}, 0, options.first + options.files, time.monotonic()
    with tempfile.TemporaryDirectory() as top:
        read_end, write_end = os.pipe()
        children = []
        for k in range(options.workers):
            folder = Path(os.path.realpath(top), str(k))
            folder.mkdir()
            if (child := os.fork()) == 0:
                status = 1
                try:
                    resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
                    supervise(range(options.first + k, last, options.workers), options, folder, write_end)
                    status = 0
                finally:
                    os._exit(status)
            children.append(child)
        os.close(write_end)
        with open(read_end, encoding="utf-8") as report:
            for line in report:
                if line.startswith("# "):
                    _, start, counts = line.split(" ", 2)
                    latest[start] = json.loads(counts)
                    if time.monotonic() - told > 30:
                        print(f"seed {options.seed}, from file {options.first}: {summary(latest)}", flush=True)
                        told = time.monotonic()
                else:
                    faults += 1
                    print(line.strip(), flush=True)
        ended = [os.waitpid(child, 0)[1] for child in children]
    print(summary(latest))
    if faults or any(ended):
        sys.exit(f"{faults} files break a rule; workers ended with {ended}")


def summary(latest: dict[str, dict[str, float]]) -> str:
    """What was done so far, in two lines."""
    total = {name: sum(counts[name] for counts in latest.values()) for name in COUNTED[:4]}
    slowest, largest = (max((counts[name] for counts in latest.values()), default=0) for name in COUNTED[4:])
    return (
        f"{total['begun']:,.0f} mutated files: {total['refused']:,.0f} refused in one line, "
        f"{total['whole']:,.0f} still whole\n  {total['commands']:,.0f} of them as whole commands; "
        f"slowest {slowest:.1f} s of a processor, most memory {largest / 2**20:.0f} MB; nothing else touched"
    )


if __name__ == "__main__":
    main()
