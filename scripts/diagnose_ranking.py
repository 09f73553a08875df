"""Is the remedy that `diagnose --train` ranks first really the best one?  100 random sick networks.

Each network (6-24 layers, 16-48 units, 12 activations, gains 0.3-3, with and without norms, Adam or SGD) is one whose
verdict is not healthy.  Every remedy is trained from 2 draws and ranked, as `--train` does.  Then all are trained anew
from 2 draws that the ranking has not seen.  Progress is 1 − the share of a constant prediction's loss that is left.
The ranking is right where the first remedy's progress is at least 90 % of the best remedy's in the new trainings.
The quick ranking by gradient ratio alone, without --train, is judged by the same trainings.

    python scripts/diagnose_ranking.py [number of networks] [first]
"""

import logging
import sys
from dataclasses import replace

import numpy as np

from backlit.core import Dense, Network
from backlit.core.problem import Problem
from backlit.diagnosis import diagnose
from backlit.diagnosis.remedies import Remedy
from backlit.optim import get_optimizer
from backlit.training.trials import data_of, train_one, try_training

PHI = ("sigmoid", "tanh", "relu", "gelu", "silu", "selu", "elu", "softplus", "hard_tanh", "softsign", "mish")
EPOCHS, ROWS, NEAR = 15, 256, 0.9
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


def judge(problem: Problem, epochs: int = EPOCHS) -> dict[str, float]:
    """Progress in new trainings: of the first by training, of the first by ratio, of the best."""
    quick = diagnose(problem)
    ranked = try_training(quick, epochs)
    data = data_of(quick.subject)

    def fresh(remedy: Remedy) -> float:
        return progress(train_one(quick.subject, remedy, data, epochs, (101, 102)).left)

    truth = {remedy.remedy: fresh(replace(remedy, trial=None)) for remedy in ranked.remedies}
    return {
        "trained": truth[ranked.remedies[0].remedy],
        "quick": truth[quick.remedies[0].remedy],
        "best": max(truth.values()),
    }


def main() -> None:
    """Print a line a network and the shares."""
    logging.getLogger("backlit").setLevel(logging.ERROR)
    number, first = (int(argument) for argument in (*sys.argv[1:], "100", "0")[:2]) if sys.argv[1:] else (100, 0)
    right = {"trained": 0, "quick": 0}
    for done, seed in enumerate(range(first, first + number), start=1):
        problem = sick_network(seed)
        found = judge(problem)
        for name in right:
            right[name] += found[name] >= NEAR * found["best"]
        layer = problem.net.layers[0]
        print(f"{done:3}/{number} {problem.net.L:2} × {layer.units} {layer.activation.name:9} {layer.norm or '':5} "
              f"{problem.optimizer.to_dict()['name']:4} first {found['trained']:.3f} "
              f"by ratio {found['quick']:.3f} best {found['best']:.3f}   "
              f"right {right['trained']}/{done}, by ratio {right['quick']}/{done}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
