"""Is the remedy that `diagnose` ranks first really the best one?  100 random sick networks.

Each network (6-24 layers, 16-48 units, 11 activations, gains 0.3-3, with and without norms, Adam or SGD) is one whose
verdict is not healthy.  Its remedies are ranked in three ways: by `--train 15`; by the probe, which is what `diagnose`
does without being told; by the gradient ratio alone (`--no-probe`).  Then every remedy is trained anew, from 2 draws
that no ranking has seen.  Progress is 1 − the share of a constant prediction's loss that is left, after 15 epochs and
after 40.  A ranking is right where its first remedy's progress is at least 90 % of the best remedy's.

    python scripts/diagnose_ranking.py [number of networks] [first] [--keep results.jsonl] [--torch]

A minute's work on about twenty networks, on one core.  With --keep another run goes on from what one has done.  With
--torch the new trainings are PyTorch's (its graph, gradients and optimizers, in float64), of one draw, and all are
judged after 15 epochs; that takes about a minute a network.
"""

import argparse
import json
import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `tests`

from backlit.core import Dense, Network
from backlit.core.problem import Problem
from backlit.diagnosis import Diagnosis, diagnose
from backlit.diagnosis.inputs import Subject
from backlit.diagnosis.remedies import Remedy, drawn
from backlit.diagnosis.short_training import (
    BATCH,
    constant_loss,
    data_of,
    probe_remedies,
    settings_of,
    train_one,
    try_training,
)
from backlit.engine import Data
from backlit.optim import get_optimizer

PHI = ("sigmoid", "tanh", "relu", "gelu", "silu", "selu", "elu", "softplus", "hard_tanh", "softsign", "mish")
EPOCHS, LONG, LAST, ROWS, NEAR = 15, 40, 3, 256, 0.9
WAYS = ("trained", "probe", "ratio")
OPTIMIZERS = ({"name": "adam", "learning_rate": 1e-3}, {"name": "sgd", "learning_rate": 0.01, "momentum": 0.9})


def sick_network(seed: int) -> Problem:
    """A random problem whose gradients vanish or explode."""
    rng = np.random.default_rng([7, seed])
    while True:
        depth, width, inputs = int(rng.integers(6, 25)), int(rng.choice([16, 24, 32, 48])), int(rng.choice([4, 8, 16]))
        norm = (None, None, None, "batch", "layer")[rng.integers(5)]
        hidden = [Dense(width, str(rng.choice(PHI)), norm=norm)] * depth
        scheme = {"scheme": "gaussian", "sigma_w": float(np.exp(rng.uniform(-1.2, 1.1))), "sigma_b": 0.1}
        X = rng.standard_normal((ROWS, inputs))
        f = np.tanh(2 * X @ rng.standard_normal((inputs, 8)) / inputs**0.5) @ rng.standard_normal((8, 1))
        f = (f - f.mean()) / f.std()
        two = rng.random() < 0.5
        net = Network(inputs, [*hidden, Dense(1, "sigmoid" if two else "identity")],
                      loss="binary_cross_entropy" if two else "half_squared_error")  # fmt: skip
        y = (f > 0).astype(float) if two else f
        optimizer = get_optimizer(OPTIMIZERS[seed % 2])
        problem = Problem(net, net.init(scheme, seed=seed), X, y, optimizer=optimizer)
        if diagnose(problem, remedies=False).verdict != "healthy":
            return problem


def progress(left: float) -> float:
    """1 − left, 0 where nothing was learned."""
    return max(0.0, 1 - left) if np.isfinite(left) else 0.0


