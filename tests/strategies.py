"""Hypothesis strategies that draw whole problems: a network, its numbers and its data.

Hypothesis draws what a person would call the case (depth, widths, activations, options) and one seed; the numbers come
from a NumPy generator with that seed.  So a failing case shrinks to a small network, and drawing stays quick.

Every problem is fair to a derivative check: no u lies within `MARGIN` of a kink of its activation, no output within
`MARGIN` of a kink of its loss, |z| is at most `PEAK`, and each norm has an eps that its group size can bear.

    @given(problems(norms=[None], weights=False))
    def test_something(problem):
        trace, grad = problem.passes()
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import reject, settings
from hypothesis import strategies as st

from backlit.core import (
    ACTIVATIONS,
    LOSSES,
    SHORT_FORMS,
    Dense,
    DropoutKey,
    Network,
    Parameters,
    Statistics,
    get_activation,
    get_loss,
)
from backlit.core.activations import Activation
from backlit.core.losses import Loss
from backlit.core.passes import Gradients, Trace, backward, forward, total_loss
from backlit.core.targets import one_hot

Array = np.ndarray
INF = float("inf")
MARGIN = 1e-3
PEAK = 4.0
ROWS = (1, 2, 3, 5, 7)
NORMS = (None, "batch", "layer")
SHIPPED = {"activation_names": ACTIVATIONS.shipped, "loss_names": LOSSES.shipped}  # which other libraries know too


@dataclass(frozen=True)
class Problem:
    """A network with parameters, examples X (m, n_0), targets y and options of the passes, all drawn."""

    net: Network
    params: Parameters
    X: Array
    y: Any
    sample_weight: Array | None = None
    dropout: DropoutKey | None = None
    statistics: Statistics | None = None

    @property
    def m(self) -> int:
        return len(self.X)

    def forward(self, params: Parameters | None = None, X: Array | None = None) -> Trace:
        """The forward pass, at the problem's numbers or at others."""
        params, X = self.params if params is None else params, self.X if X is None else X
        return forward(self.net, params, X, dropout=self.dropout, statistics=self.statistics)

    def passes(self, params: Parameters | None = None) -> tuple[Trace, Gradients]:
        """Both passes."""
        params = self.params if params is None else params
        trace = self.forward(params)
        return trace, backward(self.net, params, trace, self.y, self.sample_weight)

    def cost(self, params: Parameters | None = None, X: Array | None = None) -> Any:
        """C, at the problem's numbers or at others (complex ones too)."""
        params = self.params if params is None else params
        return total_loss(self.net, params, self.forward(params, X), self.y, self.sample_weight)

    def but(self, **changes: Any) -> "Problem":
        """The same problem with some fields changed."""
        return replace(self, **changes)

    def astype(self, dtype: Any) -> "Problem":
        """The same problem with its numbers in another dtype."""
        return self.but(
            params=self.params.astype(dtype),
            X=self.X.astype(dtype),
            statistics=None if self.statistics is None else cast(self.net, self.statistics, dtype),
        )

    def __repr__(self) -> str:
        options = f"weights={self.sample_weight is not None}, dropout={self.dropout}, running={bool(self.statistics)}"
        return f"Problem({self.net.to_dict()}, m={self.m}, {options}, theta={self.params.theta.round(3).tolist()})"


