"""Mistakes in ∂W, ∂b and in the matrix that carries δ down."""

from collections.abc import Iterable

from backlit.verification.mutations import (
    Bug,
    Instance,
    Mutation,
    ReplayContext,
    at_layers,
    everywhere,
    layers_of,
    only_if,
    square,
    turned,
)

RATES = ("1.0", "0.5", "0.1", "0.05", "0.01", "0.001")  # tried where the problem has no optimizer


def other_weights(s: ReplayContext) -> Iterable[Instance]:
    """Every other layer's W of the same shape."""
    W = s.params.W
    for l in layers_of(s):
        others = [k for k in layers_of(s) if k != l and W[k].shape == W[l].shape]
        yield from (turned("recurrence", f"W[{k}]", l) for k in others)


def other_activations(s: ReplayContext) -> Iterable[Instance]:
    """∂W from the activation of every other layer as wide as l − 1, a_l apart."""
    n = s.net.n
    for l in layers_of(s):
        others = [k for k in range(s.net.L + 1) if k not in (l - 1, l) and n[k] == n[l - 1]]
        yield from (turned("W", f"a[{k}]", l) for k in others)


def updated_first(s: ReplayContext) -> Iterable[Instance]:
    """The step's weights in the recurrence, by the problem's optimizer or at usual learning rates."""
    values = ["updated"] if s.problem.optimizer else [f"updated {rate}" for rate in RATES]
    layers = tuple(l for l in layers_of(s) if l > 1)
    if layers:
        yield from (Instance((Mutation("recurrence", value),), layers) for value in values)


def one_example(s: ReplayContext) -> Iterable[Instance]:
    """The gradients of one example, divided by m or not; of a large batch only the first and the last."""
    m = s.trace.m
    rows = range(m) if m <= 32 else (0, m - 1)
    for i in rows:
        for value in (f"only {i}", f"only {i} mean"):
            yield Instance((Mutation("examples", value),), tuple(layers_of(s)), note=f"example {i}")


def one_row(s: ReplayContext) -> Iterable[Instance]:
    """∂b from the first or the last row of δ, at each layer or all."""
    for i in (0, s.trace.m - 1):
        yield from at_layers("b", f"row {i}")(s)


