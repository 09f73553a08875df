"""Measure how well `check` names mistakes: a confusion matrix over random networks, pairs, rounding and noise.

    python scripts/check_matrix.py [--networks 20] [--pairs 100] [--rounded 10000] [--noise 1000] [--seed 0]
        [--workers 2]

Mistakes are planted in a student's backpropagation that shares no code with Backlit (tests/verification/planted.py).
Exits with 1 where a target is missed.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.verification.drawn import draw_problem
from tests.verification.planted import MISTAKES, Planted, planted_claims

from backlit.core.problem import Problem
from backlit.verification.comparison import Tolerances, compare_all
from backlit.verification.problem_check import CheckResult, check
from backlit.verification.quantities import named_claims

PARAMETERS = ("grad_W", "grad_b", "grad_gamma", "grad_beta")
CHOICES = (PARAMETERS, ("delta", *PARAMETERS), ("loss", "delta", *PARAMETERS))
Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]  # `map`, or that of a pool of processes
TRIES = 60  # problems drawn for one on which a mistake can be made and shows


@dataclass
class Row:
    """One mistake's outcomes: how often it showed, was named, came first, with its layer, and what else was said.

    `named` counts a right name anywhere in the class of bugs with the same numbers, `first` one at its head, `layer`
    a diagnosis that holds the layer at which the mistake was planted.
    """

    shown: int = 0
    named: int = 0
    first: int = 0
    layer: int = 0
    invisible: int = 0
    others: Counter[str] = field(default_factory=Counter)


def names_of(result: CheckResult) -> list[str]:
    """All names that a result gives as possible, the first diagnosis first."""
    return [name for one in result.diagnoses for name in (one.name, *one.equivalent)]


def chosen(claims: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """A part of the claims, as someone might hand it in."""
    keys = CHOICES[rng.integers(len(CHOICES))]
    return {key: claims[key] for key in keys if key in claims}


def confusion(networks: int, seed: int, each: Map = map) -> Iterator[tuple[str, Row]]:
    """Plant each mistake in `networks` random networks on which it shows; yields as they are done.

    A row has random numbers of its own, so that the matrix is the same however many processes make it.
    """
    yield from each(partial(row_of, networks, seed), MISTAKES)


def row_of(networks: int, seed: int, name: str) -> tuple[str, Row]:
    """One row of the matrix."""
    mistake, row, rng = MISTAKES[name], Row(), np.random.default_rng([seed, list(MISTAKES).index(name)])
    for _ in range(networks * TRIES):
        if row.shown == networks:
            break
        problem = draw_problem(rng)
        layers = mistake.layers(problem)
        if not layers:
            continue
        planted = Planted(name, int(rng.choice(layers)))
        record(row, check(problem, chosen(planted_claims(problem, planted), rng)), mistake.rows, planted.at)
    return name, row


def record(row: Row, result: CheckResult, right: tuple[str, ...], layer: int) -> None:
    """Count one outcome."""
    if result.ok:
        row.invisible += 1
        return
    row.shown += 1
    names = names_of(result)
    if any(name in right for name in names):
        row.named += 1
        row.first += names[0] in right
        row.layer += layer == 0 or layer in result.diagnoses[0].layers[0]
    else:
        row.others[names[0] if names else result.notes[0][:60] if result.notes else "unknown"] += 1


def pairs(count: int, rng: np.random.Generator) -> Row:
    """Plant two mistakes at once, both of which show alone, and ask for both names."""
    row = Row()
    while row.shown < count:
        problem = draw_problem(rng)
        planted = [draw_mistake(problem, rng) for _ in range(2)]
        if planted[0].name == planted[1].name or any(visible(problem, one) is False for one in planted):
            continue
        result = check(problem, chosen(planted_claims(problem, *planted), rng))
        if result.ok:
            row.invisible += 1
            continue
        row.shown += 1
        names = names_of(result)
        if any(is_pair(name, planted) for name in names):
            row.named += 1
            row.first += is_pair(names[0], planted)
            row.others["one of the two alone gives the same numbers"] += not any(" + " in name for name in names)
        else:
            row.others[("false: " + names[0]) if names else "unknown"] += 1
    return row


def draw_mistake(problem: Problem, rng: np.random.Generator) -> Planted:
    """Any mistake that can be made in a problem."""
    possible = [name for name, mistake in MISTAKES.items() if mistake.layers(problem)]
    name = str(rng.choice(possible))
    return Planted(name, int(rng.choice(MISTAKES[name].layers(problem))))


def visible(problem: Problem, planted: Planted) -> bool:
    """Whether one mistake alone makes a gradient wrong."""
    named = named_claims(problem, {k: v for k, v in planted_claims(problem, planted).items() if k != "loss"})
    return not all(one.ok for one in compare_all(Tolerances.of(problem, named), named).values())


def is_pair(name: str, planted: list[Planted]) -> bool:
    """Whether a name is right: both mistakes, in either order; one name where two mistakes are the same as one."""
    parts = name.split(" + ")
    first, second = (MISTAKES[one.name].rows for one in planted)
    if len(parts) == 1:
        return parts[0] in (*first, *second)
    return (parts[0] in first and parts[1] in second) or (parts[1] in first and parts[0] in second)


def rounded(count: int, rng: np.random.Generator) -> int:
    """False alarms among correct gradients that were rounded to float32."""
    alarms = 0
    for _ in range(count):
        problem = draw_problem(rng)
        single = {
            key: {l: np.float32(value) for l, value in by_layer.items()} if isinstance(by_layer, dict) else by_layer
            for key, by_layer in planted_claims(problem).items()
        }
        named = named_claims(problem, single)
        alarms += not all(one.ok for one in compare_all(Tolerances.of(problem, named), named).values())
    return alarms


def noise(count: int, rng: np.random.Generator) -> Counter[str]:
    """Names given to gradients that are noise, wholly or in half of their tensors."""
    given: Counter[str] = Counter()
    for i in range(count):
        problem = draw_problem(rng)
        claims = chosen(planted_claims(problem), rng)
        for key in claims:
            if key == "loss":
                continue
            for l, value in claims[key].items():
                if i % 2 or rng.random() < 0.5:
                    claims[key][l] = np.asarray(value) + rng.standard_normal(np.shape(value))
        given.update(names_of(check(problem, claims))[:1])
    return given


# --- the run ----------------------------------------------------------------------------------------------------------


def portions(count: int, seed: int, size: int) -> Iterator[tuple[int, np.random.Generator]]:
    """`count` cases in portions of `size`, each with random numbers of its own."""
    for i, start in enumerate(range(0, count, size)):
        yield min(size, count - start), np.random.default_rng([seed, i])


def starred(count: Callable[[int, np.random.Generator], Any], portion: tuple[int, np.random.Generator]) -> Any:
    """One portion."""
    return count(*portion)


def summed(count: Any, total: int, seed: int, size: int, each: Map, label: str) -> Iterator[Any]:
    """Count portion by portion, and say how far it is."""
    done = 0
    for found in each(partial(starred, count), portions(total, seed, size)):
        done = min(done + size, total)
        print(f"\r{label}: {done} of {total}", end="\n" if done == total else "", file=sys.stderr, flush=True)
        yield found


def line(name: str, row: Row) -> str:
    """A row of the matrix, printed."""
    others = ", ".join(f"{other} × {n}" for other, n in row.others.items())
    return f"{name:28s} {row.named:5d} / {row.shown:<5d}  {row.first:5d}  {row.layer:5d}  {row.invisible:9d}  {others}"


def singles(options: argparse.Namespace, each: Map) -> bool:
    """The confusion matrix, row by row."""
    print(f"{'planted':28s} named / shown  first  layer  invisible  said instead", flush=True)
    named = shown = 0
    for name, row in confusion(options.networks, options.seed, each):
        named, shown = named + row.named, shown + row.shown
        print(line(name, row), flush=True)
    print(f"singles: {named} of {shown} named ({named / max(shown, 1):.2%}; target 98 %)", flush=True)
    return named >= 0.98 * shown


def main() -> int:
    """Measure, print, and compare with the targets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, default in (("networks", 20), ("pairs", 100), ("rounded", 10_000), ("noise", 1000), ("seed", 0)):
        parser.add_argument(f"--{option}", type=int, default=default)
    parser.add_argument("--workers", type=int, default=2, help="processes")
    options, start = parser.parse_args(), time.perf_counter()
    for blas in ("OMP", "OPENBLAS", "MKL", "VECLIB"):  # small matrices: threads would only wait for each other
        os.environ.setdefault(f"{blas}_NUM_THREADS", "1")
    with get_context("spawn").Pool(options.workers) as pool:
        met = measured(options, pool.imap)
    missed = [what for what, ok in met.items() if not ok]
    print(f"{time.perf_counter() - start:.0f} s; missed: {', '.join(missed) or 'nothing'}")
    return 1 if missed else 0


def measured(options: argparse.Namespace, each: Map) -> dict[str, bool]:
    """{what: whether its target is met}, each printed as soon as it is known."""
    met, seed = {"singles": singles(options, each)}, options.seed

    row = Row()
    for part in summed(pairs, options.pairs, seed, 2, each, "pairs"):
        row.shown, row.named, row.first = row.shown + part.shown, row.named + part.named, row.first + part.first
        row.others.update(part.others)
    print(
        f"pairs: {row.named} of {row.shown} named, {row.first} first of their class (target 80 %); {dict(row.others)}",
        flush=True,
    )
    met["pairs"] = row.named >= 0.8 * row.shown

    alarms = sum(summed(rounded, options.rounded, seed, 100, each, "rounded"))
    print(f"correct gradients rounded to float32: {alarms} false alarms in {options.rounded} (target 0)", flush=True)
    met["rounded"] = not alarms

    false: Counter[str] = sum(summed(noise, options.noise, seed, 10, each, "noise"), Counter())
    print(f"noise: {sum(false.values())} false names in {options.noise} (target 0) {dict(false) or ''}", flush=True)
    met["noise"] = not false
    return met


if __name__ == "__main__":
    sys.exit(main())
