"""Short real trainings of a diagnosed network and of each of its remedies; the best remedy is the one that trains best.

Each is trained from some draws, on the same rows in the same order, by the problem's optimizer: for as many epochs as
are asked for (`try_training`), or for a few steps (`probe_remedies`), which show what learns and not merely lets the
gradient through.

>>> from backlit.diagnosis import diagnose
>>> probed = probe_remedies(diagnose(depth=12, width=16, activation="sigmoid", seeds=1))
>>> probed.remedies[0].probe.steps, probed.remedies[0].probe.left < probed.probe.left
(120, True)
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backlit.core.network import Network
from backlit.core.parameters import Parameters
from backlit.core.problem import Problem
from backlit.core.targets import as_inputs, as_targets
from backlit.diagnosis import Diagnosis
from backlit.diagnosis.inputs import Subject, optimizer_of
from backlit.diagnosis.pitfalls import standardized
from backlit.diagnosis.remedies import Probe, Remedy, Trial, drawn
from backlit.engine import Data, State
from backlit.jobs import Job, run_jobs
from backlit.training.run import History, Settings
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


# --- a race over a few steps ------------------------------------------------------------------------------------------

# The gradient ratio picks a dozen remedies.  They take 16 steps on the same few rows, the better half goes on to 32,
# the better half of those to 120, which is a short training (successive halving; Jamieson & Talwalkar 2016), from two
# draws each.  In a large network there are fewer steps, from one draw, so that a probe takes about as long as the rest
# of a diagnosis; a network that is too large even for that is not probed.

WORK = 5e10  # multiply-adds and the like that a probe may take: about a second
ADAM = 25  # what an optimizer's memory traffic costs a weight and step, in multiply-adds


@dataclass(frozen=True)
class Plan:
    """The draws of each remedy; the steps in a unit; the rounds: units done at the end of each, and how many run it.

    Those whose gradient ratio is nearest to 1 begin.
    """

    seeds: int
    unit: int
    rounds: tuple[tuple[int, int], ...]

    @property
    def length(self) -> int:
        """Units of steps that all remedies and the network as it is take in all."""
        done = (0, *(units for units, _ in self.rounds))
        return done[-1] + sum(n * (units - before) for (units, n), before in zip(self.rounds, done, strict=False))


@dataclass(frozen=True)
class Course:
    """What all run over: a unit of steps is `epochs` epochs of the same few rows, `steps` in all.

    A few rows that are seen often tell after fewer steps what can learn at all than many that are seen once.
    constant_loss : that of the best constant prediction.
    """

    data: Data
    epochs: int
    steps: int
    constant_loss: float


EIGHT = ((2, 8), (4, 4), (8, 2))
PLANS = (
    Plan(2, 8, ((2, 12), (4, 6), (15, 3))),
    Plan(1, 8, EIGHT),
    Plan(1, 4, EIGHT),
    Plan(1, 2, ((2, 6), (4, 3), (8, 2))),
)


@dataclass
class Runner:
    """One remedy (None: the network as it is) in the race: its states and what happened so far, by seed."""

    remedy: Remedy | None
    net: Network
    course: Course
    settings: Settings
    states: list[State]
    histories: list[History]
    units: int = 0

    def run(self, units: int) -> None:
        """Train on until `units` are done; what has diverged stays where it was."""
        course = self.course
        epochs = (units - self.units) * course.epochs
        for seed, (state, history) in enumerate(zip(self.states, self.histories, strict=True)):
            if epochs > 0 and len(history) == self.units * course.epochs:
                settings = replace(self.settings, epochs=epochs, seed=seed)
                fit(self.net, state.params, course.data, settings, state=state, history=history)
        self.units = units

    def left(self) -> float:
        """The mean loss of the last fifth, or unit, over the constant prediction's; infinite if a draw has diverged."""
        course = self.course
        if any(len(history) < self.units * course.epochs for history in self.histories):
            return math.inf
        last = max(self.units // 5, 1) * course.epochs
        loss = float(np.mean([history.column("loss")[-last:] for history in self.histories]))
        return loss / course.constant_loss if math.isfinite(loss) else math.inf

    def probe(self) -> Probe:
        """What it came to."""
        return Probe(self.units * self.course.steps, self.left())


def probe_remedies(diagnosis: Diagnosis) -> Diagnosis:
    """The diagnosis with its remedies ranked by a probe; as it is where there are none or the network is too large."""
    subject, remedies = diagnosis.subject, diagnosis.remedies
    plan = plan_of(subject.net)
    if plan is None or not remedies:
        return diagnosis
    course = course_of(subject, plan)
    own = runner(subject, None, course, plan)
    own.run(plan.rounds[0][0])
    if math.isinf(own.left()):
        remedies = sorted(remedies, key=lambda remedy: not shortens(remedy, own))
    first = plan.rounds[0][1]
    ranked = race([runner(subject, remedy, course, plan) for remedy in remedies[:first]], own, plan)
    probed = [replace(one.remedy, probe=one.probe()) for one in ranked if one.remedy is not None]
    return diagnosis.with_trainings([*probed, *remedies[first:]], probe=own.probe())


def shortens(remedy: Remedy, own: Runner) -> bool:
    """Whether it makes steps shorter, or the loss less steep, which is what a training that diverges asks for."""
    rate = remedy.recipe.get("learning_rate", math.inf)
    return bool(remedy.standardize) or "clip_norm" in remedy.recipe or rate < own.settings.optimizer.learning_rate


def plan_of(net: Network) -> Plan | None:
    """The most thorough plan that is within WORK."""
    step = net.n_parameters * (3 * BATCH + ADAM)
    within = (plan for plan in PLANS if step * plan.seeds * plan.unit * plan.length <= WORK)
    return next(within, None)


def race(field: Sequence[Runner], own: Runner, plan: Plan) -> list[Runner]:
    """All runners, best first: who came further, then who has less loss."""
    field, out = list(field), list[Runner]()
    for units, n in plan.rounds:
        field, out = field[:n], field[n:] + out
        for one in (*field, own):
            one.run(units)
        field.sort(key=lambda one: one.left())
    return field + out


def runner(subject: Subject, remedy: Remedy | None, course: Course, plan: Plan) -> Runner:
    """Draw a remedy's networks, ready to start."""
    net, scheme = (subject.net, None) if remedy is None else (remedy.net, remedy.scheme)
    if remedy is not None and remedy.standardize:
        course = course_of(standardized(subject, remedy.standardize), plan)
    settings = settings_of(subject, {} if remedy is None else remedy.recipe, 1)
    X = course.data.X.astype(np.float64)
    draws = [drawn(subject, net, scheme, seed, X).astype(np.float32) for seed in range(plan.seeds)]
    states = [State.start(net, params, settings.optimizer) for params in draws]
    return Runner(remedy, net, course, settings, states, [History() for _ in draws])


def course_of(subject: Subject, plan: Plan) -> Course:
    """A unit's rows at random, of those that count; where there are fewer, a unit goes over them more than once."""
    data = data_of(subject)
    count = np.arange(len(data)) if data.sample_weight is None else np.flatnonzero(data.sample_weight)
    few = data.rows(np.random.default_rng(4).permutation(count)[: plan.unit * BATCH])
    steps = -(-len(few) // BATCH)
    epochs = -(-plan.unit // steps)
    return Course(few, epochs, epochs * steps, constant_loss(subject.net, few))
