"""Problems drawn over all that a problem file can say, and what the page's own code, run by node, says of them."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis.errors import UnsatisfiedAssumption
from tests import strategies
from tests.helpers import HANGS

from backlit.core import ACTIVATIONS, LOSSES, Dense, Network, get_activation, get_loss
from backlit.core.problem import Problem
from backlit.optim import OPTIMIZERS

BUNDLE = Path(str(files("backlit.render").joinpath("explorer/explorer.js")))
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="no node here")
RUN = """
import { readFileSync } from "node:fs";
const { read, write, quantities, describe } = await import(process.argv[1]);
const answers = JSON.parse(readFileSync(0, "utf8")).map(({ problem, steps, described }) => {
  try {
    const made = read(problem);
    return described ? describe(made) : { quantities: quantities(made, steps), problem: write(made) };
  } catch (error) {
    return { error: error.message };
  }
});
process.stdout.write(JSON.stringify(answers));
"""


def in_node(problems: Sequence[Any], steps: int = 1) -> list[dict[str, Any]]:
    """What the page's core says of each problem file: its quantities, and the problem as it writes it."""
    return ask([{"problem": problem, "steps": steps} for problem in problems])


def described(problems: Sequence[Any]) -> list[list[dict[str, Any]]]:
    """Every step of each problem as the page shows it, with all of its entries."""
    return ask([{"problem": problem, "described": True} for problem in problems])


def exported(name: str) -> Any:
    """A constant of the bundle."""
    code = f"const made = await import(process.argv[1]); process.stdout.write(JSON.stringify(made.{name}));"
    command = ["node", "--input-type=module", "--eval", code, BUNDLE.as_uri()]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=HANGS).stdout)


def ask(jobs: list[dict[str, Any]]) -> list[Any]:
    """What the bundle answers."""
    command = ["node", "--input-type=module", "--eval", RUN, BUNDLE.as_uri()]
    ended = subprocess.run(command, input=json.dumps(jobs), capture_output=True, text=True, check=False, timeout=HANGS)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def network(rng: np.random.Generator, m: int) -> Network:
    """A network of 1 to 5 layers, each option of which is drawn."""
    loss = get_loss(parameterized(rng, str(rng.choice(LOSSES.shipped))))
    softmax = [f"softmax[{rng.integers(1, 4)},{rng.integers(1, 4)}]"]
    names = (*ACTIVATIONS.shipped, *softmax)
    fitting = [name for name in names if strategies.within(get_activation(name).range, loss.outputs)]
    depth = int(rng.integers(1, 6))
    n, layers = [int(rng.integers(1, 7))], []
    for l in range(1, depth + 1):
        name = str(rng.choice(fitting if l == depth else [one for one in ACTIVATIONS.shipped if one != "softmax"]))
        groups = [int(size) for size in name[8:-1].split(",")] if "[" in name else []
        same = [k for k in range(l) if not groups or n[k] == sum(groups)]
        skip = int(rng.choice(same)) if same and rng.random() < 0.4 else None
        units = sum(groups) if groups else n[skip] if skip is not None else int(rng.integers(1, 7))
        norm = rng.choice([None, None, "batch", "layer"])
        group = m if norm == "batch" else units
        eps = float(rng.choice([1e-5, 1e-3, 0.1])) if group > 2 else 0.5
        layers.append(
            Dense(
                units,
                parameterized(rng, name),
                norm=norm,
                eps=eps,
                dropout=float(rng.choice([0.0, 0.0, 0.25, 0.6])),
                skip_from=skip,
                skip_scale=1.0 if skip is None else float(rng.choice([1.0, 0.5, -0.7])),
                train_bias=bool(rng.random() < 0.8),
            )
        )
        n.append(units)
    layers[-1] = strategies.fitting_output(n[0], layers, loss)
    reduction = str(rng.choice(["mean", "sum"]))
    return Network(n[0], layers, loss=loss, reduction=reduction, l2=float(rng.choice([0.0, 0.01, 0.3])))


def parameterized(rng: np.random.Generator, name: str) -> Any:
    """An activation or a loss by name, with a parameter where it takes one."""
    takes = {"leaky_relu": "alpha", "elu": "alpha", "huber": "delta", "quantile": "quantile"}
    return {"name": name, takes[name]: round(float(rng.uniform(0.05, 0.95)), 2)} if name in takes else name


def optimizer(rng: np.random.Generator) -> dict[str, Any]:
    """An optimizer, with options of its own."""
    name = str(rng.choice(OPTIMIZERS.shipped))
    drawn = {"learning_rate": float(rng.choice([0.01, 0.1])), "momentum": float(rng.choice([0.0, 0.9])),
             "nesterov": bool(rng.integers(2)), "rho": 0.9, "beta1": 0.8, "beta2": 0.95, "eps": 1e-4,
             "amsgrad": bool(rng.integers(2)), "weight_decay": 0.02}  # fmt: skip
    takes = OPTIMIZERS[name].checks
    return {"name": name, **{key: value for key, value in drawn.items() if key in takes}}


def grouped(rng: np.random.Generator, m: int, sizes: tuple[int, ...]) -> np.ndarray:
    """Targets of a softmax by groups: a class of each group."""
    return np.hstack([np.eye(size)[rng.integers(size, size=m)] for size in sizes])


def problem_file(seed: int) -> dict[str, Any]:
    """One problem file, a pure function of the seed."""
    rng = np.random.default_rng(seed)
    while True:
        m = int(rng.choice(strategies.ROWS))
        net = network(rng, m)
        try:
            drawn = strategies.numbers(net, rng, m, weighted=bool(rng.random() < 0.4), hard=bool(rng.integers(2)))
            break
        except UnsatisfiedAssumption:  # a unit at a kink
            continue
    y = drawn.y if (found := net.layers[-1].activation.groups) is None else grouped(rng, m, found.sizes)
    whole = Problem(net, drawn.params, drawn.X, y, drawn.sample_weight, seed=int(rng.integers(2**53)))
    clips = {key: float(rng.choice([0.05, 5.0])) for key in ("clip_norm", "clip_value") if rng.random() < 0.3}
    return {**whole.to_dict(), "optimizer": optimizer(rng), **clips}
