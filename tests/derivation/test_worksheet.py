"""A worksheet has blanks and no answers; filled right it passes, and each slip is named."""

import json

import numpy as np
import pytest
from tests.commands import run_command
from tests.derivation.claim_facts import drawn_problem
from tests.derivation.worked import explained
from tests.helpers import quick_first

from backlit import check, explain
from backlit.core.parameters import layout
from backlit.derivation.examples import EXAMPLES, read_example
from backlit.derivation.expressions import Num, nodes
from backlit.derivation.worksheet import BLANK, worksheet
from backlit.errors import ProblemError
from backlit.formats.problems import read_problem

SPEC = {
    "inputs": 3,
    "layers": [
        {"units": 3, "activation": "tanh",
         "W": [[0.4, -0.6, 0.3], [0.7, 0.2, -0.5], [-0.3, 0.9, 0.1]], "b": [0.1, -0.1, 0.2]},
        {"units": 3, "activation": "sigmoid",
         "W": [[0.9, -0.7, 0.4], [0.2, 0.5, -0.8], [-0.4, 0.3, 0.6]], "b": [0.3, 0.2, -0.4]},
        {"units": 2, "W": [[0.8, -0.5, 0.3], [0.6, 0.4, -0.9]], "b": [0.05, -0.15]},
    ],
    "x": [[0.5, 1.0, -0.7], [1.5, -0.5, 0.2], [-1.0, 0.5, 0.9]],
    "y": [[1.0, 0.0], [0.5, 1.0], [-1.0, 0.3]],
    "optimizer": {"name": "sgd", "learning_rate": 0.5},
}  # fmt: skip


def filled_by_hand(slip=""):
    """The sheet's numbers by plain NumPy, written to seven digits, with a slip or without."""
    W, b = ([np.array(layer[name]) for layer in SPEC["layers"]] for name in ("W", "b"))
    a, y, m = [np.array(SPEC["x"])], np.array(SPEC["y"]), len(SPEC["x"])
    z = []
    for l, phi in enumerate((np.tanh, lambda z: 1 / (1 + np.exp(-z)), lambda z: z)):
        z.append(a[l] @ W[l].T + b[l])
        a.append(phi(z[l]))
    slopes = [1 - a[1] ** 2, a[2] * (1 - a[2]), np.ones_like(y)]
    if slip == "φ′ at a":
        slopes[0] = 1 - np.tanh(a[1]) ** 2
    told = {"loss": ((a[3] - y) ** 2).sum() / (2 * m)}
    told |= {"z": {l + 1: z[l] for l in range(3)}, "a": {l: a[l] for l in (1, 2, 3)}}
    told |= {key: {} for key in ("delta", "grad_W", "grad_b", "grad_a")}
    told["update"] = {"W": {}, "b": {}}
    grad_a = a[3] - y
    for l in (3, 2, 1):
        told["grad_a"][l] = grad_a
        delta = grad_a if slip == "no φ′" and l == 2 else grad_a * slopes[l - 1]
        told["delta"][l] = delta
        grad_b = delta.sum(axis=0) if slip == "b not averaged" else delta.mean(axis=0)
        grad_W = delta.T @ (z[l - 2] if slip == "W from z" and l == 2 else a[l - 1]) / m
        grad_W = grad_W.T if slip == "W transposed" and l == 1 else grad_W
        step = 0.5 if slip == "uphill" else -0.5
        told["grad_W"][l], told["grad_b"][l] = grad_W, grad_b
        told["update"]["W"][l], told["update"]["b"][l] = W[l - 1] + step * grad_W, b[l - 1] + step * grad_b
        down = W[l - 1].T if slip == "W the wrong way" and l == 2 else W[l - 1]
        down = told["update"]["W"][l] if slip == "W already updated" else down
        grad_a = delta @ down
    told["grad_a"][0] = grad_a
    out = np.array(SPEC["x"])
    for l, phi in enumerate((np.tanh, lambda z: 1 / (1 + np.exp(-z)), lambda z: z), start=1):
        out = phi(out @ told["update"]["W"][l].T + told["update"]["b"][l])
    told["update"]["loss"] = ((out - y) ** 2).sum() / (2 * m)
    return rounded(told)


