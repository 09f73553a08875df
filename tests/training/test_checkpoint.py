"""Checkpoints: a run that is broken anywhere and resumed ends with the bits of one that was not."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save
from tests.helpers import quick_first, raises_naming
from tests.training.runs import killed_at

from backlit.core import Dense, Network
from backlit.engine import Data
from backlit.errors import BacklitError, ModelError, ProblemError
from backlit.optim import get_optimizer, get_schedule
from backlit.training import Settings, checkpoint, fit
from backlit.training.checkpoint import FILE, read

OPTIMIZERS = [
    "sgd",
    {"name": "sgd", "momentum": 0.9, "nesterov": True},
    "adagrad",
    "rmsprop",
    "adam",
    "amsgrad",
    "adamw",
]
SCHEDULES = ["constant", "cosine", {"name": "one_cycle", "per": "step"}, {"name": "reduce_on_plateau", "patience": 1}]
NET = Network(3, [Dense(6, "tanh", norm="batch", dropout=0.2), Dense(1, train_bias=False)])
X = np.random.default_rng(0).standard_normal((63, 3))
DATA = Data(X[:53], X[:53, :1] * X[:53, 1:2], np.linspace(0, 2, 53))
VALIDATION = Data(X[53:], X[53:, :1] * X[53:, 1:2])


def settings(optimizer="adam", schedule="constant", **changes):
    given = {
        "epochs": 6,
        "batch_size": 7,
        "monitor": "validation_loss",
        "restore_best": True,
        "patience": 3,
        "tol": 0.0,
    }
    return Settings(optimizer=get_optimizer(optimizer), schedule=get_schedule(schedule), **(given | changes))


def train(told, folder=None, every=2, data=DATA, net=NET):
    return fit(
        net,
        net.init(seed=1),
        data,
        told,
        validation=VALIDATION,
        checkpoint=folder,
        checkpoint_every=every if folder else None,
    )


def same(first, second):
    np.testing.assert_array_equal(first.params.theta, second.params.theta)
    np.testing.assert_array_equal(first.statistics.mean[1], second.statistics.mean[1])
    for column in ("loss", "validation_loss", "learning_rate", "gradient_norms"):
        assert first.history.column(column) == second.history.column(column)
    assert (first.history.best_epoch, first.history.stopped) == (second.history.best_epoch, second.history.stopped)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("at", quick_first([4, 1, 9]))
def test_every_optimizer_goes_on_to_the_bit(monkeypatch, tmp_path, optimizer, at):
    told = settings(optimizer)
    killed_at(monkeypatch, at, lambda: train(told, tmp_path / "run"))
    same(train(told, tmp_path / "run"), train(told, tmp_path / "whole"))


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_every_schedule_goes_on_to_the_bit(monkeypatch, tmp_path, schedule):
    told = settings(schedule=schedule)
    killed_at(monkeypatch, 7, lambda: train(told, tmp_path / "run"))
    same(train(told, tmp_path / "run"), train(told, tmp_path / "whole"))


def test_any_batch_is_a_place_to_stop(monkeypatch, tmp_path):
    told = settings(epochs=2, patience=None)
    whole = train(told, tmp_path / "whole", every=1)
    for at in range(1, 16):  # 8 batches an epoch
        killed_at(monkeypatch, at, partial(train, told, tmp_path / str(at), every=1))
        same(train(told, tmp_path / str(at), every=1), whole)


def test_a_run_may_break_many_times(monkeypatch, tmp_path):
    told = settings()
    for _ in range(5):
        killed_at(monkeypatch, 3, lambda: train(told, tmp_path / "run"))
    same(train(told, tmp_path / "run"), train(told, tmp_path / "whole"))


def test_checkpoints_change_no_bit_of_the_parameters(tmp_path):
    np.testing.assert_array_equal(train(settings(), tmp_path).params.theta, train(settings()).params.theta)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_checkpoints_do_not_change_the_loss_where_batches_weigh_nothing(tmp_path, engine):
    """Such batches are passed over; their rows once counted in the mean, so that the loss depended on the parts."""
    data = Data(DATA.X, DATA.Y, np.where(np.arange(53) < 20, 0.0, 1.0))
    told = settings(engine=engine, shuffle=False)
    whole, parts = train(told, data=data), train(told, tmp_path, data=data)
    np.testing.assert_allclose(parts.history.column("loss"), whole.history.column("loss"), rtol=1e-13)


@pytest.mark.parametrize("changes", [{"patience": 1, "tol": 10.0}, {"epochs": 2, "patience": None}])
def test_a_run_that_has_ended_stays_ended(tmp_path, changes):
    told = settings(**changes)
    same(train(told, tmp_path), train(told, tmp_path))


@pytest.mark.parametrize(
    ("told", "data", "says"),
    [
        (settings("sgd"), DATA, ("optimizer.name", "adam", "sgd")),
        (settings(batch_size=8), DATA, ("batch_size", "7", "8")),
        (settings(seed=1), DATA, ("seed", "0", "1")),
        (settings(epochs=7), DATA, ("epochs", "6", "7")),
        (settings(), Data(DATA.X + 1e-9, DATA.Y, DATA.sample_weight), ("its data was",)),
    ],
)
def test_another_run_is_refused(tmp_path, told, data, says):
    train(settings(), tmp_path)
    with raises_naming(ProblemError, *says):
        train(told, tmp_path, data=data)


def test_a_damaged_checkpoint_is_refused(tmp_path):
    train(settings(), tmp_path)
    content = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(content[:-7])
    with raises_naming(ModelError, "damaged", "checkpoint"):
        train(settings(), tmp_path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d.pop("run"), "run is missing or wrong"),
        (lambda d: d.update(step="x"), "step is missing or wrong"),
        (lambda d: d.update(step=-6), "a count is below 0"),
        (lambda d: d.update(step=2**63), "a count is below 0, or beyond"),
        (lambda d: d["position"].update(steps=-1), "a count is below 0"),
        (lambda d: d["watch"].update(waited=-1), "a count is below 0"),
        (lambda d: d.update(plateau=[]), "plateau is missing or wrong"),
        (lambda d: d["watch"].pop("best"), "watch.best is missing or wrong"),
        (lambda d: d["history"][0].pop("loss"), "history.0.loss is missing or wrong"),
        (lambda d: d["position"].update(batches=-1), "an epoch has"),
    ],
)
def test_a_checkpoint_whose_description_is_wrong_is_refused(tmp_path, change, says):
    train(settings(), tmp_path)
    stored, described = read(tmp_path / FILE)
    change(described)
    (tmp_path / FILE).write_bytes(save(stored, metadata={"backlit_checkpoint": json.dumps(described)}))
    with raises_naming(ModelError, "damaged", says):
        train(settings(), tmp_path)


@pytest.mark.parametrize(("change", "says"), [
    (lambda run: run["optimizer"].pop("name"), ("optimizer.name was not given", "adam")),
    (lambda run: run["network"].update(extra=None), ("network.extra was None", "not given")),
])  # fmt: skip
def test_a_checkpoint_that_lacks_a_setting_or_has_one_more_is_of_another_run(tmp_path, change, says):
    train(settings(), tmp_path)
    stored, described = read(tmp_path / FILE)
    change(described["run"])
    (tmp_path / FILE).write_bytes(save(stored, metadata={"backlit_checkpoint": json.dumps(described)}))
    with raises_naming(ProblemError, "another run", *says):
        train(settings(), tmp_path)


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with raises_naming(BacklitError, "cannot be made a folder"):
        train(settings(), tmp_path / "file" / "run")


@pytest.mark.slow
def test_kills_at_random_moments_and_at_events_leave_a_whole_checkpoint():
    script = Path(__file__).parents[2] / "scripts" / "checkpoint_kills.py"
    done = subprocess.run(
        [sys.executable, str(script), "--random", "3", "--events", "4"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "3 runs killed at random moments" in done.stdout
    assert "4 runs killed at one event" in done.stdout


def test_a_file_in_the_folder_s_place_is_said_before_the_first_epoch(tmp_path):
    (tmp_path / "run").write_text("mine", encoding="utf-8")
    told, seen = settings(), []
    with raises_naming(BacklitError, "run", "folder", "checkpoints"):
        fit(
            NET,
            NET.init(seed=1),
            DATA,
            told,
            validation=VALIDATION,
            checkpoint=tmp_path / "run",
            callbacks=[seen.append],
        )
    assert not seen
    assert (tmp_path / "run").read_text(encoding="utf-8") == "mine"


def test_the_place_of_a_difference_is_named(tmp_path):
    train(settings(epochs=1), tmp_path)
    other = Network(3, [Dense(6, "tanh", norm="batch", dropout=0.3), Dense(1, train_bias=False)])
    with raises_naming(ProblemError, "network.layers[0].dropout", "0.2", "0.3"):
        train(settings(epochs=1), tmp_path, net=other)


def test_the_data_are_summed_once_a_run(monkeypatch, tmp_path):
    summed = []
    monkeypatch.setattr(checkpoint, "digest", lambda data: summed.append(len(data)) or [len(data)])
    train(settings(epochs=3), tmp_path, every=1)
    assert summed == [53, 10]
