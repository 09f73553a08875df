"""What a replay is told: which mistakes to make where, and the right forward pass that it starts from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from backlit.core.network import Network
from backlit.core.parameters import Parameters
from backlit.core.passes import Trace, example_weights, total_loss
from backlit.core.problem import Problem
from backlit.core.targets import as_targets
from backlit.verification.quantities import Array


@dataclass(frozen=True)
class Mutation:
    """One knob turned to a value, at layer l or (None) at every layer."""

    knob: str
    value: str
    l: int | None = None


@dataclass(frozen=True)
class ReplayContext:
    """What a replay starts from: the problem at its parameters, and its right forward pass."""

    problem: Problem
    trace: Trace
    params: Parameters

    @classmethod
    def of(cls, problem: Problem, params: Parameters | None = None, step: int = 0) -> "ReplayContext":
        """Run the forward pass of a problem, or of its next step at other parameters."""
        trace, _ = problem.passes(params, step=step)
        return cls(problem, trace, problem.params if params is None else params)

    @property
    def net(self) -> Network:
        """The network."""
        return self.problem.net

    @cached_property
    def y(self) -> Array:
        """Targets, (m, n_L)."""
        return as_targets(self.net, self.problem.data()[1], self.trace.m)

    @cached_property
    def weighting(self) -> tuple[Any, Array]:
        """(a factor on ∂ℓ/∂a_L, each example's share of the gradients), see `core.passes.example_weights`."""
        return example_weights(self.net, self.trace, self.problem.sample_weight)

    @cached_property
    def loss(self) -> float:
        """C."""
        return float(total_loss(self.net, self.params, self.trace, self.problem.data()[1], self.problem.sample_weight))

    @cached_property
    def total_weight(self) -> float:
        """What a mean divides by: m, or the sum of the sample weights."""
        weight = self.problem.sample_weight
        return float(self.trace.m if weight is None else weight.sum())


class Mutations:
    """The turned knobs, looked up by knob and layer."""

    def __init__(self, mutations: Iterable[Mutation]):
        self.turned: dict[tuple[str, int | None], list[str]] = {}
        for mutation in mutations:
            self.turned.setdefault((mutation.knob, mutation.l), []).append(mutation.value)

    def all(self, knob: str, l: int | None = None) -> list[str]:
        """Every value that a knob is turned to at layer l."""
        if not self.turned:
            return []
        found = self.turned.get((knob, None), [])
        return found if l is None else found + self.turned.get((knob, l), [])

    def at(self, knob: str, l: int | None = None) -> str:
        """The value of a knob at layer l, the last where it is turned twice; "right" where it is not."""
        found = self.all(knob, l)
        return found[-1] if found else "right"


def factor(setting: ReplayContext, values: Sequence[str]) -> float:
    """The product of named factors: "m", "1/m", "n_L", "1/n_L", "eta" or a number."""
    product = 1.0
    for value in values:
        product *= named_factor(setting, value)
    return product


def named_factor(setting: ReplayContext, value: str) -> float:
    """One factor by its name."""
    if value.startswith("-"):
        return -named_factor(setting, value[1:])
    if value.startswith("1/"):
        return 1 / named_factor(setting, value[2:])
    if value == "m":
        return setting.total_weight
    if value == "n_L":
        return float(setting.net.outputs)
    if value == "eta":
        return setting.problem.optimizer.learning_rate if setting.problem.optimizer else 1.0
    return float(value)
