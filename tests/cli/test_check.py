"""`backlit check` and `backlit grade`: exit codes, JSON, text that teaches, one line for each fault."""

import json
from pathlib import Path

import pytest
from tests.commands import run_command
from tests.helpers import assert_names
from tests.problems import WORKED

RIGHT = {
    "z": {"1": [[-0.3, 1.1]], "2": [[-0.29001855616]]},
    "a": {"1": [[0.425557483188, 0.750260105595]]},
    "loss": 0.832073937618,
    "delta": {"2": [[-1.29001855616]], "1": [[-0.063071151658, 0.120855310741]]},
    "grad_W": {
        "2": [[-0.548977050026, -0.967849458164]],
        "1": [[-0.063071151658, -0.126142303315], [0.120855310741, 0.241710621482]],
    },
    "grad_b": {"2": [-1.29001855616]},
    "grad_a": {"1": [[-0.258003711232, 0.64500927808]], "0": [[0.042035009131, 0.048870823554]]},
}
WITHOUT_SLOPE = {"grad_W": {"1": [[-0.258003711232, -0.516007422464], [0.64500927808, 1.29001855616]]}}


@pytest.fixture
def files(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return str(path)

    return write


def test_the_worked_example_passes(files, capsys):
    code, out, err = run_command(capsys, "check", files("p.json", WORKED), files("c.json", RIGHT))
    assert (code, err) == (0, "")
    assert "PASS" in out


def test_json_is_as_promised(files, capsys):
    code, out, _ = run_command(
        capsys, "check", files("p.json", WORKED), files("c.json", WITHOUT_SLOPE), "--format", "json"
    )
    found = json.loads(out)
    assert code == 1
    assert found["verdict"] == "fail"
    assert found["first_wrong"] == "grad_W[1]"
    assert found["quantities"]["grad_W[1]"]["ok"] is False
    assert found["quantities"]["grad_W[1]"]["max_relative_error"] > 1
    (best,) = found["diagnoses"]
    assert (best["bug"], best["layers"]) == ("activation_slope_missing", [1])
    assert best["residual"] < 1e-8
    assert {"equivalent", "explanation", "fix"} <= set(best)
    assert "missing_batch_mean" not in found["not_detectable"]  # with one example it can't be made
    assert isinstance(found["tolerance"], float)


def test_text_teaches(files, capsys):
    code, out, _ = run_command(capsys, "check", files("p.json", WORKED), files("c.json", WITHOUT_SLOPE))
    flat = " ".join(out.split())
    assert code == 1
    for words in ("FAIL", "First wrong: grad_W[1]", "claimed", "0.2417106215", "Where to look", "[BP2]", "φ'(z_l)"):
        assert words in flat


def test_an_update_after_steps_is_checked(files, capsys, monkeypatch):
    from backlit.formats.problems import read_problem
    from backlit.verification import problem_check
    from backlit.verification.quantities import right_values

    monkeypatch.setattr(problem_check, "MOST_SECONDS", 1e-6)  # which mistake it is, nobody asks here
    right = right_values(read_problem(WORKED), steps=3)
    claims = {"update": {"W": {"1": right["update.W[1]"].tolist()}, "loss": float(right["update.loss"])}}
    problem, claimed = files("p.json", WORKED), files("c.json", claims)
    assert run_command(capsys, "check", problem, claimed, "--steps", "3")[0] == 0
    assert run_command(capsys, "check", problem, claimed)[0] == 1


def test_an_unknown_mistake_is_called_unknown(files, capsys):
    claims = {"grad_W": {"1": [[0.3, 0.1], [0.7, -0.2718281828]]}}
    code, out, _ = run_command(capsys, "check", files("p.json", WORKED), files("c.json", claims), "--format", "json")
    assert code == 1
    assert json.loads(out)["diagnoses"] == []


def test_a_page_is_written_and_escaped(files, capsys, tmp_path):
    page = tmp_path / "check.html"
    problem = files("<b>.json", WORKED)
    assert run_command(capsys, "check", problem, files("c.json", WITHOUT_SLOPE), "--html", str(page))[0] == 1
    text = page.read_text(encoding="utf-8")
    assert "&lt;b&gt;.json" in text
    assert "<b>.json" not in text
    assert "activation_slope_missing" in text
    assert "http" not in text


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"grad_W": {"2": [[1.0], [2.0]]}}, ("transpose", "fits")),
        ({"gradW": {}}, ("unknown key",)),
        ('{"loss": NaN}', ("holds nan",)),
        ("{", ("valid", "JSON")),
        ("", ("valid", "JSON")),
        ("[" * 100_000, ("too deep",)),
        ('{"loss": true}', ("loss", "one number")),
        ({"grad_W": {"7": [[1.0]]}}, ("layer", "7", "1", "2")),
        ({"grad_b": {"1": [[0.1, 0.2]] * 2}}, ("sum", "over", "examples")),
    ],
)
def test_bad_claims_are_one_line(files, capsys, claims, words):
    code, out, err = run_command(capsys, "check", files("p.json", WORKED), files("c.json", claims))
    assert (code, out) == (2, "")
    assert_names(err, *words)


def test_claims_are_needed(files, capsys):
    code, _, err = run_command(capsys, "check", files("p.json", WORKED))
    assert code == 2
    assert "--suggest-inputs" in err


