"""`search`: the best of the trials, the same on any number of processors, and a command that trains it."""

import json
import shlex
from dataclasses import replace
from importlib import import_module

import numpy as np
import polars as pl
import pytest
from tests.commands import run_command
from tests.helpers import quick_first, raises_naming

from backlit import search, tabular, train
from backlit.errors import BacklitError, ProblemError
from backlit.jobs import Processes
from backlit.tabular import search as public
from backlit.tabular.members import first_parameters
from backlit.tabular.presets import ENCODINGS, PLAIN, Preset
from backlit.tabular.search import executor_of, preset_of
from backlit.tabular.training import ONE

DRAW = np.random.default_rng(0)
TABLE = pl.DataFrame({"x": DRAW.normal(size=40), "z": DRAW.random(40)}).with_columns(y=pl.col("x").sin() + pl.col("z"))


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Networks that are soon out of patience, in whatever process: they are compared all the same."""
    with pytest.MonkeyPatch.context() as patch:
        module = import_module("backlit.tabular.search")  # and not its function, which has that name too
        patch.setattr(module, "preset_of", lambda trial: replace(preset_of(trial), patience=2))
        yield


@pytest.fixture(scope="module")
def found():
    """What five trials say."""
    pytest.importorskip("optuna")
    return search(TABLE, "y", trials=5, seed=3)


@pytest.mark.parametrize("cluster", quick_first(["serial", 2]))
def test_the_best_of_the_trials_is_given_and_a_seed_repeats_it(found, cluster):
    assert len(found.trials) == 5
    assert found.score == min(trial["score"] for trial in found.trials)
    assert found.best in [trial["options"] for trial in found.trials]
    assert len({json.dumps(trial["options"]) for trial in found.trials}) == 5
    assert search(TABLE, "y", trials=5, seed=3, cluster=cluster).to_dict() == found.to_dict()


def test_a_number_is_one_of_processes():
    assert isinstance(executor_of(2), Processes)
    for who in (None, 0):
        with executor_of(who) as here:
            assert here == "threads"


def test_its_command_trains_that_network(capsys, tmp_path):
    pytest.importorskip("optuna")
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


def test_trials_begin_as_the_network_that_the_command_trains(monkeypatch):
    pytest.importorskip("optuna")
    lessons = []
    module = import_module("backlit.tabular.search")
    monkeypatch.setattr(
        module, "scores_of", lambda lesson, presets, who: [lessons.append(lesson) or 1.0] * len(presets)
    )
    search(TABLE, "y", trials=1)
    preset = Preset("trial", PLAIN, hidden=(4,))
    begun = first_parameters(lessons[0], preset, lessons[0].encoder, seed=5)
    drawn = begun.net.init(ONE["init"], seed=5, dtype=np.float32)
    np.testing.assert_array_equal(begun.theta, drawn.theta)


def test_its_command_hands_the_workers_on(capsys, monkeypatch):
    def spy(*given, **options):
        raise ProblemError(f"asked for {options['cluster']}")

    monkeypatch.setattr(tabular, "search", spy)
    for given, asked in ((("--workers", 2), "2"), (("--cluster", "tcp://a:9"), "tcp://a:9"), ((), "0")):
        code, _, err = run_command(capsys, "search", "t.csv", "--target", "y", *given)
        assert (code, err) == (2, f"backlit: asked for {asked}\n")


def test_a_time_limit_cuts_and_says_so():
    pytest.importorskip("optuna")
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
