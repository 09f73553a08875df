"""How time and memory grow with width, depth, batch and examples: fitted exponents beside the theoretical ones.

    python scripts/cost_growth.py [--out growth.svg] [--quick]

A step's time is O(m Σ n_l n_{l−1}), its activations are O(m Σ n_l); an epoch's time is O(examples).  The theoretical
exponent is the slope of those sums over the same points, since inputs and outputs stay as they are.  Seconds are the
processor's, of one thread, so that what else the machine does counts little.  Prints a table,
and plots it where --out names a file (.svg, .png).
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from backlit.core import Dense, Network
from backlit.costs import cost
from backlit.costs.machine import step_seconds
from backlit.engine import TrainConfig
from backlit.files import atomic_write, check_folder
from backlit.optim import get_optimizer

STEPS = {
    "width": (128, 192, 256, 384, 512),
    "depth": (4, 8, 16, 32),
    "batch": (64, 128, 256, 512),
    "examples": (4, 8, 16, 32),
}
QUICK = {"width": (32, 64), "depth": (2, 4), "batch": (16, 32), "examples": (2, 4)}


@dataclass(frozen=True)
class Sweep:
    """One thing that grows: its values, and at each the seconds, the operations, the activations and the two sums."""

    name: str
    values: tuple[int, ...]
    seconds: tuple[float, ...]
    operations: tuple[int, ...]
    activations: tuple[int, ...]
    products_sum: tuple[int, ...]  # batch · Σ n_l n_{l−1}, times the batches of an epoch
    units_sum: tuple[int, ...]  # batch · Σ n_l

    def slope(self, numbers: Sequence[float]) -> float:
        """The exponent: the slope of the logarithms."""
        return round(float(np.polyfit(np.log(self.values), np.log(numbers), 1)[0]), 9) + 0.0  # never −0


def case(name: str, value: int) -> tuple[Network, int, int]:
    """(network, batch, batches) with one of the four at `value`."""
    width, depth, batch, batches = 256, 8, 128, 1
    if name == "width":
        width = value
    elif name == "depth":
        depth = value
    elif name == "batch":
        batch = value
    else:
        width, depth, batches = 64, 4, value
    net = Network(32, [*(Dense(width, "tanh") for _ in range(depth)), Dense(8, "softmax")], loss="cross_entropy")
    return net, batch, batches


def sweep(name: str, values: tuple[int, ...], clock: Callable[[Network, int, int], float]) -> Sweep:
    """Measure at each value."""
    rows = []
    for value in values:
        net, m, batches = case(name, value)
        counted = cost(net, batch=m, optimizer="sgd", n_threads=1)
        operations = batches * sum(counted.ledger.matmul(phase) for phase in ("forward", "backward"))
        products = batches * m * sum(a * b for a, b in zip(net.n[1:], net.n[:-1], strict=True))
        seconds = clock(net, m, batches)
        rows.append((seconds, operations, counted.memory.activations, products, m * sum(net.n)))
        print(f"\r{name} {value}: {seconds * 1e3:.2f} ms   ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return Sweep(name, values, *(tuple(row[i] for row in rows) for i in range(5)))


def measured(net: Network, m: int, batches: int) -> float:
    """Seconds of the steps of an epoch."""
    recipe = TrainConfig(net, get_optimizer("sgd"), m, n_threads=1)
    return (
        epoch_seconds(recipe, batches)
        if batches > 1
        else step_seconds(recipe, np.dtype(np.float32), time.process_time)[0]
    )


def epoch_seconds(recipe: TrainConfig, batches: int) -> float:
    """Seconds of one pass over `batches` batches."""
    from backlit.core.targets import as_targets
    from backlit.costs.machine import fastest, targets
    from backlit.engine import Data, State, get_engine

    net, n, dtype = recipe.net, recipe.batch_size * batches, np.dtype(np.float32)
    draw = np.random.default_rng(0)
    data = Data(draw.standard_normal((n, net.inputs)).astype(dtype), as_targets(net, targets(net, draw, n), n, dtype))
    state, engine = State.start(net, net.init(dtype=dtype), recipe.optimizer), get_engine("auto", recipe)
    return fastest(
        lambda: engine.run(state, data, np.arange(n), np.full(batches, 1e-6), lambda: False), time.process_time
    )


def table(sweeps: Sequence[Sweep]) -> str:
    """Exponents, fitted and theoretical."""
    lines = [f"{'grows':10s} {'time':>6s} {'products':>9s} {'theory':>7s}   {'activations':>11s} {'theory':>7s}"]
    for one in sweeps:
        fitted = (one.slope(one.seconds), one.slope(one.operations), one.slope(one.products_sum))
        memory = (one.slope(one.activations), one.slope(one.units_sum))
        lines.append(
            f"{one.name:10s} {fitted[0]:6.2f} {fitted[1]:9.2f} {fitted[2]:7.2f}   {memory[0]:11.2f} {memory[1]:7.2f}"
        )
    return "\n".join(lines)


def plot(sweeps: Sequence[Sweep], path: str) -> None:
    """Time against the thing that grows, with the theoretical slope through the last point."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, len(sweeps), figsize=(3.2 * len(sweeps), 6), layout="constrained")
    for (top, bottom), one in zip(axes.T, sweeps, strict=True):
        for axis, numbers, theory, unit in (
            (top, one.seconds, one.products_sum, "seconds"),
            (bottom, one.activations, one.units_sum, "bytes of activations"),
        ):
            line = np.array(theory) * (numbers[-1] / theory[-1])
            axis.loglog(one.values, numbers, "o", label=f"exponent {one.slope(numbers):.2f}")
            axis.loglog(one.values, line, "-", label=f"theory {one.slope(theory):.2f}")
            axis.set(xlabel=one.name, ylabel=unit)
            axis.set_xticks(one.values, [str(value) for value in one.values])
            axis.minorticks_off()
            axis.legend()
    with atomic_write(path) as file:
        figure.savefig(file)
    pyplot.close(figure)


def run(values: dict[str, tuple[int, ...]], clock: Callable[[Network, int, int], float] = measured) -> list[Sweep]:
    return [sweep(name, points, clock) for name, points in values.items()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    check_folder(given.out)
    sweeps = run(QUICK if given.quick else STEPS)
    print(table(sweeps))
    if given.out:
        plot(sweeps, given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
