"""The short form of scripts/diagnose_tables.py: measured ratios lie within the stated bands at width 256."""

import pytest
from scripts.diagnose_tables import measure


@pytest.mark.parametrize(("phi", "init", "norm"), [
    ("sigmoid", "xavier_uniform", None), ("relu", "he_normal", "batch"), ("gelu", "orthogonal", "layer"),
    ("selu", "lecun_normal", None), ("hard_tanh", {"scheme": "gaussian", "sigma_w": 1.5, "sigma_b": 0.3}, None),
])  # fmt: skip
def test_measured_is_within_the_band(phi, init, norm):
    case = measure(phi, init, norm, width=256, seeds=6)
    assert case.ok, case
    assert case.inside >= 0.8
