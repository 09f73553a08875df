"""What depends on what, found by trying: one number is changed and what moves is looked at, reads are watched.

Sentences such as "a unit depends on no sum but its own" and "this is kept for the way back" are claims like those about
sizes: they are said if the passes of `core` bear them out.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from backlit.core import norms
from backlit.core.passes import backward
from backlit.core.problem import Problem

Array = np.ndarray
BUMPS = (1.0, -1.0, 4.0, -4.0)  # some of them move a unit that is flat on one side


def reach(problem: Problem, l: int, m: int, *, activated: bool) -> frozenset[str]:
    """Which entries of u, or of φ(u) if `activated`, move with one z of m examples: own, units, batch, all.

    "own" is the same unit of the same example, "units" the others of that example, "batch" the same unit of other
    examples, "all" others of others.  Tried at random z: what moves hangs on the formulas, not on these numbers.
    """
    z = np.random.default_rng(0).standard_normal((m, problem.net.n[l]))
    before = after_sums(problem, l, z, activated)
    moved = np.zeros(z.shape, bool)
    for bump in BUMPS:
        tried = z.copy()
        tried[0, 0] += bump
        moved |= after_sums(problem, l, tried, activated) != before
    places = {"own": moved[0, 0], "units": moved[0, 1:], "batch": moved[1:, 0], "all": moved[1:, 1:]}
    return frozenset(name for name, part in places.items() if np.any(part))


def after_sums(problem: Problem, l: int, z: Array, activated: bool) -> Array:
    """What a layer makes of z: x̂ where it has a norm, with φ of it if `activated`."""
    layer = problem.net.layer(l)
    if layer.norm:
        z = norms.normalize(layer, z, problem.statistics.of(l) if problem.statistics else None).x_hat
    return layer.activation.function(z) if activated else z


class Watched(np.ndarray):
    """An array that notes in `log` that its numbers were read."""

    log: set[Any]
    name: Any

    def __array_finalize__(self, base: Any) -> None:
        self.log, self.name = getattr(base, "log", set()), getattr(base, "name", None)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        for array in inputs:
            if isinstance(array, Watched):
                array.log.add(array.name)
        return getattr(ufunc, method)(*map(plain, inputs), **options)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        if not function.__name__.endswith("_like"):  # which reads the shape alone
            self.log.add(self.name)
        return function(*map(plain, args), **options)


def plain(value: Any) -> Any:
    """An array that is not watched; arrays in a list or a tuple too."""
    if isinstance(value, list | tuple):
        return type(value)(map(plain, value))
    return value.view(np.ndarray) if isinstance(value, Watched) else value


def watched(array: Array, log: set[Any], name: Any) -> Watched:
    """The array, with its reads noted under a name."""
    made = array.view(Watched)
    made.log, made.name = log, name
    return made


def read_on_the_way_back(problem: Problem) -> set[tuple[str, int]]:
    """The quantities of the forward pass that the backward pass reads, such as ("a", 0) or ("x_hat", 2)."""
    trace, log = problem.passes()[0], set[Any]()
    lists = {
        name: [None if v is None else watched(v, log, (name, l)) for l, v in enumerate(getattr(trace, name))]
        for name in ("u", "a", "mask")
    }
    found = [
        None if v is None else replace(v, x_hat=watched(v.x_hat, log, ("x_hat", l))) for l, v in enumerate(trace.norm)
    ]
    backward(problem.net, problem.params, replace(trace, norm=found, **lists), problem.data()[1], problem.sample_weight)
    return log
