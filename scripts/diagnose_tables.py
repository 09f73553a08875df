"""Predicted against measured gradient ratios: every activation × initializer × norm, width 256, 30 seeds.

For each network of 4 layers the ratios E‖δ_l‖²/E‖δ_{l+1}‖², l = 1…3, are measured over the seeds.  A case is right if
the mean of each logarithm lies within the stated band (2 deviations of one draw); the last column says how many single
draws do.

    python scripts/diagnose_tables.py [width] [seeds]
"""

import math
import sys
from dataclasses import dataclass

import numpy as np

from backlit.core import Dense, Network
from backlit.core.activations import ACTIVATIONS
from backlit.diagnosis.measured import quiet
from backlit.diagnosis.predicted import predict_flow, scheme_scales
from backlit.diagnosis.subject import Subject

PHI = [name for name in ACTIVATIONS if name not in ("softmax", "exp")]  # e^u has no length to speak of: q overflows
INITS = (
    "xavier_uniform",
    "he_normal",
    "lecun_normal",
    "orthogonal",
    {"scheme": "gaussian", "sigma_w": 1.5, "sigma_b": 0.3},
)
NORMS = (None, "batch", "layer")
DEPTH, BAND = 4, 2


@dataclass(frozen=True)
class Case:
    """The worst layer of one case: predicted and measured ln ratio, the band, and the share of draws within it."""

    predicted: float
    measured: float
    band: float
    inside: float

    @property
    def ok(self) -> bool:
        """Whether the mean is within the band."""
        return abs(self.measured - self.predicted) <= self.band


@quiet
def measure(phi: str, init: object, norm: str | None, width: int, seeds: int) -> Case:
    """Measure one case and give its worst layer."""
    net = Network(width, [Dense(width, phi, norm=norm)] * DEPTH)
    subject, theory = Subject(net, "", init), predict_flow(net, scheme_scales(net, init))
    flows = [subject.flow(seed) for seed in range(seeds)]
    cases = []
    for l in range(1, DEPTH):
        logs = np.log([flow.grad_ratio(l) for flow in flows])
        predicted, band = math.log(theory.grad_ratio[l]), BAND * theory.ratio_band[l]
        cases.append(Case(predicted, float(logs.mean()), band, float((abs(logs - predicted) <= band).mean())))
    return max(cases, key=lambda case: abs(case.measured - case.predicted) / case.band)


def main() -> None:
    """Print the table and how many cases are right."""
    width, seeds = (int(argument) for argument in (*sys.argv[1:], *("256", "30")[len(sys.argv) - 1 :])[:2])
    right = total = 0
    for phi in PHI:
        for init in INITS:
            for norm in NORMS:
                case = measure(phi, init, norm, width, seeds)
                right, total = right + case.ok, total + 1
                name = init if isinstance(init, str) else "σ_w 1.5, σ_b 0.3"
                print(f"{phi:11} {name:16} {norm or '–':5}  predicted {math.exp(case.predicted):8.4f}  measured "
                      f"{math.exp(case.measured):8.4f}  band ×/÷ {math.exp(case.band):.3f}  draws inside "
                      f"{case.inside:4.0%}  {'ok' if case.ok else 'OUTSIDE'}", flush=True)  # fmt: skip
    print(f"{right} of {total} cases within the band")


if __name__ == "__main__":
    main()
