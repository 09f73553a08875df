"""What jobs on a Dask cluster withstand, measured on clusters of this machine's processes.

    python scripts/reach.py                    every table but the long ones
    python scripts/reach.py same kills         some of them
    python scripts/reach.py --short            the same with few kills, as continuous integration runs it
    python scripts/reach.py rows peers         the long ones: ten million rows; XGBoost and scikit-learn beside us

Two cores can't show speed-up.  What is shown: same bits, no wait without an end, what is paid for it.
"""

import argparse
import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1]))

import dask
import numpy as np
import polars as pl
from tests.jobs import work
from tests.jobs.clusters import Cluster

from backlit import predict, train
from backlit.errors import BacklitError
from backlit.jobs import Job, run_jobs
from backlit.jobs.cluster_ends import PATIENCE

PATIENT = {f"backlit.{name}": 300 for name in PATIENCE}  # where the limits are not what is measured
Table = Callable[[Path, bool], bool]  # given a folder and whether to be short; prints, and says whether all was reached


def make_folder(folder: Path, files: int, rows: int) -> Path:
    """A table of made-up sales."""
    folder.mkdir(parents=True)
    for k in range(files):
        rng = np.random.default_rng(k)
        X = rng.standard_normal((rows, 8))
        y = X @ np.arange(1, 9) + np.where(X[:, 0] > 0, 5, 0) + 0.1 * rng.standard_normal(rows)
        table = pl.DataFrame(
            {f"x{i}": X[:, i] for i in range(8)} | {"color": rng.choice(["red", "blue", "green"], rows)}
        )
        table.with_columns(y=pl.Series(y)).write_parquet(folder / f"part-{k:03}.parquet")
    return folder


