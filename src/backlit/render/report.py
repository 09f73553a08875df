"""The report of a training run: one HTML page that fetches nothing.  It reads a `backlit.tabular.TrainResult`."""

from typing import Any

import numpy as np

from backlit._version import __version__
from backlit.render.pages import page
from backlit.render.plots import against, curves, histogram

MOST_CLASSES = 20  # of a confusion matrix that a person can read
MOST_POINTS = 2000
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
    "interrupted": "it was interrupted",
    "callback": "a callback asked for it",
    "finished": "every network of the recipe was trained",
    "time limit": "the time limit was reached",
}


def render_report(result: Any) -> str:
    """The page for a TrainResult."""
    main = next(iter(result.metrics["test"]))
    return page(
        "report.html.j2",
        result=result,
        target=result.model.target.name,
        main=(NAMES[main], number(result.metrics["test"][main])),
        metrics=[(NAMES[k], number(result.metrics["train"][k]), number(v)) for k, v in result.metrics["test"].items()],
        figures=figures(result),
        matrix=confusion(result) if result.task == "classification" else None,
        layers=layers(result.model),
        columns=result.model.encoder.summary(),
        seconds=duration(result.seconds),
        stopped=STOPPED[result.stopped],
        optimizer=settings_of(result.settings.optimizer.to_dict()),
        schedule=settings_of(result.settings.schedule.to_dict()),
        versions={k: v for k, v in result.model.training.items() if k in ("backlit", "python", "numpy", "scipy")},
        version=__version__,
    )


def number(value: float | None) -> str:
    """Four significant digits, or a dash for what is undefined."""
    return "–" if value is None else f"{value:.4g}"


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
    losses = {"training": history.column("loss"), "validation": history.column("validation_loss")}
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
    return plots


def shown_layers(L: int, most: int = 6) -> list[int]:
    """All layers, or for a deep network `most` of them from the first to the last.

    >>> shown_layers(3), shown_layers(50)
    ([1, 2, 3], [1, 11, 21, 30, 40, 50])
    """
    return [round(l) for l in np.linspace(1, L, min(L, most))]


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
