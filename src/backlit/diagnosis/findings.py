"""The regime, its evidence and the advice: how far δ shrinks or grows, from which layer, by which term, what to do.

The advice says what a remedy brings as measured.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlit.diagnosis.measurement import MeasuredFlow
from backlit.diagnosis.theory.fixed_points import FixedPoint, LayerSpec

BOUND = 1e3
"""‖δ_1‖²/‖δ_L‖² of a typical example, the median one, outside [1/BOUND, BOUND] is called sick.

One learning rate serves all layers, and a layer's plain gradient step goes with ‖δ‖: at BOUND the steps of top and
bottom differ by √1000 ≈ 32.  The learning rates that train one layer well span about a factor 10 to either side of the
best one, so at 32 none is right for both ends.  It is a bound on the ratio alone, for every dtype and optimizer, so
that verdicts can be compared; what rounding does to a real step is the separate finding "frozen".
"""
FROZEN = 2.0**-24  # a step this small against its weight is lost when float32 rounds the sum
DEAD_SHARE, SATURATED_SHARE = 0.2, 0.5
WORTH_A_WORD = 3.0  # how far a length grows or shrinks over the depth before it is worth a word
UNDERFLOW = 1e-200  # a gradient that passes this on its way to 0 has faded; another was cut off
FEW = 0.1  # of the examples: where so few carry half of a mean, the mean is theirs
ORDERED = 1 - 1e-6  # deep down, of two inputs that stay apart in a chaotic network

VERDICTS = {
    "healthy": "healthy",
    "vanishing": "vanishing",
    "exploding": "exploding",
    "chaotic": "exploding",
    "dead": "vanishing",
    "diverging": "exploding",
    "symmetric": "vanishing",
}
"""The verdict of each regime."""


@dataclass(frozen=True)
class Finding:
    """One finding: a short kind, one sentence, the number that it rests on, the layer it is about (None: all)."""

    kind: str
    message: str
    number: float | None
    layer: int | None = None
    term: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain names and numbers."""
        return dict(vars(self))


def regime_of(flow: MeasuredFlow, theory: FixedPoint | None = None) -> str:
    """What the gradients do: a key of VERDICTS, all but "diverging", which only a training shows.

    theory : of the layers repeated, which tells chaos, two inputs that move apart, from mere growth.  (Batch norm moves
    the examples of a batch apart by itself.)
    """
    if any(layer.alike == 1 for _, layer in flow.numbered()):
        return "symmetric"
    if cut_off(flow):
        return "dead"
    sick = verdict_of(flow)
    return "chaotic" if sick == "exploding" and theory is not None and is_chaotic(theory) else sick


def is_chaotic(theory: FixedPoint) -> bool:
    """Whether two inputs move apart, however alike they are."""
    apart = theory.c_star is not None and theory.c_star < ORDERED
    return apart and theory.chi_1 > 1 and theory.batch is None


def verdict_of(flow: MeasuredFlow) -> str:
    """healthy, vanishing or exploding, by the measured ‖δ_1‖²/‖δ_L‖² of the median example."""
    top, bottom = flow.layers[flow.L].delta, flow.layers[1].delta
    if not math.isfinite(bottom) or not math.isfinite(top) or not math.isfinite(flow.layers[flow.L].q):
        return "exploding"
    if top == 0:
        return "vanishing"
    ratio = flow.median(1)
    return "vanishing" if ratio < 1 / BOUND else "exploding" if ratio > BOUND else "healthy"


def cut_off(flow: MeasuredFlow) -> bool:
    """Whether slopes of 0 leave most examples without any gradient at layer 1, or all without one at the top."""
    if not len(flow.levels):
        return flow.layers[flow.L].dead == 1
    without = flow.levels[:, 0] == 0
    if without.mean() <= 0.5:
        return False
    rows = flow.levels[without]
    last = np.where(rows > 0, rows, np.inf).min(axis=1)  # how small it was before it went
    return bool(np.median(last) > UNDERFLOW)


def findings_of(flow: MeasuredFlow, theory: FixedPoint, kind: LayerSpec, regime: str) -> list[Finding]:
    """All findings, the regime's evidence first."""
    return [*evidence(flow, regime), *lengths(theory, kind, flow.L), *units(flow)]


