"""Jobs on a Dask cluster: the results of any other executor, whatever dies; and no wait without an end."""

import asyncio
import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from tests.helpers import HANGS, quick_first, raises_naming
from tests.jobs import work
from tests.jobs.clusters import KINDS, Cluster, two_workers
from tests.jobs.test_jobs import started, until  # noqa: F401  # a fixture

from backlit.errors import BacklitError, Divergence, ProblemError
from backlit.jobs import Dask, Job, cluster, run_jobs
from backlit.jobs.cluster_ends import close
from backlit.processors import available_processors

dask = pytest.importorskip("dask")
pytest.importorskip("distributed")
pytestmark = pytest.mark.usefixtures("collected")


@pytest.fixture(autouse=True)
def no_client_is_left():
    """One that nobody closed closes itself when it is collected: here, and not inside a lock of Dask's."""
    yield
    gc.collect()


@pytest.fixture(scope="module", params=KINDS)
def two(request, tmp_path_factory):
    """A cluster of two workers that nobody harms."""
    with two_workers(request.param, tmp_path_factory.mktemp("cluster")) as address:
        yield address


in_processes = pytest.mark.parametrize("two", KINDS[1:], indirect=True)  # which have numbers of their own, or end


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on by `step` with each look at the cluster, so that no busy machine can run out of patience."""
    clock, fault_of = SimpleNamespace(now=0.0, step=0.0), Dask.fault_of

    def look(executor, heard):
        clock.now += clock.step
        return fault_of(executor, heard)

    monkeypatch.setattr(cluster, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(Dask, "fault_of", look)
    return clock


def pids_of(folder):
    return [int(text) for file in folder.glob("*.begun") if (text := file.read_text())]


def test_results_are_in_the_order_of_the_jobs(two):
    told = []
    found = run_jobs([Job(work.power, (3, k)) for k in range(11)], how=two, show=lambda *said: told.append(said))
    assert list(found) == [3**k for k in range(11)]
    assert told == [(done, 11) for done in range(1, 12)]
    assert list(run_jobs([], how=two)) == []
    assert not logging.getLogger("distributed.batched").isEnabledFor(logging.INFO), "its traceback of an end by Ctrl-C"


BITS = [Job(work.trained, (engine, seed)) for engine in ("native", "reference") for seed in range(2)]
BITS += [Job(work.product, (seed,)) for seed in range(2)]


def test_the_bits_are_those_of_this_thread(two):
    assert list(run_jobs(BITS, how=two)) == list(run_jobs(BITS))


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "threads"), [(1, 2), (3, 2)])
def test_the_bits_are_those_of_this_thread_whatever_the_workers(tmp_path, workers, threads):
    with Cluster(tmp_path, workers, threads) as there:
        assert list(run_jobs(BITS, how=there.address)) == list(run_jobs(BITS))


@in_processes
def test_jobs_lie_on_all_workers_and_no_worker_has_more_than_its_threads(two, tmp_path):
    found = list(run_jobs([Job(work.together, (str(tmp_path), k, 2)) for k in range(8)], how=two))
    assert len({pid for pid, _ in found}) == 2
    assert {at_once for _, at_once in found} == {1}


@pytest.mark.slow
def test_a_worker_that_joins_has_jobs_too(tmp_path):
    with Cluster(tmp_path, workers=1) as there:
        found = run_jobs([Job(work.together, (str(tmp_path), k, 2)) for k in range(4)], how=there.address)
        joiner = threading.Thread(target=lambda: until(lambda: pids_of(tmp_path)) and there.add())
        joiner.start()
        assert {pid for pid, _ in found} == {worker.pid for worker in there.workers}
        joiner.join()


@pytest.mark.slow
def test_a_job_has_the_threads_of_its_worker(tmp_path):
    """And not the one of OMP_NUM_THREADS=1, which Dask's nanny sets."""
    here = available_processors()
    with Cluster(tmp_path, workers=1, threads=here) as there:
        assert list(run_jobs([Job(work.threads_here)], how=there.address)) == [(here, {1})]
        assert list(run_jobs([Job(work.threads_here)] * here, how=there.address)) == [(1, {1})] * here
        assert list(run_jobs([Job(work.threads_here)], how=there.address, n_threads=1)) == [(1, {1})]


