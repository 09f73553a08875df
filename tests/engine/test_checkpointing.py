"""Checkpointing: the order is optimal, the peak is what it says, and the engine's numbers stay the same, to the bit."""

import heapq
import itertools
import random
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers import quick_first, raises_naming
from tests.needs import needs_native
from tests.strategies import draws, networks

from backlit.core import Dense, Network
from backlit.engine import Data, State, TrainConfig, get_engine, native_engine, warn_once
from backlit.engine.memory_limit import LimitError, held_bytes, under_limit
from backlit.engine.native import NativeEngine
from backlit.engine.plan import make_plan
from backlit.engine.rematerialize import Backward, Forward, Link, Table, best_order, chain, smallest_peak
from backlit.errors import BacklitError
from backlit.optim import get_optimizer

INFINITE = float("inf")


# --- the order ------------------------------------------------------------------------------------------------------


def random_links(draw: random.Random, n: int, unit: int = 64) -> tuple[Link, ...]:
    found = []
    for l in range(1, n + 1):
        out = unit * draw.randint(1, 4)
        work, full = out + unit * draw.choice((0, 0, 1)), out + unit * draw.choice((0, 1, 3))
        found.append(Link(l, l, draw.randint(1, 9), out, min(work, full), full))
    return tuple(found)


def cheapest_by_force(links: tuple[Link, ...], limit: int) -> float:
    """Try every way to do it: before each backward pass any sweeps, from anything that is there, dropping anything.

    It knows nothing of stretches or stacks.  What is there: for each link nothing, its a, or all of it.
    """
    n = len(links)
    bytes_of = [(0, link.out, link.full) for link in links]

    def size(held: tuple[int, ...]) -> int:
        return sum(bytes_of[i][h] for i, h in enumerate(held))

    def after_dropping(held: tuple[int, ...]):
        return itertools.product(*(range(h + 1) if h < 2 else (0, 1, 2) for h in held))

    best = {(n, (0,) * n): 0.0}
    queue = [(0.0, n, (0,) * n)]
    while queue:
        cost, left, held = heapq.heappop(queue)
        if left == 0:
            return cost
        if cost > best[left, held]:
            continue
        moves = []
        if held[left - 1] == 2 and (left == 1 or held[left - 2]):  # link left−1 backward
            moves.append((cost, left - 1, (*held[: left - 1], *([0] * (n - left + 1)))))
        for i in range(left):  # link i forward
            if i and not held[i - 1]:
                continue
            for kind in (1, 2):
                if held[i] >= kind:
                    continue
                new = (*held[:i], kind, *held[i + 1 :])
                extra = max(0, links[i].work - links[i].out) if kind == 1 else 0
                if size(new) + extra <= limit:
                    moves.append((cost + links[i].cost, left, new))
        moves += [(cost, left, fewer) for fewer in after_dropping(held) if fewer != held]
        for move in moves:
            if move[0] < best.get(move[1:], INFINITE):
                best[move[1:]] = move[0]
                heapq.heappush(queue, move)
    return INFINITE


def cheapest_stack(links: tuple[Link, ...], limit: int) -> float:
    """The least cost of all orders that keep what they keep on a stack, by plain recursion in bytes."""

    @cache
    def stretch(s: int, t: int, at_hand: bool, room: int) -> float:
        if s == t:
            return 0 if at_hand else links[s].cost if links[s].full <= room else INFINITE
        found = INFINITE
        for c, full in itertools.product(range(s, t), (False, True)):
            size = links[c].full if full else links[c].out
            if any(
                (links[i - 1].out if i > s else 0) + (links[i].full if full and i == c else links[i].work) > room
                for i in range(s, c + 1)
            ):
                continue
            way = sum(link.cost for link in links[s : c + 1])
            later = stretch(s, c, full, room - size if full else room)
            found = min(found, way + stretch(c + 1, t, at_hand, room - size) + later)
        return found

    return stretch(0, len(links) - 1, False, limit)


def run(links: tuple[Link, ...], order) -> tuple[int, int]:
    """(operations, peak) of an order, by doing it: whatever an action reads must be there."""
    held: dict[int, int] = {-1: 0}
    cost = peak = 0
    full, left = set(), len(links)
    for action in order.actions:
        if isinstance(action, Backward):
            assert action.link == left - 1
            assert action.link in full
            assert action.link - 1 in held
            full.discard(action.link)
            held.pop(action.link)
            left = action.link
            continue
        assert isinstance(action, Forward)
        assert action.first - 1 in held
        held = {j: size for j, size in held.items() if j < action.first or j in full}  # the rest has served
        for i in range(action.first, action.last + 1):
            complete = action.full and i == action.last
            new = links[i].full if complete else links[i].work
            others = sum(size for j, size in held.items() if j != i)
            peak = max(peak, others + new)
            held[i] = links[i].full if complete else links[i].out
            full.discard(i)
            full.update({i} if complete else ())
            if i > action.first:
                held.pop(i - 1)
            cost += links[i].cost
    assert left == 0
    return cost, peak


