"""Streams: the order of an epoch is a function of seed and number, and a resumed run ends with the same bits."""

import subprocess
import sys
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tests.helpers import quick_first, raises_naming
from tests.training import test_checkpoint as checkpoints
from tests.training.runs import killed_at

from backlit.engine import Data
from backlit.errors import ProblemError
from backlit.training import fit
from backlit.training.streaming import blocks, read_ahead

X, Y, W = checkpoints.DATA.X, checkpoints.DATA.Y, checkpoints.DATA.sample_weight


class Pieces:
    """A stream of an array's rows in pieces of given sizes, in an order by epoch."""

    is_sparse = False

    def __init__(self, sizes, data=checkpoints.DATA):
        self.pieces, self.data = [list(pair) for pair in pairwise(np.cumsum([0, *sizes]).tolist())], data
        self.loaded = []

    def __len__(self):
        return self.pieces[-1][1]

    def order(self, seed, epoch, shuffle):
        return (
            np.random.default_rng((seed, epoch)).permutation(len(self.pieces)) if shuffle else range(len(self.pieces))
        )

    def sizes(self, seed, epoch, shuffle):
        return [int(np.ptp(self.pieces[k])) for k in self.order(seed, epoch, shuffle)]

    def loads(self, seed, epoch, shuffle, first, heads):
        for k, head in zip(list(self.order(seed, epoch, shuffle))[first:], heads, strict=True):
            self.loaded.append(int(k))
            rows = slice(*self.pieces[k])
            arrays = (self.data.X, self.data.Y, self.data.sample_weight)
            yield Data(*(a if a is None else np.concatenate([np.full_like(a[:head], np.nan), a[rows]]) for a in arrays))

    def digest(self):
        return [len(self), self.pieces]


SIZES = [20, 3, 1, 17, 12]  # 53 rows; batches of 7 lie across most borders


def seen(stream, batch_size=7, done=0, epoch=1, shuffle=True):
    """The rows of an epoch, batch by batch."""
    found = [data.X[order] for data, order in blocks(stream, 0, epoch, batch_size, done, shuffle)]
    assert all(len(rows) % batch_size == 0 for rows in found[:-1])
    return np.concatenate(found) if found else np.zeros((0, 3))


@pytest.mark.parametrize("sizes", [SIZES, [53], [1] * 53, [52, 1], [4, 49]])
@pytest.mark.parametrize("shuffle", [True, False])
def test_an_epoch_is_every_row_once_and_any_batch_a_place_to_begin(sizes, shuffle):
    whole = seen(Pieces(sizes), shuffle=shuffle)
    assert sorted(map(tuple, whole)) == sorted(map(tuple, X))
    assert shuffle or np.array_equal(whole, X)
    for done in range(9):
        np.testing.assert_array_equal(seen(Pieces(sizes), done=done, shuffle=shuffle), whole[7 * done :])


def test_an_epoch_has_an_order_of_its_own():
    assert not np.array_equal(seen(Pieces(SIZES), epoch=1), seen(Pieces(SIZES), epoch=2))


def test_a_resumed_epoch_reads_nothing_before_its_place():
    stream = Pieces([14, 14, 14, 11])
    seen(stream, done=4)
    assert stream.loaded == list(stream.order(0, 1, True))[2:]


def run(told, folder=None, every=2):
    net = checkpoints.NET
    return fit(net, net.init(seed=1), Pieces(SIZES), told, validation=checkpoints.VALIDATION, checkpoint=folder,
               checkpoint_every=every if folder else None)  # fmt: skip


@pytest.mark.parametrize("optimizer", quick_first(checkpoints.OPTIMIZERS[::-1], 2), ids=str)
@pytest.mark.parametrize("at", quick_first([5, 1]))
def test_every_optimizer_goes_on_to_the_bit(monkeypatch, tmp_path, optimizer, at):
    told = checkpoints.settings(optimizer)
    killed_at(monkeypatch, at, lambda: run(told, tmp_path / "run"))
    checkpoints.same(run(told, tmp_path / "run"), run(told, tmp_path / "whole"))


def test_any_batch_is_a_place_to_stop(monkeypatch, tmp_path):
    told = checkpoints.settings(epochs=2, patience=None)
    whole = run(told, tmp_path / "whole", every=1)
    for at in range(1, 16):  # 8 batches an epoch
        killed_at(monkeypatch, at, partial(run, told, tmp_path / str(at), every=1))
        checkpoints.same(run(told, tmp_path / str(at), every=1), whole)


def test_one_buffer_learns_what_the_same_order_in_memory_does():
    told = checkpoints.settings(shuffle=False)
    streamed = fit(
        checkpoints.NET, checkpoints.NET.init(seed=1), Pieces(SIZES), told, validation=checkpoints.VALIDATION
    )
    memory = checkpoints.train(told)
    np.testing.assert_array_equal(streamed.params.theta, memory.params.theta)


def test_another_stream_is_refused(tmp_path):
    run(checkpoints.settings(), tmp_path)
    with raises_naming(ProblemError, "its data was"):
        checkpoints.train(checkpoints.settings(), tmp_path)


def test_an_error_in_reading_is_raised_where_its_data_would_have_come():
    def items():
        yield 1
        yield 2
        raise OSError("the disk is gone")

    received = read_ahead(items())
    assert [next(received), next(received)] == [1, 2]
    with pytest.raises(OSError, match="the disk is gone"):
        next(received)


MILLION = """
import resource, numpy as np
from backlit.core import Dense, Network
from backlit.engine import Data
from backlit.optim import Sgd
from backlit.training import Settings, fit

draw = np.random.default_rng(0)
data = Data(draw.standard_normal((1_000_000, 8), dtype=np.float32), np.ones((1_000_000, 1), np.float32))
net = Network(8, [Dense(1)])
before, peaks = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, []
told = Settings(optimizer=Sgd(learning_rate=1e-3), epochs=5, batch_size=1000, patience=None)
look = lambda run: peaks.append((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
fit(net, net.init(seed=0, dtype=np.float32), data, told, callbacks=[look])
print(*peaks)
"""


@pytest.mark.slow
def test_a_million_rows_in_memory_take_no_more_memory_with_every_epoch():
    done = subprocess.run([sys.executable, "-c", MILLION], capture_output=True, text=True, check=True)
    first, *_, last = map(float, done.stdout.split())
    assert first < 60  # MB above the data: their order, a copy of it while it is drawn, the engine
    assert last < first + 10


@pytest.mark.slow
def test_training_on_a_folder_takes_no_more_memory_for_more_data():
    script = Path(__file__).parents[2] / "scripts" / "stream_memory.py"
    sizes = ["--gb", "0.005", "0.03", "--buffer-mb", "2", "--epochs", "1", "--rows-of-a-file", "20000"]
    done = subprocess.run(
        [sys.executable, str(script), *sizes, "--limit-mb", "400"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "memory is flat" in done.stdout
