"""All that the sections draw on: a problem with both passes done, and the words of the tree for its quantities.

Cols is a choice of examples: one of them gives a column vector, several a matrix with one column an example.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice, product
from typing import Any

import numpy as np

from backlit.core.exact import exact_array, written
from backlit.core.network import Dense, Network
from backlit.core.parameters import Parameters
from backlit.core.passes import Gradients, Trace, example_losses, example_weights
from backlit.core.problem import Problem
from backlit.core.targets import as_targets, shares
from backlit.derivation.checks import reach, read_on_the_way_back
from backlit.derivation.document import Check, Line, Text
from backlit.derivation.exact import exact_losses, exact_slopes, lifted
from backlit.derivation.expressions import At, Chain, Dots, Expr, Mat, Num, Partial, Sym, constant
from backlit.derivation.numbers import Numbers, settled

Array = np.ndarray
Cols = Sequence[int]

SHOWN = 8  # rows or columns of a matrix that are printed before it is elided
HEAD = 5  # how many of an elided one come before the dots; one comes after
EXAMPLES = 3  # examples that are worked one by one before the batch
ENTRIES = 24  # entries of a quantity that are worked; the others are reached by name
TERMS = 10  # terms of a sum that are printed before it is elided


@dataclass(frozen=True)
class Context:
    """A problem, its trace and its gradients, with what prints them."""

    problem: Problem
    trace: Trace
    grad: Gradients
    num: Numbers
    checks: dict[str, tuple[Check, ...]] = field(default_factory=dict)
    only: tuple[int, ...] | None = None  # the one entry that is worked, where one was asked for
    rational: bool = False  # whether params, trace and grad hold fractions
    theta: Parameters | None = None  # the parameters in fractions
    false: frozenset[Any] = frozenset()  # records whose formulas give other numbers: see checks
    longest: int = TERMS
    claims: dict[str, bool] = field(default_factory=dict)  # of the sentences about numbers: which hold

    def claim(self, name: str, holds: Any, *text: str | Expr) -> Text:
        """A sentence about numbers, said only if it holds: its text, or nothing.  Either way it is recorded."""
        self.claims[name] = bool(holds)
        return text if holds else ()

    @property
    def net(self) -> Network:
        """The network."""
        return self.problem.net

    @property
    def params(self) -> Parameters:
        """The parameters before any step."""
        return self.problem.params if self.theta is None else self.theta

    @property
    def m(self) -> int:
        """The number of examples."""
        return self.trace.m

    @cached_property
    def y(self) -> Array:
        """Targets, (m, n_L)."""
        y = as_targets(self.net, self.problem.data()[1], self.m)
        return lifted(y, exact_array(y)) if self.rational else y

    @cached_property
    def losses(self) -> Array:
        """ℓ_i, (m,)."""
        if self.rational:
            return exact_losses(self.problem, self.trace)
        return example_losses(self.net, self.trace, self.y)

    @cached_property
    def cost_shares(self) -> Array:
        """The share of each ℓ_i in C, (m,)."""
        return self.beside_exact(lambda trace: shares(self.net, self.m, self.weights, trace.a[0].dtype))

    @cached_property
    def delta_shares(self) -> Array:
        """The share of each δ_i in ∂C/∂W, (m,)."""
        return self.beside_exact(lambda trace: example_weights(self.net, trace, self.weights)[1])

    @cached_property
    def output_weights(self) -> Array | None:
        """The factor on ∂ℓ_i/∂a_L where weights come in there (batch norm), (m,)."""
        factor = self.beside_exact(lambda trace: example_weights(self.net, trace, self.weights)[0])
        return None if np.ndim(factor) == 0 else factor[:, 0]

    @property
    def coupled(self) -> bool:
        """Whether a slope is that of S = m C, since batch norm lets each z move the losses of the whole batch.

        By running moments it doesn't, but weights come in at the output all the same.
        """
        return self.net.couples_examples and (self.problem.statistics is None or self.weights is not None)

    @property
    def loss_symbol(self) -> Sym:
        """ℓ, or S where the examples are coupled."""
        return Sym("S" if self.coupled else "ell")

    @property
    def weights(self) -> Array | None:
        """The weights of the examples, None where all count alike."""
        return self.problem.sample_weight

    def beside_exact(self, made: Callable[[Trace], Any]) -> Any:
        """What core makes of a trace, in the trace's arithmetic: floats, with the fractions among them if asked for."""
        return lifted(made(as_floats(self.trace)), made(self.trace)) if self.rational else made(self.trace)

    @cached_property
    def read_back(self) -> set[tuple[str, int]]:
        """The quantities of the forward pass that the backward pass reads."""
        return read_on_the_way_back(self.problem)

    def reach(self, l: int, *, activated: bool) -> frozenset[str]:
        """Which entries of u, or of φ(u), one z of layer l moves: see `checks.reach`."""
        return reach(self.problem, l, self.m, activated=activated)

    def taken_at_z(self, l: int) -> bool:
        """Whether φ of layer l takes z itself, and not what a norm made of it."""
        return bool(np.array_equal(as_float(self.trace.u[l]), as_float(self.trace.z[l])))

    def slopes(self, l: int) -> Array:
        """φ'(u) of layer l, (m, n_l)."""
        layer, u = self.layer(l), self.trace.u[l]
        return exact_slopes(layer, u) if self.rational else layer.activation.derivative(u)

    # --- choices of examples ----------------------------------------------------------------------------------------

    @property
    def choices(self) -> list[list[int]]:
        """The first examples one by one, then the batch where there is more than one."""
        single = [[i] for i in range(min(self.m, EXAMPLES))]
        return single if self.m == 1 else [*single, list(range(self.m))]

    def label(self, cols: Cols) -> str:
        """What a choice is called."""
        if self.m == 1:
            return ""
        return f"example {cols[0] + 1}" if len(cols) == 1 else "all examples, one a column"

    # --- symbols ----------------------------------------------------------------------------------------------------

    def sym(self, name: str, l: int | None = None, cols: Cols | None = None) -> Sym:
        """A quantity's symbol: of a layer, of one example, or of the batch."""
        layer = "" if l is None else str(l)
        if cols is None or self.m == 1:
            return Sym(name, layer)
        if len(cols) == 1:
            return Sym(name, layer, example=str(cols[0] + 1))
        return Sym(name, layer, batch=True)

    def slope(self, name: str, l: int, cols: Cols | None = None) -> Partial:
        """∂ℓ/∂(a quantity of layer l), of the example's own loss; ∂S/∂(it) where batch norm couples the examples."""
        one = cols is not None and len(cols) == 1 and self.m > 1 and not self.coupled
        loss = Sym("ell", "", example=str(cols[0] + 1)) if one and cols else self.loss_symbol
        return Partial(loss, self.sym(name, l, cols))

    def cost_slope(self, name: str, l: int) -> Partial:
        """∂C/∂(a parameter of layer l)."""
        return Partial(Sym("C"), Sym(name, str(l)))

    # --- numbers ----------------------------------------------------------------------------------------------------

    def columns(self, array: Array, cols: Cols, source: str | None = None) -> Mat:
        """Rows of an (m, n) array as columns."""
        return self.mat(np.asarray(array)[list(cols)].T, source)

    def vector(self, array: Array, source: str | None = None) -> Mat:
        """A flat array as one column."""
        return self.mat(np.asarray(array).reshape(-1, 1), source)

    def mat(self, array: Array, source: str | None = None) -> Mat:
        """A matrix, elided where it is large."""
        down, across = pick(array.shape[0]), pick(array.shape[1])
        rows = tuple(
            tuple(
                Dots(array.shape[1] - HEAD - 1 if k is None else array.shape[0] - HEAD - 1)
                if j is None or k is None
                else self.num(array[j, k], source)
                for k in across
            )
            for j in down
        )
        return Mat(rows, (array.shape[0], array.shape[1]))

    def setting(self, value: float) -> Num:
        """A setting such as λ or η, printed in full."""
        return self.num(written(value)) if self.rational else constant(value)

    def words(self, value: Any) -> str:
        """A number between words."""
        return self.num(value).text.replace("-", "−")

    def terms(self, made: Sequence[Expr]) -> tuple[Expr, ...]:
        """The terms of a sum, elided where they are many."""
        if len(made) <= self.longest:
            return tuple(made)
        return (*made[: self.longest - 2], Dots(len(made) - self.longest + 1), made[-1])

    def given(self, name: str) -> str:
        """The link of a number that was given, not computed."""
        return f"given-{name}"

    def checked(self, id: str) -> tuple[Check, ...]:
        """What independent computations gave for a step."""
        return self.checks.get(id, ())

    def layer(self, l: int) -> Dense:
        """Layer l of 1…L."""
        return self.net.layer(l)