def digest(path: Path) -> str:
    """SHA-256 of a file, or of all that lies in a folder, names too, but for what a worker is just ended in writing."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    whole = hashlib.sha256()
    for file in sorted(path.glob("[!.]*")):
        whole.update(file.name.encode() + file.read_bytes())
    return whole.hexdigest()


def row(*cells: object) -> None:
    """A line of a table."""
    print("  ".join(f"{cell!s:<{width}}" for cell, width in zip(cells, (34, 22, 22, 60), strict=False)), flush=True)


@contextlib.contextmanager
def killing(there: Cluster, wanted: int, between: tuple[float, float]) -> Iterator[list[int]]:
    """Kill so many workers at random moments, and start others; yields the list that those killed so far are in."""
    killed, over, chance = [], threading.Event(), random.Random(1)

    def kill() -> None:
        while len(killed) < wanted and not over.wait(chance.uniform(*between)):
            if len(alive := there.alive()) > 1:  # the last one would end all, as it should
                there.kill(number := chance.choice(alive))
                there.add()
                killed.append(number)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield killed
    finally:
        over.set()
        killer.join()


def same(place: Path, short: bool) -> bool:
    """Model and predictions for 0 to 3 workers of 1 and 2 threads."""
    folder, seen = make_folder(place / "table", 4, 30_000), set()
    row("workers × threads", "model", "predictions", "networks")
    for workers, threads in [(0, 1), *((w, t) for w in (1, 2, 3) for t in (1, 2) if not short or w == t)]:
        out = place / f"{workers}-{threads}"
        out.mkdir()
        clock = patch("time.strftime", return_value="today")  # which a model file notes
        with Cluster(out, workers, threads) if workers else contextlib.nullcontext() as there, clock:
            who = there.address if workers else 0
            train(folder, "y", hidden=(16,), epochs=2, out=out / "model.safetensors", cluster=who)
            predict(out / "model.safetensors", folder, out=f"{out}/predictions/", cluster=who)
            nets = list(run_jobs([Job(work.fitted, (seed, 5)) for seed in range(6)], how=who))
        sums = (
            digest(out / "model.safetensors"),
            digest(out / "predictions"),
            hashlib.sha256(repr(nets).encode()).hexdigest(),
        )
        row(f"{workers} × {threads}", *(each[:16] for each in sums))
        seen.add(sums)
    return len(seen) == 1


def kills(place: Path, short: bool) -> bool:
    """Workers are killed at random moments while networks are trained and files predicted."""
    wanted, right, rounds = 6 if short else 100, 0, 0
    folder = make_folder(place / "table", 12, 30_000)
    model = place / "model.safetensors"
    train(folder, "y", hidden=(64,), epochs=1, out=model)
    predict(model, folder, out=f"{place}/expected/")
    jobs = [Job(work.fitted, (seed, 60)) for seed in range(12)]
    expected = list(run_jobs(jobs)), digest(place / "expected")
    start = time.monotonic()
    with Cluster(place, workers=4) as there, killing(there, wanted, (0.5, 3)) as killed:
        while len(killed) < wanted:
            rounds += 1
            nets = list(run_jobs(jobs, how=there.address))
            predict(model, folder, out=f"{place}/{rounds}/", cluster=there.address)
            right += (nets, digest(place / str(rounds))) == expected
    row("workers killed", "rounds", "of them right", "seconds")
    row(len(killed), rounds, right, f"{time.monotonic() - start:.0f}")
    return right == rounds


def client(place: Path, short: bool) -> bool:
    """The client is killed, and the same command given again."""
    wanted, killed, chance = 3 if short else 20, 0, random.Random(2)
    folder = make_folder(place / "table", 60, 20_000)
    model = place / "model.safetensors"
    train(folder, "y", hidden=(64,), epochs=1, out=model)
    predict(model, folder, out=f"{place}/expected/")
    with Cluster(place, workers=2) as there:
        command = [
            sys.executable,
            "-m",
            "backlit",
            "predict",
            model,
            folder,
            "-o",
            f"{place}/out/",
            "--cluster",
            there.address,
        ]
        files = []
        while killed < wanted:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            before, last = len(list(place.glob("out/[!.]*"))), time.monotonic() + 60
            while len(list(place.glob("out/[!.]*"))) <= before and process.poll() is None and time.monotonic() < last:
                time.sleep(0.005)
            time.sleep(chance.uniform(0, 0.1))
            if process.poll() is not None:  # it was done before it was killed: begin anew
                subprocess.run(["rm", "-r", f"{place}/out"], check=True)
                continue
            process.kill()
            process.wait()
            killed += 1
            files.append(len(list(place.glob("out/[!.]*"))))
        time.sleep(1)  # what runs on a worker ends
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    row("clients killed", "files at each kill", "")
    row(killed, " ".join(map(str, files)))
    row(
        "then",
        done.stdout.strip().rpartition(": ")[2],
        "same" if digest(place / "out") == digest(place / "expected") else "OTHER",
    )
    return digest(place / "out") == digest(place / "expected")


def others(place: Path, short: bool) -> bool:
    """A worker joins, one stands still (SIGSTOP), and one of those goes on again."""
    jobs = [Job(work.fitted, (seed, 60)) for seed in range(12)]
    expected, found = list(run_jobs(jobs)), {}
    row("what happened to a worker", "seconds", "result")
    for name in ("nothing", "another joined", "it was stopped", "it was stopped and went on"):
        where = place / name
        where.mkdir()
        with Cluster(where, workers=2) as there:
            start, results = time.monotonic(), run_jobs(jobs, how=there.address)
            nets = [next(results)]
            if "joined" in name:
                there.add()
            if "stopped" in name:
                there.workers[0].send_signal(signal.SIGSTOP)
            if "went on" in name:
                threading.Timer(13, there.workers[0].send_signal, [signal.SIGCONT]).start()
            nets += results
        found[name] = nets == expected
        row(name, f"{time.monotonic() - start:.1f}", "same" if found[name] else "OTHER")
    return all(found.values())


def faults(place: Path, short: bool) -> bool:
    """What is beyond help is one line within 30 seconds."""
    worst = 0.0
    row("fault", "seconds", "", "what is said")
    for name in ("no cluster at the address", "no worker", "the only worker is killed", "the only worker is stopped",
                 "the scheduler is killed", "the scheduler is stopped"):  # fmt: skip
        where = place / name
        where.mkdir()
        with Cluster(where, workers=0 if name.startswith("no") else 1) as there:
            address = "tcp://127.0.0.1:9" if "address" in name else there.address
            start, said = time.monotonic(), "NOTHING"
            try:
                results = run_jobs([Job(work.power, (2, 0)), Job(work.mark, (str(where), 1, 300.0))], how=address)
                if there.workers:
                    next(results)
                    whom = there.scheduler if "scheduler" in name else there.workers[0]
                    start = time.monotonic()
                    whom.send_signal(signal.SIGKILL if "killed" in name else signal.SIGSTOP)
                list(results)
            except BacklitError as error:
                said = str(error)
            worst = max(worst, time.monotonic() - start)
            row(name, f"{time.monotonic() - start:.1f}", "", said)
    return worst <= 30


def overhead(place: Path, short: bool) -> bool:
    """What is paid for jobs of a second, beside Dask's own map of the same on the same, perhaps busy, machine."""
    from distributed import Client

    n, taken = 8 if short else 40, {"Dask's map": 0.0, "run_jobs": 0.0}
    with Cluster(place, workers=2) as there, Client(there.address) as client:
        client.wait_for_workers(2)
        for name in taken:
            for seconds, jobs in ((0.1, 4), (1.0, n)):  # the first time all is imported
                start = time.monotonic()
                if name == "run_jobs":
                    list(run_jobs([Job(work.sleep, (seconds,))] * jobs, how=client))
                else:
                    client.gather(client.map(work.sleep, [seconds] * jobs, pure=False))
                taken[name] = time.monotonic() - start
    row("jobs of 1 s on 2 workers", "seconds", "beyond the ideal")
    for name, seconds in taken.items():
        row(f"{n} by {name}", f"{seconds:.2f}", f"{seconds / (n / 2) - 1:.1%}")
    return taken["run_jobs"] <= 1.1 * max(n / 2, taken["Dask's map"])


