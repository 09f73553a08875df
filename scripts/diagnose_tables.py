"""Predicted against measured gradient ratios: every activation × initializer × norm, width 256, 30 seeds.

For each network of 4 layers the ratios E‖δ_l‖²/E‖δ_{l+1}‖², l = 1…3, and that of top to bottom are measured in single
draws, on 64 fresh normal inputs each (128 under batch norm).  The band, from draws of its own, is said to hold 95 % of
single draws, and theory to be what the mean tends to as 1/n.  So four things are counted: the share of draws inside;
the band's deviation over the measured one (below 1 it is too narrow, above it too wide); how far the mean over the
seeds is from the middle of the band, in its own deviations (z); and how far it is from theory, times n.

    python scripts/diagnose_tables.py [--width 256] [--seeds 30] [--processes 1] [--resume measured.jsonl]
"""

import argparse
import json
import math
import sys
import zlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backlit.core import Dense, Network
from backlit.core.activations import ACTIVATIONS
from backlit.diagnosis.inputs import Subject
from backlit.diagnosis.measurement import quiet
from backlit.diagnosis.simulation import FIRST, MOST, Z95, Ensemble
from backlit.diagnosis.theory.predicted import predict_flow, scheme_scales

PHI = [name for name in ACTIVATIONS if name not in ("softmax", "exp")]  # e^u has no length to speak of: q overflows
INITS: tuple[Any, ...] = (
    "xavier_uniform",
    "he_normal",
    "lecun_normal",
    "orthogonal",
    {"scheme": "gaussian", "sigma_w": 1.5, "sigma_b": 0.3},
)
NORMS = (None, "batch", "layer")
DEPTH = 4
ROUNDING = 1e-9  # the spread of a ratio that is exact
CLOSE = 6.0  # n times what ln of the mean may be off theory by
Key = tuple[str, Any, str | None]


@dataclass(frozen=True)
class Quantity:
    """One ratio of one case, in natural logarithms; `inside` is the share of draws within the band of 95 %.

    predicted : the middle of the band; deviation : a normal variable's whose central 95 % it is, from `draws`.
    measured, spread : mean and deviation of the measured draws, `seeds` many.  theory : of endless width.
    """

    name: str
    theory: float
    predicted: float
    measured: float
    deviation: float
    spread: float
    inside: float
    seeds: int
    draws: int

    @property
    def exact(self) -> bool:
        """Whether there is nothing to spread: orthogonal layers of φ(u) = u."""
        return self.spread < ROUNDING

    @property
    def within(self) -> bool:
        """Whether the mean over the seeds lies within the band of single draws."""
        return abs(self.measured - self.predicted) <= Z95 * self.deviation + ROUNDING

    @property
    def width(self) -> float:
        """The band over what it ought to be."""
        return self.deviation / self.spread

    @property
    def z(self) -> float:
        """The mean's distance from the predicted one in their difference's deviations."""
        error = max(self.deviation, self.spread) * math.sqrt(1 / self.seeds + 1 / self.draws)
        return abs(self.measured - self.predicted) / (error + ROUNDING)

    def beside(self, width: int) -> float:
        """How far the mean is from theory, in units of 1/n, less four of its deviations."""
        off = abs(self.measured - self.theory) - 4 * self.spread / math.sqrt(self.seeds)
        return width * max(off, 0.0)


def case_name(key: Key) -> str:
    """A case in a few words."""
    phi, init, norm = key
    return f"{phi} {init if isinstance(init, str) else 'σ_w 1.5, σ_b 0.3'} {norm or '–'}"


@quiet
def measure(phi: str, init: Any, norm: str | None, width: int, seeds: int) -> list[Quantity]:
    """Measure one case; every case has seeds of its own, so that no draw counts in two."""
    net = Network(width, [Dense(width, phi, norm=norm)] * DEPTH)
    subject = Subject(net, "", init)
    theory = predict_flow(net, scheme_scales(net, init), batch=len(subject.inputs(0)))
    first = zlib.crc32(case_name((phi, init, norm)).encode())
    ensemble = Ensemble(subject, FIRST + first * MOST)
    flows = [subject.flow(first + seed) for seed in range(seeds)]
    rows: list[Any] = [
        (f"{l}/{l + 1}", theory.grad_ratio[l], ensemble.ratio_interval(l, 1), [flow.grad_ratio(l) for flow in flows])
        for l in range(1, DEPTH)
    ]
    whole = [flow.top_to_bottom for flow in flows]
    rows.append((f"1/{DEPTH}", theory.top_to_bottom, ensemble.total_interval(1), whole))
    return [compared(name, limit, *np.log(band), np.log(ratios), ensemble.draws) for name, limit, band, ratios in rows]


def compared(name: str, limit: float, low: float, high: float, logs: np.ndarray, draws: int) -> Quantity:
    """Measured logarithms against the ends of their band."""
    inside = float(((low - ROUNDING <= logs) & (logs <= high + ROUNDING)).mean())
    middle, deviation = float(low + high) / 2, float(high - low) / 2 / Z95
    measured, spread = float(logs.mean()), float(logs.std(ddof=1))
    return Quantity(name, math.log(limit), middle, measured, deviation, spread, inside, len(logs), draws)


