"""Give mutated files to every parser, in forked workers under limits of time and memory.

A parser must answer with a value or with an error of one line, within seconds and within ten times the bytes that it
was given plus 200 MB, and touch nothing: an audit hook watches.  A worker that hangs in a file is ended by the system,
as is one that crashes, and another goes on behind that file.  `--commands N` runs N of the files as whole commands,
which must end with 0, 1 or 2 and errors of one line.  What breaks a rule is kept in `fuzzed/`; exits with 1.
"""

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.sharedctypes import RawArray
from pathlib import Path
from typing import Any

from fuzz_models import MOST_SECONDS, mutate_bytes, mutate_json

from backlit import train
from backlit.derivation.examples import EXAMPLES, example_text
from backlit.errors import BacklitError
from backlit.formats.models import load_model
from backlit.formats.problems import read_problem
from backlit.tables import read_table
from backlit.verification.grading.rubric import read_rubric
from backlit.verification.grading.table import known_grades
from backlit.verification.quantities import named_claims

SPARE, TIMES = 200 * 2**20, 10
WAIT = 60.0  # seconds that a file may keep a worker waiting without working
COUNTED = ("begun", "whole", "refused", "commands")
FORBIDDEN = ("subprocess.Popen", "os.system", "os.exec", "os.fork", "socket.connect", "os.remove", "os.rename")
FOREIGN = [
    "[" * 3000, '{"a":' * 500 + "1" + "}" * 500, "a: &a [*a]", "\ud800\udfff", "\x00" * 50, "1e999", "-1" + "0" * 400,
    "NaN", "!!python/name:os.system", "\u202e", "9" * 5000, "a." * 200 + "b=1", "=cmd()", '"' * 999, ",;\t|" * 99,
]  # fmt: skip
TOML = 'title = "x"\nseconds = 5\n[points]\nloss = 1\n[[networks]]\nshapes = [2, 1]\nactivations = ["tanh"]\n'
YAML = "inputs: 2\nlayers:\n- &h {units: 2, activation: tanh}\n- *h\n- units: 1\nx: [[1, 2.5]]\ny: [[1]]\nl2: 1e-3\n"
Parser = Callable[[Path], Any]
Source = tuple[str, bytes, Parser, list[str]]  # suffix, a right file, its parser, the command that reads it


def sources(folder: Path) -> list[Source]:
    """What is mutated."""
    import polars as pl

    problems = [example_text(name) for name in EXAMPLES]
    found: list[Source] = [(".json", text.encode(), read_problem, ["cost", "{}"]) for text in problems]
    found.append((".yaml", YAML.encode(), read_problem, ["cost", "{}"]))
    found.append((".toml", TOML.encode(), read_rubric, ["grade", "{}", "--rubric", "{}", "--sandbox", "none"]))
    worked = read_problem(json.loads(example_text("worked")))
    claims = json.dumps({"loss": 0.5, "grad_W": {"1": [[0.1, 0.2], [0.3, 0.4]]}, "z": {"2": [[1.0]]}}).encode()
    found.append((".json", claims, lambda path: named_claims(worked, path), ["check", str(folder / "p.json"), "{}"]))
    (folder / "p.json").write_text(example_text("worked"))
    train(dataset="iris", hidden=(4,), epochs=1, out=folder / "m.safetensors")
    model = (folder / "m.safetensors").read_bytes()
    found.append((".safetensors", model, load_model, ["cost", "{}"]))
    table = pl.DataFrame({"a": [1.5, None, 3.0], "b": ["x", "ü", "="], "day": ["2024-01-01", "2024-02-03", None]})
    predicting = ["predict", str(folder / "m.safetensors"), "{}"]
    found.append((".csv", table.write_csv().encode(), read_table, predicting))
    found.append((".jsonl", table.write_ndjson().encode(), read_table, predicting))
    table.write_parquet(folder / "t.parquet")
    found.append((".parquet", (folder / "t.parquet").read_bytes(), read_table, predicting))
    head = "file,verdict,points,out_of,seed,points of loss\ns.py,pass,1.0,1.0,7,1.0\n"
    found.append((".csv", head.encode(), known_grades, predicting))
    return found


def mutated(draw: random.Random, content: bytes) -> bytes:
    """A file that was nearly right."""
    kind = draw.random()
    if kind < 0.3:
        try:
            return json.dumps(mutate_json(draw, json.loads(content))).encode()
        except (ValueError, UnicodeDecodeError):
            kind = 1
    if kind < 0.6:
        at = draw.randrange(len(content) + 1)
        return content[:at] + draw.choice(FOREIGN).encode("utf-8", "surrogatepass") + content[at:]
    return mutate_bytes(draw, content)


class Tally:
    """Counts in memory that outlives the worker which writes them."""

    def __init__(self) -> None:
        self.counts = RawArray("q", 4)

    def __getitem__(self, name: str) -> int:
        return self.counts[COUNTED.index(name)]

    def __setitem__(self, name: str, count: int) -> None:
        self.counts[COUNTED.index(name)] = count