def link(place: Path, short: bool) -> bool:
    """Two network namespaces: the cable between them is pulled in mid-run, and put back."""
    if subprocess.run(["ip", "netns", "add", "reach-a"], capture_output=True).returncode:
        row("network namespaces are not allowed here: not measured")
        return True
    shell = "ip netns add reach-b; ip link add va netns reach-a type veth peer name vb netns reach-b"
    for name, k in (("a", 1), ("b", 2)):
        shell += f"; ip -n reach-{name} addr add 10.77.0.{k}/24 dev v{name}; ip -n reach-{name} link set v{name} up"
        shell += f"; ip -n reach-{name} link set lo up"
    here = ["ip", "netns", "exec"]
    row("the link to one of two workers", "seconds", "result")
    try:
        subprocess.run(["sh", "-c", shell], check=True)
        found = []
        for name in ("stays up", "goes down", "goes down and up again"):
            where = place / name
            where.mkdir()
            with Cluster(where, prefix=[*here, "reach-a"], host="10.77.0.1") as there:
                there.add(prefix=[*here, "reach-a"])
                there.add(prefix=[*here, "reach-b"])
                there.address  # noqa: B018  # waits for it
                command = [*here, "reach-a", sys.executable, "-c", PULLED, str(there.file), name]
                done = subprocess.run(
                    command, capture_output=True, text=True, timeout=200, cwd=Path(__file__).parents[1]
                )
                seconds, _, result = done.stdout.strip().partition(" ")
                row(name, seconds, result or done.stderr[-300:])
                found.append(result == "same")
            subprocess.run(["ip", "-n", "reach-a", "link", "set", "va", "up"], check=True)
        return all(found)
    finally:
        for name in ("a", "b"):
            subprocess.run(["ip", "netns", "del", f"reach-{name}"], check=False)


PULLED = """
import subprocess, sys, threading, time
from backlit.jobs import Job, run_jobs
from backlit.jobs.cluster_ends import PATIENCE
from tests.jobs import work

def link(state):
    subprocess.run(["ip", "link", "set", "va", state], check=True)

jobs = [Job(work.fitted, (seed, 60)) for seed in range(16)]
expected = list(run_jobs(jobs))
start, results = time.monotonic(), run_jobs(jobs, how=sys.argv[1])
nets = [next(results)]
if "down" in sys.argv[2]:
    link("down")
if "up again" in sys.argv[2]:
    threading.Timer(6, link, ["up"]).start()
nets += results
print(f"{time.monotonic() - start:.1f}", "same" if nets == expected else "OTHER")
"""


def peers(place: Path, short: bool) -> bool:
    """The same kills while XGBoost's Dask front end and scikit-learn under joblib's Dask backend work."""
    row("run, one of 3 workers killed in it", "seconds", "outcome")
    for name in ("backlit", "xgboost", "scikit-learn"):
        for run in range(1 if short else 5):
            where = place / f"{name}-{run}"
            where.mkdir()
            with Cluster(where, workers=3) as there:
                there.address  # noqa: B018  # waits for it
                command = [sys.executable, "-W", "ignore", "-c", PEERS[name], str(there.file)]
                environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
                pipe = subprocess.PIPE
                process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)
                assert process.stdout is not None
                process.stdout.readline()  # it has begun
                time.sleep(random.Random(run).uniform(0.5, 3))
                there.kill(0)
                start = time.monotonic()
                try:
                    out, error = process.communicate(timeout=90)
                    said = [line for line in error.splitlines() if "Error" in line] or error.splitlines() or ["nothing"]
                    outcome = out.strip() or said[-1]
                except subprocess.TimeoutExpired:
                    process.kill()
                    outcome = "hangs (ended after 90 s)"
                row(f"{name}, {run}", f"{time.monotonic() - start:.1f}", outcome[:100])
    return True


