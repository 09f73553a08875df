"""The textbook as an engine: `core`'s two passes and an optimizer's update, one batch after the other."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from backlit.core.activations import ACTIVATIONS
from backlit.core.dropout import DropoutKey
from backlit.core.network import Network
from backlit.core.parameters import Parameters, Statistics, trainable
from backlit.core.passes import Gradients, Trace, backward, example_losses, forward
from backlit.engine.base import Array, Data, EpochResult, OneByOne, Partial, State, TrainConfig, exact_sum
from backlit.errors import Divergence, ShapeError
from backlit.optim import clip_by_norm, clip_by_value, norm

ROWS_AT_ONCE = 4096  # bounds the memory of a prediction


class ReferenceEngine(OneByOne):
    """Readable NumPy; every other engine is tested against it."""

    name = "reference"

    def __init__(self, recipe: TrainConfig):
        self.recipe, self.net = recipe, recipe.net
        self.frozen = ~trainable(recipe.net)
        refuse_other_shapes(recipe.net)

    def run(
        self, state: State, data: Data, order: Array, learning_rates: Array, stop: Callable[[], bool]
    ) -> EpochResult:
        """One pass over the data; see `Engine.run`."""
        costs: list[float] = []
        seen, steps = 0, 0
        lengths = np.zeros(self.net.L)  # of each layer's gradient, summed over the steps
        for rows, lr in zip(batches(order, self.recipe.batch_size), learning_rates, strict=True):
            if stop():
                break
            weight = None if data.sample_weight is None else data.sample_weight[rows]
            if weight is not None and not weight.any():
                continue
            grad = self.step(state, data.X[rows], data.Y[rows], weight, float(lr))
            costs.append(grad.loss * len(rows))
            seen, steps = seen + len(rows), steps + 1
            lengths += [norm(W) for W in grad.W[1:]]
        return EpochResult(exact_sum(costs), lengths / max(steps, 1), steps, seen, interrupted=stop())

    def step(self, state: State, X: Array, Y: Array, weight: Array | None, lr: float) -> Gradients:
        """Forward, backward, clip, update."""
        recipe = self.recipe
        net = self.net if recipe.alpha is None else recipe.network_for(batch_weight(Y, weight))
        key = DropoutKey(recipe.seed, state.step) if any(layer.dropout for layer in net.layers) else None
        trace = forward(net, state.params, X, dropout=key)
        grad = backward(net, state.params, trace, Y, weight)
        updated = self.updated(state, grad.theta, lr)
        refuse_non_finite(trace, grad, updated, state.step + 1)
        self.accept(state, updated)
        for l, layer in net.numbered():
            if layer.keeps_moments:
                state.statistics.update(l, trace.norm[l])
        return grad

    def updated(self, state: State, g: Array, lr: float) -> tuple[Array, ...]:
        """Theta and the optimizer's vectors after a clipped step by gradient g; what has no gradient stays."""
        recipe = self.recipe
        if recipe.clip_norm is not None or recipe.clip_value is not None:
            g = clip_by_value(clip_by_norm(g, recipe.clip_norm), recipe.clip_value)
        g = np.where(self.frozen, 0, g)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # callers refuse it by name
            change, slots = recipe.optimizer.rule(g, state.slots, state.step + 1, float(lr), state.params.theta)
            theta = np.where(self.frozen, state.params.theta, state.params.theta + change)
        return theta, *slots

    def accept(self, state: State, updated: tuple[Array, ...]) -> None:
        """Take the step."""
        for kept, new in zip((state.params.theta, *state.slots), updated, strict=True):
            kept[:] = new
        state.step += 1

    def partial(self, params: Parameters, data: Data, rows: Array, weight: float, key: DropoutKey) -> Partial:
        """What some rows add to a step; see `Engine.partial`."""
        net, own = replace(self.net, l2=0.0), data.rows(rows)
        trace = forward(net, params, own.X, dropout=key if any(layer.dropout for layer in net.layers) else None)
        grad = backward(net, params, trace, own.Y, own.sample_weight)
        refuse_non_finite(trace, grad, (), key.step + 1)
        share = params.theta.dtype.type(own.weight() / weight if net.reduction == "mean" else 1)
        kept = [made if layer.keeps_moments else None for layer, made in zip(net.layers, trace.norm[1:], strict=True)]
        mean, variance = ([None, *(made and getattr(made, name)[0] for made in kept)] for name in ("mean", "variance"))
        return Partial(share * grad.theta, float(share * params.theta.dtype.type(grad.loss)), len(own), mean, variance)

    def update(self, state: State, whole: Partial, weight: float, learning_rate: float) -> tuple[float, Array]:
        """One step by the sum of its parts; see `Engine.update`."""
        net, W = self.recipe.network_for(weight), state.params.W
        grad = Parameters(net, whole.grad.copy())
        C = state.params.theta.dtype.type(whole.loss)
        if net.l2:
            C = C + net.l2 / 2 * sum((each * each).sum() for each in W[1:])
            for l in range(1, net.L + 1):
                grad.W[l][:] += net.l2 * W[l]
        updated = self.updated(state, grad.theta, learning_rate)
        refuse_update(C, (grad.theta, *updated), state.step + 1)
        self.accept(state, updated)
        for l, layer in net.numbered():
            if layer.keeps_moments:
                state.statistics.follow(l, whole.mean[l], whole.variance[l], whole.rows)
        return float(C), np.array([norm(each) for each in grad.W[1:]])

    def predict(self, params: Parameters, statistics: Statistics, X: Array) -> Array:
        """Outputs a_L; see `Engine.predict`."""
        parts = [trace.a[-1] for trace, _ in self.traces(params, statistics, X)]
        return np.concatenate(parts) if parts else np.empty((0, self.net.outputs), X.dtype)

    def loss(self, params: Parameters, statistics: Statistics, data: Data) -> float:
        """The mean of ℓ_i; see `Engine.loss`."""
        losses = [
            example_losses(self.net, trace, data.Y[rows]) for trace, rows in self.traces(params, statistics, data.X)
        ]
        return float(np.average(np.concatenate(losses).astype(np.float64), weights=data.sample_weight))

    def traces(self, params: Parameters, statistics: Statistics, X: Array) -> Iterator[tuple[Trace, slice]]:
        """Forward passes over slices of X, in order."""
        for start in range(0, len(X), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            yield forward(self.net, params, X[rows], statistics=statistics), rows

    def loss_and_gradient(self, params: Parameters, data: Data) -> tuple[float, Array]:
        """C and its gradient over the data as one batch; see `Engine.loss_and_gradient`."""
        net = self.recipe.network_for(batch_weight(data.Y, data.sample_weight))
        grad = backward(net, params, forward(net, params, data.X), data.Y, data.sample_weight)
        return grad.loss, grad.theta


def refuse_other_shapes(net: Network) -> None:
    """Raise ShapeError naming an activation of the user's own that gives another shape than it takes."""
    for l, layer in net.numbered():
        phi, u = layer.activation, np.zeros((2, layer.units))
        if phi.groups is None and not ACTIVATIONS.is_built_in(phi):
            with np.errstate(all="ignore"):
                shape = np.shape(phi.function(u))
            if shape != u.shape:
                raise ShapeError(
                    f"layer {l}: activation {phi.name} makes shape {shape} of u, which has {u.shape}: let it give one "
                    "number for each number of u"
                )


def refuse_update(loss: float, vectors: tuple[Array, ...], step: int) -> None:
    """Raise Divergence if a step by a gradient that was summed of finite parts is not finite."""
    if not np.isfinite(loss) or not all(np.isfinite(vector).all() for vector in vectors):
        raise Divergence(
            f"training diverged at step {step}: the update is not finite: lower the learning rate, clip the gradient, "
            f"or look for huge values in the inputs",
            step=step,
        )


def batch_weight(Y: Array, weight: Array | None) -> float:
    """The sum of the weights of a batch, of its examples where they have none."""
    return float(len(Y) if weight is None else weight.sum(dtype=np.float64))


def batches(order: Array, size: int) -> list[Array]:
    """Cut the rows into batches of `size`; the last may be shorter.

    >>> batches(np.arange(5), 2)
    [array([0, 1]), array([2, 3]), array([4])]
    """
    return [order[start : start + size] for start in range(0, len(order), size)]


def refuse_non_finite(trace: Trace, grad: Gradients, updated: tuple[Array, ...], step: int) -> None:
    """Raise Divergence naming the first quantity of this step that is not finite.

    The gradient is looked at before clipping, which makes infinity small; `updated` is theta and the optimizer's state
    (an infinite mean square would make every later step 0).
    """
    if np.isfinite(grad.loss) and all(np.isfinite(vector).all() for vector in (grad.theta, *updated)):
        return
    name = trace.first_non_finite()
    if name is None and not np.isfinite(grad.loss):
        name = "the loss"
    if name is None:
        name = next((f"grad.{slot}" for slot, g in grad.flat.items() if not np.isfinite(g).all()), "the update")
    digits = "".join(c for c in name if c.isdigit())
    raise Divergence(
        f"training diverged at step {step}: {name} is not finite: lower the learning rate, clip the gradient, "
        f"or look for huge values in the inputs",
        step=step,
        layer=int(digits) if digits else None,
    )
