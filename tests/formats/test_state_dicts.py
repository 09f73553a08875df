"""State dicts: PyTorch's modules give the same outputs as the network whose weights they hold, both ways."""

import numpy as np
import pytest
from tests.helpers import raises_naming

from backlit.core import Dense, Network, Statistics, forward
from backlit.errors import ModelError
from backlit.formats.state_dicts import from_state_dict, to_state_dict

NET = Network(
    4,
    [
        Dense(5, "relu", norm="batch", dropout=0.3),
        Dense(3, "tanh", norm="layer"),
        Dense(3, "identity"),
        Dense(2, "sigmoid"),
    ],
)


def filled(net=NET):
    draw = np.random.default_rng(0)
    params, statistics = net.init(seed=1), Statistics(net)
    params.theta[:] = draw.normal(size=params.theta.shape)
    statistics.mean[1][:], statistics.variance[1][:] = draw.normal(size=5), draw.uniform(0.5, 2, 5)
    return params, statistics


def test_what_goes_out_comes_back():
    params, statistics = filled()
    again, moments = from_state_dict(NET, to_state_dict(params, statistics))
    np.testing.assert_array_equal(again.theta, params.theta)
    np.testing.assert_array_equal(moments.mean[1], statistics.mean[1])
    np.testing.assert_array_equal(moments.variance[1], statistics.variance[1])


@pytest.mark.interop
def test_the_sequential_computes_the_same():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    module = nn.Sequential(
        nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.3), nn.Linear(5, 3), nn.LayerNorm(3), nn.Tanh(),
        nn.Linear(3, 3), nn.Linear(3, 2), nn.Sigmoid(),
    ).double().eval()  # fmt: skip
    params, statistics = filled()
    module.load_state_dict({k: torch.as_tensor(v) for k, v in to_state_dict(params, statistics).items()})
    X = np.random.default_rng(1).normal(size=(7, 4))
    theirs = module(torch.as_tensor(X)).detach().numpy()
    np.testing.assert_allclose(forward(NET, params, X, statistics=statistics).a[-1], theirs, rtol=1e-12)
    again, _ = from_state_dict(NET, module.state_dict())
    np.testing.assert_array_equal(again.theta, params.theta)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: s.pop("0.weight"), ("Linear", "layer 1", "state dict", "weight", "bias")),
        (lambda s: s.update({"0.weight": np.zeros((4, 5))}), ("weight", "shape", "(4, 5)", "(5, 4)")),
        (lambda s: s.update({"99.weight": np.zeros(1)}), ("7", "modules", "weights", "network", "6")),
        (lambda s: s.clear(), ("is empty",)),
    ],
)
def test_what_does_not_fit_is_named(change, says):
    state = to_state_dict(*filled())
    change(state)
    with raises_naming(ModelError, *says):
        from_state_dict(NET, state)


def test_a_linear_without_bias_leaves_it_at_zero():
    state = to_state_dict(*filled())
    del state["7.bias"]
    assert not from_state_dict(NET, state)[0].b[3].any()
