"""Name the mistake: hypotheses are replayed and held against the claims, first singles, then fits, then pairs.

A name is given only if the replay agrees with every claimed number within its rounding, and if the wrong numbers carry
enough digits that none of the many hypotheses would agree by chance.

Of two mistakes at once, each must leave right what is claimed before the first wrong quantity.  That quantity is either
what one of them gives alone, and the other acts further on, or both act on it: a few hundred pairs to replay out of
tens of thousands.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice

import numpy as np

from backlit.verification.comparison import Compared, first_wrong
from backlit.verification.hypotheses import Hypothesis, Predictor, classes, digits_of_evidence, enough
from backlit.verification.result import Diagnosis, Search
from backlit.verification.scale_fits import Fit, fits

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


# --- the whole search -------------------------------------------------------------------------------------------------


def identify(
    predictor: Predictor, compared: Mapping[str, Compared], singles: Sequence[Hypothesis], *, pairs: bool = True
) -> Search:
    """Explain wrong claims by one bug, a fitted one, or two."""
    evidence = digits_of_evidence(predictor, compared)
    if evidence < enough(len(singles)):
        return Search(notes=("too few digits are claimed to tell one mistake from another: give more numbers",))
    matches = [(h, r) for h in singles if (r := predictor.residual(h.mutations)) is not None]
    if matches:
        return Search((from_singles(matches),))
    wrong = [name for name, one in compared.items() if not one.ok]
    fitted = next(fits(predictor, wrong, predictor.yardstick.right), None)
    if fitted and not (pairs and fitted.composed):
        return Search((from_fit(fitted),))
    found = identify_pairs(predictor, compared, singles, evidence) if pairs else Search()
    return Search((from_fit(fitted),), found.notes) if fitted and not found.diagnoses else found


def from_singles(matches: Sequence[tuple[Hypothesis, float]]) -> Diagnosis:
    """The best of the singles that fit, with the others as its equals.

    Bugs come before conventions, then the catalogue's order, then the mistake made at the fewest layers.
    """
    best, residual = min(matches, key=lambda m: (m[0].bug.kind == "convention", m[0].rank, len(m[0].instance.layers)))
    others = {h.bug.name: None for h, _ in matches if h.bug.name != best.bug.name}
    return Diagnosis((best.bug,), (best.instance.layers,), residual, tuple(others), best.instance.note)


def from_fit(fit: Fit) -> Diagnosis:
    """A diagnosis with fitted numbers."""
    return Diagnosis((fit.bug,), (fit.layers,), fit.residual, note=fit.note)
