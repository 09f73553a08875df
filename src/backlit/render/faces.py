"""Networks, passes, trainings, models, predictions as a table: as text where they are printed, as HTML in a notebook.

>>> from backlit.core import Dense, Network
>>> print(text(Network(2, [Dense(3, "tanh"), Dense(1)])))
2 → 3 → 1, half_squared_error, 13 parameters
<BLANKLINE>
layer  units  activation                 parameters
1      2 → 3  tanh                                9
2      3 → 1  identity                            4

>>> from backlit.training import Epoch, History
>>> print(text(History([Epoch(1, 0.5, 0.01, (0.1,), 2.0, 0.75)], best_epoch=1, stopped="epochs")))
1 epoch, 2 s, the best is 1, stopped: epochs
<BLANKLINE>
epoch  loss  validation loss  validation score  learning rate
1       0.5             0.75                             0.01
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from html import escape
from textwrap import fill
from typing import Any

import numpy as np

from backlit.core import Dense, Gradients, Network, Parameters, Trace
from backlit.render.cost import shape
from backlit.tables.messages import count
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
    return Grid(f"{count(trace.m, 'example')} through {shape([a.shape[1] for a in trace.a])}", heads, rows)


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


# --- results that are read by their attributes, so that none of their classes is loaded to show another ---------------


def history(found: Any) -> Grid:
    """A row an epoch."""
    rows = [
        (str(e.number), *map(known, (e.loss, e.validation_loss, e.validation_score, e.learning_rate))) for e in found
    ]
    best = "" if found.best_epoch is None else f", the best is {found.best_epoch}"
    stopped = f", stopped: {found.stopped}" if found.stopped else ""
    title = f"{count(len(found), 'epoch')}, {found.seconds:.3g} s{best}{stopped}"
    return Grid(title, ("epoch", "loss", "validation loss", "validation score", "learning rate"), rows)


def outcome(found: Any) -> Grid:
    """The history under the network that came of it."""
    under = history(found.history)
    diverged = f", diverged: {found.divergence}" if found.divergence else ""
    return Grid(f"{shape(found.params.net.n)} by the {found.engine.name} engine, {under.title}{diverged}", under.heads,
                under.rows)  # fmt: skip


def flow(found: Any) -> Grid:
    """A row a measurement."""
    rows = [(str(record.epoch), record.verdict, known(record.seconds)) for record in found.records]
    title = f"{count(len(rows), 'measurement')} of the gradient flow: {found.verdict or 'none yet'}"
    return Grid(title, ("epoch", "verdict", "seconds"), rows, left=2)


def problem(found: Any) -> Grid:
    """The network, and what there is for it."""
    under = grid(found.net)
    examples = "no examples" if found.X is None else count(len(found.X), "example")
    return Grid(f"{found.name}: {under.title}, {examples}", under.heads, under.rows, under.left)


def model(found: Any) -> Grid:
    """The network, and the column that it predicts."""
    under = grid(found.net)
    of = "" if found.target is None else f"predicts {found.target.name!r}: "
    return Grid(of + under.title, under.heads, under.rows, under.left)


def ensemble(found: Any) -> Grid:
    """A row a member."""
    rows = [
        (m.recipe, str(m.fold), f"{m.weight:.3f}", str(m.epochs), known(m.score), shape(m.model.net.n))
        for m in sorted(found.members, key=lambda member: -member.weight)
    ]
    title = f"predicts {found.target.name!r} by {count(len(rows), 'network')}, weighed out of fold"
    return Grid(title, ("recipe", "fold left out", "weight", "epochs", "loss there", "network"), rows)


def predictions(found: Any) -> Grid:
    """The first and last rows."""
    table = found.table
    rows = [tuple(map(known, row)) for row in table.rows()]
    return Grid(f"{count(table.height, 'prediction')}{scored(found.metrics)}", table.columns, rows)


def streamed_predictions(found: Any) -> Grid:
    """How many, and where they are."""
    rows = [("written to", found.output or "nowhere"), ("files kept from before", str(found.kept))]
    return Grid(f"{count(found.n, 'prediction')}{scored(found.metrics)}", ("", ""), rows, left=2)


def search_result(found: Any) -> Grid:
    """The best trials, the best first."""
    ranked = sorted(found.trials, key=lambda trial: (trial["score"] is None, trial["score"] or 0.0))
    names = [name for name in ranked[0]["options"] if name not in ("l2", "epochs", "batch_size", "patience")]
    rows = [(known(t["score"]) or "diverged", *(option(t["options"].get(name)) for name in names)) for t in ranked]
    title = f"{count(len(rows), 'trial')}, {found.stopped}, the best loss is {number(found.score)}: {found.command}"
    return Grid(title, ("loss", *names), rows, left=len(names) + 1)


def network_estimator(found: Any) -> Grid:
    """A fitted one's network, and how far its training came."""
    if not hasattr(found, "network_"):
        return Grid(f"{found!r}, not fitted", ("", ""), [])
    under = grid(found.network_)
    came = f"{count(found.n_iter_, 'epoch')}, loss {number(float(found.loss_))}"
    return Grid(f"{type(found).__name__}, {came}: {under.title}", under.heads, under.rows, under.left)


def tabular_estimator(found: Any) -> Grid:
    """A fitted one's ensemble."""
    if not hasattr(found, "ensemble_"):
        return Grid(f"{found!r}, not fitted", ("", ""), [])
    under = grid(found.ensemble_)
    return Grid(f"{type(found).__name__} {under.title}", under.heads, under.rows, under.left)


GRIDS: dict[str, Callable[[Any], Grid]] = {
    "BaseMLP": network_estimator,
    "BaseTabular": tabular_estimator,
    "Ensemble": ensemble,
    "GradientFlow": flow,
    "History": history,
    "Model": model,
    "Outcome": outcome,
    "Predictions": predictions,
    "Problem": problem,
    "SearchResult": search_result,
    "StreamedPredictions": streamed_predictions,
}


def known(value: Any) -> str:
    """A cell: four digits of a number, nothing where there is none."""
    if isinstance(value, float | np.floating):
        return number(float(value))
    return "" if value is None else str(value)


def option(value: Any) -> str:
    """An option's value in short.

    >>> option([64, 64]), option({"name": "adamw", "learning_rate": 0.001})
    ('64,64', 'adamw 0.001')
    """
    if isinstance(value, dict):
        return " ".join(map(str, value.values()))
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else known(value)


def scored(metrics: Mapping[str, Any] | None) -> str:
    """The scores, where the true values were there."""
    told = {name: value for name, value in (metrics or {}).items() if isinstance(value, float)}
    return f": {', '.join(f'{name} {number(value)}' for name, value in told.items())}" if told else ""
