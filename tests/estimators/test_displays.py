"""Plots: what is drawn are the numbers of the history, on the axes that are given."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.inspection import DecisionBoundaryDisplay
from tests.helpers import raises_naming

from backlit.estimators import LossCurveDisplay, MLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = load_iris(return_X_y=True)


def axes():
    return Figure().add_subplot()


def test_the_loss_is_drawn_by_epoch():
    model = MLPClassifier((8,), max_iter=12, random_state=0).fit(X, Y)
    ax = axes()
    display = LossCurveDisplay.from_estimator(model, ax=ax, log_scale=True, line_kw={"color": "red", "label": "mine"})
    (line,) = display.lines_
    assert (display.ax_, display.figure_, display.score_ax_) == (ax, ax.figure, None)
    np.testing.assert_array_equal(line.get_ydata(), model.loss_curve_)
    np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 13))
    assert (line.get_color(), ax.get_yscale(), ax.get_title()) == ("red", "log", "MLPClassifier")
    assert "mine" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_validation_is_drawn_where_there_was_any():
    model = MLPClassifier((8,), max_iter=9, early_stopping=True, random_state=0).fit(X, Y)
    display = LossCurveDisplay.from_estimator(model, ax=axes(), name="iris")
    _, validation, score = display.lines_
    np.testing.assert_array_equal(validation.get_ydata(), model.history_.column("validation_loss"))
    np.testing.assert_array_equal(score.get_ydata(), model.validation_scores_)
    assert score.axes is display.score_ax_
    assert display.ax_.get_title() == "iris"
    again = display.plot(ax=axes())
    assert again is display
    assert len(again.lines_) == 3


def test_without_epochs_there_is_no_curve():
    with raises_naming(ValueError, "fitted", "epochs"):
        LossCurveDisplay.from_estimator(MLPClassifier((4,), solver="lbfgs", max_iter=5).fit(X, Y), ax=axes())
    with pytest.raises(NotFittedError, match="not fitted"):
        LossCurveDisplay.from_estimator(MLPClassifier(), ax=axes())


@pytest.mark.parametrize("response_method", ["predict", "predict_proba"])
def test_scikit_learns_decision_boundary_draws_ours(response_method):
    model = MLPClassifier((8,), max_iter=30, random_state=0).fit(X[:, :2], np.array(list("abc"))[Y])
    display = DecisionBoundaryDisplay.from_estimator(
        model, X[:, :2], ax=axes(), response_method=response_method, grid_resolution=15
    )
    assert display.ax_.collections
