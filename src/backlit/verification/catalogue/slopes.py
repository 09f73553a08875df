"""Mistakes in φ', the factor by which the gradient passes an activation."""

from collections.abc import Callable, Iterable

import numpy as np

from backlit.core.activations import Activation
from backlit.verification.mutations import (
    Bug,
    Holds,
    Instance,
    Mutation,
    ReplayContext,
    at_layers,
    curved,
    elementwise,
    general,
    hidden,
    turned,
)


def kind(fits: Callable[[Activation], bool]) -> Holds:
    """Whether φ at l is of a kind and φ' is applied there."""
    return lambda s, l: general(s, l) and fits(s.net.layer(l).activation)


def has_output_form(phi: Activation) -> bool:
    """Whether students learn φ' as a function of φ(u)."""
    return phi.derivative_of_output is not None


def is_rectifier(phi: Activation) -> bool:
    """Whether it is ReLU or of its kin."""
    return phi.rectifier


def is_leaky(phi: Activation) -> bool:
    """Whether it is of ReLU's kin and has a slope below 0."""
    return phi.rectifier and bool(phi.derivative(np.array([-1.0]))[0])


def is_saturating(phi: Activation) -> bool:
    """Whether it is one of the two whose slopes are learned as 1 − a² and a (1 − a)."""
    return phi.name in ("tanh", "sigmoid")


def has_another(name: str) -> Holds:
    """Whether φ' is applied at l, and φ is not the activation of that name."""
    return lambda s, l: general(s, l) and s.net.layer(l).activation.name != name


def of_another_activation(s: ReplayContext) -> Iterable[Instance]:
    """The slope of each other common activation, at z, or in the form in a."""
    for value in (*(f"as {name}" for name in COMMON), *(f"form of {name}" for name in COMMON[:2])):
        yield from at_layers("slope", value, where=has_another(value.split()[-1]))(s)


COMMON = ("sigmoid", "tanh", "relu")


def missing_everywhere(s: ReplayContext) -> Iterable[Instance]:
    """All hidden layers, where there are at least two."""
    layers = tuple(l for l in hidden(s) if curved(s, l))
    if len(layers) > 1:
        yield Instance(tuple(Mutation("slope", "missing", l) for l in layers), layers)


def missing_at_one(s: ReplayContext) -> Iterable[Instance]:
    """Each hidden layer by itself."""
    return (turned("slope", "missing", l) for l in hidden(s) if curved(s, l))


def of_another_layer(s: ReplayContext) -> Iterable[Instance]:
    """φ' of every other layer that is as wide."""
    for l in range(1, s.net.L + 1):
        others = [k for k in range(1, s.net.L + 1) if k != l and s.net.n[k] == s.net.n[l]]
        yield from (turned("slope", f"layer {k}", l) for k in others if general(s, l))


