"""Rank the remedies by a few real optimizer steps, which show what learns and not merely lets the gradient through.

The gradient ratio picks a dozen remedies.  They take 16 steps on the same few rows, the better half goes on to 32, the
better half of those to 64 (successive halving; Jamieson & Talwalkar 2016), from two draws each.  In a large network
there are fewer steps, from one draw, so that a probe takes about as long as the rest of a diagnosis; a network that is
too large even for that is not probed.

>>> from backlit.diagnosis import diagnose
>>> probed = probe_remedies(diagnose(depth=12, width=16, activation="sigmoid", seeds=1))
>>> probed.remedies[0].probe.steps, probed.remedies[0].probe.left < probed.probe.left
(64, True)
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from backlit.core.network import Network
from backlit.diagnosis import Diagnosis
from backlit.diagnosis.inputs import Subject
from backlit.diagnosis.remedies import Probe, Remedy, drawn
from backlit.diagnosis.scaling import standardized
from backlit.diagnosis.short_training import BATCH, constant_loss, data_of, settings_of
from backlit.engine import Data, State
from backlit.training.history import History
from backlit.training.run import Settings
from backlit.training.trainer import fit

ROUNDS = (2, 4, 8)  # units of steps that are done at the end of each round; half of the remedies go on
WORK = 5e10  # multiply-adds and the like that a probe may take: about a second
ADAM = 25  # what an optimizer's memory traffic costs a weight and step, in multiply-adds


@dataclass(frozen=True)
class Plan:
    """How many remedies are tried, those whose gradient ratio is nearest to 1; draws of each; steps in a unit."""

    first: int
    seeds: int
    unit: int


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


PLANS = (Plan(12, 2, 8), Plan(8, 1, 8), Plan(8, 1, 4), Plan(6, 1, 2))


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
        """The mean loss of the last unit over the constant prediction's; infinite if a draw has diverged."""
        course = self.course
        if any(len(history) < self.units * course.epochs for history in self.histories):
            return math.inf
        loss = float(np.mean([history.column("loss")[-course.epochs :] for history in self.histories]))
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
    own.run(ROUNDS[0])
    if math.isinf(own.left()):
        remedies = sorted(remedies, key=lambda remedy: not shortens(remedy, own))
    ranked = race([runner(subject, remedy, course, plan) for remedy in remedies[: plan.first]], own)
    probed = [replace(one.remedy, probe=one.probe()) for one in ranked if one.remedy is not None]
    return diagnosis.with_trainings([*probed, *remedies[plan.first :]], probe=own.probe())


def shortens(remedy: Remedy, own: Runner) -> bool:
    """Whether it makes steps shorter, or the loss less steep, which is what a training that diverges asks for."""
    rate = remedy.recipe.get("learning_rate", math.inf)
    return bool(remedy.standardize) or "clip_norm" in remedy.recipe or rate < own.settings.optimizer.learning_rate


def plan_of(net: Network) -> Plan | None:
    """The most thorough plan that is within WORK."""
    step = net.n_parameters * (3 * BATCH + ADAM)
    within = (plan for plan in PLANS if step * plan.seeds * plan.unit * race_length(plan.first) <= WORK)
    return next(within, None)


def race_length(n: int) -> int:
    """Units of steps that n remedies and the network as it is take in all."""
    total, done = ROUNDS[-1], 0
    for units in ROUNDS:
        total, done, n = total + n * (units - done), units, -(-n // 2)
    return total


def race(field: Sequence[Runner], own: Runner) -> list[Runner]:
    """All runners, best first: who came further, then who has less loss."""
    field, out = list(field), list[Runner]()
    for units in ROUNDS:
        for one in (*field, own):
            one.run(units)
        field.sort(key=lambda one: one.left())
        if units != ROUNDS[-1]:
            half = -(-len(field) // 2)
            field, out = field[:half], field[half:] + out
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
