"""Singular values of the Jacobian ∂a_L/∂a_0 of one example, the product of all diag(φ') W."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backlit.core.dropout import DropoutKey
from backlit.core.network import Network
from backlit.core.parameters import Parameters
from backlit.core.passes import Trace, forward
from backlit.diagnosis.inputs import Subject
from backlit.diagnosis.theory.expectations import quiet
from backlit.diagnosis.theory.predicted import PredictedFlow, Scales, excess

Array = np.ndarray


class Linearized:
    """J = ∂a_L/∂a_0, (n_L, n_0), at one example of a trace."""

    def __init__(self, net: Network, params: Parameters, trace: Trace, example: int = 0):
        self.net, self.params, self.trace, self.i = net, params, trace, example
        self.n_in, self.n_out = net.inputs, net.outputs
        self.slopes: list[Any] = [None, *(self.slope(l) for l in range(1, net.L + 1))]

    def slope(self, l: int) -> Array:
        """mask · φ'(u_l) · γ/√(σ² + ε) of the example, (n_l, 1)."""
        layer, trace, i = self.net.layer(l), self.trace, self.i
        u = trace.u[l][i]
        d = np.ones_like(u) if layer.activation.pull_back else layer.activation.derivative(u)
        if trace.mask[l] is not None:
            d = d * trace.mask[l][i]
        if layer.norm:
            std = trace.norm[l].inverse_std
            d = d * self.params.gamma[l] * (std[i] if layer.norm == "layer" else std[0])
        return d[:, None]

    def centered(self, l: int, v: Array) -> Array:
        """Layer norm's projection v − mean v − x̂ mean(x̂ v), which is symmetric; v itself elsewhere."""
        if self.net.layer(l).norm != "layer":
            return v
        x_hat = self.trace.norm[l].x_hat[self.i][:, None]
        return v - v.mean(axis=0) - x_hat * (x_hat * v).mean(axis=0)

    def push(self, v: Array) -> Array:
        """J v for v (n_0,) or columns (n_0, k)."""
        a = [v.reshape(self.n_in, -1)]
        for l, layer in self.net.numbered():
            step = self.slopes[l] * self.centered(l, self.params.W[l] @ a[l - 1])
            a.append(step if layer.skip_from is None else step + layer.skip_scale * a[layer.skip_from])
        return a[-1].reshape(self.n_out, *v.shape[1:])

    def pull(self, v: Array) -> Array:
        """Jᵀ v for v (n_L,) or columns (n_L, k)."""
        grad: list[Any] = [0.0] * self.net.L + [v.reshape(self.n_out, -1)]
        for l in range(self.net.L, 0, -1):
            layer = self.net.layer(l)
            if layer.skip_from is not None:
                grad[layer.skip_from] = grad[layer.skip_from] + layer.skip_scale * grad[l]
            grad[l - 1] = grad[l - 1] + self.params.W[l].T @ self.centered(l, self.slopes[l] * grad[l])
        return grad[0].reshape(self.n_in, *v.shape[1:])

    def matrix(self) -> Array:
        """J, formed from whichever end is narrower."""
        if self.n_out < self.n_in:
            return self.pull(np.eye(self.n_out)).T
        return self.push(np.eye(self.n_in))


WHOLE = 6e9  # multiply-adds up to which the Jacobian is formed; above, its ends are found by Lanczos
PROBES, ROUNDS = 32, 40
CASES = 4  # examples of a draw whose mean square is probed, as far as BUDGET multiply-adds allow
BUDGET = 2e9


@dataclass(frozen=True)
class Spectrum:
    """Singular values of the Jacobian, measured and predicted.

    values : singular values, descending; all min(n_0, n_L) of them if `complete`, otherwise the largest and the
    smallest that were found.  mean, variance : of the squares of all n_0 (zeros included); the variance in units of
    mean².  predicted_* : mean-field values for the average example and draw; None if there is no theory (skips over
    several layers).  level : mean square over `cases` examples.  deviation : how far one of them strays from it.
    """

    values: np.ndarray
    complete: bool
    mean: float
    variance: float
    predicted_mean: float | None = None
    predicted_variance: float | None = None
    level: float = math.nan
    deviation: float = math.nan
    cases: int = 0

    @property
    def condition(self) -> float:
        """The largest over the smallest; infinite if the smallest is 0."""
        return float(self.values[0] / self.values[-1]) if self.values[-1] else math.inf

    def to_dict(self) -> dict[str, Any]:
        """Plain names and numbers."""
        return {
            "singular_values": self.values.tolist(),
            "complete": self.complete,
            "largest": float(self.values[0]),
            "smallest": float(self.values[-1]),
            "mean_square": self.mean,
            "variance_over_mean2": self.variance,
            "mean_square_over_draws": self.level,
            "mean_square_deviation": self.deviation,
            "cases": self.cases,
            "mean_square_predicted": self.predicted_mean,
            "variance_over_mean2_predicted": self.predicted_variance,
        }


def jacobian_spectrum(net: Network, params: Parameters, trace: Trace, example: int = 0) -> Spectrum:
    """Measure the spectrum at one example of a trace: whole where forming J costs little, else its ends."""
    J = Linearized(net, params, trace, example)
    cost = net.inputs * sum(a * b for a, b in zip(net.n, net.n[1:], strict=False))
    return whole(J) if cost <= WHOLE else ends(J)


