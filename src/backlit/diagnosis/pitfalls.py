"""Known pitfalls: rules on the kind of layer, each with its number for this network; and data that is not scaled."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from backlit.diagnosis.findings import BOUND, Finding
from backlit.diagnosis.inputs import Subject
from backlit.diagnosis.theory.batch_norm import Batch, follow
from backlit.diagnosis.theory.expectations import second_moment, slope_moment
from backlit.diagnosis.theory.fixed_points import FixedPoint, LayerSpec, fixed_point

NEAR = 0.02  # a variance this near to a trap's is in it
DEVIATIONS = 3.0  # of a variance that is measured on few weights, by which it may miss its own
UNEVEN = 3.0  # how far differences of length grow over the depth before it is worth a word
FAR = 10.0  # times that a column's root mean square may exceed 1, or the outputs' own, before it is called unscaled


@dataclass(frozen=True)
class Stack:
    """Layers of one kind: their theory, how many there are, ‖δ_1‖² over that of the last one as predicted layer by
    layer (None: χ₁ of each gap), and the relative deviation of their variance of W, √(2/n) where it is measured on n
    weights.
    """

    kind: LayerSpec
    theory: FixedPoint
    depth: int
    growth: float | None = None
    noise: float = 0.0

    @property
    def gaps(self) -> int:
        """From layer 1 to layer L: what χ₁ counts."""
        return self.depth - 1

    def near(self, target: float) -> bool:
        """Whether the variance of W times fan-in is this one, as far as so many weights tell."""
        return math.isclose(self.kind.sigma_w2, target, rel_tol=max(NEAR, DEVIATIONS * self.noise))

    def reaches(self, factor: float, bound: float) -> bool:
        """Whether factor^gaps ≥ bound, which may leave the range of floats."""
        return factor > 0 and self.gaps * math.log(factor) >= math.log(bound)


def traps_of(stack: Stack) -> list[Finding]:
    """Every trap that this network stands in."""
    found = (trap(stack, stack.kind, stack.theory) for trap in TRAPS)
    return [finding for finding in found if finding is not None]


def he_with_gelu(stack: Stack, kind: LayerSpec, theory: FixedPoint) -> Finding | None:
    """He's 2 is made for ReLU: under it GELU, SiLU and mish shrink every length."""
    if kind.norm or kind.skip is not None or kind.phi.name not in ("gelu", "silu", "mish") or not stack.near(2):
        return None
    factor = 2 * second_moment(kind.phi, 1.0)
    text = f"He initialization with {kind.phi.name} lets lengths collapse: a layer makes q = 1 into {factor:.4g}"
    return Finding("trap_he_gelu", text, factor)


def tanh_gain(stack: Stack, kind: LayerSpec, theory: FixedPoint) -> Finding | None:
    """The gain 5/3 is off tanh's critical line."""
    if kind.norm or kind.phi.name != "tanh" or not stack.near(25 / 9):
        return None
    text = f"gain 5/3 with tanh is chaotic: gradients grow by χ₁ = {theory.chi_1:.4g} a layer going down"
    return Finding("trap_tanh_gain", text, theory.chi_1)


def selu_init(stack: Stack, kind: LayerSpec, theory: FixedPoint) -> Finding | None:
    """SELU normalizes itself with variance 1/n_in alone; even then gradients grow by 1.0716 a layer."""
    if kind.phi.name != "selu" or kind.norm or stack.near(1):
        return None
    text = f"SELU keeps mean 0 and variance 1 with LeCun initialization alone; here n_in Var W = {kind.sigma_w2:.4g}"
    return Finding("trap_selu_init", text, kind.sigma_w2)


def deep_batch_norm(stack: Stack, kind: LayerSpec, theory: FixedPoint) -> Finding | None:
    """Batch norm makes gradients grow going down, over many examples by E φ'²/Var φ, over few by more."""
    if kind.norm != "batch" or kind.skip is not None:
        return None
    far = stack.gaps * math.log10(theory.chi_1) if theory.chi_1 > 0 else -math.inf
    growth = stack.growth if stack.growth is not None else 10**far if far < 300 else math.inf
    if not growth >= BOUND:
        return None
    each = growth ** (1 / stack.gaps) if growth < math.inf else theory.chi_1
    text = f"batch norm makes gradients grow by {each:.4g} a layer: {growth:.2g} from layer {stack.depth} to 1"
    return Finding("trap_batch_norm_depth", text, each)


def small_batch(stack: Stack, kind: LayerSpec, theory: FixedPoint) -> Finding | None:
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
    if not many or not stack.reaches(theory.chi_1 / many, 2):
        return None
    text = f"with {m} examples a batch, gradients grow by {theory.chi_1:.4g} a layer; with many by {many:.4g}"
    return Finding("trap_small_batch", text, theory.chi_1)


