"""Name the mistake: hypotheses are replayed and held against the claims, first singles, then fits, then pairs.

A name is given only if the replay agrees with every claimed number within its rounding, and if the wrong numbers carry
enough digits that none of the many hypotheses would agree by chance.
"""

from collections.abc import Mapping, Sequence

from backlit.verification.bug_pairs import identify_pairs
from backlit.verification.comparison import Compared
from backlit.verification.hypotheses import Hypothesis, Predictor
from backlit.verification.result import Diagnosis, Search
from backlit.verification.scale_fits import Fit, fits
from backlit.verification.significance import digits_of_evidence, enough


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
