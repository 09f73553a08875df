"""Activations: each function beside its derivative, its formula and its range.

Every function takes u of any shape and any of float32, float64 and complex128 (so that a complex step can pass
through it), never overflows where its value is finite, and lets NaN through.  φ' is a function of u, never of φ(u); at
a kink it is the slope from the left for the ReLU family and 0 for hard tanh.

>>> relu = get_activation("relu")
>>> relu.function(np.array([-1.0, 2.0])), relu.derivative(np.array([-1.0, 2.0]))
(array([0., 2.]), array([0., 1.]))
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from backlit.core.specs import read_spec

Array = np.ndarray
INF = float("inf")


@dataclass(frozen=True)
class Activation:
    """An activation h = φ(u).

    `derivative` gives φ'(u), elementwise.  An activation that mixes the units of an example (softmax) has `pull_back`
    instead: (u, ∂ℓ/∂h) ↦ ∂ℓ/∂u = Jᵀ ∂ℓ/∂h, and `derivative` is the diagonal of its Jacobian J.
    φ' jumps at the `kinks`, φ'' at the `creases`.
    Two activations are equal if their names and parameters are.
    """

    name: str
    function: Callable[[Array], Array] = field(compare=False)
    derivative: Callable[[Array], Array] = field(compare=False)
    latex: str
    derivative_latex: str
    range: tuple[float, float]
    kinks: tuple[float, ...] = ()
    parameters: Mapping[str, float] = field(default_factory=dict, hash=False)
    pull_back: Callable[[Array, Array], Array] | None = field(default=None, compare=False)
    creases: tuple[float, ...] = ()

    @property
    def elementwise(self) -> bool:
        """Whether unit j of h depends on unit j of u alone."""
        return self.pull_back is None

    @property
    def spec(self) -> str | dict[str, Any]:
        """The name, or the name with its parameters, as problem and model files write it."""
        return {"name": self.name, **self.parameters} if self.parameters else self.name

    def __reduce__(self):
        if ACTIVATIONS.get(self.name) is None:  # a user's own: pickled field by field
            return super().__reduce__()
        return get_activation, (self.spec,)


# --- pieces -------------------------------------------------------------------------------------------------------


def magnitude(u: Array) -> Array:
    """|u| by the sign of the real part, so that a complex step passes through; from the left at 0, as all of these."""
    return np.where(u.real <= 0, -u, u)


def positive_part(u: Array) -> Array:
    """max(u, 0); NaN stays NaN."""
    return np.where(u.real <= 0, 0, u)


def negative_part(u: Array) -> Array:
    """min(u, 0)."""
    return np.where(u.real <= 0, u, 0)


def step(u: Array, below: float = 0.0) -> Array:
    """1 where u > 0, `below` elsewhere, in u's dtype."""
    return np.where(u > 0, u.dtype.type(1), u.dtype.type(below))


def sigmoid(u: Array) -> Array:
    """1 / (1 + e^{−u}), written with e^{−|u|} so that nothing overflows.

    >>> sigmoid(np.array([-1e4, 0.0, 1e4]))
    array([0. , 0.5, 1. ])
    """
    e = np.exp(-magnitude(u))
    return np.where(u.real <= 0, e, 1) / (1 + e)


def sigmoid_slope(u: Array) -> Array:
    """σ(u) (1 − σ(u)), where 1 − σ(u) = σ(−u) keeps its digits for large u."""
    return sigmoid(u) * sigmoid(-u)


def tanh_slope(u: Array) -> Array:
    """1 − tanh² u = 4 e^{−2|u|} / (1 + e^{−2|u|})², which keeps its digits for large u."""
    e = np.exp(-2 * magnitude(u))
    return 4 * e / (1 + e) ** 2


def log1p(x: Array) -> Array:
    """ln(1 + x) = 2 artanh(x / (2 + x)); np.log1p has no digits of a small complex x."""
    return 2 * np.arctanh(x / (2 + x))


def softplus(u: Array) -> Array:
    """ln(1 + e^u) = max(u, 0) + ln(1 + e^{−|u|})."""
    return positive_part(u) + log1p(np.exp(-magnitude(u)))


def normal_cdf(u: Array) -> Array:
    """Φ(u) = ½ erfc(−u/√2), accurate in both tails."""
    from scipy.special import erfc  # loaded when first needed: half of SciPy comes with it

    return 0.5 * erfc(-u * u.dtype.type(0.5**0.5))


