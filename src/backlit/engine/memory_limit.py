"""The native engine under a memory limit: its plan has what is in place all the time, and a pool for the rest.

In the pool the layers take turns.

First the packed copies of W go, which only save time, as many as must; then what the backward pass reads is computed
again, as little as will do.  Every number comes out as without a limit, to the bit: a layer is computed again by the
same operations, its dropout mask is a function of seed, step and layer, and batch norm's running moments are updated
once, after the step.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from backlit.core.network import Network
from backlit.engine.base import TrainConfig
from backlit.engine.native import NativeEngine
from backlit.engine.plan import Buffer, Plan, Step, aligned, one_buffer, sizes_of
from backlit.engine.rematerialize import Backward, Forward, Link, Order, best_order, chain, peaks, smallest_peak, spans
from backlit.errors import ProblemError


def under_limit(plain: Plan, limit: int, *, train: bool = True) -> Plan:
    """The plan of fewest operations whose workspace is at most `limit` bytes: `plain` itself where it fits.

    train : as `plain` was made.  Raises LimitError where no order of the steps fits.
    """
    if plain.bytes <= limit:
        return plain
    found = [Pooled(plain, kept, train) for kept in choices(plain.net)]
    orders = [(pooled, pooled.order(limit - pooled.bytes)) for pooled in found]
    fitting = [(order.cost, i) for i, (_, order) in enumerate(orders) if order is not None]
    if not fitting:
        raise LimitError(limit, min(pooled.bytes + pooled.smallest() for pooled in found))
    pooled, order = orders[min(fitting)[1]]
    assert order is not None
    return pooled.plan(order, limit)


class LimitError(ProblemError):
    """A memory limit that no order meets; `smallest` is the least workspace that would do, in bytes."""

    def __init__(self, limit: int, smallest: int):
        super().__init__(f"the workspace needs at least {smallest} bytes, and {limit} are allowed")
        self.limit, self.smallest = limit, smallest


def choices(net: Network) -> list[frozenset[int]]:
    """Sets of skip sources to keep all the time: for each number, those that reach over more layers than that."""
    reach = {k: l - k for k, l in spans(net).items()}
    numbers = sorted({1, *reach.values()}, reverse=True)
    return [frozenset(k for k, span in reach.items() if span > number) for number in numbers]


class Pooled:
    """The buffers outside the pool, for a choice of skip sources that are kept, and the links that take turns in it."""

    def __init__(self, plain: Plan, kept: frozenset[int], train: bool):
        self.plain, self.kept, self.train = plain, kept, train
        self.net, self.m = plain.net, plain.m
        self.links = tuple(chain(self.net, self.m, plain.dtype, kept))
        self.names: dict[str, str] = {}
        self.buffers: list[Buffer] = []
        for name, shape, dtype in self.outside():
            start = self.buffers[-1].stop if self.buffers else 0
            self.buffers.append(Buffer(name, shape, np.dtype(dtype), start))
        self.bytes = self.buffers[-1].stop

    def outside(self) -> Iterator[tuple[str, tuple[int, ...], Any]]:
        """(name, shape, dtype) of what has a place of its own: no packed W, and no more than one mask at a time."""
        dtype, net, m = self.plain.dtype, self.net, self.m
        always = ["a[0]", "moments", "norm_sums", "share", "losses", "gradient", "scratch_u", "panel"]
        if not self.train:
            always.append("scratch_g")
        for buffer in self.plain.buffers:
            if buffer.name in always or buffer.name.split("[")[0] in always:
                yield buffer.name, buffer.shape, buffer.dtype
        yield from ((f"a[{k}]", (m, net.n[k]), dtype) for k in sorted(self.kept))
        dropping = [layer.units for layer in net.layers if layer.dropout]
        if dropping and self.train:
            yield "passing_mask", (m, max(dropping)), np.uint8
        if self.train:
            yield from self.gradients()

    def gradients(self) -> Iterator[tuple[str, tuple[int, ...], Any]]:
        """Places of ∂C/∂a: one goes down with the pass; a skip source takes a lane from its highest skip on."""
        net, m = self.net, self.m
        plain = [l for l in range(1, net.L + 1) if l not in net.skip_sources]
        self.names |= {f"grad_a[{l}]": "flow" for l in plain}
        if plain:
            yield "flow", (m, max(net.n[l] for l in plain)), self.plain.dtype
        lanes: list[tuple[int, int]] = []  # of each lane: the layer down to which it is taken, and its width
        for k, highest in sorted(spans(net).items(), key=lambda pair: -pair[1]):
            free = next((i for i, (until, _) in enumerate(lanes) if until > highest), len(lanes))
            width = max(net.n[k], lanes[free][1] if free < len(lanes) else 0)
            lanes[free : free + 1] = [(k, width)]
            self.names[f"grad_a[{k}]"] = f"lane[{free}]"
        yield from ((f"lane[{i}]", (m, width), self.plain.dtype) for i, (_, width) in enumerate(lanes))

    def order(self, room: int) -> Order | None:
        """What to do in which order where the pool has `room` bytes."""
        if self.train:
            return best_order(self.links, room)
        once = self.once()
        return once if once.peak <= room else None

    def once(self) -> Order:
        """All links forward, for a prediction."""
        last = len(self.links) - 1
        return Order((Forward(0, last, False, 0),), 0, int(peaks(self.links, 0, False)[last]))

    def smallest(self) -> int:
        """The least bytes that the pool can have."""
        return smallest_peak(self.links) if self.train else self.once().peak

    def plan(self, order: Order, limit: int) -> Plan:
        """The whole plan: the buffers, the pool behind them, the steps, and as many packed W as there is room for."""
        buffers = [*self.buffers, Buffer("pool", (order.peak,), np.dtype(np.uint8), self.bytes)]
        steps = tuple(self.steps(order, self.bytes, self.bytes + order.peak))
        for buffer in self.plain.buffers:
            moved = replace(buffer, start=buffers[-1].stop)
            if buffer.name.startswith("packed") and moved.stop <= limit:
                buffers.append(moved)
        return replace(self.plain, buffers=tuple(buffers), names=self.names, schedule=steps)

    def steps(self, order: Order, start: int, stop: int) -> Iterator[Step]:
        """Each layer's steps, with places in the pool from `start` to `stop`."""
        for action in order.actions:
            if isinstance(action, Backward):
                link = self.links[action.link]
                yield from (Step(l, back=True) for l in range(link.last, link.first - 1, -1))
                continue
            for i in range(action.first, action.last):
                low = (action.last - i) % 2 == 0  # neighbors lie at the two ends, so that they never meet
                yield from self.passing(self.links[i], start + action.base, stop, low)
            place = self.in_full if action.full else self.passing
            yield from place(self.links[action.last], start + action.base, stop, True)

    def passing(self, link: Link, start: int, stop: int, low: bool) -> Iterator[Step]:
        """A link that keeps its last a alone, at the low end or the high end of what is free."""
        a = start + link.out if low else stop - link.out
        for l in range(link.first, link.last + 1):
            size = sizes_of(self.net, l, self.m, self.plain.dtype).a
            if l in self.kept:
                at = self.start(f"a[{l}]")
            elif l == link.last:
                at = start if low else stop - link.out
            else:
                a, at = (a + size, a) if low else (a - size, a - size)
            yield Step(l, z=at, a=at, kept=self.start("passing_mask") if self.masked(l) else -1, passing=True)

    def in_full(self, link: Link, start: int, stop: int, low: bool) -> Iterator[Step]:
        """A link with all that its backward pass reads, from `start` on."""
        for l in range(link.first, link.last + 1):
            at, size = start, sizes_of(self.net, l, self.m, self.plain.dtype).a
            if l in self.kept:
                a = self.start(f"a[{l}]")
            else:
                a, at = at, at + size
            z, at = (a, at) if one_buffer(self.net, l) else (at, at + size)
            kept, at = (at, at + aligned(self.m * self.net.n[l])) if self.masked(l) else (-1, at)
            start = at
            yield Step(l, z=z, a=a, kept=kept)

    def masked(self, l: int) -> bool:
        """Whether dropout draws a mask for layer l."""
        return self.train and bool(self.net.layer(l).dropout)

    def start(self, name: str) -> int:
        """Where a buffer outside the pool lies."""
        return next(buffer.start for buffer in self.buffers if buffer.name == name)


