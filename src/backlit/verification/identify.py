"""Name the mistake: hypotheses are replayed and held against the claims, first singles, then fits, then pairs.

A name is given only if the replay agrees with every claimed number within its rounding, and if the wrong numbers carry
enough digits that none of the many hypotheses would agree by chance.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, islice

import numpy as np

from backlit.verification.catalogue import CATALOGUE, Bug
from backlit.verification.comparison import Compared, first_wrong
from backlit.verification.hypotheses import Hypothesis, Predictor, classes, digits_of_evidence, enough
from backlit.verification.quantities import PARAMETER_GRADIENTS, Array, Values, key_of, layer_of


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


# --- fits -------------------------------------------------------------------------------------------------------------

# A mistake may have an unknown number in it, which is fitted: clipping at some bound, a learning rate, some factor.

FACTOR = Bug(
    "constant_factor",
    "The gradients are right but for one constant factor.",
    "G = s g",
    "G = g",
    "BP4",
    "Look for a constant: a learning rate, a clipped length, a weight of the loss, a number of examples or classes.",
    lambda s: (),  # nothing to replay
)


@dataclass(frozen=True)
class Fit:
    """A bug that explains the claims with fitted numbers."""

    bug: Bug
    layers: tuple[int, ...]
    residual: float
    note: str
    composed: bool = False  # the factor is a product of two that the catalogue knows: a pair may say more


def from_fit(fit: Fit) -> Diagnosis:
    """A diagnosis with fitted numbers."""
    return Diagnosis((fit.bug,), (fit.layers,), fit.residual, note=fit.note)


def fits(predictor: Predictor, wrong: list[str], base: Values) -> Iterator[Fit]:
    """Explanations of the wrong quantities by a factor, a clipped length or clipped entries, the best first.

    base : what was clipped or multiplied: the right values, or those of another mistake.
    """
    gradients = [name for name in predictor.claims if key_of(name) in PARAMETER_GRADIENTS]
    if not wrong or any(key_of(name) not in (*PARAMETER_GRADIENTS, "delta", "grad_a", "loss") for name in wrong):
        return
    for fit in (clipped_entries, clipped_each, common_factor):
        found = fit(predictor, base, wrong, gradients)
        if found:
            yield found


def common_factor(predictor: Predictor, right: Values, wrong: list[str], gradients: list[str]) -> Fit | None:
    """One factor s on all wrong quantities; what it means depends on its sign and on what it covers."""
    claims = predictor.claims
    if sum(claims[name].size for name in wrong) < 3:
        return None
    s = slope(claims, right, wrong)
    residual = misfit(predictor, {name: s * right[name] for name in wrong})
    if residual is None or s == 0:
        return None
    rest = {name: s * right[name] for name in gradients if name not in wrong}  # only where they are 0 can these fit too
    everything = len(gradients) > 1 and misfit(predictor, rest) is not None
    layers = layers_in(wrong)
    length = np.sqrt(sum(float((claims[name] ** 2).sum()) for name in gradients))
    if everything and 0 < s < 1 and is_round(length):
        return Fit(CATALOGUE["clipping_included"], layers, residual, f"the whole gradient's length is {length:.6g}")
    if everything and -1 < s < 0 and is_round(-s) and not composed(predictor, s):
        return Fit(CATALOGUE["returned_the_update"], layers, residual, f"the factor is −η = {s:.6g}")
    return Fit(FACTOR, layers, residual, f"the factor is {s:.9g}", composed(predictor, s))


def composed(predictor: Predictor, s: float) -> bool:
    """Whether a factor is the product of two of those that single mistakes give."""
    m, n = predictor.setting.total_weight, float(predictor.problem.net.outputs)
    known = (m, 1 / m, n, 1 / n, 2, 0.5, -1)
    return any(abs(a * b - s) <= 1e-7 * abs(s) for a in known for b in known)


def clipped_each(predictor: Predictor, right: Values, wrong: list[str], gradients: list[str]) -> Fit | None:
    """Each tensor shortened to one common length, those that were shorter left as they are."""
    claims = predictor.claims
    if len(wrong) < 2 or not set(wrong) <= set(gradients):
        return None
    lengths = [float(np.linalg.norm(claims[name])) for name in wrong]
    bound = lengths[0]
    if not np.allclose(lengths, bound, rtol=predictor.yardstick.precision[wrong[0]].relative):
        return None
    shorter = all(float(np.linalg.norm(right[name])) <= bound * (1 + 1e-6) for name in gradients if name not in wrong)
    residual = misfit(predictor, {n: right[n] * (bound / max(float(np.linalg.norm(right[n])), 1e-300)) for n in wrong})
    if residual is None or not shorter or any(float(np.linalg.norm(right[n])) < bound for n in wrong):
        return None
    note = f"each tensor is shortened to the length {bound:.6g}"
    return Fit(CATALOGUE["clipping_included"], layers_in(wrong), residual, note)


def clipped_entries(predictor: Predictor, right: Values, wrong: list[str], gradients: list[str]) -> Fit | None:
    """Every entry of the gradients bounded by ±c."""
    claims = predictor.claims
    if not wrong or not set(wrong) <= set(gradients):
        return None
    bound = max(float(np.abs(claims[name]).max()) for name in wrong)
    clipped = sum(int((np.abs(right[name]) > bound).sum()) for name in gradients)
    residual = misfit(predictor, {name: np.clip(right[name], -bound, bound) for name in gradients})
    if residual is None or clipped < 1 or not (clipped > 2 or is_round(bound)):
        return None
    note = f"entries are bounded by ±{bound:.6g}"
    return Fit(CATALOGUE["clipping_included"], layers_in(wrong), residual, note)


def slope(claims: Values, right: Values, names: list[str]) -> float:
    """⟨G, g⟩ / ⟨g, g⟩."""
    top = sum(float((claims[name] * right[name]).sum()) for name in names)
    below = sum(float((right[name] ** 2).sum()) for name in names)
    return top / below if below else 0.0


def misfit(predictor: Predictor, predicted: Mapping[str, Array]) -> float | None:
    """The largest relative difference of a prediction, None if it is outside rounding."""
    errors = [predictor.misfit(name, value) for name, value in predicted.items()]
    return None if any(e is None for e in errors) else max((e for e in errors if e is not None), default=0.0)


def is_round(value: float) -> bool:
    """Whether a number looks chosen: at most three digits.

    >>> is_round(0.05), is_round(0.0512345)
    (True, False)
    """
    return value > 0 and abs(float(f"{value:.3g}") - value) <= 1e-7 * value


def layers_in(names: list[str]) -> tuple[int, ...]:
    """The layers of some quantities, sorted."""
    return tuple(sorted({l for l in map(layer_of, names) if l}))


# --- pairs ------------------------------------------------------------------------------------------------------------

# Of two mistakes at once, each must leave right what is claimed before the first wrong quantity.  That quantity is
# either what one of them gives alone, and the other acts further on, or both act on it: a few hundred pairs to replay
# out of tens of thousands.

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
