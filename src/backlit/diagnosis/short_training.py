"""Short real trainings of a diagnosed network and of each of its remedies; the best remedy is the one that trains best.

Each is trained from `seeds` draws, on the same rows in the same order, by the problem's optimizer.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from backlit.core.network import Network
from backlit.core.parameters import Parameters
from backlit.core.problem import Problem
from backlit.core.targets import as_inputs, as_targets
from backlit.diagnosis import Diagnosis
from backlit.diagnosis.inputs import Subject, optimizer_of
from backlit.diagnosis.pitfalls import standardized
from backlit.diagnosis.remedies import Remedy, Trial, drawn
from backlit.engine import Data
from backlit.jobs import Job, run_jobs
from backlit.training.run import Settings
from backlit.training.trainer import fit

ROWS = 256  # of made-up data
BATCH = 32
LAST = 3  # epochs at the end whose mean counts, for one is as its last batches were


def try_training(
    diagnosis: Diagnosis,
    epochs: int,
    *,
    seeds: int = 2,
    show: Callable[[int, int], None] = lambda done, of: None,
    cluster: Any = 0,
) -> Diagnosis:
    """Train the network and every remedy for `epochs`, and rank the remedies by the loss that is left.

    show : called with (trainings done, trainings in all) after each.  A problem without data gets standard normal rows
    and a smooth target drawn at random.
    cluster : who trains them, as `run_jobs` takes it.
    """
    subject = replace(diagnosis.subject, kept=None)
    data = data_of(subject)
    plan: list[Remedy | None] = [None, *diagnosis.remedies]
    names = ["the network as it is", *(remedy.remedy for remedy in diagnosis.remedies)]
    jobs = [
        Job(train_one, (subject, remedy, data, epochs, range(seeds)), name)
        for remedy, name in zip(plan, names, strict=True)
    ]
    trials = list(run_jobs(jobs, how=cluster, hold_blas=cluster != 0, show=show))
    ranked = [replace(remedy, trial=trial) for remedy, trial in zip(diagnosis.remedies, trials[1:], strict=True)]
    ranked.sort(key=lambda remedy: (remedy.trial.left if remedy.trial else math.inf, remedy.distance))
    return diagnosis.with_trainings(ranked, trial=trials[0])


def train_one(subject: Subject, remedy: Remedy | None, data: Data, epochs: int, seeds: Iterable[int]) -> Trial:
    """Train one network from each seed; None for the network as it is."""
    net = subject.net if remedy is None else remedy.net
    if remedy is not None and remedy.standardize:
        subject = standardized(subject, remedy.standardize)
        data = data_of(subject)
    settings = settings_of(subject, {} if remedy is None else remedy.recipe, epochs)
    curves = []
    for seed in seeds:
        params = drawn(subject, net, None if remedy is None else remedy.scheme, seed, data.X.astype(np.float64))
        curves.append(curve(net, params, data, replace(settings, seed=seed)))
    losses = np.mean(curves, axis=0)
    left = float(losses[-LAST:].mean()) / constant_loss(net, data)
    return Trial(losses.tolist(), left if math.isfinite(left) else math.inf)


def curve(net: Network, params: Parameters, data: Data, settings: Settings) -> list[float]:
    """The loss of each epoch; infinite from where training diverged."""
    outcome = fit(net, params.astype(np.float32), data, settings)
    losses = outcome.history.column("loss")
    return losses + [math.inf] * (settings.epochs - len(losses))


def settings_of(subject: Subject, recipe: Any, epochs: int) -> Settings:
    """The problem's optimizer and clipping, with what a remedy changes of them."""
    optimizer, given = optimizer_of(subject), subject.problem or Problem(subject.net, Parameters.zeros(subject.net))
    clips = {name: recipe.get(name, getattr(given, name)) for name in ("clip_norm", "clip_value")}
    if "learning_rate" in recipe:
        optimizer = replace(optimizer, learning_rate=recipe["learning_rate"])
    return Settings(epochs=epochs, batch_size=BATCH, optimizer=optimizer, patience=None, **clips)


def data_of(subject: Subject) -> Data:
    """The subject's rows, or made-up ones, in float32."""
    net = subject.net
    if subject.X is not None and subject.y is not None:
        weight = None if subject.problem is None else subject.problem.sample_weight
        X, y = subject.X, subject.y
    else:
        weight = None
        X = np.random.default_rng(2).standard_normal((ROWS, net.inputs)) if subject.X is None else subject.X
        y = made_up_targets(net, X)
    X = as_inputs(net, X, np.float32)
    return Data(np.ascontiguousarray(X), np.ascontiguousarray(as_targets(net, y, len(X), np.float32)), weight)


def made_up_targets(net: Network, X: np.ndarray) -> np.ndarray:
    """A smooth function of X drawn at random, of the loss's kind and within what the output can give."""
    rng = np.random.default_rng(3)
    f = np.tanh(X @ rng.standard_normal((net.inputs, 8)) / math.sqrt(net.inputs)) @ rng.standard_normal(
        (8, net.outputs)
    )
    f = (f - f.mean(axis=0)) / f.std(axis=0)
    if net.loss.classes:
        return np.eye(net.outputs)[f.argmax(axis=1)]
    if net.loss.targets == (0, 1):
        return (f > 0).astype(float)
    low, high = net.layers[-1].activation.range
    if math.isinf(high):
        positive = math.isfinite(low) or net.loss.targets[0] == 0
        return np.round(np.exp(f / 2)) if positive else f
    return low + (high - low) / (1 + np.exp(-f))


def constant_loss(net: Network, data: Data) -> float:
    """The loss of the best constant output, about: that of the targets' mean."""
    Y = data.Y.astype(np.float64)
    mean = np.broadcast_to(np.average(Y, axis=0, weights=data.sample_weight), Y.shape)
    losses = net.loss.value(np.ascontiguousarray(mean), Y)
    total = losses.sum() if net.reduction == "sum" else np.average(losses, weights=data.sample_weight)
    return float(total) or 1.0
