"""Why a row gets its prediction: effects sum to the difference, through each layer, and are those of `predict`."""

import numpy as np
import pytest
from tests.derivation.worked import explained
from tests.helpers import quick_first

from backlit.derivation.sections.why import moves
from backlit.formats.sources import row_problem
from backlit.render.explanation import explain
from backlit.tabular import train
from backlit.tabular.datasets import load_dataset
from backlit.tabular.reasons import explain_rows


@pytest.fixture(scope="module", params=quick_first(["iris", "diabetes", "breast_cancer"]))
def trained(request):
    table = load_dataset(request.param)
    model = train(dataset=request.param, hidden=(8, 6), activation="tanh", epochs=30, seed=0).model
    return model, table


def test_every_layer_passes_the_whole_difference_on(trained):
    found = moves(row_problem(*trained, 3))
    moved = found.score - found.base
    assert abs(moved) > 1e-3
    for effects in (found.inputs, found.through, *found.units[1:]):
        assert effects.sum() == pytest.approx(moved, rel=1e-3)
    np.testing.assert_allclose(found.through.sum(axis=0), found.inputs, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.through.sum(axis=1), found.units[1], rtol=1e-3, atol=1e-4)


def test_effects_of_columns_are_those_of_predict(trained):
    model, table = trained
    problem = row_problem(model, table, 3)
    found, told = moves(problem), explain_rows(model, table[3:4])
    assert told.value[0] == pytest.approx(found.score, rel=1e-5)
    assert told.base[0] == pytest.approx(found.base, rel=1e-5)
    for name, effect in zip(told.columns, told.effects[0], strict=True):
        own = found.inputs[[column == name for column in problem.row.columns]].sum()
        assert own == pytest.approx(effect, rel=1e-3, abs=1e-4)


def test_the_document_says_why(trained):
    model, table = trained
    made = explain(model=model, table=table, row=3)
    found = moves(row_problem(model, table, 3))
    section = next(section for section in made.derivation.sections if section.id == "why")
    columns, units = (block for block in section.blocks if type(block).__name__ == "Table")
    strongest = int(np.argmax(np.abs(found.units[1]))) + 1
    assert units.rows[0][1] == (str(strongest),)
    row = row_problem(model, table, 3).row
    assert columns.rows[0][0][0] in row.columns
    assert row.values[columns.rows[0][0][0]] == columns.rows[0][1][0]
    labels = {line.label for line in made.derivation.step("grad_W[1]").entries}
    assert labels <= set(row.features)
    assert len(labels) > 1


def test_a_problem_that_is_no_row_has_no_such_section():
    assert all(section.id != "why" for section in explained(example="worked").derivation.sections)
