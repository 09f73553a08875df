"""Two mistakes at once.

What is claimed before the first wrong quantity is right, so each of the two must leave it right.  The first wrong
quantity itself is either what one of them gives alone, and the other acts further on, or both act on it.  That leaves
a few hundred pairs to replay out of tens of thousands.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice

import numpy as np

from backlit.verification.comparison import Compared, first_wrong
from backlit.verification.hypotheses import Hypothesis, Predictor, classes
from backlit.verification.result import Diagnosis, Search
from backlit.verification.scale_fits import fits
from backlit.verification.significance import enough

SECONDS = 8.0  # what a search for pairs may cost, as counted by `affordable`
MOST_MATCHES = 8  # pairs that fit are listed up to this many
FACTORS = ("delta", "gradients", "all", "scale_W", "scale_b", "whole_W", "loss", "shown", "penalty", "step")

Pair = tuple[Hypothesis, Hypothesis]


@dataclass(frozen=True)
class Roles:
    """What each hypothesis does to the first wrong quantity: explains it alone, moves it, or leaves it right."""

    explains: list[Hypothesis]
    moves: list[Hypothesis]
    leaves: list[Hypothesis]


def identify_pairs(
    predictor: Predictor, compared: Mapping[str, Compared], singles: Sequence[Hypothesis], evidence: float
) -> Search:
    """Explain wrong claims by two mistakes, up to what the search may cost."""
    if evidence < enough(len(singles) ** 2 // 2):
        return Search(notes=("too few digits are claimed to tell pairs of mistakes apart",))
    groups = list(classes(predictor, singles))
    limit = affordable(predictor)
    found = matching(predictor, islice(candidates(predictor, compared, [group[0] for group in groups]), limit))
    if not found:  # bugs that are alike alone may differ in company
        others = candidates(predictor, compared, [h for group in groups for h in group])
        found = matching(predictor, islice(others, limit))
    return Search((from_pairs(found, groups),) if found else fitted_after(predictor, groups))


@np.errstate(all="ignore")
def fitted_after(predictor: Predictor, groups: Sequence[Sequence[Hypothesis]]) -> tuple[Diagnosis, ...]:
    """One mistake of the catalogue, and then a factor or clipping on what it gave; all that fit are one class."""
    found: list[Diagnosis] = []
    for group in groups:
        hypothesis = group[0]
        base = dict(predictor.predicted(hypothesis.mutations))
        wrong = [name for name, value in base.items() if predictor.misfit(name, value) is None]
        fit = next(fits(predictor, wrong, base), None)
        if fit:
            layers = (hypothesis.instance.layers, fit.layers)
            others = tuple(f"{name} + {fit.bug.name}" for name in alike(hypothesis, groups)[1:])
            found.append(Diagnosis((hypothesis.bug, fit.bug), layers, fit.residual, others, fit.note))
    if not found:
        return ()
    names = [name for one in found for name in (one.name, *one.equivalent)]
    best = found[0]
    return (replace(best, equivalent=tuple(name for name in dict.fromkeys(names) if name != best.name)),)


def candidates(predictor: Predictor, compared: Mapping[str, Compared], pool: Sequence[Hypothesis]) -> Iterator[Pair]:
    """The pairs that can explain the first wrong quantity."""
    wrong = first_wrong(compared)
    assert wrong is not None
    roles = roles_at(predictor, wrong, pool)
    yield from ((a, b) for a in roles.explains for b in roles.leaves)
    yield from combinations((*roles.explains, *roles.moves), 2)


@np.errstate(all="ignore")
def roles_at(predictor: Predictor, wrong: str, pool: Sequence[Hypothesis]) -> Roles:
    """Sort hypotheses by what they do to the first wrong quantity; those that spoil an earlier one are left out."""
    roles = Roles([], [], [])
    for hypothesis in pool:
        for name, value in predictor.predicted(hypothesis.mutations):
            right = predictor.yardstick.right[name]
            unmoved = bool((np.abs(value - right) <= predictor.yardstick.allowed(name, right)).all())
            if name != wrong and not unmoved:
                break
            if name == wrong:
                explains = predictor.misfit(name, value) is not None
                (roles.explains if explains else roles.leaves if unmoved else roles.moves).append(hypothesis)
                break
    return roles


def affordable(predictor: Predictor) -> int:
    """How many replays the search for pairs may take."""
    return max(200, int(SECONDS / predictor.seconds))


def matching(predictor: Predictor, pairs: Iterator[Pair]) -> list[tuple[Pair, float]]:
    """The pairs that fit the claims, at most MOST_MATCHES."""
    found: list[tuple[Pair, float]] = []
    for a, b in pairs:
        if compatible(a, b) and (r := predictor.residual((*a.mutations, *b.mutations))) is not None:
            found.append(((a, b), r))
            if len(found) >= MOST_MATCHES:
                break
    return found


def compatible(a: Hypothesis, b: Hypothesis) -> bool:
    """Whether two mistakes can be made together: knobs that choose a form, not a factor, are turned once a layer."""
    places = {(mutation.knob, mutation.l) for mutation in a.mutations if mutation.knob not in FACTORS}
    return not any((mutation.knob, mutation.l) in places for mutation in b.mutations)


def from_pairs(matches: Sequence[tuple[Pair, float]], groups: Sequence[Sequence[Hypothesis]]) -> Diagnosis:
    """The best pair that fits, and its equals: other pairs, and pairs with another bug of either one's class."""
    (a, b), residual = min(matches, key=lambda m: sum(h.rank + 100 * (h.bug.kind == "convention") for h in m[0]))
    names: dict[str, None] = {}
    for pair, _ in matches:
        for first in alike(pair[0], groups):
            names |= {f"{first} + {second}": None for second in alike(pair[1], groups)}
    a, b = (a, b) if a.instance.layers >= b.instance.layers else (b, a)
    diagnosis = Diagnosis((a.bug, b.bug), (a.instance.layers, b.instance.layers), residual)
    own = {diagnosis.name, f"{b.bug.name} + {a.bug.name}"}
    return Diagnosis(diagnosis.bugs, diagnosis.layers, residual, tuple(name for name in names if name not in own))


def alike(hypothesis: Hypothesis, groups: Sequence[Sequence[Hypothesis]]) -> list[str]:
    """The names of all bugs with the same numbers as one."""
    group = next((group for group in groups if hypothesis in group), [hypothesis])
    return list(dict.fromkeys(h.bug.name for h in group))