SLOPES = (
    Bug(
        "activation_slope_missing",
        "φ' is left out: the gradient passes the activation as if it were linear.",
        "δ_l = δ_{l+1} W_{l+1}",
        "δ_l = (δ_{l+1} W_{l+1}) ⊙ φ'(z_l)",
        "BP2",
        "Multiply by φ'(z_l), entry by entry, after going down through W.",
        missing_at_one,
        "with a curved activation",
        number=8,
    ),
    Bug(
        "activation_slope_missing_everywhere",
        "φ' is left out at every hidden layer: these are the gradients of a linear network.",
        "δ_l = δ_{l+1} W_{l+1}",
        "δ_l = (δ_{l+1} W_{l+1}) ⊙ φ'(z_l)",
        "BP2",
        "Multiply by φ'(z_l) at every hidden layer.",
        missing_everywhere,
        "with at least two curved hidden layers",
        number=9,
    ),
    Bug(
        "slope_at_activation",
        "φ' is evaluated at a, not at z: the activation goes through twice.",
        "φ'(a_l)",
        "φ'(z_l)",
        "BP2",
        "Keep z from the forward pass and take the slope there; of a use the form in a, e.g. a (1 − a).",
        at_layers("slope", "of_a", where=general),
        "not with ReLU, whose slope is the same at z and at a",
        number=10,
    ),
    Bug(
        "output_form_fed_with_z",
        "The form of φ' in terms of a is fed with z: z (1 − z) in place of a (1 − a).",
        "z_l (1 − z_l) for sigmoid, 1 − z_l² for tanh",
        "a_l (1 − a_l) for sigmoid, 1 − a_l² for tanh",
        "BP2",
        "Either compute φ' from z, or hand the form in a the activation a.",
        at_layers("slope", "fed_z", where=kind(has_output_form)),
        "with sigmoid, tanh, softplus, softsign or exp",
        number=11,
    ),
    Bug(
        "activation_in_place_of_slope",
        "The activation itself is multiplied in where its slope belongs.",
        "δ_l = (δ_{l+1} W_{l+1}) ⊙ φ(z_l)",
        "δ_l = (δ_{l+1} W_{l+1}) ⊙ φ'(z_l)",
        "BP2",
        "Use the derivative of the activation.",
        at_layers("slope", "value", where=general),
        "with a curved activation",
    ),
    Bug(
        "slope_twice",
        "φ' is multiplied in twice.",
        "… ⊙ φ'(z_l) ⊙ φ'(z_l)",
        "… ⊙ φ'(z_l)",
        "BP2",
        "Apply φ' once on the way down, either when δ_l is formed or when it is handed on.",
        at_layers("slope", "twice", where=general),
        "not where slopes are 0 or 1 only (ReLU)",
    ),
    Bug(
        "mask_from_upstream",
        "ReLU's mask is taken from the gradient that comes down, not from z.",
        "g ⊙ [g > 0]",
        "g ⊙ [z_l > 0]",
        "BP2",
        "The mask is where z was positive in the forward pass; the sign of the gradient does not matter.",
        at_layers("slope", "upstream", "upstream_too", where=kind(is_rectifier)),
        "with ReLU and its kin",
        number=29,
    ),
    Bug(
        "leaky_slope_missing",
        "The slope below 0 is left out: the gradient is that of a plain ReLU.",
        "φ'(z) = [z > 0]",
        "φ'(z) = [z > 0] + α [z ≤ 0]",
        "BP2",
        "Multiply by the slope of the lower branch where z ≤ 0.",
        at_layers("slope", "no_leak", where=kind(is_leaky)),
        "where some z is negative",
        number=30,
    ),
    Bug(
        "slope_of_another_layer",
        "φ' is evaluated at another layer's z: an index is off.",
        "φ'(z_k), k ≠ l",
        "φ'(z_l)",
        "BP2",
        "Check the index: δ_l takes φ' at z_l, and goes through W_{l+1}.",
        of_another_layer,
        "where two layers are equally wide",
        number=17,
    ),
    Bug(
        "slope_before_norm",
        "φ' is evaluated at z, before the normalization, not at u, which the activation was given.",
        "φ'(z_l)",
        "φ'(u_l), u = norm(z)",
        "BP2",
        "Keep u and take the slope there.",
        at_layers("slope", "of_z", where=lambda s, l: bool(s.net.layer(l).norm) and general(s, l)),
        "with a norm",
    ),
    Bug(
        "slope_after_dropout_or_skip",
        "φ' is evaluated at the layer's output, after dropout or skip changed it (a cache overwritten in place).",
        "φ'(a_l)",
        "φ'(z_l)",
        "BP2",
        "Keep z, or a copy of φ(z) from before it was changed in place.",
        at_layers(
            "slope",
            "of_output",
            where=lambda s, l: (
                elementwise(s, l)
                and general(s, l)
                and (s.trace.mask[l] is not None or s.net.layer(l).skip_from is not None)
            ),
        ),
        "with dropout or a skip",
        number=36,
    ),
    Bug(
        "slope_of_another_activation",
        "φ' is that of another activation than the one that the forward pass takes.",
        "ψ'(z_l), ψ another activation",
        "φ'(z_l)",
        "BP2",
        "Take the slope of the activation that this layer has: a (1 − a) is sigmoid's, 1 − a² is tanh's.",
        of_another_activation,
        "with a curved activation",
    ),
    Bug(
        "slope_form_cut_short",
        "Part of the form of φ' in a is lost: 1 − a stands for 1 − a² (tanh) or for a (1 − a) (sigmoid).",
        "1 − a_l",
        "1 − a_l² for tanh, a_l (1 − a_l) for sigmoid",
        "BP2",
        "Write the whole form: 1 − a**2 for tanh, a * (1 − a) for sigmoid.",
        at_layers("slope", "cut_short", where=kind(is_saturating)),
        "with tanh or sigmoid",
    ),
    Bug(
        "mask_inverted",
        "ReLU's mask is the wrong way round: the gradient passes where z was negative.",
        "g ⊙ [z_l < 0]",
        "g ⊙ [z_l > 0]",
        "BP2",
        "The gradient passes where z was positive: z > 0, or set it to 0 where z <= 0.",
        at_layers("slope", "inverted", where=kind(is_rectifier)),
        "with ReLU and its kin",
    ),
)
