"""`backlit diagnose` as a person or a program meets it."""

import json

import pytest

from backlit.cli import main
from backlit.io.problems import read_problem

SIZES = ["diagnose", "--depth", "12", "--width", "16", "--activation", "sigmoid", "--seeds", "2"]
LAYER = {"layer", "q_predicted", "q_measured", "grad_ratio_predicted", "grad_ratio_measured", "weight_term"}


def test_json_has_the_contract_s_names(capsys, tmp_path):
    assert main([*SIZES, "--format", "json", "--fix", str(tmp_path / "fixed.json")]) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result["predicted"]) >= {"q_star", "chi_1", "c_star", "xi_q", "xi_c", "xi_grad"}
    assert len(result["layers"]) == 12
    assert set(result["layers"][0]) >= LAYER | {"derivative_term", "dead_fraction", "saturated_fraction"}
    assert result["verdict"] == "vanishing"
    assert set(result["remedies"][0]) >= {"remedy", "predicted_ratio", "measured_ratio"}
    assert read_problem(tmp_path / "fixed.json").net.L == 12


def test_text_says_the_verdict(capsys):
    assert main([*SIZES, "--no-remedies"]) == 0
    assert "vanishing" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [
    ["--depth", "0", "--width", "4"], ["--depth", "3"], [], ["none.json"], ["--model", "none.safetensors"],
    ["--depth", "3", "--width", "4", "--sigma-w", "inf"], ["--depth", "3", "--width", "4", "--norm", "group"],
])  # fmt: skip
def test_a_fault_is_one_line_and_exit_2(capsys, arguments):
    assert main(["diagnose", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.strip().splitlines()) == 1