def cases() -> list[Key]:
    """All of them."""
    return [(phi, init, norm) for phi in PHI for init in INITS for norm in NORMS]


def measured_already(path: Path | None, width: int, seeds: int) -> dict[str, list[Quantity]]:
    """What an earlier run left, of this width and these seeds; a line cut off by its end is left out."""
    found: dict[str, list[Quantity]] = {}
    if path is None or not path.exists():
        return found
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:  # cut off when a run was ended
            continue
        if (row["width"], row["seeds"]) == (width, seeds):
            found[row["case"]] = [Quantity(**quantity) for quantity in row["quantities"]]
    return found


def run(width: int, seeds: int, processes: int, path: Path | None) -> Iterator[tuple[str, list[Quantity]]]:
    """Every case in order, measured or read; each is written as soon as it is known."""
    known = measured_already(path, width, seeds)
    due = [key for key in cases() if case_name(key) not in known]
    yield from known.items()
    arguments = [list(column) for column in zip(*due, strict=True)] or [[], [], []]
    sizes = [[width] * len(due), [seeds] * len(due)]
    if processes == 1:
        results: Any = map(measure, *arguments, *sizes)
        yield from kept(due, results, width, seeds, path)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from kept(due, pool.map(measure, *arguments, *sizes), width, seeds, path)


def kept(
    due: list[Key], results: Any, width: int, seeds: int, path: Path | None
) -> Iterator[tuple[str, list[Quantity]]]:
    """Write each case as it comes, a line a case."""
    for key, quantities in zip(due, results, strict=True):
        if path is not None:
            row = {"case": case_name(key), "width": width, "seeds": seeds, "quantities": list(map(asdict, quantities))}
            with path.open("a", encoding="utf-8") as file:
                file.write("\n" + json.dumps(row) + "\n")  # on a line of its own, whatever was cut off before
        yield case_name(key), quantities


def line_of(q: Quantity) -> str:
    """One ratio in a line."""
    return (
        f"  {q.name}  theory {math.exp(q.theory):9.5f}  band about {math.exp(q.predicted):9.5f}  "
        f"measured {math.exp(q.measured):9.5f}  "
        f"deviation {q.deviation:.4f} of {q.spread:.4f}  inside {q.inside:4.0%}  z {q.z:.1f}"
    )


def root_mean_square(values: np.ndarray) -> float:
    """√ of the mean square."""
    return float(np.sqrt((values**2).mean()))


def faults(quantities: list[Quantity], width: int) -> list[str]:
    """What speaks against the bands: too narrow, too wide, or means beside them; and means beside theory."""
    some = [q for q in quantities if not q.exact]
    inside, wide = np.mean([q.inside for q in quantities]), np.median([q.width for q in some])
    off = root_mean_square(np.array([q.z for q in some]))
    return [
        *([f"too narrow: {inside:.1%} inside, {wide:.2f} of the spread"] if inside < 0.9 or wide < 0.85 else []),
        *([f"too wide: {wide:.2f} of the spread"] if wide > 1.2 else []),
        *([f"means are off: z is {off:.2f}"] if off > 1.5 else []),
        *(f"theory is off: {q.name} by {q.beside(width):.0f}/n" for q in quantities if q.beside(width) > CLOSE),
    ]


def summary(quantities: list[Quantity]) -> str:
    """Coverage, width and means of many ratios."""
    some = [q for q in quantities if not q.exact]
    widths, zs = np.array([q.width for q in some]), np.array([q.z for q in some])
    inside = [q.inside for q in quantities]
    within = sum(q.within for q in quantities)
    low, middle, high = np.quantile(widths, [0.05, 0.5, 0.95])
    return (
        f"{len(quantities)} ratios, the mean of {within} within the band of single draws; "
        f"{np.mean(inside):.1%} of single draws inside their band of 95 %, at worst "
        f"{min(inside):.0%}; band over spread {middle:.2f} (5 to 95 %: {low:.2f} to {high:.2f}); "
        f"z of the means {root_mean_square(zs):.2f} (root mean square), {(zs > 3).sum()} above 3, "
        f"at most {zs.max():.1f}"
    )


def main(arguments: list[str] | None = None) -> None:
    """Print the table and what it comes to."""
    parser = argparse.ArgumentParser(description="Predicted against measured gradient ratios")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--resume", type=Path, default=None, help="a file that keeps what was measured")
    given = parser.parse_args(arguments)
    all_of_them: dict[str, list[Quantity]] = {}
    for name, quantities in run(given.width, given.seeds, given.processes, given.resume):
        all_of_them[name] = quantities
        print(f"[{len(all_of_them)}/{len(cases())}] {name}", *map(line_of, quantities), sep="\n", flush=True)
    everything = [q for found in all_of_them.values() for q in found]
    beside = max(q.beside(given.width) for q in everything)
    print(f"means are off theory by at most {beside:.1f}/n, four of their deviations apart")
    for norm in NORMS:
        of_norm = [q for name, found in all_of_them.items() if name.endswith(f" {norm or '–'}") for q in found]
        print(f"{norm or 'no'} norm: {summary(of_norm)}")
    print(f"all: {summary(everything)}")
    for fault in faults(everything, given.width):
        print(fault)
    sys.exit(1 if faults(everything, given.width) else 0)


if __name__ == "__main__":
    main()