def evidence(flow: MeasuredFlow, regime: str) -> list[Finding]:
    """How far it goes, where it starts, which term does it, how deep this configuration can be trained."""
    ratio, few = flow.median(1), uneven(flow)
    if regime == "symmetric":
        return alike(flow)
    if regime == "dead":
        return no_gradient(flow)
    said = f"‖δ‖² at layer 1 is {ratio:.3g} times that at layer {flow.L}, in the median over examples"
    if flow.L == 1 and regime == "healthy":
        return [Finding("healthy", "the only layer has its gradient from the loss itself", ratio)]
    if regime == "healthy":
        return [Finding("healthy", said, ratio), *few]
    if not 0 < ratio < math.inf or not math.isfinite(flow.layers[flow.L].q):
        return [Finding(regime, no_ratio(flow), None), *few]
    start, term = first_layer(flow), cause(flow)
    return [
        Finding(regime, said, ratio, 1, term),
        *few,
        Finding("start", f"coming down, ‖δ‖² leaves a factor {BOUND:g} of the top's at layer {start}", None, start),
        Finding("cause", f"the {term} term does most of it", total(flow, term), None, term),
        *depth(flow),
    ]


def depth(flow: MeasuredFlow) -> list[Finding]:
    """How deep this configuration can be trained; where the step below the output does most of it, that."""
    L, whole, top = flow.L, flow.median(1), flow.median(flow.L - 1)
    if 0 < top < math.inf and abs(math.log(top)) > 2 * abs(math.log(whole / top)):
        text = f"not depth does it, but the step from layer {L} to {L - 1}: there ‖δ‖² changes by a factor {top:.3g}"
        below = (whole / top) ** (1 / max(L - 2, 1))
        return [Finding("output", f"{text}, below by {below:.3g} a layer", top, L)] if L > 2 else []
    per_layer = abs(math.log(whole)) / max(L - 1, 1)
    deep = f"about {1 + int(math.log(BOUND) / per_layer)}" if per_layer > 0 else "no"
    return [Finding("depth", f"{deep} layers of this kind stay within a factor {BOUND:g}", per_layer)]


def no_ratio(flow: MeasuredFlow) -> str:
    """Where there is no gradient to compare: what there is instead."""
    if not len(flow.levels) and flow.layers[flow.L].delta == 0:
        return "the loss hands no gradient down: each output is at its target, or where the loss is flat"
    if flow.median(1) == 0:
        gone = max(l for l in range(1, flow.L) if flow.median(l) == 0)
        return f"‖δ‖² is rounded to 0 in float64 from layer {gone} down"
    gone = min((l for l in range(1, flow.L + 1) if not math.isfinite(flow.layers[l].q)), default=0)
    return f"z leaves the range of float64 at layer {gone}" if gone else "‖δ‖² leaves the range of float64"


def uneven(flow: MeasuredFlow) -> list[Finding]:
    """Whether few examples carry the mean of ‖δ_1‖²/‖δ_L‖², so that it says little of a typical one."""
    share, mean = flow.half_carried_by, float(flow.levels[:, 0].mean()) if len(flow.levels) else math.nan
    if not share < FEW or not mean > WORTH_A_WORD * flow.median(1):
        return []
    carriers = max(round(share * len(flow.levels)), 1)
    few = f"{carriers} of {len(flow.levels)} examples carry half of it"
    text = f"the mean of that ratio, {mean:.3g}, is that of few: {few}"
    return [Finding("uneven_examples", text, share)]


def alike(flow: MeasuredFlow) -> list[Finding]:
    """Layers whose units are all the same and stay so."""
    same = [l for l in range(1, flow.L) if flow.layers[l].alike == 1]
    where = f"layer {same[0]}" if len(same) == 1 else f"{len(same)} layers, from layer {same[0]} on,"
    text = f"the units of {where} have equal weights and equal gradients: they stay the same unit for ever"
    return [Finding("symmetric", text, float(len(same)), same[0])]


def no_gradient(flow: MeasuredFlow) -> list[Finding]:
    """Where slopes of 0 cut the gradient off."""
    if not len(flow.levels):
        text = "no gradient passes the output layer: its activation's slope is 0 on every example"
        return [Finding("dead_output", text, 1.0, flow.L, "derivative")]
    without = float((flow.levels[:, 0] == 0).mean())
    l = max(range(1, flow.L), key=lambda l: flow.layers[l].dead)
    text = f"no gradient reaches layer 1 for {without:.0%} of the examples: slopes of 0 on the way cut it off"
    return [Finding("dead_path", text, without, l, "derivative")]


def frozen(updates: list[Any]) -> list[Finding]:
    """Layers whose first step float32 would round away."""
    still = [l for l, ratio in enumerate(updates) if ratio is not None and ratio < FROZEN]
    if not still:
        return []
    l = min(still, key=lambda l: updates[l])
    layers = "1 layer" if len(still) == 1 else f"{len(still)} layers"
    text = f"the first step moves {layers} by less than float32 can hold: ‖ΔW‖/‖W‖ = {updates[l]:.2g} at {l}"
    return [Finding("frozen", text, updates[l], l)]


