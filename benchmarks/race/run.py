"""Run what has not been run: `python -m benchmarks.race.run [--models …] [--tables …] [--seeds N] [--again]`.

Each result is one line of results/MODEL.jsonl, kept with versions and kind of machine.  A fit runs in a process of its
own, so that it can be timed, limited and lost; one that fails or takes too long is kept as such, and not tried again.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from benchmarks.race.models import MODELS, installed, versions
from benchmarks.race.tables import SETS, SOURCES, load

RESULTS = Path(__file__).parent / "results"
Key = tuple[str, str, int]


def fit(table: str, model: str, seed: int, threads: int) -> dict[str, Any]:
    """Train and test one model, in this process."""
    import logging
    import resource

    from benchmarks.race.scoring import score

    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    rows = load(table, seed)
    done = MODELS[model].fit(rows, seed, threads)
    return {
        **score(rows, done.outputs),
        **({} if done.covered is None else {"covered": done.covered}),
        "n_train": len(rows.y),
        "seconds": round(done.seconds, 3),
        "cpu_seconds": round(done.cpu_seconds, 3),
        "peak_MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000,
    }


def attempt(key: Key, threads: int, limit: float) -> dict[str, Any]:
    """A fit in a process of its own: its result, or why there is none."""
    command = [sys.executable, "-m", "benchmarks.race.run", "--one", *map(str, key), str(threads)]
    environment = {**os.environ, **{f"{name}_NUM_THREADS": str(threads) for name in ("OMP", "OPENBLAS", "MKL")}}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, env=environment, check=False)
    except subprocess.TimeoutExpired:
        return {"failed": f"not done in {limit:g} s"}
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1][:200]}
    return json.loads(done.stdout.splitlines()[-1])


def machine() -> dict[str, Any]:
    """The kind of machine, without its name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
    }


def kept(model: str) -> list[dict[str, Any]]:
    """The results of a model that there are."""
    path = RESULTS / f"{model}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wanted(models: list[str], tables: list[str], seeds: int) -> list[Key]:
    """What to run, all tables of a seed before the next seed."""
    keys = [(t, m, s) for m in models for s in range(min(seeds, MODELS[m].seeds)) for t in tables]
    return [key for key in keys if len(load(key[0], key[2]).y) <= MODELS[key[1]].most_rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default=",".join(installed()), help="names; all that are installed, if not given")
    parser.add_argument("--tables", default="development", help="names, or a set: " + ", ".join(SETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--limit", type=float, default=900, help="seconds a fit may take")
    parser.add_argument("--again", action="store_true", help="drop these models' results on these tables first")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        table, model, seed, threads = chosen.one
        print(json.dumps(fit(table, model, int(seed), int(threads))))
        return
    tables = [t for name in chosen.tables.split(",") for t in SETS.get(name, {name: SOURCES.get(name)})]
    RESULTS.mkdir(exist_ok=True)
    for model in chosen.models.split(","):
        path, results = RESULTS / f"{model}.jsonl", kept(model)
        if chosen.again:
            results = [r for r in results if r["table"] not in tables]
            path.write_text("".join(json.dumps(r) + "\n" for r in results))
        there = {(r["table"], r["model"], r["seed"]) for r in results}
        for key in wanted([model], tables, chosen.seeds):
            if key in there:
                continue
            table, _, seed = key
            about = {"table": table, "model": model, "seed": seed, "threads": chosen.threads}
            if MODELS[model].time_limit is not None:
                about["time_limit"] = MODELS[model].time_limit
            result = about | attempt(key, chosen.threads, chosen.limit)
            result |= {"versions": versions(model), "machine": machine(), "made": time.strftime("%Y-%m-%d")}
            with path.open("a") as file:
                file.write(json.dumps(result) + "\n")
            print(*(f"{k}={v}" for k, v in result.items() if k not in ("versions", "machine", "made")), flush=True)


if __name__ == "__main__":
    main()
