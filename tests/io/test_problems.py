"""Problem files: three formats give one problem, a problem survives its file, each fault is one line with its place."""

import json
import re

import numpy as np
import pytest
import yaml
from hypothesis import given
from tests.strategies import problems

from backlit.core import forward
from backlit.errors import BacklitError, ProblemError
from backlit.io.problems import read_problem

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
    with pytest.raises(ProblemError, match="no seed names them"):
        problem.passes()


BAD = [
    (changed(layer=[]), "layer: unknown key: did you mean layers"),
    (layer(0, unitz=3), r"layers\[0\].unitz: unknown key: did you mean units"),
    (layer(0, activation="sigmoyd"), r"layers\[0\]: unknown activation 'sigmoyd': did you mean sigmoid"),
    (layer(1, units="1"), r"layers\[1\].units: .* not \"1\""),
    (layer(1, units=0), r"layers\[1\]: units must be at least 1, not 0"),
    (layer(0, W=[[0.1, 0.4], [0.2]]), r"W\[1\] must be a \(2, 2\) array of numbers: its rows differ in length"),
    (layer(1, W=[[0.2], [-0.5]]), r"W\[2\] must have shape \(1, 2\), not \(2, 1\): it is the transpose"),
    (layer(0, W=[[0.1, float("nan")], [0.4, 0.3]]), r"layers\[0\].W\[0\]\[1\]: should be a finite number"),
    (layer(0, b=[0.0, "a"]), r"layers\[0\].b\[1\]: .*valid number, not \"a\""),
    (layer(0, gamma=[1.0, 1.0]), r"layers\[0\]: gamma and beta belong to a norm"),
    (layer(0, norm="bach"), r"layers\[0\]: unknown norm 'bach': did you mean batch"),
    (layer(0, dropout=1.5), r"layers\[0\]: dropout must be in \[0, 1\], not 1.5"),
    (layer(1, skip_from=1), r"layer 2 has 1 units but skips from layer 1, which has 2"),
    (changed(loss="mse"), "unknown loss 'mse'"),
    (changed(reduction="average"), "unknown reduction 'average'"),
    (changed(l2=-1.0), r"l2 must be in \[0, inf\], not -1"),
    (changed(x=[[1.0]]), r"x: x must be rows of 2 numbers"),
    (changed(x=[[1.0, 2.0], [1.0]], y=[[1.0], [1.0]]), "rows differ in length"),
    (changed(y=[[1.0, 2.0]]), r"y: y must have shape \(1, 1\)"),
    (changed(y=[[1.0, "a"]]), r"y\[0\]\[1\]: .*valid number, not \"a\""),
    (changed(y=["a" * 50]), r"y\[0\]: .*not \"a{36}\.\.\.$"),
    (changed(sample_weight=[-1.0]), r"sample_weight: sample_weight\[0\] is -1"),
    (changed(optimizer={"name": "adm"}), "optimizer: unknown optimizer 'adm': did you mean adam"),
    (changed(optimizer={"name": "adam", "learning_rat": 1.0}), "'learning_rat': did you mean learning_rate"),
    (changed(optimizer={"name": "sgd", "clip_norm": 0}), "clip_norm must be a number above 0, not 0"),
    (changed(init={"scheme": "kaiming"}), "init: unknown init scheme 'kaiming'"),
    (changed(init={"scheme": "zeros", "seed": -1}), "init: seed must not be negative"),
    ({k: v for k, v in WORKED.items() if k != "inputs"}, "inputs: missing: it is required"),
    ({k: v for k, v in WORKED.items() if k != "x"}, "y is given without x"),
    ({k: v for k, v in WORKED.items() if k not in "xy"} | {"sample_weight": [1.0]}, "sample_weight is given without x"),
    (changed(layers=[]), "at least one layer"),
    (changed(layers={}), "layers: .*list"),
]


@pytest.mark.parametrize(("content", "says"), BAD, ids=[says[:40] for _, says in BAD])
def test_a_fault_is_one_line_with_its_place(content, says):
    with pytest.raises(BacklitError, match=says) as caught:
        read_problem(content)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("problem: ")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.json", None, "no such file"),
        ("a.txt", "{}", "unknown suffix '.txt': use one of .json"),
        ("a.json", "{", "not valid JSON"),
        ("a.json", '{"inputs": 1, "inputs": 2}', "key 'inputs' is given twice"),
        ("a.json", "[]", 'a problem is a table of fields such as "inputs" and "layers", not a list'),
        ("a.toml", "x = ", "not valid TOML"),
        ("a.yaml", "a: [1", "not valid YAML"),
        ("a.json", b"\xff\xfe\x00", "not UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, content, says):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ProblemError, match=re.escape(says)) as caught:
        read_problem(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
