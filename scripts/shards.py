"""One network on many workers, measured on clusters of this machine's processes (docs/clusters.md).

    python scripts/shards.py                   every table but the long one
    python scripts/shards.py same kills        some of them
    python scripts/shards.py --short           the same with few kills
    python scripts/shards.py rows              the long one: ten million rows on three workers

Two cores can't show speed-up.  What is shown: same bits whoever dies, and what a step pays for travelling.
"""

import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from scripts.reach import digest, killing, make_folder, measure, row
from tests.jobs.clusters import Cluster

from backlit.core import Dense, Network
from backlit.costs.workers import bytes_of_step, transfer_seconds
from backlit.distributed import engine_on
from backlit.engine import Data
from backlit.training import Settings, Shards, fit

ROOT = Path(__file__).parents[1]
S = 8


def problem(epochs: int, rows: int = 8000) -> tuple:
    """A network with all that shards must mind, its data in shards, and its settings."""
    X = np.random.default_rng(0).standard_normal((rows, 20)).astype(np.float32)
    data, settings = (
        Data(X, X[:, :1] * X[:, 1:2]),
        Settings(epochs=epochs, batch_size=256, patience=None, clip_norm=1.0),
    )
    net = Network(20, [Dense(64, "relu", norm="batch", dropout=0.1), Dense(64, "tanh"), Dense(1)], l2=1e-4)
    return net, net.init(seed=0, dtype=np.float32), Shards.deal(data, S, settings), settings, data


def trained(epochs: int, cluster: object = 0) -> str:
    """The SHA-256 of theta after some epochs."""
    net, params, shards, settings, data = problem(epochs)
    with engine_on(cluster, net, params, shards, settings, data) as engine:
        outcome = fit(net, params, shards, settings, engine=engine)
    return hashlib.sha256(outcome.params.theta.tobytes()).hexdigest()


def same(place: Path, short: bool) -> bool:
    """Theta for 0 to 3 workers of 1 and 2 threads."""
    seen = {trained(3)}
    row("workers × threads", "theta")
    row("0", *[each[:16] for each in seen])
    for workers, threads in [(w, t) for w in (1, 2, 3) for t in (1, 2) if not short or w == t]:
        where = place / f"{workers}-{threads}"
        where.mkdir()
        with Cluster(where, workers, threads) as there:
            seen.add(found := trained(3, there.address))
        row(f"{workers} × {threads}", found[:16])
    return len(seen) == 1


def kills(place: Path, short: bool) -> bool:
    """Workers are killed at random moments of training, and others join."""
    wanted, rounds, right, epochs = 6 if short else 100, 0, 0, 60
    expected, start = trained(epochs), time.monotonic()
    with Cluster(place, workers=3) as there, killing(there, wanted, (0.3, 2)) as killed:
        while len(killed) < wanted:
            rounds += 1
            right += trained(epochs, there.address) == expected
    row("workers killed", "runs", "of them right", "seconds")
    row(len(killed), rounds, right, f"{time.monotonic() - start:.0f}")
    return right == rounds


def client(place: Path, short: bool) -> bool:
    """The client is killed at random moments, and the same command given again."""
    wanted, killed, chance = 3 if short else 20, 0, random.Random(2)
    folder = make_folder(place / "table", 6, 20_000)
    told = [sys.executable, "-m", "backlit", "train", folder, "--target", "y", "--hidden", "32", "--epochs", "12",
            "--shards", "4", "--batch-size", "512", "--buffer-mb", "2"]  # fmt: skip
    there_file, here_file = place / "there.safetensors", place / "here.safetensors"
    subprocess.run([*told, "--out", here_file], check=True, capture_output=True)
    with Cluster(place, workers=2) as there:
        kept = ["--checkpoint", place / "run", "--checkpoint-every", "10"]
        command = [*told, "--out", there_file, *kept, "--cluster", there.address]
        tries = 0
        while killed < wanted:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            tries += 1
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(chance.uniform(4, 9))
            if process.poll() is None:
                process.kill()
                process.wait()
                killed += 1
            else:  # it was done before it was killed: begin anew
                subprocess.run(["rm", "-r", place / "run"], check=True)
        subprocess.run(command, check=True, capture_output=True)
    right = there_file.read_bytes() == here_file.read_bytes()
    row("clients killed", "commands", "then the model file is")
    row(killed, tries + 1, "same" if right else "OTHER")
    return right


