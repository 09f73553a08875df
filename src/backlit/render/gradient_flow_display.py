"""`GradientFlowDisplay`: a training's gradient flow as a Matplotlib plot, by scikit-learn's Display convention."""

import math
from typing import Any

import numpy as np

from backlit.core.parameters import Parameters
from backlit.diagnosis.inputs import MOST_EXAMPLES, Subject
from backlit.errors import ProblemError


class GradientFlowDisplay:
    """‖δ_l‖² of each layer over that of the last, one line for each measured epoch.

    Parameters
    ----------
    epochs : list of int
        Numbers of the epochs.
    ratios : list of list of float
        One row an epoch, one number a layer, layer 1 first.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes, once `plot` has drawn.
    figure_ : matplotlib.figure.Figure
        Their figure.
    lines_ : list of matplotlib.lines.Line2D
        One line an epoch.

    Examples
    --------
    >>> GradientFlowDisplay(epochs=[1], ratios=[[0.25, 0.5, 1.0]]).ratios
    [[0.25, 0.5, 1.0]]
    """

    def __init__(self, *, epochs: list[int], ratios: list[list[float]]):
        self.epochs, self.ratios = epochs, ratios

    @classmethod
    def from_history(cls, flow: Any, *, ax: Any = None) -> "GradientFlowDisplay":
        """Draw the records of a `GradientFlow` callback that a training has called; ProblemError if it has none."""
        if not flow.records:
            raise ProblemError("this GradientFlow has no records: give it to a training as a callback first")
        return cls(
            epochs=[record.epoch for record in flow.records], ratios=[shares(record.flow) for record in flow.records]
        ).plot(ax=ax)

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, y: Any = None, *, ax: Any = None) -> "GradientFlowDisplay":
        """Draw the flow of a fitted MLPClassifier or MLPRegressor.

        Parameters
        ----------
        estimator : MLPClassifier or MLPRegressor
            A fitted estimator.
        X : (n, n_features) array
            Rows to measure on; at most the first 512 are used.
        y : (n,) or (n, n_outputs) array, optional
            Their targets; drawn at random if not given.
        ax : matplotlib.axes.Axes, optional
            Where to draw; new ones if not given.

        Returns
        -------
        GradientFlowDisplay
            The display, drawn.

        Raises
        ------
        ProblemError
            If the estimator is not a fitted one of Backlit's.
        """
        params = getattr(estimator, "_params", None)
        if not isinstance(params, Parameters):
            raise ProblemError("this estimator has no network yet: fit an MLPClassifier or MLPRegressor of Backlit's")
        if y is None:
            rows = dense(X)
        else:
            data = estimator._read(X, y, None, first=False, new_targets=False)
            rows, y = dense(data.X), data.Y.astype(float)
        flow = Subject(params.net, "estimator", None, params.astype("float64"), rows, y).flow(0)
        epochs = len(estimator.history_) or int(getattr(estimator, "n_iter_", 0))
        return cls(epochs=[epochs], ratios=[shares(flow)]).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> "GradientFlowDisplay":
        """Draw on `ax`, or on a new figure if none is given."""
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots()
        L = len(self.ratios[0])
        self.lines_ = []
        for k, (epoch, row) in enumerate(zip(self.epochs, self.ratios, strict=True)):
            fade = 0.25 + 0.75 * (k + 1) / len(self.epochs)  # later epochs are stronger
            values = [v if v > 0 and math.isfinite(v) else math.nan for v in row]
            self.lines_ += ax.plot(range(1, L + 1), values, color="C0", alpha=fade, marker=".", label=f"epoch {epoch}")
        ax.set(yscale="log", xlabel="layer", ylabel="‖δ_l‖² / ‖δ_L‖²")
        if len(self.epochs) <= 6:
            ax.legend()
        self.ax_, self.figure_ = ax, ax.figure
        return self


def dense(X: Any) -> np.ndarray:
    """The rows that are measured, as numbers (m, n_0), of an array, a data frame or a sparse matrix."""
    return np.asarray(X.tocsr()[:MOST_EXAMPLES].toarray() if hasattr(X, "tocsr") else X, dtype=float)


def shares(flow: Any) -> list[float]:
    """E‖δ_l‖² of each layer over the top's."""
    top = flow.layers[-1].delta or math.nan
    return [layer.delta / top for layer in flow.layers[1:]]
