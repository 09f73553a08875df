"""A training shown, a `backlit.tabular.TrainResult`: one HTML page that fetches nothing, and text for a terminal."""

from typing import Any

import numpy as np

from backlit import terminal
from backlit._version import __version__
from backlit.render.pages import against, class_curves, curves, frame, histogram, page
from backlit.tables.messages import count, figure

MOST_CLASSES = 20  # of a confusion matrix that a person can read
MOST_POINTS = 2000
MOST_COLUMNS = 20  # whose importance is shown
MOST_CURVES = 6
MOST_LAYERS = 6
VERSIONS = ("backlit", "python", "numpy", "scipy", "polars", "scikit-learn")
RIVALS = {"constant": "Constant", "linear": "Linear", "gradient_boosting": "Gradient boosting"}
NAMES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "log_loss": "Log loss",
    "roc_auc": "ROC AUC",
    "r2": "R²",
    "rmse": "Root mean square error",
    "mae": "Mean absolute error",
}
STOPPED = {
    "patience": "the validation loss had stopped falling",
    "epochs": "all epochs were done",
    "interrupted": "it was interrupted (Ctrl-C)",
    "callback": "a callback asked for it",
    "finished": "every network of the recipe was trained",
    "time limit": "the time limit was reached",
}


def render_report(result: Any) -> str:
    """The page for a TrainResult."""
    main = next(iter(result.metrics["test"]))
    assessed = result.assessment
    return page(
        "report.html.j2",
        result=result,
        target=result.model.target.name,
        main=(NAMES[main], figure(result.metrics["test"][main])),
        interval=interval(assessed.intervals.get(main)) if assessed else "",
        verdict=sentence(assessed.verdict) if assessed else "",
        rivals=[RIVALS[name] for name in assessed.baselines] if assessed else [],
        metrics=score_rows(result),
        figures=figures(result),
        matrix=confusion(result) if result.task == "classification" else None,
        classes=class_rows(assessed.classes) if assessed else [],
        calibration_error=figure(assessed.calibration.error) if assessed and assessed.calibration else "",
        importances=importance_rows(assessed.importances) if assessed else [],
        worst=worst_table(assessed.worst) if assessed else None,
        layers=layers(result.model),
        columns=column_rows(result),
        seconds=duration(result.seconds),
        stopped=STOPPED[result.stopped],
        optimizer=settings_of(result.settings.optimizer.to_dict()),
        schedule=settings_of(result.settings.schedule.to_dict()),
        versions={k: v for k, v in result.model.training.items() if k in VERSIONS},
        made=result.model.training.get("made"),
        version=__version__,
    )


def report_frame(result: Any) -> str:
    """The page in a frame, for a notebook."""
    return frame(render_report(result), f"Training of {result.model.target.name}")


def sentence(text: str) -> str:
    """Text that begins with a capital, whatever letters follow."""
    return text[:1].upper() + text[1:]


def interval(bounds: tuple[float, float] | None) -> str:
    """Both ends with four digits, or nothing.

    >>> interval((0.91234, 1.0)), interval(None)
    ('0.9123 to 1', '')
    """
    return f"{figure(bounds[0])} to {figure(bounds[1])}" if bounds else ""


def score_rows(result: Any) -> list[dict[str, Any]]:
    """A row a metric: training rows, held-out rows, their interval, and what the baselines have there."""
    assessed = result.assessment
    return [
        {
            "name": NAMES[name],
            "train": figure(result.metrics["train"][name]),
            "test": figure(value),
            "interval": interval(assessed.intervals.get(name)) if assessed else "",
            "rivals": [figure(scores[name]) for scores in assessed.baselines.values()] if assessed else [],
        }
        for name, value in result.metrics["test"].items()
    ]


def class_rows(classes: list[Any]) -> list[list[str]]:
    """Label, rows, recall, precision, ROC AUC and average precision of each class, as text."""
    return [
        [one.label, f"{one.rows:,}", *map(figure, (one.recall, one.precision, one.auc, one.average_precision))]
        for one in classes
    ]


