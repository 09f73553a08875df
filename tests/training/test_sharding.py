"""Shards: a run is a function of data, seed, settings and their number; and it stops, resumes and errs as any other."""

import numpy as np
import pytest
from tests.helpers import quick_first
from tests.training import test_checkpoint as checkpoints
from tests.training.runs import killed_at
from tests.training.test_checkpoint import NET, same, settings, train
from tests.training.test_streaming import SIZES, Pieces

from backlit.engine import Data, get_engine
from backlit.errors import Divergence, ProblemError
from backlit.training import Shards
from backlit.training.sharding import Reader, Step

BARE = Data(checkpoints.DATA.X, checkpoints.DATA.Y)
WEIGHTED = checkpoints.DATA


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_one_shard_is_no_shard(engine):
    told = settings(engine=engine, clip_norm=0.1)
    same(train(told, data=Shards.deal(BARE, 1, told)), train(told, data=BARE))


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("data", [BARE, WEIGHTED], ids=["bare", "weighted"])
def test_the_shards_engine_is_the_step_of_all_rows(engine, data):
    """Without shuffling and norm, three shards dealt one by one take the very rows that a batch of 9 has."""
    net = checkpoints.Network(3, [checkpoints.Dense(6, "tanh"), checkpoints.Dense(1)], l2=0.01)
    told = settings(engine=engine, batch_size=9, shuffle=False, optimizer="sgd")
    one, three = train(told, data=data, net=net), train(told, data=Shards.deal(data, 3, told), net=net)
    np.testing.assert_allclose(one.params.theta, three.params.theta, rtol=1e-9)
    np.testing.assert_allclose(one.history.column("loss"), three.history.column("loss"), rtol=1e-9)


def test_every_row_is_learned_once_an_epoch():
    told = settings(batch_size=10)
    shards = Shards.deal(Data(np.arange(53.0)[:, None], np.zeros((53, 1))), 4, told)
    readers = [Reader(shard) for shard in shards.each]
    for epoch in (1, 2):
        taken = [[reader.batch(epoch, batch) for reader in readers] for batch in range(shards.n_batches)]
        rows = [data.X[order, 0] for step in taken for data, order in filter(None, step)]
        assert sorted(np.concatenate(rows)) == list(range(53))
        assert max(sum(len(order) for _, order in filter(None, step)) for step in taken) == 10


@pytest.mark.parametrize("stream", [False, True])
def test_a_part_is_the_same_wherever_a_reader_begins(stream):
    """What a worker computes that takes a shard over, asks twice, or begins in the middle."""
    told = settings(engine="reference")
    sources = [Pieces(SIZES, BARE), Pieces([5, 30, 18], BARE)]
    shards = Shards.of(sources, told) if stream else Shards.deal(BARE, 2, told)
    engine, params = get_engine("reference", told.recipe(NET)), NET.init(seed=1)
    for shard in shards.each:
        through, steps = Reader(shard), [Step(2, batch, 9 + batch, 7.0, 0) for batch in range(shards.n_batches)]
        expected = [through.part(engine, params, step) for step in steps]
        jumping = Reader(shard)
        for batch in (3, 3, 0, 5, 1, 2, 3):
            found = jumping.part(engine, params, steps[batch])
            assert found.grad.tobytes() == expected[batch].grad.tobytes(), batch
        jumping.close()
        through.close()
    assert expected[0].grad.tobytes() != expected[1].grad.tobytes()


@pytest.mark.parametrize("S", [2, 5])
def test_shards_of_another_number_are_another_run(S):
    told = settings()
    first, second = (train(told, data=Shards.deal(BARE, S, told)) for _ in range(2))
    same(first, second)
    assert (first.params.theta != train(told, data=BARE).params.theta).any()


@pytest.mark.parametrize("at", quick_first([4, 1, 9]))
@pytest.mark.parametrize("stream", [False, True])
def test_a_broken_run_ends_with_the_same_bits(monkeypatch, tmp_path, at, stream):
    told = settings()

    def run(folder):
        sources = [Pieces(SIZES, BARE), Pieces([30, 5], BARE)]
        return train(told, folder, data=Shards.of(sources, told) if stream else Shards.deal(WEIGHTED, 3, told))

    killed_at(monkeypatch, at, lambda: run(tmp_path / "run"))
    same(run(tmp_path / "run"), run(tmp_path / "whole"))


