"""Is the remedy that `diagnose` ranks first really the best one?  100 random sick networks.

Each network (6-24 layers, 16-48 units, 11 activations, gains 0.3-3, with and without norms, Adam or SGD) is one whose
verdict is not healthy.  Its remedies are ranked in three ways: by `--train 15`; by the probe, which is what `diagnose`
does without being told; by the gradient ratio alone (`--no-probe`).  Then every remedy is trained anew, from 2 draws
that no ranking has seen.  Progress is 1 − the share of a constant prediction's loss that is left, after 15 epochs and
after 40.  A ranking is right where its first remedy's progress is at least 90 % of the best remedy's.

    python scripts/diagnose_ranking.py [number of networks] [first] [--keep results.jsonl]

A minute's work on about twenty networks, on one core.  With --keep another run goes on from what one has done.
"""

import argparse
import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np

from backlit.core import Dense, Network
from backlit.core.problem import Problem
from backlit.diagnosis import diagnose
from backlit.diagnosis.remedies import Remedy
from backlit.diagnosis.remedy_race import probe_remedies
from backlit.diagnosis.short_training import constant_loss, data_of, train_one, try_training
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


def judge(problem: Problem, epochs: int = EPOCHS, long: int = LONG) -> dict[str, list[float]]:
    """Progress in new trainings, after `epochs` and after `long`: of each way's first remedy, and of the best one."""
    ratio = diagnose(problem)
    data = data_of(ratio.subject)

    def fresh(remedy: Remedy) -> list[float]:
        losses = np.array(train_one(ratio.subject, remedy, data, long, (101, 102)).losses)
        left = [losses[end - LAST : end].mean() / constant_loss(remedy.net, data) for end in (epochs, long)]
        return [progress(value) for value in left]

    truth = {remedy.remedy: fresh(replace(remedy, trial=None)) for remedy in ratio.remedies}
    ranked = {"trained": try_training(ratio, epochs), "probe": probe_remedies(ratio), "ratio": ratio}
    best = [max(column) for column in zip(*truth.values(), strict=True)]
    return {way: truth[ranked[way].remedies[0].remedy] for way in WAYS} | {"best": best}


def right(found: dict[str, list[float]], way: str, at: int) -> bool:
    """Whether a way's first remedy is the best or near it."""
    return found[way][at] >= NEAR * found["best"][at]


def report(number: int, seed: int, found: dict[str, list[float]]) -> str:
    """One network's line."""
    shown = "  ".join(f"{way} {found[way][0]:.3f} {found[way][1]:.3f}" for way in (*WAYS, "best"))
    wrong = [
        f"{way} at {epochs}" for way in WAYS for at, epochs in enumerate((EPOCHS, LONG)) if not right(found, way, at)
    ]
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
    options = parser.parse_args()
    logging.getLogger("backlit").setLevel(logging.ERROR)
    done, results = kept(options.keep), []
    for number, seed in enumerate(range(options.first, options.first + options.number), start=1):
        if seed not in done:
            done[seed] = judge(sick_network(seed))
            if options.keep is not None:
                with options.keep.open("a") as file:
                    file.write("\n" + json.dumps({"seed": seed} | done[seed]))  # never goes on a line that was cut off
        results.append(done[seed])
        print(report(number, seed, done[seed]), flush=True)
    for way in WAYS:
        counts = [sum(right(found, way, at) for found in results) for at in (0, 1)]
        print(
            f"ranked by {way}: right in {counts[0]} of {len(results)} after {EPOCHS} epochs, {counts[1]} after {LONG}"
        )


if __name__ == "__main__":
    main()