TENSORS = (
    Bug(
        "bias_gradient_missing",
        "∂b is 0: the bias is never trained.",
        "∂C/∂b = 0",
        "∂C/∂b = (1/m) Σ_i δ_i",
        "BP3",
        "Give the bias its gradient, the mean of δ.",
        at_layers("b", "zero"),
        number=22,
    ),
    Bug(
        "weight_gradient_missing",
        "∂W is 0: the layer is never trained.",
        "∂C/∂W = 0",
        "∂C/∂W = (1/m) Δᵀ A",
        "BP4",
        "Give the weights their gradient.",
        at_layers("W", "zero"),
    ),
    Bug(
        "weight_gradient_transposed",
        "∂W is the transpose of what it should be: rows and columns changed places.",
        "∂C/∂W = (1/m) Aᵀ Δ",
        "∂C/∂W = (1/m) Δᵀ A",
        "BP4",
        "Rows of ∂W are the layer's units, columns its inputs, as in W: delta.T @ a / m.",
        at_layers("W", "transposed", where=square),
        "its values in a square W; elsewhere the shape shows it",
        number=15,
    ),
    Bug(
        "recurrence_transposed",
        "δ is carried down by the other transpose of W.",
        "δ_{l+1} W_{l+1}ᵀ",
        "δ_{l+1} W_{l+1}",
        "BP5",
        "With examples in rows it is delta @ W (with examples in columns, W.T @ delta).",
        at_layers("recurrence", "transposed", where=square),
        "in a square W; elsewhere it can't be computed",
        number=16,
    ),
    Bug(
        "weights_of_another_layer",
        "δ is carried down by another layer's W: an index is off.",
        "δ_{l+1} W_k, k ≠ l + 1",
        "δ_{l+1} W_{l+1}",
        "BP5",
        "Check the index: from layer l + 1 down to l it is W_{l+1}.",
        other_weights,
        "where two layers' W have the same shape",
        number=17,
    ),
    Bug(
        "recurrence_without_weights",
        "δ is handed down without W.",
        "δ_l = δ_{l+1} ⊙ φ'(z_l)",
        "δ_l = (δ_{l+1} W_{l+1}) ⊙ φ'(z_l)",
        "BP5",
        "Multiply by W_{l+1} on the way down.",
        at_layers("recurrence", "none", where=square),
        "where a layer is as wide as the one below",
    ),
    Bug(
        "weights_updated_too_early",
        "W was updated before δ was carried through it: the step's new weights are in the recurrence.",
        "δ_{l+1} (W_{l+1} − η ∂C/∂W_{l+1})",
        "δ_{l+1} W_{l+1}",
        "BP5",
        "Finish the backward pass first, then update all layers.",
        updated_first,
        "with a hidden layer",
        number=18,
    ),
    Bug(
        "bias_from_one_example",
        "∂b is the δ of a single example, not summed over the batch.",
        "∂C/∂b = δ_i",
        "∂C/∂b = (1/m) Σ_i δ_i",
        "BP3",
        "Sum δ over the examples: delta.sum(axis=0) / m.",
        only_if(lambda s: s.trace.m > 1, one_row),
        "with more than one example",
        number=19,
    ),
    Bug(
        "bias_summed_over_units",
        "∂b is summed over the units as well: one number for all of them.",
        "∂C/∂b = (1/m) Σ_i Σ_j δ_ij",
        "∂C/∂b_j = (1/m) Σ_i δ_ij",
        "BP3",
        "Sum over the examples only: axis=0.",
        at_layers("b", "over_units", "mean_of_units", where=lambda s, l: s.net.n[l] > 1),
        "in a layer of more than one unit",
        number=21,
    ),
    Bug(
        "weight_gradient_from_z",
        "∂W is formed with the z of the layer below, where its activation a belongs.",
        "∂C/∂W_l = (1/m) Δ_lᵀ Z_{l−1}",
        "∂C/∂W_l = (1/m) Δ_lᵀ A_{l−1}",
        "BP4",
        "What W_l was multiplied with going up was a_{l−1}: use it here too.",
        at_layers("W", "from_z", where=lambda s, l: l > 1),
        "with a curved activation below",
        number=23,
    ),
    Bug(
        "weight_gradient_before_dropout_or_skip",
        "∂W is formed with φ(z) of the layer below, before its dropout or skip (a cache overwritten, or too early).",
        "∂C/∂W_l = (1/m) Δ_lᵀ φ(Z_{l−1})",
        "∂C/∂W_l = (1/m) Δ_lᵀ A_{l−1}",
        "BP4",
        "Use the activation that was passed up, after dropout and skip.",
        at_layers(
            "W",
            "from_h",
            where=lambda s, l: l > 1 and (s.trace.mask[l - 1] is not None or s.net.layer(l - 1).skip_from is not None),
        ),
        "with dropout or a skip below",
        number=36,
    ),
    Bug(
        "weight_gradient_from_own_activation",
        "∂W is formed with the layer's own output in place of its input: an index is off.",
        "∂C/∂W_l = (1/m) Δ_lᵀ A_l",
        "∂C/∂W_l = (1/m) Δ_lᵀ A_{l−1}",
        "BP4",
        "Use the activation that came in, a_{l−1}.",
        lambda s: [turned("W", f"a[{l}]", l) for l in layers_of(s) if square(s, l)],
        "in a square W; elsewhere the shape shows it",
        number=24,
    ),
    Bug(
        "weight_gradient_from_another_layer",
        "∂W is formed with another layer's activation: an index is off.",
        "∂C/∂W_l = (1/m) Δ_lᵀ A_k",
        "∂C/∂W_l = (1/m) Δ_lᵀ A_{l−1}",
        "BP4",
        "Use the activation that came in, a_{l−1}.",
        other_activations,
        "where two layers are equally wide",
        number=17,
    ),
    Bug(
        "one_example_only",
        "Only one example of the batch is in the gradients.",
        "∂C/∂W = δ_i a_iᵀ",
        "∂C/∂W = (1/m) Σ_i δ_i a_iᵀ",
        "BP4",
        "Sum over all examples: a loop that overwrites must add.",
        only_if(lambda s: s.trace.m > 1, one_example),
        "with more than one example",
        number=28,
    ),
    Bug(
        "penalty_missing",
        "The L2 term's gradient is missing.",
        "∂C/∂W = (1/m) Δᵀ A",
        "∂C/∂W = (1/m) Δᵀ A + λ W",
        "L2G",
        "Add λ W to the gradient of every W.",
        only_if(lambda s: s.net.l2 > 0, everywhere("penalty", "missing")),
        "with λ > 0",
        number=25,
    ),
    Bug(
        "penalty_scaled",
        "The L2 term's gradient has a wrong factor (2, ½, 1/m, m or a sign).",
        "∂C/∂W = … + 2λ W, (λ/m) W, ½λ W",
        "∂C/∂W = … + λ W for C = … + (λ/2) ‖W‖²",
        "L2G",
        "Differentiate (λ/2) ‖W‖²: it gives λ W, without 2, ½ or 1/m.",
        only_if(
            lambda s: s.net.l2 > 0,
            lambda s: [
                Instance((Mutation("penalty", value),), tuple(layers_of(s)), note=value)
                for value in ("doubled", "halved", "over_m", "times_m", "negative")
            ],
        ),
        "with λ > 0; a 1/m with more than one example",
        number=25,
    ),
    Bug(
        "penalty_on_biases",
        "The L2 term is applied to the biases too.",
        "∂C/∂b = … + λ b",
        "∂C/∂b = (1/m) Σ_i δ_i",
        "L2G",
        "Leave the biases out of the penalty.",
        only_if(lambda s: s.net.l2 > 0, everywhere("penalty", "on_biases")),
        "with λ > 0 and b ≠ 0",
        number=26,
    ),
)
