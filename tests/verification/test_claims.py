"""Claims that can't be compared are refused in one line; those that are rounded are not called wrong."""

import json

import numpy as np
import pytest
from hypothesis import settings
from tests.helpers import raises_naming
from tests.verification.drawn import draw_problem

from backlit.core import Dense, Network
from backlit.core.problem import Problem
from backlit.errors import BacklitError
from backlit.verification.problem_check import check
from backlit.verification.quantities import right_values

FEW = max(4, settings().max_examples // 6)  # networks


@pytest.fixture
def problem(rng):
    net = Network(3, [Dense(4, "tanh"), Dense(2, "identity")], l2=0.1)
    params = net.init(seed=2)
    params.theta += 0.1 * rng.standard_normal(params.theta.shape)
    return Problem(net, params, rng.standard_normal((5, 3)), rng.standard_normal((5, 2)), name="p.json")


def right(problem, **round_):
    values = right_values(problem)
    claims = {"loss": float(values["loss"])}
    for key in ("grad_W", "grad_b", "delta", "z", "a"):
        claims[key] = {n[len(key) + 1 : -1]: v for n, v in values.items() if n.startswith(f"{key}[")}
    return claims


BAD = [
    ({"grad_w": {"1": [[1.0]]}}, ("grad_w", "key", "grad_W")),
    ({"grad_W": {"7": [[1.0]]}}, ("layer 7", "1", "2")),
    ({"grad_W": [[[1.0]], [[1.0]]]}, ("layer 0", "[null, rows, …]", '{"1": rows, …}')),
    ({"grad_W": {"1": np.ones((3, 4)).tolist()}}, ("shape", "(4, 3)", "(3, 4)", "transpose", "fits")),
    ({"delta": {"2": np.ones((2, 5)).tolist()}}, ("shape", "(5, 2)", "(2, 5)", "transpose", "fits")),
    ({"grad_b": {"1": np.ones((5, 4)).tolist()}}, ("row", "example", "sum over the examples")),
    ({"grad_b": {"1": 3.0}}, ("one number", "sum over the examples")),
    ({"grad_W": {"1": [[1.0, 2.0], [1.0]]}}, ("rows", "differ", "length")),
    ({"grad_W": {"1": [["a"]]}}, ("hold no numbers",)),
    ({"grad_W": {"1": [[True]]}}, ("hold no numbers",)),
    ({"grad_b": {"1": [1.0, float("nan"), 0.0, 0.0]}}, ("nan", "[1]")),
    ({"loss": float("inf")}, ("holds inf",)),
    ({"grad_W": 3.0}, ("give", "table", "layer")),
    ({"update": {"W": {"1": np.ones((4, 3)).tolist()}}}, ("no optimizer says how",)),
    ({"update": {"w": {}}}, ("update.w", "key")),
    ({"update": 1}, ("update", "give")),
    ({}, ("nothing", "claimed")),
]


@pytest.mark.parametrize(("claims", "words"), BAD, ids=[" ".join(words) for _, words in BAD])
def test_bad_claims_are_refused_in_one_line(problem, claims, words):
    with raises_naming(BacklitError, *words):
        check(problem, claims)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", ("valid", "JSON")),
        ("[1]", ("table", "quantities")),
        ('{"loss": NaN}', ("holds nan",)),
        (None, ("no such file",)),
    ],
)
def test_bad_files_are_refused_in_one_line(problem, tmp_path, text, words):
    path = tmp_path / "claims.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with raises_naming(BacklitError, *words) as caught:
        check(problem, path)
    assert str(path) in str(caught.value)


def test_random_dropout_without_a_seed_is_refused():
    net = Network(2, [Dense(2, "tanh", dropout=0.5), Dense(1)])
    with raises_naming(BacklitError, "no seed names them"):
        check(Problem(net, net.init(), np.ones((1, 2)), np.ones((1, 1))), {"loss": 1.0})


def test_a_problem_without_examples_is_refused():
    net = Network(2, [Dense(1)])
    with raises_naming(BacklitError, "no examples"):
        check(Problem(net, net.init()), {"loss": 1.0})