def test_errors_are_those_of_this_process(two):
    with pytest.raises(Divergence, match="infinite") as caught:
        list(run_jobs([Job(work.diverges, name="fold 3")], how=two))
    assert (caught.value.step, caught.value.layer, caught.value.__notes__) == (7, 2, ["(in fold 3)"])
    assert "in diverges" in str(caught.value.__cause__)
    with pytest.raises((RuntimeError, work.Stubborn), match="a fault in layer 3"):  # Dask may have taught pickle it
        list(run_jobs([Job(work.raises_stubborn)], how=two))
    with pytest.raises((RecursionError, RuntimeError), match="recursion depth"):
        list(run_jobs([Job(work.descends)], how=two))


def test_large_jobs_and_results_are_no_mistake(two):
    n, made = run_jobs([Job(len, (bytes(12_000_000),)), Job(bytes, (30_000_000,))], how=two)
    assert (n, len(made)) == (12_000_000, 30_000_000)


def test_a_client_that_is_given_is_used_and_left_open(two):
    from distributed import Client

    with Client(two) as client:
        assert list(run_jobs([Job(work.power, (2, 3))], how=client)) == [8]
        assert list(run_jobs([Job(work.power, (2, 3))], how="dask")) == [8]
        with Dask(client) as executor:
            assert list(run_jobs([Job(work.power, (2, 3))], how=executor)) == [8]
        assert client.status == "running"


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_cluster_with_tls(tmp_path):
    """By Dask's own settings alone; who has none is turned away in one line."""
    from distributed import Client, LocalCluster
    from distributed.security import Security

    local = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "dashboard_address": ":0"}
    with LocalCluster(**local, protocol="tls://", security=Security.temporary()) as there:
        with Client(there) as client:
            assert client.scheduler.address.startswith("tls://")
            assert list(run_jobs([Job(work.power, (2, k)) for k in range(5)], how=client)) == [1, 2, 4, 8, 16]
        with raises_naming(ProblemError, "tls://", "TLS"):
            list(run_jobs([Job(work.power, (2, 3))], how=there.scheduler_address))


def test_what_jobs_share_is_sent_to_each_worker_once(two, monkeypatch):
    """Also to one that had other things to share before, and again to whoever takes a dead worker's place."""
    from distributed import Client

    sent, scatter = [], Client.scatter

    def counted(self, data, **options):
        sent.append(options["workers"])
        return scatter(self, data, **options)

    monkeypatch.setattr(Client, "scatter", counted)
    for k in range(2):
        table = np.full(100_000, k)
        jobs = [Job(work.total, ({"in it": [table]}, i)) for i in range(9)]
        assert list(run_jobs(jobs, how=two, shared=(table,))) == [k * 100_000 + i for i in range(9)]
    assert sorted(sent) == sorted(2 * [[address] for address in {a for (a,) in sent}])


@pytest.mark.slow
@pytest.mark.parametrize("look", [cluster.LOOK, 3])
def test_what_is_shared_dies_with_a_worker_and_is_sent_again(tmp_path, monkeypatch, look):
    """Also where the scheduler knows of the death long before we look."""
    monkeypatch.setattr(cluster, "LOOK", look)
    table = np.ones(1000)
    jobs = [Job(work.marked_total, (str(tmp_path), table, k)) for k in range(6)]
    with Cluster(tmp_path, workers=2) as there:
        found = run_jobs(jobs, how=there.address, shared=(table,))
        killer = threading.Thread(target=lambda: until(lambda: len(pids_of(tmp_path)) == 2) and there.kill(0))
        killer.start()
        assert list(found) == [1000.0 + k for k in range(6)]
        killer.join()


