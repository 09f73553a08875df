"""Hypotheses: every way in which a row of the catalogue can be made in one problem, and what each would claim.

Some claim what is right: these numbers hide them.  `telling_numbers` finds numbers that hide fewer.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from backlit.core.problem import Problem
from backlit.verification.catalogue import CATALOGUE, Bug, Instance
from backlit.verification.comparison import Compared, Tolerances, excess
from backlit.verification.mutations import Mutation, ReplayContext
from backlit.verification.quantities import Array, Named, Values, key_of
from backlit.verification.replay import replay, replay_whole

quiet = np.errstate(all="ignore")  # a mistaken formula may overflow; what it gives then fits nothing


@dataclass(frozen=True)
class Hypothesis:
    """One instance of a bug."""

    bug: Bug
    instance: Instance
    rank: int

    @property
    def mutations(self) -> tuple[Mutation, ...]:
        """The knobs that replay it."""
        return self.instance.mutations


def hypotheses(problem: Problem) -> list[Hypothesis]:
    """Every single mistake that can be made in a problem, in the catalogue's order."""
    setting, found, seen = ReplayContext.of(problem), [], set()
    for rank, bug in enumerate(CATALOGUE.values()):
        for instance in bug.instances(setting):
            if (bug.name, instance.mutations) not in seen:
                seen.add((bug.name, instance.mutations))
                found.append(Hypothesis(bug, instance, rank))
    return found


@dataclass(frozen=True)
class Predictor:
    """Replays hypotheses and holds what they give against the claims."""

    problem: Problem
    claims: Values
    yardstick: Tolerances
    setting: ReplayContext
    steps: int | None

    @classmethod
    def of(cls, problem: Problem, claims: Values, yardstick: Tolerances, steps: int) -> "Predictor":
        """Prepare for the claims given."""
        updates = any(name.startswith("update") for name in claims)
        return cls(problem, claims, yardstick, ReplayContext.of(problem), steps if updates else None)

    def predicted(self, mutations: Sequence[Mutation]) -> Named:
        """The claimed quantities as these mistakes give them, in the order of computation."""
        whole = self.steps is not None or any(mutation.knob == "returned" for mutation in mutations)
        values = (
            iter(replay_whole(self.problem, mutations, self.steps).items())
            if whole
            else replay(self.setting, mutations)
        )
        wanted = len(self.claims)
        for name, value in values:
            if name in self.claims:
                yield name, value
                wanted -= 1
                if not wanted:
                    return

    @property
    def seconds(self) -> float:
        """What one replay costs, reckoned from the problem's size, so that a search ends at the same point anywhere."""
        net, m = self.problem.net, self.setting.trace.m
        return (60e-6 * net.L + 2e-9 * m * net.n_parameters) * (4 * self.steps if self.steps else 1)

    @quiet
    def residual(self, mutations: Sequence[Mutation]) -> float | None:
        """The largest relative difference from the claims, None at the first quantity outside its rounding."""
        worst = 0.0
        for name, value in self.predicted(mutations):
            error = self.misfit(name, value)
            if error is None:
                return None
            worst = max(worst, error)
        return worst

    def misfit(self, name: str, value: Array) -> float | None:
        """How far a claim is from one predicted quantity, relative to its largest entry; None if outside rounding."""
        gap = np.abs(self.claims[name] - value)
        if not (gap <= self.yardstick.allowed(name, value)).all():
            return None
        size = self.yardstick.sizes.get(name, value)
        largest = float(np.maximum(np.abs(value), 1e-4 * np.abs(size)).max(initial=0.0))
        return float(gap.max(initial=0.0)) / largest if largest else 0.0

    @quiet
    def fingerprint(self, mutations: Sequence[Mutation], probes: dict[str, Array]) -> Array:
        """The predicted claims along a few random directions: equal for bugs that give the same numbers."""
        return np.concatenate([probes[name] @ value.ravel() for name, value in self.predicted(mutations)])