def test_where_bytes_are_counted_too_roughly_the_order_of_least_peak_is_followed(monkeypatch):
    """16 units of memory round each size up, so that nothing seems to fit into the least that does."""
    monkeypatch.setattr("backlit.engine.rematerialize.GRID_NUMBERS", 1)
    rough = 0
    for seed in range(12):
        links = random_links(random.Random(seed), 7, unit=1)
        links += (Link(8, 8, 3, out=37, work=37, full=37),)
        limit = smallest_peak(links)
        assert cheapest_stack(links, limit) < INFINITE == cheapest_stack(links, limit - 1)
        order = best_order.__wrapped__(links, limit)
        cost, peak = run(links, order)
        assert (cost, peak) == (order.cost, limit)
        rough += not np.isfinite(Table(links, limit).best)
        assert best_order.__wrapped__(links, limit - 1) is None
    assert rough


@pytest.mark.parametrize("seed", range(12))
def test_the_order_is_the_best_of_all_stacks(seed):
    draw = random.Random(seed)
    links = random_links(draw, draw.randint(1, 9))
    least, most = smallest_peak(links), sum(link.full for link in links)
    for limit in range(least - 64, most + 64, 64):
        order, expected = best_order(links, limit), cheapest_stack(links, limit)
        assert (INFINITE if order is None else order.cost) == expected
        if order is not None:
            cost, peak = run(links, order)
            assert cost == order.cost
            assert peak <= order.peak <= limit


@pytest.mark.parametrize("seed", range(6))
def test_no_order_whatever_is_cheaper_on_equal_layers(seed):
    draw = random.Random(seed)
    n, full, cost = draw.randint(2, 5), 64 * draw.choice((1, 2)), draw.randint(1, 5)
    links = tuple(Link(l, l, cost, 64, 64, full) for l in range(1, n + 1))
    for units in range(1, 2 * n + 1):
        order = best_order(links, 64 * units)
        assert (INFINITE if order is None else order.cost) == cheapest_by_force(links, 64 * units)


def test_a_coarse_grid_still_fits(monkeypatch):
    """Sizes that share no unit are rounded up: a little dearer, never above the limit."""
    draw = random.Random(3)
    links = tuple(Link(l, l, draw.randint(50, 99), a := draw.randint(900, 1100), a, 2 * a) for l in range(1, 31))
    fine = best_order(links, 15_000)
    monkeypatch.setattr("backlit.engine.rematerialize.GRID_NUMBERS", 3 * 30**2 * 60)
    best_order.cache_clear()
    coarse = best_order(links, 15_000)
    best_order.cache_clear()
    assert fine.cost <= coarse.cost <= 1.3 * fine.cost
    assert coarse.peak <= 15_000
    assert run(links, coarse)[0] == coarse.cost


def test_the_smallest_peak_is_reached_and_nothing_below_it():
    links = random_links(random.Random(5), 40)
    least = smallest_peak(links)
    assert best_order(links, least).peak == least
    assert best_order(links, least - 1) is None


def test_links_hold_skips_together():
    net = Network(4, [Dense(4, "relu", skip_from=0), *(Dense(4, "tanh", skip_from=k) for k in (0, 2, 2)), Dense(1)])
    dtype = np.dtype("f4")
    assert [(link.first, link.last) for link in chain(net, 8, dtype)] == [(1, 1), (2, 2), (3, 4), (5, 5)]
    apart = chain(net, 8, dtype, frozenset({2}))
    assert len(apart) == 5
    assert apart[1].out == 0


# --- the engine ------------------------------------------------------------------------------------------------------


def pooled(engine, m, dtype):
    return engine.made[m, np.dtype(dtype), True]


