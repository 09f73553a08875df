"""check_network on students' code in both layouts, the template, and grading in processes of their own."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.helpers import raises_naming

from backlit.errors import ProblemError, ShapeError
from backlit.verification import check_network, grade
from backlit.verification.grading.rubric import read_rubric, rubric_of
from backlit.verification.grading.sandbox import run_submission

pytestmark = pytest.mark.usefixtures("trusted")  # here; what grades in a process of its own asks the oracles
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SOFTMAX = {"activations": ("sigmoid", "softmax"), "loss": "cross_entropy"}


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def in_columns(W, b, X, y):
    """(n, m) columns, W (n_in, n_out), identity output, half squared error."""
    m = X.shape[1]
    z = W[0].T @ X + b[0]
    a = 1 / (1 + np.exp(-z))
    out = W[1].T @ a + b[1]
    d2 = (out - y) / m
    d1 = (W[1] @ d2) * a * (1 - a)
    return {
        "loss": 0.5 * ((out - y) ** 2).sum() / m,
        "grad_W": [X @ d1.T, a @ d2.T],
        "grad_b": [d1.sum(axis=1, keepdims=True), d2.sum(axis=1, keepdims=True)],
        "delta": [d1 * m, d2 * m],
        "a": [X, a, out],
    }


def test_the_template_passes():
    assert check_network(load("student_template").backprop, (4, 5, 3), **SOFTMAX).verdict == "pass"


def test_columns_and_the_other_layout_of_W_pass():
    assert check_network(in_columns, (4, 5, 3), weights="in_out", examples="columns").verdict == "pass"


def test_a_wrong_backward_pass_is_told_from_another_loss():
    right = load("student_template").backprop

    def doubled(W, b, X, y):
        out = right(W, b, X, y)
        return {"loss": out["loss"], "grad_W": [2 * W for W in out["grad_W"]], "grad_b": [2 * b for b in out["grad_b"]]}

    def summed(W, b, X, y):
        out, m = right(W, b, X, y), len(X)
        return {
            "loss": m * out["loss"],
            "grad_W": [m * W for W in out["grad_W"]],
            "grad_b": [m * b for b in out["grad_b"]],
        }

    assert check_network(doubled, (4, 5, 3), **SOFTMAX).verdict == "fail"
    found = check_network(summed, (4, 5, 3), **SOFTMAX)
    assert found.verdict == "convention"
    assert found.against.diagnoses[0].name == "convention_sum"


def test_what_cannot_be_read_is_refused():
    with raises_naming(ProblemError, "return", "mapping"):
        check_network(lambda W, b, X, y: None, (2, 1))
    with raises_naming(ProblemError, "returns", "'gradW'"):
        check_network(lambda W, b, X, y: {"loss": 1, "grad_W": W, "grad_b": b, "gradW": W}, (2, 1))
    with raises_naming(ShapeError, "list", "1", "arrays"):
        check_network(lambda W, b, X, y: (1.0, [], b), (2, 1))
    with raises_naming(ProblemError, "2", "activations", "1"):
        check_network(lambda W, b, X, y: None, (2, 3, 1), activations=("tanh",))


CODE = """
import numpy as np

def backprop(W, b, X, y):
    sigmoid = lambda z: 1 / (1 + np.exp(-z))
    m = len({m})
    {forward}
    e = np.exp(z - z.max(axis={classes}, keepdims=True))
    p = e / e.sum(axis={classes}, keepdims=True)
    {loss}
    {backward}
    return dict(loss=loss, grad_W=grad_W, grad_b=grad_b)
