"""What some rows add to a step, and how such parts become one: with the same bits whoever computed them, and when.

A step over S logical shards is a sum of S parts.  They are added by one binary tree over the shards' numbers, never in
the order in which they come; so the sum is a function of the shards alone.  A shard that has no rows in a step leaves
its place in the tree empty.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray
Node = tuple[int, int]  # shards first … last − 1


@dataclass(frozen=True)
class Partial:
    """What some rows add to a step; each has its share w_i / Σ w of the whole step's weight, so parts add up to C.

    grad : (parameters,) to ∂C/∂theta, without L2.  loss : to C, without L2.  rows : how many.
    mean, variance : by layer, batch norm's moments (n_l,) of these rows, variance biased; None elsewhere.
    shards, square : how many shards it is of, and the mean over them, by weight, of the squared length of each one's
    own mean gradient; from these comes the gradient noise scale.
    """

    grad: Array
    loss: float
    rows: int
    mean: list[Any]
    variance: list[Any]
    shards: int = 1
    square: float = 0.0

    def plus(self, other: "Partial") -> "Partial":
        """Both together.  Source of the moments: Chan, Golub & LeVeque 1979."""
        rows = self.rows + other.rows
        mean, variance = list(self.mean), list(self.variance)
        for l, here in enumerate(self.mean):
            if here is not None:
                ours, theirs = self.rows / rows, other.rows / rows
                apart = other.mean[l].astype(np.float64) - here
                mean[l] = here + theirs * apart
                variance[l] = ours * self.variance[l].astype(np.float64) + theirs * other.variance[l] + (
                    ours * theirs * apart**2
                )  # fmt: skip
        shards, square = self.shards + other.shards, self.square + other.square
        return Partial(self.grad + other.grad, self.loss + other.loss, rows, mean, variance, shards, square)


def branches(node: Node) -> tuple[Node, Node]:
    """The two halves of a node of more than one shard.

    >>> branches((0, 5))
    ((0, 2), (2, 5))
    """
    first, last = node
    middle = (first + last) // 2
    return (first, middle), (middle, last)


def nodes_within(part: Node, node: Node) -> list[Node]:
    """The largest nodes of the tree under `node` that lie within some shards in a row: what one worker may add up.

    >>> nodes_within((1, 4), (0, 8)), nodes_within((4, 8), (0, 8))
    ([(1, 2), (2, 4)], [(4, 8)])
    """
    if part[0] <= node[0] and node[1] <= part[1]:
        return [node]
    if node[1] <= part[0] or part[1] <= node[0]:
        return []
    left, right = branches(node)
    return nodes_within(part, left) + nodes_within(part, right)


def tree_sum(part: Callable[[Node], Partial | None], node: Node) -> Partial | None:
    """The sum of the parts under a node, in the tree's order; None where there are none.

    part : gives what there is of a node, None where the node is not there as a whole.
    """
    found = part(node)
    if found is not None or node[1] - node[0] == 1:
        return found
    left, right = (tree_sum(part, branch) for branch in branches(node))
    if left is None or right is None:
        return right if left is None else left
    return left.plus(right)
