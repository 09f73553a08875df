"""Predicted against measured gradient ratios: every activation × initializer × norm, width 256, 30 seeds.

For each network of 4 layers the ratios E‖δ_l‖²/E‖δ_{l+1}‖², l = 1…3, and that of top to bottom are measured in single
draws, on 64 fresh normal inputs each (128 under batch norm).  The band is said to hold 95 % of single draws, so three
things are counted: the share of draws inside; the band's deviation over the measured one (below 1 it is too narrow,
above it too wide); and how far the mean over the seeds is from the predicted one, in its own deviations (z).
Batch norm's means are those of endless width, off by up to DOUBT/n, which its z allow for and its line names; the
shares inside and the deviations are counted without.

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
from backlit.diagnosis.measured import quiet
from backlit.diagnosis.subject import Subject
from backlit.diagnosis.theory.finite_width import DOUBT, Z95
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
Key = tuple[str, Any, str | None]


@dataclass(frozen=True)
class Quantity:
    """One ratio of one case, in natural logarithms; `inside` is the share of draws within the band of 95 %.

    deviation : the predicted one of single draws; spread : the measured one; doubt : what the mean may be off by.
    """

    name: str
    predicted: float
    measured: float
    deviation: float
    spread: float
    inside: float
    seeds: int
    doubt: float

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
        """The mean's distance from the predicted one, less the doubt, in its deviations."""
        off = max(abs(self.measured - self.predicted) - self.doubt, 0.0)
        return off / (max(self.deviation, self.spread) / math.sqrt(self.seeds) + ROUNDING)


def case_name(key: Key) -> str:
    """A case in a few words."""
    phi, init, norm = key
    return f"{phi} {init if isinstance(init, str) else 'σ_w 1.5, σ_b 0.3'} {norm or '–'}"


@quiet
def measure(phi: str, init: Any, norm: str | None, width: int, seeds: int) -> list[Quantity]:
    """Measure one case; every case has seeds of its own, so that no draw counts in two."""
    net = Network(width, [Dense(width, phi, norm=norm)] * DEPTH)
    subject = Subject(net, "", init)
    setting = subject.setting()
    theory = predict_flow(net, scheme_scales(net, init), batch=setting.m, setting=setting)
    bands = theory.bands
    first = zlib.crc32(case_name((phi, init, norm)).encode())
    flows = [subject.flow(first + seed) for seed in range(seeds)]
    rows = [
        (
            f"{l}/{l + 1}",
            theory.grad_ratio[l],
            bands.ratio_shift[l],
            bands.ratio_band[l],
            [f.grad_ratio(l) for f in flows],
        )
        for l in range(1, DEPTH)
    ]
    whole = [flow.top_to_bottom for flow in flows]
    rows.append((f"1/{DEPTH}", theory.top_to_bottom, bands.total_shift, bands.total_band, whole))
    found = []
    for name, limit, shift, deviation, ratios in rows:
        logs, predicted = np.log(ratios), math.log(limit) + shift
        inside = float((abs(logs - predicted) <= Z95 * deviation + ROUNDING).mean())
        doubt = DOUBT / width if norm == "batch" else 0.0
        spread = float(logs.std(ddof=1))
        found.append(Quantity(name, predicted, float(logs.mean()), deviation, spread, inside, seeds, doubt))
    return found


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


def width_off(q: Quantity, width: int) -> float:
    """How far the mean is off, in units of 1/n."""
    return width * (q.measured - q.predicted)


def line_of(q: Quantity) -> str:
    """One ratio in a line."""
    return (
        f"  {q.name}  predicted {math.exp(q.predicted):9.5f}  measured {math.exp(q.measured):9.5f}  "
        f"deviation {q.deviation:.4f} of {q.spread:.4f}  inside {q.inside:4.0%}  z {q.z:.1f}"
    )


def root_mean_square(values: np.ndarray) -> float:
    """√ of the mean square."""
    return float(np.sqrt((values**2).mean()))


def faults(quantities: list[Quantity]) -> list[str]:
    """What speaks against the bands: too narrow, too wide, or means beside the predicted ones."""
    some = [q for q in quantities if not q.exact]
    inside, width = np.mean([q.inside for q in quantities]), np.median([q.width for q in some])
    off = root_mean_square(np.array([q.z for q in some]))
    return [
        *([f"too narrow: {inside:.1%} inside, {width:.2f} of the spread"] if inside < 0.9 or width < 0.85 else []),
        *([f"too wide: {width:.2f} of the spread"] if width > 1.2 else []),
        *([f"means are off: z is {off:.2f}"] if off > 1.5 else []),
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
    off = [width_off(q, given.width) for q in everything if q.doubt]
    print(
        f"batch norm: n times ln measured − ln predicted, of means: {min(off):.1f} to {max(off):.1f}, at most ±{DOUBT}"
    )
    for norm in NORMS:
        of_norm = [q for name, found in all_of_them.items() if name.endswith(f" {norm or '–'}") for q in found]
        print(f"{norm or 'no'} norm: {summary(of_norm)}")
    print(f"all: {summary(everything)}")
    for fault in faults(everything):
        print(fault)
    sys.exit(1 if faults(everything) else 0)


if __name__ == "__main__":
    main()
