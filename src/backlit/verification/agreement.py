"""The oracles are held against each other before any of them judges a claim."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backlit.autodiff import AutodiffError
from backlit.core.parameters import layout
from backlit.core.problem import Problem
from backlit.gradcheck import methods
from backlit.gradcheck.check import Array
from backlit.gradcheck.error_bounds import ErrorBounds, error_bounds
from backlit.gradcheck.methods import Cost, Slopes

EXACT = 1e-13  # ‖difference‖ / (‖a‖ + ‖b‖) of a tensor, for tape, complex step and extended precision
DIFFERENCES = 1e-8  # for differences in float64
UNSURE = 1e-6  # of a tensor, or 1e-3 of that of the whole: a method's error that is larger excuses nothing
MOST = 1e-10  # of a tensor: rounding that is larger excuses nothing, unless the tensor is nothing but rounding
LEAST = 1e-14  # of the whole gradient, for what is 0 on one way by luck: it excuses zeros, and certifies nothing
NOTHING = 1e-13  # of the terms that a tensor's entries are sums of, and of the whole gradient
SMALL = 100  # parameters up to which extended precision is run


@dataclass(frozen=True)
class Agreement:
    """How far each oracle is from the closed form, ‖difference‖ / (‖a‖ + ‖b‖) of the worst tensor that is certified.

    skipped : why an oracle was not asked.  agree : whether all that were asked agree, and at least one was.
    reason : which tensor and oracle disagree.  excused : {tensor: its largest relative error} of those that agree up to
    their rounding, measured by `error_bounds`, but not to 1e-13 (1e-8 by differences): mostly zeros.
    """

    errors: Mapping[str, float]
    skipped: Mapping[str, str]
    agree: bool
    reason: str = ""
    excused: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "agree": self.agree,
            "errors": dict(self.errors),
            "skipped": dict(self.skipped),
            "reason": self.reason,
            "excused": dict(self.excused),
        }


@dataclass(frozen=True)
class Oracle:
    """A way to slopes, and the relative error up to which it must agree."""

    name: str
    slopes: Callable[[Problem, Array], Slopes]
    tolerance: float


def stepped(problem: Problem, directions: Array) -> Slopes:
    """The complex step, of theta."""
    cost = Cost(problem)
    return methods.complex_step(cost, cost.start, directions)


def oracles_for(problem: Problem, at_kink: bool) -> tuple[list[Oracle], dict[str, str]]:
    """(those to ask, {those not to ask: why})."""
    asked = [
        Oracle("tape", methods.tape, EXACT),
        Oracle("complex_step", stepped, EXACT),
        Oracle("central_differences", lambda problem, V: methods.central_differences(Cost(problem), V), DIFFERENCES),
        Oracle("extended_precision", methods.extended_precision, EXACT),
    ]
    skipped: dict[str, str] = {}
    if problem.net.n_parameters > SMALL:
        skipped["extended_precision"] = f"for problems of at most {SMALL} parameters"
    elif not methods.has_extended_precision():
        skipped["extended_precision"] = "this machine's long double is no wider than float64"
    if at_kink:
        why = "a unit lies exactly at a kink, where differences average two slopes"
        skipped |= {"central_differences": why, "extended_precision": why}
    return [oracle for oracle in asked if oracle.name not in skipped], skipped


def agreement(problem: Problem, *, at_kink: bool = False) -> Agreement:
    """Ask every oracle, and compare with the closed form tensor by tensor.

    at_kink : whether a unit lies exactly at a kink of its activation.
    """
    directions = methods.directions_of(problem.net)
    closed = methods.closed_form(problem, directions)
    asked, skipped = oracles_for(problem, at_kink)
    with np.errstate(all="ignore"):
        measured = error_bounds(problem)
    errors: dict[str, float] = {}
    excused: dict[str, float] = {}
    reasons: list[str] = []
    own = problem.net.custom_part is not None
    for oracle in asked:
        try:
            with np.errstate(all="ignore"):
                found = oracle.slopes(problem, directions)
        except AutodiffError as error:  # a user's own function that the tape has no rule for
            skipped[oracle.name] = str(error)
            continue
        except (TypeError, ValueError) as error:
            if not own:
                raise
            skipped[oracle.name] = f"a function of your own does not take its numbers: {error}"
            continue
        errors[oracle.name] = 0.0
        for tensor, gap in gaps(problem, directions, closed, found, measured):
            if gap.error <= oracle.tolerance:
                errors[oracle.name] = max(errors[oracle.name], gap.error)
            elif gap.distance <= gap.allowed + oracle.tolerance * gap.size:
                excused[tensor] = max(excused.get(tensor, 0.0), gap.error)
            else:
                errors[oracle.name] = max(errors[oracle.name], gap.error)
                reasons.append(f"{oracle.name} differs from closed_form by {gap.error:.1e} in {tensor}")
    if own and reasons and all(reason.startswith("complex_step") for reason in reasons) and len(errors) > 2:
        del errors["complex_step"]  # as abs and linalg.norm do
        reasons, skipped["complex_step"] = [], "a function of your own drops the imaginary part"
    return Agreement(errors, skipped, bool(errors) and not reasons, "; ".join(reasons), excused)


@dataclass(frozen=True)
class Gap:
    """‖a − b‖ and ‖a‖ + ‖b‖ of two slopes of one tensor, and how far they may lie apart by what is known of errors."""

    distance: float
    size: float
    allowed: float

    @property
    def error(self) -> float:
        """The distance relative to the size, 0 for two zeros."""
        return self.distance / self.size if self.size or not np.isfinite(self.distance) else 0.0


def gaps(
    problem: Problem, directions: Array, closed: Slopes, found: Slopes, measured: ErrorBounds
) -> Iterator[tuple[str, Gap]]:
    """Each tensor's name and gap."""
    whole = float(np.linalg.norm(problem.passes()[1].theta))
    errors = np.broadcast_to(found.errors, found.values.shape)
    for slot in layout(problem.net):
        inside = directions[:, slot.start : slot.stop]
        rows = np.any(inside != 0, axis=1)
        right, other = closed.values[rows], found.values[rows]
        size = float(np.linalg.norm(right) + np.linalg.norm(other))
        unsure = min(float(np.linalg.norm(errors[rows])), UNSURE * max(size, 1e-3 * whole))
        rounding, terms = (
            float(np.linalg.norm(np.abs(inside[rows]) @ of[f"grad_{slot}"].ravel()))
            for of in (measured.bounds, measured.terms)
        )
        most = max(MOST * float(np.linalg.norm(right)), NOTHING * max(terms, whole))
        rounding = min(rounding + LEAST * whole, most) if np.isfinite(rounding) else most
        yield str(slot), Gap(float(np.linalg.norm(other - right)), size, rounding + unsure)
