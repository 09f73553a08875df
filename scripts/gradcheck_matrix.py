"""Measure how well `explain`'s checks tell right gradients from wrong ones, over networks that Hypothesis draws.

    python scripts/gradcheck_matrix.py [--networks 10000] [--planted 1000] [--seed 0] [--workers 2]

A third of the networks has numbers that are float32, lifted to float64; a third has numbers of one decimal, as books
have, so that units lie exactly on kinks and outputs exactly on targets.  Prints each network in which a right gradient
is said to disagree, and each planted error that nothing disagrees with; exits with 1 where there is any.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.core.rounding import magnitudes
from tests.strategies import Problem as Drawn
from tests.strategies import problems

from backlit.core.parameters import Parameters, layout
from backlit.core.passes import Gradients
from backlit.core.problem import Problem
from backlit.derivation.checks import check
from backlit.errors import DomainError

PORTION = 50
REAL = 1e-6  # of Σ|terms|: an entry that is smaller is mostly rounding
SMALL = 1e-4  # the error of a single entry

Plant = Callable[[Problem, Gradients, np.random.Generator], Gradients | None]


# --- networks ---------------------------------------------------------------------------------------------------------


def drawn(count: int, seed: int) -> list[Drawn]:
    """`count` problems, in float64, in turns as drawn, of float32 numbers, and of numbers with one decimal."""
    found: list[Drawn] = []

    @hypothesis_seed(seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(problems())
    def collect(case: Drawn) -> None:
        found.append(case)

    collect()
    forms = (lambda case: case, lifted, rounded)
    made = (forms[i % 3](as_problems_drop(case)) for i, case in enumerate(found[:count]))
    return [case for case in made if case is not None]


def as_problems_drop(case: Drawn) -> Drawn:
    """With the masks that a problem has: those of step 0, and none where batch norm goes by running moments."""
    drops = case.dropout is not None and case.statistics is None
    return case.but(dropout=replace(case.dropout, step=0) if drops else None)


def lifted(case: Drawn) -> Drawn:
    """Numbers that float32 holds, in float64."""
    return case.astype(np.float32).astype(np.float64)


def rounded(case: Drawn) -> Drawn | None:
    """Numbers of one decimal; None where these overflow, or leave what the loss is defined at."""
    theta, X = case.params.theta.round(1), case.X.round(1)
    targets = case.net.loss.name not in ("cross_entropy", "binary_cross_entropy", "poisson")
    y = np.asarray(case.y).round(1) if targets else case.y
    case = case.but(params=Parameters(case.net, theta), X=X, y=y)
    try:
        trace, grad = case.passes()
    except DomainError:
        return None
    return case if trace.first_non_finite() is None and np.isfinite(grad.theta).all() else None


def problem_of(case: Drawn) -> Problem:
    """The drawn case as a problem."""
    seed = None if case.dropout is None else case.dropout.seed
    return Problem(case.net, case.params, case.X, case.y, case.sample_weight, seed=seed, statistics=case.statistics)


# --- mistakes ---------------------------------------------------------------------------------------------------------


def tensor_times(factor: Callable[[Problem, np.random.Generator], float]) -> Plant:
    """One tensor multiplied by a factor."""

    def plant(problem: Problem, grad: Gradients, rng: np.random.Generator) -> Gradients | None:
        slots, times = layout(problem.net), factor(problem, rng)
        grad.flat[slots[rng.integers(len(slots))]] *= times
        return grad if times != 1 else None

    return plant


def one_entry(problem: Problem, grad: Gradients, rng: np.random.Generator) -> Gradients:
    """One entry of the gradient off by a relative 1e-4."""
    grad.theta[rng.integers(len(grad.theta))] *= 1 + rng.choice((-SMALL, SMALL))
    return grad


def no_slope(problem: Problem, grad: Gradients, rng: np.random.Generator) -> Gradients:
    """φ' left out in a layer."""
    l, layers = int(rng.integers(problem.net.L)), list(problem.net.layers)
    phi = replace(layers[l].activation, derivative=np.ones_like, pull_back=None)
    layers[l] = replace(layers[l], activation=phi)
    return replace(problem, net=replace(problem.net, layers=layers)).passes()[1]


def no_mean(problem: Problem, grad: Gradients, rng: np.random.Generator) -> Gradients | None:
    """A sum over the examples in place of their mean."""
    if problem.net.reduction == "sum":
        return None
    return replace(problem, net=replace(problem.net, reduction="sum")).passes()[1]


def no_l2(problem: Problem, grad: Gradients, rng: np.random.Generator) -> Gradients | None:
    """The penalty forgotten."""
    return replace(problem, net=replace(problem.net, l2=0.0)).passes()[1] if problem.net.l2 else None


def transposed(problem: Problem, grad: Gradients, rng: np.random.Generator) -> Gradients | None:
    """A square gradient of W the wrong way round."""
    square = [W for W in grad.W[1:] if W.shape[0] == W.shape[1] > 1]
    for W in square:
        W[:] = W.T.copy()
    return grad if square else None


