"""Mistakes that multiply: a 1/m too few or too many, a lost 2, a sign."""

from collections.abc import Iterable

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
    together,
    turned,
)


def all_gradients(*values: str) -> Instances:
    """A factor on every gradient: at the output (so that δ has it too), on ∂W and ∂b, or with the penalty as well."""

    def instances(s: ReplayContext) -> Iterable[Instance]:
        layers = tuple(layers_of(s))
        for value in values:
            for knob, l in (("gradients", None), ("delta", s.net.L), ("all", None)):
                yield Instance((Mutation(knob, value, l),), layers)

    return instances


def one_tensor(*values: str) -> Instances:
    """A factor on the ∂W or the ∂b of one layer, on those of all, or on δ from one hidden layer down."""

    def instances(s: ReplayContext) -> Iterable[Instance]:
        for value in values:
            for knob in ("scale_W", "scale_b", *(("whole_W",) if s.net.l2 else ())):
                yield from at_layers(knob, value)(s)
            yield from (turned("delta", value, l) for l in range(1, s.net.L))

    return instances


def by_width(s: ReplayContext) -> Iterable[Instance]:
    """∂b divided by the layer's own width, in all layers that have one, and in each."""
    wide = [l for l in layers_of(s) if s.net.n[l] > 1]
    for layers in ([wide] if len(wide) > 1 else []) + [[l] for l in wide]:
        yield Instance(tuple(Mutation("scale_b", f"1/{s.net.n[l]}", l) for l in layers), tuple(layers))


def each_delta(value: str) -> Instances:
    """A factor on δ at every hidden layer, which multiplies on the way down."""
    return lambda s: [
        Instance(tuple(Mutation("delta", value, l) for l in range(1, s.net.L)), tuple(range(1, s.net.L)))
        for _ in range(s.net.L > 1)
    ]


def several_outputs(s: ReplayContext) -> bool:
    """Whether there is more than one output to average over."""
    return s.net.outputs > 1


