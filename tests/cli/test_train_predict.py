"""The commands as a person or a program meets them: output, exit codes, one line for each fault."""

import json
import re
import shlex
import subprocess
import sys
from hashlib import sha256

import polars as pl
import pytest
from tests.commands import run_command
from tests.helpers import assert_names

from backlit.tables.messages import figure
from backlit.tabular.datasets import load_dataset

KEYS = {"task", "n_train", "n_test", "metrics", "epochs", "seconds", "samples_per_second", "engine", "gradient_check"}


@pytest.fixture
def iris(tmp_path):
    path = tmp_path / "iris.csv"
    load_dataset("iris").write_csv(path)
    return path


def test_json_has_the_keys_that_other_programs_rely_on(capsys, tmp_path):
    model, report = tmp_path / "m.safetensors", tmp_path / "r.html"
    code, out, _ = run_command(
        capsys, "train", "--dataset", "iris", "--epochs", 5, "--out", model, "--report", report, "--format", "json"
    )
    result = json.loads(out)
    assert code == 0
    assert KEYS | {"model", "report"} <= set(result)
    assert result["task"] == "classification"
    assert (result["n_train"], result["n_test"], result["epochs"]) == (120, 30, 5)
    assert set(result["metrics"]) == {"train", "test"}
    assert 0 <= result["metrics"]["test"]["accuracy"] <= 1
    assert 0 < result["gradient_check"]["max_relative_error"] < 1e-7
    assert (result["model"], result["report"]) == (str(model), str(report))
    assert model.stat().st_size > 0
    assert report.stat().st_size > 0
    assert len(out.strip().splitlines()) == 1


def test_regression_has_r2(capsys):
    _, out, _ = run_command(capsys, "train", "--dataset", "diabetes", "--epochs", 2, "--format", "json")
    assert "r2" in json.loads(out)["metrics"]["test"]


def test_train_then_predict(capsys, tmp_path, iris):
    model, predictions = tmp_path / "m.safetensors", tmp_path / "p.csv"
    code, out, err = run_command(
        capsys, "train", iris, "--target", "target", "--hidden", "16", "--epochs", 150, "--out", model
    )
    assert code == 0
    assert "held-out rows" in out
    assert "largest relative error" in " ".join(out.split())
    assert err.startswith("epoch 1/150")
    code, out, err = run_command(capsys, "predict", model, iris, "-o", predictions)
    assert (code, out) == (0, f"150 predictions: {predictions}\n")
    assert "accuracy" in err
    table = pl.read_csv(predictions)
    assert table.columns[0] == "target"
    assert (table["target"] == load_dataset("iris")["target"]).mean() > 0.85
    code, out, _ = run_command(capsys, "predict", model, iris)
    assert code == 0
    assert pl.read_csv(out.encode()).equals(table)
    code, out, err = run_command(capsys, "predict", model, iris, "--format", "json")
    assert (code, err) == (0, "")
    assert json.loads(out)["n"] == 150
    assert json.loads(out)["output"] is None
    assert len(json.loads(out)["predictions"]["target"]) == 150
    bare = tmp_path / "bare.csv"
    pl.read_csv(iris).drop("target").write_csv(bare)
    code, out, err = run_command(capsys, "predict", model, bare)
    assert (code, err) == (0, "")
    assert pl.read_csv(out.encode()).equals(table)


def test_a_folder_is_predicted_into_a_file_or_lines(capsys, tmp_path):
    model, folder, output = tmp_path / "m.safetensors", tmp_path / "wine", tmp_path / "p.parquet"
    folder.mkdir()
    table = load_dataset("wine")
    for k in range(2):
        table[k::2].write_parquet(folder / f"{k}.parquet")
    assert run_command(capsys, "train", "--dataset", "wine", "--epochs", 9, "--out", model)[0] == 0
    code, out, err = run_command(capsys, "predict", model, folder, "-o", output, "--format", "json")
    result = json.loads(out)
    assert (code, err, result["n"], result["output"]) == (0, "", 178, str(output))
    assert result["metrics"]["accuracy"] > 0.8
    code, out, err = run_command(capsys, "predict", model, folder, "-o", output)
    assert (code, out) == (0, f"178 predictions: {output}\n")
    assert err.startswith(f"the table holds true values: accuracy {result['metrics']['accuracy']:.4g}, ")
    code, out, _ = run_command(capsys, "predict", model, folder, "--format", "json")
    assert (code, out) == (2, "")
    code, out, err = run_command(capsys, "predict", model, folder)
    assert code == 0
    assert err.startswith("the table holds true values")
    assert pl.read_csv(out.encode())["target"].equals(pl.read_parquet(output)["target"])


