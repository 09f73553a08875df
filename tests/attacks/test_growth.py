"""Work that once grew with the square of its input, or without bound: counted, not timed."""

import inspect
import json
import sys
import tracemalloc
from dataclasses import replace

import pytest
from tests.commands import run_command
from tests.helpers import bend, lines_run, quick_first

from backlit.core import ACTIVATIONS
from backlit.costs import cost
from backlit.derivation import checks
from backlit.errors import TableError
from backlit.render.explanation import explain
from backlit.tables import read_table
from backlit.tables.delimited import scan


def deep(layers):
    return {"inputs": 2, "layers": [{"units": 2, "activation": "tanh"}] * layers, "x": [[1.0, 2.0]], "y": [[0.5, 0.1]]}


@pytest.mark.parametrize(("depth", "calls", "most"), quick_first([(80, 60, 700), (250, 200, 2000)]))
def test_more_layers_than_calls_may_lie_within_each_other_are_explained_and_checked(monkeypatch, depth, calls, most):
    """Whose checks go through 16 `most` layers or so, and not through the 28 depth² of a slope for each tensor."""
    tanh, layers = ACTIVATIONS["tanh"], []
    counted = replace(tanh, function=lambda u: (layers.append(1), tanh.function(u))[1])
    monkeypatch.setitem(ACTIVATIONS, "tanh", counted)
    monkeypatch.setattr(checks, "MOST_LAYERS", most)
    explain(deep(2))  # what is imported lies deep within each other
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + calls)
    try:
        found = explain(deep(depth))
    finally:
        sys.setrecursionlimit(before)
    assert len(layers) < 30 * most
    checked = [step.checks for step in found.derivation.steps() if step.checks]
    assert len(checked) >= 2 * depth
    assert all(one.ok for each in checked for one in each)


def test_a_deep_network_with_a_wrong_gradient_is_told(monkeypatch):
    from backlit.core.problem import Problem

    right = Problem.passes

    def wrong(problem, *arguments, **options):
        trace, grad = right(problem, *arguments, **options)
        grad.W[22] *= 1.5
        return trace, grad

    monkeypatch.setattr(Problem, "passes", wrong)
    monkeypatch.setattr(checks, "MOST_LAYERS", 2000)
    found = explain(deep(30))
    by_id = {step.id: step.checks for step in found.derivation.steps()}
    assert not all(one.ok for one in by_id["grad_W[22]"])
    assert all(one.ok for one in by_id["grad_W[2]"])


def test_the_cost_of_three_thousand_layers():
    found = cost(deep(3000))
    assert len(found.to_dict()["layers"]) == 3000
    assert "3000" in str(found) or found.net.L == 3000
    assert bend(lambda n: lines_run(lambda: cost(deep(n)).to_dict()), 50) < 50


def test_blank_lines_take_no_memory():
    blank, words = b"\n" * 8_000_000, b"1,2\n" * 2_000_000
    for data, most in ((blank, 20), (words, 20)):  # bytes for each of the file; there once were 60
        tracemalloc.start()
        found = scan(data, ",", quoted=True)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < most * len(data)
        assert len(found.start) == data.count(b"1")


@pytest.mark.parametrize("blank", [b"\n", b" \n", b"  \r\n"])
def test_blank_lines(tmp_path, blank):
    def work(n):
        (tmp_path / "t.csv").write_bytes(b"a,b\n1,2\n" + blank * n + b"3,4\n")
        return lines_run(lambda: read_table(tmp_path / "t.csv"))

    work(1)  # what is done once
    assert bend(work, 5000) < 5000
    assert read_table(tmp_path / "t.csv").rows() == [(1, 2), (3, 4)]


def test_columns(tmp_path):
    def work(n):
        row = ",".join(str(k % 7) for k in range(n))
        (tmp_path / "t.csv").write_text(",".join(f"c{k:02}" for k in range(n)) + f"\n{row}\n{row}\n")
        return lines_run(lambda: read_table(tmp_path / "t.csv"))

    work(7)
    assert bend(work, 10) < 10


LINES = {
    "deep objects": ('{"a":' * 300 + "1" + "}" * 300, "too deep"),
    "deep lists": (
        '{"a": 1}\n{"a":' + "[" * 70_000 + "]" * 70_000 + "}",
        "line 2 holds tables inside tables, too deep",
    ),
    "a key of its own a line": ("\n".join(json.dumps({f"k{k}": k}) for k in range(20_000)), "different keys"),
    "key twice": ('{"a": 1}\n{"a": 1, "b": 2, "a": 3}', "line 2: key 'a' is given twice"),
    "half a character": (r'{"a": "x"}' + "\n" + r'{"a": "\udc00"}', "line 2: half a character"),
    "half a character in a key": (r'{"\ud800x": "x"}', "half a character"),
}


@pytest.mark.parametrize("name", LINES)
def test_lines_without_bound_are_refused_soon(tmp_path, name):
    text, words = LINES[name]
    (tmp_path / "t.jsonl").write_text(text + "\n")
    with pytest.raises(TableError, match=words):
        lines_run(lambda: read_table(tmp_path / "t.jsonl"), most=10_000 + 5 * len(text))


def test_ordinary_lines_are_read(tmp_path):
    (tmp_path / "t.jsonl").write_text(
        '{"a": "\\ud83d\\ude00 {[\\"b\\":", "b": 1}\n{"b": 2}\n{"a": "\\\\ud800", "b": 3}\n'
    )
    assert read_table(tmp_path / "t.jsonl").rows() == [('😀 {["b":', 1), (None, 2), ("\\ud800", 3)]


def test_an_error_of_millions_of_characters_is_cut(capsys, tmp_path):
    (tmp_path / "p.json").write_text(json.dumps({"inputs": 1, "layers": [], "loss": "x" * 5_000_000}))
    code, out, err = run_command(capsys, "cost", tmp_path / "p.json")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert len(err) < 4000


def test_a_batch_beyond_counting_is_one_line(capsys):
    for batch in (2**31 + 1, 10**22):
        code, out, err = run_command(capsys, "cost", "--sizes", "4,4", "--batch", batch)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "batch must be at most 2,147,483,648" in err


@pytest.mark.parametrize("what", ["problem", "claims"])
def test_keys(capsys, tmp_path, what):
    """Of which each once was compared with each."""
    (tmp_path / "p.json").write_text(json.dumps(deep(1)))
    known = {"problem": deep(1), "claims": {"loss": 1.0}}[what]

    def work(n):
        (tmp_path / "odd.json").write_text(json.dumps(known | {f"key{k:04}": 1 for k in range(n)}))
        files = [tmp_path / "odd.json"] if what == "problem" else [tmp_path / "p.json", tmp_path / "odd.json"]
        return lines_run(lambda: codes.append(run_command(capsys, "check", *files)[0]))

    codes = []
    work(1)
    assert bend(work, 500) < 500
    assert set(codes) == {2}
