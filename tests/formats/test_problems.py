"""Problem files: three formats give one problem, a problem survives its file, each fault is one line with its place."""

import json

import numpy as np
import pytest
import yaml
from hypothesis import given
from tests.helpers import raises_naming
from tests.problems import WORKED
from tests.strategies import problems

from backlit.core import forward
from backlit.errors import BacklitError, ProblemError
from backlit.formats.problems import read_problem
from backlit.formats.sources import problem_from

TOML = """
inputs = 2
loss = "half_squared_error"
x = [[1.0, 2.0]]
y = [[1.0]]
optimizer = {name = "sgd", learning_rate = 0.5}
[[layers]]
units = 2
activation = "sigmoid"
W = [[0.1, -0.2], [0.4, 0.3]]
b = [0.0, 0.1]
[[layers]]
units = 1
activation = "identity"
W = [[0.2, -0.5]]
b = [0.0]
"""


def changed(**changes):
    return {**WORKED, **changes}


def layer(index, **changes):
    return changed(layers=[{**old, **(changes if k == index else {})} for k, old in enumerate(WORKED["layers"])])


@pytest.mark.parametrize(
    ("suffix", "text"), [("json", json.dumps(WORKED)), ("yaml", yaml.safe_dump(WORKED)), ("toml", TOML)]
)
def test_the_worked_example_from_each_format(tmp_path, suffix, text):
    path = tmp_path / f"worked.{suffix}"
    path.write_text(text)
    problem = read_problem(path)
    trace, grad = problem.passes()
    assert grad.loss == pytest.approx(0.832073937618, abs=1e-12)
    np.testing.assert_allclose(trace.z[1], [[-0.3, 1.1]], atol=1e-15)
    assert problem.optimizer.learning_rate == 0.5


@given(problems())
def test_a_problem_survives_its_file(drawn):
    problem = read_problem(described(drawn))
    again = read_problem(json.loads(json.dumps(problem.to_dict())))
    assert again.net == problem.net
    assert again.params.theta.tolist() == problem.params.theta.tolist()
    np.testing.assert_array_equal(again.X, problem.X)
    np.testing.assert_array_equal(again.y, problem.y)
    assert (again.sample_weight is None) == (problem.sample_weight is None)


def described(drawn):
    """A drawn problem as a file would hold it."""
    content = drawn.net.to_dict()
    for l, entry in enumerate(content["layers"], start=1):
        for name in ("W", "b", "gamma", "beta"):
            value = getattr(drawn.params, name)[l]
            entry |= {} if value is None else {name: value.tolist()}
    weight = {} if drawn.sample_weight is None else {"sample_weight": np.asarray(drawn.sample_weight).tolist()}
    return content | {"x": np.asarray(drawn.X).tolist(), "y": np.asarray(drawn.y).tolist(), "seed": 3} | weight


def test_what_is_left_out_is_drawn_by_the_seed():
    content = changed(
        layers=[{"units": 3, "activation": "relu"}, {"units": 1}], init={"scheme": "he_normal", "seed": 5}
    )
    first, again = read_problem(content), read_problem(content)
    assert first.params.theta.tolist() == again.params.theta.tolist()
    assert first.seed == 5
    other = read_problem({**content, "init": {"scheme": "he_normal", "seed": 6}})
    assert first.params.theta.tolist() != other.params.theta.tolist()


def test_given_weights_take_the_place_of_drawn_ones():
    problem = read_problem(changed(layers=[WORKED["layers"][0], {"units": 1}]))
    np.testing.assert_array_equal(problem.params.W[1], WORKED["layers"][0]["W"])
    assert problem.params.W[2].any()


def test_lsuv_reads_x():
    content = changed(
        layers=[{"units": 4, "activation": "tanh"}, {"units": 1}],
        init={"scheme": "lsuv"},
        x=[[1.0, 2.0], [-3.0, 1.0]],
        y=[0.0, 1.0],
    )
    problem = read_problem(content)
    assert forward(problem.net, problem.params, problem.X).z[1].var() == pytest.approx(1, abs=0.1)


def test_clipping_stands_beside_the_optimizer_or_in_it():
    inside = read_problem(changed(optimizer={"name": "adam", "clip_norm": 1.5}))
    beside = read_problem(changed(optimizer="adam", clip_norm=1.5))
    assert inside.clip_norm == beside.clip_norm == 1.5
    assert inside.optimizer == beside.optimizer


def test_an_initialization_may_be_a_name_alone(tmp_path):
    bare = changed(layers=[{"units": 2, "activation": "relu"}, {"units": 1}], seed=3)
    by_name, by_spec = (read_problem(bare | {"init": init}) for init in ("he_normal", {"scheme": "he_normal"}))
    np.testing.assert_array_equal(by_name.params.theta, by_spec.params.theta)
    assert (by_name.params.theta != read_problem(bare).params.theta).any()


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    path = tmp_path / "worked.json"
    path.write_text(json.dumps(WORKED), encoding="utf-8-sig")
    assert read_problem(path).net == read_problem(WORKED).net


