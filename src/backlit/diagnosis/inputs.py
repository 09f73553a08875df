"""What is diagnosed: a network with parameters and data, of a problem, a model, or sizes alone; and its first step."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backlit.core.dropout import DropoutKey
from backlit.core.initializers import initialize
from backlit.core.network import Dense, Network
from backlit.core.parameters import Parameters
from backlit.core.passes import Gradients, Trace, backward, forward
from backlit.core.problem import Problem
from backlit.diagnosis.measurement import MeasuredFlow, measure_flow
from backlit.diagnosis.theory.fixed_points import LayerSpec
from backlit.diagnosis.theory.predicted import Scales, measured_scales, scheme_scales
from backlit.errors import ProblemError
from backlit.optim import Optimizer, clip_by_norm, clip_by_value, get_optimizer
from backlit.processors import one_blas_thread
from backlit.registry import finite_number

EXAMPLES = 64
MOST_LAYERS = 10_000  # of a network of equal layers: far beyond what anyone trains
SMALL = 512  # units
MOST_EXAMPLES = 512  # of a problem's rows; a flow is a mean, which more would not change


@dataclass(frozen=True)
class Subject:
    """What is diagnosed.

    params, X, y : as given; None if `scheme` draws the parameters and the inputs are standard normal.
    batch : how many examples are measured at once; None for up to MOST_EXAMPLES rows, or EXAMPLES drawn ones.
    kept : a place for the draw of the last seed, so that it is not drawn again.
    """

    net: Network
    name: str
    scheme: Any = None
    params: Parameters | None = None
    X: np.ndarray | None = None
    y: np.ndarray | None = None
    problem: Problem | None = None
    batch: int | None = None
    kept: dict[int, Parameters] | None = field(default=None, repr=False, compare=False)

    def scales(self) -> Scales:
        """The second moments of its parameters: of the scheme, exactly, or of the arrays."""
        return scheme_scales(self.net, self.scheme) if self.params is None else measured_scales(self.net, self.params)

    def draw(self, seed: int) -> Parameters:
        """Its parameters; those of this seed if a scheme draws them."""
        if self.params is not None:
            return self.params
        if self.kept is None:
            return initialize(self.net, self.scheme, seed=seed)
        if seed not in self.kept:
            self.kept.clear()  # holds one draw, for a network may be large
            self.kept[seed] = initialize(self.net, self.scheme, seed=seed)
        return self.kept[seed]

    def inputs(self, seed: int) -> np.ndarray:
        """Its X, or standard normal rows."""
        return normal_inputs(self.net, seed, self.batch) if self.X is None else self.X[: self.batch or MOST_EXAMPLES]

    def flow(self, seed: int) -> MeasuredFlow:
        """Measure one pass."""
        return flow_of(self.net, self.draw(seed), self.inputs(seed), self.y, seed)


def normal_inputs(net: Network, seed: int, batch: int | None = None) -> np.ndarray:
    """Standard normal rows: `batch`, or EXAMPLES if not given, or twice that if batch norm couples them."""
    m = batch or (2 * EXAMPLES if net.couples_examples else EXAMPLES)
    return np.random.default_rng([seed, 1]).standard_normal((m, net.inputs))


def flow_of(net: Network, params: Parameters, X: np.ndarray, y: Any, seed: int) -> MeasuredFlow:
    """Measure one pass up and down."""
    return measure_flow(net, params, *passes_of(net, params, X, y, seed))


def passes_of(net: Network, params: Parameters, X: np.ndarray, y: Any, seed: int) -> tuple[Trace, Gradients]:
    """One pass up and down; y None for targets that make the error at the top independent of the weights."""
    with np.errstate(all="ignore"):
        trace = forward(net, params, X, dropout=DropoutKey(seed))  # masks are part of what is predicted
        targets = y[: len(X)] if y is not None else noise_targets(net, trace.a[-1], seed)
        return trace, backward(net, params, trace, targets)


def noise_targets(net: Network, a: np.ndarray, seed: int) -> np.ndarray:
    """Targets of the right kind: classes or counts at random where the loss takes those, else output plus noise."""
    rng = np.random.default_rng([seed, 2])
    if net.loss.classes:
        return np.eye(net.outputs)[rng.integers(net.outputs, size=len(a))] if net.outputs > 1 else np.ones_like(a)
    if net.loss.targets == (0, 1):
        return rng.integers(2, size=a.shape).astype(float)
    if net.loss.targets[0] == 0:
        return rng.poisson(1.0, a.shape).astype(float)
    return np.where(np.isfinite(a), a, 0.0) + rng.standard_normal(a.shape)


@contextmanager
def one_thread(subject: Subject) -> Iterator[None]:
    """One BLAS thread where matrices are small: several take as long, and more than as long on a busy machine."""
    if max(subject.net.n) > SMALL:
        yield
        return
    with one_blas_thread():
        yield


def from_sizes(
    depth: int,
    width: int,
    activation: Any = "tanh",
    init: Any = None,
    sigma_w: float | None = None,
    sigma_b: float | None = None,
    norm: str | None = None,
    skip: float | None = None,
    dropout: float = 0.0,
) -> Subject:
    """`depth` equal layers on `width` inputs.  Raises ProblemError for what is impossible.

    init : a scheme, xavier_uniform if not given.  sigma_w, sigma_b : W of variance σ_w²/n_in and b of σ_b², in place of
    `init`.  skip : the scale of a skip from the layer below.
    """
    if init is not None and (sigma_w is not None or sigma_b is not None):
        raise ProblemError("init and sigma_w or sigma_b both say how W and b are drawn: give one of them")
    sigma = {k: v for k, v in (("sigma_w", sigma_w), ("sigma_b", sigma_b)) if v is not None}
    for name, value in sigma.items():
        finite_number(value, name, low=0.0)
    scheme = {"scheme": "gaussian", **sigma} if sigma else "xavier_uniform" if init is None else init
    if scheme in ("lsuv", {"scheme": "lsuv"}):
        raise ProblemError("init lsuv is scaled by data: give a problem file with x, or another scheme")
    layer: dict[str, Any] = {"norm": norm, "dropout": dropout}
    if skip is not None:
        layer["skip_scale"] = finite_number(skip, "skip")
    if not isinstance(depth, int) or not 1 <= depth <= MOST_LAYERS:
        raise ProblemError(f"depth must be a whole number from 1 to {MOST_LAYERS}, not {depth!r}")
    layers = [Dense(width, activation, **layer, skip_from=None if skip is None else l) for l in range(depth)]
    net = Network(width, layers)
    initialize(Network(1, [Dense(1)]), scheme)  # raises for an unknown scheme
    return Subject(net, f"{depth} layers of {width} {net.layers[0].activation.name}", scheme)


def from_problem(problem: Problem) -> Subject:
    """A problem, with its data where it has them."""
    return Subject(problem.net, problem.name, None, problem.params, problem.X, problem.y, problem)


def typical(net: Network, scales: Scales, batch: int | None = None) -> tuple[int, LayerSpec]:
    """The layer in the middle of the hidden ones, and its kind: what the theory of one repeated layer is about.

    batch : the examples that batch norm sees at once; None for the limit of many.
    """
    l = max((net.L + 1) // 2, 1)
    layer = net.layer(l)
    if layer.activation.pull_back:
        raise ProblemError("the only layer is softmax, which has no flow through it: give a network with hidden layers")
    skip = layer.skip_scale if layer.skip_from is not None else None
    weight, bias = scales.weight[l], scales.bias[l]
    return l, LayerSpec(layer.activation, weight, bias, layer.norm, layer.eps, layer.dropout, skip, batch)


# --- the first optimizer step, with the problem's own optimizer and clipping ------------------------------------------


def optimizer_of(subject: Subject) -> Optimizer:
    """The problem's optimizer; Adam with its usual settings where none is named."""
    given = None if subject.problem is None else subject.problem.optimizer
    return given if given is not None else get_optimizer("adam")


