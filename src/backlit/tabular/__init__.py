"""A table in, a model out; a model and a table in, predictions out."""

from backlit.tabular.prediction import Predictions, predict
from backlit.tabular.result import TrainResult
from backlit.tabular.search import SearchResult, search
from backlit.tabular.training import train

__all__ = [
    "Predictions",
    "SearchResult",
    "TrainResult",
    "predict",
    "search",
    "train",
]
