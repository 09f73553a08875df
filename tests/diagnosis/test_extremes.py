"""Networks far from any that trains are diagnosed too: lengths beyond floats, batches of one, units without spread."""

import pytest
from tests.helpers import quick_first

from backlit.diagnosis import diagnose, simulation
from backlit.render.diagnosis import show_diagnosis

FOUND = [  # by random draws: each of them ended in a traceback once
    {"depth": 60, "width": 3, "activation": "mish", "init": "he_normal", "skip": 1000.0},
    {"depth": 60, "width": 3, "activation": "tanh", "skip": 1000.0},
    {"depth": 60, "width": 8, "activation": "relu", "sigma_w": 1e-8},
    {"depth": 30, "width": 1, "activation": "elu", "norm": "layer", "batch": 3, "sigma_w": 1e-8},
    {"depth": 60, "width": 33, "activation": "exp", "norm": "batch", "sigma_w": 1e-3, "sigma_b": 1e-3},
    {"depth": 30, "width": 2, "activation": "sigmoid", "norm": "batch", "batch": 2, "sigma_w": 1e30},
    {"depth": 8, "width": 4, "activation": "sigmoid", "norm": "batch", "batch": 1},
    {"depth": 2, "width": 8, "activation": "mish", "norm": "batch", "skip": 0.3, "sigma_w": 1e-3, "sigma_b": 1e-3},
    {"depth": 8, "width": 1, "activation": "exp", "sigma_b": 1e5},
    {"depth": 3, "width": 1, "activation": "exp", "dropout": 0.95},
]


@pytest.mark.parametrize("most", quick_first([simulation.FEWEST, simulation.MOST]))
@pytest.mark.parametrize("told", FOUND, ids=lambda told: f"{told['activation']}-{told['depth']}")
def test_an_extreme_network_is_diagnosed(told, most, capsys, monkeypatch):
    monkeypatch.setattr(simulation, "MOST", most)  # draws for the bands, each of which is extreme
    found = diagnose(**told, seeds=1, remedies=False)
    show_diagnosis(found)
    assert found.to_dict()["verdict"] in ("healthy", "vanishing", "exploding")
    assert "Top to bottom" in capsys.readouterr().out
