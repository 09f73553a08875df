"""Mistakes at the output, where the loss meets the last activation."""

from collections.abc import Iterable

import numpy as np

from backlit.verification.mutations import (
    Bug,
    Instance,
    Instances,
    Mutation,
    ReplayContext,
    at_layers,
    everywhere,
    is_mean,
    layers_of,
    only_if,
    short,
)

MOST_PAIRED = 512  # examples, each of which is paired with each


def softmax_entropy(s: ReplayContext) -> bool:
    """Whether the output is softmax and cross-entropy, matched."""
    return s.net.has_short_form and s.net.layers[-1].activation.name == "softmax"


def at_output(s: ReplayContext, l: int) -> bool:
    """Whether l = L, φ is curved there and no short form stands in its place."""
    return l == s.net.L and s.net.layer(l).activation.name != "identity" and not s.net.has_short_form


def one_output(s: ReplayContext) -> bool:
    """Whether targets (m,) that differ make with outputs (m, 1) a matrix, (m, m), that can be looked at here."""
    fits = s.net.outputs == 1 and 1 < s.trace.m <= MOST_PAIRED and s.problem.sample_weight is None
    return fits and bool(np.ptp(s.y))


def scaled(value: str) -> Instances:
    """A knob of the target; as a sum over the examples where the cost is their mean, or a mean over the outputs too."""

    def instances(s: ReplayContext) -> Iterable[Instance]:
        factors = ["1", *(["m"] if is_mean(s) else []), *(["1/n_L"] if s.net.outputs > 1 else [])]
        for factor in factors:
            yield Instance((Mutation("target", value), Mutation("delta", factor, s.net.L)), tuple(layers_of(s)))

    return instances


OUTPUT = (
    Bug(
        "output_slope_missing",
        "φ' is left out at the output: δ_L = a − y belongs to the matched loss, not to this one.",
        "δ_L = ∂ℓ/∂a_L",
        "δ_L = ∂ℓ/∂a_L ⊙ φ'(z_L)",
        "BP2",
        "Multiply by φ'(z_L) at the output, or use the loss whose short form is p − y (cross-entropy).",
        at_layers("slope", "missing", where=at_output),
        "with a curved output activation",
        number=12,
    ),
    Bug(
        "extra_output_slope",
        "φ' is multiplied into p − y, in which it is already cancelled against the loss's gradient.",
        "δ_L = (p − y) ⊙ φ'(z_L)",
        "δ_L = p − y",
        "BP1S",
        "With softmax or sigmoid and cross-entropy δ_L is p − y and nothing else.",
        only_if(
            lambda s: s.net.layers[-1].activation.name != "identity",
            at_layers("slope", "extra", where=short),
        ),
        "with a matched pair of output and loss",
        number=13,
    ),
    Bug(
        "output_slope_of_matched_loss_missing",
        "The gradient of the loss by the output is handed on as δ, without φ'.",
        "δ_L = ∂ℓ/∂a_L",
        "δ_L = p − y",
        "BP1S",
        "Go through the output's activation as well: with this pair the product is p − y.",
        only_if(
            lambda s: s.net.layers[-1].activation.name != "identity",
            at_layers("slope", "missing", where=short),
        ),
        "with a matched pair of output and loss",
    ),
    Bug(
        "softmax_twice",
        "Softmax is taken twice: the loss applies it to outputs that already are probabilities.",
        "p = softmax(softmax(z_L))",
        "p = softmax(z_L)",
        "F2",
        "Give the loss the scores z_L if it applies softmax itself (logits), else the probabilities.",
        only_if(softmax_entropy, everywhere("output", "softmax_twice")),
        "with softmax and cross-entropy; the loss differs too",
        number=14,
    ),
    Bug(
        "softmax_twice_short",
        "δ_L is taken from a softmax of the probabilities in place of the probabilities.",
        "δ_L = softmax(p) − y",
        "δ_L = p − y",
        "BP1S",
        "p is softmax(z_L), once.",
        only_if(softmax_entropy, everywhere("output", "softmax_twice_short")),
        "with softmax and cross-entropy",
        number=14,
    ),
    Bug(
        "softmax_diagonal_only",
        "Softmax is differentiated unit by unit, p (1 − p), but each output depends on every score.",
        "δ_j = g_j p_j (1 − p_j)",
        "δ_j = p_j (g_j − Σ_k g_k p_k)",
        "BP2S",
        "Use the whole Jacobian: p * (g - (g * p).sum(axis=1, keepdims=True)).",
        at_layers(
            "slope",
            "diagonal",
            where=lambda s, l: at_output(s, l) and not s.net.layer(l).activation.elementwise,
        ),
        "with softmax and a loss other than cross-entropy",
    ),
    Bug(
        "target_forgotten",
        "The target is missing: δ_L is formed from the output alone.",
        "δ_L = ∇ℓ(a, 0)",
        "δ_L = ∇ℓ(a, y)",
        "BP1",
        "Subtract y.",
        everywhere("target", "forgotten"),
        "with targets other than 0",
    ),
    Bug(
        "targets_broadcast",
        "Targets of shape (m,) were taken from outputs of shape (m, 1): that is an (m, m) matrix, in which each output "
        "meets every target, so that all learn the mean of y.",
        "δ_i = mean_j ∇ℓ(a_i, y_j)",
        "δ_i = ∇ℓ(a_i, y_i)",
        "BP1",
        "Bring both to one shape first: y.reshape(-1, 1), or a.ravel().",
        only_if(one_output, scaled("broadcast")),
        "with one output, several examples and targets that differ",
    ),
    Bug(
        "output_in_place_of_loss",
        "The gradient is that of the output itself: backward began at a_L with 1, and the loss has no part in it.",
        "∂ℓ/∂a_L = 1",
        "∂ℓ/∂a_L = ∇ℓ(a, y)",
        "BP1",
        "Begin with the loss: loss.backward(), not output.sum().backward().",
        only_if(lambda s: s.net.layers[-1].activation.elementwise, scaled("output")),
        "always; not with softmax, where it is 0",
    ),
)
