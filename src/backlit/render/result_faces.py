"""What is shown of a training, a model, predictions, a search and an estimator: the table of `render.faces`.

Results of higher floors are known by the names of their classes, and read by their attributes.

>>> from backlit.training import Epoch, History
>>> print(text(History([Epoch(1, 0.5, 0.01, (0.1,), 2.0, 0.75)], best_epoch=1, stopped="epochs")))
1 epoch, 2 s, the best is 1, stopped: epochs
<BLANKLINE>
epoch  loss  validation loss  validation score  learning rate
1       0.5             0.75                             0.01
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from backlit.render.cost import shape
from backlit.render.faces import GRIDS, Grid, counted, grid, html, number, text

__all__ = ["html", "text"]


def history(found: Any) -> Grid:
    """A row an epoch."""
    rows = [
        (str(e.number), *map(known, (e.loss, e.validation_loss, e.validation_score, e.learning_rate))) for e in found
    ]
    best = "" if found.best_epoch is None else f", the best is {found.best_epoch}"
    stopped = f", stopped: {found.stopped}" if found.stopped else ""
    title = f"{counted(len(found), 'epoch')}, {found.seconds:.3g} s{best}{stopped}"
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
    title = f"{counted(len(rows), 'measurement')} of the gradient flow: {found.verdict or 'none yet'}"
    return Grid(title, ("epoch", "verdict", "seconds"), rows, left=2)


def problem(found: Any) -> Grid:
    """The network, and what there is for it."""
    under = grid(found.net)
    examples = "no examples" if found.X is None else counted(len(found.X), "example")
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
    title = f"predicts {found.target.name!r} by {counted(len(rows), 'network')}, weighed out of fold"
    return Grid(title, ("recipe", "fold left out", "weight", "epochs", "loss there", "network"), rows)


def predictions(found: Any) -> Grid:
    """The first and last rows."""
    table = found.table
    rows = [tuple(map(known, row)) for row in table.rows()]
    return Grid(f"{counted(table.height, 'prediction')}{scored(found.metrics)}", table.columns, rows)


def streamed_predictions(found: Any) -> Grid:
    """How many, and where they are."""
    rows = [("written to", found.output or "nowhere"), ("files kept from before", str(found.kept))]
    return Grid(f"{counted(found.n, 'prediction')}{scored(found.metrics)}", ("", ""), rows, left=2)


def search_result(found: Any) -> Grid:
    """The best trials, the best first."""
    ranked = sorted(found.trials, key=lambda trial: (trial["score"] is None, trial["score"] or 0.0))
    names = [name for name in ranked[0]["options"] if name not in ("l2", "epochs", "batch_size", "patience")]
    rows = [(known(t["score"]) or "diverged", *(option(t["options"].get(name)) for name in names)) for t in ranked]
    title = f"{counted(len(rows), 'trial')}, {found.stopped}, the best loss is {number(found.score)}: {found.command}"
    return Grid(title, ("loss", *names), rows, left=len(names) + 1)


def network_estimator(found: Any) -> Grid:
    """A fitted one's network, and how far its training came."""
    if not hasattr(found, "network_"):
        return Grid(f"{found!r}, not fitted", ("", ""), [])
    under = grid(found.network_)
    came = f"{counted(found.n_iter_, 'epoch')}, loss {number(float(found.loss_))}"
    return Grid(f"{type(found).__name__}, {came}: {under.title}", under.heads, under.rows, under.left)


def tabular_estimator(found: Any) -> Grid:
    """A fitted one's ensemble."""
    if not hasattr(found, "ensemble_"):
        return Grid(f"{found!r}, not fitted", ("", ""), [])
    under = grid(found.ensemble_)
    return Grid(f"{type(found).__name__} {under.title}", under.heads, under.rows, under.left)


GRIDS |= {
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
