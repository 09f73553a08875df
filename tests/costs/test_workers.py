"""`cost --workers`: a step on many workers, from a measured step and what travels."""

import json

import pytest

from backlit.cli import main
from backlit.costs import ManyWorkers, cost
from backlit.costs.workers import HANDLING, REQUEST, bytes_of_step, transfer_seconds
from backlit.errors import ProblemError
from backlit.optim import get_optimizer


def many(workers=4, batch=1000, one=0.1, compute=0.025, transfer=0.015):
    return ManyWorkers(workers, 1e9, batch, 0, one, compute, transfer)


def test_seconds_speed_up_and_efficiency():
    found = many()
    assert found.seconds_per_step == pytest.approx(0.04)
    assert found.speedup == pytest.approx(2.5)
    assert found.efficiency == pytest.approx(2.5 / 4)


@pytest.mark.parametrize(("compute", "update"), [(0.025, 0.0), (0.04, 0.02)])
def test_from_when_on_it_pays(compute, update):
    """At that number of rows the speed-up is 1, or four fifths of the workers: by the same seconds, put in by hand."""
    found = many(compute=compute)
    a_row = (0.1 - update) / 1000
    for rows, speedup in ((found.pays_from, 1), (found.efficient_from, 3.2)):
        there = (rows * a_row + update) / (rows / 4 * a_row + update + 0.015)
        assert there == pytest.approx(speedup, rel=1e-2)


def test_it_never_pays_where_a_share_takes_as_long_as_all():
    assert many(compute=0.1).pays_from is None
    assert many(workers=1).pays_from is None


def test_bytes_and_their_seconds():
    assert bytes_of_step(1000, workers=3) == 6000
    assert transfer_seconds(10**6, 8e9) == pytest.approx(REQUEST + 1e-3)
    assert transfer_seconds(10**6, 1e15) == pytest.approx(REQUEST + 1e6 / HANDLING)


def test_json_and_text(capsys):
    told = ["cost", "--sizes", "20,30,3", "--batch", "64", "--workers", "2", "--network", "1Gb/s"]
    assert main([*told, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["distributed"]
    assert {"seconds_per_step", "efficiency", "speedup"} < set(found)
    assert found["bytes_per_step"] == 4 * 4 * (20 * 30 + 30 + 30 * 3 + 3)
    assert found["seconds_per_step"] == pytest.approx(found["compute_seconds"] + found["transfer_seconds"])
    assert found["speedup"] == pytest.approx(found["one_machine_seconds"] / found["seconds_per_step"])
    assert main(told) == 0
    shown = capsys.readouterr().out
    assert "workers:   2, with 1 Gb/s between them:" in shown
    assert "efficiency" in shown


def test_without_workers_nothing_is_said():
    assert "distributed" not in cost(sizes=[4, 3], optimizer=get_optimizer("sgd")).to_dict()


@pytest.mark.parametrize("network", ["fast", "0Gb/s", "-1Gb/s", "10GB/s", 0, True, "", float("nan")])
def test_a_network_that_is_none(network):
    with pytest.raises(ProblemError, match="network takes bits a second, such as 10Gb/s"):
        cost(sizes=[4, 3], batch=8, workers=2, network=network)


def test_more_workers_than_rows(capsys):
    assert main(["cost", "--sizes", "4,3", "--batch", "4", "--workers", "8"]) == 2
    assert capsys.readouterr().err == (
        "backlit: 4 rows a step are too few for 8 workers: give larger batches, or fewer workers\n"
    )
