"""Training: the loop, what it is told, what it records; on any engine."""

from backlit.training.run import Epoch, History, Run, Settings
from backlit.training.sharding import Shards
from backlit.training.streaming import Stream
from backlit.training.trainer import Outcome, fit

__all__ = ["Epoch", "History", "Outcome", "Run", "Settings", "Shards", "Stream", "fit"]
