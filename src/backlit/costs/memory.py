"""Bytes of a training step, buffer by buffer, from the plan by which the native engine allocates its one workspace."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlit.engine import TrainConfig
from backlit.engine.native import NativeEngine, extension, within
from backlit.engine.plan import Buffer, Plan, make_plan

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
        return NativeEngine(recipe).plan(recipe.batch_size, dtype)
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
