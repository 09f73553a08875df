"""The forward pass done otherwise, by mistake or by another definition, with a backward pass that is right for it."""

from collections.abc import Iterable

import numpy as np

from backlit.verification.mutations import (
    Bug,
    Instance,
    Instances,
    Mutation,
    ReplayContext,
    at_layers,
    is_mean,
    layers_of,
    only_if,
)


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


def with_loss(factor: str) -> Instances:
    """The loss and all gradients by the same factor, with δ or without."""

    def instances(s: ReplayContext) -> Iterable[Instance]:
        layers = tuple(layers_of(s))
        for mutation in (Mutation("delta", factor, s.net.L), Mutation("gradients", factor), Mutation("all", factor)):
            yield Instance((Mutation("loss", factor), mutation), layers)

    return instances


def shown_by(factor: str) -> Instances:
    """δ and ∂ℓ/∂a by a factor that is not in the gradients."""
    return lambda s: [Instance((Mutation("shown", factor),), tuple(layers_of(s)))]


CONVENTIONS = (
    Bug(
        "convention_sum",
        "The loss is the sum over the batch, not its mean; the gradients belong to that loss.",
        "C = Σ_i ℓ_i",
        "C = (1/m) Σ_i ℓ_i",
        "C1",
        'Nothing is wrong in the backward pass. Set "reduction": "sum" in the problem, or divide by m.',
        only_if(is_mean, with_loss("m")),
        "where the loss is claimed",
        kind="convention",
    ),
    Bug(
        "convention_mean",
        "The loss is the mean over the batch, not its sum; the gradients belong to that loss.",
        "C = (1/m) Σ_i ℓ_i",
        "C = Σ_i ℓ_i",
        "C1",
        'Nothing is wrong in the backward pass. Set "reduction": "mean" in the problem, or multiply by m.',
        only_if(lambda s: s.net.reduction == "sum" and s.trace.m > 1, with_loss("1/m")),
        "where the loss is claimed",
        kind="convention",
    ),
    Bug(
        "convention_weights_over_m",
        "The weighted losses are divided by m, not by the sum of the weights; the gradients belong to that loss.",
        "C = (1/m) Σ_i w_i ℓ_i",
        "C = Σ_i w_i ℓ_i / Σ_i w_i",
        "C1",
        "Nothing is wrong in the backward pass. Divide by Σ w_i, or let the weights sum to m.",
        only_if(lambda s: is_mean(s) and s.problem.sample_weight is not None, with_loss("mean_w")),
        "where the weights of the examples do not sum to m",
        kind="convention",
    ),
    Bug(
        "convention_half",
        "The loss has a ½ where the problem's has none, or none where it has one; the gradients belong to that loss.",
        "ℓ = Σ (a − y)²",
        "ℓ = ½ Σ (a − y)²",
        "C1",
        "Nothing is wrong in the backward pass. Choose squared_error or half_squared_error as the problem's loss.",
        only_if(
            lambda s: "squared" in s.net.loss.name,
            lambda s: [*with_loss("2")(s), *with_loss("0.5")(s)],
        ),
        "where the loss is claimed",
        kind="convention",
    ),
    Bug(
        "convention_mean_over_outputs",
        "The loss is a mean over the outputs too; the gradients belong to that loss.",
        "ℓ = (1/n_L) Σ_k …",
        "ℓ = Σ_k …",
        "C1",
        "Nothing is wrong in the backward pass. Choose mean_squared_error as the problem's loss.",
        only_if(
            lambda s: s.net.outputs > 1,
            lambda s: with_loss("n_L" if s.net.loss.name == "mean_squared_error" else "1/n_L")(s),
        ),
        "where the loss is claimed",
        kind="convention",
    ),
    Bug(
        "convention_mean_in_delta",
        "δ and ∂ℓ/∂a have the 1/m of the batch in them, here they have not; the gradients are right.",
        "δ = ∂C/∂z",
        "δ = ∂ℓ_i/∂z_i, without 1/m",
        "BP2",
        "Nothing is wrong in the backward pass. Multiply your δ by m to compare.",
        only_if(is_mean, shown_by("1/m")),
        "where δ is claimed, with more than one example",
        kind="convention",
    ),
    Bug(
        "convention_loss_without_penalty",
        "The loss is shown without its L2 term; the gradients have it.",
        "C = (1/m) Σ_i ℓ_i",
        "C = (1/m) Σ_i ℓ_i + (λ/2) Σ ‖W‖²",
        "L2",
        "Add the L2 term to the loss that you print.",
        only_if(
            lambda s: s.net.l2 > 0, lambda s: [Instance((Mutation("loss_penalty", "missing"),), tuple(layers_of(s)))]
        ),
        "where the loss is claimed, with λ > 0",
        kind="convention",
    ),
)
