"""A network on a cluster's workers: the bits of one process, whoever dies, joins, stands still or is unlike."""

import asyncio
import gc
import logging
import os
import pickle
import signal
import subprocess
import sys
import time
from collections import deque
from concurrent.futures import Future
from contextlib import ExitStack, nullcontext
from functools import partial
from itertools import chain, repeat
from types import SimpleNamespace

import numpy as np
import pytest
from tests.commands import KILLED
from tests.helpers import HANGS, quick_first, raises_naming
from tests.jobs.clusters import KINDS, Cluster, threads_of_this_process, two_workers

from backlit import processors
from backlit.core import Dense, Network
from backlit.distributed import Workers, membership
from backlit.distributed.crew import DEADLINE, Attempt
from backlit.distributed.member import Desk, Work, desk_of
from backlit.engine import Data
from backlit.errors import BacklitError, Divergence, ProblemError
from backlit.formats.models import load_model
from backlit.training import Settings, Shards, fit

dask = pytest.importorskip("dask")
pytest.importorskip("distributed")
pytestmark = pytest.mark.usefixtures("collected")
S = 6
RNG = np.random.default_rng(0)
X = RNG.standard_normal((900, 5)).astype(np.float32)
DATA = Data(X, X[:, :1] * X[:, 1:2])
NET = Network(5, [Dense(16, "relu", norm="batch", dropout=0.1), Dense(9, "tanh"), Dense(1)], l2=1e-3)
SETTINGS = Settings(epochs=3, batch_size=60, patience=None, clip_norm=1.0)
SHARDS = Shards.deal(DATA, S, SETTINGS)


def train(cluster=0, callbacks=(), shards=SHARDS, settings=SETTINGS, net=NET, each_step=None):
    """One run; `each_step(workers)` is called before each step that is asked of workers."""
    from backlit.distributed import engine_on

    params = net.init(seed=1, dtype=np.float32)
    with engine_on(cluster, net, params, shards, settings, DATA) as engine:
        if each_step is not None:
            whole = engine.crew.whole

            def stepping(*given):
                each_step(engine.crew)
                return whole(*given)

            engine.crew.whole = stepping
        outcome = fit(net, params, shards, settings, callbacks=callbacks, engine=engine)
    if outcome.divergence is not None:
        raise outcome.divergence
    return outcome


def bits(outcome):
    kept = [*outcome.statistics.mean, *outcome.statistics.variance]
    return b"".join(a.tobytes() for a in (outcome.params.theta, *outcome.state.slots, *kept) if a is not None)