def spectrum_of(subject: Subject, scales: Scales, theory: PredictedFlow, draws: int = 1) -> Spectrum:
    """The spectrum at a subject's first draw and example, with what is predicted, and how far other draws stray."""
    net = subject.net
    traces = [traced(subject, seed) for seed in range(draws)]
    squares = np.concatenate([mean_squares(net, *case, draws) for case in traces])
    mean, variance = predict_spectrum(net, traces[0][0], scales, theory)
    level, deviation = float(squares.mean()), float(squares.std(ddof=1)) if len(squares) > 1 else math.nan
    found = replace(jacobian_spectrum(net, *traces[0]), predicted_mean=mean, predicted_variance=variance)
    return replace(found, level=level, deviation=deviation, cases=len(squares))


def traced(subject: Subject, seed: int) -> tuple[Parameters, Trace]:
    """A draw of a subject and its pass up."""
    params = subject.draw(seed)
    return params, forward(subject.net, params, subject.inputs(seed), dropout=DropoutKey(seed))


@quiet
def mean_squares(net: Network, params: Parameters, trace: Trace, draws: int) -> np.ndarray:
    """Σ s²/n_0 at the first examples of a trace, by PROBES random v: E ‖J v‖² = ‖J‖² where E vvᵀ = I."""
    cost = draws * PROBES * sum(a * b for a, b in zip(net.n, net.n[1:], strict=False))
    examples = min(trace.m, CASES, max(1, int(BUDGET / cost)))
    v = np.random.default_rng(0).standard_normal((net.inputs, PROBES))
    return np.array([(Linearized(net, params, trace, i).push(v) ** 2).sum() / v.size for i in range(examples)])


def whole(J: Linearized) -> Spectrum:
    """By a dense decomposition."""
    matrix = J.matrix()
    if not np.isfinite(matrix).all():
        return Spectrum(np.array([math.inf]), False, math.inf, math.nan)
    values = np.linalg.svd(matrix, compute_uv=False)
    n, share = matrix.shape[1], values / (values[0] or 1.0)  # the fourth powers of small numbers would vanish
    mean, fourth = float((share**2).sum() / n), float((share**4).sum() / n)
    return Spectrum(
        values, True, mean * float(values[0]) * float(values[0]), fourth / mean**2 - 1 if mean else math.nan
    )


def ends(J: Linearized) -> Spectrum:
    """By Golub-Kahan-Lanczos; the moments by random probes: E‖J v‖² = n · mean, E‖JᵀJ v‖² = n · mean of squares²."""
    values = lanczos(J, ROUNDS)
    v = np.random.default_rng(0).standard_normal((J.n_in, PROBES))
    largest = float(values[0]) or 1.0
    up = J.push(v) / largest
    mean, fourth = float((up**2).sum() / v.size), float(((J.pull(up) / largest) ** 2).sum() / v.size)
    return Spectrum(values, False, mean * largest**2, fourth / mean**2 - 1 if mean else math.nan)


def lanczos(J: Linearized, rounds: int) -> np.ndarray:
    """Singular values of the bidiagonal matrix that `rounds` steps give, each basis kept orthogonal.

    The largest is right to many digits; the smallest is an upper bound of the true one.
    """
    v = np.random.default_rng(1).standard_normal(J.n_in)
    right, left = [v / np.linalg.norm(v)], list[np.ndarray]()
    alphas, betas = list[float](), list[float]()
    for _ in range(min(rounds, J.n_in, J.n_out)):
        u = orthogonal_to(left, J.push(right[-1]))
        alphas.append(float(np.linalg.norm(u)))
        if alphas[-1] == 0 or not math.isfinite(alphas[-1]):
            break
        left.append(u / alphas[-1])
        v = orthogonal_to(right, J.pull(left[-1]))
        betas.append(float(np.linalg.norm(v)))
        if betas[-1] <= 1e-14 * alphas[0]:
            break
        right.append(v / betas[-1])
    k = len(alphas)
    return np.linalg.svd(np.diag(alphas) + np.diag(betas[: k - 1], 1), compute_uv=False)


def orthogonal_to(basis: list[np.ndarray], v: np.ndarray) -> np.ndarray:
    """V less its part in the span of an orthonormal basis, taken out twice for rounding's sake."""
    if basis:
        B = np.array(basis)
        for _ in range(2):
            v = v - B.T @ (B @ v)
    return v


def predict_spectrum(
    net: Network, params: Parameters, scales: Scales, theory: PredictedFlow
) -> tuple[float | None, float | None]:
    """(mean, variance over mean²) of the squared singular values; (None, None) where there is no theory."""
    mean, variance = 1.0, 0.0
    for l, layer in net.numbered():
        if layer.skip_from not in (None, l - 1):
            return None, None
        n, n_in = net.n[l], net.n[l - 1]
        unit = theory.units[l]
        x1 = scales.weight[l] * unit.slope2 * n / n_in
        spread = net.inputs * (excess(unit.slope4, unit.slope2) / n + shape_of(params.W[l]))
        if layer.skip_from is not None:  # |s I + D W|²: moments s² + x₁ and s⁴ + 4 s² x₁ + x₂, D W being R-diagonal
            s2 = layer.skip_scale**2
            x2, n0 = x1**2 * (1 + spread * n / net.inputs), net.inputs
            square = (s2 + x1) ** 2
            x1, spread = s2 + x1, ((s2**2 + 4 * s2 * x1 + x2) / square - 1) * n0 / n if square else 0.0
        mean, variance = mean * x1, variance + spread
    return mean, variance


def shape_of(W: np.ndarray) -> float:
    """g = ‖WᵀW‖²/‖W‖⁴ − 1/n_in: the variance of W's squared singular values over their mean² and n_in."""
    small = W @ W.T if W.shape[0] <= W.shape[1] else W.T @ W
    trace = float(np.trace(small))
    return float(((small / trace) ** 2).sum()) - 1 / W.shape[1] if trace else 0.0
