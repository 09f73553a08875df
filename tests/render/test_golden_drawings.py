"""The drawings in characters, whole: every box, arrow, dash and number of one small network in its place.

`golden/drawings.txt` was read line by line; after a change that is meant, write it anew:
python -m tests.render.test_golden_drawings
"""

from pathlib import Path

import pytest
from tests.derivation.worked import explained

from backlit.derivation.document import Diagram, Plot
from backlit.render.diagram_text import drawn_text

FILE = Path(__file__).with_name("golden") / "drawings.txt"
WIDTHS = (110, 80)


def drawings(width):
    """Of the residual example, its network and its graph, with a skip, a negative weight, and leaves at both sides."""
    blocks = [block for section in explained(example="residual").derivation.sections for block in section.blocks]
    for block in blocks:
        if isinstance(block, Diagram | Plot):
            yield "\n".join(drawn_text(block, width))


def text():
    return "\n\n".join(f"--- {width} columns ---\n{drawing}" for width in WIDTHS for drawing in drawings(width)) + "\n"


def test_drawings_are_those_that_were_read():
    assert text() == FILE.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", WIDTHS)
def test_the_graph_has_one_line_of_arrows_between_two_levels(width):
    graph = list(drawings(width))[-1].splitlines()
    assert sum(line.strip(" ╎") == "▲" for line in graph) == 7


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