PLANTS: dict[str, Plant] = {
    "one entry": one_entry,
    "factor": tensor_times(lambda problem, rng: float(rng.choice((0.5, 2.0, 0.9, 1.001)))),
    "sign": tensor_times(lambda problem, rng: -1.0),
    "zero": tensor_times(lambda problem, rng: 0.0),
    "1/m": tensor_times(lambda problem, rng: 1 / len(problem.data()[0])),
    "no slope": no_slope,
    "no mean": no_mean,
    "no l2": no_l2,
    "transposed": transposed,
}


def shows(case: Drawn, claimed: np.ndarray) -> bool:
    """Whether a claim is wrong in an entry that is not mostly rounding, by half of a relative 1e-4 or more."""
    trace, grad = case.passes()
    terms = magnitudes(case, trace).flat.theta
    off = np.abs(claimed - grad.theta)
    return bool((off > SMALL / 2 * np.maximum(np.abs(grad.theta), REAL * terms)).any())


# --- the run ----------------------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What was counted; `alarms` and `missed` say in words what went wrong."""

    networks: int = 0
    compared: Counter[str] = field(default_factory=Counter)
    planted: Counter[str] = field(default_factory=Counter)
    found_by: Counter[str] = field(default_factory=Counter)
    alarms: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Count what another has counted."""
        self.networks += other.networks
        for name in ("compared", "planted", "found_by"):
            getattr(self, name).update(getattr(other, name))
        self.alarms += other.alarms
        self.missed += other.missed


def portion(every: int, seed: int, count: int) -> Tally:
    """Check `count` networks, and plant an error in each `every`-th."""
    tally, rng = Tally(), np.random.default_rng(seed)
    for i, case in enumerate(drawn(count, seed)):
        right(case, tally)
        if every and i % every == 0:
            wrong(case, tally, rng)
    return tally


def right(case: Drawn, tally: Tally) -> None:
    """A right gradient, with which nothing may disagree."""
    problem = problem_of(case)
    trace, grad = problem.passes()
    found = check(problem, trace, grad)
    tally.networks += 1
    for name, checks in found.items():
        tally.compared.update(one.kind for one in checks)
        tally.alarms += [f"{name}: {one} of {case!r}" for one in checks if not one.ok]


def wrong(case: Drawn, tally: Tally, rng: np.random.Generator) -> None:
    """Plant an error that shows, with which something must disagree."""
    problem = problem_of(case)
    for name in map(str, rng.permutation(list(PLANTS))):
        trace, grad = problem.passes()
        claimed = PLANTS[name](problem, grad, rng)
        if claimed is None or not np.isfinite(claimed.theta).all() or not shows(case, claimed.theta):
            continue
        tally.planted[name] += 1
        kinds = {one.kind for checks in check(problem, trace, claimed).values() for one in checks if not one.ok}
        tally.found_by.update(kinds)
        tally.missed += [] if kinds else [f"{name} in {case!r}"]
        return


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, default in (("networks", 10_000), ("planted", 1000), ("seed", 0), ("workers", 2)):
        parser.add_argument(f"--{option}", type=int, default=default)
    options, tally, start = parser.parse_args(), Tally(), time.perf_counter()
    for blas in ("OMP", "OPENBLAS", "MKL", "VECLIB"):  # small matrices: threads would only wait for each other
        os.environ.setdefault(f"{blas}_NUM_THREADS", "1")
    every = max(options.networks // (options.planted + options.planted // 20), 1) if options.planted else 0
    seeds = iter(range(1000 * options.seed, 1000 * options.seed + 10**6))
    with get_context("spawn").Pool(options.workers) as pool:
        for one in pool.imap(partial(starred, every), portions(options.networks, seeds)):
            tally.add(one)
            print(*one.alarms, *one.missed, sep="\n", end="\n" if one.alarms or one.missed else "", flush=True)
            print(f"\r{tally.networks} networks, {len(tally.alarms)} alarms; {tally.planted.total()} planted, "
                  f"{len(tally.missed)} missed", end="", file=sys.stderr, flush=True)  # fmt: skip
    print(file=sys.stderr)
    print(f"{tally.networks} networks, {tally.compared.total()} comparisons ({tally.compared}): {len(tally.alarms)} "
          f"say that a right gradient disagrees")  # fmt: skip
    print(f"{tally.planted.total()} planted errors ({tally.planted}): {len(tally.missed)} missed; found by "
          f"{dict(tally.found_by)}; {time.perf_counter() - start:.0f} s")  # fmt: skip
    return 1 if tally.alarms or tally.missed else 0


def portions(count: int, seeds: Iterator[int]) -> Iterator[tuple[int, int]]:
    """Portions of the networks, (seed, count)."""
    for first in range(0, count, PORTION):
        yield next(seeds), min(PORTION, count - first)


def starred(every: int, one: tuple[int, int]) -> Tally:
    """One portion."""
    return portion(every, *one)


if __name__ == "__main__":
    sys.exit(main())
