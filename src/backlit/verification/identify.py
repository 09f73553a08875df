"""Name the mistake: hypotheses are replayed and held against the claims, first singles, then fits, then pairs.

A name is given only if the replay agrees with every claimed number within its rounding, and if the wrong numbers carry
enough digits that none of the many hypotheses would agree by chance.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, islice

import numpy as np

from backlit.verification.catalogue import Bug
from backlit.verification.comparison import Compared, excess
from backlit.verification.fitted import Fit, fits
from backlit.verification.hypotheses import Hypothesis, Predictor, classes

BY_CHANCE = 1e-3  # the chance, over all hypotheses tried, at which a name is still given
SECONDS = 8.0  # what a search for pairs may cost, as counted below
MOST_MATCHES = 8  # pairs that fit are listed up to this many


@dataclass(frozen=True)
class Diagnosis:
    """What explains the claims: one bug, or two, and all that give the same numbers.

    bugs : the rows, best first.  layers : where each was made.  residual : the largest relative difference left.
    equivalent : names (pairs as "a + b") of other bugs with the same numbers.  note : fitted numbers, an example.
    """

    bugs: tuple[Bug, ...]
    layers: tuple[tuple[int, ...], ...]
    residual: float
    equivalent: tuple[str, ...] = ()
    note: str = ""

    @property
    def name(self) -> str:
        """The bug's name, or both names with a plus."""
        return " + ".join(bug.name for bug in self.bugs)

    @property
    def kind(self) -> str:
        """ "convention" where nothing is wrong but a definition, else "bug"."""
        return "convention" if all(bug.kind == "convention" for bug in self.bugs) else "bug"


@dataclass(frozen=True)
class Search:
    """The diagnoses, and how far the search went."""

    diagnoses: tuple[Diagnosis, ...] = ()
    notes: tuple[str, ...] = field(default=())


def identify(
    predictor: Predictor, compared: Mapping[str, Compared], singles: Sequence[Hypothesis], *, pairs: bool = True
) -> Search:
    """Explain wrong claims by one bug, a fitted one, or two."""
    evidence = digits_of_evidence(predictor, compared)
    if evidence < enough(len(singles)):
        return Search(notes=("too few digits are claimed to tell one mistake from another: give more numbers",))
    matches = [(h, r) for h in singles if (r := predictor.residual(h.turns)) is not None]
    if matches:
        return Search((from_singles(matches),))
    fitted = next(fits(predictor, compared), None)
    if fitted:
        return Search((from_fit(fitted),))
    if not pairs:
        return Search()
    return identify_pairs(predictor, singles, evidence)


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


# --- pairs ----------------------------------------------------------------------------------------------------------


def identify_pairs(predictor: Predictor, singles: Sequence[Hypothesis], evidence: float) -> Search:
    """Two mistakes at once: representatives of each class first, then all others, up to what the search may cost."""
    groups = list(classes(predictor, singles))
    best = [group[0] for group in groups]
    rest = [h for group in groups for h in group[1:]]
    tried = (len(best) + len(rest)) ** 2 / 2
    if evidence < enough(int(tried)):
        return Search(notes=("too few digits are claimed to tell pairs of mistakes apart",))
    limit = affordable(predictor)
    candidates = combinations(best, 2)
    matches = matching(predictor, islice(candidates, limit))
    if not matches and limit > len(best) ** 2 / 2:
        others = ((a, b) for a in rest for b in (*best, *rest) if a is not b)
        matches = matching(predictor, islice(others, int(limit - len(best) ** 2 / 2)))
    notes = () if limit > tried else (f"pairs: the first {limit} of {int(tried)} were tried",)
    return Search((from_pairs(matches, groups),) if matches else (), notes)


def affordable(predictor: Predictor) -> int:
    """How many replays the search for pairs may take, from the problem's size, so that it is the same anywhere."""
    net, m = predictor.problem.net, predictor.setting.trace.m
    one = 60e-6 * net.L + 2e-9 * m * net.n_parameters * (predictor.steps or 1)
    return max(200, int(SECONDS / (one * (4 if predictor.steps else 1))))


Pair = tuple[Hypothesis, Hypothesis]


def matching(predictor: Predictor, candidates: Iterator[Pair]) -> list[tuple[Pair, float]]:
    """The pairs that fit the claims, at most MOST_MATCHES."""
    found: list[tuple[Pair, float]] = []
    for a, b in candidates:
        if compatible(a, b) and (r := predictor.residual((*a.turns, *b.turns))) is not None:
            found.append(((a, b), r))
            if len(found) >= MOST_MATCHES:
                break
    return found


def compatible(a: Hypothesis, b: Hypothesis) -> bool:
    """Whether two mistakes can be made together: knobs that name one form, not a factor, are turned once a layer."""
    factors = ("delta", "gradients", "all", "scale_W", "scale_b", "loss", "shown", "penalty", "step")
    places = {(turn.knob, turn.l) for turn in a.turns if turn.knob not in factors}
    return not any((turn.knob, turn.l) in places for turn in b.turns)


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
