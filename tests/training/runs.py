"""What the tests of training share: digits as data, small runs, and a trained-until-now snapshot."""

from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from backlit.core import Dense, Network
from backlit.engine import Data
from backlit.training import Outcome, Settings, fit, trainer

Array = np.ndarray


@lru_cache
def digits() -> tuple[Data, Data]:
    """scikit-learn's scans: 1000 to train on, 400 to validate, pixels in [0, 1], labels one-hot."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    X, Y = X / 16, np.eye(10)[y]
    return Data(X[:1000], Y[:1000]), Data(X[1000:1400], Y[1000:1400])


def classifier(**options: Any) -> Network:
    """64-24-10 with options of its hidden layer."""
    return Network(64, [Dense(24, "relu", **options), Dense(10, "softmax")], loss="cross_entropy")


def curve(n: int = 60) -> Data:
    """A parabola with a little noise."""
    x = np.linspace(-1, 1, n)[:, None]
    return Data(x, x**2 + 0.01 * np.random.default_rng(5).standard_normal((n, 1)))


def regressor() -> Network:
    return Network(1, [Dense(8, "tanh", norm="batch"), Dense(1)])


def run_curve(callbacks: Any = (), data: Data | None = None, **options: Any) -> Outcome:
    """A short run on the curve; options are fit's or Settings'."""
    to_fit = {
        key: options.pop(key) for key in ("validation", "score", "progress", "state", "history") if key in options
    }
    net = regressor()
    settings = Settings(**{"epochs": 6, "batch_size": 16, "patience": None, "engine": "reference", **options})
    return fit(net, net.init(seed=0), data or curve(), settings, callbacks=callbacks, **to_fit)


def learned(outcome_or_run: Any) -> Array:
    """Parameters and running moments as one vector of their own."""
    state = outcome_or_run.state
    return np.concatenate([state.params.theta, state.statistics.mean[1], state.statistics.variance[1]])


class Killed(BaseException):
    """Stands for the end of the process."""


def killed_at(monkeypatch, at, fit):
    """Run fit until its `at`-th checkpoint is written."""
    save, written = trainer.save_checkpoint, 0

    def dies(*arguments):
        nonlocal written
        save(*arguments)
        written += 1
        if written == at:
            raise Killed("killed")

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "save_checkpoint", dies)
        with pytest.raises(Killed, match="killed"):
            fit()