def trained(net, data, params, m, limit, **options):
    """(state, result, plan, how often each layer ran forward) of one epoch."""
    recipe = TrainConfig(net, get_optimizer("adam"), m, clip_norm=0.5, seed=7, memory_limit=limit, **options)
    engine = native_engine(recipe)
    state = State.start(net, params, recipe.optimizer)
    n = len(data)
    result = engine.run(state, data, np.arange(n)[::-1].copy(), np.full(-(-n // m), 1e-3), lambda: False)
    plan, there = pooled(engine, m, params.theta.dtype)
    return engine, state, result, plan, list(there.forwards)


def held(net, dtype):
    return held_bytes(TrainConfig(net, get_optimizer("adam"), 1), dtype)


def assert_same(net, data, params, m, limit, **options):
    """Train with the limit and without: the same bits everywhere, within the limit, as often forward as planned."""
    _, state, result, _, _ = trained(net, data, params, m, None, **options)
    engine, limited, of_limited, plan, forwards = trained(net, data, params, m, limit, **options)
    assert plan.bytes + held(net, params.theta.dtype) <= limit
    assert forwards == [of_limited.steps * count for count in plan.forwards]
    np.testing.assert_array_equal(limited.params.theta, state.params.theta)
    for one, other in zip(limited.slots, state.slots, strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(limited.statistics.mean + limited.statistics.variance,
                          state.statistics.mean + state.statistics.variance, strict=True):  # fmt: skip
        np.testing.assert_array_equal(one, other)
    assert of_limited.loss == result.loss
    np.testing.assert_array_equal(of_limited.gradient_norms, result.gradient_norms)
    return engine, limited, plan


def examples(net, n, dtype=np.float32):
    draw = np.random.default_rng(0)
    Y = np.eye(net.outputs, dtype=dtype)[draw.integers(0, net.outputs, n)]
    return Data(draw.standard_normal((n, net.inputs)).astype(dtype), Y)


@needs_native
@pytest.mark.parametrize(("activation", "threads"), quick_first([("tanh", 1), ("relu", 2)]))
def test_two_hundred_layers_train_in_the_limit(activation, threads, monkeypatch):
    monkeypatch.setattr("backlit.engine.native.useful_threads", lambda net, m, allowed: allowed)
    net = Network(
        16, [*(Dense(16, activation) for _ in range(199)), Dense(4, "softmax")], loss="cross_entropy", l2=0.01
    )
    data, m = examples(net, 64 + 5), 64
    params = net.init("he_normal", seed=1, dtype=np.float32)
    whole = make_plan(net, m, np.float32).bytes
    limit = held(net, np.float32) + whole // 4
    _, _, plan = assert_same(net, data, params, m, limit, n_threads=threads)
    assert 200 < sum(plan.forwards) <= 2 * 200


@needs_native
@draws(25)
@given(
    networks(rows=5, depths=(2, 4, 6), activation_names=("relu", "tanh", "gelu", "identity", "softmax", "sigmoid")),
    st.sampled_from([1, 2]),
    st.sampled_from([0.0, 0.3, 0.7]),
)
def test_every_kind_of_layer(net, threads, share):
    """Norms, dropout, skips, any output, at the least memory possible and between it and all."""
    m, dtype = 5, np.float64
    draw = np.random.default_rng(1)
    target = np.full((12, net.outputs), 1 / net.outputs)
    data = Data(draw.standard_normal((12, net.inputs)), target, draw.uniform(0.5, 2, 12))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backlit.engine.native.useful_threads", lambda net, m, allowed: allowed)
        engine = NativeEngine(TrainConfig(net, get_optimizer("adam"), m, n_threads=threads))
        plain = engine.plan(m, np.dtype(dtype))
        with raises_naming(LimitError, "at least") as caught:
            under_limit(plain, 0)
        limit = int(caught.value.smallest + share * (plain.bytes - 1 - caught.value.smallest))
        if caught.value.smallest >= plain.bytes:
            return  # so small that nothing can be saved
        engine, _, plan = assert_same(net, data, net.init(), m, limit + held(net, dtype), n_threads=threads)
        assert plan.schedule
        params, statistics = net.init(), State.start(net, net.init(), get_optimizer("adam")).statistics
        free = NativeEngine(TrainConfig(net, get_optimizer("adam"), m, n_threads=threads))
        expected = free.predict(params, statistics, data.X)  # in other chunks of rows, so to roundings
        np.testing.assert_allclose(engine.predict(params, statistics, data.X), expected, rtol=1e-12, atol=1e-14)
        assert engine.loss(params, statistics, data) == pytest.approx(free.loss(params, statistics, data), rel=1e-12)
        np.testing.assert_array_equal(
            engine.loss_and_gradient(params, data)[1], free.loss_and_gradient(params, data)[1]
        )


@needs_native
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("reach", [3, 5])
def test_stretches_under_long_skips_are_computed_again_to_the_same_bits(reach, dropout, monkeypatch):
    """Layers under a skip come and go together, of widths that differ, at the least memory and up to all of it."""
    monkeypatch.setattr("backlit.engine.native.useful_threads", lambda net, m, allowed: allowed)
    widths = [40 if l % reach == 0 else 8 + 4 * (l % 3) for l in range(4 * reach + 1)]
    layers = [
        Dense(n, "tanh", dropout=dropout, skip_from=l - reach if l % reach == 0 and l > reach else None)
        for l, n in enumerate(widths[1:], start=1)
    ]
    net, m = Network(6, [*layers, Dense(3, "softmax")], loss="cross_entropy"), 16
    data, params = examples(net, 40), net.init(seed=1, dtype=np.float32)
    plain = NativeEngine(TrainConfig(net, get_optimizer("adam"), m, n_threads=1)).plan(m, np.dtype("f4"))
    with raises_naming(LimitError, "at least") as caught:
        under_limit(plain, 0)
    together = 0
    for limit in np.linspace(caught.value.smallest, plain.bytes - 1, 5).astype(int):
        _, _, plan = assert_same(net, data, params, m, int(limit) + held(net, np.float32), n_threads=1)
        forward = [step for step in plan.schedule if not step.back]
        together += sum(a.passing and b.passing and a.l % reach != 0 for a, b in itertools.pairwise(forward))
        lanes = {buffer.name for buffer in plan.buffers if buffer.name.startswith("lane")}
        assert lanes == {"lane[0]", "lane[1]"}  # three sources of skips, of which two have gradients at once
    assert together


@needs_native
def test_what_lives_at_once_lies_apart():
    """Look at each step who is still to be read: no two of them, and not what is written, overlap."""
    net = Network(9, [Dense(n, "tanh", norm="layer", dropout=0.2) for n in (9, 30, 5, 17, 64, 9, 9, 33)] + [Dense(2)])
    engine = NativeEngine(TrainConfig(net, get_optimizer("sgd"), 11, n_threads=1))
    plain = engine.plan(11, np.dtype("f4"))
    with raises_naming(LimitError, "at least") as caught:
        under_limit(plain, 0)
    for limit in np.linspace(caught.value.smallest, plain.bytes - 1, 7).astype(int):
        plan = under_limit(plain, int(limit))
        lives = [(i, last_reader(plan.schedule, i), step) for i, step in enumerate(plan.schedule) if not step.back]
        assert len(lives) >= net.L
        for now in range(len(plan.schedule)):
            alive = [span for i, last, step in lives if i <= now <= last for span in places(step, net, plan.m)]
            alive.sort()
            assert all(0 <= start < stop <= plan.bytes for start, stop in alive)
            assert all(one[1] <= other[0] for one, other in itertools.pairwise(alive))


def last_reader(schedule, i):
    """The last step that reads what step i has computed, before the layer is computed again."""
    l = schedule[i].l
    again = next((j for j in range(i + 1, len(schedule)) if schedule[j].l == l and not schedule[j].back), len(schedule))
    readers = [j for j in range(i, again) if j == i or schedule[j].l == l + 1 or (schedule[j].l == l)]
    return max(readers)


def places(step, net, m):
    """(first, one past the last) byte of each array of a forward step; the passing mask is shared by all."""
    size = 4 * m * net.n[step.l]
    starts = {step.a: size, step.z: size} | ({} if step.passing or step.kept < 0 else {step.kept: size // 4})
    return [(start, start + count) for start, count in starts.items()]


@needs_native
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_limit_that_cannot_be_met_names_the_smallest(dtype):
    net = Network(8, [*(Dense(32, "tanh") for _ in range(20)), Dense(1)])
    data, params = Data(np.zeros((64, 8), dtype), np.zeros((64, 1), dtype)), net.init(dtype=dtype)
    with raises_naming(BacklitError, "smallest", "possible", "bytes") as caught:
        trained(net, data, params, 64, 1000)
    smallest = int(str(caught.value).split("possible is ")[1].split()[0])
    trained(net, data, params, 64, smallest)
    with raises_naming(BacklitError, "smallest", f"{smallest} bytes"):
        trained(net, data, params, 64, smallest - 1)


@needs_native
def test_a_limit_above_the_need_changes_nothing():
    net = Network(8, [Dense(32, "tanh"), Dense(1)])
    recipe = TrainConfig(net, get_optimizer("adam"), 16, memory_limit=10**8)
    assert native_engine(recipe).plan(16, np.dtype(float)).schedule == ()


def test_the_reference_engine_says_that_it_keeps_all(caplog):
    warn_once.cache_clear()  # another test may have had it said
    get_engine("reference", TrainConfig(Network(2, [Dense(1)]), get_optimizer("sgd"), 4, memory_limit=1))
    assert "keeps all activations" in caplog.text
