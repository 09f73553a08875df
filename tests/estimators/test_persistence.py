"""Estimators as files, and from and to other programs: the same bits, or a refusal in one line."""

import json
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import neural_network
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from tests.helpers import raises_naming
from tests.model_files import edited

from backlit import load_model, train
from backlit.core import Dense, Network
from backlit.core.parameters import Statistics
from backlit.errors import ModelError
from backlit.estimators import MLPClassifier, MLPRegressor
from backlit.estimators.record import decode, encode
from backlit.formats.models import Model
from backlit.optim import Adam
from backlit.optim.schedules import Cosine
from backlit.tables import TargetCodec

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = load_iris(return_X_y=True)
QUICK = {"hidden_layer_sizes": (6, 6), "max_iter": 4, "random_state": 0}
TARGETS = {
    "words": np.array(["setosa", "versicolor", "virginica"])[Y],
    "objects": np.array(["setosa", "versicolor", "virginica"], dtype=object)[Y],
    "two": Y == 2,
    "floats": Y * 2.0,
    "small": Y.astype(np.int8) - 1,
    "labels": np.column_stack([Y == 0, Y == 2, Y > 0]).astype(int),
}
OPTIONS = [
    {},
    {"norm": "batch", "dropout": 0.2},
    {"norm": "layer"},
    {"solver": "lbfgs"},
    {"early_stopping": True},
    {"activation": ("tanh", {"name": "leaky_relu", "alpha": 0.1})},
    {"hidden_layer_sizes": np.array([5, 3])},
    {"solver": "sgd", "learning_rate": "adaptive"},
    {"loss": "cross_entropy", "skip": "residual"},
    {"optimizer": Adam(learning_rate=0.01), "schedule": Cosine(), "n_iter_no_change": np.inf},
    {"class_weight": {0: 1.0, 1: 2.0, 2: 0.5}, "label_smoothing": 0.1},
    {"init": {"scheme": "gaussian", "sigma_w": 1.0, "sigma_b": 0.1}},
]


def again(model, path):
    model.save(path)
    return type(model).load(path)


@pytest.mark.parametrize("y", TARGETS.values(), ids=TARGETS)
def test_every_kind_of_class_comes_back(tmp_path, y):
    model = MLPClassifier(**QUICK).fit(X, y)
    loaded = again(model, tmp_path / "m.safetensors")
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert_array_equal(loaded.predict(X), model.predict(X))
    assert_array_equal(loaded.classes_, model.classes_)
    assert loaded.classes_.dtype == model.classes_.dtype
    assert loaded.partial_fit(X, y).n_iter_ == 1
    assert loaded.set_params(early_stopping=True).partial_fit(X, y).n_iter_ == 1