def test_a_training_is_told_in_a_few_lines(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "240")  # the first line may say of which baselines nothing can be told
    table, model = tmp_path / "t.csv", tmp_path / "m[red].safetensors"
    table.write_text("a,[b],y[bold]\n" + "".join(f"{k},{k % 7},{k % 5}.5\n" for k in range(40)))
    code, out, _ = run_command(
        capsys, "train", table, "--target", "y[bold]", "--hidden", "3", "--epochs", 2, "--out", model
    )
    lines = out.splitlines()
    assert code == 0
    assert re.match(r"The model adds nothing: root mean square error [\d.]+, and [\d.]+ by (the|a) ", lines[0])
    named = r"regression of y\[bold\], network 2 → 3 → 1, (native|reference) engine; gradient checked: largest relative"
    assert re.match(named, lines[1])
    assert re.fullmatch(r"2 epochs in \S+ s, until all epochs were done; the best was epoch [12]", lines[2])
    assert lines[3] == "32 training rows, 3 of them to stop by; 8 held-out rows"
    heads = ["metric", "training", "held", "out", "95%", "interval", "constant", "linear", "boosting"]
    assert lines[4].split() == heads
    assert [line.split()[0] for line in lines[5:8]] == ["r2", "rmse", "mae"]
    assert lines[8].startswith("2 columns as 2 features")
    assert lines[-1] == f"model: {model}"
    _, out, _ = run_command(
        capsys, "train", table, "--target", "y[bold]", "--hidden", "3", "--epochs", 2, "--format", "json"
    )
    result = json.loads(out)
    metrics, others = result["metrics"], result["baselines"]
    for line, name in zip(lines[5:8], ("r2", "rmse", "mae"), strict=True):
        training, test, ends, *theirs = line.split()[1:]
        assert (training, test) == tuple(figure(metrics[part][name]) for part in ("train", "test"))
        assert ends == "–".join(f"{end:.3g}" for end in result["intervals"][name])
        assert theirs == [figure(others[rival][name]) for rival in ("constant", "linear", "gradient_boosting")]


def test_json_says_how_the_model_came_about(capsys, iris):
    code, out, _ = run_command(
        capsys, "train", iris, "--target", "target", "--epochs", 3, "--seed", 4, "--no-compare", "--format", "json"
    )
    result = json.loads(out)
    assert code == 0
    assert set(result["baselines"]) == {"constant", "linear"}
    assert set(result["baselines"]["linear"]) == set(result["metrics"]["test"])
    assert result["command"] == f"backlit train {iris} --target target --seed 4 --epochs 3 --no-compare"
    assert result["data_sha256"] == sha256(iris.read_bytes()).hexdigest()
    assert [column["name"] for column in result["columns"]] == load_dataset("iris").columns[:-1]
    assert set(result["importances"]) == set(load_dataset("iris").columns[:-1])
    low, high = result["intervals"]["accuracy"]
    assert low < result["metrics"]["test"]["accuracy"] <= high
    again = run_command(capsys, *shlex.split(result["command"])[1:], "--format", "json")[1]
    alike = ("metrics", "baselines", "intervals", "importances", "notes", "data_sha256")
    assert {name: json.loads(again)[name] for name in alike} == {name: result[name] for name in alike}


def test_a_metric_that_is_not_defined_is_a_dash():
    assert (figure(None), figure(0.123456)) == ("–", "0.1235")


FAULTS = [
    (["train", "none.csv", "--target", "a"], 2, ("none.csv", "exist")),
    (["train", "iris.csv", "--target", "targe"], 2, ("'target'",)),
    (["train", "iris.csv"], 2, ("--target",)),
    (["train"], 2, ("give", "table", "dataset")),
    (["train", "iris.csv", "--target", "target", "--hidden", "a,b"], 2, ("--hidden", "whole", "numbers")),
    (["train", "iris.csv", "--target", "target", "--hidden", "2,,3"], 2, ("--hidden", "whole", "2,,3")),
    (["search", "iris.csv", "--target", "target", "--time-limit", "0"], 2, ("time_limit", "above 0")),
    (["predict", "m.safetensors", "iris.csv", "--cost", "a=1", "--cost", "a=2"], 2, ("--cost", "'a'", "twice")),
    (["train", "iris.csv", "--target", "target", "--epochs", "many"], 2, ("--epochs",)),
    (["train", "iris.csv", "--target", "target", "--format", "xml"], 2, ("--format",)),
    (["train", "iris.csv", "--target", "target", "--task", "ranking"], 2, ("'ranking'",)),
    (["train", "iris.csv", "--target", "target", "--hidden", "100000000000"], 2, ("memory",)),
    (["train", "--dataset", "iris", "--optimizer", "sgd", "--learning-rate", "1e20"], 1, ("diverged", "step")),
    (["predict", "iris.csv", "iris.csv"], 2, ("iris.csv", "truncated", "damaged", "model", "file")),
    (["predict", "none.safetensors", "iris.csv"], 2, ("none.safetensors", "file")),
    (["frobnicate"], 2, ("No", "command", "'frobnicate'")),
    (["train", "--frobnicate"], 2, ("No", "option")),
]


@pytest.mark.parametrize(("arguments", "code", "says"), FAULTS, ids=[" ".join(says) for _, _, says in FAULTS])
def test_a_fault_is_one_line_on_standard_error(capsys, monkeypatch, iris, arguments, code, says):
    monkeypatch.chdir(iris.parent)
    got, out, err = run_command(capsys, *arguments)
    last = err.strip().splitlines()[-1]
    assert (got, out) == (code, "")
    assert_names(last, "backlit: ", *says)
    assert [path.name for path in iris.parent.iterdir()] == ["iris.csv"]


def test_the_command_leaves_with_the_exit_code():
    command = [sys.executable, "-m", "backlit", "cost", "none.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert_names(done.stderr, "none.json")


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["predict", "--help"], ["--version"], []])
def test_help_and_version_are_there(capsys, arguments):
    _, out, _ = run_command(capsys, *arguments)
    assert "backlit" in out
    assert "Traceback" not in out


def test_a_training_that_ctrl_c_ended_says_so(capsys, monkeypatch):
    from backlit.tabular import recipe as training

    real = training.fit

    def interrupted(*arguments, **options):
        outcome = real(*arguments, **options)
        outcome.history.stopped = "interrupted"
        return outcome

    monkeypatch.setattr(training, "fit", interrupted)
    code, out, _ = run_command(capsys, "train", "--dataset", "iris", "--epochs", 2)
    assert code == 0
    assert "stopped by Ctrl-C: the model and its scores are those of the best epoch until then" in " ".join(out.split())
