"""Drawings in every format: the same numbers, within their bounds, and large networks in part."""

import re
from collections import Counter

import numpy as np
import pytest
from tests.derivation.worked import explained
from tests.strategies import Dense, Network

from backlit.core.problem import Problem
from backlit.derivation import derive
from backlit.derivation.document import Diagram, Plot
from backlit.derivation.examples import EXAMPLES
from backlit.drawing import Shape, Stroke, Word, svg
from backlit.render.diagram_text import drawn_text
from backlit.render.diagrams import drawn, picture_typst, tikz
from backlit.render.unicode_math import width_of

NUMBER = re.compile(r"(?<![\w₀-₉.])−?\d+\.\d+")


def blocks(derivation, kind=(Diagram, Plot)):
    return [block for section in derivation.sections for block in section.blocks if isinstance(block, kind)]


@pytest.fixture(scope="module", params=EXAMPLES)
def derivation(request):
    return explained(example=request.param).derivation


def test_every_format_has_the_numbers_of_the_drawing(derivation):
    for block in blocks(derivation, Diagram):
        wanted = sorted(NUMBER.findall(" ".join(f"{n.label}\n{n.below}" for n in block.nodes)))
        assert len(wanted) > 4
        picture = drawn(block)
        weights = sorted(NUMBER.findall(" ".join(edge.label for edge in block.edges)))
        for made in (svg(picture, "it"), tikz(picture, plain_words), picture_typst(picture, plain_words)):
            texts = re.findall(r"<text[^>]*>([^<]*)<|\{([^{}]*)\};$|\)\[(.*)\]$", made, re.MULTILINE)
            found = sorted(NUMBER.findall(" ".join("".join(groups) for groups in texts)))
            assert found == sorted(wanted + weights), made
        assert set(wanted) <= set(NUMBER.findall("\n".join(drawn_text(block, 110))))


def plain_words(text):
    return text


def test_numbers_of_the_graph_are_those_of_the_steps(derivation):
    (graph,) = [block for block in blocks(derivation, Diagram) if block.shape == "box"]
    node = {node.id: node for node in graph.nodes}
    z = np.asarray(derivation.quantities["z"]["1"])[0]
    delta = np.asarray(derivation.quantities["delta"]["1"])[0]
    for sign, values in (("▲", z), ("▼", delta)):
        text = " ".join(line[2:] for line in node["z1"].below.splitlines() if line.startswith(sign))
        read = [number(part) for part in re.split(r"[, ]+", text)]
        np.testing.assert_allclose(read, values, rtol=1e-4)


def number(text):
    mantissa, _, exponent = text.replace("−", "-").partition("×10")
    power = exponent.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-"))
    return float(mantissa) * 10 ** int(power or 0)


def test_marks_lie_on_the_picture(derivation):
    for block in blocks(derivation):
        picture = drawn(block)
        for mark in picture.flat():
            match mark:
                case Stroke():
                    points = mark.points
                case Shape():
                    (x, y), (w, h) = mark.at, mark.size
                    points = ((x - w / 2, y - h / 2), (x + w / 2, y + h / 2))
                case Word():
                    points = (mark.at,)
            assert all(0 <= x <= picture.width and 0 <= y <= picture.height for x, y in points), mark


@pytest.mark.parametrize("width", [80, 110])
def test_drawings_fit_the_terminal(derivation, width):
    for block in blocks(derivation):
        assert max(map(width_of, drawn_text(block, width))) <= width + 4


def test_links_of_drawings_lead_to_steps(derivation):
    ids = {step.id for step in derivation.steps()} | {"given-x"}
    links = {node.link for block in blocks(derivation, Diagram) for node in block.nodes if node.kind != "dots"}
    assert links <= ids
    assert {"z[1]", "grad_W[1]", "given-x"} <= links


def test_negative_weights_are_dashed(derivation):
    network = next(block for block in blocks(derivation, Diagram) if block.shape == "circle")
    dashed = sum(mark.dashed for mark in drawn(network).flat() if isinstance(mark, Stroke))
    assert dashed == sum(edge.weight < 0 for edge in network.edges)


def rich():
    """Batch norm and a skip in layer 2, layer norm in layer 3, dropout that drops in layer 1."""
    layers = [Dense(2, "tanh", dropout=0.5), Dense(2, "silu", norm="batch", skip_from=1, skip_scale=0.5),
              Dense(2, norm="layer")]  # fmt: skip
    net = Network(2, layers)
    return derive(Problem(net, net.init(seed=1), X=[[1.0, 2.0], [0.5, -1.0]], y=[[0.0, 1.0], [1.0, 0.0]], seed=3))


def test_the_drawing_has_what_the_network_has():
    derivation = rich()
    network = blocks(derivation, Diagram)[0]
    tags = {(node.column, node.label) for node in network.nodes if node.kind == "tag"}
    assert tags == {(1, "dropout 0.5"), (2, "batch norm"), (3, "layer norm")}
    (arc,) = [edge for edge in network.edges if edge.kind == "skip"]
    assert (arc.start, arc.end, arc.label) == ("1.0", "2.0", "skip × 0.5")
    for k, one in enumerate((network, *network.others)):  # each example by its own numbers and its own mask
        r = np.asarray(derivation.quantities["a"]["1"])[k]
        crossed = [node.id for node in one.nodes if node.kind == "dropped"]
        assert crossed == [f"1.{j}" for j in np.flatnonzero(r == 0)]
        shown = [node.label for node in one.nodes if node.column == 1 and node.kind in ("unit", "dropped")]
        np.testing.assert_allclose([number(label) for label in shown], r, rtol=1e-4)
    assert any(node.kind == "dropped" for one in (network, *network.others) for node in one.nodes)
    text = "\n".join(drawn_text(network, 80))
    assert all(said in text for said in ("layer 2: batch norm", "layer 1: dropout 0.5", "skip × 0.5 from layer 1"))
    picture = svg(drawn(network), "it")
    assert all(f">{word}</text>" in picture for word in ("batch norm", "layer norm", "dropout 0.5", "skip × 0.5"))


def wide_and_deep():
    net = Network(300, [Dense(40, "tanh"), *[Dense(9, "tanh")] * 9, Dense(2, "identity")])
    x = np.linspace(-1, 1, 300)[None]
    return derive(Problem(net, net.init("xavier_uniform", seed=0), X=x, y=[[0.5, 1.0]]))


def test_a_large_network_is_drawn_in_part():
    network, graph = blocks(wide_and_deep(), Diagram)
    units = [node for node in network.nodes if node.kind in ("unit", "input")]
    assert {node.column for node in units} == set(range(12))  # every layer
    assert max(Counter(node.column for node in units).values()) <= 6
    said = {node.below for node in network.nodes if node.kind == "dots"}
    assert {"295 more", "35 more", "4 more"} <= said
    assert any(node.below == "layers 3 to 10" for node in graph.nodes)
    assert "40 × 300 numbers" in next(node.below for node in graph.nodes if node.id == "W1")
    picture = drawn(graph)
    assert picture.height * picture.fitted(470, 650) <= 650
