"""Answers that go by what mistakes cost, rows unlike the training rows, and CSV that no spreadsheet runs."""

import json
from datetime import date

import numpy as np
import polars as pl
import pytest
from tests.commands import run_command
from tests.helpers import raises_naming
from tests.tabular.test_ensemble import TABLE, wavy

from backlit import predict, train
from backlit.errors import ProblemError
from backlit.tables.table_files import spreadsheet_safe
from backlit.tables.target import TargetCodec
from backlit.tabular.prediction import Costs

ILL = TargetCodec("ill", "classification", ("no", "yes"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model of classes, and its file."""
    path = tmp_path_factory.mktemp("models") / "kind.safetensors"
    table = TABLE.with_columns(day=pl.Series([date(2024, 1, 1 + k % 28) for k in range(len(TABLE))]))
    result = train(table, "kind", drop=["y"], hidden=(8,), epochs=20, out=path, compare=False)
    return result.model, path, table


# --- costs ---


@pytest.mark.parametrize("K", [2, 3, 5])
def test_the_answer_is_the_one_that_costs_least(K, rng):
    p, cost = rng.dirichlet(np.ones(K), 200), rng.exponential(size=K)
    costs = Costs(tuple(range(K)), cost)
    matrix = cost[:, None] * (1 - np.eye(K))  # row k: a row of class k that is answered as each
    assert (costs.answers(p) == (p @ matrix).argmin(axis=1)).all()
    y = rng.integers(0, K, 200)
    assert costs.mean(y, costs.answers(p)) == pytest.approx(matrix[y, costs.answers(p)].mean())


def test_of_two_classes_a_cost_is_a_threshold():
    costs = Costs.read(ILL, {"yes": 3})
    p = np.array([0.2499, 0.2501])
    assert costs.answers(np.column_stack([1 - p, p])).tolist() == [0, 1]
    assert "0.25" in costs.in_words()
    assert Costs.read(TargetCodec("n", "classification", (0, 1)), {1: 3}).missing.tolist() == [1, 3]


@pytest.mark.parametrize(
    ("codec", "given", "words"),
    [
        (ILL, {"yess": 2}, ("'yess'", "did you mean yes")),
        (ILL, {"yes": 0}, ("'yes'", "0", "above 0")),
        (ILL, {"yes": float("nan")}, ("'yes'", "nan")),
        (TargetCodec("y", "regression"), {"yes": 2}, ("'y'", "number")),
    ],
)
def test_costs_that_cannot_be_are_named(codec, given, words):
    with raises_naming(ProblemError, "cost", *words):
        Costs.read(codec, given)


def test_predict_answers_by_cost_and_scores_its_answers(model):
    network, _, table = model
    plain, dear = predict(network, table), predict(network, table, cost={"low": 50})
    assert dear.table.drop("kind").equals(plain.table.drop("kind"))  # probabilities stay
    truth, answers = table["kind"].to_numpy(), dear.table["kind"].to_numpy()
    assert (answers == "low").sum() > (plain.table["kind"] == "low").sum()
    assert dear.metrics["accuracy"] == (answers == truth).mean()
    assert dear.metrics["log_loss"] == plain.metrics["log_loss"]
    right = np.where(answers == truth, 0, np.where(truth == "low", 50.0, 1.0)).mean()
    assert dear.metrics["cost"] == pytest.approx(right)
    assert dear.metrics["cost"] < dear.metrics["cost_of_likeliest"]
    assert dear.to_dict()["cost"] == {"high": 1, "low": 50, "mid": 1}


# --- unlike ---


def test_rows_like_the_training_rows_are_not_flagged(model):
    fresh = wavy(400, seed=8).with_columns(day=pl.lit(date(2024, 1, 5)))
    assert predict(model[0], fresh).unlike.rows.mean() <= 0.01


def test_each_way_of_being_unlike_is_told(model):
    rows = model[2][:5].with_columns(
        x=pl.Series([40.0, 0.1, 0.1, 0.1, None]),
        z=pl.Series([-9.0, 0.1, 0.1, 0.1, 0.1]),
        word=pl.Series(["a", "zebra", "b", "b", "b"]),
        day=pl.Series([date(2024, 1, 3)] * 3 + [date(2031, 5, 1)] + [date(2024, 1, 3)]),
    )
    found = predict(model[0], rows, unlike=True)
    told = found.table["unlike training"].to_list()
    assert [part.split(" beyond ")[0] for part in told[0].split("; ")] == ["x", "z"]  # above, and below
    assert told[1] == "word new"
    assert told[2] == ""
    assert told[3] == "day beyond 2024-01-01 to 2024-01-28"
    assert told[4] == "x missing"
    assert found.unlike.to_dict()["rows"] == [1, 2, 4, 5]
    assert found.unlike.to_dict()["columns"]["word"] == {"why": "new", "rows": [2]}
    assert found.unlike.in_words().startswith("4 rows, such as row 1, are unlike the training rows: ")


def test_a_model_without_ranges_still_knows_its_words(model):
    network, _, table = model
    network.training.pop("ranges")
    odd = predict(network, table.with_columns(x=pl.lit(1e6), word=pl.lit("zebra"))).unlike
    assert [oddity.column for oddity in odd.oddities] == ["word"]


# --- spreadsheets ---


def test_only_texts_that_would_run_are_changed():
    table = pl.DataFrame({"=SUM": ["=1+1", "a=b", None], "+b": ["@x", "-y", "\tz"], "n": [-1.5, 2.0, 3.0]})
    safe = spreadsheet_safe(table)
    assert safe.columns == ["'=SUM", "'+b", "n"]
    assert safe.rows() == [("'=1+1", "'@x", -1.5), ("a=b", "'-y", 2.0), (None, "'\tz", 3.0)]


def test_the_command_tells_and_writes_all_of_it(tmp_path, capsys):
    evil = TABLE.with_columns(kind=pl.when(pl.col("kind") == "low").then(pl.lit("=cmd()")).otherwise("kind"))
    path, rows, out = tmp_path / "m.safetensors", tmp_path / "rows.csv", tmp_path / "p.csv"
    train(evil, "kind", drop=["y"], hidden=(8,), epochs=5, out=path, compare=False)
    evil.with_columns(x=pl.when(pl.int_range(pl.len()) == 3).then(99.0).otherwise("x")).write_csv(rows)
    told = ("--cost", "=cmd()=9", "--unlike", "--spreadsheet-safe", "-o", out)
    code, _, err = run_command(capsys, "predict", path, rows, *told)
    assert code == 0
    assert "cost" in err
    assert "row 4 is unlike the training rows: 'x' beyond" in err
    written = out.read_text()
    assert "'=cmd()" in written
    assert ",=cmd()" not in written
    code, told, _ = run_command(capsys, "predict", path, rows, "--cost", "high=9", "--format", "json")
    assert {"unlike", "cost"} <= json.loads(told).keys()
    for words, options in (
        (("CLASS=COST", "'high'"), ["--cost", "high"]),
        (("--spreadsheet-safe", "CSV"), ["--spreadsheet-safe", "--format", "json"]),
        (("--spreadsheet-safe", "CSV"), ["--spreadsheet-safe", "-o", tmp_path / "p.parquet"]),
    ):
        code, _, err = run_command(capsys, "predict", path, rows, *options)
        assert code == 2
        assert all(word in err for word in words)
