"""What a row of the catalogue is, and the ways in which a mistake can be made at one layer, some, or all."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from backlit.verification.mutations import Mutation, ReplayContext


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
