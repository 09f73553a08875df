"""Give mutated files to every parser, in forked workers under limits of time and memory.

A parser must answer with a value or with an error of one line, within seconds and within ten times the bytes that it
was given plus 200 MB, and touch nothing: an audit hook watches.  `--commands N` runs N of the files as whole commands,
which must end with 0, 1 or 2 and errors of one line.  What breaks a rule is kept in `fuzzed/`; exits with 1.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
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
FORBIDDEN = ("subprocess.Popen", "os.system", "os.exec", "os.fork", "socket.connect", "os.remove", "os.rename")
FOREIGN = [
    "[" * 3000, '{"a":' * 500 + "1" + "}" * 500, "a: &a [*a]", "\ud800\udfff", "\x00" * 50, "1e999", "-1" + "0" * 400,
    "NaN", "!!python/name:os.system", "\u202e", "9" * 5000, "a." * 200 + "b=1", "=cmd()", '"' * 999, ",;\t|" * 99,
]  # fmt: skip
TOML = 'title = "x"\nseconds = 5\n[points]\nloss = 1\n[[networks]]\nshapes = [2, 1]\nactivations = ["tanh"]\n'
YAML = "inputs: 2\nlayers:\n- &h {units: 2, activation: tanh}\n- *h\n- units: 1\nx: [[1, 2.5]]\ny: [[1]]\nl2: 1e-3\n"
Parser = Callable[[Path], Any]


def sources(folder: Path) -> list[tuple[str, bytes, Parser, list[str]]]:
    """(suffix, a right file, its parser, the command that reads it)."""
    import polars as pl

    problems = [example_text(name) for name in EXAMPLES]
    found: list[tuple[str, bytes, Parser, list[str]]] = [
        (".json", text.encode(), read_problem, ["cost", "{}"]) for text in problems
    ]
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


def work(number: int, files: int, seed: int, folder: Path, commands: int, report: int) -> None:
    """One worker: parse its share of the files; write a line for each that breaks a rule, and its counts."""
    draw, counts = random.Random(f"{seed} {number}"), Counter[str]()
    warnings.simplefilter("ignore")
    all_sources = sources(folder)
    path, touched, watching = folder, [], False

    def hook(event: str, arguments: tuple) -> None:
        other = (
            event == "open" and str(arguments[0]) not in (str(path), "None") and str(arguments[1]) in ("w", "a", "x")
        )
        if watching and (event in FORBIDDEN or other):
            touched.append(f"{event} {arguments}"[:200])

    sys.addaudithook(hook)
    for count in range(files):
        suffix, content, parse, command = draw.choice(all_sources)
        data = mutated(draw, content)
        path = folder / f"f{suffix}"
        path.write_bytes(data)
        before, started, watching = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time(), True
        fault = ""
        try:
            parse(path)
            counts["whole"] += 1
        except BacklitError as error:
            counts["refused"] += 1
            fault = "an error of several lines" if "\n" in str(error) else ""
        except BaseException as error:  # anything else is what is looked for
            fault = f"{type(error).__name__}: {str(error)[:200]}"
        watching = False
        used = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        if time.process_time() - started > MOST_SECONDS or used > TIMES * len(data) + SPARE or touched:
            fault = fault or f"{time.process_time() - started:.1f} s, {used / 2**20:.0f} MB, touched {touched}"
        if not fault and count < commands:
            counts["commands"] += 1
            fault = as_a_command([part.format(path) for part in command])
        if fault:
            kept = Path("fuzzed") / f"{number}-{count}{suffix}"
            kept.parent.mkdir(exist_ok=True)
            kept.write_bytes(data)
            os.write(report, f"{kept}: {fault}\n".encode("utf-8", "backslashreplace"))
            touched.clear()
    os.write(report, f"# {json.dumps(counts)}\n".encode())


def as_a_command(arguments: list[str]) -> str:
    """What is wrong with how a command ended; "" if nothing."""
    try:
        done = subprocess.run([sys.executable, "-m", "backlit", *arguments], capture_output=True, timeout=120)
    except subprocess.TimeoutExpired:
        return f"{arguments[0]} runs longer than 120 s"
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
                    work(number, share[number], options.seed, folder, commands[number], write_end)
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
