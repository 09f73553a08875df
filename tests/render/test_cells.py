"""A number in a result leads to the line that works it out: the same entry, in code's order of rows and columns."""

import re

import numpy as np
import pytest
from tests.derivation.worked import explained

from backlit.derivation.document import Step
from backlit.derivation.examples import EXAMPLES
from backlit.derivation.expressions import Dots, Num, nodes
from backlit.render.derivation_html import places, with_entries


def led(step: Step):
    """(id, number) of every number in the step's results that leads to one of its entries."""
    for line in step.lines:
        for node in nodes(with_entries(step, line)):
            if isinstance(node, Num) and node.source is not None and node.source.startswith(f"{step.id}["):
                yield node.source, node.value


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_number_leads_to_its_own_entry(example):
    count = 0
    for step in explained(example=example).derivation.steps():
        found, chains = list(led(step)), {entry.id: entry.chain for entry in step.entries}
        for source, value in found:
            numbers = [node.value for node in nodes(chains[source]) if isinstance(node, Num)]
            assert any(value == pytest.approx(other, rel=1e-12) for other in numbers), source
            if step.way != "update":  # whose lines give the step first, and then θ
                index = tuple(map(int, re.fullmatch(r".*\[([\d,]+)\]", source)[1].split(",")))
                assert value == np.asarray(step.value)[index], source
        if found and np.ndim(step.value) == 2 and step.way != "update":
            assert {source for source, _ in found} == set(chains), step.id
        count += len(found)
    assert count > 10


@pytest.mark.parametrize(("printed", "size", "expected"), [
    ("012", 3, [0, 1, 2]), ("01.8", 9, [0, 1, -1, 8]), ("0.78", 9, [0, -1, 7, 8]), ("01", 5, [0, 1]),
])  # fmt: skip
def test_what_comes_after_the_dots_is_counted_from_the_end(printed, size, expected):
    assert places([Dots(3) if c == "." else Num(int(c), c, True) for c in printed], size) == expected