def update_ratios(subject: Subject) -> list[Any]:
    """‖ΔW_l‖/‖W_l‖ of the first step by l (index 0 None); NaN where W is 0 or the gradient is not finite."""
    net, params, optimizer = subject.net, subject.draw(0), optimizer_of(subject)
    X = subject.inputs(0)
    trace = forward(net, params, X, dropout=DropoutKey(0))
    y = subject.y[: len(X)] if subject.y is not None else noise_targets(net, trace.a[-1], 0)
    g = backward(net, params, trace, y).theta
    if subject.problem is not None:
        g = clip_by_value(clip_by_norm(g, subject.problem.clip_norm), subject.problem.clip_value)
    pairs = zip(params.W[1:], Parameters(net, g).W[1:], strict=True)
    return [None, *(step_ratio(optimizer, W.ravel(), slope.ravel()) for W, slope in pairs)]


def step_ratio(optimizer: Optimizer, W: np.ndarray, g: np.ndarray) -> float:
    """‖ΔW‖/‖W‖ of the first step of W (n,) along g (n,)."""
    step, _ = optimizer.update(g, optimizer.init(W), 1, lr=optimizer.learning_rate, theta=W)
    length = np.linalg.norm(W)
    return float(np.linalg.norm(step) / length) if length else float("nan")
