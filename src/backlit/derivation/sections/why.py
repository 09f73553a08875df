"""Why a row of a table gets its prediction: the columns that moved it, the units they went through, and one of these.

The path from the typical input x₀ to x is straight, x(t) = x₀ + t (x − x₀).  What input i moves by way of unit j of
layer 1 is w_ji (x_i − x₀_i) ∫₀¹ δ_j(t) dt: the weight, how far the input is from the typical one, and the mean error
signal of the unit on the way, δ being the slope of the score F in place of a loss.  What a unit of a later layer passes
on is ∫ ∂F/∂a_j da_j along the same path.  Through a layer that no skip passes by, all of it sums to F(x) − F(x₀).

F is the predicted number, or the log-odds of the predicted class.  Source: Sundararajan, Taly & Yan 2017 (integrated
gradients); Dhamdhere, Sundararajan & Yan 2019 (conductance).
"""

from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np

from backlit.core.activations import get_activation
from backlit.core.network import Network
from backlit.core.parameters import Parameters
from backlit.core.passes import backward, forward
from backlit.core.problem import Problem
from backlit.derivation.context import Context, at
from backlit.derivation.document import Block, Formula, Paragraph, Section, Table, Text
from backlit.derivation.expressions import Add, Chain, Mul, Sym

Array = np.ndarray
POINTS = 513  # of the path, ends included
COLUMNS, UNITS, WAYS, TERMS = 8, 5, 2, 4  # that are listed: columns, units of a layer, ways of each, terms of a sum


@dataclass(frozen=True)
class Moves:
    """What moved a score.

    score, base : F of the row and of the typical row.  chosen : the predicted class, 0 for a number.  through : (n_1,
    n_0) by unit of layer 1 and input.  units : for each hidden layer (n_l,), `units[1]` that of layer 1; units[0] None.
    inputs : (n_0,), by whatever way.  typical : for each layer a of the typical row.
    """

    score: float
    base: float
    chosen: int
    inputs: Array
    through: Array
    units: list[Array | None]
    typical: list[Array]


def score_network(net: Network, *, classes: bool) -> Network:
    """The network up to the scores that softmax or a sigmoid takes, or as it is.

    Half a squared error takes any slope.
    """
    layers = list(net.layers)
    if classes:
        layers[-1] = replace(layers[-1], activation=get_activation("identity"))
    return Network(net.inputs, layers, loss="half_squared_error")


def of_class(s: Array, chosen: Array) -> tuple[Array, Array]:
    """F (m,) = s_k − ln Σ_{j≠k} e^{s_j} of scores s (m, K), k = chosen, or a number itself (K = 1); ∂F/∂s (m, K)."""
    if s.shape[1] == 1:
        return s[:, 0], np.ones_like(s)
    at = np.arange(len(s))
    others = s.copy()
    others[at, chosen] = -np.inf
    top = others.max(axis=1)
    e = np.exp(others - top[:, None])
    grad = -e / e.sum(axis=1, keepdims=True)
    grad[at, chosen] = 1.0
    return s[at, chosen] - top - np.log(e.sum(axis=1)), grad


def moves(problem: Problem) -> Moves:
    """What moved the score of a problem's first example, which is a row of a table."""
    row = problem.row
    assert row is not None
    net = score_network(problem.net, classes=bool(row.classes))
    params = Parameters(net, problem.params.theta)
    x = np.asarray(problem.data()[0], np.float64)[0]
    path = row.typical + np.linspace(0, 1, POINTS)[:, None] * (x - row.typical)
    trace = forward(net, params, path, statistics=problem.statistics)
    a = trace.a[-1]
    two = len(row.classes) == 2 and a.shape[1] == 1
    scores = np.hstack([np.zeros_like(a), a]) if two else a
    chosen = int(scores[-1].argmax())
    F, slope = of_class(scores, np.full(POINTS, chosen))
    grad = backward(net, params, trace, a - slope[:, -a.shape[1] :])  # half a squared error whose a − y is that slope
    delta = integral(grad.delta[1])
    units = [None, *(passed_on(grad.a[l], trace.a[l]) for l in range(1, net.L))]
    return Moves(
        float(F[-1]),
        float(F[0]),
        chosen,
        integral(grad.a[0]) * (x - row.typical),
        delta[:, None] * params.W[1] * (x - row.typical),
        units,
        [values[0] for values in trace.a],
    )


def integral(values: Array) -> Array:
    """∫₀¹ of values (POINTS, n) at points that lie evenly, by trapezoids."""
    return (values[:-1] + values[1:]).sum(axis=0) / 2 / (POINTS - 1)


def passed_on(slope: Array, a: Array) -> Array:
    """∫ ∂F/∂a da along the path, by trapezoids."""
    result: Array = ((slope[:-1] + slope[1:]) / 2 * np.diff(a, axis=0)).sum(axis=0)
    return result


# --- the section ------------------------------------------------------------------------------------------------------


def section(s: Context) -> Section | None:
    """The section, of a row of a table whose typical row is known; None for several examples or a single layer."""
    if s.m != 1 or s.net.L < 2:
        return None
    found = moves(s.problem)
    return Section("why", "Why this row gets this prediction", tuple(blocks(s, found)))


