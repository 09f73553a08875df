"""Mistakes as a replay is told them: which to make where, the rows of the catalogue, and where each can be made.

A row of the catalogue says what was done in words and formulas, and gives the ways in which it can be made at one
layer, some, or all; each way is a few knobs of the replay, which starts from the right forward pass."""

from collections.abc import Callable, Iterable, Sequence
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
    """The product of named factors: "m", "1/m", "n_L", "1/n_L", "mean_w", "eta" or a number."""
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
    if value == "mean_w":
        return setting.total_weight / setting.trace.m
    if value == "n_L":
        return float(setting.net.outputs)
    if value == "eta":
        return setting.problem.optimizer.learning_rate if setting.problem.optimizer else 1.0
    return float(value)


# --- rows of the catalogue --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Instance:
    """One way of making a mistake: which knobs are turned, and the layers at which."""

    mutations: tuple[Mutation, ...]
    layers: tuple[int, ...]
    note: str = ""


Instances = Callable[[ReplayContext], Iterable[Instance]]
Holds = Callable[[ReplayContext, int], bool]


@dataclass(frozen=True)
class Bug:
    """A row of the catalogue.

    name : the word by which reports call it.  words : one sentence that says what was done.  wrong, right : the
    formula as it was used and as it is in the book.  equation : the book's number, a key of `backlit.equations`.
    fix : where to look and what to write.  instances : the ways to replay it in a problem; none where it can't be made.
    visible : on which inputs it shows.  kind : "convention" where nothing is wrong but other definitions are used.
    number : its number in the published list of common mistakes, None for rows added since.
    """

    name: str
    words: str
    wrong: str
    right: str
    equation: str
    fix: str
    instances: Instances
    visible: str = "always"
    kind: str = "bug"
    number: int | None = None


def layers_of(s: ReplayContext) -> range:
    """1…L."""
    return range(1, s.net.L + 1)


def hidden(s: ReplayContext) -> range:
    """1…L−1."""
    return range(1, s.net.L)


def turned(knob: str, value: str, l: int) -> Instance:
    """One knob at one layer."""
    return Instance((Mutation(knob, value, l),), (l,))


def everywhere(knob: str, value: str) -> Instances:
    """The knob turned for the whole pass."""
    return lambda s: [Instance((Mutation(knob, value),), tuple(layers_of(s)))]


def at_layers(knob: str, *values: str, where: Holds = lambda s, l: True) -> Instances:
    """The knob turned at each layer where it applies: all of them at once, then each by itself."""

    def instances(s: ReplayContext) -> Iterable[Instance]:
        found = [l for l in layers_of(s) if where(s, l)]
        for value in values:
            if len(found) > 1:
                yield Instance(tuple(Mutation(knob, value, l) for l in found), tuple(found))
            yield from (turned(knob, value, l) for l in found)

    return instances


def together(*parts: Instances) -> Instances:
    """The instances of several."""
    return lambda s: [instance for part in parts for instance in part(s)]


def only_if(condition: Callable[[ReplayContext], bool], instances: Instances) -> Instances:
    """None if the problem can't have the mistake."""
    return lambda s: instances(s) if condition(s) else []


# --- conditions -----------------------------------------------------------------------------------------------------


def is_mean(s: ReplayContext) -> bool:
    """Whether the cost is a mean of more than one example's loss."""
    return s.net.reduction == "mean" and s.trace.m > 1


def square(s: ReplayContext, l: int) -> bool:
    """Whether W_l is square, and not a single number."""
    return s.net.n[l] == s.net.n[l - 1] > 1


def curved(s: ReplayContext, l: int) -> bool:
    """Whether φ_l has a slope other than 1."""
    return s.net.layer(l).activation.name != "identity"


def elementwise(s: ReplayContext, l: int) -> bool:
    """Whether unit j of h depends on unit j of u alone, and not as the identity."""
    return curved(s, l) and s.net.layer(l).activation.elementwise


def short(s: ReplayContext, l: int) -> bool:
    """Whether l is the output and δ there is p − y."""
    return l == s.net.L and s.net.has_short_form


def general(s: ReplayContext, l: int) -> bool:
    """Whether φ' is applied at l: it is curved, and no short form takes its place."""
    return elementwise(s, l) and not short(s, l)
