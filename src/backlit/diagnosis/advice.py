"""The sentence that a diagnosis begins with: what to do, what it brings as measured, and the command that does it."""

import math
from typing import Any

HELPS = 0.9
"""A remedy that leaves more than this share of what the network as it is leaves is no help."""


def advice(diagnosis: Any) -> str:
    """One sentence about a `Diagnosis`."""
    best, gain = diagnosis.best, gained(diagnosis)
    how = f"{diagnosis.command} --fix fixed.json" if diagnosis.command else "diagnosis.fixed_problem()"
    if diagnosis.regime == "healthy" and not (gain is not None and learns_nothing(diagnosis)):
        healthy = f"Train it as it is: {as_it_is(diagnosis)}"
        return (
            f"{healthy}."
            if gain is None or not faster(diagnosis)
            else f"{healthy}; or with {best.remedy}: {gain}: {how}."
        )
    if best is None:
        command = f": {diagnosis.command}" if diagnosis.command else ""
        return f"Try remedies, for this network is {diagnosis.regime}: leave --no-remedies out{command}."
    if gain is None:
        what = "learns more than it does" if best.trial or best.probe else "lets the gradient through"
        return f"Change more than one thing: none of the {len(diagnosis.remedies)} remedies that were tried {what}."
    return f"Do this: {best.remedy}; {gain}: {how}."


def as_it_is(diagnosis: Any) -> str:
    """What a healthy network shows."""
    own, L = diagnosis.trial or diagnosis.probe, diagnosis.measured.L
    said = f"‖δ‖² at layer 1 is {diagnosis.measured.median(1):.3g} times that at layer {L}"
    said = said if L > 1 else "its only layer has its gradient from the loss itself"
    return said if own is None else f"{said}, and {span(own)} {own.left:.3g} of a constant prediction's loss is left"


def learns_nothing(diagnosis: Any) -> bool:
    """Whether the network as it is leaves more loss than a constant prediction, sound as its gradients may be."""
    own = diagnosis.trial or diagnosis.probe
    return own is not None and own.left > 1


def faster(diagnosis: Any) -> bool:
    """Whether the first remedy leaves less than half of the loss that a healthy network leaves as it is."""
    own, its = (one.trial or one.probe for one in (diagnosis, diagnosis.best))
    return own is not None and its is not None and its.left < own.left / 2


def gained(diagnosis: Any) -> str | None:
    """What the first remedy brings beside the network as it is; None if that is no gain."""
    best = diagnosis.best
    if best is None:
        return None
    own, its = (one.trial or one.probe for one in (diagnosis, best))
    if own is not None and its is not None:
        if not its.left < HELPS * own.left:
            return None
        was = "where the network as it is diverges" if math.isinf(own.left) else f"not {own.left:.3g}"
        return f"{span(its)} it leaves {its.left:.3g} of a constant prediction's loss, {was}"
    if not math.isfinite(best.distance):
        return None
    was = diagnosis.measured.median(1)
    before = f"not {was:.3g}" if was > 0 and math.isfinite(was) else "where there is none"
    return f"‖δ‖² at layer 1 becomes {best.typical_ratio:.3g} times that at the top, {before}"


def span(training: Any) -> str:
    """How long a training or a probe was."""
    epochs = getattr(training, "losses", None)
    return f"after {training.steps} steps" if epochs is None else f"after {len(epochs)} epochs"
