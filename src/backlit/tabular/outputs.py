"""From the network's outputs to what the target column means."""

import numpy as np

from backlit.engine import Recipe, get_engine
from backlit.io.models import Model
from backlit.optim import Sgd

Array = np.ndarray


def outputs_of(model: Model, X: Array, *, engine: str = "auto") -> Array:
    """Probabilities (n, K) for classification, numbers (n,) for regression, for features X (n, n_0)."""
    runner = get_engine(engine, Recipe(model.net, Sgd(), batch_size=1))
    a = runner.predict(model.params, model.statistics, X.astype(model.params.theta.dtype, copy=False))
    if model.target is None or model.target.task == "regression":
        return a[:, 0] if a.shape[1] == 1 else a
    return np.hstack([1 - a, a]) if a.shape[1] == 1 else a