def first_layer(flow: MeasuredFlow) -> int:
    """The highest layer whose ‖δ‖² is outside the bound; 1 if there is none, such as when z alone overflows."""
    for l in range(flow.L - 1, 0, -1):
        if not 1 / BOUND <= flow.median(l) <= BOUND:
            return l
    return 1


def total(flow: MeasuredFlow, term: str) -> float:
    """The product of one term over all layers below the top."""
    values = [getattr(flow, f"{term}_term")(l) for l in range(1, flow.L)]
    return math.prod(values) if values else math.nan


def cause(flow: MeasuredFlow) -> str:
    """The term, weight or derivative, that does most of the whole's shrinking or growing."""
    weight, derivative, ratio = total(flow, "weight"), total(flow, "derivative"), flow.median(1)
    if not all(x > 0 for x in (weight, derivative, ratio)):
        return "weight" if not ratio < 1 else "derivative"
    down = ratio < 1
    return "weight" if (math.log(weight) < math.log(derivative)) == down else "derivative"


def lengths(theory: FixedPoint, kind: LayerSpec, depth: int) -> list[Finding]:
    """What the length map says, if it comes to something over this depth: no fixed point, or a collapse to 0."""
    rate = theory.divergence_rate
    if rate is not None and matters(rate, depth):
        text = f"{kind.phi.name} has no fixed point of the length here: q grows by {rate:.4g} a layer"
        return [Finding("no_fixed_point", text, rate)]
    if theory.q_star == 0 and matters(theory.chi_1, depth):
        text = f"the length of z collapses: q* = 0, and gradients change by χ₁ = {theory.chi_1:.4g} a layer there"
        return [Finding("collapse", text, theory.chi_1)]
    return []


def matters(factor: float, depth: int) -> bool:
    """Whether a factor a gap comes to WORTH_A_WORD over a depth."""
    return factor <= 0 or abs(math.log(factor)) * (depth - 1) > math.log(WORTH_A_WORD)


def units(flow: MeasuredFlow) -> list[Finding]:
    """Dead and saturated units, at the layer that has most of them."""
    return [*dead_units(flow), *saturated_units(flow)]


def dead_units(flow: MeasuredFlow) -> list[Finding]:
    """Units with slope 0 on all examples, and whether their biases are why."""
    l = max(range(1, flow.L + 1), key=lambda l: flow.layers[l].dead)
    layer = flow.layers[l]
    if layer.dead <= DEAD_SHARE:
        return []
    found = [Finding("dead", f"layer {l}: {layer.dead:.0%} of the units have slope 0 on every example", layer.dead, l)]
    if layer.dead_by_bias > layer.dead / 2:
        text = f"the bias is why: with bias 0, {layer.dead_by_bias:.0%} of layer {l}'s units would have a slope again"
        found.append(Finding("bias", text, layer.dead_by_bias, l))
    return found


def saturated_units(flow: MeasuredFlow) -> list[Finding]:
    """Entries with a small slope, if more than half of those have one that φ leaves steep at standard normal u."""
    excess = {l: (layer.saturated - layer.usual) / (1 - layer.usual) for l, layer in flow.numbered()}
    l = max(excess, key=lambda l: excess[l])
    if not excess[l] > SATURATED_SHARE:
        return []
    value, usual = flow.layers[l].saturated, flow.layers[l].usual
    text = f"layer {l}: {value:.0%} of the entries have a slope below 5 % of the activation's largest"
    return [Finding("saturated", text + (f" ({usual:.0%} at standard normal u)" if usual > 0.01 else ""), value, l)]


# --- the sentence that a diagnosis begins with ------------------------------------------------------------------------

HELPS = 0.9
"""A remedy that leaves more than this share of what the network as it is leaves is no help; one that leaves more of a
constant prediction's loss has not begun to learn.
"""


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
    none = f"none of the {len(diagnosis.remedies)} remedies that were tried"
    own, its = (one.trial or one.probe for one in (diagnosis, best))
    if gain is None and own is not None and own.left <= HELPS:
        return f"Train it as it is: {as_it_is(diagnosis)}; {none} takes a tenth off that."
    if gain is None:
        what = "lets the gradient through" if its is None else "takes a tenth off the loss that it leaves"
        return f"Change more than one thing: {none} {what}."
    if its is not None and its.left > HELPS:
        furthest = f"{none} trains it, and furthest comes {best.remedy}: {gain}"
        return f"Change more than one thing: {furthest}; {longer(diagnosis)}, or add a second remedy to it: {how}."
    return f"Do this: {best.remedy}; {gain}: {how}."


def longer(diagnosis: Any) -> str:
    """How to train for more steps."""
    epochs = 40 if diagnosis.trial is None else 4 * len(diagnosis.trial.losses)
    return f"train longer, with {f'--train {epochs}' if diagnosis.command else f'train={epochs}'}"


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
