"""Rank the remedies by a few real optimizer steps, which show what learns and not merely lets the gradient through.

The gradient ratio picks a dozen remedies.  They take 16 steps on the same few rows, the better half goes on to 32, the
better half of those to 120, which is a short training (successive halving; Jamieson & Talwalkar 2016), from two draws
each.  In a large network there are fewer steps, from one draw, so that a probe takes about as long as the rest of a
diagnosis; a network that is too large even for that is not probed.

>>> from backlit.diagnosis import diagnose
>>> probed = probe_remedies(diagnose(depth=12, width=16, activation="sigmoid", seeds=1))
>>> probed.remedies[0].probe.steps, probed.remedies[0].probe.left < probed.probe.left
(120, True)
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from backlit.core.network import Network
from backlit.diagnosis import Diagnosis
from backlit.diagnosis.inputs import Subject
from backlit.diagnosis.pitfalls import standardized
from backlit.diagnosis.remedies import Probe, Remedy, drawn
from backlit.diagnosis.short_training import BATCH, constant_loss, data_of, settings_of
from backlit.engine import Data, State
from backlit.training.run import History, Settings
from backlit.training.trainer import fit

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