def classes(predictor: Predictor, singles: Sequence[Hypothesis]) -> Iterator[list[Hypothesis]]:
    """Group hypotheses that predict the same claims, best rank first; what predicts the right values is left out."""
    rng = np.random.default_rng(0)
    probes = {name: rng.standard_normal((2, value.size)) for name, value in predictor.claims.items()}
    tried: list[Sequence[Mutation]] = [(), *(hypothesis.mutations for hypothesis in singles)]  # the right values first
    prints = np.array([predictor.fingerprint(mutations, probes) for mutations in tried])
    left = np.flatnonzero(np.isfinite(prints).all(axis=1))
    while len(left):
        first, rest = prints[left[0]], prints[left]
        slack = 1e-13 * np.abs(first).max(initial=0.0) + 1e-9 * np.abs(rest)
        alike = (np.abs(rest - first) <= slack).all(axis=1)
        if left[0] != 0:
            yield [singles[k - 1] for k in left[alike]]
        left = left[~alike]


def invisible(predictor: Predictor, singles: Sequence[Hypothesis]) -> dict[str, str]:
    """Bugs that the claimed quantities can't reveal on these inputs, and why: {name: reason}."""
    shown: set[str] = set()
    possible: dict[str, Bug] = {}
    for hypothesis in singles:
        name = hypothesis.bug.name
        if predictor.steps is None and any(mutation.knob == "step" for mutation in hypothesis.mutations):
            continue  # a mistake in the step, and no step is claimed
        possible[name] = hypothesis.bug
        if name not in shown and differs(predictor, hypothesis.mutations):
            shown.add(name)
    claimed = {key_of(name) for name in predictor.claims}
    hidden = {name: bug for name, bug in possible.items() if name not in shown and bug.kind == "bug"}
    return {name: needs(bug, singles, claimed) for name, bug in hidden.items()}


MOVES = {"b": "grad_b", "scale_b": "grad_b", "W": "grad_W", "scale_W": "grad_W", "whole_W": "grad_W"}


def needs(bug: Bug, singles: Sequence[Hypothesis], claimed: set[str]) -> str:
    """On which inputs, or with which claims, a bug would show."""
    moved = {MOVES.get(mutation.knob, "") for h in singles if h.bug.name == bug.name for mutation in h.mutations}
    key = moved.pop() if len(moved) == 1 else ""
    return f"where {key} is claimed" if key and key not in claimed else bug.visible


@quiet
def differs(predictor: Predictor, mutations: Sequence[Mutation]) -> bool:
    """Whether a mistake moves any claimed quantity beyond rounding."""
    for name, value in predictor.predicted(mutations):
        right = predictor.yardstick.right[name]
        if not (np.abs(value - right) <= predictor.yardstick.allowed(name, right)).all():
            return True
    return False


# --- evidence ---------------------------------------------------------------------------------------------------------

BY_CHANCE = 1e-3  # the chance, over all hypotheses tried, at which a name is still given


def enough(tried: int) -> float:
    """Decimal digits of evidence at which one of `tried` hypotheses agrees by chance once in 1/BY_CHANCE."""
    return float(np.log10(max(tried, 1) / BY_CHANCE))


def digits_of_evidence(predictor: Predictor, compared: Mapping[str, Compared]) -> float:
    """Decimal digits that the wrong numbers carry together: what a chance agreement would have to hit."""
    total = 0.0
    for name, one in compared.items():
        if one.ok:
            continue
        claimed, right = predictor.claims[name], predictor.yardstick.right[name]
        gap, allowed = np.abs(claimed - right), predictor.yardstick.allowed(name, right)
        ratio = excess(gap, allowed)
        total += float(np.log10(np.clip(ratio[ratio > 1], 1, 1e8)).sum()) if ratio.ndim else min(np.log10(ratio), 8)
    return total
