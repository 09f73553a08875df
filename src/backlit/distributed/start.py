"""Where a run's parts are computed: a cluster that is there, or processes that are started; and whether it pays."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any

import numpy as np

from backlit.core.network import Network
from backlit.core.parameters import Parameters
from backlit.distributed.crew import Workers
from backlit.distributed.member import Work, serialized
from backlit.distributed.membership import HELLO
from backlit.engine import Data, Engine
from backlit.errors import ProblemError
from backlit.jobs.cluster_client import nothing_collected
from backlit.processors import available_processors
from backlit.training import Settings, Shards
from backlit.training.sharded_engine import ShardedEngine, recipe_of_shards


@contextmanager
def engine_on(
    cluster: Any, net: Network, params: Parameters, shards: Any, settings: Settings, probe: Data
) -> Iterator[ShardedEngine | None]:
    """The engine that computes shards' parts on a cluster, for `fit`; None where all is computed in this process.

    cluster : 0 for this process, a number of processes that are started for it, a scheduler's address or its file, or
    a client.  probe : some rows of the data, by whose gradient workers show that they compute the same bits.
    """
    if not isinstance(shards, Shards) or (isinstance(cluster, int) and not cluster):
        yield None
        return
    recipe = recipe_of_shards(settings.recipe(net), shards)
    rows = np.arange(min(len(probe), recipe.batch_size))
    work = Work(settings.engine, recipe, params.theta, probe.rows(rows), shards.is_sparse)
    with ExitStack() as stack:
        if isinstance(cluster, int):
            cluster = stack.enter_context(processes(cluster))
        workers, engine = stack.enter_context(Workers(cluster, work)), work.start()
        if said := before(workers, engine, shards):
            logging.getLogger("backlit").warning("%s", said)
        yield ShardedEngine(engine, recipe, workers)


@contextmanager
def processes(n: int) -> Iterator[str]:
    """A cluster of n processes of this machine, which ends with the block; its address."""
    try:
        from distributed import LocalCluster
    except ImportError:
        raise ProblemError("shards on several processes need Dask, which is not installed: pip install 'backlit[dask]'"
                           ) from None  # fmt: skip
    threads = max(1, available_processors() // n)
    with nothing_collected():
        cluster = LocalCluster(n_workers=n, threads_per_worker=threads, dashboard_address="127.0.0.1:0",
                               host="127.0.0.1", silence_logs=logging.CRITICAL)  # fmt: skip
    with cluster:
        yield cluster.scheduler_address


def before(workers: Workers, engine: Engine, shards: Shards) -> str:
    """What to say before the first step, if this process alone would be faster; measured here and now."""
    return workers.wait_for(asyncio.run_coroutine_threadsafe(weigh_up(workers, engine, shards), workers.loop))


async def weigh_up(workers: Workers, engine: Engine, shards: Shards) -> str:
    """See `before`; waits for the workers that are there to take part, but not for long."""
    await workers.present()
    if workers.enlisting:
        await asyncio.wait(workers.enlisting.values(), timeout=HELLO)
    members, theta, probe = list(workers.members.values()), workers.work.theta, workers.work.probe
    if not members:
        return ""
    part = await asyncio.to_thread(fastest, partial(workers.work.digest, engine))
    echoes = []
    with suppress(OSError, TimeoutError):
        for _ in range(3):
            began = time.perf_counter()
            asked = [workers.says(member.address, "echo", theta=serialized(theta)) for member in members]
            await asyncio.gather(*asked)
            echoes.append(time.perf_counter() - began)
    rows = sum(shard.batch_size for shard in shards.each)
    return slower(len(members), part * rows / len(probe), min(echoes)) if echoes else ""


def fastest(run: Callable[[], Any]) -> float:
    """The least seconds of three runs."""
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def slower(n: int, alone: float, travel: float) -> str:
    """What to say where n workers take longer for a step than one process, which takes `alone` seconds.

    travel : seconds in which theta goes to all of them and comes back.

    >>> slower(2, alone=0.100, travel=0.010)
    ''
    """
    many = alone / n + travel
    if many <= alone:
        return ""
    them = "1 worker takes" if n == 1 else f"{n} workers take"
    ms = [f"{1e3 * seconds:.1f} ms" for seconds in (many, travel, alone)]
    return (
        f"{them} about {ms[0]} a step, {ms[1]} of it for what travels, and this process alone {ms[2]}: make batches "
        f"larger, or take fewer workers (`backlit cost --workers` counts)"
    )