def importance_rows(importances: dict[str, float]) -> list[tuple[str, str, float]]:
    """Name, growth of the loss, and the share of the largest, of the first columns."""
    largest = max(importances.values(), default=0.0)
    rows = list(importances.items())[:MOST_COLUMNS]
    return [(name, figure(value), max(value / largest, 0) if largest > 0 else 0) for name, value in rows]


def worst_table(worst: list[dict[str, Any]]) -> dict[str, Any]:
    """Heads of the columns that are told, and each row's: where it is, what is so, what was said and how surely."""
    heads = list(worst[0]["values"]) if worst else []
    return {
        "sure": bool(worst) and "probability" in worst[0],
        "heads": heads,
        "first": worst[0]["row"] - 1 if worst else None,  # as `explain` counts
        "rows": [
            {
                "row": f"{row['row']:,}",
                "true": cell(row["true"]),
                "predicted": cell(row["predicted"]),
                "probability": figure(row.get("probability")),
                "values": [cell(row["values"][name]) for name in heads],
            }
            for row in worst
        ],
    }


def cell(value: Any) -> str:
    """A table's value as text; a dash for none."""
    return "–" if value is None else figure(value) if isinstance(value, float) else str(value)


def column_rows(result: Any) -> list[dict[str, Any]]:
    """What became of each column, beside what is in it and, as shares of the tallest bar, how often."""
    found = {line.name: line for line in result.assessment.overview} if result.assessment else {}
    rows = []
    for column in result.columns:
        line = found.get(column.name)
        bars = line.bars if line else ()
        tallest = max(bars, default=1) or 1
        rows.append({
            "column": column,
            "summary": line.summary if line else "",
            "different": f"{line.different:,}" if line else "",
            "bars": [(k, n / tallest) for k, n in enumerate(bars)],
        })  # fmt: skip
    return rows


def duration(seconds: float) -> str:
    """Seconds with a tenth; below 1, two significant digits.

    >>> duration(83.456), duration(0.0312)
    ('83.5', '0.031')
    """
    return f"{seconds:.1f}" if seconds >= 1 else f"{seconds:.2g}"


def settings_of(described: dict[str, Any]) -> str:
    """A name and its settings in one line."""
    options = ", ".join(f"{key} {value}" for key, value in described.items() if key != "name" and value is not None)
    return f"{described['name']} ({options})" if options else described["name"]


def figures(result: Any) -> dict[str, str]:
    """The plots, as SVG elements."""
    history = result.history
    best = None if history.best_epoch is None else (history.best_epoch, f"best: {history.best_epoch}")
    norms = np.array(history.column("gradient_norms"))
    by_layer = {f"layer {l}": norms[:, l - 1].tolist() for l in shown_layers(norms.shape[1])}
    losses = {"training": training_losses(result), "validation": history.column("validation_loss")}
    plots = {
        "loss": curves(losses, "Loss of training and validation rows by epoch", ylabel="loss", mark=best),
        "norms": curves(
            by_layer, "Gradient norm of each layer by epoch", ylabel="‖∂C/∂W‖", log=bool((norms > 0).all())
        ),
    }
    if result.task == "regression":
        rows = np.linspace(0, len(result.y_test) - 1, min(len(result.y_test), MOST_POINTS)).astype(int)
        truth, predicted = result.y_test[rows].tolist(), result.test_outputs[rows].astype(float).tolist()
        residuals = [p - t for p, t in zip(predicted, truth, strict=True)]
        plots["against"] = against(truth, predicted, "Predicted against true", xlabel="true", ylabel="predicted")
        plots["residuals"] = histogram(residuals, "Residuals", xlabel="predicted − true")
    elif result.assessment:
        plots |= class_figures(result.assessment)
    return plots


def training_losses(result: Any) -> list[float]:
    """The loss of the training rows by epoch, as the validation loss without the L2 term where its size is known."""
    losses = result.history.column("loss")
    if len(result.penalties) != len(losses):
        return losses
    return [loss - penalty for loss, penalty in zip(losses, result.penalties, strict=True)]


