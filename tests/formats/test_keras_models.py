"""Keras's models compute the same once they are Backlit's: outputs, losses and gradients, with PyTorch under Keras."""

import numpy as np
import pytest
from tests.helpers import raises_naming

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")

import backlit  # noqa: E402  # after the skip where Keras is missing
from backlit.errors import ModelError  # noqa: E402  # likewise

layers = keras.layers
pytestmark = [pytest.mark.interop, pytest.mark.filterwarnings("ignore")]
ACTIVATIONS = ["relu", "tanh", "sigmoid", "gelu", "silu", "mish", "elu", "selu", "softplus", "softsign", "linear",
               "exponential", "leaky_relu"]  # fmt: skip


def drawn(seed):
    """A Sequential that predicts, a loss, and a batch."""
    draw = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    inputs = int(draw.integers(1, 6))
    parts = [keras.Input((inputs,))]
    for _ in range(draw.integers(0, 4)):
        units, phi = int(draw.integers(1, 7)), str(draw.choice(ACTIVATIONS))
        norm = draw.choice(["none", "batch", "layer"])
        inside = norm == "none" or (norm == "layer" and units < 3)
        bias = bool(draw.random() < 0.8)
        parts.append(layers.Dense(units, phi if inside else None, use_bias=bias, bias_initializer="random_normal"))
        if not inside:
            options = {"scale": bool(draw.random() < 0.7), "center": bool(draw.random() < 0.7)}
            kind = layers.BatchNormalization if norm == "batch" else layers.LayerNormalization
            parts += [kind(**options), layers.LeakyReLU(0.3) if phi == "linear" else layers.Activation(phi)]
        if draw.random() < 0.3:
            parts.append(layers.Dropout(0.4))
    outputs, m = int(draw.integers(2, 4)), 5
    kind = draw.choice(["mse", "logits", "probabilities", "bce", "huber"])
    outputs = 1 if kind in ("bce", "huber") else outputs
    parts.append(layers.Dense(outputs, "softmax" if kind == "probabilities" else None))
    model = keras.Sequential(parts)
    for norm in (layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)):
        norm.moving_mean.assign(draw.normal(size=norm.moving_mean.shape))
        norm.moving_variance.assign(draw.uniform(0.5, 2, norm.moving_variance.shape))
    numbers = draw.normal(size=(m, outputs)).astype("float32")
    loss, y = {
        "mse": (keras.losses.MeanSquaredError(), numbers),
        "logits": (keras.losses.SparseCategoricalCrossentropy(from_logits=True), draw.integers(0, outputs, m)),
        "probabilities": (keras.losses.SparseCategoricalCrossentropy(), draw.integers(0, outputs, m)),
        "bce": (keras.losses.BinaryCrossentropy(from_logits=True), draw.integers(0, 2, (m, 1)).astype("float32")),
        "huber": (keras.losses.Huber(delta=0.7), numbers),
    }[kind]
    return model, loss, draw.normal(size=(m, inputs)).astype("float32"), y


@pytest.mark.parametrize("seed", range(200))
def test_a_drawn_model(seed):
    model, loss, X, y = drawn(seed)
    problem = backlit.problem_from(model, X=X, y=y, loss=loss)
    cost = loss(torch.from_numpy(np.asarray(y)), model(torch.from_numpy(X), training=False))
    cost.backward()
    _, grad = problem.passes()
    np.testing.assert_allclose(grad.loss, cost.item(), rtol=1e-5, atol=1e-6)
    denses = [layer for layer in model.layers if isinstance(layer, layers.Dense)]
    gradients = [layer.kernel.value.grad.numpy() for layer in denses]
    scale = max(np.abs(gradient).max() for gradient in gradients)
    for l, theirs in enumerate(gradients, start=1):
        np.testing.assert_allclose(grad.W[l], theirs.T, rtol=1e-4, atol=2e-6 * scale)


def test_a_compiled_model_brings_its_loss():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4, "relu"), layers.Dense(2)])
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    net = backlit.from_keras(model).net
    assert (net.loss.name, net.layer(2).activation.name) == ("cross_entropy", "softmax")
    assert backlit.from_keras(model, loss="mse").net.loss.name == "mean_squared_error"
    assert backlit.MLPRegressor.from_keras(model, loss="mse").predict(np.ones((2, 3))).shape == (2, 2)
    assert backlit.MLPClassifier.from_keras(model).classes_.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([layers.Conv1D(2, 2)], ["Conv1D"]),
        ([layers.Dense(2, "relu6")], ["relu6"]),
        ([layers.Dense(2), layers.ReLU(max_value=6)], ["max_value"]),
        ([layers.Dense(2, "relu"), layers.LayerNormalization()], ["norm after"]),
    ],
)
def test_what_is_not_understood_is_named(parts, words):
    inputs = (4, 1) if isinstance(parts[0], layers.Conv1D) else (4,)
    with raises_naming(ModelError, *words):
        backlit.from_keras(keras.Sequential([keras.Input(inputs), *parts]))


def test_a_loss_that_is_not_understood_is_named():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    for loss, words in [(keras.losses.CosineSimilarity(), ["cosine_similarity"]), ("huber", ["averages", "2 outputs"]),
                        (keras.losses.CategoricalCrossentropy(label_smoothing=0.1), ["smooths"])]:  # fmt: skip
        with raises_naming(ModelError, *words):
            backlit.from_keras(model, loss=loss)


def test_a_model_without_weights():
    with raises_naming(ModelError, "not built"):
        backlit.from_keras(keras.Sequential([layers.Dense(2)]))