@pytest.mark.parametrize("fault", [OSError, asyncio.CancelledError])
def test_a_worker_that_gives_no_answer_gets_no_job_before_the_next_look(fault):
    """Else one that died may lose a job as often as a job may be lost, before anybody looks."""
    worker = cluster.Worker(asyncio.Event(), busy=1, holds=("what is shared", None))

    async def send():
        executor = SimpleNamespace(changed=asyncio.Condition(), free_worker=free_worker, reply=reply)
        await Dask.send(executor, cluster.Attempt(), None, "fold 1", [])

    async def free_worker(avoid):
        return "tcp://there", worker

    async def reply(*given):
        raise fault

    with pytest.raises(cluster.Lost, match=r"OSError|tcp://there is gone"):
        asyncio.run(send())
    assert (worker.takes_jobs, worker.holds, worker.busy) == (False, None, 0)


def test_workers_may_go_while_they_are_counted():
    executor = object.__new__(Dask)
    leaving = type("Leaving", (), {"slots": property(lambda worker: len(executor.crew.popitem()))})
    executor.crew = {"here": leaving(), "there": leaving()}
    assert executor.workers == 4


# --- what dies, and what stands still ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_job_whose_worker_dies_is_run_by_another(tmp_path):
    with Cluster(tmp_path, workers=2) as there:
        found = run_jobs([Job(work.waits, (str(tmp_path), k)) for k in range(4)], how=there.address)
        killed = []

        def kill():
            until(lambda: len(pids_of(tmp_path)) == 2)
            killed.append(there.workers[0].pid)
            there.kill(0)
            (tmp_path / "go").touch()

        killer = threading.Thread(target=kill)
        killer.start()
        pids = list(found)
        killer.join()
        assert len(pids) == 4
        assert not set(killed) & set(pids)


@pytest.mark.slow
def test_a_job_that_ends_its_workers_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "LOSSES", 1)
    with Cluster(tmp_path, workers=3) as there:
        found = run_jobs([Job(work.power, (2, 4)), Job(work.dies, (str(tmp_path), 9), "fold 1")], how=there.address)
        assert next(found) == 16
        with raises_naming(BacklitError, "fold 1", "2 workers", "memory"):
            next(found)
    assert len(list(tmp_path.glob("death*"))) == 2


@pytest.mark.slow
def test_a_job_whose_worker_stands_still_is_run_by_another(tmp_path):
    import dask

    with Cluster(tmp_path, workers=1) as there, dask.config.set({"backlit.silent": 2}):
        found = run_jobs([Job(work.waits, (str(tmp_path), k)) for k in range(2)], how=there.address)

        def stop():
            until(lambda: len(pids_of(tmp_path)) == 1)
            there.workers[0].send_signal(signal.SIGSTOP)
            (tmp_path / "go").touch()
            there.add()

        stopper = threading.Thread(target=stop)
        stopper.start()
        pids = list(found)
        stopper.join()
        assert there.workers[0].pid not in pids


@pytest.mark.slow
@pytest.mark.parametrize(("what", "names"), [
    ("no worker at all", ["no worker", "dask worker tcp://"]),
    ("its only worker stands still", ["no worker", "dask worker tcp://"]),
    ("its only worker is killed", ["no worker", "dask worker tcp://"]),
    ("its scheduler is killed", ["scheduler", "does not answer"]),
    ("its scheduler stands still", ["scheduler", "does not answer"]),
])  # fmt: skip
def test_a_cluster_beyond_help_is_one_line(tmp_path, clock, what, names):
    import dask

    limit = 4 if "scheduler" in what else 20  # four times as long as a look waits for an answer
    workers = 0 if what.startswith("no") else 1
    with Cluster(tmp_path, workers) as there, dask.config.set({"backlit.limit": limit}):
        found = run_jobs([Job(work.waits, (str(tmp_path), 0), "fold 1")], how=there.address)

        def harm():
            if there.workers:
                until(lambda: pids_of(tmp_path))
                whom = there.workers[0] if "worker" in what else there.scheduler
                whom.send_signal(signal.SIGKILL if "killed" in what else signal.SIGSTOP)
            clock.step = limit / 4

        harmer = threading.Thread(target=harm)
        harmer.start()
        with raises_naming(BacklitError, *names) as caught:
            next(found)
        harmer.join()
        assert "\n" not in str(caught.value)


