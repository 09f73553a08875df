"""Batch norm over small batches: the growth of δ a layer as predicted and as measured, by batch size and activation.

For each network of 8 layers the ratios E‖δ_l‖²/E‖δ_{l+1}‖² of layers 2 to 5, where a batch has settled, are averaged
over the layers and seeds; ± is the deviation of that mean.  The last column is the prediction for endless batches.

    python scripts/batch_norm_table.py [width] [seeds]
"""

import sys
from dataclasses import dataclass

import numpy as np

from backlit.core import Dense, Network
from backlit.core.activations import get_activation
from backlit.diagnosis.inputs import Subject
from backlit.diagnosis.theory.fixed_points import LayerSpec, fixed_point

PHI = ("identity", "tanh", "relu", "sigmoid")
BATCHES = (2, 3, 4, 8, 16, 32, 128)
DEPTH, LAYERS = 8, range(2, 6)


@dataclass(frozen=True)
class Case:
    """Predicted growth a layer; measured, and the deviation of its mean; predicted for endless batches."""

    predicted: float
    measured: float
    error: float
    many: float


def measure(phi: str, m: int, width: int, seeds: int) -> Case:
    """Measure one activation at one batch size."""
    subject = Subject(Network(width, [Dense(width, phi, norm="batch")] * DEPTH), "", "lecun_normal", batch=m)
    flows = [subject.flow(seed) for seed in range(seeds)]
    ratios = np.array([np.mean([flow.grad_ratio(l) for l in LAYERS]) for flow in flows])
    known, many = (fixed_point(LayerSpec(get_activation(phi), 1.0, norm="batch", batch=b)).chi_1 for b in (m, None))
    return Case(known, float(ratios.mean()), float(ratios.std(ddof=1) / seeds**0.5), many)


def main() -> None:
    """Print the table."""
    width, seeds = (int(argument) for argument in (*sys.argv[1:], *("512", "30")[len(sys.argv) - 1 :])[:2])
    print(f"{'φ':9} {'m':>4} {'predicted':>10} {'measured':>10} {'±':>8}   endless")
    for phi in PHI:
        for m in BATCHES:
            case = measure(phi, m, width, seeds)
            print(f"{phi:9} {m:4} {case.predicted:10.4f} {case.measured:10.4f} {case.error:8.4f}   {case.many:.4f}",
                  flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