def torch_losses(subject: Subject, remedy: Remedy, data: Data, epochs: int, seed: int) -> np.ndarray:
    """The loss of each epoch in PyTorch; infinite from where it diverged."""
    import torch
    from tests.core.torch_twin import twin
    from tests.strategies import Problem as Batch

    settings, X = settings_of(subject, remedy.recipe, epochs), data.X.astype(np.float64)
    params, Y = drawn(subject, remedy.net, remedy.scheme, seed, X), data.Y.astype(np.float64)
    leaves = [torch.tensor(value, requires_grad=True) for _, value in params.items()]
    optimizer = torch_optimizer(settings.optimizer, leaves)
    rng, losses = np.random.default_rng(seed), []
    for _ in range(epochs):
        costs = []
        for rows in np.array_split(rng.permutation(len(X)), -(-len(X) // BATCH)):
            for (slot, _), leaf in zip(list(params.items()), leaves, strict=True):
                params[slot] = leaf.detach().numpy()
            batch = twin(Batch(remedy.net, params, X[rows], Y[rows]))
            for leaf, slope in zip(leaves, batch.slopes(batch.cost, list(batch.leaves.values())), strict=True):
                leaf.grad = torch.from_numpy(slope)
            if settings.clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(leaves, settings.clip_norm)
            if settings.clip_value is not None:
                torch.nn.utils.clip_grad_value_(leaves, settings.clip_value)
            optimizer.step()
            costs.append(float(batch.cost.detach()))
        losses.append(np.mean(costs) if np.isfinite(costs).all() else np.inf)
    return np.array(losses)


def torch_optimizer(optimizer: Any, leaves: list[Any]) -> Any:
    """PyTorch's own of the same name and settings."""
    import torch

    if optimizer.name == "sgd":
        return torch.optim.SGD(leaves, lr=optimizer.learning_rate, momentum=optimizer.momentum)
    return torch.optim.Adam(
        leaves, lr=optimizer.learning_rate, betas=(optimizer.beta1, optimizer.beta2), eps=optimizer.eps
    )


def judge_by_torch(problem: Problem, epochs: int = EPOCHS) -> dict[str, list[float]]:
    """As `judge`, but by PyTorch and after `epochs` alone."""
    import torch

    torch.set_num_threads(1)
    ratio = diagnose(problem)
    data = data_of(ratio.subject)
    truth = {}
    for remedy in ratio.remedies:
        losses = torch_losses(ratio.subject, remedy, data, epochs, 101)
        truth[remedy.remedy] = [progress(losses[-LAST:].mean() / constant_loss(remedy.net, data))]
    return picked(ratio, truth, epochs)


def judge(problem: Problem, epochs: int = EPOCHS, long: int = LONG) -> dict[str, list[float]]:
    """Progress in new trainings, after `epochs` and after `long`: of each way's first remedy, and of the best one."""
    ratio = diagnose(problem)
    data = data_of(ratio.subject)

    def fresh(remedy: Remedy) -> list[float]:
        losses = np.array(train_one(ratio.subject, remedy, data, long, (101, 102)).losses)
        left = [losses[end - LAST : end].mean() / constant_loss(remedy.net, data) for end in (epochs, long)]
        return [progress(value) for value in left]

    truth = {remedy.remedy: fresh(replace(remedy, trial=None)) for remedy in ratio.remedies}
    return picked(ratio, truth, epochs)


def picked(ratio: Diagnosis, truth: dict[str, list[float]], epochs: int) -> dict[str, list[float]]:
    """The progress of each way's first remedy, and of the best one."""
    ranked = {"trained": try_training(ratio, epochs), "probe": probe_remedies(ratio), "ratio": ratio}
    best = [max(column) for column in zip(*truth.values(), strict=True)]
    return {way: truth[ranked[way].remedies[0].remedy] for way in WAYS} | {"best": best}


def right(found: dict[str, list[float]], way: str, at: int) -> bool:
    """Whether a way's first remedy is the best or near it."""
    return found[way][at] >= NEAR * found["best"][at]


def report(number: int, seed: int, found: dict[str, list[float]]) -> str:
    """One network's line."""
    shown = "  ".join(f"{way} {' '.join(f'{one:.3f}' for one in found[way])}" for way in (*WAYS, "best"))
    judged = list(enumerate((EPOCHS, LONG)))[: len(found["best"])]
    wrong = [f"{way} at {epochs}" for way in WAYS for at, epochs in judged if not right(found, way, at)]
    return f"{number:3} seed {seed:4}  {shown}" + (f"  wrong: {', '.join(wrong)}" if wrong else "")


def kept(path: Path | None) -> dict[int, dict[str, list[float]]]:
    """What an earlier run has written, by seed; a line that was cut off is done again."""
    done = {}
    for line in path.read_text().splitlines() if path is not None and path.exists() else ():
        try:
            found = json.loads(line)
        except json.JSONDecodeError:
            continue
        done[found.pop("seed")] = found
    return done


def main() -> None:
    """Print a line a network and the totals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("number", type=int, nargs="?", default=100)
    parser.add_argument("first", type=int, nargs="?", default=0)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--torch", action="store_true")
    options = parser.parse_args()
    logging.getLogger("backlit").setLevel(logging.ERROR)
    done, results = kept(options.keep), []
    for number, seed in enumerate(range(options.first, options.first + options.number), start=1):
        if seed not in done:
            done[seed] = (judge_by_torch if options.torch else judge)(sick_network(seed))
            if options.keep is not None:
                with options.keep.open("a") as file:
                    file.write("\n" + json.dumps({"seed": seed} | done[seed]))  # never goes on a line that was cut off
        results.append(done[seed])
        print(report(number, seed, done[seed]), flush=True)
    for way in WAYS:
        counts = [sum(right(found, way, at) for found in results) for at in range(len(results[0]["best"]))]
        later = f", {counts[1]} after {LONG}" if len(counts) > 1 else ""
        print(f"ranked by {way}: right in {counts[0]} of {len(results)} after {EPOCHS} epochs{later}")


if __name__ == "__main__":
    main()
