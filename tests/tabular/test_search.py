"""`search`: the best of the trials, the same on any number of processors, and a command that trains it."""

import json
import shlex

import numpy as np
import polars as pl
import pytest
from tests.commands import run_command
from tests.helpers import raises_naming

from backlit import search, tabular, train
from backlit.errors import BacklitError, ProblemError
from backlit.tabular import search as public
from backlit.tabular.presets import ENCODINGS

DRAW = np.random.default_rng(0)
TABLE = pl.DataFrame({"x": DRAW.normal(size=120), "z": DRAW.random(120)}).with_columns(
    y=pl.col("x").sin() + pl.col("z")
)


def test_the_best_of_the_trials_is_given_and_a_seed_repeats_it():
    found = search(TABLE, "y", trials=5, seed=3)
    assert len(found.trials) == 5
    assert found.score == min(trial["score"] for trial in found.trials)
    assert found.best in [trial["options"] for trial in found.trials]
    assert len({json.dumps(trial["options"]) for trial in found.trials}) == 5
    for cluster in ("serial", 2):
        assert search(TABLE, "y", trials=5, seed=3, cluster=cluster).to_dict() == found.to_dict()


def test_its_command_trains_that_network(capsys, tmp_path):
    path = tmp_path / "t.csv"
    TABLE.write_csv(path)
    code, out, _ = run_command(capsys, "search", path, "--target", "y", "--trials", 2, "--format", "json")
    told = json.loads(out)
    assert code == 0
    words = shlex.split(told["command"])[1:]
    assert words[:4] == ["train", str(path), "--target", "y"]
    code, out, err = run_command(capsys, *words, "--epochs", 2, "--no-compare", "--format", "json")
    assert code == 0, err
    assert json.loads(out)["epochs"] == 2


def test_its_command_hands_the_workers_on(capsys, monkeypatch):
    def spy(*given, **options):
        raise ProblemError(f"asked for {options['cluster']}")

    monkeypatch.setattr(tabular, "search", spy)
    for given, asked in ((("--workers", 2), "2"), (("--cluster", "tcp://a:9"), "tcp://a:9"), ((), "0")):
        code, _, err = run_command(capsys, "search", "t.csv", "--target", "y", *given)
        assert (code, err) == (2, f"backlit: asked for {asked}\n")


def test_a_time_limit_cuts_and_says_so():
    found = search(TABLE, "y", trials=1000, time_limit=1e-6)
    assert len(found.trials) < 1000
    assert found.stopped == "time limit"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_trains_one_network(encoding):
    result = train(TABLE, "y", encoding=encoding, hidden=(4,), epochs=2, compare=False)
    assert (len(result.model.encoder.feature_names_out) > 2) == (encoding != "no_bins")


def test_what_cannot_be_is_named(monkeypatch):
    with raises_naming(ProblemError, "trials", "0"):
        search(TABLE, "y", trials=0)
    with raises_naming(ProblemError, "'quantile'", "quantiles"):
        train(TABLE, "y", encoding="quantile")
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with raises_naming(BacklitError, "optuna", "backlit[search]"):
        public(TABLE, "y")
