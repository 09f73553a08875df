"""Measure how closely the oracles of `check` agree, over networks that Hypothesis draws and random ones.

    python scripts/oracle_agreement.py [--networks 300]

A network counts as certified by an oracle where every tensor agrees to ≤ 1e-13 (differences: ≤ 1e-8), as excused where
some tensor agrees only up to its measured rounding, and as apart where an oracle disagrees.  Exits with 1 where any is.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.strategies import problems
from tests.verification.drawn import draw_problem
from tests.verification.test_right_numbers import problem_of

from backlit.core.problem import Problem
from backlit.verification.agreement import Agreement, agreement

ZERO = 1e-13  # of the whole gradient: below, a tensor is 0 in exact arithmetic, or as good as


def drawn(count: int) -> list[Problem]:
    """`count` networks by Hypothesis, which likes corners, and as many random ones."""
    found: list[Problem] = []

    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(problems())
    def collect(case) -> None:
        found.append(problem_of(case))

    collect()
    rng = np.random.default_rng(0)
    return found[:count] + [draw_problem(rng) for _ in range(count)]


def tensors_of(problem: Problem, found: Agreement) -> tuple[int, int]:
    """(tensors that are excused, those of them that are not zero)."""
    _, grad = problem.passes()
    whole = float(np.linalg.norm(grad.theta))
    norms = {str(slot): float(np.linalg.norm(value)) for slot, value in grad.flat.items()}
    return len(found.excused), sum(norms[name] > ZERO * whole for name in found.excused)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=300, help="networks from each of the two sources")
    asked: Counter[str] = Counter()
    worst: dict[str, float] = {}
    tally: Counter[str] = Counter()
    apart: list[str] = []
    cases = drawn(parser.parse_args().networks)
    for i, problem in enumerate(cases, start=1):
        found = agreement(problem)
        excused, real = tensors_of(problem, found)
        tally.update(networks=1, certified=not excused, excused_tensors=excused, not_zero=real)
        tally.update(tensors=sum(1 for _ in problem.params.items()), only_zeros=bool(excused) and not real)
        asked.update(list(found.errors))
        for name, error in found.errors.items():
            worst[name] = max(worst.get(name, 0.0), error)
        apart += [] if found.agree else [f"{problem.net}: {found.reason}"]
        print(f"\r{i} of {len(cases)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    for name, count in asked.items():
        print(f"{name:20s} asked {count:4d} times, largest error of a certified tensor {worst[name]:.1e}")
    print(
        f"{tally['networks']} networks: {tally['certified']} certified in every tensor, "
        f"{tally['only_zeros']} more in every tensor that is not 0 up to rounding, {len(apart)} apart"
    )
    print(
        f"{tally['tensors']} tensors: {tally['excused_tensors']} excused by rounding, {tally['not_zero']} of them not 0"
    )
    print("\n".join(apart))
    return 1 if apart else 0


if __name__ == "__main__":
    sys.exit(main())