# --- the engine ----------------------------------------------------------------------------------------------------


class LimitedEngine(NativeEngine):
    """The native engine in no more bytes than the recipe's `memory_limit`."""

    def at_once(self, n: int) -> int:
        """Rows of a prediction that are computed together: no more than a batch."""
        return min(super().at_once(n), self.recipe.batch_size)

    def plan(self, m: int, dtype: np.dtype, train: bool = True) -> Plan:
        """The plan for batches of m rows.

        Raises ProblemError where a training step does not fit the limit.  What is larger than a batch, and a
        prediction, take the least that they can where they do not fit.
        """
        whole = self.lay_out(m, dtype, train, fused=False)
        return within(self.recipe, super().plan(m, dtype, train), whole, train=train)

    def make(self, m: int, dtype: np.dtype, train: bool) -> tuple[Plan, Any]:
        """A plan and the C++ engine that follows it; any before is dropped, for two would be more than the limit."""
        self.made.clear()
        return super().make(m, dtype, train)


def within(recipe: TrainConfig, plain: Plan, whole: Plan, *, train: bool = True) -> Plan:
    """`plain` where it fits the limit, else what `under_limit` makes of `whole`, which holds its gradient."""
    limit, held = recipe.memory_limit or 0, held_bytes(recipe, plain.dtype)
    if plain.bytes + held <= limit:
        return plain
    try:
        return under_limit(whole, limit - held, train=train)
    except LimitError as error:
        smallest = min(error.smallest, plain.bytes)
        if train and plain.m <= recipe.batch_size:
            raise ProblemError(
                f"memory_limit {limit} is too small for batches of {plain.m}: the smallest possible is "
                f"{smallest + held} bytes: allow that many, or make the batches smaller"
            ) from None
        return plain if plain.bytes == smallest else under_limit(whole, smallest, train=train)


def held_bytes(recipe: TrainConfig, dtype: Any) -> int:
    """Bytes of theta and the optimizer's vectors, which lie outside the workspace."""
    return (1 + len(recipe.optimizer.slots)) * recipe.net.n_parameters * np.dtype(dtype).itemsize
