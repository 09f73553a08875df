"""Bytes of a training step, buffer by buffer, from the plan by which the native engine allocates its one workspace."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlit.core.network import Network
from backlit.engine import Recipe
from backlit.engine.native import NativeEngine, extension
from backlit.engine.plan import Buffer, Plan, make_plan
from backlit.optim import Optimizer

CACHED = ("a", "z", "kept", "moments")  # what the backward pass reads of the forward pass


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

    @property
    def peak(self) -> int:
        """Everything together."""
        return self.parameters + self.gradients + self.optimizer + self.activations + self.workspace

    def to_dict(self) -> dict[str, int]:
        """The numbers by name."""
        names = ("parameters", "gradients", "optimizer", "activations", "workspace", "peak")
        return {name: getattr(self, name) for name in names}


def plan_for(net: Network, m: int, dtype: Any, optimizer: Optimizer, n_threads: int | None) -> Plan:
    """The native engine's own plan on this machine; where it was not built, that of one thread."""
    if extension() is None:
        return make_plan(net, m, dtype)
    return NativeEngine(Recipe(net, optimizer, m, n_threads=n_threads)).plan(m, np.dtype(dtype))


def memory(net: Network, m: int, dtype: Any, optimizer: Optimizer, *, n_threads: int | None = None) -> Memory:
    """Count the bytes of a training step on m examples, with the threads that training would use."""
    plan = plan_for(net, m, dtype, optimizer, n_threads)
    parameters = net.n_parameters * np.dtype(dtype).itemsize
    gradients = sum(b.bytes for b in plan.buffers if b.name in ("gradient", "block"))
    activations = sum(b.bytes for b in plan.buffers if b.name.split("[")[0] in CACHED)
    slots = len(optimizer.slots) * parameters
    return Memory(parameters, gradients, slots, activations, plan.bytes - gradients - activations, plan.buffers)
