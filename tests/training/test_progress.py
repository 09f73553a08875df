"""Progress goes to standard error: a bar that rewrites itself on a terminal, plain lines elsewhere, or nothing."""

import re
import sys

import pytest
from tests.commands import on_a_terminal
from tests.training.runs import run_curve

from backlit.training import progress
from backlit.training.progress import describe, lines, show_passes
from backlit.training.run import Epoch

SCRIPT = """
import sys
import numpy as np
from backlit.core import Dense, Network
from backlit.engine import Data
from backlit.training import Settings, fit
x = np.linspace(-1, 1, 50)[:, None]
net = Network(1, [Dense(4, "tanh"), Dense(1)])
data = Data(x, x**2)
settings = Settings(epochs=7, patience=None)
fit(net, net.init(seed=0), data, settings, validation=data, progress=sys.argv[1] == "wanted")
"""


def shown(wanted: str) -> tuple[str, bytes]:
    """(standard error as a terminal of 120 columns received it, standard output)."""
    return on_a_terminal([sys.executable, "-c", SCRIPT, wanted], "stderr", COLUMNS="120")


def test_a_bar_on_a_terminal():
    received, out = shown("wanted")
    assert out == b""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", received)
    assert plain != received  # it moved the cursor or set a color
    assert "━" in plain
    assert re.search(r"7/7 .*loss 0\.\d{5}  validation loss 0\.\d{5}", plain)
    assert plain.count("\n") <= 3  # rewritten in place, not line after line


def test_nothing_on_a_terminal_where_it_is_not_wanted():
    assert shown("unwanted") == ("", b"")


def test_plain_lines_elsewhere(capsys, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    run_curve(epochs=3, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 3
    for number, line in enumerate(err.splitlines(), start=1):
        assert re.fullmatch(rf"epoch {number}/3  loss \d\.\d{{5}}", line)


def test_nothing_elsewhere_where_it_is_not_wanted(capsys):
    run_curve(epochs=3)
    assert capsys.readouterr() == ("", "")


def test_a_run_that_goes_on_counts_from_where_it_was(capsys):
    half = run_curve(epochs=2)
    run_curve(epochs=3, state=half.state, history=half.history, progress=True)
    printed = capsys.readouterr().err.splitlines()
    assert printed[0].startswith("epoch 3/5 ")
    assert printed[-1].startswith("epoch 5/5 ")


def test_lines_come_every_few_seconds_and_at_the_end(capsys, monkeypatch):
    clock = iter([0.0, 1.0, 1.9, 2.0, 3.5, 5.0, 5.1])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    show = lines(7)
    for number in range(1, 8):
        show(Epoch(number, 1.0, 0.1, (1.0,), 0.5))
    printed = [line.split()[1] for line in capsys.readouterr().err.splitlines()]
    assert printed == ["1/7", "4/7", "6/7", "7/7"]


def test_lines_say_how_long_it_may_last(capsys, monkeypatch):
    clock = iter([0.0, 10.0, 20.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    show = lines(11)
    for number in range(1, 4):
        show(Epoch(number, 1.0, 0.1, (1.0,), 0.5))
    left = [line.rpartition(", ")[2] for line in capsys.readouterr().err.splitlines()]
    assert left == ["epoch 1/11  loss 1.0000", "at most 90 s left", "at most 80 s left"]


def test_shares_say_how_long_the_rest_lasts(capsys, monkeypatch):
    clock = iter([0.0, 1.0, 10.0, 20.0, 40.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with show_passes("reading", True) as show:
        for share in (0.02, 0.1, 0.5, 1.0):
            show(share)
    assert capsys.readouterr().err.splitlines() == [
        "reading   10%, 90 s left",
        "reading   50%, 20 s left",
        "reading  100%",
    ]


@pytest.mark.parametrize(("options", "text"), [
    ({}, "loss 0.25000"),
    ({"validation_loss": 0.5}, "loss 0.25000  validation loss 0.50000"),
    ({"validation_score": 0.0}, "loss 0.25000  validation score 0.0000"),
    (
        {"validation_loss": 0.0, "validation_score": 1.0},
        "loss 0.25000  validation loss 0.0000  validation score 1.0000",
    ),
])  # fmt: skip
def test_what_is_said_of_an_epoch(options, text):
    assert describe(Epoch(1, 0.25, 0.1, (1.0,), 0.5, **options)) == text
