"""The drawing: every number in its place, nothing on top of anything, safe in a page, readable without eyes."""

import itertools
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers import raises_naming
from tests.strategies import draws

from backlit.autodiff import AutodiffError, Var, record, to_svg
from backlit.autodiff.draw import MOST_NODES, apart, crossings, depths, layered

SVG = "{http://www.w3.org/2000/svg}"


def cs231n():
    return record(lambda w0, x0, w1, x1, w2: 1 / (1 + np.exp(-(w0 * x0 + w1 * x1 + w2))), 2.0, -1.0, -3.0, -2.0, -3.0)


def network():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 3)), rng.integers(0, 3, 8)

    def loss(w1, b1, w2):
        h = np.maximum(x @ w1.T + b1, 0)
        p = np.exp(h @ w2.T + h[:, :3])
        return -np.mean(np.log((p / np.sum(p, axis=1, keepdims=True))[np.arange(8), y]))

    return record(loss, rng.normal(size=(4, 3)), np.zeros(4), rng.normal(size=(3, 4)))


def cards(svg):
    """(kind, label, value, gradient, x, y) of each node as it was drawn."""
    found = []
    for g in ElementTree.fromstring(svg).iter(f"{SVG}g"):
        (shape,) = (mark for mark in g if mark.tag in (f"{SVG}rect", f"{SVG}circle"))
        kind = "input" if shape.get("stroke-dasharray") else "output" if shape.get("style") else "made"
        label, value, gradient = g.iter(f"{SVG}text")
        place = (float(label.get("x")), float(label.get("y")))
        found.append((kind, label.text, value.text, gradient.text, *place))
        assert float(value.get("y")) < float(label.get("y")) < float(gradient.get("y"))
    return found


def test_the_circuit_shows_its_values_and_gradients():
    shown = [card[:4] for card in cards(cs231n().draw())]
    assert shown == [
        ("input", "w0", "2", "−0.1966"),
        ("input", "x0", "−1", "0.3932"),
        ("input", "w1", "−3", "−0.3932"),
        ("input", "x1", "−2", "−0.5898"),
        ("input", "w2", "−3", "0.1966"),
        ("made", "×", "−2", "0.1966"),
        ("made", "×", "6", "0.1966"),
        ("made", "+", "4", "0.1966"),
        ("made", "+", "1", "0.1966"),
        ("made", "−x", "−1", "−0.1966"),
        ("made", "exp", "0.3679", "−0.5344"),
        ("made", "1 +", "1.368", "−0.5344"),
        ("output", "1 ÷", "0.7311", "1"),
    ]


def test_arrays_are_shown_by_shape_and_their_gradients_by_norm():
    graph = network()
    grads = graph.backward()
    shown = {label: (value, gradient) for _, label, value, gradient, *_ in cards(graph.draw())}
    assert shown["w1"] == ("(4, 3)", f"norm {np.linalg.norm(grads[graph.inputs[0]]):.4g}")
    assert shown["b1"][0] == "[0, 0, 0, 0]"
    assert "(8, 3) @" in shown
    assert "Σ axis 1" in shown
    assert "max 0" in shown


def test_constants_stand_on_their_side():
    labels = [card[1] for card in cards(record(lambda a: 3.0 / (a**2 - 1.0), 2.0).draw())]
    assert labels == ["a", "^ 2", "− 1", "3 ÷"]


def boxes(svg):
    """The rectangle of each node with its texts, estimated as the drawing does."""
    for _, label, value, gradient, x, y in cards(svg):
        w = max(8 * len(label) + 18, 8 * len(value), 8 * len(gradient or ""))
        yield x - w / 2, x + w / 2, y - 36, y + 34


@pytest.mark.parametrize("graph", [cs231n(), network()], ids=["circuit", "network"])
def test_nothing_stands_on_anything_and_all_is_inside(graph):
    svg = graph.draw()
    root = ElementTree.fromstring(svg)
    width, height = float(root.get("width")), float(root.get("height"))
    rectangles = list(boxes(svg))
    for (l1, r1, t1, b1), (l2, r2, t2, b2) in itertools.combinations(rectangles, 2):
        assert r1 <= l2 or r2 <= l1 or b1 <= t2 or b2 <= t1
    for left, right, top, bottom in rectangles:
        assert left >= 0
        assert right <= width
        assert top >= 20
        assert bottom <= height


@pytest.mark.parametrize("graph", [cs231n(), network()], ids=["circuit", "network"])
def test_edges_run_from_left_to_right_one_for_each_use(graph):
    edges = re.findall(r'<path d="M([\d.]+) [^"]*?([\d.]+) [\d.]+" class="s-line"', graph.draw())
    assert len(edges) == sum(len(node.parents) for node in graph.nodes)
    assert all(float(start) < float(end) for start, end in edges)


def test_a_use_of_the_same_node_twice_is_two_edges():
    a = Var(3.0, "a")
    edges = re.findall(r'd="([^"]+)" class="s-line"', to_svg(a * a))
    assert len(edges) == len(set(edges)) == 2  # one does not hide the other


def test_one_input_alone():
    [(kind, label, value, gradient, *_)] = cards(to_svg(Var(2.0)))
    assert (kind, label, value, gradient) == ("output", "input", "2", "1")


