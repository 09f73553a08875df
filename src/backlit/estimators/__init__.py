"""Estimators in scikit-learn's conventions, on Backlit's networks and trainer."""

from backlit.estimators.classifier import MLPClassifier
from backlit.estimators.regressor import MLPRegressor
from backlit.render.loss_curve_display import LossCurveDisplay

__all__ = ["LossCurveDisplay", "MLPClassifier", "MLPRegressor"]
