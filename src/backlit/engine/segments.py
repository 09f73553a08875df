"""A network as a chain of links, each computed from the link before it: what checkpointing decides about.

A link is one layer, or, where skips reach over layers, the stretch that they reach over: inside it no cut can be made,
for a cut must leave one activation from which everything above can be computed.  The source of a skip may instead be
kept for the whole step; then the skip holds no stretch together.
"""

from dataclasses import dataclass
from typing import Any

from backlit.core.network import Dense, Network

ALIGNMENT = 64  # bytes: a cache line, and the widest vector
SAME_SLOPE = ("identity", "relu", "leaky_relu", "hard_tanh")  # φ'(a) = φ'(u), so u and a may share a buffer


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


@dataclass(frozen=True)
class Sizes:
    """Bytes of one layer's a, and of all that its backward pass reads of it (a among it)."""

    a: int
    full: int


def aligned(count: int) -> int:
    """Bytes up to the alignment."""
    return -(-count // ALIGNMENT) * ALIGNMENT


def same_slope(layer: Dense) -> bool:
    """Whether φ' at a is φ' at u."""
    alpha = layer.activation.parameters.get("alpha", 0.0)
    return layer.activation.name in SAME_SLOPE and alpha >= 0


def one_buffer(net: Network, l: int) -> bool:
    """Whether the backward pass of layer l needs no more than a, so that z and δ may take a's place."""
    layer = net.layer(l)
    plain = not (layer.norm or layer.dropout or layer.skip_from is not None)
    return plain and (same_slope(layer) or (l == net.L and net.has_short_form))


def sizes_of(net: Network, l: int, m: int, dtype: Any) -> Sizes:
    """Bytes of layer l for m rows; the mask of dropout takes a byte a unit."""
    layer = net.layer(l)
    a = aligned(m * layer.units * dtype.itemsize)
    z = 0 if one_buffer(net, l) else a
    return Sizes(a, a + z + (aligned(m * layer.units) if layer.dropout else 0))


def spans(net: Network) -> dict[int, int]:
    """For each layer that is skipped from, the highest that skips from it; not the input, which is always there."""
    return {layer.skip_from: l for l, layer in net.numbered() if layer.skip_from}


def chain(net: Network, m: int, dtype: Any, kept: frozenset[int] = frozenset()) -> list[Link]:
    """The links of a network for batches of m rows; the a of layers in `kept` has a place outside.

    >>> import numpy as np
    >>> net = Network(4, [Dense(4, "relu"), Dense(4, "relu"), Dense(4, "relu", skip_from=1), Dense(2)])
    >>> [(link.first, link.last) for link in chain(net, 8, np.dtype("f4"))]
    [(1, 1), (2, 3), (4, 4)]
    """
    inside = {c for k, l in spans(net).items() if k not in kept for c in range(k + 1, l)}
    ends = [l for l in range(1, net.L + 1) if l not in inside]
    starts = [1, *(end + 1 for end in ends[:-1])]
    return [link(net, first, last, m, dtype, kept) for first, last in zip(starts, ends, strict=True)]


def link(net: Network, first: int, last: int, m: int, dtype: Any, kept: frozenset[int]) -> Link:
    """Layers first … last in one."""
    cost = work = full = out = 0
    for l in range(first, last + 1):
        size, n, n_in = sizes_of(net, l, m, dtype), net.n[l], net.n[l - 1]
        out = 0 if l in kept else size.a
        cost += 2 * m * n * n_in + m * n
        work += out
        full += size.full - (size.a - out)
    return Link(first, last, cost, out, work, full)
