"""Settings: what cannot be is said in one line before anything runs."""

import re

import pytest

from backlit.errors import ProblemError
from backlit.optim import Adam, ReduceOnPlateau
from backlit.training import Settings


@pytest.mark.parametrize(("options", "line"), [
    ({"epochs": 0}, "epochs must be at least 1, not 0"),
    ({"epochs": 2.0}, "epochs must be a whole number, not 2.0"),
    ({"batch_size": -1}, "batch_size must be at least 1, not -1"),
    ({"patience": 0}, "patience must be at least 1, not 0"),
    ({"monitor": "validation_los"}, "unknown monitor 'validation_los': did you mean validation_loss?"),
    ({"tol": -1e-4}, "tol must be in [0, inf], not -0.0001"),
    ({"tol": float("nan")}, "tol must be a finite number, not nan"),
    ({"clip_norm": 0}, "clip_norm must be above 0, or None for no clipping"),
    ({"clip_value": 0.0}, "clip_value must be above 0, or None for no clipping"),
    ({"clip_norm": -1.0}, "clip_norm must be in [0, inf], not -1.0"),
    ({"clip_norm": "1"}, "clip_norm must be a finite number, not '1'"),
    ({"seed": -1}, "seed must lie in [0, 2^64), not -1"),
    ({"seed": 2**64}, "seed must lie in [0, 2^64), not 18446744073709551616"),
    ({"seed": None}, "seed must be a whole number, not None"),
    ({"alpha": -0.1}, "alpha must be in [0, inf], not -0.1"),
    ({"memory_limit": 0}, "memory_limit must be at least 1, not 0"),
    ({"n_threads": 0}, "n_threads must be at least 1, not 0"),
    ({"optimizer": "adma"}, "unknown optimizer 'adma': did you mean adam?"),
    ({"schedule": "cosin"}, "unknown schedule 'cosin': did you mean cosine?"),
])  # fmt: skip
def test_settings_that_cannot_be(options, line):
    with pytest.raises(ProblemError, match=re.escape(line)) as error:
        Settings(**options)
    assert "\n" not in str(error.value)


def test_the_largest_seed():
    assert Settings(seed=2**64 - 1).seed == 2**64 - 1


def test_names_are_read():
    settings = Settings(optimizer={"name": "adam", "lr": 0.5}, schedule="reduce_on_plateau")
    assert settings.optimizer == Adam(learning_rate=0.5)
    assert settings.schedule == ReduceOnPlateau()


def test_settings_are_keywords_and_frozen():
    with pytest.raises(TypeError, match="positional"):
        Settings(10)
    with pytest.raises(AttributeError, match="cannot assign"):
        Settings().epochs = 3