def as_float(values: Any) -> Array:
    """An array that may hold fractions, as float64."""
    return np.asarray(values, np.float64)


def as_floats(trace: Trace) -> Trace:
    """A trace that may hold fractions, as float64; its norms are left out."""
    z, u, h, a, mask = (
        [None if v is None else as_float(v) for v in values]
        for values in (trace.z, trace.u, trace.h, trace.a, trace.mask)
    )
    return Trace(z, u, h, a, [None] * len(a), mask)


def counted(n: int, word: str) -> str:
    """`the 3 numbers`, `the one number`.

    >>> counted(1, "unit"), counted(3, "unit")
    ('the one unit', 'the 3 units')
    """
    return f"the one {word}" if n == 1 else f"the {n:,} {word}s"


def pick(n: int) -> list[int | None]:
    """The indices that are printed of n; None for the dots."""
    return list(range(n)) if n <= SHOWN else [*range(HEAD), None, n - 1]


def at(of: Expr, *index: int) -> At:
    """An entry, its indices counted from 0 in code and from 1 in print."""
    return At(of, tuple(str(i + 1) for i in index))


def worked(symbols: Sequence[Expr], numbers: Sequence[Expr]) -> Chain:
    """symbols = … = numbers = result; each step between numbers is '=' or '≈' as the printed figures have it."""
    shown, relations = settled(numbers)
    parts = (*symbols, *shown)
    return Chain(parts, tuple((["="] * len(symbols) + relations)[: len(parts) - 1]))