def rounded(value, digits=7):
    """The numbers as someone writes them down."""
    if isinstance(value, dict):
        return {str(key): rounded(item, digits) for key, item in value.items()}
    if isinstance(value, list | np.ndarray):
        return [rounded(item, digits) for item in value]
    return None if value is None else float(f"{value:.{digits}g}")


def places(value):
    """Every list's shape by its place in the file."""
    if isinstance(value, dict):
        return {(key, *rest): shape for key, item in value.items() for rest, shape in places(item).items()}
    return {(): np.shape(value)}


def test_by_hand_it_passes_and_has_the_places_of_the_sheet():
    sheet = explain(SPEC, worksheet=True)
    assert check(SPEC, filled_by_hand()).verdict == "pass"
    assert places(json.loads(sheet.to_json())) == places(filled_by_hand())


@pytest.mark.parametrize(("slip", "first", "bug"), quick_first([
    ("φ′ at a", "delta[1]", "slope_at_activation"),
    ("no φ′", "delta[2]", "activation_slope_missing"),
    ("b not averaged", "grad_b[3]", "bias_not_averaged"),
    ("W from z", "grad_W[2]", "weight_gradient_from_z"),
    ("W transposed", "grad_W[1]", "weight_gradient_transposed"),
    ("W the wrong way", "grad_a[1]", "recurrence_transposed"),
    ("W already updated", "grad_a[2]", "weights_updated_too_early"),
    ("uphill", "update.W[1]", "step_uphill"),
], 2))  # fmt: skip
def test_a_slip_is_named(slip, first, bug):
    found = check(SPEC, filled_by_hand(slip))
    assert (found.verdict, found.first_wrong) == ("fail", first)
    assert found.diagnoses[0].bugs[0].name == bug


@pytest.mark.parametrize("example", quick_first(EXAMPLES, 2))
def test_what_explain_prints_passes_in_every_place_of_the_sheet(example):
    """The answers of the whole derivation, rounded to the five digits that the sheet asks for."""
    sheet, solved = explained(example=example, worksheet=True), explained(example=example).to_dict()
    answers = json.loads(sheet.to_json())

    def fill(blank, value):
        if isinstance(blank, dict):
            return {key: fill(item, value[key]) for key, item in blank.items()}
        return rounded(value, 5)

    filled = fill(answers, solved)
    assert places(filled) == places(answers)
    assert check(read_example(example), filled).verdict == "pass"


@pytest.fixture(scope="module", params=quick_first([range(4), range(4, 25)]))
def sheets(request):
    """Drawn networks that fit on a sheet: seed, problem, sheet."""
    found = []
    for seed in request.param:
        problem = drawn_problem(seed)
        try:
            found.append((seed, problem, worksheet(problem)))
        except ProblemError:
            continue
    return found


def settings_of(problem):
    """Numbers that may stand on a sheet without having been given as weights or data."""
    values = {0.0, 1.0, 2.0, 0.5, float(len(problem.X)), problem.net.l2, problem.net.l2 / 2}
    for layer in problem.net.layers:
        values |= {layer.eps, layer.skip_scale or 0.0, 1 / (1 - layer.dropout), *layer.activation.parameters.values()}
        values.add(float(layer.units))
    values |= set(problem.net.loss.parameters.values()) | {-v for v in problem.net.loss.parameters.values()}
    values |= {v for v in problem.optimizer.to_dict().values() if isinstance(v, float)}
    return values