def test_dropout_without_a_seed_cannot_be_run():
    problem = read_problem(layer(0, dropout=0.5))
    with raises_naming(ProblemError, "no seed names them"):
        problem.passes()


BAD = [
    (changed(layer=[]), ("layer", "key", "layers")),
    (layer(0, unitz=3), ("layers[0].unitz", "key", "units")),
    (layer(0, activation="sigmoyd"), ("layers[0]", "activation", "'sigmoyd'", "sigmoid")),
    (layer(1, units="1"), ("layers[1].units", '"1"')),
    (layer(1, units=0), ("layers[1]", "units", "at least 1", "0")),
    (layer(0, W=[[0.1, 0.4], [0.2]]), ("W[1]", "(2, 2)", "array", "numbers", "rows", "differ", "length")),
    (layer(1, W=[[0.2], [-0.5]]), ("W[2]", "shape", "(1, 2)", "(2, 1)", "transpose")),
    (layer(0, W=[[0.1, float("nan")], [0.4, 0.3]]), ("layers[0].W[0][1]", "finite number")),
    (layer(0, b=[0.0, "a"]), ("layers[0].b[1]", "valid", "number", '"a"')),
    (layer(0, gamma=[1.0, 1.0]), ("layers[0]", "gamma", "beta", "belong", "norm")),
    (layer(0, norm="bach"), ("layers[0]", "norm", "'bach'", "batch")),
    (layer(0, dropout=1.5), ("layers[0]", "dropout", "[0, 1)", "1.5")),
    (layer(1, skip_from=1), ("layer 2", "1", "units", "skips")),
    (changed(loss="mse"), ("loss", "'mse'")),
    (changed(reduction="average"), ("reduction", "'average'")),
    (changed(l2=-1.0), ("l2", "[0, inf)", "-1")),
    (changed(x=[[1.0]]), ("x", "rows", "2", "numbers")),
    (changed(x=[[1.0, 2.0], [1.0]], y=[[1.0], [1.0]]), ("rows", "differ", "length")),
    (changed(y=[[1.0, 2.0]]), ("y", "shape", "(1, 1)")),
    (changed(y=[[1.0, "a"]]), ("y[0][1]", "valid", "number", '"a"')),
    (changed(y=["a" * 50]), ("y[0]", '"' + "a" * 36 + "...")),
    (changed(sample_weight=[-1.0]), ("sample_weight[0]", "-1")),
    (changed(optimizer={"name": "adm"}), ("optimizer", "'adm'", "adam")),
    (changed(optimizer={"name": "adam", "learning_rat": 1.0}), ("'learning_rat'", "learning_rate")),
    (changed(optimizer={"name": "sgd", "clip_norm": 0}), ("clip_norm", "number", "above 0")),
    (changed(init={"scheme": "kaiming"}), ("init scheme", "'kaiming'")),
    (changed(init={"scheme": "zeros", "seed": -1}), ("init", "seed", "negative")),
    ({k: v for k, v in WORKED.items() if k != "inputs"}, ("inputs", "missing", "required")),
    ({k: v for k, v in WORKED.items() if k != "x"}, ("y", "x")),
    ({k: v for k, v in WORKED.items() if k not in "xy"} | {"sample_weight": [1.0]}, ("sample_weight", "x")),
    (changed(layers=[]), ("at least one", "layer")),
    (changed(layers={}), ("layers", "list")),
]


@pytest.mark.parametrize(("content", "says"), BAD, ids=[" ".join(says) for _, says in BAD])
def test_a_fault_is_one_line_with_its_place(content, says):
    with raises_naming(BacklitError, *says) as caught:
        read_problem(content)
    assert str(caught.value).startswith("problem: ")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.json", None, ("no such file",)),
        ("a.txt", "{}", ("suffix", "'.txt'", "use", ".json")),
        ("a.json", "{", ("valid", "JSON")),
        ("a.json", '{"inputs": 1, "inputs": 2}', ("key", "'inputs'", "twice")),
        ("a.json", "[]", ("problem", "table", "fields", '"inputs"', '"layers"', "list")),
        ("a.toml", "x = ", ("valid", "TOML")),
        ("a.yaml", "a: [1", ("valid", "YAML")),
        ("a.json", b"\xff\xfe\x00", ("UTF-8", "text")),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, content, says):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with raises_naming(ProblemError, *says) as caught:
        read_problem(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("name", ["dir", "d.json", "d.yaml", "table.csv"])
def test_a_folder_is_called_one(tmp_path, name):
    (tmp_path / name).mkdir()
    for read in (read_problem, problem_from):
        with raises_naming(ProblemError, str(tmp_path / name), "folder", "problem file"):
            read(tmp_path / name)


def test_a_suffix_that_no_problem_has_is_answered_with_all_that_are_read(tmp_path):
    (tmp_path / "table.csv").write_text("x,y\n1,2\n")
    with raises_naming(ProblemError, "table.csv", "'.csv'", ".json", ".yml", ".onnx"):
        problem_from(tmp_path / "table.csv")
