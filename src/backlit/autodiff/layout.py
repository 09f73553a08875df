"""Place a directed graph in layers from left to right: each node right of everything it was made from.

Sugiyama's steps, each in a function: columns by depth, waypoints where an edge passes a column, an order in each
column with few crossings, rows near the neighbors' mean.
Source: Sugiyama, Tagawa & Toda 1981; the rows are least squares with gaps of at least 1 (pool adjacent violators).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

Edge = tuple[int, int]
Place = tuple[int, float]  # column, row


def layered(n: int, edges: Sequence[Edge]) -> tuple[list[Place], dict[Edge, list[Place]]]:
    """Place nodes 0…n-1, whose edges (from, to) go from a lower to a higher number; node n-1 is the output.

    Returns each node's column and row, and for each edge the places it passes, its ends included.  Rows start at 0 and
    are at least 1 apart in a column.

    >>> layered(3, [(0, 2), (1, 2)])[0]
    [(0, 0.0), (0, 1.0), (1, 0.5)]
    """
    columns = depths(n, edges)
    paths, short = waypoints(columns, edges)
    layers = few_crossings(columns, short, first_order(len(columns), short))
    rows = near_neighbors(layers, short)
    top = min(rows.values(), default=0.0)
    place = [(column, rows[i] - top) for i, column in enumerate(columns)]
    return place[:n], {edge: [place[i] for i in path] for edge, path in paths.items()}


def depths(n: int, edges: Sequence[Edge]) -> list[int]:
    """The longest way to each node; then inputs move right, next to their first use."""
    depth = [0] * n
    for a, b in sorted(edges, key=lambda edge: edge[1]):
        depth[b] = max(depth[b], depth[a] + 1)
    made = {b for _, b in edges}
    for i in range(n):
        uses = [depth[b] for a, b in edges if a == i]
        if i not in made and uses:
            depth[i] = min(uses) - 1
    return depth


def waypoints(columns: list[int], edges: Sequence[Edge]) -> tuple[dict[Edge, list[int]], list[Edge]]:
    """Cut long edges into steps of one column, through new nodes that reserve the room (added to `columns`)."""
    paths, short = {}, []
    for a, b in dict.fromkeys(edges):
        path = [a, *range(len(columns), len(columns) + columns[b] - columns[a] - 1), b]
        columns.extend(range(columns[a] + 1, columns[b]))
        paths[a, b] = path
        short += list(pairwise(path))
    return paths, short


def neighbors(edges: Sequence[Edge], forward: bool) -> dict[int, list[int]]:
    """For each node the nodes one column further (forward) or before."""
    found: dict[int, list[int]] = {}
    for a, b in edges:
        found.setdefault(a if forward else b, []).append(b if forward else a)
    return found


def first_order(n: int, edges: Sequence[Edge]) -> list[int]:
    """Depth first from the outputs back: for a tree this order has no crossings."""
    before, after = neighbors(edges, forward=False), neighbors(edges, forward=True)
    order: dict[int, None] = {}
    stack = [i for i in range(n) if i not in after]
    while stack:
        i = stack.pop()
        if i not in order:
            order[i] = None
            stack.extend(reversed(before.get(i, [])))
    return list(order)


def few_crossings(columns: list[int], edges: Sequence[Edge], order: list[int]) -> list[list[int]]:
    """Sort each column by the mean place of its neighbors, back and forth; keep the best order seen."""
    layers = [[i for i in order if columns[i] == column] for column in range(max(columns) + 1)]
    best, fewest = layers, crossings(layers, edges)
    for sweep in range(8):
        forward = bool(sweep % 2)
        near = neighbors(edges, forward=not forward)
        place = {i: float(k) for layer in layers for k, i in enumerate(layer)}
        new = []
        for layer in layers if forward else reversed(layers):
            layer = sorted(layer, key=lambda i: fmean(place[j] for j in near[i]) if i in near else place[i])
            place |= {i: float(k) for k, i in enumerate(layer)}
            new.append(layer)
        layers = new if forward else new[::-1]
        if crossings(layers, edges) < fewest:
            best, fewest = layers, crossings(layers, edges)
    return best


def crossings(layers: list[list[int]], edges: Sequence[Edge]) -> int:
    """How many pairs of edges cross."""
    where = {i: (column, k) for column, layer in enumerate(layers) for k, i in enumerate(layer)}
    ends = sorted((*where[a], where[b][1]) for a, b in edges)
    return sum(p[0] == q[0] and p[1] < q[1] and p[2] > q[2] for i, p in enumerate(ends) for q in ends[i + 1 :])


def near_neighbors(layers: list[list[int]], edges: Sequence[Edge]) -> dict[int, float]:
    """Rows near the mean of the neighbors' rows, in the order given."""
    before, after = neighbors(edges, forward=False), neighbors(edges, forward=True)
    rows = {i: k - (len(layer) - 1) / 2 for layer in layers for k, i in enumerate(layer)}
    for _ in range(40):
        for layer in (*layers, *reversed(layers)):
            wanted = [fmean(rows[j] for j in before.get(i, []) + after.get(i, []) or [i]) for i in layer]
            rows |= dict(zip(layer, apart(wanted), strict=True))
    for layer in layers:  # at last by what comes before alone: a chain runs level
        wanted = [fmean(rows[j] for j in before.get(i, [i])) for i in layer]
        rows |= dict(zip(layer, apart(wanted), strict=True))
    return rows


def apart(wanted: Sequence[float]) -> list[float]:
    """The numbers nearest to `wanted` (in squares) of which each is at least 1 above the one before.

    >>> apart([0.0, 0.0, 5.0])
    [-0.5, 0.5, 5.0]
    """
    blocks: list[list[float]] = []  # means of (wanted − index) must not decrease: merge blocks until they don't
    for i, x in enumerate(wanted):
        blocks.append([x - i])
        while len(blocks) > 1 and fmean(blocks[-2]) > fmean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    fitted = [fmean(block) for block in blocks for _ in block]
    return [x + i for i, x in enumerate(fitted)]