def test_no_number_on_a_sheet_is_an_answer(sheets):
    """Each number is a given one, a setting, or a share in the cost; so nothing need be known of how they are made."""
    seen = 0
    for seed, problem, sheet in sheets:
        known = settings_of(problem)
        given = [getattr(problem.params, slot.name)[slot.l] for slot in layout(problem.net)]
        given += [problem.X, problem.y] + ([] if problem.sample_weight is None else [problem.sample_weight])
        known |= {float(v) for array in given for v in np.ravel(array)}
        w = problem.sample_weight
        known |= set() if w is None else {float(v) for v in np.concatenate([w / w.sum(), w / w.mean()])}
        for step in sheet.steps():
            for line in (*step.lines, *step.entries):
                for node in nodes(line.chain):
                    if isinstance(node, Num):
                        assert min(abs(node.value - v) for v in known) < 1e-12, f"seed {seed}: {step.id}: {node}"
                        seen += 1
            assert (step.notes, step.checks) == ((), ())
    assert seen > 1000


def test_every_result_is_a_blank(sheets):
    for _, _, sheet in sheets:
        for step in sheet.steps():
            for line in (*step.lines, *step.entries):
                assert BLANK in nodes(line.chain.parts[-1]), step.id


@pytest.mark.parametrize("format", ["text", "markdown", "latex", "typst", "html", "pdf", "json"])
def test_every_format_has_it(format):
    if format == "pdf":
        pytest.importorskip("typst")
    made = explained(example="batch-norm", worksheet=True).render(format)
    if isinstance(made, bytes):
        assert made.startswith(b"%PDF")
        return
    blank = {"latex": r"\underline{\hspace", "markdown": r"\underline{\hspace", "typst": "#box(width", "json": "null"}
    assert made.count(blank.get(format, "____")) > 50
    assert "0.9517" not in made  # of z


def test_a_column_of_blanks_stands_in_rows():
    """In Typst the sign between two rows must not be taken for the end of a blank."""
    from backlit.render.derivation_typst import typst

    step = explained(example="worked", worksheet=True).derivation.step("a[1]")
    assert "))); upright(" in typst(step.lines[0].chain).replace(" ;", ";")


def test_sheet_answers_and_mark_by_commands(tmp_path, capsys):
    problem, answers = tmp_path / "it.json", tmp_path / "answers.json"
    problem.write_text(json.dumps(SPEC), encoding="utf-8")

    def marked():
        code, _, err = run_command(capsys, "check", problem, answers)
        return code, err

    assert run_command(capsys, "explain", problem, "--worksheet", "--format", "json", "-o", answers)[0] == 0
    code, err = marked()
    assert (code, "nothing is claimed" in err) == (2, True)
    told = json.loads(answers.read_text(encoding="utf-8"))
    told["z"]["1"] = filled_by_hand()["z"]["1"]
    answers.write_text(json.dumps(told), encoding="utf-8")
    assert marked()[0] == 0
    told["z"]["1"][0][1] = None
    answers.write_text(json.dumps(told), encoding="utf-8")
    code, err = marked()
    assert (code, "z[1] has 1 of 9 numbers left null: fill them in, or leave all null" in err) == (2, True)


@pytest.mark.parametrize(("more", "words"), [
    ({"steps": 2}, "leave out entry, fractions and steps"), ({"fractions": True}, "leave out"),
    ({"entry": "z[1]"}, "leave out"),
])  # fmt: skip
def test_what_a_worksheet_has_not(more, words):
    with pytest.raises(ProblemError, match=words):
        explained(example="worked", worksheet=True, **more)


def test_too_large_and_overflowing_problems_are_refused():
    wide = {"inputs": 20, "layers": [{"units": 1}], "x": [[0.0] * 20], "y": [[0.0]]}
    with pytest.raises(ProblemError, match="20 units and 1 example:"):
        worksheet(read_problem(wide))
    steep = {"inputs": 1, "layers": [{"units": 1, "activation": "exp", "W": [[9e9]]}], "x": [[1.0]], "y": [[0.0]]}
    with pytest.raises(ProblemError, match="finite"):
        worksheet(read_problem(steep))


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("example", quick_first(EXAMPLES, 2))
def test_what_explain_prints_as_json_is_right(example, steps):
    """Every number, to its last digit; with dropout the cost after a step is taken by the masks of that step."""
    told = json.loads(explained(example=example, steps=steps).to_json())
    assert check(read_example(example), told, steps=steps).verdict == "pass"
