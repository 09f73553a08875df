"""Known traps, each a rule on the kind of layer, with its number computed for this network."""

import math

from backlit.diagnosis.expectations import second_moment, slope_moment
from backlit.diagnosis.findings import Finding
from backlit.diagnosis.fixed_points import FixedPoint, Kind

NEAR = 0.02  # W's variance is measured, so it is a little off


def traps_of(kind: Kind, theory: FixedPoint, depth: int) -> list[Finding]:
    """Every trap that this network stands in."""
    found = (trap(kind, theory, depth) for trap in TRAPS)
    return [finding for finding in found if finding is not None]


def near(value: float, target: float) -> bool:
    """Whether a measured variance is this one."""
    return math.isclose(value, target, rel_tol=NEAR)


def he_with_gelu(kind: Kind, theory: FixedPoint, depth: int) -> Finding | None:
    """He's 2 is made for ReLU: under it GELU, SiLU and mish shrink every length."""
    if (
        kind.norm
        or kind.skip is not None
        or kind.phi.name not in ("gelu", "silu", "mish")
        or not near(kind.sigma_w2, 2)
    ):
        return None
    factor = 2 * second_moment(kind.phi, 1.0)
    text = f"He initialization with {kind.phi.name} lets lengths collapse: a layer makes q = 1 into {factor:.4g}"
    return Finding("trap_he_gelu", text, factor)


def tanh_gain(kind: Kind, theory: FixedPoint, depth: int) -> Finding | None:
    """The gain 5/3 is off tanh's critical line."""
    if kind.norm or kind.phi.name != "tanh" or not near(kind.sigma_w2, 25 / 9):
        return None
    text = f"gain 5/3 with tanh is chaotic: gradients grow by χ₁ = {theory.chi_1:.4g} a layer going down"
    return Finding("trap_tanh_gain", text, theory.chi_1)


def selu_init(kind: Kind, theory: FixedPoint, depth: int) -> Finding | None:
    """SELU normalizes itself with variance 1/n_in alone; even then gradients grow by 1.0716 a layer."""
    if kind.phi.name != "selu" or kind.norm or near(kind.sigma_w2, 1):
        return None
    text = f"SELU keeps mean 0 and variance 1 with LeCun initialization alone; here n_in Var W = {kind.sigma_w2:.4g}"
    return Finding("trap_selu_init", text, kind.sigma_w2)


def deep_batch_norm(kind: Kind, theory: FixedPoint, depth: int) -> Finding | None:
    """Batch norm makes gradients grow going down by E φ'²/Var φ, at initialization."""
    if kind.norm != "batch" or kind.skip is not None or theory.chi_1**depth < 1e3:
        return None
    text = (
        f"batch norm makes gradients grow by {theory.chi_1:.4g} a layer: {theory.chi_1**depth:.2g} over {depth} layers"
    )
    return Finding("trap_batch_norm_depth", text, theory.chi_1)


def sigmoid_stack(kind: Kind, theory: FixedPoint, depth: int) -> Finding | None:
    """σ' is at most ¼, so E φ'² at most 1/16."""
    if kind.phi.name != "sigmoid" or kind.skip is not None or kind.norm or depth < 4 or theory.chi_1 > 0.5:
        return None
    q = theory.q_star or 0.0
    text = f"a stack of sigmoids: E φ'² = {slope_moment(kind.phi, q):.4g} (at most 1/16), so χ₁ = {theory.chi_1:.4g}"
    return Finding("trap_sigmoid_stack", text, theory.chi_1)


def pytorch_default(kind: Kind, theory: FixedPoint, depth: int) -> Finding | None:
    """PyTorch's nn.Linear draws W uniform on ±1/√n_in: n_in Var W = 1/3."""
    if kind.norm or kind.skip is not None or not near(kind.sigma_w2, 1 / 3):
        return None
    text = f"n_in Var W = 1/3, PyTorch's default: gradients shrink by χ₁ = {theory.chi_1:.4g} a layer"
    return Finding("trap_pytorch_default", text, theory.chi_1)


TRAPS = (he_with_gelu, tanh_gain, selu_init, deep_batch_norm, sigmoid_stack, pytorch_default)
