"""What activations and losses are made of: functions of u of any shape that never overflow where their value is finite.

They take float32, float64 and complex128, so that a complex step can pass through, and let NaN through.
"""

import numpy as np

Array = np.ndarray


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
