"""What is kept for the way back, and its bytes, counted by hand."""

import pytest
from tests.derivation.test_norm_words import network

from backlit.derivation import derive
from backlit.derivation.document import Table
from backlit.formats.problems import read_problem
from backlit.render.explanation import explain
from backlit.render.unicode_math import inline

FLOAT64 = 8


@pytest.mark.parametrize(("example", "numbers"), [
    ("worked", 2 + 2 + 2 + 1),  # a0, z1, a1, a2
    ("batch-norm", 3 * (2 + 2 + 2 + 2 + 1)),  # a0, u1, x1, a1, a2 of three examples
])  # fmt: skip
def test_bytes_are_those_of_the_table(example, numbers):
    said = " ".join(explain(example=example).to_text().split())
    assert f"{FLOAT64 * numbers} bytes of what else is kept" in said


@pytest.mark.parametrize(("loss", "equation"), [("half_squared_error", "BP1S"), ("absolute_error", "BP1")])
def test_the_output_is_kept_with_and_without_a_short_form(loss, equation):
    made = derive(read_problem(network(loss=loss)))
    section = next(section for section in made.sections if section.id == "cache")
    table = next(block for block in section.blocks if isinstance(block, Table))
    kept = {inline(row[0][0]): row[2][0] for row in table.rows}
    assert kept["a₂"] == equation