def test_claims_may_be_lists_by_the_books_index_and_files(problem, tmp_path):
    grad = problem.passes()[1]
    assert check(problem, {"grad_W": grad.W, "grad_a": grad.a}).ok
    path = tmp_path / "claims.json"
    path.write_text(json.dumps({"grad_b": {l: grad.b[l].tolist() for l in (1, 2)}, "steps": []}), encoding="utf-8")
    assert check(problem, path).ok


def test_an_axis_of_one_may_be_missing(problem):
    grad = problem.passes()[1]
    assert check(problem, {"grad_b": {1: grad.b[1][:, None], 2: grad.b[2][None, :]}}).ok


@pytest.mark.usefixtures("trusted")
def test_first_wrong_is_the_first_in_the_order_of_computation(problem):
    claims = right(problem)
    claims["grad_W"]["1"] = claims["grad_W"]["1"] + 1
    claims["grad_b"]["2"] = claims["grad_b"]["2"] + 1
    result = check(problem, claims, pairs=False)
    assert result.first_wrong == "grad_b[2]"
    assert result.quantities["grad_W[1]"].wrong_entries == 12


@pytest.mark.usefixtures("trusted")
def test_the_worst_entry_is_shown(problem):
    claims = right(problem)
    claims["grad_W"]["2"] = claims["grad_W"]["2"].copy()
    claims["grad_W"]["2"][1, 2] += 0.5
    worst = check(problem, claims, pairs=False).quantities["grad_W[2]"].worst
    assert worst.index == (1, 2)
    assert worst.claimed - worst.right == pytest.approx(0.5)


# --- rounding -------------------------------------------------------------------------------------------------------


def mapped(claims, change):
    return {
        key: {l: change(np.asarray(v)) for l, v in value.items()}
        if isinstance(value, dict)
        else float(change(np.array(value)))
        for key, value in claims.items()
    }


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("decimals", [4, 6, 8, 12])
def test_decimals_are_no_mistake(rng, decimals):
    for _ in range(FEW):
        problem = draw_problem(rng)
        result = check(problem, mapped(right(problem), lambda v: np.round(v, decimals)), pairs=False)
        assert result.verdict in ("pass", "unresolved"), (result, result.first_wrong)


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("digits", [3, 5, 8])
def test_significant_digits_are_no_mistake(rng, digits):
    shorten = np.vectorize(lambda v: float(f"{v:.{digits}g}"))
    for _ in range(FEW):
        problem = draw_problem(rng)
        result = check(problem, mapped(right(problem), shorten), pairs=False)
        assert result.verdict == "pass", (result, result.first_wrong)


@pytest.mark.usefixtures("trusted")
def test_a_mistake_beyond_the_digits_is_still_seen(problem):
    claims = mapped(right(problem), lambda v: np.round(v, 4))
    claims["grad_W"]["1"] = np.round(claims["grad_W"]["1"] + 2e-3, 4)
    assert check(problem, claims, pairs=False).first_wrong == "grad_W[1]"


@pytest.mark.usefixtures("trusted")
def test_a_small_mistake_in_full_precision_is_seen(problem):
    claims = right(problem)
    claims["grad_W"]["1"] = claims["grad_W"]["1"] * (1 + 3e-8)
    assert check(problem, claims, pairs=False).first_wrong == "grad_W[1]"


def test_too_few_digits_certify_nothing(problem):
    loss = float(right_values(problem)["loss"])
    result = check(problem, {"loss": float(f"{loss:.2g}")})
    assert result.verdict == "unresolved"
    assert "too few" in result.notes[0]
    assert result.exit_code == 1


@pytest.mark.usefixtures("trusted")
def test_zeros_are_exact_beside_full_numbers(problem):
    claims = right(problem)
    claims["grad_b"]["1"] = np.zeros(4)
    result = check(problem, claims)
    assert result.first_wrong == "grad_b[1]"
    assert result.diagnoses[0].name == "bias_gradient_missing"


def test_a_wrong_number_of_few_digits_gets_no_name(problem):
    result = check(problem, {"loss": 123.4})
    assert result.verdict == "fail"
    assert not result.diagnoses


@pytest.mark.usefixtures("trusted")
def test_float32_arithmetic_is_no_mistake(rng):
    for _ in range(2 * FEW):
        problem = draw_problem(rng)
        single = Problem(
            problem.net, problem.params.astype(np.float32), problem.X.astype(np.float32), problem.y, seed=problem.seed
        )
        grad = single.passes()[1]
        result = check(problem, {"grad_W": grad.W, "grad_b": grad.b, "delta": grad.delta}, pairs=False)
        assert result.ok, (result, result.first_wrong, problem.net)


