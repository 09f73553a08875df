"""Under a norm the words and symbols are those of its slopes, which central differences here measure anew."""

import numpy as np
import pytest

from backlit.core.problem import Problem
from backlit.derivation import derive
from backlit.derivation.document import Formula, Paragraph, Step
from backlit.derivation.expressions import Partial, Sym, nodes
from backlit.formats.problems import read_problem
from backlit.render.explanation import explain
from backlit.render.unicode_math import inline

pytestmark = pytest.mark.usefixtures("unchecked")
EPS = 1e-3


def network(norm=None, output_norm=None, **extra):
    """2-3-1, tanh and identity, half squared error, three examples."""
    hidden = {"units": 3, "activation": "tanh", "W": [[0.4, -0.6], [0.7, 0.2], [-0.3, 0.9]], "b": [0.1, -0.1, 0.2]}
    output = {"units": 2, "W": [[0.9, -0.7, 0.4], [0.2, 0.5, -0.8]]}
    hidden |= {"norm": norm, "eps": EPS} if norm else {}
    output |= {"norm": output_norm, "eps": EPS} if output_norm else {}
    x, y = [[0.5, 1], [1.5, -0.5], [-1, 0.5]], [[1, 0], [0.5, 1], [-1, 0]]
    return {"inputs": 2, "layers": [hidden, output], "x": x, "y": y, **extra}


def losses(problem: Problem, norm, X):
    """ℓ of each example, by plain NumPy."""
    W, b = problem.params.W, problem.params.b
    z = X @ W[1].T + b[1]
    axis = {"batch": 0, "layer": 1, None: None}[norm]
    if axis is not None:
        z = (z - z.mean(axis, keepdims=True)) / np.sqrt(z.var(axis, keepdims=True) + EPS)
    out = np.tanh(z) @ W[2].T + b[2]
    return ((out - problem.y) ** 2).sum(axis=1) / 2


def input_slopes(problem, norm, chosen):
    """Central differences of the chosen losses' sum, at the first example's inputs."""
    h, found = 1e-5, []
    for k in range(2):
        step = np.zeros_like(problem.X)
        step[0, k] = h
        above, below = (losses(problem, norm, problem.X + sign * step)[chosen].sum() for sign in (1, -1))
        found.append((above - below) / (2 * h))
    return found


def printed(spec):
    """What stands for the first example's slope at the inputs: its symbol and its numbers."""
    step = derive(read_problem(spec), digits=10).step("grad_a[0]")
    chain = step.lines[0].chain
    return inline(chain.parts[0]), [row[0].value for row in chain.parts[-1].rows]


@pytest.mark.parametrize("norm", ["batch", "layer", None])
def test_the_symbol_is_of_the_loss_whose_slope_the_number_is(norm):
    problem = read_problem(network(norm))
    own, together = (input_slopes(problem, norm, chosen) for chosen in ([0], [0, 1, 2]))
    symbol, numbers = printed(network(norm))
    assert symbol == ("∂S/∂a₀⁽¹⁾" if norm == "batch" else "∂ℓ⁽¹⁾/∂a₀⁽¹⁾")
    assert numbers == pytest.approx(together if norm == "batch" else own, rel=1e-6)
    assert (norm == "batch") == (np.abs(np.subtract(own, together)).max() > 1e-3)


def test_s_is_m_times_the_cost():
    problem = read_problem(network("batch", l2=0.3, sample_weight=[1, 2, 5]))
    weights = np.array([1, 2, 5]) / 8
    step = np.zeros_like(problem.X)
    step[0, 0] = 1e-5
    above, below = (weights @ losses(problem, "batch", problem.X + sign * step) for sign in (1, -1))
    _, numbers = printed(network("batch", l2=0.3, sample_weight=[1, 2, 5]))
    assert numbers[0] == pytest.approx(3 * (above - below) / 2e-5, rel=1e-6)
    assert "S = m C (without L2)" in explain(network("batch")).to_text().replace("\n", " ")


def slopes_of(made):
    """The names of what is differentiated, in every formula."""
    chains = []
    for section in (section for section in made.sections if section.id != "short-form"):  # there ℓ is an example's own
        for block in section.blocks:
            chains += [block.chain] if isinstance(block, Formula) else []
            chains += [line.chain for line in (*block.lines, *block.entries)] if isinstance(block, Step) else []
    of = [node.of for chain in chains for node in nodes(chain) if isinstance(node, Partial)]
    return {node.name for node in of if isinstance(node, Sym) and node.name != "z"}


def test_one_symbol_for_one_meaning():
    assert slopes_of(derive(read_problem(network("batch")))) == {"S", "C"}
    assert slopes_of(derive(read_problem(network("layer")))) == {"ell", "C"}


def words(spec):
    """The recurrence's words."""
    section = next(section for section in derive(read_problem(spec)).sections if section.id == "recurrence")
    blocks = [block for block in section.blocks if isinstance(block, Paragraph)]
    formulas = [inline(block.chain) for block in section.blocks if isinstance(block, Formula)]
    return " ".join(part for block in blocks for part in block.parts if isinstance(part, str)), formulas


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_a_normed_unit_depends_on_more_than_its_own_sum(norm):
    said, formulas = words(network(norm, norm))
    assert "no sum of its layer but its own" not in said
    assert not any("φ′([zₗ]ⱼ)" in formula for formula in formulas)
    assert any("φ′([uₗ]ⱼ)" in formula for formula in formulas)
    assert "no sum of its layer but its own" in words(network())[0]
    mixed, formulas = words(network(norm))
    assert "Where a layer has no norm" in mixed
    assert any("φ′(uₗ)" in formula for formula in formulas)


@pytest.mark.parametrize(("spec", "expected"), [
    (network(), "taken at zₗ, not at aₗ"),
    (network("layer", "layer"), "taken at uₗ, not at aₗ"),
    (network("batch"), "taken at uₗ after a norm and at zₗ without one, not at aₗ"),
])  # fmt: skip
def test_the_checklist_says_where_the_slope_is_taken(spec, expected):
    assert expected in " ".join(explain(spec).to_text().split())


@pytest.mark.parametrize(("norm", "count"), [("batch", "m"), ("layer", "nₗ")])
def test_the_jacobian_of_a_norm_is_derived_and_right(norm, count):
    """The formula that is printed, computed here beside central differences of x̂ itself."""
    section = next(part for part in derive(read_problem(network(norm))).sections if part.id == "recurrence")
    printed_formulas = [inline(block.chain) for block in section.blocks if isinstance(block, Formula)]
    wanted = f"∂[x̂ₗ]ᵢ/∂[zₗ]ⱼ = ([i = j] − 1/{count} − ([x̂ₗ]ᵢ·[x̂ₗ]ⱼ)/{count})/√(σ²ₗ + ε)"
    assert wanted in printed_formulas
    z, h = np.random.default_rng(0).standard_normal(4), 1e-6

    def unit(z):
        return (z - z.mean()) / np.sqrt(z.var() + EPS)

    x, n = unit(z), len(z)
    formula = (np.eye(n) - 1 / n - np.outer(x, x) / n) / np.sqrt(z.var() + EPS)
    steps = h * np.eye(n)
    measured = np.stack([(unit(z + step) - unit(z - step)) / (2 * h) for step in steps], axis=1)
    np.testing.assert_allclose(formula, measured, atol=1e-8)


def test_without_a_norm_there_is_no_such_jacobian():
    assert "on every z by μ and σ²" not in " ".join(
        part
        for section in derive(read_problem(network())).sections
        for block in section.blocks
        if isinstance(block, Paragraph)
        for part in block.parts
        if isinstance(part, str)
    )
