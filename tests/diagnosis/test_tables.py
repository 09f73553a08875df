"""The short form of scripts/diagnose_tables.py: measured ratios lie within the stated bands at width 256."""

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "diagnose_tables.py"
SPEC = importlib.util.spec_from_file_location("diagnose_tables", SCRIPT)
tables = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = tables  # where dataclasses look for their module
SPEC.loader.exec_module(tables)


@pytest.mark.parametrize(("phi", "init", "norm"), [
    ("sigmoid", "xavier_uniform", None), ("relu", "he_normal", "batch"), ("gelu", "orthogonal", "layer"),
    ("selu", "lecun_normal", None), ("hard_tanh", {"scheme": "gaussian", "sigma_w": 1.5, "sigma_b": 0.3}, None),
])  # fmt: skip
def test_measured_is_within_the_band(phi, init, norm):
    case = tables.measure(phi, init, norm, width=256, seeds=6)
    assert case.ok, case
    assert case.inside >= 0.8
