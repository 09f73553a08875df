"""What equals what to the bit, and what does not: the table of docs/engines.md."""

import ast
import contextlib
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.engine.kernels import ELEMENTWISE
from tests.engine.options import WAYS, Way, ran, run
from tests.helpers import quick_first

from backlit.core import ACTIVATIONS
from backlit.engine import ReferenceEngine
from backlit.engine.native import extension

ISAS = extension().instruction_sets() if extension() else ["none"]
THREADS = (2, 3, 4, 7)
ROOT = Path(__file__).resolve().parents[2]


def available(way: Way) -> bool:
    """Whether this processor has what the way asks for."""
    return way.isa is None or way.isa in ISAS


@pytest.mark.parametrize("numbers", quick_first([(THREADS[1:2],), (THREADS,)]))
@pytest.mark.parametrize("name", WAYS)
def test_any_number_of_threads(name, numbers):
    way = WAYS[name]
    if not available(way):
        pytest.skip(f"this processor has no {way.isa}")
    alone = ran(name)
    for threads in numbers:
        together = ran(name, threads)
        assert [what for what in alone if alone[what] != together[what]] == [], threads


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_a_number_has_the_same_bits_wherever_it_stands_in_a_vector(name, dtype, isa, rng):
    """The last few numbers of a share go through another copy of the loop."""
    activate = getattr(extension(), "activate_32" if dtype == np.float32 else "activate_64")
    u = (5 * rng.standard_normal(259)).astype(dtype)
    whole = [np.empty_like(u) for _ in range(2)]
    activate(isa, name, dict(ACTIVATIONS[name].parameters), u, *whole)
    for size in (1, 2, 3, 5, 7):
        for first in range(0, 252, size):
            part = [np.empty(size, dtype) for _ in range(2)]
            activate(isa, name, dict(ACTIVATIONS[name].parameters), u[first : first + size], *part)
            assert all((a == b[first : first + size]).all() for a, b in zip(part, whole, strict=True))


@pytest.mark.parametrize("name", [name for name, way in WAYS.items() if way.limited])
def test_a_memory_limit(name):
    """Gradients and parameters; a prediction is in other chunks of rows."""
    way = WAYS[name]
    free, limited = run(way, limited=False), run(way, 2)
    trained = [what for what in free if what not in ("prediction", "validation loss")]
    assert [what for what in trained if free[what] != limited[what]] == []


def test_rows_or_columns():
    one = WAYS["columns, layer norm"]
    for threads in (1, 3):
        assert run(one, threads) == run(replace(one, product="rows"), threads)


def never() -> bool:
    return False


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", ["skips", "layer norm, float64", "many outputs", "long rows", "few inputs"])
def test_a_row_has_the_same_prediction_whatever_is_predicted_with_it(name, isa):
    way = WAYS[name]
    with replace(way, product="rows").forced():
        engine, state, X = way.engine(2, isa), way.start(), way.data().X
        whole = engine.predict(state.params, state.statistics, X)
        for rows in (slice(0, 1), slice(3, 4), slice(5, 22), slice(7, None)):
            assert (engine.predict(state.params, state.statistics, X[rows]) == whole[rows]).all()


@pytest.mark.parametrize("name", ["skips", "fused", "memory limit", "weights", "blas"])
def test_an_epoch_in_pieces(name):
    way, data = WAYS[name], WAYS[name].data()
    order, rates = np.random.default_rng(0).permutation(way.n), np.full(-(-way.n // way.m), 0.01)
    thetas = []
    for pieces in ([rates.size], [1, rates.size]):
        with way.forced():
            engine, state, done = way.engine(2, memory_limit=way.limit(2)), way.start(), 0
            for end in pieces:
                part = order[done * way.m : end * way.m]
                engine.run(state, data, part, rates[done:end], never)
                done = end
        thetas.append(state.params.theta.tobytes())
    assert thetas[0] == thetas[1]


@pytest.mark.parametrize("name", ["skips", "fused", "memory limit", "weights", "blas", "dropout"])
def test_epochs_by_one_call(name):
    way, data, results = WAYS[name], WAYS[name].data(), []
    orders = np.stack([np.random.default_rng(epoch).permutation(way.n) for epoch in range(3)])
    rates = np.outer([0.01, 0.02, 0.005], np.ones(-(-way.n // way.m)))
    for together in (True, False):
        with way.forced():
            engine, state = way.engine(2, memory_limit=way.limit(2)), way.start()
            if together:
                done = list(engine.run_epochs(state, data, orders, rates, never))
            else:
                done = [engine.run(state, data, *epoch, never) for epoch in zip(orders, rates, strict=True)]
        told = [(one.cost_sum, one.gradient_norms.tolist(), one.steps, one.rows, one.interrupted) for one in done]
        results.append((told, state.step, [v.tobytes() for v in (state.params.theta, *state.slots)]))
    assert len(results[0][0]) == 3
    assert results[0] == results[1]


def gradient(way: Way, isa: str | None = None) -> np.ndarray:
    """The gradient at the start."""
    with way.forced():
        return way.engine(1, isa).loss_and_gradient(way.start().params, way.data())[1]


def assert_differ_by_roundings(one, other):
    """Not the same bits, and nothing but roundings."""
    assert (one != other).any()
    np.testing.assert_allclose(one, other, rtol=0, atol=1e4 * np.finfo(one.dtype).eps * np.abs(one).max())


@pytest.mark.parametrize("name", ["skips", "skips, float64"])
def test_engines_differ_by_roundings(name):
    way = WAYS[name]
    textbook = ReferenceEngine(way.engine(1).recipe).loss_and_gradient(way.start().params, way.data())[1]
    assert_differ_by_roundings(textbook, gradient(way))


@pytest.mark.skipif(len(ISAS) < 2, reason="this processor has one instruction set")
@pytest.mark.parametrize("name", ["skips", "skips, float64"])
def test_instruction_sets_differ_by_roundings(name):
    assert_differ_by_roundings(*(gradient(WAYS[name], isa) for isa in (ISAS[0], "baseline")))


@pytest.mark.parametrize("name", ["blas", "blas, float64"])
def test_blas_differs_by_roundings(name):
    way = WAYS[name]
    assert_differ_by_roundings(gradient(way), gradient(replace(way, product="rows")))


PAGE = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8")
TABLE = re.findall(r"^\| (.+?) \| (yes|no) \| `(.+?)::(.+?)` \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("claim", "same", "path", "name"), TABLE)
def test_a_line_of_the_page_has_its_test(claim, same, path, name):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in [node.name for node in tree.body if isinstance(node, ast.FunctionDef)], claim


def test_every_line_of_the_table_was_read():
    assert len(TABLE) == PAGE.count("\n| ") - 1  # less the heading
    assert {same for _, same, _, _ in TABLE} == {"yes", "no"}


def test_the_code_of_the_page_prints_what_it_says():
    ((code, printed),) = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code, {})
    assert out.getvalue() == printed
