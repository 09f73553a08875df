"""How many processors there are, and how many of them a part of the work may use."""

import math
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest
from threadpoolctl import threadpool_limits

from backlit import processors
from backlit.engine.native_support import allowed_threads
from backlit.processors import at_most, available_processors, loaded_blas, one_blas_thread, quota


def test_quota_of_both_kinds_of_control_group(tmp_path):
    assert quota(tmp_path) == math.inf
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("150000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert quota(tmp_path) == 1.5
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert quota(tmp_path) == math.inf
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert quota(tmp_path) == 0.5


@pytest.fixture
def eight(monkeypatch):
    monkeypatch.setattr(processors, "processors_of_process", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def test_engines_go_by_what_is_left_to_them(eight):
    assert allowed_threads(None) == 8
    with at_most(3):
        assert allowed_threads(None) == 3
        assert allowed_threads(5) == 5, "who asks, gets"
    assert allowed_threads(None) == 8


def test_a_part_of_a_part_is_never_more_and_is_of_this_context_alone(eight):
    before = copy_context()
    with at_most(2), at_most(6):
        assert available_processors() == 2
        assert before.run(available_processors) == 8
    with at_most(20):
        assert available_processors() == 8


def blas_threads():
    return {library.get_num_threads() for library in loaded_blas()}


def test_blas_is_held_from_any_thread_and_let_go_from_another():
    held = one_blas_thread()
    with threadpool_limits(2, user_api="blas"), ThreadPoolExecutor(1) as pool:  # by which this thread alone may set it
        pool.submit(held.__enter__).result()
        assert blas_threads() == {1}
        with one_blas_thread():
            assert pool.submit(blas_threads).result() == {1}
        pool.submit(held.__exit__, None, None, None).result()
        assert blas_threads() == {2}
        with threadpool_limits(1, user_api="blas"):
            assert blas_threads() == {1}, "others may set it again"