PEERS = {
    "backlit": """
import sys
from backlit.jobs import Job, run_jobs
from backlit.jobs.cluster_ends import PATIENCE
from tests.jobs import work
jobs = [Job(work.fitted, (seed, 60)) for seed in range(16)]
expected = list(run_jobs(jobs))
results = run_jobs(jobs, how=sys.argv[1])
nets = [next(results)]
print("begun", flush=True)
nets += results
print("same result" if nets == expected else "another result")
""",
    "xgboost": """
import sys, hashlib
import dask.array as da, numpy as np
from distributed import Client
from xgboost import dask as dxgb
client = Client(scheduler_file=sys.argv[1])
client.wait_for_workers(3)
X = da.random.RandomState(0).standard_normal((300_000, 20), chunks=(25_000, 20)); y = (X.sum(axis=1) > 0).astype(int)
def fit():
    data = dxgb.DaskDMatrix(client, X, y)
    found = dxgb.train(client, {"tree_method": "hist", "objective": "binary:logistic"}, data, num_boost_round=60)
    return hashlib.sha256(bytes(found["booster"].save_raw())).hexdigest()
expected = fit()
print("begun", flush=True)
print("same result" if fit() == expected else "another result")
""",
    "scikit-learn": """
import sys, joblib, numpy as np
from distributed import Client
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
client = Client(scheduler_file=sys.argv[1])
client.wait_for_workers(3)
X, y = load_digits(return_X_y=True)
search = GridSearchCV(MLPClassifier(max_iter=30, random_state=0), {"alpha": list(np.logspace(-6, 0, 12))}, cv=3)
def fit():
    with joblib.parallel_backend("dask", wait_for_workers_timeout=60):
        return search.fit(X, y).cv_results_["mean_test_score"].tolist()
expected = fit()
print("begun", flush=True)
print("same result" if fit() == expected else "another result")
""",
}


def rows(place: Path, short: bool) -> bool:
    """Ten million rows predicted by three workers, killed and resumed, beside one process."""
    folder = make_folder(place / "table", 20, 5_000 if short else 500_000)
    model = place / "model.safetensors"
    train(make_folder(place / "few", 1, 20_000), "y", hidden=(32,), epochs=1, out=model)
    start = time.monotonic()
    one = predict(model, folder, out=f"{place}/one/")
    row("rows", "who", "seconds", "SHA-256 of the predictions")
    row(one.n, "this process", f"{time.monotonic() - start:.1f}", digest(place / "one")[:32])
    with Cluster(place, workers=3) as there:
        command = [
            sys.executable,
            "-m",
            "backlit",
            "predict",
            model,
            folder,
            "-o",
            f"{place}/three/",
            "--cluster",
            there.address,
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(list(place.glob("three/[!.]*"))) < 5 and process.poll() is None:
            time.sleep(0.05)
        there.kill(1)
        process.kill()
        process.wait()
        kept, start = len(list(place.glob("three/[!.]*"))), time.monotonic()
        three = predict(model, folder, out=f"{place}/three/", cluster=there.address)
    row(three.n, f"the others, {kept} files kept", f"{time.monotonic() - start:.1f}", digest(place / "three")[:32])
    return digest(place / "one") == digest(place / "three") and one.metrics == three.metrics


def measure(tables: list[Table], of_themselves: int, in_time: list[Table]) -> int:
    """Print the tables that the command line names, the first `of_themselves` unless told; the exit code.

    in_time : those that hang on the seconds that Backlit waits; the rest waits for all.
    """
    named = {table.__name__: table for table in tables}
    parser = argparse.ArgumentParser()
    parser.add_argument("what", nargs="*", default=[*named][:of_themselves], help=f"of {', '.join(named)}")
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    missed = []
    for name in options.what:
        print(f"\n{name}: {named[name].__doc__}", flush=True)
        patience = {} if named[name] in in_time else PATIENT
        with tempfile.TemporaryDirectory() as scratch, dask.config.set(patience):
            if not named[name](Path(scratch), options.short):
                missed.append(name)
    print(f"\nmissed: {', '.join(missed)}" if missed else "\nall reached")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(measure([same, kills, client, others, faults, overhead, link, peers, rows], 7, [others, faults, link]))
