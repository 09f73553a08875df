"""`--entry`: every entry of every quantity by itself, with what each example adds to it."""

import numpy as np
import pytest
from hypothesis import assume, given
from tests.helpers import raises_naming
from tests.strategies import draws, problems

from backlit.core import Dense, Network
from backlit.core.problem import Problem
from backlit.derivation import derive
from backlit.derivation.document import Table
from backlit.derivation.expressions import Num
from backlit.derivation.single_entry import NAMES, derive_entry
from backlit.errors import ProblemError
from backlit.optim import get_optimizer

NET = Network(2, [Dense(2, "tanh"), Dense(1)])
SMALL = Problem(NET, NET.init(seed=0), X=[[0.5, 1.0], [2.0, -1.0]], y=[[1.0], [0.0]])


@draws(12)
@given(problems(running=False, depths=(1, 2, 3), widths=(1, 2, 3), rows=(1, 2, 3)))
def test_every_quantity_has_its_entries(drawn):
    seed = None if drawn.dropout is None else drawn.dropout.seed
    y, adam = np.asarray(drawn.y), get_optimizer("adam")
    problem = Problem(drawn.net, drawn.params, drawn.X, y, drawn.sample_weight, adam, seed=seed)
    assume(not problem.passes()[0].first_non_finite())
    seen = set()
    for step in derive(problem).steps():
        shape = np.shape(step.value)
        if not shape:
            continue
        index = tuple(n - 1 for n in shape)
        id = f"{step.id}[{','.join(map(str, index))}]"
        made = derive_entry(problem, id).step(id)
        assert made.value == pytest.approx(float(step.value[index]), rel=1e-12, abs=1e-300)
        assert made.lines[-1].chain.parts[-1].value == made.value
        assert all(check.ok for check in made.checks), made
        seen.add(step.id.partition("[")[0])
    assert seen <= set(NAMES)


def numbers(table, column):
    return [cell.value for row in table.rows for cell in row[column] if isinstance(cell, Num)]


@draws(25)
@given(problems(running=False, depths=(1, 2, 3), rows=(2, 3, 5, 7)))
def test_what_the_examples_add_sums_to_the_entry(drawn):
    seed = None if drawn.dropout is None else drawn.dropout.seed
    problem = Problem(drawn.net, drawn.params, drawn.X, np.asarray(drawn.y), drawn.sample_weight, seed=seed)
    trace, grad = problem.passes()
    assume(not trace.first_non_finite())
    for name in ("W", "b", "gamma", "beta"):
        array = getattr(grad, name)[1]
        if array is None:
            continue
        index = tuple(n - 1 for n in array.shape)
        section = derive_entry(problem, f"grad_{name}[1][{','.join(map(str, index))}]").sections[0]
        (table,) = (block for block in section.blocks if isinstance(block, Table))
        *added, total = numbers(table, -1)
        assert total == array[index]
        assert sum(added) == pytest.approx(total, rel=1e-9, abs=1e-12 * max(map(abs, added)))


def test_many_examples_are_summed_in_one_row():
    rng = np.random.default_rng(0)
    problem = Problem(NET, SMALL.params, X=rng.standard_normal((300, 2)), y=rng.standard_normal((300, 1)))
    (table,) = (b for b in derive_entry(problem, "grad_W[1][0,1]").sections[0].blocks if isinstance(b, Table))
    *added, total = numbers(table, -1)
    assert len(added) == 41
    assert sum(added) == pytest.approx(total, rel=1e-12)
    sizes = [abs(value) for value in added[:40]]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(("id", "said"), [
    ("grad_w[2][0,1]", ("grad_W",)),
    ("gradW[2][0,1]", ("grad_W",)),
    ("dleta[1][0,0]", ("did you mean delta?",)),
    ("grad_W", ("names no layer",)),
    ("grad_W[2]]", ("names no entry",)),
    ("grad_W[3][0,0]", ("layers", "1", "2")),
    ("z[0][0,0]", ("layers", "1", "2")),
    ("grad_W[2][1,0]", ("shape", "(1, 2)", "indices", "0")),
    ("grad_W[2][0]", ("shape", "(1, 2)")),
    ("ell[2]", ("shape", "(2,)")),
    ("loss[0]", ("without an index",)),
    ("mu[1][0]", ("mu[1]", "layer", "z[1]", "a[1]")),
])  # fmt: skip
def test_a_bad_id_is_one_line_with_the_remedy(id, said):
    with raises_naming(ProblemError, *said):
        derive_entry(SMALL, id)


@pytest.mark.parametrize("id", ["grad_W[2]", "a[0]", "loss", "ell", "update_loss", "update_W[1]", "grad_a[0]"])
def test_a_whole_quantity(id):
    if id == "a[0]":
        with raises_naming(ProblemError, "layers", "1", "2"):
            derive_entry(SMALL, id)
        return
    (step,) = derive_entry(SMALL, id).steps()
    assert step.id == id


def test_an_entry_of_a_later_step():
    problem = Problem(NET, SMALL.params, SMALL.X, SMALL.y, optimizer=get_optimizer("adam"))
    (step,) = derive_entry(problem, "update_W[1][0,1]", steps=3).steps()
    assert "@" not in step.id
    assert step.value == derive(problem, steps=3).step("update_W[1]@3").value[0, 1]
    assert [len(line.chain.parts) for line in step.lines] == [3, 3, 3, 3]


def test_fractions_of_an_entry():
    net = Network(1, [Dense(1)])
    params = net.init(seed=0)
    params.theta[:] = (0.5, 0.25)
    (step,) = derive_entry(Problem(net, params, X=[[1.0]], y=[[0.5]]), "grad_W[1][0,0]", fractions=True).steps()
    assert step.lines[0].chain.parts[-1].text == "1/4"
    assert all(check.ok for check in step.checks)
