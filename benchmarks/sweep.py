"""Is there a cliff?  Widths 8…2048 × depths 1…50 × batches 16…1024: the rate of each, and a plot."""

import argparse
import json
import os
import time

import numpy as np

from benchmarks.peers.backlit import Peer
from benchmarks.rounds import sgemm_rate
from benchmarks.run import RESULTS
from benchmarks.sizes import Size, data, parameters

WIDTHS = (8, 16, 32, 48, 64, 100, 128, 256, 384, 512, 768, 1024, 2048)
DEPTHS = (1, 3, 10, 50)
BATCHES = (16, 64, 256, 1024)
MOST = 4e10  # floating-point operations of a step; what is larger has the rate of its neighbor


def measure(width: int, depth: int, batch: int, threads: int) -> float | None:
    """GFLOP/s of a step, the best of a few short epochs."""
    size = Size("sweep", (width, *[width] * depth, 10), batch, 1)
    if size.flops > MOST:
        return None
    size = Size("sweep", size.n, batch, int(np.clip(2e8 // size.flops, 1, 200)))
    peer = Peer(size, parameters(size), threads)
    peer.prepare(*data(size))
    times = []
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(size.rows)
        began = time.perf_counter()
        peer.epoch(order)
        times.append(time.perf_counter() - began)
    return size.flops * size.steps / min(times) / 1e9


def plot(rates: dict[str, float | None], sgemm: float) -> None:
    """One panel a depth, one line a batch."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, len(DEPTHS), figsize=(14, 3.6), sharey=True, layout="constrained")
    for panel, depth in zip(panels, DEPTHS, strict=True):
        for batch in BATCHES:
            points = [(w, rates[f"{w},{depth},{batch}"]) for w in WIDTHS if rates[f"{w},{depth},{batch}"]]
            panel.plot(*zip(*points, strict=True), marker="o", label=f"batch {batch}")
        panel.axhline(sgemm, color="gray", linestyle=":")
        panel.set(xscale="log", yscale="log", title=f"{depth} hidden layers", xlabel="width")
    panels[0].set_ylabel("GFLOP/s (dotted: sgemm)")
    panels[-1].legend()
    figure.savefig(RESULTS / "sweep.svg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    threads = parser.parse_args().threads
    rates = {f"{w},{d},{m}": measure(w, d, m, threads) for d in DEPTHS for w in WIDTHS for m in BATCHES}
    sgemm = sgemm_rate() / 1e9
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "sweep.json").write_text(json.dumps({"sgemm": sgemm, "load": os.getloadavg(), "rates": rates}, indent=1))
    lines = ["| depth, batch | " + " | ".join(str(w) for w in WIDTHS) + " |", "|---" * (len(WIDTHS) + 1) + "|"]
    for depth in DEPTHS:
        for batch in BATCHES:
            cells = [rates[f"{w},{depth},{batch}"] for w in WIDTHS]
            lines.append(f"| {depth}, {batch} | " + " | ".join(f"{c:.3g}" if c else "–" for c in cells) + " |")
    (RESULTS / "sweep.md").write_text(f"GFLOP/s by width; sgemm {sgemm:.3g}\n\n" + "\n".join(lines) + "\n")
    print((RESULTS / "sweep.md").read_text())
    plot(rates, sgemm)


if __name__ == "__main__":
    main()
