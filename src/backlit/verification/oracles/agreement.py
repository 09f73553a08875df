"""The oracles are held against each other before any of them judges a claim."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlit.autodiff import AutodiffError
from backlit.core.parameters import layout
from backlit.core.problem import Problem
from backlit.verification.oracles import sources
from backlit.verification.oracles.sources import Array, Slopes
from backlit.verification.sizes import term_sizes

EXACT = 1e-10  # relative to the tensor, for tape and complex step; they reach 1e-15
DIFFERENCES = 2e-6  # for differences; they reach 1e-10, but not where a curvature jumps, as softsign's at 0
ROUNDING = 1e-14  # of the whole gradient: a bias under a batch norm has the gradient 0, give or take that
TERMS = 1e-11  # of the terms that a tensor's entries are differences of, see `sizes`
SMALL = 100  # parameters up to which extended precision is run


@dataclass(frozen=True)
class Agreement:
    """How far each oracle is from the closed form, relative to the tensor; `skipped` says why one was not asked.

    agree : whether all that were asked agree, and at least one was.  reason : which tensor and oracle disagree.
    """

    errors: Mapping[str, float]
    skipped: Mapping[str, str]
    agree: bool
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "agree": self.agree,
            "errors": dict(self.errors),
            "skipped": dict(self.skipped),
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Oracle:
    """A way to slopes, and the relative error up to which it must agree."""

    name: str
    slopes: Callable[[Problem, Array], Slopes]
    tolerance: float


def oracles_for(problem: Problem, at_kink: bool) -> tuple[list[Oracle], dict[str, str]]:
    """(those to ask, {those not to ask: why})."""
    asked = [
        Oracle("tape", sources.tape, EXACT),
        Oracle("complex_step", sources.complex_step, EXACT),
        Oracle("central_differences", sources.central_differences, DIFFERENCES),
        Oracle("extended_precision", sources.extended_precision, EXACT),
    ]
    skipped: dict[str, str] = {}
    kinked = problem.net.loss.kinked or any(layer.activation.kinks for layer in problem.net.layers)
    if problem.net.n_parameters > SMALL:
        skipped["extended_precision"] = f"for problems of at most {SMALL} parameters"
    elif not sources.has_extended_precision():
        skipped["extended_precision"] = "this machine has no number wider than float64"
    elif kinked:
        skipped["extended_precision"] = "its fixed step may cross a kink"
    if at_kink:
        skipped["central_differences"] = "a unit lies exactly at a kink, where differences average two slopes"
    return [oracle for oracle in asked if oracle.name not in skipped], skipped


def agreement(problem: Problem, *, at_kink: bool = False) -> Agreement:
    """Ask every oracle, and compare with the closed form tensor by tensor.

    at_kink : whether a unit lies exactly at a kink of its activation.
    """
    directions = sources.directions_of(problem)
    closed = sources.closed_form(problem, directions)
    asked, skipped = oracles_for(problem, at_kink)
    amplified = amplification(problem)
    errors: dict[str, float] = {}
    reasons: list[str] = []
    for oracle in asked:
        try:
            with np.errstate(all="ignore"):
                found = oracle.slopes(problem, directions)
        except AutodiffError as error:  # a user's own function that the tape has no rule for
            skipped[oracle.name] = str(error)
            continue
        errors[oracle.name], tensor = worst_tensor(problem, closed, found)
        if not errors[oracle.name] <= oracle.tolerance * amplified:
            reasons.append(f"{oracle.name} differs from closed_form by {errors[oracle.name]:.1e} in {tensor}")
    return Agreement(errors, skipped, bool(errors) and not reasons, "; ".join(reasons))


def amplification(problem: Problem) -> float:
    """How much the norms amplify rounding: the terms of their δ over δ itself, layer after layer, 1 to 1000."""
    sizes, grad, product = term_sizes(problem), problem.passes()[1], 1.0
    for l, layer in problem.net.numbered():
        length = float(np.linalg.norm(grad.delta[l]))
        if layer.norm and length:
            product *= float(np.linalg.norm(sizes[f"delta[{l}]"])) / length
    return float(np.clip(product, 1, 1000))


def worst_tensor(problem: Problem, closed: Slopes, found: Slopes) -> tuple[float, str]:
    """(the largest relative error of a tensor, its name); below what the method is certain of it is 0."""
    whole = float(np.linalg.norm(closed.values)) + float(np.finfo(float).tiny)
    worst, name, sizes = 0.0, "", term_sizes(problem)
    for slot in layout(problem.net):
        rows = np.any(closed.directions[:, slot.start : slot.stop] != 0, axis=1)
        gap = found.values[rows] - closed.values[rows]
        size = max(float(np.linalg.norm(closed.values[rows])), 1e-6 * whole)
        terms = float(np.abs(sizes[f"grad_{slot}"]).max())
        certain = found.certain * float(np.sqrt(rows.sum())) + ROUNDING * whole + TERMS * terms
        error = max(float(np.linalg.norm(gap)) - certain, 0.0) / size
        if error > worst or not np.isfinite(error):
            worst, name = error, str(slot)
    return worst, name
