"""Correctly rounded claims pass however many digits each number has; a wrong last digit does not.

The rounding is Python's decimal arithmetic on the number's exact value, the right values those of the textbook.
"""

from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np
import pytest
from hypothesis import settings
from tests.verification.drawn import draw_problem

from backlit.core import Dense, Network
from backlit.core.problem import Problem
from backlit.verification.problem_check import check
from backlit.verification.quantities import right_values

pytestmark = pytest.mark.usefixtures("trusted")
NETWORKS = max(5, settings().max_examples // 4)
KEYS = ("z", "a", "delta", "grad_a", "grad_W", "grad_b")


def rounded(value, digits):
    """A number at so many significant digits, and the unit of its last place."""
    exact = Decimal(float(value))
    if not exact:
        return exact, Decimal(0)
    unit = Decimal(1).scaleb(exact.adjusted() - digits + 1)
    return exact.quantize(unit, ROUND_HALF_EVEN), unit


def mixed(rng, value):
    """An array whose numbers are each rounded to digits of their own, three to seven."""
    return np.vectorize(lambda v: float(rounded(v, int(rng.integers(3, 8)))[0]), otypes=[float])(value)


def claims_of(problem, change):
    """Every quantity, changed; the loss at twelve digits, so that nothing can come from float32."""
    values = right_values(problem)
    claims = {"loss": float(rounded(values["loss"], 12)[0])}
    for name, value in values.items():
        key, _, l = name.partition("[")
        if key in KEYS:
            claims.setdefault(key, {})[l[:-1]] = change(value)
    return claims


def spoiled(rng, claims, problem):
    """The claims with one number's last digit wrong, one away from the right number, and that number's quantity."""
    right = right_values(problem)
    while True:
        key = rng.choice(KEYS)
        l = rng.choice(list(claims[key]))
        index = tuple(int(rng.integers(n)) for n in claims[key][l].shape)
        exact, largest = float(right[f"{key}[{l}]"][index]), float(np.abs(right[f"{key}[{l}]"]).max())
        near, unit = rounded(exact, int(rng.integers(3, 8)))
        wrong = near + (unit if near >= Decimal(exact) else -unit)
        if (
            abs(exact) > max(1e-3 * largest, 1e-9) and wrong.as_tuple().digits[-1]
        ):  # 0.130 is 0.13, which is right for 0.129
            break
    claims[key][l][index] = float(wrong)
    return f"{key}[{l}]"


def verdicts(rng, networks, spoil):
    """(networks judged as they should be, those that were not)."""
    wrong = []
    for _ in range(networks):
        problem = draw_problem(rng)
        claims = claims_of(problem, lambda value: mixed(rng, value))
        name = spoiled(rng, claims, problem) if spoil else None
        result = check(problem, claims, pairs=False)
        if result.verdict != ("fail" if spoil else "pass") or result.first_wrong != name:
            wrong.append((result, name, claims))
    return networks - len(wrong), wrong


def test_correct_rounding_passes_whatever_its_digits(rng):
    assert not verdicts(rng, NETWORKS, spoil=False)[1]


def test_one_wrong_last_digit_fails(rng):
    assert not verdicts(rng, NETWORKS, spoil=True)[1]


def test_digits_may_differ_from_tensor_to_tensor(rng):
    for _ in range(NETWORKS):
        problem = draw_problem(rng)
        claims = claims_of(problem, lambda value: np.round(value, int(rng.integers(4, 13))))
        result = check(problem, claims, pairs=False)
        assert result.verdict in ("pass", "unresolved"), result.first_wrong


# --- the worked example, its figures as a text prints them: eight decimals here, ten there ---------------------------

PRINTED = {
    "z": {"1": [[-0.3, 1.1]], "2": [[-0.29001856]]},
    "a": {"1": [[0.4255575, 0.7502601]], "2": [[-0.29001856]]},
    "loss": 0.8320739376,
    "delta": {"2": [[-1.2900185562]], "1": [[-0.0630711517, 0.1208553107]]},
    "grad_W": {"2": [[-0.54897705, -0.96784946]], "1": [[-0.06307115, -0.12614230], [0.12085531, 0.24171062]]},
    "grad_b": {"2": [-1.2900185562], "1": [-0.06307115, 0.12085531]},
    "grad_a": {"1": [[-0.25800371, 0.645009278]]},
}


@pytest.fixture
def worked():
    net = Network(2, [Dense(2, "sigmoid"), Dense(1, "identity")], loss="half_squared_error")
    params = net.init("zeros")
    params.W[1][:], params.b[1][:], params.W[2][:] = [[0.1, -0.2], [0.4, 0.3]], [0.0, 0.1], [[0.2, -0.5]]
    return Problem(net, params, [[1.0, 2.0]], [[1.0]])


def test_printed_figures_of_eight_and_ten_decimals_pass(worked):
    assert check(worked, PRINTED).verdict == "pass"


def test_a_wrong_last_digit_among_them_fails(worked):
    spoiled = {**PRINTED, "grad_b": {"2": [-1.2900185562], "1": [-0.06307116, 0.12085531]}}
    assert check(worked, spoiled).first_wrong == "grad_b[1]"


# --- numbers that show few places ------------------------------------------------------------------------------------


def test_a_short_number_beside_full_ones_is_no_rounding(worked):
    grad = worked.passes()[1]
    close = grad.W[1].copy()
    close[0, 0] = -0.06
    assert check(worked, {"grad_W": {"1": close}}).first_wrong == "grad_W[1]"


def test_zeros_beside_rounded_numbers_are_zeros_to_their_places(worked):
    claimed = {"1": [[-0.06307, -0.12614], [0.0, 0.24171]]}
    assert check(worked, {"grad_W": claimed}).first_wrong == "grad_W[1]"
