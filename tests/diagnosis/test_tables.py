"""The short form of scripts/diagnose_tables.py, at width 64: the bands hold what they say, and are no wider."""

from dataclasses import replace

import pytest
from tests.scripts import load_script

tables = load_script("diagnose_tables")

WIDTH = 64
BIASED = {"scheme": "gaussian", "sigma_w": 1.5, "sigma_b": 0.3}
CASES = [
    ("sigmoid", "xavier_uniform", None), ("relu", "he_normal", "batch"), ("gelu", "orthogonal", "layer"),
    ("selu", "lecun_normal", None), ("hard_tanh", BIASED, None), ("tanh", "orthogonal", None),
    ("softplus", "he_normal", "layer"), ("identity", "orthogonal", None),
]  # fmt: skip


@pytest.fixture(scope="module")
def measured():
    return [quantity for case in CASES for quantity in tables.measure(*case, width=WIDTH, seeds=16)]


def test_bands_hold_what_they_say_and_are_no_wider(measured):
    assert tables.faults(measured, WIDTH) == []
    exact = [quantity for quantity in measured if quantity.exact]
    assert len(exact) == tables.DEPTH  # orthogonal linear layers: no spread, and none is predicted
    assert max(quantity.deviation for quantity in exact) < tables.ROUNDING


@pytest.mark.parametrize(("factor", "fault"), [(0.7, "too narrow"), (1.5, "too wide")])
def test_a_band_of_another_width_is_found(measured, factor, fault):
    planted = [replace(quantity, deviation=factor * quantity.deviation) for quantity in measured]
    assert [found.split(":")[0] for found in tables.faults(planted, WIDTH)] == [fault]


def test_a_mean_beside_the_predicted_one_is_found(measured):
    planted = [replace(quantity, predicted=quantity.predicted + 0.06) for quantity in measured]
    assert any(found.startswith("means are off") for found in tables.faults(planted, WIDTH))


def test_a_theory_that_is_not_the_limit_is_found(measured):
    planted = [replace(quantity, theory=quantity.theory + 0.6) for quantity in measured]
    assert any(found.startswith("theory is off: 1/4 by ") for found in tables.faults(planted, WIDTH))


def test_a_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "cases", lambda: CASES[:2])
    path = tmp_path / "measured.jsonl"
    first = dict(tables.run(16, 2, 1, path))
    text = path.read_text()
    path.write_text(text[: len(text) * 2 // 3])  # cut off while it wrote the second
    monkeypatch.setattr(tables, "measure", lambda *case: first[tables.case_name(case[:3])])
    assert dict(tables.run(16, 2, 1, path)) == first
    assert tables.measured_already(path, 16, 2) == first