def blocks(s: Context, found: Moves) -> list[Block]:
    """What moved, through what, and the unit that moved most."""
    effects = by_column(s, found.inputs)
    moved = found.score - found.base
    return [
        Paragraph((answer(s, found, effects),)),
        columns(s, found, effects),
        units(s, found),
        *busiest(s, found),
        Paragraph((
            "An effect is what the difference to the typical row moves on the straight way between the two, "
            f"summed along it (integrated gradients): together the columns move {signed(s, sum(effects.values()))} of "
            f"{signed(s, moved)}. A unit's effect is what it passes on of that; its ways are weight × difference of "
            "the input × the unit's mean error signal on the way. A unit that stays at 0 passes nothing on.",
        )),
    ]  # fmt: skip


def meant(s: Context, found: Moves) -> str:
    """What is moved: the number, or the log-odds of the predicted class."""
    row = s.problem.row
    assert row is not None
    return f"the log-odds of “{row.classes[found.chosen]}”" if row.classes else f"the predicted {row.target}"


def answer(s: Context, found: Moves, effects: dict[str, float]) -> str:
    """One sentence that answers."""
    row = s.problem.row
    assert row is not None
    up, down = ([(name, e) for name, e in effects.items() if sign * e > 0][:2] for sign in (1, -1))
    said = f"For this row {meant(s, found)} is {s.words(found.score)}; for a typical row {s.words(found.base)}. "
    for pairs, way in ((up, "up"), (down, "down")):
        told = ", ".join(f"{name} = {row.values[name]} ({signed(s, e)})" for name, e in pairs)
        said += f"What moves it {way} most: {told}. " if told else f"Nothing moves it {way}. "
    return said.strip()


def signed(s: Context, value: float) -> str:
    """+0.31, −0.2."""
    return ("+" if value >= 0 else "") + s.words(value)


def by_column(s: Context, inputs: np.ndarray) -> dict[str, float]:
    """The effects of the columns, largest first; a column is the sum of the inputs that it became."""
    row = s.problem.row
    assert row is not None
    sums: dict[str, float] = defaultdict(float)
    for name, effect in zip(row.columns, inputs, strict=True):
        sums[name] += float(effect)
    return dict(sorted(sums.items(), key=lambda pair: -abs(pair[1])))


def columns(s: Context, found: Moves, effects: dict[str, float]) -> Table:
    """The columns that moved most, each with the units of layer 1 that it went through."""
    row = s.problem.row
    assert row is not None
    names = np.array(row.columns)
    rows: list[tuple[Text, ...]] = []
    for name in list(effects)[:COLUMNS]:
        way = found.through[:, names == name].sum(axis=1)
        best = [j for j in np.argsort(-np.abs(way), kind="stable")[:WAYS] if way[j] != 0]
        ways = ", ".join(f"{j + 1} ({signed(s, way[j])})" for j in best) or "none"
        rows.append(((name,), (row.values[name],), (row.typical_values[name],), (signed(s, effects[name]),), (ways,)))
    left = list(effects.values())[COLUMNS:]
    if left:
        rows.append(((f"{len(left)} more",), ("",), ("",), (signed(s, sum(left)),), ("",)))
    header = (("Column",), ("This row",), ("Typical",), ("Moves it by",), ("Mostly through units of layer 1",))
    return Table(f"The columns that moved {meant(s, found)}", header, tuple(rows))


def units(s: Context, found: Moves) -> Table:
    """The units of each hidden layer that passed most on."""
    row = s.problem.row
    assert row is not None
    rows: list[tuple[Text, ...]] = []
    for l, effects in enumerate(found.units):
        if effects is None:
            continue
        for j in np.argsort(-np.abs(effects), kind="stable")[:UNITS]:
            from_columns = by_column(s, found.through[j]) if l == 1 else {}
            ways = ", ".join(f"{name} ({signed(s, e)})" for name, e in list(from_columns.items())[:WAYS] if e)
            now, typical = (s.words(float(values[j])) for values in (s.trace.a[l][0], found.typical[l]))
            rows.append(((f"{l}",), (f"{j + 1}",), (now,), (typical,), (signed(s, effects[j]),), (ways,)))
    header = (("Layer",), ("Unit",), ("a",), ("a, typical row",), ("Passes on",), ("Mostly from",))
    return Table(f"The units through which {meant(s, found)} was moved", header, tuple(rows))


def busiest(s: Context, found: Moves) -> list[Block]:
    """The unit of layer 1 that passed most on, its weighted sum in numbers with the columns' names."""
    row = s.problem.row
    first = found.units[1]
    if row is None or first is None:
        return []
    j = int(np.argmax(np.abs(first)))
    W, x = s.params.W[1][j], s.trace.a[0][0]
    order = np.argsort(-np.abs(np.asarray(W * x, np.float64)), kind="stable")[:TERMS]
    terms = [Mul(s.num(W[k]), s.num(x[k], "given-x")) for k in order]
    rest = s.trace.z[1][0, j] - sum(W[k] * x[k] for k in order) - s.params.b[1][j]
    told = Add(*terms, s.num(s.params.b[1][j], "given-b[1]"), *([s.num(rest)] if len(x) > TERMS else []))
    named = ", ".join(f"{row.features[k]}" for k in order)
    chain = Chain((at(Sym("z", "1"), j), told, s.num(s.trace.z[1][0, j], "z[1]")), ("≈", "≈"))
    return [
        Paragraph((
            f"Unit {j + 1} of layer 1 passes most on. Its weighted sum is made of {named}, and of the bias"
            + (", and of what all other inputs add together, in this order:" if len(x) > TERMS else ", in this order:"),
        )),
        Formula(chain),
    ]  # fmt: skip
