"""Mistakes and conventions of the forward pass, with a backward pass that is right for it."""

from collections.abc import Iterable

import numpy as np

from backlit.verification.catalogue.base import Bug, Instance, at_layers, layers_of
from backlit.verification.mutations import Mutation, ReplayContext


def has_bias(s: ReplayContext, l: int) -> bool:
    """Whether some b_l is not 0."""
    return bool(np.any(s.params.b[l]))


def with_knob(s: ReplayContext, value: str, knob: tuple[str, str] | None, layers: list[int]) -> Iterable[Instance]:
    """The forward knob at all of some layers, then at each, with the backward pass's own knob beside it."""
    for chosen in ([layers] if len(layers) > 1 else []) + [[l] for l in layers]:
        mutations = [Mutation("forward", value, l) for l in chosen]
        mutations += [Mutation(*knob, l) for l in chosen] if knob else []
        yield Instance(tuple(mutations), tuple(chosen))


def unbiased_norms(s: ReplayContext) -> Iterable[Instance]:
    """Layers with a norm over more than one number."""
    layers = [l for l in layers_of(s) if s.trace.norm[l] is not None and s.trace.z[l].shape[s.trace.norm[l].axis] > 1]
    return with_knob(s, "ddof", ("norm", "ddof_inside"), layers)


def missing_skips(s: ReplayContext) -> Iterable[Instance]:
    """Layers with a skip."""
    layers = [l for l in layers_of(s) if s.net.layer(l).skip_from is not None]
    return with_knob(s, "skip_missing", ("skip", "dropped"), layers)


FORWARDS = (
    Bug(
        "forward_bias_missing",
        "The bias is left out going up.",
        "z = W a",
        "z = W a + b",
        "F1",
        "Add b to every row of z.",
        at_layers("forward", "bias_missing", where=has_bias),
        "with b ≠ 0",
    ),
    Bug(
        "forward_skip_missing",
        "The skip is left out going up.",
        "a_l = r_l",
        "a_l = r_l + s a_k",
        "SK1",
        "Add the earlier layer's activation, scaled.",
        missing_skips,
        "with a skip",
    ),
    Bug(
        "convention_dropout_unscaled",
        "Dropout only sets units to 0; the scale 1/(1 − p) is left to prediction. The gradients belong to that.",
        "mask in {0, 1}",
        "mask in {0, 1/(1 − p)}",
        "DO1",
        "Nothing is wrong in the backward pass. Divide the mask by 1 − p to compare.",
        at_layers("forward", "mask_unscaled", where=lambda s, l: s.trace.mask[l] is not None),
        "with dropout",
        kind="convention",
    ),
    Bug(
        "convention_unbiased_variance",
        "The normalization uses the unbiased variance (n − 1) in both passes. The gradients belong to that.",
        "σ² = Σ (z − μ)² / (n − 1)",
        "σ² = Σ (z − μ)² / n",
        "BN2",
        "Nothing is wrong in the backward pass. Use ddof=0 in both to compare.",
        unbiased_norms,
        "with a norm",
        kind="convention",
    ),
)
