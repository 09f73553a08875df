"""Settings: what cannot be is said in one line before anything runs."""

import pytest
from tests.helpers import raises_naming

from backlit.errors import ProblemError
from backlit.optim import Adam, ReduceOnPlateau
from backlit.training import Settings


@pytest.mark.parametrize(("options", "line"), [
    ({"epochs": 0}, ("epochs", "at least 1", "0")),
    ({"epochs": 2.0}, ("epochs", "whole number", "2.0")),
    ({"batch_size": -1}, ("batch_size", "at least 1", "-1")),
    ({"patience": 0}, ("patience", "at least 1", "0")),
    ({"monitor": "validation_los"}, ("monitor", "'validation_los'", "validation_loss")),
    ({"tol": -1e-4}, ("tol", "[0, inf)", "-0.0001")),
    ({"tol": float("nan")}, ("tol", "finite number", "nan")),
    ({"clip_norm": 0}, ("clip_norm", "above 0", "None", "clipping")),
    ({"clip_value": 0.0}, ("clip_value", "above 0", "None", "clipping")),
    ({"clip_norm": -1.0}, ("clip_norm", "[0, inf)", "-1.0")),
    ({"clip_norm": "1"}, ("clip_norm", "finite number", "'1'")),
    ({"seed": -1}, ("seed", "[0, 2^64)", "-1")),
    ({"seed": 2**64}, ("seed", "[0, 2^64)", "18446744073709551616")),
    ({"seed": None}, ("seed", "whole number", "None")),
    ({"alpha": -0.1}, ("alpha", "[0, inf)", "-0.1")),
    ({"memory_limit": 0}, ("memory_limit", "at least 1", "0")),
    ({"n_threads": 0}, ("n_threads", "at least 1", "0")),
    ({"optimizer": "adma"}, ("optimizer", "'adma'", "adam")),
    ({"schedule": "cosin"}, ("schedule", "'cosin'", "cosine")),
])  # fmt: skip
def test_settings_that_cannot_be(options, line):
    with raises_naming(ProblemError, *line):
        Settings(**options)


def test_the_largest_seed():
    assert Settings(seed=2**64 - 1).seed == 2**64 - 1


def test_names_are_read():
    settings = Settings(optimizer={"name": "adam", "lr": 0.5}, schedule="reduce_on_plateau")
    assert settings.optimizer == Adam(learning_rate=0.5)
    assert settings.schedule == ReduceOnPlateau()


def test_settings_are_keywords_and_frozen():
    with raises_naming(TypeError, "positional"):
        Settings(10)
    with pytest.raises(AttributeError, match="cannot assign"):
        Settings().epochs = 3
