"""One entry of a quantity, worked by itself: how each number of a large network stays within reach.

>>> parse("grad_W[2][0,1]")
('grad_W', 2, (0, 1))
"""

import re
from typing import Any

import numpy as np

from backlit.core.parameters import layout
from backlit.core.problem import Problem
from backlit.derivation import checks
from backlit.derivation.document import Derivation, Section, Step
from backlit.derivation.numbers import Numbers
from backlit.derivation.quantities import quantities
from backlit.derivation.scene import Scene
from backlit.derivation.sections import backward, forward, setup
from backlit.errors import ProblemError

PATTERN = re.compile(r"(\w+)\[(\d+)\]\[(\d+(?:,\d+)?)\]")
LONGEST = 40


def parse(id: str) -> tuple[str, int, tuple[int, ...]]:
    """Name, layer and index of an entry's id; ProblemError where it is none."""
    found = PATTERN.fullmatch(id.replace(" ", ""))
    if found is None:
        raise ProblemError(f"{id!r} names no entry: write name[layer][row,column], as grad_W[2][0,1]")
    name, layer, index = found.groups()
    return name, int(layer), tuple(map(int, index.split(",")))


def derive_entry(problem: Problem, id: str, *, digits: int = 5, title: str = "") -> Derivation:
    """Work one entry: its formula, its terms (over the batch, where it is a parameter's), its result and its check.

    Raises ProblemError for a quantity, a layer or an index that this network does not have.
    """
    name, l, index = parse(id)
    trace, grad = problem.passes()
    s = Scene(problem, trace, grad, Numbers(digits), only=index, longest=LONGEST)
    step = find(s, name, l, id)
    shape = np.shape(step.value)
    if len(index) != len(shape) or any(i >= n for i, n in zip(index, shape, strict=True)):
        rule = ", ".join(f"0 to {n - 1}" for n in shape)
        raise ProblemError(f"{id}: {name}[{l}] has shape {shape}: its indices go from {rule}")
    line = next((line for line in step.entries if line.id.endswith(f"[{','.join(map(str, index))}]")), None)
    if line is None:
        raise ProblemError(f"{id}: the entries of {name}[{l}] are not worked one by one: see the whole step")
    found = Step(
        line.id,
        step.equation,
        step.title,
        step.formula,
        step.sentence,
        step.way,
        (line,),
        value=float(step.value[index]),
        checks=check(problem, s, name, l, index),
    )
    section = Section("entry", f"{line.id}, by itself", (found,))
    return Derivation(title or line.id, setup.introduction(s), (section,), quantities(trace, grad, []), digits)


def find(s: Scene, name: str, l: int, id: str) -> Step:
    """The step that makes the quantity."""
    if not (1 <= l <= s.net.L or (name == "grad_a" and l == 0)):
        raise ProblemError(f"{id}: this network has layers 1 to {s.net.L}")
    wanted = f"{name}[{l}]"
    made: list[Step] = []
    if name.startswith("grad_") or name in ("delta", "slope"):
        above = [l + 1] if name == "grad_a" and l < s.net.L else [l]
        made = [step for k in above for step in backward.through_layer(s, k)]
        made += [backward.output_slope(s)] if l == s.net.L else []
    else:
        made = forward.one_layer(s, l)
    for step in made:
        if step.id == wanted:
            return step
    names = ", ".join(step.id for step in made)
    raise ProblemError(f"{id}: there is no {wanted} here: that layer has {names}")


def check(problem: Problem, s: Scene, name: str, l: int, index: tuple[int, ...]) -> Any:
    """Complex step and difference for one parameter; nothing for other quantities."""
    for slot in layout(problem.net):
        if name == f"grad_{slot.name}" and slot.l == l:
            at = slot.start + int(np.ravel_multi_index(index, slot.shape))
            return checks.one(problem, s.trace, s.grad, at)
    return ()