@pytest.mark.parametrize("name", ["<b>&\"'</b>", "]]>", "</svg><script>alert(1)</script>", "a\x00b\x1b\ud800", "ж × 𝛿"])
def test_any_name_is_safe_in_a_page(name):
    svg = to_svg(Var(2.0, name) * 3.0, title=name)
    root = ElementTree.fromstring(svg.encode())
    clean = re.sub(r"[\x00\x1b\ud800]", "", name)
    assert cards(svg)[0][1] == clean
    assert root.find(f"{SVG}title").text == clean
    assert "<script" not in svg


def test_screen_readers_hear_a_title_and_a_description():
    root = ElementTree.fromstring(cs231n().draw(title="A neuron"))
    ids = {element.get("id"): element.text for element in root if element.get("id")}
    title, description = (ids[i] for i in root.get("aria-labelledby").split())
    assert root.get("role") == "img"
    assert title == "A neuron"
    assert "13 nodes" in description
    assert "w0 = 2, gradient −0.1966" in description
    assert "Output: 0.7311" in description


def test_two_pictures_on_a_page_have_different_ids_and_the_same_picture_the_same():
    first, second = cs231n().draw(), network().draw()
    assert not set(re.findall(r'id="([^"]+)"', first)) & set(re.findall(r'id="([^"]+)"', second))
    assert cs231n().draw() == first


def test_colors_follow_the_page():
    svg = cs231n().draw()
    assert set(re.findall(r"(?:fill|stroke):(?!none|currentColor|var\()", svg)) == set()
    assert "--backlit-gradient" in svg
    assert re.search(r"https?://(?!www\.w3\.org)", svg) is None


def test_an_array_without_a_seed_is_drawn_without_gradients():
    out = Var([1.0, 2.0], "a") * 2.0
    assert all(card[3] is None for card in cards(to_svg(out)))
    assert "Gradients are not shown" in to_svg(out)
    assert [card[3] for card in cards(to_svg(out, seed=[1.0, -1.0]))] == ["[2, −2]", "[1, −1]"]


def test_a_graph_no_one_could_read_is_refused():
    v = Var(1.0)
    for _ in range(MOST_NODES):
        v = v + 1.0
    with raises_naming(AutodiffError, "301", "nodes"):
        to_svg(v)


# --- layout ---------------------------------------------------------------------------------------------------------


@st.composite
def graphs(draw):
    """A graph whose nodes all lead to the last one."""
    n = draw(st.integers(1, 12))
    edges = [(i, draw(st.integers(i + 1, n - 1))) for i in range(n - 1)]
    more = draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=12))
    return n, edges + [(a, b) for a, b in more if a < b]


@draws(100)
@given(graphs())
def test_layout_of_any_graph(graph):
    n, edges = graph
    places, paths = layered(n, edges)
    for a, b in edges:
        assert places[a][0] < places[b][0]
        path = paths[a, b]
        assert (path[0], path[-1]) == (places[a], places[b])
        assert [column for column, _ in path] == list(range(places[a][0], places[b][0] + 1))
    columns = {}
    for column, row in {*places, *(place for path in paths.values() for place in path)}:
        columns.setdefault(column, []).append(row)
    assert sorted(columns) == list(range(places[-1][0] + 1))
    assert min(min(rows) for rows in columns.values()) == 0
    for rows in columns.values():
        assert all(b - a > 1 - 1e-9 for a, b in itertools.pairwise(sorted(rows)))
    assert sum(map(len, columns.values())) == n + sum(len(path) - 2 for path in paths.values())


def test_inputs_stand_next_to_their_first_use():
    assert depths(5, [(0, 1), (1, 2), (2, 4), (3, 4)]) == [0, 1, 2, 2, 3]


def test_a_tree_has_no_crossings():
    places, paths = layered(7, [(0, 4), (3, 4), (1, 5), (2, 5), (4, 6), (5, 6)])
    steps = [step for path in paths.values() for step in itertools.pairwise(path)]
    ends = sorted((a[0], a[1], b[1]) for a, b in steps)
    assert not any(p[0] == q[0] and p[1] < q[1] and p[2] > q[2] for p, q in itertools.combinations(ends, 2))
    assert len(places) == 7


def test_crossings_are_counted():
    assert crossings([[0, 1], [2, 3]], [(0, 3), (1, 2)]) == 1
    assert crossings([[0, 1], [2, 3]], [(0, 2), (1, 3)]) == 0


@draws(100)
@given(st.lists(st.floats(-20, 20), max_size=8))
def test_apart_is_the_nearest_with_gaps(wanted):
    rows = apart(wanted)
    assert all(b - a > 1 - 1e-9 for a, b in itertools.pairwise(rows))
    cost = sum((a - b) ** 2 for a, b in zip(rows, wanted, strict=True))
    rng = np.random.default_rng(0)
    for _ in range(20):
        other = np.sort(np.array(rows) + rng.normal(0, 0.5, len(rows)))
        if np.all(np.diff(other) >= 1):
            assert np.sum((other - wanted) ** 2) >= cost - 1e-9
