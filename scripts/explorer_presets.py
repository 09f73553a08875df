"""Write the networks that the explorer's page can open by name, with the weights that Python drew.

python scripts/explorer_presets.py [--check]
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from backlit.core import Dense, Network
from backlit.core.problem import Problem
from backlit.derivation.examples import EXAMPLES, read_example
from backlit.optim import get_optimizer

OUT = Path(__file__).parent.parent / "src/backlit/render/explorer/presets.json"
File = dict[str, Any]


def problem(
    layers: Sequence[Dense],
    X: np.ndarray,
    y: np.ndarray,
    *,
    loss: str = "half_squared_error",
    scheme: Any = "xavier_uniform",
    seed: int = 0,
    optimizer: File,
) -> File:
    """A problem file whose numbers are short."""
    net = Network(X.shape[1], layers, loss=loss)
    params = net.init(scheme, seed=seed)
    params.theta[:] = params.theta.round(3)
    made = Problem(net, params, X.round(2), y, optimizer=get_optimizer(optimizer), seed=seed).to_dict()
    return short(made)


def short(value: Any) -> Any:
    """Whole numbers without a point."""
    if isinstance(value, dict):
        return {key: short(item) for key, item in value.items()}
    if isinstance(value, list):
        return [short(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def sgd(rate: float, **more: Any) -> File:
    """Gradient descent."""
    return {"name": "sgd", "learning_rate": rate, **more}


# --- data -------------------------------------------------------------------------------------------------------------

XOR = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([[0.0], [1], [1], [0]])


def spiral(points: int = 26) -> tuple[np.ndarray, np.ndarray]:
    """Two arms that wind around each other."""
    turn = np.linspace(0.25, 1, points)
    angle = 1.2 * 2 * np.pi * turn
    arm = np.column_stack([turn * np.cos(angle), turn * np.sin(angle)])
    return 2 * np.vstack([arm, -arm]), np.repeat([[0.0], [1.0]], points, axis=0)


def sine(points: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """A wave, with a little noise."""
    x = np.linspace(-3, 3, points)[:, None]
    return x, (np.sin(1.5 * x) + 0.05 * np.random.default_rng(1).standard_normal(x.shape)).round(2)


def rings(points: int = 28) -> tuple[np.ndarray, np.ndarray]:
    """A disk within a ring."""
    rng = np.random.default_rng(3)
    radius = np.concatenate([rng.uniform(0, 0.9, points // 2), rng.uniform(1.4, 2.1, points // 2)])
    angle = rng.uniform(0, 2 * np.pi, points)
    X = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    return X, np.repeat([[1.0], [0.0]], points // 2, axis=0)


def tower(phi: str, depth: int, width: int = 3, **options: Any) -> list[Dense]:
    """Many hidden layers alike, and a yes or no."""
    return [*(Dense(width, phi, **options) for _ in range(depth)), Dense(1, "sigmoid")]


# --- presets ----------------------------------------------------------------------------------------------------------


def presets() -> list[File]:
    """Each with a name, a sentence, a problem and, where two are compared, the other one."""
    binary = "binary_cross_entropy"
    X, y = spiral()
    deep = {"loss": binary, "optimizer": sgd(0.5), "seed": 1}
    curve = [Dense(8, "tanh"), Dense(1)]
    wide = {"name": "adam", "learning_rate": 0.05}
    dying = {"loss": binary, "scheme": "he_uniform", "seed": 4}

    def by(optimizer: File) -> File:
        return problem([Dense(6, "tanh"), Dense(1, "sigmoid")], *rings(), loss=binary, seed=2, optimizer=optimizer)

    made = [{"name": name, "words": words, "problem": read_example(name)} for name, words in EXAMPLES.items()]
    made += [
        {
            "name": "XOR",
            "words": "What one layer cannot: four points, two hidden units",
            "problem": problem([Dense(3, "tanh"), Dense(1, "sigmoid")], *XOR, loss=binary, seed=3, optimizer=sgd(1.0)),
        },
        {
            "name": "spiral",
            "words": "Two arms, told apart by 8 and 8 units and Adam",
            "problem": problem(
                [Dense(8, "tanh"), Dense(8, "tanh"), Dense(1, "sigmoid")], X, y, loss=binary, seed=5, optimizer=wide
            ),
        },
        {
            "name": "sine",
            "words": "One input: the network's curve bends itself to a wave",
            "problem": problem(curve, *sine(), seed=1, optimizer={"name": "adam", "learning_rate": 0.03}),
        },
        {
            "name": "deep sigmoid against ReLU",
            "words": "Seven hidden layers: see where δ vanishes",
            "problem": problem(tower("sigmoid", 7), *rings(), **deep),
            "rival": problem(tower("relu", 7), *rings(), scheme="he_uniform", **deep),
        },
        {
            "name": "with and without batch norm",
            "words": "The same seven sigmoid layers, normalized before each",
            "problem": problem(tower("sigmoid", 7), *rings(), **deep),
            "rival": problem(tower("sigmoid", 7, norm="batch"), *rings(), **deep),
        },
        {
            "name": "dying ReLU",
            "words": "One long step, and units are 0 for every example: no gradient brings them back",
            "problem": problem([Dense(6, "relu"), Dense(1, "sigmoid")], *rings(), optimizer=sgd(12.0), **dying),
            "rival": problem([Dense(6, "leaky_relu"), Dense(1, "sigmoid")], *rings(), optimizer=sgd(12.0), **dying),
        },
        {
            "name": "learning rate too large",
            "words": "The same network and start, at a rate of 0.05 and of 1.5: watch it diverge",
            "problem": problem(curve, *sine(), seed=1, optimizer=sgd(0.05)),
            "rival": problem(curve, *sine(), seed=1, optimizer=sgd(1.5)),
        },
        {
            "name": "SGD against momentum",
            "words": "What a memory of past steps does",
            "problem": by(sgd(0.2)),
            "rival": by(sgd(0.2, momentum=0.9)),
        },
        {
            "name": "momentum against Adam",
            "words": "One rate for all parameters, or one for each",
            "problem": by(sgd(0.2, momentum=0.9)),
            "rival": by({"name": "adam", "learning_rate": 0.05}),
        },
    ]
    return [{**one, "rival": other(one["problem"], one["rival"])} if "rival" in one else one for one in made]


def other(problem: File, rival: File) -> File:
    """What the rival says otherwise; the page takes the rest from the problem."""
    return {key: value for key, value in rival.items() if problem.get(key) != value}


def text() -> str:
    """The file."""
    return json.dumps(presets(), ensure_ascii=False, separators=(",", ":")) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file, or with --check say whether it is stale."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    made = text()
    if not parser.parse_args(arguments).check:
        OUT.write_text(made, encoding="utf-8")
    elif not OUT.exists() or OUT.read_text(encoding="utf-8") != made:
        print(f"{OUT.name} is not what Python draws: run make web and commit what changed", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
