"""The worked example of the README, as a problem file holds it."""

WORKED = {
    "inputs": 2,
    "layers": [
        {"units": 2, "activation": "sigmoid", "W": [[0.1, -0.2], [0.4, 0.3]], "b": [0.0, 0.1]},
        {"units": 1, "activation": "identity", "W": [[0.2, -0.5]], "b": [0.0]},
    ],
    "loss": "half_squared_error",
    "x": [[1.0, 2.0]],
    "y": [[1.0]],
    "optimizer": {"name": "sgd", "learning_rate": 0.5},
}
