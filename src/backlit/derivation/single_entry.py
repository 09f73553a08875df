"""One entry of a quantity, or one whole quantity, worked by itself: how large networks stay within reach."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from backlit.core.parameters import layout
from backlit.core.problem import Problem
from backlit.derivation import checks, update
from backlit.derivation.context import Context, as_float, at
from backlit.derivation.derive import in_fractions, stop_of
from backlit.derivation.document import Block, Check, Derivation, Line, Section, Step, Table, Text
from backlit.derivation.expressions import Expr, Partial, Sym
from backlit.derivation.numbers import Numbers
from backlit.derivation.sections import backward_pass, forward_pass, setup
from backlit.derivation.sections import update as update_section
from backlit.derivation.update import quantities
from backlit.errors import ProblemError, near

MOST = 40  # examples that get a row of their own, the largest contributions first


def contributions(s: Context, quantity: str, l: int | None, index: tuple[int, ...]) -> list[Block]:
    """The table, for a parameter's gradient over more than one example."""
    name = quantity.removeprefix("grad_")
    if s.m == 1 or l is None or name not in ("W", "b", "gamma", "beta") or name == quantity:
        return []
    slopes, factor, symbols = parts(s, name, l, index)
    made = s.delta_shares * slopes * (1 if factor is None else factor)
    order = np.argsort(-np.abs(as_float(made)), kind="stable")
    rows: list[tuple[Text, ...]] = [row(s, i, slopes, factor, made) for i in order[:MOST]]
    blank: Text = ("",)
    empty = [blank] * (len(symbols) + 1)
    if s.m > MOST:
        others = as_float(made[order[MOST:]]).sum()
        rows.append(((f"the other {s.m - MOST:,}",), *empty, (s.num(others),)))
    if name == "W" and s.net.l2:
        rows.append((("L2: λ times the weight",), *empty, (s.num(s.net.l2 * float(s.params.W[l][index])),)))
    rows.append((("sum",), *empty, (s.num(getattr(s.grad, name)[l][index]),)))
    header: tuple[Text, ...] = (("Example",), ("Share",), *((symbol,) for symbol in symbols), ("Adds",))
    return [Table("What each example adds, the largest first", header, tuple(rows))]


def parts(s: Context, name: str, l: int, index: tuple[int, ...]) -> tuple[Any, Any, Sequence[Expr]]:
    """The slope of every example, the factor on it where there is one, and their symbols."""
    j = index[0]
    if name in ("W", "b"):
        delta: Expr = at(Sym("delta", str(l)), j)
        if name == "b":
            return s.grad.delta[l][:, j], None, [delta]
        return s.grad.delta[l][:, j], s.trace.a[l - 1][:, index[1]], [delta, at(Sym("a", str(l - 1)), index[1])]
    slope: Expr = Partial(Sym("ell"), at(Sym("u", str(l)), j))
    if name == "beta":
        return s.grad.u[l][:, j], None, [slope]
    return s.grad.u[l][:, j], s.trace.norm[l].x_hat[:, j], [slope, at(Sym("x_hat", str(l)), j)]


def row(s: Context, i: int, slopes: Any, factor: Any, made: Any) -> tuple[Text, ...]:
    """One example."""
    cells: list[Text] = [(str(i + 1),), (s.num(s.delta_shares[i]),), (s.num(slopes[i]),)]
    cells += [] if factor is None else [(s.num(factor[i]),)]
    return (*cells, (s.num(made[i]),))


PATTERN = re.compile(r"(\w+?)(?:\[(\d+)\])?(?:\[(\d+(?:,\d+)*)\])?")
LONGEST = 40  # terms of a sum that are printed for a single entry
WITHOUT_LAYER = ("ell", "loss", "update_loss", "clip")
FORWARD = ("z", "mu", "sigma2", "x_hat", "u", "h", "r", "a")
BACKWARD = ("grad_a", "grad_h", "slope", "grad_u", "grad_x_hat", "delta", "grad_b", "grad_W", "grad_gamma", "grad_beta")
UPDATE = ("update_W", "update_b", "update_gamma", "update_beta")
NAMES = (*FORWARD, *BACKWARD, *UPDATE, *WITHOUT_LAYER)


@dataclass(frozen=True)
class Name:
    """An id, read.  layer : None for a quantity of the whole network.  index : None for all of it."""

    quantity: str
    layer: int | None
    index: tuple[int, ...] | None

    @property
    def step(self) -> str:
        """The id of the step."""
        return self.quantity if self.layer is None else f"{self.quantity}[{self.layer}]"


def parse(id: str) -> Name:
    """Read an id; ProblemError, with the nearest name, where it is none."""
    found = PATTERN.fullmatch(id.replace(" ", ""))
    rule = "write name[layer][row,column], as grad_W[2][0,1]"
    if found is None:
        raise ProblemError(f"{id!r} names no entry: {rule}")
    name, first, second = found.groups()
    if name not in NAMES:
        raise ProblemError(f"{id!r} names no entry: {rule}; {near(name, NAMES)}")
    numbers = [None if text is None else tuple(map(int, text.split(","))) for text in (first, second)]
    if name in WITHOUT_LAYER:
        return Name(name, None, numbers[0])
    if numbers[0] is None:
        raise ProblemError(f"{id!r} names no layer: {rule}")
    return Name(name, numbers[0][0], numbers[1])


