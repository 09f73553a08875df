"""Mistakes with an unknown number in them, which is fitted: clipping at some bound, a learning rate, some factor."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from backlit.verification.catalogue import CATALOGUE, Bug
from backlit.verification.hypotheses import Predictor
from backlit.verification.mutations import Instances
from backlit.verification.quantities import PARAMETER_GRADIENTS, Array, Values, key_of, layer_of


def nowhere(_: object) -> list:
    """A fitted row has no instances to replay."""
    return []


NOWHERE: Instances = nowhere
FACTOR = Bug(
    "constant_factor",
    "The gradients are right but for one constant factor.",
    "G = s g",
    "G = g",
    "BP4",
    "Look for a constant: a learning rate, a clipped length, a weight of the loss, a number of examples or classes.",
    NOWHERE,
)


@dataclass(frozen=True)
class Fit:
    """A bug that explains the claims with fitted numbers."""

    bug: Bug
    layers: tuple[int, ...]
    residual: float
    note: str
    composed: bool = False  # the factor is a product of two that the catalogue knows: a pair may say more


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
