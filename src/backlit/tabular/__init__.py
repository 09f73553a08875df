"""A table in, a model out; a model and a table in, predictions out."""

from backlit.tabular.estimators import TabularClassifier, TabularRegressor
from backlit.tabular.prediction import Predictions, predict
from backlit.tabular.result import TrainResult
from backlit.tabular.training import train

__all__ = ["Predictions", "TabularClassifier", "TabularRegressor", "TrainResult", "predict", "train"]
