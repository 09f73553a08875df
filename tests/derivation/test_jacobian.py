"""The product of Jacobians that `explain` prints, and what it says of lengths, against passes written out here."""

import json
from functools import cache

import numpy as np
import pytest
from tests.derivation.reading import text
from tests.derivation.reading.meaning import value

from backlit.derivation import derive
from backlit.derivation.document import Formula, Paragraph
from backlit.derivation.expressions import has_dots
from backlit.formats.problems import read_problem
from backlit.render.unicode_math import chain as text_lines

pytestmark = pytest.mark.usefixtures("unchecked")
T12 = {
    "inputs": 1,
    "layers": [
        {"units": 1, "activation": "tanh", "W": [[0.5]]},
        {"units": 3, "activation": "softmax", "W": [[10], [0], [-10]]},
    ],
    "loss": "cross_entropy",
    "x": [[2]],
    "y": [2],
}


def drawn(widths, output="identity", loss="half_squared_error", **extra):
    """A network of tanh layers, its numbers drawn by the seed; extra : of its second layer."""
    layers = [{"units": n, "activation": "tanh"} for n in widths[1:]]
    layers[-1]["activation"] = output
    layers[min(1, len(layers) - 1)] |= extra
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((3, widths[0])), rng.random((3, widths[-1]))
    y = [0] * 3 if loss == "cross_entropy" else y.tolist()
    init = {"scheme": "xavier_uniform", "seed": 5}
    return {"inputs": widths[0], "layers": layers, "loss": loss, "x": x.tolist(), "y": y, "init": init, "seed": 1}


def deltas(problem, spec):
    """δ_l of every example, of a tanh network: p − y at the output, then diag(1 − tanh²) mask Wᵀ."""
    X, _ = problem.data()
    W, b, L = problem.params.W, problem.params.b, problem.net.L
    masks = problem.passes()[0].mask
    z, a = [None], [X]
    for l in range(1, L + 1):
        z.append(a[-1] @ W[l].T + b[l])
        a.append(np.tanh(z[l]) * (1 if masks[l] is None else masks[l]))
    p, y = z[L], np.asarray(spec["y"], float)
    if spec["loss"] == "cross_entropy":
        p, y = np.exp(p) / np.exp(p).sum(axis=1, keepdims=True), np.eye(p.shape[1])[spec["y"]]
    found = {L: p - y}
    for l in range(L - 1, 0, -1):
        found[l] = found[l + 1] @ W[l + 1] * (1 if masks[l] is None else masks[l]) * (1 - np.tanh(z[l]) ** 2)
    return found


def section(spec):
    """The section of a problem file."""
    return section_of(json.dumps(spec))


@cache
def section_of(file):
    """The same of the file's text, which several tests look at."""
    made = derive(read_problem(json.loads(file)), digits=12)
    return next(section for section in made.sections if section.id == "jacobian")


def said(spec):
    """Its words."""
    paragraphs = [block for block in section(spec).blocks if isinstance(block, Paragraph)]
    return " ".join(part for block in paragraphs for part in block.parts if isinstance(part, str))


NETWORKS = [
    drawn([2, 3, 2]),
    drawn([2, 3, 3, 2, 4, 2]),
    drawn([3, 4, 3], "softmax", "cross_entropy"),
    drawn([2, 3, 3, 2], dropout=0.4),
]
LARGE = [drawn([2, *[3] * 12, 2]), drawn([4, 12, 20, 3])]


@pytest.mark.parametrize("spec", NETWORKS)
def test_the_printed_product_is_delta(spec):
    chain = [block for block in section(spec).blocks if isinstance(block, Formula)][-1].chain
    _, parts, _ = text.read(text_lines(chain))
    expected = deltas(read_problem(spec), spec)[1][0]
    for part in parts[-2:]:  # the matrices, multiplied as they are printed, and the result
        assert np.ravel(value(part)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("spec", LARGE)
def test_large_networks_show_it_in_part(spec):
    chain = [block for block in section(spec).blocks if isinstance(block, Formula)][-1].chain
    assert has_dots(chain)
    assert chain.parts[-1].rows[0][0].value == pytest.approx(deltas(read_problem(spec), spec)[1][0, 0], rel=1e-9)


@pytest.mark.parametrize(("extra", "word"), [
    ({"norm": "batch"}, "Batch norm"), ({"norm": "layer"}, "layer norm"), ({"skip_from": 1}, "skip")
])  # fmt: skip
def test_where_there_is_no_product_none_is_shown(extra, word):
    found = section(drawn([2, 3, 3, 2], **extra))
    assert not [block for block in found.blocks if isinstance(block, Formula)]
    assert any(word in str(block) for block in found.blocks)
    assert "isn't this network's formula" in said(drawn([2, 3, 3, 2], **extra))


def test_a_norm_of_the_output_is_above_the_product():
    spec = drawn([2, 3, 2], norm="layer")
    assert [block for block in section(spec).blocks if isinstance(block, Formula)]


@pytest.mark.parametrize("spec", [*NETWORKS, LARGE[0]])
def test_shrinks_or_grows_from_delta_to_delta(spec):
    found = {l: np.sqrt((d**2).sum(axis=1).mean()) for l, d in deltas(read_problem(spec), spec).items()}
    L = max(found)
    per_layer = (found[1] / found[L]) ** (1 / (L - 1))
    word = "shrinks" if per_layer < 1 else "grows"
    assert f"δ {word}, by a factor of {per_layer:.3g} a layer" in said(spec)


def test_a_wrong_class_of_small_probability_does_not_make_it_shrink():
    """∂ℓ/∂p = −1/p is 4e6 there, δ is 1.41 and grows to 8.40."""
    p = np.exp(np.tanh(1.0) * np.array([10.0, 0, -10]))
    p /= p.sum()
    first = (1 - np.tanh(1.0) ** 2) * np.array([10.0, 0, -10]) @ (p - [0, 0, 1])
    assert first == pytest.approx(8.397, abs=1e-3)
    assert f"δ grows, by a factor of {first / np.linalg.norm(p - [0, 0, 1]):.3g} a layer" in said(T12)


def test_a_dead_layer_is_named():
    dead = drawn([2, 3, 1])
    dead["layers"][0] |= {"activation": "relu", "W": [[0, 0]] * 3, "b": [-1] * 3}
    assert "δ is 0 in layer 1:" in said(dead)