def draws(n: int, **options: Any) -> settings:
    """Settings for n examples where the profile has 60, as `ci` has, and for as many times fewer or more elsewhere."""
    return settings(max_examples=max(2, n * settings().max_examples // 60), **options)


# --- the case: what Hypothesis draws ----------------------------------------------------------------------------------


def activations(names: Sequence[str] = tuple(ACTIVATIONS)) -> st.SearchStrategy[Activation]:
    """An activation of those named, its parameter drawn where it has one."""
    alphas = {"leaky_relu": (0.01, 0.3, 0.0), "elu": (1.0, 0.5, 1.5)}
    specs = [{"name": name, "alpha": alpha} for name in names for alpha in alphas.get(name, ())]
    return st.sampled_from([*(name for name in names if name not in alphas), *specs]).map(get_activation)


def losses(names: Sequence[str] = tuple(LOSSES)) -> st.SearchStrategy[Loss]:
    """A loss of those named, its parameter drawn where it has one."""
    specs = {
        "huber": [{"name": "huber", "delta": delta} for delta in (1.0, 0.4)],
        "quantile": [{"name": "quantile", "quantile": q} for q in (0.5, 0.9)],
    }
    return st.sampled_from([spec for name in names for spec in specs.get(name, [name])]).map(get_loss)


def probabilities() -> st.SearchStrategy[float]:
    """A dropout probability, most often none."""
    return st.sampled_from((0.0, 0.0, 0.25, 0.6))


@st.composite
def outputs(draw: st.DrawFn, activation_names: Sequence[str], loss_names: Sequence[str]) -> tuple[Activation, Loss]:
    """An output activation and a loss whose domain its range lies in; half of the time a pair with a short form."""
    pairs = [(phi, loss) for phi, loss in SHORT_FORMS if phi in activation_names and loss in loss_names]
    if pairs and draw(st.booleans()):
        phi, loss = draw(st.sampled_from(pairs))
        return get_activation(phi), get_loss(loss)
    loss_drawn = draw(losses(loss_names))
    fitting = [name for name in activation_names if within(ACTIVATIONS[name].range, loss_drawn.outputs)]
    return draw(activations(fitting)), loss_drawn


@st.composite
def networks(
    draw: st.DrawFn,
    *,
    rows: int = 7,
    depths: Sequence[int] = (1, 2, 3, 4, 5, 6),
    widths: Sequence[int] = (1, 2, 3, 4, 5, 6),
    activation_names: Sequence[str] = tuple(ACTIVATIONS),
    loss_names: Sequence[str] = tuple(LOSSES),
    norms: Sequence[str | None] = NORMS,
    dropout: bool = True,
    skips: bool = True,
) -> Network:
    """A network, of all options by default.  `rows` is the batch size that its norms have to bear."""
    depth, width = draw(st.sampled_from(depths)), st.sampled_from(widths)
    output, loss = draw(outputs(activation_names, loss_names))
    hidden = activations([name for name in activation_names if name != "softmax"])
    n, layers = [draw(width)], []
    for l in range(1, depth + 1):
        skip_from = draw(st.none() | st.integers(0, l - 1)) if skips else None
        norm = draw(st.sampled_from(norms))
        n.append(draw(width) if skip_from is None else n[skip_from])
        group = rows if norm == "batch" else n[l]
        options = {
            "norm": norm,
            # two values always become ±1, so what is left of a slope is eps/(σ² + eps): make that no rounding error
            "eps": draw(st.sampled_from((1e-5, 1e-3, 0.1))) if norm and group > 2 else 0.5 if norm else 1e-5,
            "dropout": draw(probabilities()) if dropout else 0.0,
            "skip_from": skip_from,
            "skip_scale": draw(st.sampled_from((1.0, 0.5, -0.7))) if skip_from is not None else 1.0,
            "train_bias": draw(st.sampled_from((True, True, False))),
        }
        layers.append(Dense(n[l], output if l == depth else draw(hidden), **options))
    layers[-1] = fitting_output(n[0], layers, loss)
    return Network(
        n[0],
        layers,
        loss=loss,
        reduction=draw(st.sampled_from(("mean", "sum"))),
        l2=draw(st.sampled_from((0.0, 0.01, 0.3))),
    )


@st.composite
def problems(
    draw: st.DrawFn, *, rows: Sequence[int] = ROWS, weights: bool = True, running: bool = True, **options: Any
) -> Problem:
    """A problem.  rows : batch sizes.  weights : may have sample weights.  running : may predict by running moments.

    All other options are those of `networks`.
    """
    m = draw(st.sampled_from(rows))
    net = draw(networks(rows=m, **options))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return numbers(
        net,
        rng,
        m,
        key=DropoutKey(draw(st.integers(0, 2**64 - 1)), draw(st.integers(0, 2**64 - 1))) if drops(net) else None,
        weighted=weights and draw(st.booleans()),
        running=running and net.couples_examples and draw(st.booleans()),
        hard=draw(st.booleans()),
    )


# --- the numbers: what the seeded generator draws -------------------------------------------------------------------


def numbers(
    net: Network,
    rng: np.random.Generator,
    m: int,
    *,
    key: DropoutKey | None = None,
    weighted: bool = False,
    running: bool = False,
    hard: bool = True,
) -> Problem:
    """Draw parameters, data and weights for `net`, again and again until nothing lies at a kink."""
    for _ in range(30):
        statistics = random_statistics(net, rng) if running else None
        problem = Problem(net, random_parameters(net, rng), rng.standard_normal((m, net.inputs)), None, None, key)
        problem = tamed(problem.but(statistics=statistics))
        trace = problem.forward()
        if u_away_from_kinks(net, trace):
            weights = random_weights(rng, m) if weighted else None
            return problem.but(y=random_targets(net, rng, trace.a[net.L], hard), sample_weight=weights)
    return reject()


def u_away_from_kinks(net: Network, trace: Trace, margin: float = MARGIN) -> bool:
    """Whether every u is at least `margin` from the kinks of its activation."""
    return all(
        (np.abs(trace.u[l] - kink) > margin).all() for l, layer in net.numbered() for kink in layer.activation.kinks
    )


def random_parameters(net: Network, rng: np.random.Generator) -> Parameters:
    """W of variance about 1/n_in; b, gamma and beta neither 0 nor 1, gamma of both signs."""
    params = Parameters(net, rng.standard_normal(net.n_parameters))
    for slot, value in params.items():
        if slot.name == "W":
            value *= 1.2 / np.sqrt(value.shape[1])
        elif slot.name == "gamma":
            value[:] = signed(rng, value.shape, 0.5, 1.5)
        else:
            value *= 0.5
    return params


def random_statistics(net: Network, rng: np.random.Generator) -> Statistics:
    """Running moments of about the size that batches have."""
    statistics = Statistics(net)
    for l, layer in net.numbered():
        if layer.norm == "batch":
            statistics.mean[l] = rng.standard_normal(layer.units)
            statistics.variance[l] = rng.uniform(0.5, 2, layer.units)
    return statistics


def cast(net: Network, statistics: Statistics, dtype: Any) -> Statistics:
    """Running moments in another dtype."""
    copied = Statistics(net, dtype)
    copied.mean = [None if mean is None else mean.astype(dtype) for mean in statistics.mean]
    copied.variance = [None if variance is None else variance.astype(dtype) for variance in statistics.variance]
    return copied


def random_weights(rng: np.random.Generator, m: int) -> Array:
    """Weights of which about a third is 0, never all."""
    weights = rng.uniform(0.5, 2, m) * (rng.random(m) > 1 / 3)
    weights[rng.integers(m)] = 1.5
    return weights


def tamed(problem: Problem) -> Problem:
    """Shrink layers, from the input up, until |z| ≤ PEAK, so that towers of exp neither overflow nor saturate all."""
    net, params = problem.net, problem.params
    for l in range(1, net.L + 1):
        peak = np.abs(problem.forward().z[l]).max()
        if peak > PEAK:
            params.W[l] *= PEAK / peak
            params.b[l] *= PEAK / peak
    return problem


def random_targets(net: Network, rng: np.random.Generator, a: Array, hard: bool) -> Array:
    """Targets in the loss's domain.  hard : class indices or bits, else fractions (of exact sum 1)."""
    m, K = a.shape
    if net.loss.name == "cross_entropy":
        labels = rng.integers(0, K, m)
        if hard and rng.random() < 0.5:
            return labels if K > 1 else np.ones((m, 1))
        return one_hot(labels, K, float) if hard else rng.multinomial(64, rng.dirichlet(np.ones(K), m)) / 64
    if net.loss.name == "binary_cross_entropy":
        return rng.integers(0, 2, (m, K)).astype(float) if hard else rng.random((m, K))
    if net.loss.name == "poisson":
        return rng.poisson(2.0, (m, K)).astype(float)
    return a + signed(rng, (m, K), 0.1, 2) * (1 + np.abs(a))  # far enough from a = y, where some losses have a kink


def signed(rng: np.random.Generator, shape: tuple[int, ...], low: float, high: float) -> Array:
    """Numbers with magnitudes in [low, high] and either sign."""
    return rng.choice((-1.0, 1.0), shape) * rng.uniform(low, high, shape)


# --- the rules: which output fits which loss ------------------------------------------------------------------------


def drops(net: Network) -> bool:
    """Whether any layer has dropout."""
    return any(layer.dropout for layer in net.layers)


def fitting_output(inputs: int, layers: list[Dense], loss: Loss) -> Dense:
    """The last layer as it is where its outputs fit the loss; else without its dropout and skip."""
    net = Network(inputs, layers)
    last = layers[-1]
    if within(ranges(net)[-1], loss.outputs):
        return last
    return Dense(last.units, last.activation, norm=last.norm, eps=last.eps, train_bias=last.train_bias)


def ranges(net: Network) -> list[tuple[float, float]]:
    """An interval that holds a[l], for l = 0…L, whatever the parameters are."""
    found = [(-INF, INF)]
    for layer in net.layers:
        low, high = layer.activation.range
        if layer.dropout:
            low, high = min(0, low / (1 - layer.dropout)), max(0, high / (1 - layer.dropout))
        if layer.skip_from is not None and layer.skip_scale:
            ends = sorted(layer.skip_scale * end for end in found[layer.skip_from])
            low, high = low + ends[0], high + ends[1]
        found.append((low, high))
    return found


def within(inner: tuple[float, float], outer: tuple[float, float]) -> bool:
    """Whether one interval lies in the other."""
    return outer[0] <= inner[0] and inner[1] <= outer[1]
