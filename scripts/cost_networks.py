"""Hold `cost` against what is executed: operations in random networks, and the peak of processes that train large ones.

    python scripts/cost_networks.py [--networks 1000] [--peaks 12] [--seed 0]

Operations are counted while the textbook runs on arrays that count.  Exits with 1 where one differs, where the engine
allocates other bytes than were counted, or where a peak is more than 2 % off.
"""

import argparse
import random
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.costs.test_ledger import measured
from tests.strategies import Problem

from backlit.core import Dense, DropoutKey, Network
from backlit.core.network import Network as AnyNetwork
from backlit.costs import cost
from backlit.costs.ledger import count
from backlit.costs.machine import targets
from backlit.engine import TrainConfig
from backlit.engine.native import NativeEngine, extension
from backlit.optim import get_optimizer

HIDDEN = ("identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus", "mish")
OUTPUTS = (
    ("softmax", "cross_entropy"), ("sigmoid", "binary_cross_entropy"), ("identity", "half_squared_error"),
    ("tanh", "squared_error"), ("exp", "poisson"), ("identity", "huber"), ("softmax", "half_squared_error"),
)  # fmt: skip
OPTIMIZERS = ("sgd", "adagrad", "rmsprop", "adam", "amsgrad", "adamw")


def random_network(
    draw: random.Random, *, depths: tuple[int, int] = (1, 8), widths: tuple[int, int] = (1, 40)
) -> Network:
    """Any options: norms, dropout, skips, every pair of OUTPUTS."""
    n, layers = [draw.randint(*widths)], []
    activation, loss = draw.choice(OUTPUTS)
    depth = draw.randint(*depths)
    for l in range(1, depth + 1):
        last = l == depth
        skip = draw.randrange(l) if draw.random() < 0.3 and not last else None
        n.append(n[skip] if skip is not None else draw.randint(*widths))
        norm = draw.choice((None, None, "batch", "layer"))
        dropout = draw.choice((0.0, 0.0, 0.3)) if not last else 0.0
        phi = activation if last else draw.choice(HIDDEN)
        layers.append(Dense(n[l], phi, norm=norm, dropout=dropout, skip_from=skip))
    return Network(n[0], layers, loss=loss, l2=draw.choice((0.0, 0.01)))


def operations_differ(net: AnyNetwork, m: int, seed: int) -> bool:
    """Whether the ledger is not what the textbook executes."""
    rng = np.random.default_rng(seed)
    params, X = net.init("lecun_normal", seed=seed), rng.standard_normal((m, net.inputs))
    drops = any(layer.dropout for layer in net.layers)
    problem = Problem(net, params, X, targets(net, rng, m), None, DropoutKey(seed, 0) if drops else None)
    ledger = count(net, m, input_gradient=True, dropout=drops)
    up, down = measured(problem)
    return (ledger.total("forward"), ledger.total("backward")) != (up[0], down[0])


def bytes_differ(net: AnyNetwork, m: int, optimizer: str) -> bool:
    """Whether the engine, once made, has other bytes than were counted."""
    recipe = TrainConfig(net, get_optimizer(optimizer), m, n_threads=1)
    engine, counted = NativeEngine(recipe), cost(net, batch=m, optimizer=optimizer, n_threads=1).memory
    with engine.engine(m, np.dtype(np.float32)):
        plan = engine.made[m, np.dtype(np.float32), True][0]
    theta = 4 * net.n_parameters * (1 + len(recipe.optimizer.slots))
    return counted.peak != plan.bytes + theta


def peak_error(draw: random.Random) -> tuple[str, float]:
    """(what was trained, measured over predicted − 1) for a large random network."""
    depth, width = draw.randint(2, 12), draw.choice((300, 512, 777, 1024, 1500))
    net = Network(width, [Dense(width, draw.choice(HIDDEN)) for _ in range(depth)] + [Dense(10)])
    m, optimizer = draw.choice((64, 200, 1000)), draw.choice(OPTIMIZERS)
    result = cost(net, batch=m, optimizer=optimizer, peak=True, n_threads=1)
    name = f"{depth:2d} × {width:4d}, batch {m:4d}, {optimizer:8s} {result.memory.peak / 2**20:7.1f} MiB"
    return name, result.measured_peak / result.memory.peak - 1


def run(networks: int, peaks: int, seed: int, show: bool = True) -> list[str]:
    """All faults found, as lines."""
    draw, faults = random.Random(seed), []
    for i in range(networks):
        net, m = random_network(draw), draw.choice((1, 2, 5, 16))
        if operations_differ(net, m, i):
            faults.append(f"operations differ: {net.to_dict()}, batch {m}")
        if extension() is not None and bytes_differ(net, m, draw.choice(OPTIMIZERS)):
            faults.append(f"bytes differ: {net.to_dict()}, batch {m}")
        if show and (i + 1) % 50 == 0:
            print(f"\r{i + 1} networks, {len(faults)} faults", end="", file=sys.stderr, flush=True)
    for _ in range(peaks):
        name, error = peak_error(draw)
        if show:
            print(f"\n{name}: {error:+.2%}", end="", flush=True)
        if abs(error) > 0.02:
            faults.append(f"peak {error:+.1%} off: {name}")
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=1000)
    parser.add_argument("--peaks", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    faults = run(given.networks, given.peaks, given.seed)
    print(f"\n{given.networks} networks and {given.peaks} peaks: {len(faults)} faults")
    print("\n".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
