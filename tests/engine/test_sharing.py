"""Threads: how many, and BLAS held to one while the engine's own are at work."""

from itertools import pairwise

import numpy as np
import pytest
from tests.helpers import raises_naming

from backlit import processors
from backlit.core import Dense, Network
from backlit.engine import Data, TrainConfig
from backlit.engine import native_support as module
from backlit.engine.native import NativeEngine
from backlit.engine.native_support import allowed_threads, blas_libraries, one_blas_thread
from backlit.engine.plan import Tiles, make_plan, useful_threads
from backlit.errors import ProblemError
from backlit.optim import get_optimizer
from backlit.processors import set_threads


def test_the_argument_comes_first(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert allowed_threads(3) == 3
    assert allowed_threads(None) == 1


@pytest.mark.parametrize("value", ["", "none", "0", "64,2"])
def test_the_environment_never_asks_for_more_than_there_is(monkeypatch, value):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert allowed_threads(None) == module.available_processors()


@pytest.mark.parametrize("asked", [0, -1, 1.5])
def test_a_number_of_threads_that_cannot_be(asked):
    with raises_naming(ProblemError, "n_threads"):
        allowed_threads(asked)


def test_blas_has_one_thread_inside_and_its_own_number_after(monkeypatch):
    libraries = blas_libraries()
    monkeypatch.setattr(processors, "HELD", {})  # a late job of another test may hold them still
    try:
        for library in libraries:  # one is what the tests have; another test's thread may have set OpenBLAS's before
            set_threads(library, 2)
        with one_blas_thread(), one_blas_thread():
            assert {library.get_num_threads() for library in libraries} <= {1}
        assert [library.get_num_threads() for library in libraries] == [2] * len(libraries)
    finally:
        for library in libraries:
            set_threads(library, 1)


class Library:
    """A BLAS with four threads."""

    filepath, number = "libblas.so", 4

    def get_num_threads(self):
        return self.number

    def set_num_threads(self, number):
        self.number = number


def test_the_last_of_several_callers_gives_blas_its_threads_back(monkeypatch):
    library = Library()
    monkeypatch.setattr(module, "blas_libraries", lambda: [library])
    for _ in range(2):
        with one_blas_thread():
            with one_blas_thread():
                assert library.number == 1
            assert library.number == 1
        assert library.number == 4


def test_small_work_has_one_thread_and_large_work_all():
    assert useful_threads(Network(2, [Dense(16), Dense(16), Dense(2)]), 32, 8) == 1
    assert useful_threads(Network(784, [Dense(256), Dense(10)]), 128, 8) == 8


def test_the_plan_has_the_threads_that_are_asked_for_and_blas_where_it_is():
    net = Network(784, [Dense(512), Dense(512), Dense(10)])
    for asked in (1, 2):
        recipe = TrainConfig(net, get_optimizer("adam"), 256, n_threads=asked)
        for isa in (None, "baseline"):
            engine = NativeEngine(recipe, isa)
            plan = engine.plan(256, np.dtype("f4"))
            assert (plan.threads, plan.uses_blas) == (asked, engine.isa == "baseline")


def test_an_engine_may_be_used_from_several_threads(rng):
    from concurrent.futures import ThreadPoolExecutor

    net = Network(5, [Dense(7, "tanh"), Dense(2)])
    engine, params = NativeEngine(TrainConfig(net, get_optimizer("adam"), 4)), net.init(seed=0)
    data = [Data(rng.standard_normal((9, 5)), rng.standard_normal((9, 2))) for _ in range(30)]
    expected = [engine.loss_and_gradient(params, d)[1] for d in data]
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda d: engine.loss_and_gradient(params, d)[1], data))
    assert all((a == b).all() for a, b in zip(got, expected, strict=True))


def test_the_plan_knows_its_bytes():
    net = Network(3, [Dense(5, "tanh", norm="layer", dropout=0.5), Dense(5, "relu", skip_from=1), Dense(2)])
    plan = make_plan(net, 8, np.float64, threads=2)
    at = {buffer.name: buffer for buffer in plan.buffers}
    assert at["a[1]"].bytes == 8 * 5 * 8
    assert at["kept[1]"].bytes == 8 * 5
    assert plan.start("delta[1]") == plan.start("z[1]")
    assert plan.start("kept[2]") == -1
    ends = sorted((buffer.start, buffer.start + buffer.bytes) for buffer in plan.buffers)
    assert all(stop <= start for (_, stop), (start, _) in pairwise(ends))
    assert plan.bytes >= sum(buffer.bytes for buffer in plan.buffers)


def test_a_batch_of_many_rows_and_a_layer_of_one_unit_have_room_for_the_row_that_is_copied():
    """δᵀ of one unit is a row as long as the batch, and from 1024 numbers on a product copies it."""
    net, tiles = Network(4, [Dense(8, "relu"), Dense(1)]), Tiles()
    few, many = (make_plan(net, m, np.float64, tiles=tiles).panel_numbers for m in (1024, 1025))
    assert few == tiles.panel_rows * tiles.panel
    assert many == few + tiles.copied_step