def test_suggested_inputs_are_a_problem_file(files, capsys):
    problem = files("p.json", WORKED)
    code, out, err = run_command(capsys, "check", problem, "--suggest-inputs")
    assert code == 0
    assert len(json.loads(out)["x"]) == 7
    assert "missing_batch_mean" in " ".join(err.split())
    code, out, _ = run_command(capsys, "check", problem, "--suggest-inputs", "--format", "json")
    assert "missing_batch_mean" in json.loads(out)["revealed"]
    suggested = files("s.json", json.loads(out)["problem"])
    code, out, err = run_command(capsys, "check", suggested, files("c.json", {"loss": 1.0}))
    assert (code, err) == (1, "")


# --- grade ----------------------------------------------------------------------------------------------------------

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def rubric(tmp_path):
    """That of the examples, with one network in place of two."""
    path = tmp_path / "one.toml"
    path.write_text(
        "[[networks]]".join((EXAMPLES / "rubric.toml").read_text("utf-8").split("[[networks]]")[:2]), "utf-8"
    )
    return str(path)


def test_grades_are_a_table_and_a_page(capsys, tmp_path, rubric):
    out, page = tmp_path / "grades.csv", tmp_path / "grades.html"
    code, printed, _ = run_command(
        capsys,
        *("grade", str(EXAMPLES / "student_template.py"), str(EXAMPLES / "broken_backprop.py")),
        *("--rubric", rubric, "--out", str(out), "--html", str(page), "--format", "json"),
    )
    assert code == 0
    rows = {Path(row["file"]).stem: row for row in json.loads(printed)["grades"]}
    assert rows["student_template"]["verdict"] == "pass"
    assert rows["broken_backprop"]["verdict"] != "pass"
    lines = out.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("file,verdict,points")
    assert len(lines) == 3
    assert "broken_backprop" in page.read_text(encoding="utf-8")


def test_a_grade_s_line_says_what_is_wrong(capsys, tmp_path, monkeypatch, rubric):
    path = tmp_path / "loud.py"
    path.write_text('raise ValueError("\\x1b[31mred")\n', encoding="utf-8")
    code, out, err = run_command(capsys, "grade", str(EXAMPLES / "broken_backprop.py"), str(path), "--rubric", rubric)
    assert code == 0
    assert out.startswith("file,verdict,points")
    assert "grad_b[2] (BP3): bias_averaged_twice + output_form_fed_with_z" in err
    assert r"ValueError: \x1b[31mred" in err
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert run_command(capsys, "grade", str(EXAMPLES / "student_template.py"), "--rubric", rubric)[1] == ""


def test_a_formula_in_a_file_name_stays_text():
    from backlit.verification.grading.grade import cell

    assert cell("=1+1") == "'=1+1"
    assert cell(-1.0) == -1.0


def test_a_missing_rubric_or_submission_is_one_line(capsys, tmp_path):
    submission = str(EXAMPLES / "student_template.py")
    code, _, err = run_command(capsys, "grade", submission, "--rubric", str(tmp_path / "no.toml"))
    assert code == 2
    assert "no such file" in err
    code, _, err = run_command(capsys, "grade", str(tmp_path / "no.py"), "--rubric", str(EXAMPLES / "rubric.toml"))
    assert code == 2
    assert_names(err, "no.py", "no such file", "check the name")


@pytest.mark.parametrize(
    ("rubric", "words"),
    [
        ("title = 3", ("title", "text")),
        ("[[networks]]\nshapes = [2, 2]\nseed = -1", ("seed", "whole number")),
        ('[[networks]]\nshapes = [2, 2]\nseed = "x"', ("seed", "whole number")),
        ('[[networks]]\nshapes = [2, 2]\nactivations = "tanh"', ("must be a list",)),
    ],
)
def test_a_bad_rubric_is_one_line(files, capsys, rubric, words):
    whole = rubric if "networks" in rubric else f"{rubric}\n[[networks]]\nshapes = [2, 2]"
    code, out, err = run_command(
        capsys, "grade", str(EXAMPLES / "student_template.py"), "--rubric", files("r.toml", whole)
    )
    assert (code, out) == (2, "")
    assert_names(err, *words)


def test_many_steps_are_compared_though_not_every_mistake_is_replayed(files, capsys, monkeypatch):
    from backlit.verification import problem_check

    monkeypatch.setattr(problem_check, "MOST_SECONDS", 1e-6)
    code, out, _ = run_command(capsys, "check", files("p.json", WORKED), files("c.json", {"update": {"loss": 1.0}}))
    assert code == 1
    assert "claim fewer steps" in " ".join(out.split())


def test_dropout_without_a_seed_is_one_line(files, capsys):
    layers = [WORKED["layers"][0] | {"dropout": 0.5}, WORKED["layers"][1]]
    code, out, err = run_command(capsys, "check", files("p.json", WORKED | {"layers": layers}), files("c.json", RIGHT))
    assert (code, out) == (2, "")
    assert_names(err, "dropout", "seed")
    seeded = WORKED | {"layers": layers, "seed": 3}
    assert run_command(capsys, "check", files("s.json", seeded), files("c.json", {"loss": 1.0}))[0] == 1


def test_a_pair_of_mistakes_is_shown_with_both_formulas(files, capsys):
    """∂b is 0 in both layers, and the weights of layer 1 lack φ'."""
    claims = WITHOUT_SLOPE | {"grad_b": {"1": [0.0, 0.0], "2": [0.0]}}
    code, out, _ = run_command(capsys, "check", files("p.json", WORKED), files("c.json", claims), "--format", "json")
    (best,) = json.loads(out)["diagnoses"]
    assert code == 1
    assert set(best["bug"].split(" + ")) == {"bias_gradient_missing", "activation_slope_missing"}
    assert len(best["wrong"]) == len(best["right"]) == 2