def test_a_run_of_other_shards_is_not_taken_up(tmp_path):
    told = settings(epochs=1)
    train(told, tmp_path, data=Shards.deal(BARE, 3, told))
    with pytest.raises(ProblemError, match="belongs to another run: its data was"):
        train(told, tmp_path, data=Shards.deal(BARE, 4, told))


def test_uneven_shards_count_by_their_rows():
    """Of 20, 3 and 30 rows; the smallest is over first, and its place in the tree is then empty."""
    told = settings(batch_size=53, shuffle=False, optimizer="sgd", epochs=1)
    cuts = [slice(0, 20), slice(20, 23), slice(23, 53)]
    shards = Shards.of([BARE.take(np.arange(53)[rows]) for rows in cuts], told)
    assert [shard.batch_size for shard in shards.each] == [20, 3, 30]
    net = checkpoints.Network(3, [checkpoints.Dense(6, "tanh"), checkpoints.Dense(1)])
    one, three = train(told, data=BARE, net=net), train(told, data=shards, net=net)
    np.testing.assert_allclose(one.params.theta, three.params.theta, rtol=1e-12)


@pytest.mark.parametrize(
    ("S", "batch_size", "complaint"),
    [
        (54, 60, "54 shards need 54 training rows, and there are 53: give fewer shards"),
        (8, 7, "batches of 7 rows cannot have one of each of 8 shards: make batches larger, or give fewer shards"),
        (0, 7, "shards must be at least 1, not 0"),
    ],
)
def test_numbers_that_do_not_go_together(S, batch_size, complaint):
    with pytest.raises(ProblemError, match=complaint):
        Shards.deal(BARE, S, settings(batch_size=batch_size))


def test_a_shard_without_rows_is_refused():
    with pytest.raises(ProblemError, match="shard 1 of 2 has no rows: give fewer shards"):
        Shards.of([BARE, BARE.take(np.arange(0))], settings())


def test_a_stream_with_weights_is_refused():
    told = settings()
    with pytest.raises(ProblemError, match="a stream with weights cannot be shared out"):
        train(told, data=Shards.of([Pieces(SIZES, WEIGHTED)] * 2, told))


def test_a_divergence_names_the_step():
    X = BARE.X.copy()
    X[17] = np.inf
    told = settings(epochs=1, shuffle=False)
    outcome = train(told, data=Shards.deal(Data(X, BARE.Y), 3, told))
    assert outcome.history.stopped == "diverged"
    assert isinstance(outcome.divergence, Divergence)
    assert "step 3: a[0] is not finite" in str(outcome.divergence)


def test_sparse_rows_are_the_dense_ones():
    from scipy.sparse import csr_matrix

    told = settings()
    sparse = Data(csr_matrix(BARE.X), BARE.Y)
    same(train(told, data=Shards.deal(sparse, 3, told)), train(told, data=Shards.deal(BARE, 3, told)))


def test_the_noise_scale_is_that_of_the_rows_gradients():
    """tr(Σ) / |G|² by each row's own gradient, at parameters that hardly move."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((6000, 3))
    data = Data(X, X[:, :1] + rng.standard_normal((6000, 1)))
    net = checkpoints.Network(3, [checkpoints.Dense(4, "tanh"), checkpoints.Dense(1)])
    told = settings(batch_size=60, optimizer={"name": "sgd", "learning_rate": 1e-9}, epochs=1)
    params, outcome = net.init(seed=1), train(told, data=Shards.deal(data, 6, told), net=net)
    engine = get_engine("reference", told.recipe(net))
    each = np.array([engine.loss_and_gradient(params, data.rows(np.array([i])))[1] for i in range(0, 6000, 3)])
    G = each.mean(axis=0)
    expected = each.var(axis=0).sum() / (G @ G)
    assert outcome.engine.noise_scale.rows == pytest.approx(expected, rel=0.2)
    assert 5 < expected < 1000