# --- kinks ----------------------------------------------------------------------------------------------------------


def kinked_problem():
    net = Network(2, [Dense(2, "relu"), Dense(1)])
    params = net.init("zeros")
    params.W[1][:] = [[1.0, -1.0], [0.5, 0.25]]
    params.W[2][:] = [[2.0, -1.0]]
    return Problem(net, params, np.array([[1.0, 1.0]]), np.array([[0.5]]))


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_at_a_kink_any_slope_between_is_right(slope):
    problem = kinked_problem()
    delta = problem.passes()[1].delta
    first = delta[2] @ problem.params.W[2] * np.array([[slope, 1.0]])
    result = check(problem, {"delta": {1: first}})
    assert result.ok
    assert (not slope) or "at a kink" in result.notes[0]


@pytest.mark.parametrize("slope", [-1.0, 0.0, 0.3, 1.0])
def test_at_a_kink_of_the_loss_any_slope_between_is_right(slope):
    net = Network(1, [Dense(1)], loss="absolute_error")
    params = net.init("zeros")
    params.W[1][:] = 2.0
    problem = Problem(net, params, np.array([[1.5], [1.0]]), np.array([[3.0], [0.0]]))
    assert check(problem, {"delta": {1: [[slope], [1.0]]}}).ok
    assert not check(problem, {"delta": {1: [[slope], [0.9]]}}).ok
    assert not check(problem, {"delta": {1: [[1.2], [1.0]]}}).ok


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "hard_tanh", "elu", "selu", "softsign"])
def test_a_unit_at_0_does_not_divide_the_oracles(activation):
    net = Network(2, [Dense(2, activation), Dense(2)])
    params = net.init("zeros")
    params.W[1][:], params.W[2][:] = [[1, -1], [1, 0]], [[2, -1], [1, 1]]
    problem = Problem(net, params, np.array([[1.0, 1.0]]), np.array([[0.3, 0.4]]))
    grad = problem.passes()[1]
    result = check(problem, {"grad_W": grad.W, "delta": grad.delta})
    assert result.ok, result.notes


def test_at_a_kink_a_slope_beyond_is_wrong():
    problem = kinked_problem()
    first = problem.passes()[1].delta[2] @ problem.params.W[2] * np.array([[1.1, 1.0]])
    assert check(problem, {"delta": {1: first}}).verdict == "fail"


def test_a_problem_that_overflows_is_refused(problem):
    problem.params.W[2][:] = 1e200
    with raises_naming(BacklitError, "loss", "finite"):
        check(problem, {"loss": 1.0})


@pytest.mark.parametrize("steps", [0, 1.5, "2", None])
def test_steps_are_a_whole_number_from_one_on(problem, steps):
    with raises_naming(BacklitError, "steps", str(steps)):
        check(problem, {"loss": 1.0}, steps=steps)


@pytest.mark.usefixtures("trusted")
def test_short_claims_are_judged_at_float32_precision_and_it_is_said(rng):
    """Nine digits of float32 hide an error of 1e-5 of the tensor and show one of 1e-4; nine of float64 show both."""
    problem = draw_problem(rng, plain=True)
    W = problem.passes()[1].W

    def judged(digits, error, dtype=np.float32):
        rounded = {l: [[float(f"%.{digits}g" % dtype(x * (1 + error))) for x in row] for row in W[l]] for l in (1, 2)}
        return check(problem, {"grad_W": rounded}, pairs=False)

    assert judged(9, 1e-6).ok
    assert "show at most 9 digits" in judged(9, 0.0).notes[-1]
    (note,) = judged(4, 0.0).notes
    assert "5e-04 at 4 digits: grad_W[2], grad_W[1];" in note
    assert "1e-05" not in note
    assert judged(9, 1e-4).verdict == "fail"
    assert judged(9, 1e-6, np.float64).verdict == "fail"
    assert judged(9, 0.0, np.float64).ok
    assert judged(10, 1e-6, np.float64).verdict == "fail"
    assert not judged(10, 0.0, np.float64).notes