def normal_pdf(u: Array) -> Array:
    """e^{−u²/2} / √(2π)."""
    return np.exp(-0.5 * u * u) * u.dtype.type((2 * np.pi) ** -0.5)


def softmax(z: Array) -> Array:
    """Turn each row of scores into probabilities, p_k = e^{z_k} / Σ_j e^{z_j}.

    z : (m, K) scores.  Returns (m, K), rows sum to 1.  Finite for any finite z.
    Source: log-sum-exp shift, Blanchard, Higham & Higham 2021.

    >>> softmax(np.zeros((1, 2)))
    array([[0.5, 0.5]])
    """
    e = np.exp(z - z.real.max(axis=-1, keepdims=True))  # the shift leaves p as it is and cannot overflow
    return e / e.sum(axis=-1, keepdims=True)


def log_softmax(z: Array) -> Array:
    """ln p_k = z_k − ln Σ_j e^{z_j}, (m, K), by the same shift."""
    shifted = z - z.real.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def softmax_pull_back(z: Array, grad_p: Array) -> Array:
    """Jᵀ g for J = diag(p) − p pᵀ, without forming the K × K matrix."""
    p = softmax(z)
    return p * (grad_p - (grad_p * p).sum(axis=-1, keepdims=True))


def softmax_diagonal(z: Array) -> Array:
    """∂p_k/∂z_k = p_k (1 − p_k)."""
    p = softmax(z)
    return p * (1 - p)


# --- the table ----------------------------------------------------------------------------------------------------

IDENTITY = Activation("identity", lambda u: u, np.ones_like, latex="u", derivative_latex="1", range=(-INF, INF))
SIGMOID = Activation(
    "sigmoid",
    sigmoid,
    sigmoid_slope,
    latex=r"\frac{1}{1 + e^{-u}}",
    derivative_latex=r"\sigma(u)\,(1 - \sigma(u))",
    range=(0, 1),
)
TANH = Activation("tanh", np.tanh, tanh_slope, latex=r"\tanh u", derivative_latex=r"1 - \tanh^2 u", range=(-1, 1))
RELU = Activation(
    "relu",
    positive_part,
    step,
    latex=r"\max(u, 0)",
    derivative_latex=r"[u > 0]",
    range=(0, INF),
    kinks=(0.0,),
)


def leaky_relu(alpha: float = 0.01) -> Activation:
    """Leaky ReLU with slope `alpha` below 0 (Maas et al. 2013)."""
    return make_leaky_relu(float(alpha))


@lru_cache  # one object a slope, however it is asked for: engines know the built-ins by identity
def make_leaky_relu(alpha: float) -> Activation:
    """Leaky ReLU of this slope."""
    return Activation(
        "leaky_relu",
        lambda u: np.where(u.real <= 0, alpha * u, u),
        lambda u: step(u, below=alpha),
        latex=r"\max(u, 0) + \alpha \min(u, 0)",
        derivative_latex=r"[u > 0] + \alpha\,[u \le 0]",
        range=(-INF if alpha > 0 else 0, INF),
        kinks=(0.0,),
        parameters={"alpha": alpha},
    )


def elu(alpha: float = 1.0) -> Activation:
    """Exponential linear unit (Clevert et al. 2016)."""
    return make_elu(float(alpha))


@lru_cache
def make_elu(alpha: float) -> Activation:
    """ELU of this scale."""
    return Activation(
        "elu",
        lambda u: positive_part(u) + alpha * np.expm1(negative_part(u)),
        lambda u: np.where(u > 0, 1, alpha * np.exp(negative_part(u))),
        latex=r"\max(u, 0) + \alpha\,(e^{\min(u, 0)} - 1)",
        derivative_latex=r"[u > 0] + \alpha e^{u}\,[u \le 0]",
        range=(min(-alpha, 0), INF),
        kinks=() if alpha == 1 else (0.0,),
        creases=(0.0,) if alpha == 1 else (),
        parameters={"alpha": alpha},
    )


SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
SELU = Activation(
    "selu",
    lambda u: SELU_SCALE * (positive_part(u) + SELU_ALPHA * np.expm1(negative_part(u))),
    lambda u: SELU_SCALE * np.where(u > 0, 1, SELU_ALPHA * np.exp(negative_part(u))),
    latex=r"\lambda\,(\max(u, 0) + \alpha\,(e^{\min(u, 0)} - 1))",
    derivative_latex=r"\lambda\,([u > 0] + \alpha e^{u}\,[u \le 0])",
    range=(-SELU_SCALE * SELU_ALPHA, INF),
    kinks=(0.0,),
)
GELU = Activation(
    "gelu",
    lambda u: u * normal_cdf(u),
    lambda u: normal_cdf(u) + u * normal_pdf(u),
    latex=r"u\,\Phi(u)",
    derivative_latex=r"\Phi(u) + u\,\varphi(u)",
    range=(-0.16997120747990369, INF),
)
SILU = Activation(
    "silu",
    lambda u: u * sigmoid(u),
    lambda u: sigmoid(u) * (1 + u * sigmoid(-u)),
    latex=r"u\,\sigma(u)",
    derivative_latex=r"\sigma(u)\,(1 + u\,(1 - \sigma(u)))",
    range=(-0.27846454276107379, INF),
)
SOFTPLUS = Activation(
    "softplus",
    softplus,
    sigmoid,
    latex=r"\ln(1 + e^{u})",
    derivative_latex=r"\sigma(u)",
    range=(0, INF),
)
MISH = Activation(
    "mish",
    lambda u: u * np.tanh(softplus(u)),
    lambda u: np.tanh(softplus(u)) + u * tanh_slope(softplus(u)) * sigmoid(u),
    latex=r"u \tanh(\ln(1 + e^{u}))",
    derivative_latex=r"\tanh s + u\,(1 - \tanh^2 s)\,\sigma(u),\; s = \ln(1 + e^{u})",
    range=(-0.30884341301725043, INF),
)
HARD_TANH = Activation(
    "hard_tanh",
    lambda u: np.where(np.abs(u.real) < 1, u, np.sign(u.real)),
    lambda u: step(1 - np.abs(u)),
    latex=r"\min(\max(u, -1), 1)",
    derivative_latex=r"[|u| < 1]",
    range=(-1, 1),
    kinks=(-1.0, 1.0),
)
SOFTSIGN = Activation(
    "softsign",
    lambda u: u / (1 + magnitude(u)),
    lambda u: 1 / (1 + magnitude(u)) ** 2,
    latex=r"\frac{u}{1 + |u|}",
    derivative_latex=r"\frac{1}{(1 + |u|)^2}",
    range=(-1, 1),
    creases=(0.0,),
)
EXP = Activation("exp", np.exp, np.exp, latex=r"e^{u}", derivative_latex=r"e^{u}", range=(0, INF))
SOFTMAX = Activation(
    "softmax",
    softmax,
    softmax_diagonal,
    latex=r"\frac{e^{u_k}}{\sum_j e^{u_j}}",
    derivative_latex=r"p_k\,([k = j] - p_j)",
    range=(0, 1),
    pull_back=softmax_pull_back,
)

ACTIVATIONS: dict[str, Activation] = {
    phi.name: phi
    for phi in (
        *(IDENTITY, SIGMOID, TANH, RELU, leaky_relu(), elu(), SELU, GELU, SILU),
        *(SOFTPLUS, MISH, HARD_TANH, SOFTSIGN, EXP, SOFTMAX),
    )
}
FAMILIES = {"leaky_relu": leaky_relu, "elu": elu}


def get_activation(spec: str | Mapping[str, Any] | Activation | Callable[[Array], Array]) -> Activation:
    """Look an activation up by name or `{"name": ..., "alpha": ...}`, or take one as it is, or a plain NumPy function.

    "softmax[3,2]" is softmax by groups, see `backlit.core.groups`.

    Raises ProblemError for an unknown name or parameter, with the nearest names.

    >>> get_activation({"name": "leaky_relu", "alpha": 0.2}).derivative(np.array([-1.0]))
    array([0.2])
    """
    if isinstance(spec, Activation):
        return spec
    if isinstance(spec, str) and spec.startswith("softmax["):
        from backlit.core.groups import read_groups  # which is made of this file's pieces

        grouped = read_groups(spec)
        if grouped is not None:
            return grouped
    if callable(spec):
        from backlit.core.custom import activation_of

        return activation_of(spec)
    name, parameters = read_spec(spec, "activation", ACTIVATIONS, dict.fromkeys(FAMILIES, ("alpha",)))
    return FAMILIES[name](**parameters) if parameters else ACTIVATIONS[name]
