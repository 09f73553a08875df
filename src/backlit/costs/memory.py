"""What a step takes: bytes, buffer by buffer, from the plan by which the native engine allocates its one workspace.

Also bytes as people write them, and what a limit on memory costs in operations."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlit.core.network import Network
from backlit.costs.ledger import Ledger
from backlit.engine import TrainConfig, native_engine
from backlit.engine.memory_limit import within
from backlit.engine.native import extension
from backlit.engine.plan import Buffer, Plan, make_plan
from backlit.errors import ProblemError
from backlit.registry import positive_integer

UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def read_bytes(value: Any, what: str = "memory_limit") -> int:
    """A number of bytes, or text such as "64MB" (10⁶) or "64 MiB" (2²⁰).

    Raises ProblemError if it is neither, or below 1.

    >>> read_bytes("64MB"), read_bytes("1.5 KiB"), read_bytes(100)
    (64000000, 1536, 100)
    """
    if not isinstance(value, str):
        return positive_integer(value, what)
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]*)?)\s*([KMG]?I?B?)\s*", value.upper())
    unit = found and (found[2] if found[2].endswith("B") or not found[2] else found[2] + "B")
    if found is None or unit not in UNITS:
        raise ProblemError(f"{what} takes bytes, such as 64MB, 2GiB or 1000000, not {value!r}")
    return positive_integer(int(float(found[1]) * UNITS[unit]), what)


def amount(value: float) -> str:
    """A count with a unit.

    >>> amount(12_300_000)
    '12.3 M'
    """
    for unit in ("", " k", " M", " G", " T"):
        if value < 1000:
            return f"{value:.4g}{unit}"
        value /= 1000
    return f"{value:.4g} P"


def size(value: float) -> str:
    """Bytes with a unit.

    >>> size(1536)
    '1.5 KiB'
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.4g} {unit}"
        value /= 1024
    return f"{value:.4g} TiB"


# --- bytes of a step --------------------------------------------------------------------------------------------------

CACHED = ("a", "z", "kept", "moments", "pool")  # what the backward pass reads of the forward pass


@dataclass(frozen=True)
class Memory:
    """Bytes of a step; `peak` is their sum, all of it in place before the first step.

    activations : kept from the forward for the backward pass, O(Σ n_l) an example.  workspace : δ and ∂ℓ/∂a where they
    need a place of their own, packed weights and panels, alignment.
    """

    parameters: int
    gradients: int
    optimizer: int
    activations: int
    workspace: int
    buffers: tuple[Buffer, ...]
    forwards: tuple[int, ...] = ()  # how often a step computes each layer forward: more than once under a limit

    @property
    def peak(self) -> int:
        """Everything together."""
        return self.parameters + self.gradients + self.optimizer + self.activations + self.workspace

    @property
    def pooled(self) -> bool:
        """Whether layers take turns in one pool, under a memory limit."""
        return any(buffer.name == "pool" for buffer in self.buffers)

    def to_dict(self) -> dict[str, int]:
        """The numbers by name."""
        names = ("parameters", "gradients", "optimizer", "activations", "workspace", "peak")
        return {name: getattr(self, name) for name in names}


def plan_for(recipe: TrainConfig, dtype: Any) -> Plan:
    """The native engine's own plan on this machine; where it was not built, that of one thread.

    Raises ProblemError if the recipe has a memory limit that cannot be met.
    """
    dtype = np.dtype(dtype)
    if extension() is not None:
        return native_engine(recipe).plan(recipe.batch_size, dtype)
    plain = make_plan(recipe.net, recipe.batch_size, dtype)
    return plain if recipe.memory_limit is None else within(recipe, plain, plain)


def memory(recipe: TrainConfig, dtype: Any) -> Memory:
    """Count the bytes of a training step, with the threads that training would use."""
    plan = plan_for(recipe, dtype)
    parameters = recipe.net.n_parameters * plan.dtype.itemsize
    gradients = sum(b.bytes for b in plan.buffers if b.name in ("gradient", "block"))
    activations = sum(b.bytes for b in plan.buffers if b.name.split("[")[0] in CACHED)
    slots = len(recipe.optimizer.slots) * parameters
    rest = plan.bytes - gradients - activations
    return Memory(parameters, gradients, slots, activations, rest, plan.buffers, plan.forwards)


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