def class_figures(assessed: Any) -> dict[str, str]:
    """ROC, precision by recall, and calibration; of many classes the curves of those that are told apart worst."""
    scored = [one for one in assessed.classes if one.auc is not None]
    if len(assessed.classes) == 2:
        scored = scored[1:]
    shown = sorted(sorted(scored, key=lambda one: one.auc)[:MOST_CURVES], key=lambda one: one.label)
    roc = {f"{one.label}: AUC {one.auc:.3f}": one.roc for one in shown}
    pr = {f"{one.label}: {one.average_precision:.3f}": one.pr for one in shown}
    fit = {"predicted class": np.column_stack([assessed.calibration.confidence, assessed.calibration.right])}
    plots = {
        "calibration": class_curves(
            fit, "Calibration", xlabel="mean probability", ylabel="share that is right", chance=True, points=True
        )
    }
    if shown:
        rates = "false positive rate", "true positive rate (recall)"
        plots["roc"] = class_curves(roc, "ROC curve", xlabel=rates[0], ylabel=rates[1], chance=True)
        plots["pr"] = class_curves(pr, "Precision by recall", xlabel="recall", ylabel="precision")
    return plots


def shown_layers(L: int) -> list[int]:
    """All layers, or for a deep network MOST_LAYERS of them from the first to the last.

    >>> shown_layers(3), shown_layers(50)
    ([1, 2, 3], [1, 11, 21, 30, 40, 50])
    """
    return [round(l) for l in np.linspace(1, L, min(L, MOST_LAYERS))]


def confusion(result: Any) -> dict[str, Any]:
    """Counts of true class by predicted class on the test rows; for many classes the most frequent confusions."""
    labels = [str(label) for label in result.model.target.classes]
    K = len(labels)
    predicted = result.test_outputs.argmax(axis=1)
    counts = np.bincount(result.y_test * K + predicted, minlength=K * K).reshape(K, K)
    rows = [
        (labels[k], [(int(n), float(n / max(counts[k].sum(), 1)), k == j) for j, n in enumerate(counts[k])])
        for k in range(K)
    ]
    off = counts - np.diag(np.diag(counts))
    worst = [divmod(int(at), K) for at in np.argsort(-off, axis=None, kind="stable")[:10]]
    return {
        "labels": labels,
        "rows": rows if K <= MOST_CLASSES else None,
        "worst": [(labels[i], labels[j], int(off[i, j])) for i, j in worst if off[i, j]],
    }


def layers(model: Any) -> list[dict[str, Any]]:
    """One row of the network's table for each layer."""
    net, params = model.net, model.params
    rows = []
    for l, layer in net.numbered():
        arrays = [a for a in (params.W[l], params.b[l], params.gamma[l], params.beta[l]) if a is not None]
        extras = [f"{layer.norm} norm"] if layer.norm else []
        extras += [f"dropout {layer.dropout:g}"] if layer.dropout else []
        rows.append({
            "l": l,
            "activation": layer.activation.name,
            "W": " × ".join(map(str, params.W[l].shape)),
            "extras": ", ".join(extras) or "–",
            "parameters": sum(a.size for a in arrays),
        })  # fmt: skip
    return rows


# --- in a terminal: what the score is worth, the network or its members, the scores, the columns ----------------------

SHORT_RIVALS = {"constant": "constant", "linear": "linear", "gradient_boosting": "boosting"}


def result_text(result: Any) -> str:
    """The same as plain text of 80 columns."""
    return terminal.captured(lambda console: show_result(result, console))


def show_result(result: Any, console: Any = None) -> None:
    """Print what a person wants to know, what the score is worth first, in a terminal's width."""
    console = console or terminal.console()
    if result.assessment:
        console.print(sentence(result.assessment.verdict), style="bold")
    (show_ensemble if result.members else show_network)(console, result)
    console.print(score_table(result))
    console.print(columns_in_short(result))
    for note in result.notes:
        console.print(f"note: {note}", style="dim")
    for kind, path in (("model", result.model_path), ("report", result.report_path)):
        if path:
            console.print(f"{kind}: {path}", soft_wrap=True)


