"""Networks, parameters and passes as a table: as text where they are printed, as HTML in a notebook.

>>> from backlit.core import Dense, Network
>>> print(text(Network(2, [Dense(3, "tanh"), Dense(1)])))
2 → 3 → 1, half_squared_error, 13 parameters
<BLANKLINE>
layer  units  activation                 parameters
1      2 → 3  tanh                                9
2      3 → 1  identity                            4
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import singledispatch
from html import escape
from textwrap import fill
from typing import Any

import numpy as np

from backlit.core import Dense, Gradients, Network, Parameters, Trace
from backlit.render.cost import shape
from backlit.terminal import printable

MOST = 24  # rows that are shown
WIDTH = 80  # of the text


@dataclass(frozen=True)
class Grid:
    """A line of words, and a table under it; `left` columns are words, the others numbers."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1


GRIDS: dict[str, Callable[[Any], Grid]] = {}  # of classes that are known by their names: see `result_faces`


@singledispatch
def grid(thing: Any) -> Grid:
    """What is shown of a thing."""
    return next(GRIDS[kind.__name__] for kind in type(thing).__mro__ if kind.__name__ in GRIDS)(thing)


@grid.register
def _(net: Network) -> Grid:
    rows = [
        (str(l), f"{net.n[l - 1]} → {layer.units}", layer.activation.name, extras(layer), f"{held(net, l):,}")
        for l, layer in net.numbered()
    ]
    title = f"{shape(net.n)}, {net.loss.name}, {net.n_parameters:,} parameters"
    return Grid(title, ("layer", "units", "activation", "", "parameters"), rows, left=4)


def held(net: Network, l: int) -> int:
    """How many numbers a layer has."""
    layer = net.layer(l)
    return layer.units * (net.n[l - 1] + 1 + (2 if layer.norm else 0))


def extras(layer: Dense) -> str:
    """Norm, dropout and skip in words."""
    told = [f"{layer.norm} norm"] if layer.norm else []
    told += [f"dropout {layer.dropout:g}"] if layer.dropout else []
    told += [f"skip from {layer.skip_from}"] if layer.skip_from is not None else []
    return ", ".join(told)


@grid.register
def _(params: Parameters) -> Grid:
    rows = [
        (str(slot), " × ".join(map(str, slot.shape)), number(view.mean()), number(view.std()), number(abs(view).max()))
        for slot, view in params.items()
    ]
    title = f"{params.theta.size:,} parameters of {shape(params.net.n)}, {params.theta.dtype}"
    return Grid(title, ("", "shape", "mean", "deviation", "largest |·|"), rows, left=2)


@grid.register
def _(trace: Trace) -> Grid:
    rows = []
    for l in range(1, len(trace.a)):
        z, a = trace.z[l], trace.a[l]
        rows.append((str(l), str(a.shape[1]), number(rms(z)), number(a.mean()), number(a.std()), share(a == 0)))
    heads = ("layer", "units", "rms z", "mean a", "deviation a", "a = 0")
    return Grid(f"{counted(trace.m, 'example')} through {shape([a.shape[1] for a in trace.a])}", heads, rows)


@grid.register
def _(grad: Gradients) -> Grid:
    rows = []
    for l in range(1, len(grad.delta)):
        lengths = (rms(grad.delta[l]), np.linalg.norm(grad.W[l]), np.linalg.norm(grad.b[l]))
        rows.append((str(l), *(number(float(value)) for value in lengths)))
    title = f"C = {grad.loss:.6g}, ‖∂C/∂θ‖ = {np.linalg.norm(grad.theta):.4g}"
    return Grid(title, ("layer", "rms δ", "‖∂C/∂W‖", "‖∂C/∂b‖"), rows)


def rms(values: np.ndarray) -> float:
    """The root of the mean square."""
    return float(np.sqrt(np.mean(np.square(values))))


def number(value: float) -> str:
    """Four digits."""
    return f"{value:.4g}".replace("-", "−")


def share(which: np.ndarray) -> str:
    """How many, as a percentage; nothing for none."""
    return f"{which.mean():.0%}" if which.any() else ""


def counted(n: int, noun: str) -> str:
    """1 example, 2 examples."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def shortened(rows: Sequence[Sequence[str]]) -> Iterable[Sequence[str]]:
    """The first and last rows of many, with a row of dots between."""
    if len(rows) <= MOST:
        return rows
    return [*rows[: MOST // 2], ["⋮"] + [""] * (len(rows[0]) - 1), *rows[-MOST // 2 :]]


def narrowed(rows: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
    """The first columns of rows that are too wide for a terminal, and dots for the rest."""
    widths = [max(map(len, column)) + 2 for column in zip(*rows, strict=True)]
    if sum(widths) - 2 <= WIDTH:
        return rows
    fit = max(1, sum(sum(widths[: k + 1]) <= WIDTH - 1 for k in range(len(widths))))
    return [[*row[:fit], "…"] for row in rows]


def text(thing: Any) -> str:
    """The line and the table in plain characters."""
    made = grid(thing)
    title = fill(printable(made.title), WIDTH, break_long_words=False, break_on_hyphens=False)
    if not made.rows:
        return title
    heads = [made.heads] if any(made.heads) else []
    rows = narrowed([[printable(cell) for cell in row] for row in (*heads, *shortened(made.rows))])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = (
        (
            cell.ljust(width) if i < made.left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join([title, "", *("  ".join(row).rstrip() for row in cells)])


def html(thing: Any) -> str:
    """The line and the table for a notebook."""
    made = grid(thing)
    head = "".join(f'<th scope="col">{escape(name)}</th>' if name else "<td></td>" for name in made.heads)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:]) + "</tr>"
        for row in shortened(made.rows)
    )
    return f"<p>{escape(made.title)}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