@pytest.fixture(autouse=True)
def no_client_is_left():
    """One that nobody closed closes itself when it is collected: here, and not inside a lock of Dask's."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def expected():
    return bits(train())


@pytest.fixture(scope="module", params=KINDS)
def two(request, tmp_path_factory):
    """The address of a cluster of two workers that nobody harms."""
    with two_workers(request.param, tmp_path_factory.mktemp("two")) as address:
        yield address


def until(crew, n, limit=HANGS):
    """Wait until so many workers take part."""
    end = time.monotonic() + limit
    while len(crew.members) < n:
        assert time.monotonic() < end, "workers do not take part"
        time.sleep(0.05)


class Before:
    """Does something before a step: {its number: a function of the workers}."""

    def __init__(self, acts):
        self.acts, self.n = acts, 0

    def __call__(self, crew):
        self.n += 1
        self.acts.get(self.n, lambda crew: None)(crew)


both = partial(until, n=2)


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "threads"), [(1, 2), (3, 1)])
def test_the_same_bits_on_any_number_of_workers_and_threads(tmp_path, expected, workers, threads):
    with Cluster(tmp_path, workers, threads) as cluster:
        assert bits(train(cluster.address, each_step=Before({1: partial(until, n=workers)}))) == expected


@pytest.mark.slow
def test_a_dead_worker_is_noticed_without_a_look_at_the_cluster(tmp_path, expected, monkeypatch):
    """The connection to it breaks, and the step goes on elsewhere; from the second step on nobody looks or is late."""
    limits = dask.config.set({"distributed.comm.timeouts.connect": 1e6})  # Dask's own tries would not end
    with Cluster(tmp_path, workers=2) as cluster, limits:
        there = []

        def look_away(crew):
            crew.update = lambda told: None
            for module in ("distributed.crew", "distributed.membership"):
                monkeypatch.setattr(f"backlit.{module}.LOOK", 1e6)
            monkeypatch.setattr("backlit.distributed.crew.DEADLINE", 1e6)
            crew.usual = 1e6

        def count(crew):
            there.append(len(crew.members))

        acts = Before({1: both, 2: look_away, 3: lambda crew: (count(crew), cluster.kill(0)), 6: count})
        assert bits(train(cluster.address, each_step=acts)) == expected
        assert there == [2, 1]


@pytest.mark.parametrize(
    "settings",
    quick_first([SETTINGS, Settings(epochs=2, batch_size=60, engine="reference")]),
    ids=lambda s: s.engine,
)
def test_history_and_callbacks_are_those_of_one_process(two, settings):
    shards, seen = Shards.deal(DATA, S, settings), []
    here = train(settings=settings, shards=shards)
    there = train(two, settings=settings, shards=shards, callbacks=[lambda run: seen.append(run.state.step)])
    assert bits(here) == bits(there)
    assert here.history.column("loss") == there.history.column("loss")
    assert here.history.column("gradient_norms") == there.history.column("gradient_norms")
    assert seen == [(epoch + 1) * shards.n_batches for epoch in range(settings.epochs)]


def test_the_bytes_that_travel_are_those_that_cost_counts(monkeypatch, two):
    from backlit.costs.workers import bytes_of_step
    from backlit.distributed import crew

    sent, received = [], []
    monkeypatch.setattr(
        crew, "serialized", lambda theta, pack=crew.serialized: (sent.append(theta.nbytes), pack(theta))[1]
    )
    monkeypatch.setattr(
        crew,
        "received",
        lambda reply, read=crew.received: (received.extend(g.nbytes for g in reply["grads"]), read(reply))[1],
    )
    monkeypatch.setattr(crew, "DEADLINE", 1e6)  # or a busy machine has a part asked for twice
    shards = Shards.deal(DATA, 2, SETTINGS)

    def begin(crew):
        both(crew)
        sent.clear()  # of what was weighed up before the first step

    outcome = train(two, shards=shards, each_step=Before({1: begin}))
    theta = outcome.params.theta.nbytes
    assert sum(sent) + sum(received) == outcome.state.step * bytes_of_step(theta, workers=2)
    assert sum(sent) == sum(received) == outcome.state.step * 2 * theta


@pytest.mark.slow
def test_workers_die_and_join(tmp_path, expected):
    with Cluster(tmp_path, 2) as cluster:

        def replace(crew):
            cluster.kill(0)
            cluster.add()

        told = Before({1: both, 9: replace, 16: both})
        assert bits(train(cluster.address, each_step=told)) == expected


@pytest.mark.slow
def test_a_worker_that_stands_still_is_passed_over_and_comes_back(monkeypatch, tmp_path, expected):
    monkeypatch.setattr("backlit.distributed.crew.DEADLINE", 0.5)
    with Cluster(tmp_path, 2) as cluster:
        stopped = cluster.workers[0]

        def stop(crew):
            crew.usual = 0.5
            os.kill(stopped.pid, signal.SIGSTOP)

        def wake(crew):
            assert [member.late for member in tuple(crew.members.values())].count(True) == 1
            os.kill(stopped.pid, signal.SIGCONT)

        try:
            assert bits(train(cluster.address, each_step=Before({1: both, 5: stop, 12: wake}))) == expected
        finally:
            os.kill(stopped.pid, signal.SIGCONT)


@pytest.mark.slow
def test_where_all_stand_still_a_run_ends_with_a_line(monkeypatch, tmp_path):
    monkeypatch.setattr("backlit.distributed.crew.DEADLINE", 0.5)
    monkeypatch.setattr("backlit.distributed.Workers.fault_of", lambda crew, heard: "")  # a busy scheduler is no fault
    with Cluster(tmp_path, 1) as cluster:

        def stop(crew):
            crew.usual = 0.5
            os.kill(cluster.workers[0].pid, signal.SIGSTOP)
            limited.enter_context(dask.config.set({"backlit.limit": 3}))

        said = r"worker .*answer.* for 3 seconds.*: .*, then give the same command again"
        with ExitStack() as limited, pytest.raises(BacklitError, match=said):
            train(cluster.address, each_step=Before({3: stop}))


# --- the same by threads of this process, where a worker leaves or waits when it is told ------------------------------


def test_a_worker_that_leaves_is_done_without(expected):
    with threads_of_this_process(2) as cluster:
        leaving, there = cluster.workers[0], []
        told = {1: both, 3: lambda crew: cluster.sync(leaving.close), 6: lambda crew: there.append(len(crew.members))}
        assert bits(train(cluster.scheduler_address, each_step=Before(told))) == expected
        assert there == [1]
    end = time.monotonic() + HANGS
    while processors.HELD:
        assert time.monotonic() < end, "the task of a worker that has left goes on, and holds BLAS"
        time.sleep(0.01)


@pytest.fixture
def asleep(monkeypatch):
    """The desks of workers that are not to answer until they are taken out of this list."""
    answer, sleeping = Desk.answer, []

    async def answer_awake(desk, token, what, **given):
        while desk in sleeping:
            await asyncio.sleep(0.01)
        return await answer(desk, token, what, **given)

    monkeypatch.setattr(Desk, "answer", answer_awake)
    monkeypatch.setattr("backlit.distributed.crew.DEADLINE", 0.2)
    yield sleeping
    sleeping.clear()


def test_a_worker_that_is_late_is_passed_over_and_comes_back(asleep, expected):
    with threads_of_this_process(2) as cluster:

        def fall_asleep(crew):
            crew.usual = 0.2
            asleep.append(desk_of(cluster.workers[0]))

        def wake(crew):
            assert [member.late for member in tuple(crew.members.values())].count(True) == 1
            asleep.clear()

        told = Before({1: both, 5: fall_asleep, 12: wake})
        assert bits(train(cluster.scheduler_address, each_step=told)) == expected


def test_where_none_answers_a_run_ends_with_a_line(asleep):
    with threads_of_this_process(1) as cluster, ExitStack() as limited:

        def fall_asleep(crew):
            crew.usual = 0.2
            asleep.append(desk_of(cluster.workers[0]))
            limited.enter_context(dask.config.set({"backlit.limit": 1}))

        with raises_naming(BacklitError, "worker", "1 seconds", "then give the same command again"):
            train(cluster.scheduler_address, each_step=Before({3: fall_asleep}))


@pytest.mark.parametrize("unlike", [1, 2])
def test_a_worker_whose_gradient_is_not_ours_is_left_out(monkeypatch, expected, caplog, unlike):
    digests = chain(["ours"], ["theirs"] * unlike, repeat("ours"))
    monkeypatch.setattr(Work, "digest", lambda work, engine: next(digests))
    said = "computes other bits than this process"
    with threads_of_this_process(2) as cluster, caplog.at_level(logging.WARNING, "backlit"):
        if unlike == 2:
            with pytest.raises(ProblemError, match=said):
                train(cluster.scheduler_address)
        else:
            assert bits(train(cluster.scheduler_address)) == expected
    assert said in caplog.text


# --- workers that are processes ---------------------------------------------------------------------------------------

OTHER_BITS = """
from dataclasses import replace
from backlit.engine import ReferenceEngine