def score_table(result: Any) -> Any:
    """A row a metric, beside the baselines of the same held-out rows."""
    from rich.table import Table
    from rich.text import Text

    table = Table("metric", box=None, header_style="dim", pad_edge=False, padding=(0, 1))
    assessed = result.assessment
    rivals = assessed.baselines if assessed else {}
    for head in (
        "out of fold" if result.members else "training",
        "held out",
        *(["95% interval"] if assessed else []),
        *(SHORT_RIVALS[name] for name in rivals),
    ):
        table.add_column(head, justify="right")
    for name, value in result.metrics["test"].items():
        ends = [short_interval(assessed.intervals.get(name))] if assessed else []
        theirs = [figure(scores[name]) for scores in rivals.values()]
        table.add_row(name, figure(result.metrics["train"][name]), Text(figure(value), "bold"), *ends, *theirs)
    return table


def short_interval(ends: tuple[float, float] | None) -> str:
    """Both ends in three digits.

    >>> short_interval((0.77081, 0.8131)), short_interval((18_893.2, 27_418.8)), short_interval(None)
    ('0.771–0.813', '18,893–27,419', '–')
    """
    return "–" if ends is None else "–".join(figure(end) if abs(end) >= 1e4 else f"{end:.3g}" for end in ends)


def columns_in_short(result: Any) -> str:
    """How many features the columns became, where most, and which columns matter most."""
    columns = result.columns
    features = [column.features for column in columns]
    widest = max(columns, key=lambda column: column.features)
    most = f", {widest.features} of them of {widest.name!r}" if widest.features > 2 and len(columns) > 1 else ""
    used = sum(n > 0 for n in features)
    left_out = f" ({len(columns) - used} left out)" if used < len(columns) else ""
    told = f"{count(used, 'column')}{left_out} as {count(sum(features), 'feature')}{most}"
    growing = (
        [name for name, growth in result.assessment.importances.items() if growth > 0] if result.assessment else []
    )
    return f"{told}; what matters most: {', '.join(growing[:5])}" if growing else told


def show_network(console: Any, result: Any) -> None:
    """What was trained, where that is one network."""
    shape = " → ".join(map(str, result.model.net.n))
    console.print(headline(result, f"network {shape}"))
    best = f"; the best was epoch {result.history.best_epoch}" if result.history.best_epoch else ""
    console.print(
        f"{count(result.epochs, 'epoch')} in {duration(result.seconds)} s, until {STOPPED[result.stopped]}{best}"
    )
    if result.stopped == "interrupted":
        console.print("stopped by Ctrl-C: the model and its scores are those of the best epoch until then")
    console.print(
        f"{count(result.n_train, 'training row')}, {result.n_validation:,} of them to stop by; "
        f"{count(result.n_test, 'held-out row')}"
    )


def show_ensemble(console: Any, result: Any) -> None:
    """What was trained, where that is an ensemble: its presets by weight."""
    shares: dict[str, float] = {}
    for member in result.members:
        shares[member.recipe] = shares.get(member.recipe, 0.0) + member.weight
    folds = len({member.fold for member in result.members})
    console.print(headline(result, f"ensemble of {count(len(result.members), 'network')} on {count(folds, 'fold')}"))
    told = ", ".join(f"{name} {share:.0%}" for name, share in sorted(shares.items(), key=lambda item: -item[1]))
    console.print(f"weights: {told}")
    console.print(f"{count(result.epochs, 'epoch')} of its networks, {duration(result.seconds)} s in all")
    if result.stopped != "finished":
        console.print(f"stopped early ({result.stopped}): the model is the best until then")
    console.print(
        f"{count(result.n_train, 'training row')}, scored out of fold; {count(result.n_test, 'held-out row')}"
    )


def headline(result: Any, made: str) -> Any:
    """What was trained for what, by which engine, and how far its gradient was from the right one."""
    from rich.text import Text

    error = f"gradient checked: largest relative error {result.gradient_check.max_relative_error:.1e}"
    target = (result.model.target.name, "bold")
    return Text.assemble(f"{result.task} of ", target, f", {made}, {result.engine} engine; {error}")