def test_a_silent_scheduler_is_not_taken_for_one_without_workers(two, clock):
    """While it is silent nothing is known of its workers, whose last sign of life is older than its last word."""
    executor = Dask(two)  # which nobody enters, so that it does not look at the cluster
    executor.last_life, clock.now = 0.0, 302.0
    assert "does not answer" in executor.fault_of(heard=1.0)
    assert "no worker" in executor.fault_of(heard=301.0)
    assert executor.fault_of(heard=300.0) == ""
    close(executor.client)


@pytest.mark.slow
def test_a_client_that_gives_up_is_one_line(tmp_path):
    """Its loop ends with it, so that nothing there could say so."""
    with Cluster(tmp_path, workers=1) as there, Dask(there.address) as executor:
        executor.client._timeout = 1.0  # how long it tries to connect again
        found = run_jobs([Job(work.waits, (str(tmp_path), 0))], how=executor)
        killer = threading.Thread(target=lambda: until(lambda: pids_of(tmp_path)) and there.scheduler.kill())
        killer.start()
        with raises_naming(BacklitError, "scheduler", "does not answer"):
            next(found)
        killer.join()


def test_no_cluster_at_the_address():
    import dask

    with dask.config.set({"backlit.connect": 1}):
        for address in (
            "tcp://127.0.0.1:9", "127.0.0.1:9", "nowhere.json", "tcp://localhost:port", "http://127.0.0.1:9"
        ):  # fmt: skip
            with raises_naming(ProblemError, address, "dask scheduler") as caught:
                list(run_jobs([Job(work.power, (2, 3))], how=address))
            assert "\n" not in str(caught.value)
    with dask.config.set({"backlit.limit": "soon"}), raises_naming(ProblemError, "backlit.limit", "'soon'", "seconds"):
        run_jobs([Job(work.power, (2, 3))], how="tcp://127.0.0.1:9")
    with raises_naming(ProblemError, "no Dask client"):
        list(run_jobs([Job(work.power, (2, 3))], how="dask"))


@pytest.mark.slow
@pytest.mark.parametrize(("preload", "names"), [
    ("import backlit._version as v; v.__version__ = '0.0.1'", ["backlit 0.0.1", "install"]),
    ("import backlit.jobs.sameness as w; w.version = lambda package: '1.0'", ["numpy 1.0", "install"]),
    ("import backlit.jobs.sameness as w; w.arithmetic_digest = lambda: 'avx2 0'", ["avx2 0", "of one kind"]),
    ("import sys; sys.modules['backlit'] = None", ["backlit", "install"]),
    ("import sys; sys.modules['tests.jobs.work'] = None", ["tests.jobs.work", "install"]),
])  # fmt: skip
def test_other_versions_are_one_line(tmp_path, preload, names):
    file = tmp_path / "preload.py"
    file.write_text(preload)
    with Cluster(tmp_path) as there:
        there.add("--preload", str(file))
        with raises_naming(ProblemError, "fold 1", "tcp://", *names) as caught:
            list(run_jobs([Job(work.power, (2, 3), "fold 1")], how=there.address))
        assert "\n" not in str(caught.value)