SCALING = (
    Bug(
        "missing_batch_mean",
        "The gradients are summed over the batch, but the loss is its mean: they are m times too large.",
        "∂C/∂W = Δᵀ A",
        "∂C/∂W = (1/m) Δᵀ A",
        "BP4",
        "Divide the sum over the examples by m, once, where ∂W and ∂b are formed.",
        only_if(is_mean, all_gradients("m")),
        "with more than one example",
        number=1,
    ),
    Bug(
        "batch_mean_twice",
        "The gradients are divided by m twice: once in δ (or in the loss) and once more in ∂W.",
        "∂C/∂W = (1/m)(1/m) Δᵀ A",
        "∂C/∂W = (1/m) Δᵀ A",
        "BP4",
        "Keep one of the two divisions by m, either in δ at the output or in ∂W and ∂b.",
        only_if(is_mean, all_gradients("1/m")),
        "with more than one example",
        number=2,
    ),
    Bug(
        "mean_of_a_sum",
        "The gradients are divided by m, but the loss is a sum over the examples.",
        "∂C/∂W = (1/m) Δᵀ A",
        "∂C/∂W = Δᵀ A",
        "BP4",
        "Leave the division by m out, or take the mean in the loss too.",
        only_if(lambda s: s.net.reduction == "sum" and s.trace.m > 1, all_gradients("1/m")),
        "with more than one example",
    ),
    Bug(
        "batch_mean_at_every_layer",
        "δ is divided by m again at each layer, so that layer l is m^(L−l) times too small.",
        "δ_l = (1/m) (δ_{l+1} W_{l+1}) ⊙ φ'(z_l)",
        "δ_l = (δ_{l+1} W_{l+1}) ⊙ φ'(z_l)",
        "BP2",
        "Take the division by m out of the recurrence; it belongs where ∂W and ∂b are formed.",
        only_if(lambda s: s.trace.m > 1, each_delta("1/m")),
        "with more than one example and a hidden layer",
        number=3,
    ),
    Bug(
        "mean_over_outputs",
        "The loss's gradient is averaged over the outputs as well, but the loss sums them: a factor 1/n_L.",
        "∂ℓ/∂a_L = (1/n_L) ∇ℓ",
        "∂ℓ/∂a_L = ∇ℓ",
        "BP1",
        "Average over the examples only: use axis=0, or divide by m, not by the number of entries (np.mean).",
        only_if(several_outputs, together(all_gradients("1/n_L"))),
        "with more than one output",
        number=4,
    ),
    Bug(
        "sum_over_outputs",
        "The loss is a mean over the outputs, but its gradient lacks the 1/n_L.",
        "∂ℓ/∂a_L = n_L ∇ℓ",
        "∂ℓ/∂a_L = ∇ℓ",
        "BP1",
        "Divide the gradient of the loss by the number of outputs.",
        only_if(
            lambda s: several_outputs(s) and s.net.loss.name == "mean_squared_error", together(all_gradients("n_L"))
        ),
        "with more than one output",
    ),
    Bug(
        "constant_factor_two",
        "A factor 2 too much: the ½ of the loss was not cancelled by the square's 2, or the 2 was kept twice.",
        "∂ℓ/∂a = 2 (a − y) for ℓ = ½ Σ (a − y)²",
        "∂ℓ/∂a = a − y for ℓ = ½ Σ (a − y)²",
        "BP1",
        "Differentiate the loss again: ½ · 2 = 1, and Σ (a − y)² without ½ gives 2 (a − y).",
        together(all_gradients("2"), one_tensor("2")),
        number=5,
    ),
    Bug(
        "constant_factor_half",
        "A factor ½ too much: the square's 2 was lost, or the loss's ½ was kept.",
        "∂ℓ/∂a = ½ (a − y)",
        "∂ℓ/∂a = a − y (or 2 (a − y) where the loss has no ½)",
        "BP1",
        "Differentiate the loss again: ½ · 2 = 1, and Σ (a − y)² without ½ gives 2 (a − y).",
        together(all_gradients("0.5"), one_tensor("0.5")),
        number=5,
    ),
    Bug(
        "wrong_sign",
        "The sign is turned around: y − a in place of a − y, or a step's minus put into the gradient.",
        "δ_L = y − a",
        "δ_L = a − y",
        "BP1",
        "Write prediction minus target; the minus of gradient descent belongs to the update, θ ← θ − η g.",
        together(all_gradients("-1"), one_tensor("-1")),
        number=6,
    ),
    Bug(
        "weight_gradient_not_averaged",
        "∂W is summed over the batch while ∂b is averaged: W is m times too large.",
        "∂C/∂W = Δᵀ A",
        "∂C/∂W = (1/m) Δᵀ A",
        "BP4",
        "Divide ∂W by m as you do ∂b.",
        only_if(is_mean, at_layers("scale_W", "m")),
        "with more than one example",
    ),
    Bug(
        "weight_gradient_averaged_twice",
        "∂W is divided by m once more than ∂b is.",
        "∂C/∂W = (1/m²) Δᵀ A",
        "∂C/∂W = (1/m) Δᵀ A",
        "BP4",
        "Divide ∂W by m once.",
        only_if(lambda s: s.trace.m > 1, at_layers("scale_W", "1/m")),
        "with more than one example",
    ),
    Bug(
        "bias_averaged_twice",
        "∂b is averaged over a δ that already has the 1/m in it (np.mean in place of np.sum).",
        "∂C/∂b = (1/m) mean_i δ_i",
        "∂C/∂b = (1/m) Σ_i δ_i",
        "BP3",
        "Where δ has the 1/m in it use delta.sum(axis=0); where it does not, delta.mean(axis=0).",
        only_if(lambda s: s.trace.m > 1, at_layers("scale_b", "1/m")),
        "with more than one example",
        number=20,
    ),
    Bug(
        "bias_not_averaged",
        "∂b is summed over the batch while ∂W is averaged: it is m times too large.",
        "∂C/∂b = Σ_i δ_i",
        "∂C/∂b = (1/m) Σ_i δ_i",
        "BP3",
        "Divide ∂b by m as you do ∂W.",
        only_if(is_mean, at_layers("scale_b", "m")),
        "with more than one example",
    ),
    Bug(
        "bias_divided_by_width",
        "∂b is divided by the number of the layer's units: a mean over the wrong axis, or over both.",
        "∂C/∂b = (1/n_l) (1/m) Σ_i δ_i",
        "∂C/∂b = (1/m) Σ_i δ_i",
        "BP3",
        "Average over the examples only: delta.mean(axis=0).",
        by_width,
        "with more than one unit",
    ),
    Bug(
        "gradients_not_zeroed",
        "The gradients were added to those of an earlier call, which were not set to 0: they are twice as large.",
        "g ← g + ∂C/∂θ",
        "g ← ∂C/∂θ",
        "BP4",
        "Set the gradients to 0 before each backward pass (zero_grad), or assign in place of adding.",
        together(everywhere("all", "2"), everywhere("step", "accumulated")),
        "in the gradients from the second call on, in an update from the second step on",
        number=27,
    ),
)
