"""ONNX: onnxruntime gives the outputs, probabilities and labels that Backlit gives, for every network drawn."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers import quick_first, raises_naming
from tests.strategies import problems

from backlit import predict, train
from backlit.cli import main
from backlit.core import ACTIVATIONS, Activation, Dense, Network, Statistics, forward
from backlit.errors import BacklitError
from backlit.formats.models import Model, load_model
from backlit.formats.onnx import build, export_onnx
from backlit.tabular.datasets import load_dataset
from backlit.tabular.scoring import outputs_of

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def run(content, X):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"X": X}), strict=True))


def ours(model, X):
    return forward(model.net, model.params, X, statistics=model.statistics).a[-1]


def moved_statistics(net, dtype):
    draw, statistics = np.random.default_rng(0), Statistics(net, dtype)
    for mean, variance in zip(statistics.mean, statistics.variance, strict=True):
        if mean is not None:
            mean[:], variance[:] = draw.normal(size=mean.shape), draw.uniform(0.5, 2, variance.shape)
    return statistics


KNOWN = [name for name, phi in ACTIVATIONS.items() if phi.onnx or phi.formula]  # ONNX has no word for the others


@given(problems(activation_names=KNOWN), st.sampled_from([(np.float32, 2e-5), (np.float64, 1e-6)]))
def test_every_network_gives_the_same_outputs(problem, told):
    dtype, tolerance = told
    params = problem.params.astype(dtype)
    model = Model(params, moved_statistics(problem.net, dtype))
    X = np.asarray(problem.X, dtype)
    theirs = run(build(model).SerializeToString(), X)["outputs"]
    expected = ours(Model(problem.params, moved_statistics(problem.net, np.float64)), X.astype(np.float64))
    scale = max(1, float(np.abs(expected).max()))
    np.testing.assert_allclose(theirs, expected, atol=tolerance * scale)


SPECS = [*KNOWN, {"name": "leaky_relu", "alpha": 0.3}, {"name": "elu", "alpha": 1.7}]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_every_activation_is_exported(spec, dtype):
    """onnxruntime has the operators of seven activations for float32 alone; in float64 they are made of others."""
    last = spec == "softmax"
    net = Network(3, [Dense(4, "tanh" if last else spec), Dense(2, spec if last else "identity")])
    model = Model(net.init(seed=1, dtype=dtype), Statistics(net, dtype))
    X = np.random.default_rng(0).normal(size=(20, 3)).astype(dtype) * 2
    theirs = run(build(model).SerializeToString(), X)["outputs"]
    assert theirs.dtype == dtype
    tolerance = 1e-6 if dtype == np.float32 or spec == "gelu" else 1e-13
    np.testing.assert_allclose(theirs, ours(model, X), atol=tolerance * max(1, np.abs(theirs).max()))


@pytest.mark.parametrize("spec", ["leaky_relu", "elu", "selu", "gelu", "softplus", "mish", "softsign", "silu"])
def test_far_from_0_an_activation_in_float64_is_what_it_is(spec):
    net = Network(1, [Dense(1, spec)])
    params = net.init(dtype=np.float64)
    params.theta[:] = 1, 0  # W, b
    model = Model(params, Statistics(net, np.float64))
    X = np.array([-1e300, -1e5, -800.0, -30.0, -1e-9, 0.0, 1e-9, 30.0, 800.0, 1e5, 1e300])[:, None]
    theirs = run(build(model).SerializeToString(), X)["outputs"]
    np.testing.assert_allclose(theirs, ours(model, X), rtol=1e-7, atol=1e-13)


@pytest.mark.parametrize("dataset", quick_first(["iris", "diabetes", "digits", "breast_cancer"], 2))
def test_a_trained_model_gives_the_same_labels_and_probabilities(tmp_path, dataset):
    result = train(dataset=dataset, epochs=3, norm="batch", compare=False, out=tmp_path / "m.safetensors")
    assert main(["export", str(tmp_path / "m.safetensors"), str(tmp_path / "m.onnx"), "--features"]) == 0
    table = load_dataset(dataset)
    X = result.model.encoder.transform(table, np.float32)
    theirs = run((tmp_path / "m.onnx").read_bytes(), X)
    if dataset == "diabetes":
        np.testing.assert_allclose(theirs["outputs"][:, 0], outputs_of(result.model, X), rtol=1e-5)
        return
    np.testing.assert_allclose(theirs["probabilities"], outputs_of(result.model, X), atol=1e-6)
    labels = predict(load_model(tmp_path / "m.safetensors"), table).table["target"].to_list()
    assert theirs["label"].tolist() == labels


def test_an_activation_of_ones_own_is_refused(tmp_path):
    own = Activation("own", np.sin, np.cos, latex="", derivative_latex="", range=(-1, 1))
    net = Network(1, [Dense(1, own)])
    with raises_naming(BacklitError, "activation", "Backlit's"):
        export_onnx(Model(net.init(), Statistics(net)), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())
