"""Known traps, each a rule on the kind of layer, with its number computed for this network."""

import math
from dataclasses import replace

from backlit.diagnosis.findings import Finding
from backlit.diagnosis.theory.batch_norm import Batch
from backlit.diagnosis.theory.batch_points import follow
from backlit.diagnosis.theory.expectations import second_moment, slope_moment
from backlit.diagnosis.theory.fixed_points import FixedPoint, LayerSpec, fixed_point

NEAR = 0.02  # W's variance is measured, so it is a little off
UNEVEN = 3.0  # how far differences of length grow over the depth before it is worth a word


def traps_of(kind: LayerSpec, theory: FixedPoint, depth: int) -> list[Finding]:
    """Every trap that this network stands in."""
    found = (trap(kind, theory, depth) for trap in TRAPS)
    return [finding for finding in found if finding is not None]


def near(value: float, target: float) -> bool:
    """Whether a measured variance is this one."""
    return math.isclose(value, target, rel_tol=NEAR)


def he_with_gelu(kind: LayerSpec, theory: FixedPoint, depth: int) -> Finding | None:
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


def tanh_gain(kind: LayerSpec, theory: FixedPoint, depth: int) -> Finding | None:
    """The gain 5/3 is off tanh's critical line."""
    if kind.norm or kind.phi.name != "tanh" or not near(kind.sigma_w2, 25 / 9):
        return None
    text = f"gain 5/3 with tanh is chaotic: gradients grow by χ₁ = {theory.chi_1:.4g} a layer going down"
    return Finding("trap_tanh_gain", text, theory.chi_1)


def selu_init(kind: LayerSpec, theory: FixedPoint, depth: int) -> Finding | None:
    """SELU normalizes itself with variance 1/n_in alone; even then gradients grow by 1.0716 a layer."""
    if kind.phi.name != "selu" or kind.norm or near(kind.sigma_w2, 1):
        return None
    text = f"SELU keeps mean 0 and variance 1 with LeCun initialization alone; here n_in Var W = {kind.sigma_w2:.4g}"
    return Finding("trap_selu_init", text, kind.sigma_w2)


def deep_batch_norm(kind: LayerSpec, theory: FixedPoint, depth: int) -> Finding | None:
    """Batch norm makes gradients grow going down, over many examples by E φ'²/Var φ, over few by more."""
    if kind.norm != "batch" or kind.skip is not None or not reaches(theory.chi_1, depth, 1e3):
        return None
    total = theory.chi_1**depth if depth * math.log10(theory.chi_1) < 300 else math.inf
    text = f"batch norm makes gradients grow by {theory.chi_1:.4g} a layer: {total:.2g} over {depth} layers"
    return Finding("trap_batch_norm_depth", text, theory.chi_1)


def small_batch(kind: LayerSpec, theory: FixedPoint, depth: int) -> Finding | None:
    """A batch so small that its σ² is often near 0: E 1/σ² needs four examples, and one or two leave x̂ no freedom."""
    m = theory.batch
    if m is None:
        return None
    many = fixed_point(replace(kind, batch=None)).chi_1
    if m == 1:
        return Finding("trap_small_batch", "batch norm over 1 example makes u = β and lets no gradient through", 0.0)
    if m == 2:
        share = rare(kind)
        text = f"batch norm over 2 examples makes every x̂ = ±1, and no gradient passes but through the {share:.2%} of"
        text += f" units with σ² below ε, there so much that χ₁ = {theory.chi_1:.4g} on average"
        return Finding("trap_small_batch", text, share)
    if m == 3:
        text = f"batch norm over 3 examples: only ε bounds E 1/σ², so that χ₁ = {theory.chi_1:.4g} comes from few units"
        return Finding("trap_small_batch", f"{text} and differs from draw to draw", theory.chi_1)
    if not many or not reaches(theory.chi_1 / many, depth, 2):
        return None
    text = f"with {m} examples a batch, gradients grow by {theory.chi_1:.4g} a layer; with many by {many:.4g}"
    return Finding("trap_small_batch", text, theory.chi_1)


def reaches(factor: float, depth: int, bound: float) -> bool:
    """Whether factor^depth ≥ bound, which may leave the range of floats."""
    return factor > 0 and depth * math.log(factor) >= math.log(bound)


def rare(kind: LayerSpec) -> float:
    """The share of units whose σ² over two examples is below ε: 2σ²/s² is χ²_1."""
    s2 = follow(kind.phi, Batch(2, kind.eps), kind.sigma_w2, kind.keep, kind.skip or 0.0).s2
    return math.erf(math.sqrt(kind.eps / s2)) if s2 else 1.0


def uneven_batch(kind: LayerSpec, theory: FixedPoint, depth: int) -> Finding | None:
    """Differences between the examples' lengths that grow: after ln √n / ln factor layers few examples have it all."""
    factor = theory.batch_factor
    if factor is None or kind.skip is not None or not reaches(factor, depth, UNEVEN):
        return None
    text = (
        f"under batch norm of {theory.batch}, {kind.phi.name} makes differences of length grow by {factor:.4g} a layer:"
    )
    return Finding("trap_uneven_batch", f"{text} deep down few examples outweigh the rest, beyond this theory", factor)


def sigmoid_stack(kind: LayerSpec, theory: FixedPoint, depth: int) -> Finding | None:
    """σ' is at most ¼, so E φ'² at most 1/16."""
    if kind.phi.name != "sigmoid" or kind.skip is not None or kind.norm or depth < 4 or theory.chi_1 > 0.5:
        return None
    q = theory.q_star or 0.0
    text = f"a stack of sigmoids: E φ'² = {slope_moment(kind.phi, q):.4g} (at most 1/16), so χ₁ = {theory.chi_1:.4g}"
    return Finding("trap_sigmoid_stack", text, theory.chi_1)


def pytorch_default(kind: LayerSpec, theory: FixedPoint, depth: int) -> Finding | None:
    """PyTorch's nn.Linear draws W uniform on ±1/√n_in: n_in Var W = 1/3."""
    if kind.norm or kind.skip is not None or not near(kind.sigma_w2, 1 / 3):
        return None
    text = f"n_in Var W = 1/3, PyTorch's default: gradients shrink by χ₁ = {theory.chi_1:.4g} a layer"
    return Finding("trap_pytorch_default", text, theory.chi_1)


TRAPS = (he_with_gelu, tanh_gain, selu_init, deep_batch_norm, small_batch, uneven_batch, sigmoid_stack, pytorch_default)
