"""Network and Dense: what they take, what they say of what they do not take, and that to_dict tells the whole of it."""

import json
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from tests.helpers import raises_naming
from tests.strategies import networks

from backlit.core import ACTIVATIONS, LOSSES, Dense, Network
from backlit.errors import BacklitError, ProblemError, ShapeError

BAD_LAYERS = [
    ({"units": 0}, ("units", "at least 1", "0")),
    ({"units": -3}, ("units", "at least 1", "-3")),
    ({"units": 2.0}, ("units", "whole number", "2.0")),
    ({"units": True}, ("units", "whole number", "True")),
    ({"units": np.True_}, ("units", "whole number")),
    ({"units": "3"}, ("units", "whole number", "'3'")),
    ({"units": None}, ("units", "whole number", "None")),
    ({"activation": "relo"}, ("activation", "'relo'", "relu")),
    ({"activation": None}, ("activation must be a name",)),
    ({"norm": "bacth"}, ("norm", "'bacth'", "batch")),
    ({"norm": True}, ("norm", "True")),
    ({"norm": "batch", "eps": -1e-5}, ("eps", "[0, inf)", "-1e-05")),
    ({"eps": "small"}, ("eps", "finite number", "'small'")),
    ({"eps": float("nan")}, ("eps", "finite number", "nan")),
    ({"dropout": 1}, ("dropout", "[0, 1)", "1")),
    ({"dropout": 1.5}, ("dropout", "[0, 1)", "1.5")),
    ({"dropout": -0.1}, ("dropout", "[0, 1)", "-0.1")),
    ({"dropout": True}, ("dropout", "finite number", "True")),
    ({"skip_from": 0.0}, ("skip_from", "whole number", "0.0")),
    ({"skip_from": "input"}, ("skip_from", "whole number", "'input'")),
    ({"skip_from": 0, "skip_scale": float("inf")}, ("skip_scale", "finite number", "inf")),
    ({"train_bias": "no"}, ("train_bias", "true", "false", "'no'")),
    ({"train_bias": 0}, ("train_bias", "true", "false", "0")),
]


@pytest.mark.parametrize(("options", "message"), BAD_LAYERS)
def test_bad_layers(options, message):
    with raises_naming(ProblemError, *message):
        Dense(**{"units": 3, **options})


BAD_NETWORKS = [
    ({"inputs": 0}, ProblemError, ("inputs", "at least 1", "0")),
    ({"inputs": 2.5}, ProblemError, ("inputs", "whole number", "2.5")),
    ({"layers": []}, ProblemError, ("network", "at least one", "layer", "layers", "empty")),
    ({"layers": iter(())}, ProblemError, ("network", "at least one", "layer")),
    ({"layers": [Dense(1), 3]}, ProblemError, ("layer 2", "Dense", "int")),
    ({"layers": [{"units": 3}]}, ProblemError, ("layer 1", "Dense", "dict")),
    ({"loss": "mse"}, ProblemError, ("loss", "'mse'")),
    ({"reduction": "avg"}, ProblemError, ("reduction", "'avg'", "sum")),
    ({"reduction": None}, ProblemError, ("reduction", "None")),
    ({"l2": -1}, ProblemError, ("l2", "[0, inf)", "-1")),
    ({"l2": float("inf")}, ProblemError, ("l2", "finite number", "inf")),
    ({"layers": [Dense(3, "softmax"), Dense(1)]}, ProblemError, ("layer 1", "softmax", "output")),
    ({"layers": [Dense(2, skip_from=1)]}, ProblemError, ("layer 1", "skips", "earlier", "0")),
    ({"layers": [Dense(2), Dense(2, skip_from=3)]}, ProblemError, ("layer 2", "skips", "3", "0", "1")),
    ({"layers": [Dense(2, skip_from=-1)]}, ProblemError, ("layer", "skips", "-1")),
    ({"layers": [Dense(3, skip_from=0)]}, ShapeError, ("layer 1", "3", "units", "skips", "0", "2")),
    ({"layers": [Dense(4), Dense(2, skip_from=1)]}, ShapeError, ("layer 2", "units", "skips", "1")),
]  # fmt: skip


@pytest.mark.parametrize(("options", "error", "message"), BAD_NETWORKS)
def test_bad_networks(options, error, message):
    with raises_naming(BacklitError, *message) as caught:
        Network(**{"inputs": 2, "layers": [Dense(1)], **options})
    assert type(caught.value) is error


@given(networks())
def test_to_dict_and_back_through_json(net):
    described = net.to_dict()
    assert Network.from_dict(described) == net
    assert Network.from_dict(json.loads(json.dumps(described))) == net
    assert hash(Network.from_dict(described)) == hash(net)


@pytest.mark.parametrize("layer", [
    Dense(2, eps=0.1), Dense(2, skip_scale=0.5), Dense(2, norm="batch"), Dense(2, train_bias=False),
    Dense(2, {"name": "elu", "alpha": 2}),
])  # fmt: skip
def test_to_dict_tells_every_field_that_is_not_its_default(layer):
    assert Dense(**layer.to_dict()) == layer


@given(networks())
def test_pickle(net):
    assert pickle.loads(pickle.dumps(net)) == net


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_name_is_taken(activation, loss):
    net = Network(1, [Dense(2, activation)], loss=loss)
    assert (net.layers[0].activation.name, net.loss.name) == (activation, loss)


def test_layers_may_be_any_iterable():
    net = Network(2, (Dense(n) for n in (3, 4)))
    assert net.n == (2, 3, 4)


def test_counts():
    net = Network(2, [Dense(3, norm="batch"), Dense(4, norm="layer"), Dense(5)])
    assert (net.L, net.n, net.outputs) == (3, (2, 3, 4, 5), 5)
    assert net.n_parameters == (2 * 3 + 3 + 6) + (3 * 4 + 4 + 8) + (4 * 5 + 5)
    assert net.layer(1) is net.layers[0]
    assert [l for l, _ in net.numbered()] == [1, 2, 3]
    assert net.couples_examples
    assert not Network(2, [Dense(3, norm="layer")]).couples_examples


def test_whole_numbers_of_numpy_are_whole_numbers():
    net = Network(np.int64(2), [Dense(np.int32(3), dropout=np.float32(0.5))], l2=np.float64(0.1))
    assert json.loads(json.dumps(net.to_dict())) == net.to_dict()
    assert type(net.inputs) is type(net.layers[0].units) is int


def test_frozen():
    net = Network(2, [Dense(3)])
    with pytest.raises(FrozenInstanceError, match="l2"):
        net.l2 = 1.0
    with pytest.raises(FrozenInstanceError, match="units"):
        net.layers[0].units = 2