MEASURED = """
import json, sys, time
import numpy as np
from backlit.core import Dense, Network
from backlit.distributed import engine_on
from backlit.engine import Data
from backlit.training import Settings, Shards, fit

file, width, workers, batch, steps = sys.argv[1], *map(int, sys.argv[2:6])
net = Network(100, [Dense(width, "relu"), Dense(width, "relu"), Dense(1)])
X = np.random.default_rng(0).standard_normal((batch * steps, 100)).astype(np.float32)
data, settings = Data(X, X[:, :1].copy()), Settings(epochs=1, batch_size=batch, patience=None, n_threads=1)
params, shards = net.init(seed=0, dtype=np.float32), Shards.deal(data, workers, settings)
with engine_on(file, net, params, shards, settings, data) as engine:
    while len(engine.crew.members) < workers:
        time.sleep(0.1)
    times, whole = [], engine.crew.whole

    def timed(*given):
        began = time.perf_counter()
        found = whole(*given)
        times.append(time.perf_counter() - began)
        return found

    engine.crew.whole = timed
    fit(net, params, shards, settings, engine=engine)
    part = []
    for _ in range(10):
        began = time.perf_counter()
        engine.crew.work.digest(engine.engine)
        part.append(time.perf_counter() - began)
rows = engine.crew.work.probe
scale = shards.each[0].batch_size / len(rows)
print(json.dumps({"bytes": params.theta.nbytes, "step": float(np.median(times[5:])), "part": min(part) * scale,
                  "fast": float(np.quantile(times[5:], 0.1))}))
"""


def measured(
    there: Cluster, width: int, workers: int, *, batch: int = 64, steps: int = 200, prefix: tuple = ()
) -> dict:
    """Seconds of a step's parts, and of a worker's computing in them, in a process of its own."""
    there.address  # noqa: B018  # waits for it
    given = [str(there.file), *map(str, (width, workers, batch, steps))]
    done = subprocess.run([*prefix, sys.executable, "-c", MEASURED, *given], cwd=ROOT, capture_output=True, text=True,
                          timeout=550)  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-1000:])
    return json.loads(done.stdout.splitlines()[-1])


def overhead(place: Path, short: bool) -> bool:
    """What a step pays beyond a worker's computing, two workers on loopback."""
    row("bytes of theta", "ms beyond computing", "the fastest tenth", "ms computing")
    with Cluster(place, 2) as there:
        for width in (8, 178, 460) if short else (8, 178, 460, 1390):
            found = measured(there, width, 2, steps=60 if width > 1000 else 200)
            beyond = [f"{1e3 * (found[name] - found['part']):.2f}" for name in ("step", "fast")]
            row(found["bytes"], *beyond, f"{1e3 * found['part']:.2f}")
    return True


@contextlib.contextmanager
def cable() -> object:
    """Two network namespaces with a cable between them; None where the machine permits none."""
    if subprocess.run(["ip", "netns", "add", "shards-a"], capture_output=True).returncode:
        row("network namespaces are not allowed here: not measured")
        yield None
        return
    shell = "ip netns add shards-b; ip link add va netns shards-a type veth peer name vb netns shards-b"
    for name, k in (("a", 1), ("b", 2)):
        shell += f"; ip -n shards-{name} addr add 10.78.0.{k}/24 dev v{name}; ip -n shards-{name} link set v{name} up"
        shell += f"; ip -n shards-{name} link set lo up"
    try:
        subprocess.run(["sh", "-ec", shell], check=True)
        yield [("ip", "netns", "exec", f"shards-{name}") for name in ("a", "b")]
    finally:
        for name in ("a", "b"):
            subprocess.run(["ip", "netns", "del", f"shards-{name}"], check=False)


def rates(place: Path, short: bool) -> bool:
    """Measured steps beside the prediction of `cost --workers`, at rates that `tc tbf` sets on the client's link."""
    row("rate, bytes of theta", "measured ms", "predicted ms", "measured / predicted")
    with cable() as ends:
        if ends is None:
            return True
        for rate, text, burst in ((1e8, "100mbit", "2kb"), (1e9, "1gbit", "8kb"), (1e10, "10gbit", "128kb")):
            for k, name in enumerate("ab"):
                where = ["tc", "qdisc", "replace", "dev", f"v{name}", "root", "tbf", "rate", text]
                subprocess.run([*ends[k], *where, "burst", burst, "latency", "400ms"], check=True)
            scratch = place / text
            scratch.mkdir()
            with Cluster(scratch, prefix=ends[0], host="10.78.0.1") as there:
                for _ in range(2):
                    there.add(prefix=ends[1])
                for width in (178, 460):
                    steps = 30 if rate < 1e9 else 100
                    found = measured(there, width, 2, steps=steps, prefix=ends[0])
                    predicted = found["part"] + transfer_seconds(bytes_of_step(found["bytes"], 2), rate)
                    cells = (1e3 * found["step"], 1e3 * predicted, found["step"] / predicted)
                    row(f"{text}, {found['bytes']}", *(f"{cell:.2f}" for cell in cells))
    return True


