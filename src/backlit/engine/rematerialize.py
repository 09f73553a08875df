"""Which activations to keep and which to compute again, so that a network's peak fits a limit at the fewest operations.

A network is a chain of links, each computed from the link before it.  A link is one layer, or, where skips reach over
layers, the stretch that they reach over: inside it no cut can be made, for a cut must leave one activation from which
everything above can be computed.  The source of a skip may instead be kept for the whole step; then the skip holds no
stretch together.

The order is found by dynamic programming over stretches s … t of the chain, as in Beaumont, Herrmann, Pallez & Shilova
(2019), "Optimal checkpointing for heterogeneous chains".  A stretch with its input at hand is done like this: compute
forward up to some link c, keeping nothing but c (its a alone, or in full); do c+1 … t, backward pass included; then do
s … c.

    F(s, t) = min over c of  Σ_{s…c} cost  +  F(c+1, t) with c's bytes fewer  +  F(s, c)

Where c was kept in full its forward pass is not done again: G(s, c) is a stretch whose last link is at hand.  What is
kept lies on a stack: it goes when the stretch that it served is done.  Among all such orders the result is optimal, in
units of the grid on which bytes are counted (exact where all sizes are multiples of one number, as with equal widths).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from backlit.core.network import Network
from backlit.engine.plan import sizes_of

Array = np.ndarray
GRID_NUMBERS = 8_000_000  # numbers that a table may have, which bounds the memory of planning

# --- the chain --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Link:
    """Layers first … last.

    cost : operations of their products and biases forward.  out : bytes of the last one's a, all that a checkpoint
    needs.  work : bytes while they are computed and not kept.  full : bytes that their backward pass reads.
    """

    first: int
    last: int
    cost: int
    out: int
    work: int
    full: int


def spans(net: Network) -> dict[int, int]:
    """For each layer that is skipped from, the highest that skips from it; not the input, which is always there."""
    return {layer.skip_from: l for l, layer in net.numbered() if layer.skip_from}


def chain(net: Network, m: int, dtype: Any, kept: frozenset[int] = frozenset()) -> list[Link]:
    """The links of a network for batches of m rows; the a of layers in `kept` has a place outside.

    >>> from backlit.core.network import Dense
    >>> net = Network(4, [Dense(4, "relu"), Dense(4, "relu"), Dense(4, "relu", skip_from=1), Dense(2)])
    >>> [(link.first, link.last) for link in chain(net, 8, np.dtype("f4"))]
    [(1, 1), (2, 3), (4, 4)]
    """
    inside = {c for k, l in spans(net).items() if k not in kept for c in range(k + 1, l)}
    ends = [l for l in range(1, net.L + 1) if l not in inside]
    starts = [1, *(end + 1 for end in ends[:-1])]
    return [joined(net, first, last, m, dtype, kept) for first, last in zip(starts, ends, strict=True)]


def joined(net: Network, first: int, last: int, m: int, dtype: Any, kept: frozenset[int]) -> Link:
    """Layers first … last in one."""
    cost = work = full = out = 0
    for l in range(first, last + 1):
        size, n, n_in = sizes_of(net, l, m, dtype), net.n[l], net.n[l - 1]
        out = 0 if l in kept else size.a
        cost += 2 * m * n * n_in + m * n
        work += out
        full += size.full - (size.a - out)
    return Link(first, last, cost, out, work, full)


# --- the order --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Forward:
    """Compute links first … last; `full`: keep the last for its backward pass, else its a alone.

    base : bytes on the stack below.  Links before the last are not kept.
    """

    first: int
    last: int
    full: bool
    base: int


@dataclass(frozen=True)
class Backward:
    """Link `link` backward: it and the a below it are in place."""

    link: int


@dataclass(frozen=True)
class Order:
    """What is done in which order, the operations of all forward passes in it, and the peak of the stack in bytes."""

    actions: tuple[Forward | Backward, ...]
    cost: int
    peak: int


@lru_cache(maxsize=64)
def best_order(links: tuple[Link, ...], limit: int) -> Order | None:
    """The order of least cost whose stack fits `limit` bytes; None where none does.

    >>> links = tuple(Link(l, l, cost=100, out=64, work=64, full=64) for l in range(1, 10))
    >>> [best_order(links, 64 * units).cost // 100 for units in (9, 5, 3)]
    [9, 13, 19]
    """
    if limit < 0:
        return None
    if limit >= sum(link.full for link in links):
        return follow(links, Everything(len(links)), limit)
    table = Table(links, limit)
    if math.isfinite(table.best):
        return follow(links, table, limit)
    smallest = Smallest(links)
    return follow(links, smallest, limit) if smallest.bytes <= limit else None


def smallest_peak(links: Sequence[Link]) -> int:
    """The least bytes that any order needs."""
    return Smallest(links).bytes


class Everything:
    """Keep all."""

    def __init__(self, n: int):
        self.n = n

    def choose(self, s: int, t: int, at_hand: bool, room: int) -> tuple[int, bool]:
        """Keep the first in full."""
        return s, True


def peaks(links: Sequence[Link], s: int, full: bool) -> Array:
    """Bytes at once while links s … c are computed, for c = s … n−1."""
    steps = [link.work for link in links[s:]]
    last = np.array([link.full if full else link.work for link in links[s:]], dtype=np.int64)
    below = np.array([0, *(link.out for link in links[s:-1])], dtype=np.int64)
    passing = np.maximum.accumulate(np.array([0, *(below + steps)[:-1]], dtype=np.int64))
    return np.maximum(passing, below + last)


class Table:
    """Least cost of each stretch for each number of units of memory."""

    def __init__(self, links: Sequence[Link], limit: int):
        self.links, n = links, len(links)
        self.unit = grid(links, limit)
        self.units = limit // self.unit
        self.sums = np.concatenate([[0], np.cumsum([link.cost for link in links])]).astype(float)
        self.out, self.full = ([-(-getattr(link, name) // self.unit) for link in links] for name in ("out", "full"))
        width = self.units + 1
        # above[kept][at_hand][t][s]: stretch s … t with link s−1 kept below it.
        # below[kept][s][c − s]: the way from s to c, and later s … c.
        self.above = [[[np.full((t + 1, width), np.inf) for t in range(n)] for _ in range(2)] for _ in range(2)]
        self.below = [[np.full((n - s, width), np.inf) for s in range(n)] for _ in range(2)]
        self.needs = [[-(-peaks(links, s, bool(kept)) // self.unit) for s in range(n)] for kept in range(2)]
        self.best = math.inf
        for length in range(n):
            for s in range(n - length):
                self.fill(s, s + length)

    def fill(self, s: int, t: int) -> None:
        """Stretch s … t from shorter ones."""
        for at_hand in (0, 1):
            cost = self.single(s, at_hand) if s == t else self.candidates(s, t, at_hand).min(axis=(0, 1))
            if s > 0:
                for kept, size in enumerate((self.out[s - 1], self.full[s - 1])):
                    self.above[kept][at_hand][t][s] = shifted(cost, size)
            if s == 0 and t == len(self.links) - 1 and not at_hand:
                self.best = float(cost[-1])
            after = shifted(cost, self.full[t]) if at_hand else cost
            way = self.sums[t + 1] - self.sums[s] + after
            way[: self.needs[at_hand][s][t - s]] = np.inf
            self.below[at_hand][s][t - s] = way

    def single(self, s: int, at_hand: int) -> Array:
        """One link: forward in full, unless it is at hand; then backward."""
        cost = np.zeros(self.units + 1)
        if not at_hand:
            cost += self.links[s].cost
            cost[: self.full[s]] = np.inf
        return cost

    def candidates(self, s: int, t: int, at_hand: int) -> Array:
        """Costs (2, t − s, units + 1): keep c's a or all of it, for c = s … t−1."""
        return np.stack(
            [self.above[kept][at_hand][t][s + 1 : t + 1] + self.below[kept][s][: t - s] for kept in range(2)]
        )

    def choose(self, s: int, t: int, at_hand: bool, room: int) -> tuple[int, bool]:
        """The best c of stretch s … t in `room` bytes, and whether it is kept in full."""
        costs = self.candidates(s, t, int(at_hand))[:, :, room // self.unit]
        kept, c = divmod(int(costs.argmin()), t - s)
        return s + c, bool(kept)


def grid(links: Sequence[Link], limit: int) -> int:
    """Bytes of a unit: what divides all sizes, or where that is too fine what the table has room for."""
    common = math.gcd(*(size for link in links for size in (link.out, link.work, link.full)))
    finest = -(-limit // max(16, GRID_NUMBERS // (3 * len(links) ** 2)))
    return common * max(1, -(-finest // common))


def shifted(cost: Array, units: int) -> Array:
    """The cost where `units` of the memory are taken."""
    if units == 0:
        return cost.copy()
    return np.concatenate([np.full(min(units, len(cost)), np.inf), cost[: max(0, len(cost) - units)]])


class Smallest:
    """The order of least peak, in bytes, and among those the cheapest."""

    def __init__(self, links: Sequence[Link]):
        self.links, n = links, len(links)
        self.out, self.full = (np.array([getattr(link, name) for link in links]) for name in ("out", "full"))
        self.sums = np.concatenate([[0], np.cumsum([link.cost for link in links])]).astype(float)
        self.peak, self.cost = np.zeros((2, n, n), np.int64), np.zeros((2, n, n))
        self.choice = np.zeros((2, n, n), np.int64)
        self.needs = [[peaks(links, s, bool(kept)) for s in range(n)] for kept in range(2)]
        for length in range(n):
            for s in range(n - length):
                for at_hand in (0, 1):
                    self.fill(s, s + length, at_hand)
        self.bytes = int(self.peak[0, 0, n - 1])

    def fill(self, s: int, t: int, at_hand: int) -> None:
        """Stretch s … t from shorter ones."""
        if s == t:
            self.peak[at_hand, s, t] = 0 if at_hand else self.full[s]
            self.cost[at_hand, s, t] = 0 if at_hand else self.links[s].cost
            return
        found = []
        for kept, size in enumerate((self.out[s:t], self.full[s:t])):
            later = self.peak[kept, s, s:t] + size * kept
            above = size + self.peak[at_hand, s + 1 : t + 1, t]
            peak = np.maximum(np.maximum(self.needs[kept][s][: t - s], above), later)
            way = self.sums[s + 1 : t + 1] - self.sums[s]
            found.append((peak, way + self.cost[at_hand, s + 1 : t + 1, t] + self.cost[kept, s, s:t]))
        peak, cost = (np.concatenate([one[i] for one in found]) for i in range(2))
        best = int(np.lexsort((cost, peak))[0])
        self.peak[at_hand, s, t], self.cost[at_hand, s, t], self.choice[at_hand, s, t] = peak[best], cost[best], best

    def choose(self, s: int, t: int, at_hand: bool, room: int) -> tuple[int, bool]:
        """The best c, and whether it is kept in full."""
        kept, c = divmod(int(self.choice[int(at_hand), s, t]), t - s)
        return s + c, bool(kept)


def follow(links: Sequence[Link], table: Everything | Table | Smallest, limit: int) -> Order:
    """Write out the order that a table's choices give."""
    actions = tuple(walk(links, table, limit))
    sweeps = [action for action in actions if isinstance(action, Forward)]
    cost = sum(link.cost for sweep in sweeps for link in links[sweep.first : sweep.last + 1])
    tops = [sweep.base + peaks(links, sweep.first, sweep.full)[sweep.last - sweep.first] for sweep in sweeps]
    return Order(actions, cost, int(max(tops)))


def walk(links: Sequence[Link], table: Everything | Table | Smallest, limit: int) -> Iterator[Forward | Backward]:
    """The actions, from stretches that are yet to be done: (s, t, whether t is at hand, bytes on the stack below)."""
    waiting = [(0, len(links) - 1, False, 0)]
    while waiting:
        s, t, at_hand, base = waiting.pop()
        if s == t:
            if not at_hand:
                yield Forward(s, s, True, base)
            yield Backward(s)
            continue
        c, full = table.choose(s, t, at_hand, limit - base)
        yield Forward(s, c, full, base)
        size = links[c].full if full else links[c].out
        waiting.append((s, c, full, base + size if full else base))
        waiting.append((c + 1, t, at_hand, base + size))
