"""Estimators in scikit-learn's conventions, on Backlit's networks and trainer."""

from backlit.estimators.classifier import MLPClassifier
from backlit.estimators.inspection import LossCurveDisplay
from backlit.estimators.regressor import MLPRegressor

__all__ = ["LossCurveDisplay", "MLPClassifier", "MLPRegressor"]