PULLED = """
import subprocess, sys, threading, time
from scripts.shards import trained

def link(state):
    subprocess.run(["ip", "link", "set", "va", state], check=True)

expected = trained(40)
if "down" in sys.argv[2]:
    threading.Timer(3, link, ["down"]).start()
if "up again" in sys.argv[2]:
    threading.Timer(9, link, ["up"]).start()
start = time.monotonic()
found = trained(40, sys.argv[1])
print(f"{time.monotonic() - start:.1f}", "same" if found == expected else "OTHER")
"""


def link(place: Path, short: bool) -> bool:
    """The cable to one of two workers is pulled in mid-run, and put back."""
    row("the link to one of two workers", "seconds", "result")
    with cable() as ends:
        if ends is None:
            return True
        found = []
        for name in ("stays up", "goes down", "goes down and up again"):
            where = place / name
            where.mkdir()
            with Cluster(where, prefix=ends[0], host="10.78.0.1") as there:
                there.add(prefix=ends[0])
                there.add(prefix=ends[1])
                there.address  # noqa: B018  # waits for it
                command = [*ends[0], sys.executable, "-c", PULLED, str(there.file), name]
                done = subprocess.run(command, capture_output=True, text=True, timeout=500, cwd=ROOT)
                seconds, _, result = done.stdout.strip().partition(" ")
                row(name, seconds, result or done.stderr[-300:])
                found.append(result == "same")
            subprocess.run([*ends[0], "ip", "link", "set", "va", "up"], check=True)
        return all(found)


def rows(place: Path, short: bool) -> bool:
    """Ten million rows on three workers, killed and resumed, beside one process; and two fifths of them."""
    rows_of_a_file = 5_000 if short else 500_000
    return all(survived(place / f"{files}", files, rows_of_a_file) for files in ((8,) if short else (8, 20)))


def lost(place: Path, short: bool) -> bool:
    """What a step takes in which one of two workers is killed, beside the other steps; rows are in memory."""
    row("step", "ms, usual", "ms, one of two workers killed", "and the next")
    net, params, shards, settings, data = problem(8)
    for k in range(1 if short else 5):
        where = place / str(k)
        where.mkdir()
        with (
            Cluster(where, workers=2) as there,
            engine_on(there.address, net, params, shards, settings, data) as engine,
        ):
            while len(engine.crew.members) < 2:
                time.sleep(0.1)
            times, whole = [], engine.crew.whole

            def timed(*given: object) -> object:
                if len(times) == 100:  # noqa: B023  # the run ends in the loop
                    there.kill(0)
                began = time.perf_counter()
                found = whole(*given)  # noqa: B023  # likewise
                times.append(1e3 * (time.perf_counter() - began))  # noqa: B023  # likewise
                return found

            engine.crew.whole = timed
            fit(net, params, shards, settings, engine=engine)
        row(k, *(f"{ms:.1f}" for ms in (np.median(times[10:100]), times[100], times[101])))
    return True


def survived(place: Path, files: int, rows_of_a_file: int) -> bool:
    """Train on files by one process, and by workers of which one is killed, and the client."""
    folder = make_folder(place / "table", files, rows_of_a_file)
    told = [sys.executable, "-m", "backlit", "train", folder, "--target", "y", "--hidden", "32", "--epochs", "1",
            "--shards", "6", "--batch-size", "6144"]  # fmt: skip
    models = {name: place / f"{name}.safetensors" for name in ("one", "three")}
    row(f"{files * rows_of_a_file:,} rows", "seconds", "SHA-256 of the model", "memory of the workers, MB")
    start = time.monotonic()
    subprocess.run([*told, "--out", models["one"]], check=True, capture_output=True)
    row("one process", f"{time.monotonic() - start:.0f}", digest(models["one"])[:16])
    with Cluster(place, workers=3) as there:
        command = [*told, "--out", models["three"], "--checkpoint", place / "run", "--checkpoint-every", "20",
                   "--cluster", there.address]  # fmt: skip
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not (place / "run" / "checkpoint.safetensors").exists() and process.poll() is None:
            time.sleep(0.05)
        time.sleep(1)
        there.kill(1)
        process.send_signal(signal.SIGKILL)
        process.wait()
        start = time.monotonic()
        subprocess.run(command, check=True, capture_output=True)
        memory = [resident(worker.pid) for worker in there.workers]
    row("three, killed and resumed", f"{time.monotonic() - start:.0f}", digest(models["three"])[:16], memory)
    return models["one"].read_bytes() == models["three"].read_bytes()


def resident(pid: int) -> int:
    """Megabytes that a process had at most."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) // 1024


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(ROOT))
    sys.exit(measure([same, kills, client, overhead, rates, lost, link, rows], 7, [overhead, rates, lost, link]))