def partial(*given, right=ReferenceEngine.partial):
    found = right(*given)
    return replace(found, grad=found.grad * (1 + 2**-20))

ReferenceEngine.partial = partial
"""


@pytest.mark.slow
def test_a_worker_with_other_bits_is_left_out_with_a_line(tmp_path, caplog):
    settings = Settings(epochs=1, batch_size=60, engine="reference")
    told = {"settings": settings, "shards": Shards.deal(DATA, S, settings)}
    expected = bits(train(**told))
    (tmp_path / "other.py").write_text(OTHER_BITS)
    with Cluster(tmp_path, 0) as cluster, caplog.at_level(logging.WARNING, "backlit"):
        cluster.add("--preload", str(tmp_path / "other.py"))
        with pytest.raises(ProblemError, match=r"computes other bits than this process .*use machines of one kind"):
            train(cluster.address, **told)
        cluster.add()
        cluster.complete()

        def refused(crew):
            until(crew, 1)
            while not crew.refused:
                time.sleep(0.05)

        assert bits(train(cluster.address, each_step=Before({1: refused}), **told)) == expected
    assert "computes other bits than this process" in caplog.text


@pytest.mark.parametrize("lives", [True, False])
def test_a_first_gradient_may_take_long_if_its_worker_says_hello(monkeypatch, lives):
    monkeypatch.setattr(membership, "HELLO", 0.01)
    ended, hellos = [], []

    async def says(address, what, limit=0):
        if what == "hello":
            hellos.append(limit)
            if not lives:
                raise TimeoutError("no hello")
            return {"here": True}
        try:
            while len(hellos) < 3:
                await asyncio.sleep(0)
            return {"digest": "its bits"}
        finally:
            ended.append(what)

    digest = membership.Membership.digest_of(SimpleNamespace(says=says), "tcp://there")
    with nullcontext() if lives else pytest.raises(TimeoutError, match="no hello"):
        assert asyncio.run(digest) == {"digest": "its bits"}
    assert (len(hellos), ended) == (3 if lives else 1, ["digest"])


def test_a_lost_member_is_dismissed_and_another_error_is_raised():
    def attempt(error):
        reply = Future()
        reply.set_exception(error)
        return Attempt(SimpleNamespace(address="tcp://there"), reply)

    dismissed = []
    crew = SimpleNamespace(dismiss=dismissed.append)
    for error in (OSError("cut off"), TimeoutError("no answer")):
        attempts = [attempt(error)]
        assert Workers.settled(crew, attempts) is None
        assert attempts == []
    assert dismissed == ["tcp://there"] * 2
    with pytest.raises(KeyError, match="a mistake"):
        Workers.settled(crew, [attempt(KeyError("a mistake"))])


@pytest.mark.parametrize(("seconds", "usual"), [(0.1, DEADLINE), (3.0, 30.0)])
def test_an_answer_is_late_after_ten_times_the_usual_seconds_but_not_before_the_deadline(monkeypatch, seconds, usual):
    async def asks(member, what, **given):
        return {"small": pickle.dumps([]), "grads": []}

    clock = iter([100.0, 100.0 + seconds])
    monkeypatch.setattr("backlit.distributed.crew.time", SimpleNamespace(monotonic=lambda: next(clock)))
    crew = SimpleNamespace(asks=asks, seconds=deque(), usual=DEADLINE)
    nothing = SimpleNamespace(each=[])
    assert asyncio.run(Workers.parts_of(crew, SimpleNamespace(holds=set()), (0, 0), np.zeros(3), nothing, None)) == []
    assert crew.usual == usual


def test_an_error_is_the_one_of_one_process(two):
    broken = X.copy()
    broken[100] = np.inf
    shards = Shards.deal(Data(broken, DATA.Y), S, SETTINGS)
    said = []
    for cluster in (0, two):
        with pytest.raises(Divergence, match=r"a\[0\] is not finite") as caught:
            train(cluster, shards=shards)
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_nothing_is_left_on_the_workers(two):
    from distributed import Client

    train(two, each_step=Before({1: both}))
    with Client(two, set_as_default=False) as client:
        end = time.monotonic() + HANGS
        while any(client.run(members_there).values()):
            assert time.monotonic() < end, "a long task goes on although nobody waits"
            time.sleep(0.1)


def members_there(dask_worker):
    return len(dask_worker.handlers["backlit_shards"].__self__.members)


def table(folder):
    import polars as pl

    folder.mkdir()
    for k in range(3):
        x = np.random.default_rng(k).standard_normal((3000, 3))
        frame = pl.DataFrame({"size": x[:, 0], "age": x[:, 1], "rooms": x[:, 2], "price": x @ [3, -2, 1]})
        frame.write_parquet(folder / f"{k}.parquet", row_group_size=1000)
    told = ("--target", "price", "--hidden", "8", "--epochs", "2", "--buffer-mb", "0.1", "--shards", "3")
    return ["train", str(folder), *told]


@pytest.mark.slow
def test_a_command_killed_on_a_cluster_goes_on_anywhere(capsys, tmp_path, two):
    from backlit.cli import main

    told = table(tmp_path / "sales")
    run = [*told, "--checkpoint", str(tmp_path / "run"), "--checkpoint-every", "20"]
    killed = subprocess.run([sys.executable, "-c", KILLED, *run, "--cluster", two], check=False)
    assert killed.returncode == -signal.SIGKILL
    for name, command in (("here", told), ("there", [*run, "--cluster", two])):
        assert main([*command, "--out", str(tmp_path / f"{name}.safetensors")]) == 0
    one, other = (load_model(tmp_path / f"{name}.safetensors").params.theta for name in ("here", "there"))
    assert one.tobytes() == other.tobytes()


@pytest.mark.slow
def test_processes_of_this_machine(expected):
    assert bits(train(2)) == expected


@pytest.mark.parametrize(
    ("alone", "travel", "said"), [(0.01, 0.004, ""), (0.01, 0.006, "2 workers take about 11.0 ms")]
)
def test_a_run_that_would_be_slower_says_so(alone, travel, said):
    from backlit.distributed.crew import slower

    assert slower(2, alone, travel).startswith(said)
    assert bool(slower(2, alone, travel)) == bool(said)


def test_it_is_said_before_the_first_step(monkeypatch, two, caplog):
    says = Workers.says
    monkeypatch.setattr("backlit.distributed.crew.fastest", lambda run: 1e-9)
    monkeypatch.setattr(  # an echo that a busy machine sends late is measured too
        Workers, "says", lambda crew, address, what, limit=0.0, **given: says(crew, address, what, HANGS, **given)
    )
    said = []
    with caplog.at_level(logging.WARNING, "backlit"):
        train(two, each_step=Before({1: lambda crew: said.extend(caplog.records)}))
    assert [record.name for record in said if record.name == "backlit"] == ["backlit"]
    assert "of it for what travels, and this process alone" in caplog.text