def supervise(number: int, files: int, seed: int, folder: Path, commands: int, report: int) -> None:
    """Have workers parse a share of the files, a new one behind each file that ends a worker.

    This process itself runs no library, whose threads a fork would lose.
    """
    tally = Tally()
    while tally["begun"] < files:
        if (child := os.fork()) == 0:
            status = 1
            try:
                work(number, tally, files, seed, folder, commands, report)
                status = 0
            finally:
                os._exit(status)
        status = os.waitpid(child, 0)[1]
        if os.WIFSIGNALED(status):
            how = signal.Signals(os.WTERMSIG(status)).name
            last = max(folder.glob("f.*"), key=lambda file: file.stat().st_mtime_ns)
            keep(f"{number}-{tally['begun'] - 1}{last.suffix}", last.read_bytes(), f"ended by {how}", report)
        elif status:
            os.write(report, f"worker {number} ended with {status} at its file {tally['begun'] - 1}\n".encode())
    os.write(report, f"# {json.dumps({name: tally[name] for name in COUNTED})}\n".encode())


def keep(name: str, data: bytes, fault: str, report: int) -> None:
    """Keep a file that breaks a rule, and say which."""
    kept = Path("fuzzed") / name
    kept.parent.mkdir(exist_ok=True)
    kept.write_bytes(data)
    os.write(report, f"{kept}: {fault}\n".encode("utf-8", "backslashreplace"))


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


def work(number: int, tally: Tally, files: int, seed: int, folder: Path, commands: int, report: int) -> None:
    """One worker: parse what is left of its share; write a line for each file that breaks a rule."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    all_sources = sources(folder)
    path, touched, watching = folder, [], False

    def hook(event: str, arguments: tuple) -> None:
        other = (
            event == "open" and str(arguments[0]) not in (str(path), "None") and str(arguments[1]) in ("w", "a", "x")
        )
        if watching and (event in FORBIDDEN or other):
            touched.append(f"{event} {arguments}"[:200])

    sys.addaudithook(hook)
    for count in range(tally["begun"], files):
        tally["begun"], draw = count + 1, random.Random(f"{seed} {number} {count}")
        suffix, content, parse, command = draw.choice(all_sources)
        data = mutated(draw, content)
        path = folder / f"f{suffix}"
        path.write_bytes(data)
        before, started, watching = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.thread_time(), True
        fault = ""
        try:
            with cut_when_late():
                parse(path)
            tally["whole"] += 1
        except BacklitError as error:
            tally["refused"] += 1
            fault = "an error of several lines" if "\n" in str(error) else ""
        except BaseException as error:  # anything else is what is looked for
            fault = f"{type(error).__name__}: {str(error)[:200]}"
        watching = False
        used = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        if time.thread_time() - started > MOST_SECONDS or used > TIMES * len(data) + SPARE or touched:
            fault = fault or f"{time.thread_time() - started:.1f} s, {used / 2**20:.0f} MB, touched {touched}"
        if not fault and count < commands:
            tally["commands"] += 1
            fault = as_a_command([part.format(path) for part in command])
        if fault:
            keep(f"{number}-{count}{suffix}", data, fault, report)
            touched.clear()


def as_a_command(arguments: list[str]) -> str:
    """What is wrong with how a command ended; "" if nothing."""
    try:
        done = subprocess.run([sys.executable, "-m", "backlit", *arguments], capture_output=True, timeout=600)
    except subprocess.TimeoutExpired:
        return f"{arguments[0]} runs longer than 600 s"
    lines = [line for line in done.stderr.decode(errors="replace").splitlines() if line.startswith("backlit:")]
    if done.returncode not in (0, 1, 2) or b"Traceback" in done.stderr or b"didn't foresee" in done.stderr:
        return f"{arguments[0]}: exit code {done.returncode}, {done.stderr[-300:]!r}"
    return "" if done.returncode != 2 or len(lines) == 1 else f"{arguments[0]}: {len(lines)} lines of errors"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--commands", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    counts, faults = Counter[str](), []
    with tempfile.TemporaryDirectory() as top:
        read_end, write_end = os.pipe()
        share = [(options.files + k) // options.workers for k in range(options.workers)]
        commands = [(options.commands + k) // options.workers for k in range(options.workers)]
        children = []
        for number in range(options.workers):
            folder = Path(top, str(number))
            folder.mkdir()
            if (child := os.fork()) == 0:
                status = 1
                try:
                    resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
                    supervise(number, share[number], options.seed, folder, commands[number], write_end)
                    status = 0
                finally:
                    os._exit(status)
            children.append(child)
        os.close(write_end)
        with open(read_end, encoding="utf-8") as report:
            for line in report:
                if line.startswith("# "):
                    counts.update(json.loads(line[2:]))
                else:
                    faults.append(line.strip())
                    print(line.strip(), flush=True)
        ended = [os.waitpid(child, 0)[1] for child in children]
    if faults or any(ended):
        sys.exit(f"{len(faults)} files break a rule; workers ended with {ended}")
    print(f"{sum(share):,} mutated files: {counts['refused']:,} refused in one line, {counts['whole']:,} still whole")
    print(f"  {counts['commands']:,} of them as whole commands; nothing else touched")


if __name__ == "__main__":
    main()
