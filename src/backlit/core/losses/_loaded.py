"""The table, filled: every file of this folder is imported before the package's functions take their names."""

from backlit.core.losses._record import LOSSES
from backlit.core.registry import load

load(LOSSES, __package__, first=(
    *("half_squared_error", "squared_error", "mean_squared_error", "absolute_error", "huber", "quantile"),
    *("cross_entropy", "binary_cross_entropy", "poisson"),
))  # fmt: skip