def derive_entry(
    problem: Problem, id: str, *, steps: int = 1, digits: int = 5, fractions: bool = False, title: str = ""
) -> Derivation:
    """Work one entry: its formula, its terms (over the batch, where it is a parameter's), its result and its check.

    id : as `grad_W[2][0,1]`, or `grad_W[2]` for the whole quantity; updates are those of step number `steps`.
    Raises ProblemError for a quantity, a layer or an index that this network does not have.
    """
    name = parse(id)
    trace, grad = problem.passes()
    problem, false = checks.without_false_formulas(problem, trace, grad)
    longest = Context.longest if name.index is None else LONGEST
    whole = Context(problem, trace, grad, Numbers(digits), only=name.index, longest=longest, false=false)
    s = in_fractions(whole) if fractions else whole
    step = find(s, name, id, steps)
    if name.index is not None:
        step = one_entry(s, step, name, id)
    blocks: list[Block] = [step]
    if name.index is not None:
        blocks += contributions(s, name.quantity, name.layer, name.index)
    section = Section("entry", f"{step.id}, by itself", tuple(blocks))
    found = quantities(trace, grad, [])
    return Derivation(title or step.id, setup.introduction(s), (section,), found, digits, stop_of([section]))


def find(s: Context, name: Name, id: str, steps: int) -> Step:
    """The step that makes the quantity."""
    lowest = 0 if name.quantity == "grad_a" else 1
    if name.layer is not None and not lowest <= name.layer <= s.net.L:
        raise ProblemError(f"{id}: this network has layers 1 to {s.net.L}")
    made = list(candidates(s, name, steps))
    for step in made:
        if step.id.partition("@")[0] == name.step:
            return step
    names = ", ".join(step.id for step in made)
    where = "that layer" if name.layer is not None else "this problem"
    raise ProblemError(f"{id}: there is no {name.step} here: {where} has {names}")


def candidates(s: Context, name: Name, steps: int) -> Iterator[Step]:
    """The steps among which it is."""
    l = name.layer
    if name.quantity in ("ell", "loss"):
        yield from forward_pass.losses(s)
    elif name.quantity in UPDATE or name.quantity in ("clip", "update_loss"):
        done = update.run(s.problem, steps, s.theta)
        tensors = update_section.steps(s, done[-1])
        yield from (step for step in tensors if l is None or f"[{l}]" in step.id)
        yield update_section.costs(s, done)
    elif name.quantity in FORWARD and l is not None:
        yield from forward_pass.one_layer(s, l)
    elif l is not None:
        made = (
            backward_pass.through_layer(s, k) for k in ([l + 1] if name.quantity == "grad_a" else [l]) if k <= s.net.L
        )
        yield from chain.from_iterable(made)
        yield from [backward_pass.output_slope(s)] if l == s.net.L else []


def one_entry(s: Context, step: Step, name: Name, id: str) -> Step:
    """A step of the one entry alone."""
    assert name.index is not None
    shape, index = np.shape(step.value), name.index
    if len(index) != len(shape) or any(i >= n for i, n in zip(index, shape, strict=True)):
        rule = ", ".join(f"0 to {n - 1}" for n in shape)
        what = f"its indices go from {rule}" if shape else "it is one number, without an index"
        raise ProblemError(f"{id}: {name.step} has shape {shape}: {what}")
    key = f"[{','.join(map(str, index))}]"
    lines = [line for line in step.entries if f"]{key}" in line.id or line.id.startswith(f"{name.step}{key}")]
    if not lines:
        raise ProblemError(f"{id}: the entries of {name.step} are not worked one by one: ask for {name.step}")
    return replace(
        step,
        id=f"{name.step}{key}",
        lines=tuple(unlabeled(line) for line in lines),
        entries=(),
        shapes=(),
        value=float(step.value[index]),
        checks=check(s, name),
        hidden="",
    )


def unlabeled(line: Line) -> Line:
    """A line whose id is its step's, so that none stands twice."""
    return replace(line, id="")


def check(s: Context, name: Name) -> tuple[Check, ...]:
    """Complex step and difference, for a gradient or a δ; nothing for other quantities."""
    assert name.index is not None
    for slot in layout(s.net):
        if name.step == f"grad_{slot}":
            at = slot.start + int(np.ravel_multi_index(name.index, slot.shape))
            return checks.one(s.problem, s.grad, at)
    if name.quantity == "delta" and not s.net.couples_examples:
        assert name.layer is not None
        return checks.of_delta(s.problem, s.grad, name.layer, name.index[1], row=name.index[0])
    return ()
