"""The verdict and its evidence: how far δ shrinks or grows from top to bottom, from which layer, by which term."""

import math
from dataclasses import dataclass
from typing import Any

from backlit.diagnosis.measurement import MeasuredFlow
from backlit.diagnosis.theory.fixed_points import FixedPoint, LayerSpec
from backlit.diagnosis.updates import FROZEN

BOUND = 1e3
"""E‖δ_1‖²/E‖δ_L‖² outside [1/BOUND, BOUND] is called sick.

One learning rate serves all layers, and a layer's plain gradient step goes with ‖δ‖: at BOUND the steps of top and
bottom differ by √1000 ≈ 32.  The learning rates that train one layer well span about a factor 10 to either side of the
best one, so at 32 none is right for both ends.  It is a bound on the ratio alone, for every dtype and optimizer, so
that verdicts can be compared; what rounding does to a real step is the separate finding "frozen".
"""
DEAD_SHARE, SATURATED_SHARE = 0.2, 0.5


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


def verdict_of(flow: MeasuredFlow) -> str:
    """healthy, vanishing or exploding, by the measured E‖δ_1‖²/E‖δ_L‖²."""
    top, bottom = flow.layers[flow.L].delta, flow.layers[1].delta
    if not math.isfinite(bottom) or not math.isfinite(top) or not math.isfinite(flow.layers[flow.L].q):
        return "exploding"
    if top == 0:
        return "vanishing"
    ratio = bottom / top
    return "vanishing" if ratio < 1 / BOUND else "exploding" if ratio > BOUND else "healthy"


def findings_of(flow: MeasuredFlow, theory: FixedPoint, kind: LayerSpec, verdict: str) -> list[Finding]:
    """All findings, the verdict's evidence first."""
    return [*evidence(flow, verdict), *lengths(theory, kind), *units(flow)]


def evidence(flow: MeasuredFlow, verdict: str) -> list[Finding]:
    """Where it starts, which term does it, how deep this configuration can be trained."""
    ratio = flow.top_to_bottom
    if verdict == "healthy":
        return [Finding("healthy", f"E‖δ‖² at layer 1 is {ratio:.3g} times that at layer {flow.L}", ratio)]
    start, term = first_layer(flow), cause(flow)
    per_layer = abs(math.log(ratio)) / max(flow.L - 1, 1) if ratio and math.isfinite(ratio) else math.nan
    deep = f"about {1 + int(math.log(BOUND) / per_layer)}" if per_layer > 0 else "no"
    return [
        Finding(verdict, f"E‖δ‖² at layer 1 is {ratio:.3g} times that at layer {flow.L}", ratio, 1, term),
        Finding("start", f"coming down, E‖δ‖² leaves a factor {BOUND:g} of the top's at layer {start}", None, start),
        Finding("cause", f"the {term} term does most of it", total(flow, term), None, term),
        Finding("depth", f"{deep} layers of this kind stay within a factor {BOUND:g}", per_layer),
    ]


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
    """The highest layer whose E‖δ‖² is outside the bound; 1 if there is none, such as when z alone overflows."""
    top = flow.layers[flow.L].delta
    for l in range(flow.L - 1, 0, -1):
        ratio = flow.layers[l].delta / top if top else 0.0
        if not 1 / BOUND <= ratio <= BOUND:
            return l
    return 1


def total(flow: MeasuredFlow, term: str) -> float:
    """The product of one term over all layers below the top."""
    values = [getattr(flow, f"{term}_term")(l) for l in range(1, flow.L)]
    return math.prod(values) if values else math.nan


def cause(flow: MeasuredFlow) -> str:
    """The term, weight or derivative, that does most of the whole's shrinking or growing."""
    weight, derivative, ratio = total(flow, "weight"), total(flow, "derivative"), flow.top_to_bottom
    if not all(x > 0 for x in (weight, derivative, ratio)):
        return "weight" if not ratio < 1 else "derivative"
    down = ratio < 1
    return "weight" if (math.log(weight) < math.log(derivative)) == down else "derivative"


def lengths(theory: FixedPoint, kind: LayerSpec) -> list[Finding]:
    """What the length map says: no fixed point, or a collapse to 0."""
    rate = theory.divergence_rate
    if rate is not None:
        text = f"{kind.phi.name} has no fixed point of the length here: q grows by {rate:.4g} a layer"
        return [Finding("no_fixed_point", text, rate)]
    if theory.q_star == 0:
        text = f"the length of z collapses: q* = 0, and gradients change by χ₁ = {theory.chi_1:.4g} a layer there"
        return [Finding("collapse", text, theory.chi_1)]
    return []


def units(flow: MeasuredFlow) -> list[Finding]:
    """Dead and saturated units, at the layer that has most."""
    found = []
    for kind, share, what in (
        ("dead", DEAD_SHARE, "of the units have slope 0 on every example"),
        ("saturated", SATURATED_SHARE, "of the entries have a slope below 5 % of the activation's largest"),
    ):
        l = max(range(1, flow.L + 1), key=lambda l: getattr(flow.layers[l], kind))
        value = getattr(flow.layers[l], kind)
        if value > share:
            found.append(Finding(kind, f"layer {l}: {value:.0%} {what}", value, l))
    return found