"""
ROWS = {"m": "X", "classes": 1}
ONE_HOT = "loss = -np.sum(y * np.log(p)) / m; d = (p - y) / m"
INTEGERS = "k = np.arange(m); loss = -np.log(p[k, y]).mean(); d = p.copy(); d[k, y] -= 1; d /= m"
X_AT_W = {
    "forward": "a = sigmoid(X @ W[0] + b[0]); z = a @ W[1] + b[1]",
    "backward": "d1 = d @ W[1].T * a * (1 - a); grad_W = [X.T @ d1, a.T @ d]; grad_b = [d1.sum(0), d.sum(0)]",
}
X_AT_W_T = {
    "forward": "a = sigmoid(X @ W[0].T + b[0]); z = a @ W[1].T + b[1]",
    "backward": "d1 = d @ W[1] * a * (1 - a); grad_W = [d1.T @ X, d.T @ a]; grad_b = [d1.sum(0), d.sum(0)]",
}
COLUMNS = {
    "m": "X.T",
    "classes": 0,
    "forward": "a = sigmoid(W[0] @ X + b[0]); z = W[1] @ a + b[1]",
    "backward": "d1 = W[1].T @ d * a * (1 - a); grad_W = [d1 @ X.T, d @ a.T]; grad_b = [d1.sum(1), d.sum(1)]",
}
STUDENTS = {
    "X @ W": ({**ROWS, **X_AT_W, "loss": ONE_HOT}, ["W is (inputs, units)"]),
    "integers": ({**ROWS, **X_AT_W_T, "loss": INTEGERS}, ["y holds class indices"]),
    "X @ W and integers": ({**ROWS, **X_AT_W, "loss": INTEGERS}, ["W is (inputs, units)", "y holds class indices"]),
    "columns": ({**COLUMNS, "loss": ONE_HOT}, ["examples are columns"]),
}


def submission(parts, folder):
    file = folder / "submission.py"
    file.write_text(CODE.format(**parts), encoding="utf-8")
    scope = {}
    exec(file.read_text(encoding="utf-8"), scope)
    return file, scope["backprop"]


@pytest.mark.parametrize("shapes", [(4, 5, 3), (3, 3, 3)], ids=str)
@pytest.mark.parametrize(("parts", "assumed"), STUDENTS.values(), ids=STUDENTS)
def test_another_convention_is_found_and_told_in_one_line(parts, assumed, shapes, tmp_path):
    found = check_network(submission(parts, tmp_path)[1], shapes, **SOFTMAX)
    assert found.verdict == "pass", str(found)
    (note,) = found.against.notes
    assert all(words in note for words in assumed)
    assert note.startswith("assumed")
    assert note.partition(", because")[0].count(" and ") == len(assumed) - 1  # nothing else was assumed
    assert " ".join(note.split()) in " ".join(str(found).split())


@pytest.mark.parametrize(("parts", "assumed"), STUDENTS.values(), ids=STUDENTS)
def test_a_mistake_is_named_in_another_convention_too(parts, assumed, tmp_path):
    wrong = {**parts, "backward": parts["backward"].replace("a * (1 - a)", "a")}
    found = check_network(submission(wrong, tmp_path)[1], (4, 5, 3), **SOFTMAX)
    assert found.verdict == "fail"
    assert found.against.first_wrong == "grad_b[1]"
    assert all(words in found.against.notes[0] for words in assumed)


def test_the_convention_that_was_asked_for_needs_no_word(tmp_path):
    step = submission(STUDENTS["X @ W and integers"][0], tmp_path)[1]
    found = check_network(step, (4, 5, 3), weights="in_out", labels="integers", **SOFTMAX)
    assert (found.verdict, found.against.notes) == ("pass", ())
    turned = check_network(load("student_template").backprop, (4, 5, 3), weights="in_out", labels="integers", **SOFTMAX)
    assert "W is (units, inputs), as in X @ W.T, and y is one-hot" in turned.against.notes[0]


def test_code_that_runs_in_no_convention_is_one_line_with_its_line():
    with raises_naming(ProblemError, "ZeroDivisionError", "line", "test_students.py", "mend that line"):
        check_network(lambda W, b, X, y: 1 / 0, (4, 5, 3), **SOFTMAX)


def test_a_printed_check_is_whole_and_says_its_verdict_once():
    found = check_network(load("broken_backprop").backprop, (4, 5, 3), **SOFTMAX)
    printed = " ".join(str(found).replace("│", " ").split())
    assert str(found).upper().count("FAIL") == 1
    (best,) = found.against.diagnoses
    assert len(best.bugs) == 2
    for bug in best.bugs:
        assert bug.words in printed
        assert f"Where to look: {bug.fix}" in printed
        assert all(word in printed for word in (*bug.wrong.split(), *bug.right.split()))
    assert all(name in printed for name in found.against.quantities)
    right = str(check_network(load("student_template").backprop, (4, 5, 3), **SOFTMAX))
    assert right.startswith("PASS")


# --- grading --------------------------------------------------------------------------------------------------------

SUBMISSIONS = {
    "endless": "def backprop(W, b, X, y):\n    while True: pass\n",
    "memory": "import numpy as np\ndef backprop(W, b, X, y):\n    return np.ones((60000, 60000))\n",
    "syntax": "def backprop(W, b, X, y) return 1\n",
    "raises": "def backprop(W, b, X, y):\n    return 1 / 0\n",
    "leaves": "import os\nos._exit(3)\n",
    "nothing": "x = 1\n",
    "none": "def backprop(W, b, X, y):\n    return None\n",
    "huge": "def backprop(W, b, X, y):\n    open('big', 'wb').write(b'0' * 100_000_000)\n",
    "reads": "import os, json\ndef backprop(W, b, X, y):\n    return os.environ['BACKLIT_SECRET']\n",
    "prints": "def backprop(W, b, X, y):\n    print('x' * 10_000_000)\n",
}
WORDS = {
    "endless": "longer than 1 s",
    "memory": "MemoryError",
    "syntax": r"SyntaxError: .*\(line 1\)",
    "raises": r"ZeroDivisionError: .*\(line 2\)",
    "leaves": "ended itself without an answer",
    "nothing": "there is no function backprop",
    "none": "must return a mapping",
    "huge": "File too large|crashed",
    "reads": "KeyError",
    "prints": "must return a mapping",
}
RUBRIC = {"seconds": 120, "memory_mb": 1024, "networks": [{"shapes": [2, 2, 1]}]}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limits for a process")
@pytest.mark.parametrize("name", SUBMISSIONS)
def test_a_submission_that_misbehaves_is_one_line(tmp_path, monkeypatch, name):
    monkeypatch.setenv("BACKLIT_SECRET", "secret")
    file = tmp_path / f"{name}.py"
    file.write_text(SUBMISSIONS[name], encoding="utf-8")
    (one,) = grade([file], rubric_of({**RUBRIC, "seconds": 1} if name == "endless" else RUBRIC))
    assert one.verdict == "error"
    assert one.points == 0
    assert one.error is not None
    assert "\n" not in one.error
    import re

    nowhere_to_write = name == "huge" and one.sandbox == "landlock"  # which has no folder of its own
    assert re.search("Permission denied" if nowhere_to_write else WORDS[name], one.error), one.error


def test_submissions_get_points_and_their_first_wrong_equation():
    right, broken = grade([EXAMPLES / "student_template.py", EXAMPLES / "broken_backprop.py"], two_layers())
    assert (right.verdict, right.points, right.out_of) == ("pass", 6, 6)
    assert (broken.verdict, broken.points) == ("fail", 1)
    assert broken.equation is not None
    assert set(broken.bug.split(" + ")) == {"output_form_fed_with_z", "bias_averaged_twice"}


@pytest.mark.parametrize(("parts", "assumed"), STUDENTS.values(), ids=STUDENTS)
def test_a_submission_in_another_convention_gets_its_grade(parts, assumed, tmp_path):
    (one,) = grade([submission(parts, tmp_path)[0]], two_layers())
    assert (one.verdict, one.points, one.error) == ("pass", 6, None)
    assert all(words in one.assumed for words in assumed)
    assert one.assumed in one.line()
    assert one.row()["assumed"] == one.assumed


def test_a_rubric_may_ask_for_another_convention(tmp_path):
    content = {"weights": "in_out", "labels": "integers", "networks": [{"shapes": [4, 5, 3], **SOFTMAX}]}
    content["networks"][0]["activations"] = list(SOFTMAX["activations"])
    (one,) = grade([submission(STUDENTS["X @ W and integers"][0], tmp_path)[0]], rubric_of(content))
    assert (one.verdict, one.assumed) == ("pass", "")


def two_layers():
    rubric = read_rubric(EXAMPLES / "rubric.toml")
    return type(rubric)(rubric.views[:1], points=rubric.points, seconds=120)


def test_a_submission_sees_no_network(tmp_path):
    file = tmp_path / "net.py"
    file.write_text(
        "import socket\ndef backprop(W, b, X, y):\n    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "    s.connect(('192.0.2.1', 9))\n",  # sends nothing; fails where there is no route out
        encoding="utf-8",
    )
    run = run_submission(file, "backprop", [{"W": [], "b": [], "X": [], "y": []}], seconds=120)
    if not run.network_cut:
        pytest.skip("this system doesn't let a process leave the network")
    assert "unreachable" in str(run.error) or "not permitted" in str(run.error)


BAD_RUBRICS = [
    ({}, ("at least one", "network")),
    ({"networks": [{"shapes": [2, 1]}], "point": {}}, ("point", "key")),
    ({"networks": [{"shape": [2, 1]}]}, ("give", "shapes")),
    ({"networks": [{"shapes": [2, 1], "activations": ["sigmod"]}]}, ("networks[0]", "sigmod")),
    ({"networks": [{"shapes": [2, 1]}], "seconds": 0}, ("seconds", "number", "above 0")),
    ({"networks": [{"shapes": [2, 1]}], "weights": "io"}, ("weights",)),
    ({"networks": [{"shapes": [2, 1]}], "points": {"grad_w": 1}}, ("points.grad_w", "key")),
]


@pytest.mark.parametrize(("content", "words"), BAD_RUBRICS, ids=[" ".join(words) for _, words in BAD_RUBRICS])
def test_a_bad_rubric_is_refused_in_one_line(content, words):
    with raises_naming(ProblemError, *words):
        rubric_of(content)


def test_each_quantity_that_code_returns_has_the_equation_that_grading_names():
    from backlit.equations import EQUATIONS
    from backlit.verification.grading.grade import EQUATION_OF
    from backlit.verification.network_check import RETURNED

    assert set(EQUATION_OF) == set(RETURNED)
    assert set(EQUATION_OF.values()) <= set(EQUATIONS)
