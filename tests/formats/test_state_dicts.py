"""State dicts: PyTorch's modules give the same outputs as the network whose weights they hold, both ways."""

import numpy as np
import pytest
from tests.helpers import raises_naming

from backlit.core import Dense, Network, Statistics, forward
from backlit.errors import ModelError
from backlit.formats.state_dicts import from_safetensors, from_state_dict, to_state_dict

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


def shuffled(state, seed):
    keys = list(state)
    return {keys[k]: state[keys[k]] for k in np.random.default_rng(seed).permutation(len(keys))}


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_the_keys_does_not_matter(seed):
    params, statistics = filled()
    again, moments = from_state_dict(NET, shuffled(to_state_dict(params, statistics), seed))
    np.testing.assert_array_equal(again.theta, params.theta)
    np.testing.assert_array_equal(moments.mean[1], statistics.mean[1])


DEEP = Network(4, [*(Dense(4, "tanh", norm="layer") for _ in range(6)), Dense(4)])
NAMED = {
    "numbers": lambda l, kind: f"{3 * l + (kind == 'norm')}",
    "a prefix": lambda l, kind: f"model.net.{2 * l + (kind == 'norm')}",
    "blocks": lambda l, kind: f"blocks.{l}.{kind}",
    "kinds apart": lambda l, kind: f"{'norm' if kind == 'norm' else 'fc'}{l}",
    "blocks of other words": lambda l, kind: f"block{l}.{f'out_{kind}' if l == 8 else kind}",
}


@pytest.mark.parametrize("name", NAMED.values(), ids=NAMED)
def test_square_layers_come_back_from_a_file_that_sorts_names_as_text(name, tmp_path):
    from safetensors.numpy import load_file, save_file

    params = filled_deep()
    state = {}
    for l in range(1, DEEP.L + 1):  # numbers from 6 on, so that 10 stands before 6 as text
        state |= {f"{name(l + 5, 'linear')}.weight": params.W[l], f"{name(l + 5, 'linear')}.bias": params.b[l]}
        if DEEP.layers[l - 1].norm:
            state |= {f"{name(l + 5, 'norm')}.weight": params.gamma[l], f"{name(l + 5, 'norm')}.bias": params.beta[l]}
    save_file({key: np.ascontiguousarray(array) for key, array in state.items()}, tmp_path / "w.safetensors")
    for seed in range(3):
        again, _ = from_state_dict(DEEP, shuffled(load_file(tmp_path / "w.safetensors"), seed))
        np.testing.assert_array_equal(again.theta, params.theta)


def filled_deep():
    params = DEEP.init(seed=1)
    params.theta[:] = np.random.default_rng(0).normal(size=params.theta.shape)
    return params


@pytest.mark.parametrize("seed", range(3))
def test_words_are_told_apart_by_their_shapes(seed):
    net = Network(4, [Dense(3, "relu"), Dense(2, "relu"), Dense(2)])
    params = net.init(seed=2)
    state = {
        f"{name}.{part}": array
        for l, name in ((1, "input"), (2, "hidden"), (3, "output"))
        for part, array in (("weight", params.W[l]), ("bias", params.b[l]))
    }
    np.testing.assert_array_equal(from_state_dict(net, shuffled(state, seed))[0].theta, params.theta)


def test_words_of_one_shape_are_refused():
    net = Network(2, [Dense(2, "relu"), Dense(2, "relu"), Dense(1)])
    state = {f"{name}.weight": np.ones((1 if name == "out" else 2, 2)) for name in ("out", "second", "first")}
    with raises_naming(ModelError, "'second'", "'first'", "both fit Linear of layer 1", "rename them with numbers"):
        from_state_dict(net, state)


def test_many_words_that_do_not_fit_are_refused_at_once():
    net = Network(2, [*(Dense(2, "relu") for _ in range(20)), Dense(1)])
    with raises_naming(ModelError, "(2, 2)", "(1, 2)"):
        from_state_dict(net, {f"{letter}.weight": np.ones((2, 2)) for letter in "abcdefghijklmnopqrstu"})


def test_words_that_fit_in_no_order_are_named_by_their_shape():
    state = {"in.weight": np.ones((2, 2)), "out.weight": np.ones((2, 2))}
    with raises_naming(ModelError, "Linear of layer 2", "(2, 2)", "(1, 2)"):
        from_state_dict(Network(2, [Dense(2, "relu"), Dense(1)]), state)


def test_weights_of_a_file_become_a_network(tmp_path):
    from safetensors.numpy import save_file

    net = Network(3, [Dense(4, "tanh", norm="batch"), Dense(5, "tanh"), Dense(4, "tanh", norm="layer"), Dense(2)])
    params = net.init("he_normal", seed=3)
    save_file(to_state_dict(params, Statistics(net)), tmp_path / "net.safetensors")
    found = from_safetensors(tmp_path / "net.safetensors", activation="tanh")
    assert found.net == net
    np.testing.assert_array_equal(found.params.theta, params.theta)
    for path, words in [("none.safetensors", ["no such file"]), ("text.safetensors", ["safetensors"])]:
        (tmp_path / "text.safetensors").write_text("text")
        with raises_naming(ModelError, path, *words):
            from_safetensors(tmp_path / path, activation="relu")
    save_file({"0.weight": np.ones((2, 2, 2))}, tmp_path / "cube.safetensors")
    with raises_naming(ModelError, "'0'", "(2, 2, 2)"):
        from_safetensors(tmp_path / "cube.safetensors", activation="relu")
