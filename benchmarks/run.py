"""The table: Backlit and its peers at the sizes T, B, M, D and W."""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rounds import race
from benchmarks.sizes import SIZES
from benchmarks.worker import PEERS

RESULTS = Path(__file__).parent / "results"
TARGETS = {"T": 8, "B": 1.6, "M": 1.5, "D": 2, "W": 1.2}


def summary(name: str, raced: dict[str, Any]) -> dict[str, Any]:
    """Medians, ratios within rounds, and whether the losses agree."""
    size, peers = SIZES[name], raced["peers"]
    own = next(peer for peer in peers if peer.startswith("backlit"))
    ours = np.array(peers[own]["seconds"])
    rows = {}
    for peer, told in peers.items():
        seconds = np.array(told["seconds"])
        rows[peer] = {
            "us_per_step": float(np.median(seconds)) / size.steps * 1e6,
            "ratio": float(np.median(seconds / ours)),
            "loss": told["loss"],
            "memory_MB": told["memory_kB"] / 1000,
            "predicted_rows_per_s": size.rows / told["predict_seconds"],
        }
    best = np.min([told["seconds"] for peer, told in peers.items() if not peer.startswith("backlit")], axis=0)
    losses = np.array([row["loss"] for row in rows.values()])
    rate = size.flops * size.steps / float(np.median(ours))
    return {
        "size": name,
        "peers": rows,
        "ratio_to_best": float(np.median(best / ours)),
        "target": TARGETS[name],
        "sgemm_gflops": raced["sgemm"] / 1e9,
        "of_sgemm": rate / raced["sgemm"],
        "losses_agree": bool(np.ptp(losses) <= 2e-3 * np.abs(losses).max()),
    }


def table(results: list[dict[str, Any]], load: tuple[float, ...], threads: int) -> str:
    """Markdown."""
    names = [peer for peer in PEERS if any(peer in result["peers"] for result in results)]
    lines = [
        f"µs a training step (times Backlit's); {threads} threads; load of the machine at the end {load[0]:.1f}",
        "",
        "| size | " + " | ".join(names) + " | best peer / Backlit (aim) | of sgemm's rate | losses agree |",
        "|---" * (len(names) + 4) + "|",
    ]
    for result in results:
        cells = []
        for peer in names:
            row = result["peers"].get(peer)
            cells.append(f"{row['us_per_step']:.4g} ({row['ratio']:.2f})" if row else "–")
        agree = "yes" if result["losses_agree"] else "NO"
        last = [f"**{result['ratio_to_best']:.2f}** ({result['target']})", f"{result['of_sgemm']:.0%}", agree]
        lines.append(f"| {result['size']} | " + " | ".join(cells + last) + " |")
    lines += ["", "| size: MB above the imports; thousand rows predicted a second | " + " | ".join(names) + " |"]
    lines.append("|---" * (len(names) + 1) + "|")
    for result in results:
        cells = [result["peers"].get(peer) for peer in names]
        shown = [f"{c['memory_MB']:.0f}; {c['predicted_rows_per_s'] / 1e3:.3g}" if c else "–" for c in cells]
        lines.append(f"| {result['size']} | " + " | ".join(shown) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="T,B,M,D,W")
    parser.add_argument("--peers", default=",".join(peer for peer in PEERS if peer != "backlit fit"))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    chosen = parser.parse_args()
    results = []
    for name in chosen.sizes.split(","):
        rounds = min(chosen.rounds, 5) if name == "W" else chosen.rounds
        results.append(summary(name, race(chosen.peers.split(","), name, rounds, chosen.threads)))
        print(table(results[-1:], os.getloadavg(), chosen.threads), flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "table.md").write_text(table(results, os.getloadavg(), chosen.threads))
    (RESULTS / "table.json").write_text(json.dumps({"load": os.getloadavg(), "results": results}, indent=1))


if __name__ == "__main__":
    main()
