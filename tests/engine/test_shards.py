"""A step in parts: the same bits as a step in one where there is one part, and the same sum in whatever order."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.options import WAYS, Way, ran
from tests.helpers import quick_first

from backlit.core import DropoutKey
from backlit.core.dropout import dropout_mask
from backlit.engine import Engine, ReferenceEngine, State
from backlit.engine.base import Partial
from backlit.engine.native import extension
from backlit.engine.reference import batches
from backlit.errors import Divergence
from backlit.training.sharding import nodes_within, tree_sum


def in_parts(engine: Engine, way: Way, state: State, order: np.ndarray, shards: int) -> list[float]:
    """One epoch, each step in so many parts; the costs."""
    data, costs = way.data(), []
    for rows in batches(order, way.m):
        weight = data.rows(rows).weight()
        parts = {
            (s, s + 1): engine.partial(state.params, data, part, weight, DropoutKey(0, state.step, s))
            for s, part in enumerate(np.array_split(rows, shards))
        }
        whole = tree_sum(parts.get, (0, shards))
        costs.append(engine.update(state, whole, weight, 0.01)[0] * len(rows))
    return costs


@pytest.mark.parametrize("threads", quick_first([3, 1]))
@pytest.mark.parametrize("name", [name for name, way in WAYS.items() if way.isa is None])
def test_one_shard_is_todays_step_to_the_bit(name, threads):
    if extension() is None:
        pytest.skip("the extension is not built")
    way = WAYS[name]
    expected = ran(name, threads)
    with way.forced():
        engine, state = way.engine(threads, memory_limit=way.limit(threads)), way.start()
        for epoch in range(2):
            in_parts(engine, way, state, np.random.default_rng(epoch).permutation(way.n), 1)
    assert state.params.theta.tobytes() == expected["theta"]
    assert b"".join(slot.tobytes() for slot in state.slots) == expected["slots"]
    kept = [*state.statistics.mean, *state.statistics.variance]
    assert b"".join(a.tobytes() for a in kept if a is not None) == expected["moments"]


@pytest.mark.parametrize("name", ["skips", "weights", "alpha", "clip by norm", "sum", "bias as it is", "batch norm"])
def test_one_shard_is_todays_step_of_the_textbook(name):
    way = WAYS[name]
    engine = ReferenceEngine(way.engine(1).recipe)
    whole, parts, order = way.start(), way.start(), np.random.default_rng(0).permutation(way.n)
    result = engine.run(whole, way.data(), order, np.full(-(-way.n // way.m), 0.01), lambda: False)
    costs = in_parts(engine, way, parts, order, 1)
    assert whole.params.theta.tobytes() == parts.params.theta.tobytes()
    assert result.cost_sum[0] == pytest.approx(sum(costs), rel=1e-15)
    assert whole.step == parts.step == -(-way.n // way.m)


@pytest.mark.parametrize("name", ["plain", "weights", "l2", "alpha", "sum", "layer norm", "skips", "dropout"])
def test_engines_agree_on_a_step_in_parts(name):
    """Batch norm by shard and masks by shard among them, in float64, where nothing but rounding differs."""
    way = WAYS[name]
    way = Way(way.net, n=way.n, m=way.m, weighted=way.weighted, recipe=way.recipe, dtype=np.float64, optimizer="sgd")
    thetas = []
    for engine in (way.engine(2), ReferenceEngine(way.engine(1).recipe)):
        state = way.start()
        in_parts(engine, way, state, np.arange(way.n), 3)
        thetas.append(state.params.theta)
    np.testing.assert_allclose(*thetas, rtol=1e-9, atol=1e-11)


def test_shards_add_up_to_the_step_where_rows_are_independent():
    way = WAYS["l2"]
    engine, one, three = way.engine(1), way.start(), way.start()
    for state, shards in ((one, 1), (three, 3)):
        in_parts(engine, way, state, np.arange(way.n), shards)
    np.testing.assert_allclose(one.params.theta, three.params.theta, rtol=1e-3, atol=1e-5)
    assert one.params.theta.tobytes() != three.params.theta.tobytes()  # another order of sums


def part(s: int) -> Partial:
    rng = np.random.default_rng(s)
    moments = [None, rng.standard_normal(2).astype(np.float32)], [None, rng.uniform(1, 2, 2).astype(np.float32)]
    return Partial(rng.standard_normal(5).astype(np.float32), float(rng.standard_normal()), s + 1, *moments)


def bits(whole: Partial) -> bytes:
    return (
        whole.grad.tobytes() + np.float64(whole.loss).tobytes() + whole.mean[1].tobytes() + whole.variance[1].tobytes()
    )


@given(st.integers(1, 17), st.data())
def test_any_assignment_and_order_of_arrival_has_the_same_sum(S, data):
    idle = data.draw(st.sets(st.integers(0, S - 1), max_size=S - 1))
    alone = {(s, s + 1): part(s) for s in range(S) if s not in idle}
    expected = bits(tree_sum(alone.get, (0, S)))
    cuts = sorted(data.draw(st.sets(st.integers(1, S - 1), max_size=5))) if S > 1 else []
    found = []
    for first, last in itertools.pairwise([0, *cuts, S]):
        mine = {node: each for node, each in alone.items() if first <= node[0] < last}
        found += [(node, tree_sum(mine.get, node)) for node in nodes_within((first, last), (0, S))]
    shuffled = data.draw(st.permutations(found))
    assert bits(tree_sum({node: each for node, each in shuffled if each is not None}.get, (0, S))) == expected


def test_a_sum_in_another_order_has_other_bits():
    """The test above would not see a tree that follows the order of arrival, if sums did not round."""
    parts = [part(s) for s in range(8)]
    backwards = parts[-1]
    for each in reversed(parts[:-1]):
        backwards = backwards.plus(each)
    assert bits(backwards) != bits(tree_sum({(s, s + 1): each for s, each in enumerate(parts)}.get, (0, 8)))


def test_merged_moments_are_those_of_all_rows(rng):
    rows = [rng.standard_normal((m, 3)) for m in (4, 1, 7)]
    parts = [Partial(np.zeros(1), 0.0, len(z), [None, z.mean(0)], [None, z.var(0)]) for z in rows]
    whole, z = parts[0].plus(parts[1]).plus(parts[2]), np.concatenate(rows)
    np.testing.assert_allclose(whole.mean[1], z.mean(0), rtol=1e-12)
    np.testing.assert_allclose(whole.variance[1], z.var(0), rtol=1e-12)


def test_each_shard_draws_masks_of_its_own():
    first, second = (dropout_mask(DropoutKey(3, 5, shard), 1, (40, 9), 0.3) for shard in (0, 1))
    assert (first == dropout_mask(DropoutKey(3, 5), 1, (40, 9), 0.3)).all()
    assert (first != second).mean() > 0.2
    if extension():
        kept = np.empty(360, np.uint8)
        extension().mask(3, 5, 1, 0, 0.3, kept, shard=1)
        assert (kept.reshape(40, 9) == (second > 0)).all()


@pytest.mark.parametrize("native", [True, False])
def test_a_part_that_is_not_finite_is_told_by_the_textbook(native):
    way = WAYS["plain"]
    engine = way.engine(1) if native else ReferenceEngine(way.engine(1).recipe)
    data, state = way.data(), way.start()
    data.X[3, 0] = np.inf
    with pytest.raises(Divergence, match=r"step 1: a\[0\] is not finite"):
        engine.partial(state.params, data, np.arange(5), 5.0, DropoutKey(0))


@pytest.mark.parametrize("native", [True, False])
def test_an_update_that_is_not_finite_leaves_the_state(native):
    way = Way(WAYS["plain"].net, optimizer="sgd")
    engine = way.engine(1) if native else ReferenceEngine(way.engine(1).recipe)
    state = way.start()
    before = state.params.theta.tobytes()
    whole = Partial(np.full_like(state.params.theta, 1e30), 1.0, 5, [None] * 5, [None] * 5)
    with pytest.raises(Divergence, match="step 1: the update is not finite"):
        engine.update(state, whole, 5.0, 1e30)
    assert (state.params.theta.tobytes(), state.step) == (before, 0)
