"""Mistakes in normalization, dropout and skips."""

from backlit.verification.catalogue.base import Bug, at_layers

NORM_INSTANCES = {"where": lambda s, l: bool(s.net.layer(l).norm)}
MASK_INSTANCES = {"where": lambda s, l: s.trace.mask[l] is not None}

BLOCKS = (
    Bug(
        "norm_statistics_constant",
        "The mean and variance of the normalization are held constant, though they depend on z.",
        "δ = γ g / √(σ² + ε)",
        "δ = (g − mean(g) − x̂ mean(x̂ g)) / √(σ² + ε), g = γ ∂ℓ/∂u",
        "BN8",
        "Differentiate through μ and σ² as well: two means are taken off.",
        at_layers("norm", "constant", "mean_constant", "variance_constant", **NORM_INSTANCES),
        "with a norm",
        number=31,
    ),
    Bug(
        "norm_ddof",
        "The backward pass of the normalization uses the unbiased variance (n − 1), the forward pass the biased (n).",
        "σ² = Σ (z − μ)² / (n − 1)",
        "σ² = Σ (z − μ)² / n",
        "BN2",
        "Use the same variance in both passes: ddof=0.",
        at_layers("norm", "ddof", "ddof_inside", **NORM_INSTANCES),
        "with a norm, the more the smaller the batch",
        number=32,
    ),
    Bug(
        "norm_scale_missing",
        "The learned scale γ is left out going back through the normalization.",
        "g = ∂ℓ/∂u",
        "g = γ ⊙ ∂ℓ/∂u",
        "BN7",
        "Multiply by γ before the norm's backward pass.",
        at_layers("norm", "no_gamma", **NORM_INSTANCES),
        "with a norm and γ ≠ 1",
    ),
    Bug(
        "dropout_mask_missing",
        "The dropout mask is not applied going back: units that were dropped get a gradient.",
        "∂ℓ/∂h = ∂ℓ/∂r",
        "∂ℓ/∂h = ∂ℓ/∂r ⊙ mask",
        "DO2",
        "Multiply by the mask of the forward pass.",
        at_layers("mask", "missing", "scale_only", **MASK_INSTANCES),
        "with dropout",
        number=33,
    ),
    Bug(
        "dropout_scale_wrong",
        "The mask is applied going back without its scale 1/(1 − p), or with it twice.",
        "∂ℓ/∂h = ∂ℓ/∂r ⊙ [kept]",
        "∂ℓ/∂h = ∂ℓ/∂r ⊙ [kept] / (1 − p)",
        "DO2",
        "Going back uses the same mask, scale included, as going up.",
        at_layers("mask", "unscaled", "twice", **MASK_INSTANCES),
        "with dropout",
        number=33,
    ),
    Bug(
        "skip_dropped",
        "The gradient through the skip is left out: only the path through the layer is followed.",
        "∂ℓ/∂a_k: path through W only",
        "∂ℓ/∂a_k = … + s ∂ℓ/∂a_l",
        "SK2",
        "Add the gradient that the skip hands down to the layer that it came from.",
        at_layers("skip", "dropped", where=lambda s, l: s.net.layer(l).skip_from is not None),
        "with a skip; one from the input shows in grad_a[0] only",
        number=34,
    ),
    Bug(
        "skip_unscaled",
        "The gradient through the skip lacks its scale s.",
        "∂ℓ/∂a_k = … + ∂ℓ/∂a_l",
        "∂ℓ/∂a_k = … + s ∂ℓ/∂a_l",
        "SK2",
        "Multiply by the skip's scale going back too.",
        at_layers(
            "skip",
            "unscaled",
            where=lambda s, l: s.net.layer(l).skip_from is not None and s.net.layer(l).skip_scale != 1,
        ),
        "with a skip whose scale is not 1",
    ),
)