def test_several_labels_with_classes_of_their_own_come_back(tmp_path):
    y = np.column_stack([TARGETS["words"], np.array(list("pq"))[(Y > 0).astype(int)]])
    model = MLPClassifier(**QUICK).fit(X, y)
    loaded = again(model, tmp_path / "m.safetensors")
    assert_array_equal(loaded.predict(X), model.predict(X))
    for found, wanted in zip(loaded.classes_, model.classes_, strict=True):
        assert_array_equal(found, wanted)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_parameters_and_fitted_attributes_come_back(tmp_path, options):
    model = MLPClassifier(**{**QUICK, **options}).fit(X, Y)
    loaded = again(model, tmp_path / "m.safetensors")
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    for name in [name for name in vars(model) if name.endswith("_") and name not in ("network_", "history_")]:
        assert_array_equal(getattr(loaded, name), getattr(model, name), err_msg=name)
    assert (loaded.network_, loaded.history_) == (model.network_, model.history_)
    for name, value in model.get_params().items():
        assert_array_equal(loaded.get_params()[name], value, err_msg=name)
    assert_array_equal(loaded.fit(X, Y).coefs_[0], model.coefs_[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_regressors_come_back(tmp_path, dtype):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X[:, :3].astype(dtype), columns=["a", "b", "c"])
    for y in (X[:, 3], X[:, 2:]):
        model = MLPRegressor(**QUICK).fit(frame, y)
        loaded = again(model, tmp_path / "m.safetensors")
        assert_array_equal(loaded.predict(frame), model.predict(frame))
        assert loaded.predict(frame).dtype == dtype
        assert_array_equal(loaded.feature_names_in_, ["a", "b", "c"])
        assert_array_equal(load_model(tmp_path / "m.safetensors").params.theta, model._params.theta)


@pytest.mark.parametrize(
    "value",
    [None, True, 3, 0.1, float("inf"), (1, (2, "x")), [1.5, None], {1: 2.0, "a": (1,)}, Adam(learning_rate=0.1),
     Cosine(), {"tuple": [1]}, np.float32(0.5), np.int64(3)],
    ids=str,
)  # fmt: skip
def test_plain_values_come_back(value):
    found = decode(json.loads(json.dumps(encode(value), allow_nan=False)))
    assert found == value
    assert isinstance(found, type(value)) or isinstance(value, np.generic)


@pytest.mark.parametrize(
    ("stored", "named"),
    [({"pairs": ["ab"]}, "{'pairs': ['ab']}"), ({"pairs": [[[1], 2]]}, "[1]"),
     ({"pairs": [[{"tuple": [[1]]}, 2]]}, "([1],)"), ({"pairs": [[1]]}, "{'pairs': [[1]]}"),
     ({"float": "1"}, "{'float': '1'}"), ({"tuple": 3}, "{'tuple': 3}"),
     ({"array": [1], "dtype": "int64", "more": 1}, "'more': 1"), ({}, "{}")],
    ids=str,
)  # fmt: skip
def test_what_no_value_is_stored_as_is_refused(stored, named):
    with raises_naming(ModelError, named):
        decode(stored)


def test_a_network_that_names_no_classes_has_their_numbers():
    for outputs, output, loss in ((1, "sigmoid", "binary_cross_entropy"), (2, "softmax", "cross_entropy"),
                                  (3, "softmax", "cross_entropy")):  # fmt: skip
        net = Network(4, [Dense(3, "tanh"), Dense(outputs, output)], loss=loss)
        estimator = MLPClassifier.from_model(Model(net.init(seed=0), Statistics(net)))
        assert_array_equal(estimator.classes_, np.arange(max(outputs, 2)))
        assert estimator.loss == ("cross_entropy" if outputs == 2 else "auto")
        assert estimator.predict_proba(X).shape == (len(X), max(outputs, 2))


@pytest.mark.parametrize(
    ("items", "dtype"),
    [([1.5], "int64"), ([True], "int64"), ([1], "bool"), (["a"], "float64"), ([1], "object"), ([1], "U9"), ([1], None),
     ([2**70], "int64"), ([[1], [1, 2]], "int64"), (3, "int64"), ([1.0], "longlonglong"), ([1.0], "complex128")],
)  # fmt: skip
def test_an_array_whose_items_are_not_of_its_dtype_is_refused(items, dtype):
    with raises_naming(ModelError, "array", "dtype"):
        decode({"array": items, "dtype": dtype})


def test_the_model_of_a_regressor_names_its_one_target():
    y = np.column_stack([Y, -Y]).astype(float)
    one, two = (MLPRegressor(hidden_layer_sizes=(2,), max_iter=1).fit(X, t).to_model() for t in (y[:, 0], y))
    assert one.target == TargetCodec("target", "regression")
    assert two.target is None


@pytest.mark.parametrize(("options", "names"), [
    ({"random_state": np.random.RandomState(0)}, ("random_state", "RandomState")),
    ({"verbose": 1j}, ("verbose", "complex")),
    ({"callbacks": [print]}, ("callbacks", "builtin_function_or_method")),
    ({"activation": ("relu", np.tanh)}, ("activation", "ufunc")),
])  # fmt: skip
def test_what_has_no_plain_name_is_refused(tmp_path, options, names):
    model = MLPClassifier(**QUICK).fit(X, Y).set_params(**options)
    with raises_naming(ModelError, *names):
        model.save(tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())


BAD = [
    (lambda d, t: d.update(version=99), ("version", "99", "model", "format")),
    (lambda d, t: d["estimator"].update(version=7), ("estimator", "version", "7")),
    (lambda d, t: d["estimator"].update(version="1"), ("names no version",)),
    (lambda d, t: d.update(estimator=[]), ("names no version",)),
    (lambda d, t: d["estimator"].update({"class": "os.system"}), ("'os.system'",)),
    (lambda d, t: d["estimator"]["params"].update(extra=1), ("parameter", "'extra'")),
    (lambda d, t: d["estimator"]["params"].update(alpha=-1), ("'alpha'", "parameter")),
    (lambda d, t: d["estimator"]["params"].update(alpha={"import": "os"}), ("no stored value",)),
    (lambda d, t: d["estimator"]["fitted"].update(predict=1), ("'predict'", "fitted", "attribute")),
    (lambda d, t: d["estimator"]["fitted"].update(coefs_=1), ("'coefs_'", "fitted", "attribute")),
    (lambda d, t: d["estimator"]["fitted"].update(n_features_in_=9), ("network's", "4", "inputs")),
    (lambda d, t: d["estimator"].update(classes={"array": [0, 1], "dtype": "int64"}), ("classes", "fit")),
    (lambda d, t: d["estimator"].update(classes={"array": [0, 1, 1], "dtype": "int64"}), ("classes", "fit")),
    (lambda d, t: d["estimator"].update(classes={"array": ["a"], "dtype": "int64"}), ("array", "dtype")),
    (lambda d, t: d["estimator"].update(kind="binary"), ("classes", "fit")),
    (lambda d, t: d["estimator"].pop("history"), ("history", "whole")),
    (lambda d, t: d["estimator"].pop("params"), ("params", "missing")),
    (lambda d, t: t.update({"W.1": t["W.1"] * np.nan}), ("W.1", "NaN")),
    (lambda d, t: t.pop("b.2"), ("b.2", "missing")),
]


@pytest.mark.parametrize(("change", "says"), BAD, ids=[" ".join(says) for _, says in BAD])
def test_files_that_do_not_fit_are_refused_in_one_line(tmp_path, change, says):
    path = tmp_path / "m.safetensors"
    MLPClassifier(**QUICK).fit(X, Y).save(path)
    edited(path, change)
    with raises_naming(ModelError, *says) as error:
        MLPClassifier.load(path)
    assert str(error.value).startswith(str(path))


def test_weights_that_are_not_finite_load_where_told(tmp_path):
    path = tmp_path / "m.safetensors"
    MLPClassifier(**QUICK).fit(X, Y).save(path)
    edited(path, lambda d, t: t.update({"W.1": t["W.1"] * np.nan}))
    assert np.isnan(MLPClassifier.load(path, allow_non_finite=True).coefs_[0]).all()


def test_the_other_class_and_what_is_not_fitted(tmp_path):
    path = tmp_path / "m.safetensors"
    with pytest.raises(NotFittedError, match="not fitted"):
        MLPClassifier().save(path)
    MLPClassifier(**QUICK).fit(X, Y).save(path)
    with raises_naming(ModelError, "load", "class", "MLPRegressor"):
        MLPRegressor.load(path)


@pytest.mark.parametrize(("dataset", "cls", "other"), [
    ("iris", MLPClassifier, MLPRegressor), ("breast_cancer", MLPClassifier, MLPRegressor),
    ("diabetes", MLPRegressor, MLPClassifier),
])  # fmt: skip
def test_what_train_wrote_is_loaded_over_its_features(tmp_path, dataset, cls, other):
    path = tmp_path / "m.safetensors"
    result = train(dataset=dataset, hidden=(8, 4), activation="gelu", epochs=3, compare=False, out=path)
    model = cls.load(path)
    features = np.random.default_rng(0).standard_normal((9, result.model.net.inputs)).astype(np.float32)
    from backlit.tabular.scoring import outputs_of

    found = model.predict_proba(features) if cls is MLPClassifier else model.predict(features)
    assert_array_equal(found, outputs_of(result.model, features))
    assert (model.hidden_layer_sizes, model.activation) == ((8, 4), "gelu")
    if cls is MLPClassifier:
        assert tuple(model.classes_.tolist()) == result.model.target.classes
    with raises_naming(ModelError, "load", cls.__name__):
        other.load(path)


@pytest.mark.parametrize("y", [Y, Y == 1, TARGETS["words"], TARGETS["labels"]], ids=["three", "two", "words", "labels"])
def test_scikit_learns_classifiers_come_over(tmp_path, y):
    fitted = neural_network.MLPClassifier((7,), "tanh", alpha=0.3, max_iter=15, random_state=0).fit(X, y)
    model = MLPClassifier.from_scikit_learn(fitted)
    assert_allclose(model.predict_proba(X), fitted.predict_proba(X), rtol=1e-12)
    assert_array_equal(model.predict(X), fitted.predict(X))
    assert (model.alpha, model.max_iter, model.activation, model.t_) == (0.3, 15, "tanh", fitted.t_)
    assert_array_equal(again(model, tmp_path / "m.safetensors").predict(X), fitted.predict(X))
    assert model.partial_fit(X, y).n_iter_ == 1
    with raises_naming(ModelError, "load", "MLPClassifier"):
        MLPRegressor.from_scikit_learn(fitted)


def test_scikit_learns_regressors_come_over():
    fitted = neural_network.MLPRegressor("poisson", (7,), max_iter=15, random_state=0).fit(X, Y)
    model = MLPRegressor.from_scikit_learn(fitted)
    assert_allclose(model.predict(X), fitted.predict(X), rtol=1e-12)
    assert model.loss == "poisson"
    with raises_naming(ModelError, "fit it first"):
        MLPRegressor.from_scikit_learn(neural_network.MLPRegressor())


@pytest.mark.parametrize(
    "options", [{}, {"norm": "batch", "dropout": 0.2}, {"norm": "layer", "activation": "gelu"}], ids=str
)
@pytest.mark.parametrize("y", [Y, Y == 1, TARGETS["words"], TARGETS["labels"]], ids=["three", "two", "words", "labels"])
def test_onnx_gives_the_same_predictions(tmp_path, y, options):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    model = MLPClassifier(**{**QUICK, "max_iter": 20, **options}).fit(X.astype(np.float32), y)
    model.to_onnx(tmp_path / "m.onnx")
    session = runtime.InferenceSession(tmp_path / "m.onnx")
    found = dict(zip([o.name for o in session.get_outputs()], session.run(None, {"X": X.astype("f4")}), strict=True))
    p = model.predict_proba(X.astype("f4"))
    if np.ndim(y) == 2:
        assert_allclose(found["outputs"], p, atol=1e-6)
        return
    assert_allclose(found["probabilities"], p, atol=1e-6)
    sure = np.abs(p - 1 / 2).min(axis=1) > 1e-6
    assert_array_equal(found["label"][sure], model.predict(X.astype("f4"))[sure])


def test_onnx_of_a_regressor(tmp_path):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    model = MLPRegressor(**QUICK).fit(X, X[:, :2])
    model.to_onnx(tmp_path / "m.onnx")
    (found,) = runtime.InferenceSession(tmp_path / "m.onnx").run(None, {"X": X})
    assert_allclose(found, model.predict(X), rtol=1e-6, atol=1e-6)


@pytest.mark.interop
@pytest.mark.parametrize("norm", [None, "batch", "layer"])
def test_pytorch_computes_the_same_and_gives_it_back(norm):
    torch = pytest.importorskip("torch")
    nn = torch.nn
    model = MLPClassifier((6,), "tanh", norm=norm, max_iter=5).fit(X, Y)
    norms = {"batch": [nn.BatchNorm1d(6)], "layer": [nn.LayerNorm(6)], None: []}[norm]
    twin = nn.Sequential(nn.Linear(4, 6), *norms, nn.Tanh(), nn.Linear(6, 3), nn.Softmax(dim=1)).double().eval()
    twin.load_state_dict({name: torch.from_numpy(a) for name, a in model.to_state_dict().items()})
    with torch.no_grad():
        assert_allclose(twin(torch.from_numpy(X)).numpy(), model.predict_proba(X), rtol=1e-10)
        twin[0].weight += 0.1
        wanted = twin(torch.from_numpy(X)).numpy()
    assert_allclose(model.load_state_dict(twin.state_dict()).predict_proba(X), wanted, rtol=1e-10)


def test_a_state_dict_that_does_not_fit_changes_nothing():
    model = MLPClassifier(**QUICK).fit(X.astype(np.float32), Y)
    before = pickle.dumps(model)
    state = model.to_state_dict()
    huge = state["0.bias"].astype(np.float64) + 1e39  # infinity in float32
    for bad in (
        {**state, "0.weight": state["0.weight"].T},
        {**state, "0.bias": state["0.bias"] * np.nan},
        {**state, "0.bias": huge},
        {},
    ):
        with pytest.raises(ModelError, match=r"state dict|shape"):
            model.load_state_dict(bad)
    assert pickle.dumps(model) == before


def test_patience_does_not_outlive_the_weights_that_it_watched():
    draw = np.random.default_rng(0)
    X = draw.standard_normal((200, 3))
    told = {"early_stopping": True, "n_iter_no_change": 1, "tol": 10.0, "random_state": 0}
    model = MLPRegressor(hidden_layer_sizes=(4,), **told)
    for _ in range(20):
        model.partial_fit(X, X[:, 0])
    assert model.stopped_ == "patience"
    model.load_state_dict(model.to_state_dict())
    before = model.coefs_[0].copy()
    model.partial_fit(X, X[:, 0])
    assert model.stopped_ == ""
    assert not np.array_equal(model.coefs_[0], before)
