"""ONNX of fitted estimators: onnxruntime gives the same outputs, probabilities and labels, for every kind of target."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from tests.helpers import quick_first

from backlit.cli import main
from backlit.estimators import MLPClassifier, MLPRegressor

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

X, Y = load_digits(return_X_y=True)
X = X / 16
WORDS = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])[Y]
SEVERAL = {
    "numbers": np.column_stack([Y, Y % 3, Y > 4]),
    "words": np.column_stack([WORDS, np.where(Y > 4, "high", "low")]),
    "two classes each": np.column_stack([Y % 2 + 1, np.where(Y > 4, 5, 7)]),
}
ONE = {
    "words": (WORDS, {}),
    "two": (Y > 4, {}),
    "two by softmax": (Y > 4, {"loss": "cross_entropy"}),
    "one against rest": (Y, {"loss": "binary_cross_entropy"}),
    "floats": (Y / 2.0, {}),
}
TOLD = {"hidden_layer_sizes": (12,), "max_iter": 15, "random_state": 0, "norm": "batch"}
pytestmark = [
    pytest.mark.filterwarnings("ignore:Stochastic Optimizer"),
    pytest.mark.parametrize("dtype", quick_first([np.float32, np.float64])),
]


def run(path, X):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    return dict(zip([output.name for output in session.get_outputs()], session.run(None, {"X": X}), strict=True))


def written(model, dtype, y, path):
    model.fit(X.astype(dtype), y).to_onnx(path / "m.onnx")
    return run(path / "m.onnx", X.astype(dtype))


@pytest.mark.parametrize("kind", ONE)
def test_one_label(tmp_path, dtype, kind):
    y, more = ONE[kind]
    if kind == "floats":
        y = y.astype(str).astype(object)
    model = MLPClassifier(**TOLD, **more)
    theirs = written(model, dtype, y, tmp_path)
    np.testing.assert_allclose(theirs["probabilities"], model.predict_proba(X.astype(dtype)), atol=1e-6)
    assert theirs["label"].tolist() == model.predict(X.astype(dtype)).tolist()


@pytest.mark.parametrize("kind", SEVERAL)
def test_several_labels_with_classes_of_their_own(tmp_path, dtype, kind):
    model = MLPClassifier(**TOLD)
    theirs = written(model, dtype, SEVERAL[kind], tmp_path)
    probabilities, labels = model.predict_proba(X.astype(dtype)), model.predict(X.astype(dtype))
    for k, p in enumerate(probabilities):
        np.testing.assert_allclose(theirs[f"probabilities_{k}"], p, atol=1e-6)
        assert theirs[f"label_{k}"].tolist() == labels[:, k].tolist()
    np.testing.assert_allclose(theirs["outputs"], np.hstack(probabilities), atol=1e-6)


def test_a_yes_or_no_each(tmp_path, dtype):
    y = np.column_stack([Y > 4, Y % 2, Y == 3]).astype(int)
    model = MLPClassifier(**TOLD)
    theirs = written(model, dtype, y, tmp_path)
    np.testing.assert_allclose(theirs["probabilities"], model.predict_proba(X.astype(dtype)), atol=1e-6)
    np.testing.assert_array_equal(theirs["label"], model.predict(X.astype(dtype)))
    assert theirs["label"].dtype == np.int64


def test_several_numbers(tmp_path, dtype):
    model = MLPRegressor(**TOLD)
    theirs = written(model, dtype, np.column_stack([np.sin(Y), X[:, 20] + Y]), tmp_path)
    tolerance = 1e-6 if dtype == np.float32 else 1e-11
    np.testing.assert_allclose(theirs["outputs"], model.predict(X.astype(dtype)), rtol=tolerance, atol=5 * tolerance)
    assert set(theirs) == {"outputs"}


def test_the_command_exports_what_save_wrote(tmp_path, dtype):
    model = MLPClassifier(**TOLD).fit(X.astype(dtype), SEVERAL["words"])
    model.save(tmp_path / "m.safetensors")
    assert main(["export", str(tmp_path / "m.safetensors"), str(tmp_path / "m.onnx")]) == 0
    theirs = run(tmp_path / "m.onnx", X.astype(dtype))
    assert theirs["label_1"].tolist() == model.predict(X)[:, 1].tolist()