def test_a_client_that_nobody_closed_may_be_collected_at_any_time(two, monkeypatch):
    """It closes itself then, for which it wants a lock that Dask holds while it starts another one's loop."""
    import dask
    from distributed import Client
    from distributed.utils import LoopRunner

    left, closed, start = Client(two, set_as_default=False), [], LoopRunner._start_unlocked

    class Unclosed:
        def __init__(self):
            self.itself = self  # so that it goes when it is collected, and not before

        def __del__(self):
            left.close()
            closed.append(left.status)

    def collecting(runner):
        Unclosed()
        assert len([[] for _ in range(100_000)]) == 100_000  # more than the collector waits for
        start(runner)

    monkeypatch.setattr(LoopRunner, "_start_unlocked", collecting)
    with dask.config.set({"backlit.connect": 60}):
        assert list(run_jobs([Job(work.power, (2, 3))], how=two)) == [8]
    gc.collect()
    assert closed[0] == "closed"


def test_an_error_without_words_is_given_some(monkeypatch):
    """Dask's own, where a scheduler takes longer than it may, says nothing."""
    import distributed

    def late(*_, timeout, **__):
        raise TimeoutError

    monkeypatch.setattr(distributed, "Client", type("Client", (), {"__new__": late}))
    with raises_naming(ProblemError, "tcp://127.0.0.1:9", "it takes longer than 300 s"):
        run_jobs([Job(work.power, (2, 3))], how="tcp://127.0.0.1:9")


def test_what_cannot_be_sent_is_said(two):
    with raises_naming(ProblemError, "fold 2", "module"):
        list(run_jobs([Job(lambda: 1, name="fold 2")], how=two))


# --- who leaves -------------------------------------------------------------------------------------------------------

SCRIPT = """
import sys
from backlit.jobs import Job, run_jobs
from tests.jobs import work

jobs = [Job(work.steps, (sys.argv[2], k)) for k in range(6)]
list(run_jobs(jobs, how=sys.argv[1]))
"""


def still_at_work(folder):
    """Whether any job still makes its steps."""
    before = {file: file.read_text() for file in folder.glob("*.steps")}
    time.sleep(0.5)
    return before != {file: file.read_text() for file in folder.glob("*.steps")}


@in_processes
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_a_client_that_leaves_ends_its_jobs(two, tmp_path, started, sign):  # noqa: F811  # the fixture that is imported
    process = started(SCRIPT, two, str(tmp_path))
    assert until(lambda: len(list(tmp_path.glob("*.steps"))) == 2)
    assert until(lambda: still_at_work(tmp_path))
    process.send_signal(sign)
    _, error = process.communicate(timeout=HANGS)
    if sign == signal.SIGINT:
        assert "KeyboardInterrupt" in error.splitlines()
    assert until(lambda: not still_at_work(tmp_path))
    assert len(list(tmp_path.glob("*.steps"))) == 2
    assert list(run_jobs([Job(work.power, (2, 3))] * 4, how=two)) == [8] * 4, "the workers are free again"


def test_an_iterator_that_is_left_ends_the_rest(two, tmp_path):
    found = run_jobs([Job(work.power, (2, 3)), Job(work.steps, (str(tmp_path), 0))], how=two)  # one for each worker
    assert next(found) == 8
    assert until(lambda: list(tmp_path.glob("*.steps")))
    found.close()
    assert until(lambda: not still_at_work(tmp_path))


def test_importing_backlit_imports_no_dask():
    code = "import sys, backlit.api, backlit.tabular; print({'dask', 'distributed'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=HANGS)
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_without_dask_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with raises_naming(ProblemError, "backlit[dask]"):
        list(run_jobs([Job(work.power, (2, 3))], how="tcp://127.0.0.1:8786"))


@pytest.mark.parametrize("n", quick_first([0, 1, 2], 2))
def test_a_number_is_one_of_processes(n):
    pids = set(run_jobs([Job(os.getpid)] * 3, how=n))
    assert (pids == {os.getpid()}) == (n == 0)


def test_who_listens_and_says_nothing_is_no_scheduler():
    """Dask's own timeout is for the connection, and not for the first word."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent, dask.config.set({"backlit.connect": 1}):
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ProblemError, match=r"no Dask scheduler answers at .*look at the address"):
            list(run_jobs([Job(work.power, (2, 3))], how=address))