def rare(kind: LayerSpec) -> float:
    """The share of units whose σ² over two examples is below ε: 2σ²/s² is χ²_1."""
    s2 = follow(kind.phi, Batch(2, kind.eps), kind.sigma_w2, kind.keep, kind.skip or 0.0).s2
    return math.erf(math.sqrt(kind.eps / s2)) if s2 else 1.0


def uneven_batch(stack: Stack, kind: LayerSpec, theory: FixedPoint) -> Finding | None:
    """Differences between the examples' lengths that grow: after ln √n / ln factor layers few examples have it all."""
    factor = theory.batch_factor
    if factor is None or kind.skip is not None or not stack.reaches(factor, UNEVEN):
        return None
    text = (
        f"under batch norm of {theory.batch}, {kind.phi.name} makes differences of length grow by {factor:.4g} a layer:"
    )
    return Finding("trap_uneven_batch", f"{text} deep down few examples outweigh the rest, beyond this theory", factor)


def sigmoid_stack(stack: Stack, kind: LayerSpec, theory: FixedPoint) -> Finding | None:
    """σ' is at most ¼, so E φ'² at most 1/16."""
    if kind.phi.name != "sigmoid" or kind.skip is not None or kind.norm or stack.depth < 4 or theory.chi_1 > 0.5:
        return None
    q = theory.q_star or 0.0
    text = f"a stack of sigmoids: E φ'² = {slope_moment(kind.phi, q):.4g} (at most 1/16), so χ₁ = {theory.chi_1:.4g}"
    return Finding("trap_sigmoid_stack", text, theory.chi_1)


def pytorch_default(stack: Stack, kind: LayerSpec, theory: FixedPoint) -> Finding | None:
    """PyTorch's nn.Linear draws W uniform on ±1/√n_in: n_in Var W = 1/3."""
    if kind.norm or kind.skip is not None or not stack.near(1 / 3):
        return None
    text = f"n_in Var W = 1/3, PyTorch's default: gradients shrink by χ₁ = {theory.chi_1:.4g} a layer"
    return Finding("trap_pytorch_default", text, theory.chi_1)


TRAPS = (he_with_gelu, tanh_gain, selu_init, deep_batch_norm, small_batch, uneven_batch, sigmoid_stack, pytorch_default)

# --- inputs and targets far from the size of 1 for which networks are drawn -------------------------------------------


def unscaled(subject: Subject, outputs: np.ndarray) -> list[str]:
    """Which of "x" and "y" is unscaled; y only where outputs may be any number.

    outputs : (m, n_L) of the network as it is: those of a trained one are as large as its targets.
    """
    found = []
    if subject.X is not None and subject.net.layers[0].norm is None and size(subject.X) > FAR:
        found.append("x")
    if subject.y is not None and any_number(subject) and size(subject.y) > FAR * max(size(outputs), 1.0):
        found.append("y")
    return found


def any_number(subject: Subject) -> bool:
    """Whether targets are neither classes, counts nor bounded, so that they may be shifted and scaled."""
    net = subject.net
    return net.loss.targets == (-math.inf, math.inf) and net.layers[-1].activation.range == (-math.inf, math.inf)


def size(rows: np.ndarray) -> float:
    """The largest root mean square of a column; 0 where it is not finite, for then it tells nothing."""
    largest = float(np.sqrt(np.mean(np.square(rows, dtype=np.float64), axis=0)).max())
    return largest if math.isfinite(largest) else 0.0


def scaling_findings(subject: Subject, names: Sequence[str], outputs: np.ndarray) -> list[Finding]:
    """What is unscaled, with its numbers."""
    found = []
    for name in names:
        rows = subject.X if name == "x" else subject.y
        assert rows is not None
        beside = "" if name == "x" else f", while the network's outputs have {size(outputs):.3g}"
        text = f"{name} is not scaled: a column of it has root mean square {size(rows):.4g}{beside}"
        found.append(Finding(f"unscaled_{name}", text, size(rows)))
    return found


def standardized(subject: Subject, names: Sequence[str]) -> Subject:
    """The subject with each column of x or y (as named) of mean 0 and deviation 1."""
    X, y = (
        unit_columns(rows) if name in names and rows is not None else rows
        for name, rows in (("x", subject.X), ("y", subject.y))
    )
    problem = None if subject.problem is None else replace(subject.problem, X=X, y=y)
    return replace(subject, X=X, y=y, problem=problem)


def unit_columns(rows: np.ndarray) -> np.ndarray:
    """(x − mean)/deviation, column by column; a constant column becomes 0.

    >>> unit_columns(np.array([[1.0, 5.0], [3.0, 5.0]])).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """
    deviation = rows.std(axis=0)
    return (rows - rows.mean(axis=0)) / np.where(deviation == 0, 1.0, deviation)
