"""What a memory limit costs: which activations are kept, which are computed again and how often, and the operations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backlit.core.network import Network
from backlit.costs.ledger import Ledger
from backlit.costs.memory import Memory


@dataclass(frozen=True)
class Checkpointing:
    """The plan under `memory_limit` bytes.

    forwards : (L,) how often a step computes each layer forward; 1 where what the backward pass reads is kept.
    peak : bytes of the step under this plan.  extra_operations, extra_products : beyond those of a step that keeps all,
    from the ledger; products are part of operations.
    """

    memory_limit: int
    peak: int
    forwards: tuple[int, ...]
    extra_operations: int
    extra_products: int

    @property
    def kept(self) -> list[int]:
        """The layers that are computed once."""
        return [l for l, count in enumerate(self.forwards, start=1) if count == 1]

    @property
    def recomputed(self) -> dict[int, int]:
        """The others, and how often they are computed again."""
        return {l: count - 1 for l, count in enumerate(self.forwards, start=1) if count > 1}

    def to_dict(self) -> dict[str, Any]:
        """The plan in plain names and numbers."""
        return {
            "memory_limit": self.memory_limit,
            "peak": self.peak,
            "kept": self.kept,
            "recomputed": {str(l): count for l, count in self.recomputed.items()},
            "extra_flops": self.extra_operations,
            "extra_matmul_flops": self.extra_products,
        }


def checkpointing(net: Network, ledger: Ledger, memory: Memory, limit: int) -> Checkpointing:
    """Say what a plan under a limit does."""
    extra, products = extra_forward(net, ledger, memory.forwards)
    return Checkpointing(limit, memory.peak, memory.forwards, extra, products)


def extra_forward(net: Network, ledger: Ledger, forwards: Sequence[int]) -> tuple[int, int]:
    """(operations, those in products) of all forward passes of a layer after its first; the cost C is computed once."""
    layers = [entry for entry in ledger.entries if entry.phase == "forward" and entry.equation not in ("C1", "L2")]
    again = [(forwards[entry.layer - 1] - 1, entry) for entry in layers]
    return sum(k * e.operations for k, e in again), sum(k * e.matmul for k, e in again)


def ranges(numbers: Sequence[int]) -> str:
    """Numbers as ranges.

    >>> ranges([1, 2, 3, 7, 9, 10])
    '1-3, 7, 9-10'
    """
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][-1] == number - 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ", ".join("-".join(map(str, part)) for part in parts)