def line(label: str, symbols: Sequence[Expr], numbers: Sequence[Expr], id: str = "") -> Line:
    """One worked line."""
    return Line(label, worked(symbols, numbers), id)


def entry_indices(s: Context, shape: tuple[int, ...], most: int = ENTRIES) -> list[tuple[int, ...]]:
    """The entries of an array that are worked, or the one that was asked for."""
    if s.only is not None:
        inside = len(s.only) == len(shape) and all(i < n for i, n in zip(s.only, shape, strict=True))
        return [s.only] if inside else []
    return worked_entries(shape, most)


def worked_entries(shape: tuple[int, ...], most: int) -> list[tuple[int, ...]]:
    """All entries where they are few; of more, those that the matrix prints, or the first ones where `most` is small.

    >>> worked_entries((2, 2), 24), worked_entries((40,), 2), len(worked_entries((784, 256), 24))
    ([(0, 0), (0, 1), (1, 0), (1, 1)], [(0,), (1,)], 36)
    """
    if int(np.prod(shape)) > most >= ENTRIES:
        return list(product(*([k for k in pick(n) if k is not None] for n in shape)))
    return list(islice(np.ndindex(*shape), most))


def hidden(shape: tuple[int, ...], id: str, most: int = ENTRIES) -> str:
    """Say how many entries are not shown, and how to reach them."""
    more = int(np.prod(shape)) - len(worked_entries(shape, most))
    last = ",".join(str(n - 1) for n in shape)
    return "" if more == 0 else f'{more:,} more entries; any one of them: --entry "{id}[{last}]"'


def entry_id(id: str, index: Sequence[int]) -> str:
    """`grad_W[2][0,1]`."""
    return f"{id}[{','.join(map(str, index))}]"
