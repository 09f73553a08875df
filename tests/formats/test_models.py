"""Model files: what is loaded is what was saved, to the bit; anything else is refused in one line and loads nothing."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file
from tests.helpers import raises_naming
from tests.model_files import edited
from tests.strategies import problems

from backlit.core import Dense, Network, Statistics
from backlit.errors import ModelError
from backlit.formats.models import FORMAT_VERSION, Model, load_model, save_model
from backlit.tables import TableEncoder, TargetCodec

NET = Network(
    3, [Dense(4, {"name": "elu", "alpha": 0.5}, norm="batch", dropout=0.1), Dense(2, "softmax")], loss="cross_entropy"
)


def small(dtype=np.float64):
    statistics = Statistics(NET, dtype)
    statistics.mean[1][:] = [1, 2, 3, 4]
    table = pl.DataFrame({"a": [1.0, 2.0, 4.0], "b": ["x", "y", "x"], "c": [True, True, True]})
    encoder = TableEncoder.fit(
        table.with_columns(pl.Series("d", [1, 5, 2])).drop("b", "c").with_columns(e=pl.Series([0, 1, 5]))
    )
    codec = TargetCodec("kind", "classification", ("no", "yes"))
    return Model(NET.init(seed=1, dtype=dtype), statistics, encoder, codec, {"seed": 1})


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(small(), path)
    return path


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_model_comes_back_the_same(tmp_path, dtype):
    model, path = small(dtype), tmp_path / "m.safetensors"
    save_model(model, path)
    again = load_model(path)
    assert again.net == model.net
    assert again.params.theta.dtype == dtype
    for name, array in model.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array)
    assert (again.encoder, again.target, again.training) == (model.encoder, model.target, model.training)


@given(problems())
def test_every_network_comes_back(tmp_path_factory, problem):
    path = tmp_path_factory.mktemp("models") / "m.safetensors"
    save_model(Model(problem.params, Statistics(problem.net)), path)
    again = load_model(path)
    assert again.net == problem.net
    assert again.params.theta.tolist() == problem.params.theta.tolist()


def test_the_file_holds_no_code(saved):
    assert b"pickle" not in saved.read_bytes()
    with safe_open(saved, framework="numpy") as file:
        described = json.loads(file.metadata()["backlit"])
    assert described["network"]["layers"][0]["activation"] == {"name": "elu", "alpha": 0.5}


def message_of_loading(path):
    """The error's one line, nothing where the file still loads; any error but a ModelError fails the test."""
    try:
        load_model(path)
    except ModelError as error:
        return str(error)
    return ""


@given(st.data())
def test_a_cut_or_changed_file_is_an_error_and_never_a_crash(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("models") / "m.safetensors"
    save_model(small(), path)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, 2000))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    assert "\n" not in message_of_loading(path)


BAD = [
    (lambda d, t: d.update(version=FORMAT_VERSION + 1), ("install", "newer")),
    (lambda d, t: d.pop("version"), ("names no version",)),
    (lambda d, t: d.update(version=True), ("names no version",)),
    (lambda d, t: d["network"].update(inputs=4), ("W.1", "shape", "(4, 3)", "network", "(4, 4)")),
    (lambda d, t: d["network"].update(inputs="3"), ("network", "inputs")),
    (lambda d, t: d["network"]["layers"].pop(), ("belongs", "layer")),
    (lambda d, t: d["network"]["layers"][0].update(activation="os.system"), ("activation", "'os.system'")),
    (lambda d, t: d["network"]["layers"][0].update(extra=1), ("unknown key",)),
    (lambda d, t: d.update(network=None), ("network",)),
    (lambda d, t: d.update(encoder={"format": "other"}), ("m.safetensors",)),
    (lambda d, t: d["target"].update(classes=["no"]), ("m.safetensors",)),
]


@pytest.mark.parametrize(("change", "says"), BAD, ids=[" ".join(says) for _, says in BAD])
def test_a_description_that_does_not_fit_is_refused(saved, change, says):
    with raises_naming(ModelError, *says) as caught:
        load_model(edited(saved, change))
    assert str(caught.value).startswith(str(saved))


def test_weights_that_are_not_finite_are_refused_unless_told(saved):
    edited(saved, lambda d, t: t.update({"W.1": np.full_like(t["W.1"], np.nan)}))
    with raises_naming(ModelError, "W.1", "NaN"):
        load_model(saved)
    assert np.isnan(load_model(saved, allow_non_finite=True).params.W[1]).all()


def test_arrays_of_another_kind_are_refused(saved):
    edited(saved, lambda d, t: t.update({"b.1": t["b.1"].astype(np.float32)}))
    with raises_naming(ModelError, "float32", "float64"):
        load_model(saved)


def test_other_files_are_refused(tmp_path):
    save_file({"a": np.zeros(2)}, tmp_path / "other.safetensors")
    with raises_naming(ModelError, "model", "Backlit's"):
        load_model(tmp_path / "other.safetensors")
    with raises_naming(ModelError, "no such file"):
        load_model(tmp_path / "none.safetensors")
    with raises_naming(ModelError, str(tmp_path)):
        load_model(tmp_path)


def test_a_failed_write_leaves_the_old_file(saved):
    before = saved.read_bytes()
    broken = Model(small().params, small().statistics, training={"a": float("nan")})
    with raises_naming(ValueError, "JSON"):
        save_model(broken, saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]
