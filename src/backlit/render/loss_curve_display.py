"""`LossCurveDisplay`: a training's history as a Matplotlib plot, by scikit-learn's Display convention."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class LossCurveDisplay:
    """Loss by epoch: of training, of validation if there was any, and the validation score on an axis of its own.

    Parameters
    ----------
    loss : list of float
        Training loss, a number an epoch.
    validation_loss : list of float, optional
        Validation loss, a number an epoch; not drawn if empty.
    validation_score : list of float, optional
        Validation score, a number an epoch; not drawn if empty.
    best_epoch : int, optional
        The epoch with the best validation.
    estimator_name : str, optional
        For the title.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes, once `plot` has drawn.
    figure_ : matplotlib.figure.Figure
        Their figure.
    lines_ : list of matplotlib.lines.Line2D
        The curves.
    score_ax_ : matplotlib.axes.Axes or None
        The axes of the score, None if no score is shown.

    Examples
    --------
    >>> LossCurveDisplay([1.0, 0.5, 0.3]).loss
    [1.0, 0.5, 0.3]
    """

    loss: list[float]
    validation_loss: list[float] = field(default_factory=list)
    validation_score: list[float] = field(default_factory=list)
    best_epoch: int | None = None
    estimator_name: str | None = None

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        ax: Any = None,
        name: str | None = None,
        log_scale: bool = False,
        line_kw: Mapping[str, Any] | None = None,
    ) -> "LossCurveDisplay":
        """Draw the history of a fitted estimator.

        Parameters
        ----------
        estimator : MLPClassifier or MLPRegressor
            A fitted estimator.
        ax : matplotlib.axes.Axes, optional
            Where to draw; new ones if not given.
        name : str, optional
            For the title; the class if not given.
        log_scale : bool, default False
            Whether the loss is on a logarithmic scale.
        line_kw : mapping, optional
            Keywords of the training loss's line.

        Returns
        -------
        LossCurveDisplay
            The display, drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If it was fitted by solver="lbfgs", which has no epochs.
        """
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(estimator)
        history = estimator.history_
        if not len(history):
            raise ValueError(
                f"{type(estimator).__name__} has no loss curve: it was not fitted in epochs (solver is lbfgs)"
            )
        columns = {key: history.column(key) for key in ("validation_loss", "validation_score")}
        whole = {key: [] if None in column else column for key, column in columns.items()}
        display = cls(history.column("loss"), **whole, best_epoch=history.best_epoch if any(whole.values()) else None,
                      estimator_name=name or type(estimator).__name__)  # fmt: skip
        return display.plot(ax=ax, log_scale=log_scale, line_kw=line_kw)

    def plot(
        self, ax: Any = None, *, log_scale: bool = False, line_kw: Mapping[str, Any] | None = None
    ) -> "LossCurveDisplay":
        """Draw; see `from_estimator`."""
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        self.ax_, self.figure_, self.score_ax_ = ax, ax.figure, None
        epochs = range(1, len(self.loss) + 1)
        marker = "o" if len(self.loss) == 1 else None  # a line of one point cannot be seen
        self.lines_ = ax.plot(epochs, self.loss, **{"label": "training loss", "marker": marker, **(line_kw or {})})
        if self.validation_loss:
            self.lines_ += ax.plot(epochs, self.validation_loss, "--", label="validation loss", marker=marker)
        if self.best_epoch is not None:
            ax.axvline(
                self.best_epoch, color="0.5", linewidth=0.8, linestyle=":", label=f"best epoch, {self.best_epoch}"
            )
        if log_scale:
            ax.set_yscale("log")
        ax.set(xlabel="epoch", ylabel="loss", title=self.estimator_name or "")
        ax.xaxis.get_major_locator().set_params(integer=True)
        handles, labels = ax.get_legend_handles_labels()
        if self.validation_score:
            self.score_ax_ = ax.twinx()
            self.lines_ += self.score_ax_.plot(
                epochs, self.validation_score, "-.", color="C2", label="validation score", marker=marker
            )
            self.score_ax_.set_ylabel("validation score")
            handles, labels = [*handles, self.lines_[-1]], [*labels, "validation score"]
        (self.score_ax_ or ax).legend(handles, labels, loc="center right")
        return self
