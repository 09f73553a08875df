"""A step on many workers: which of them computes which shards' parts, and what happens when one does not answer.

All state of the training is here, so a worker that dies takes nothing along: what it was asked for is asked of another
one, which reads one buffer and goes on.  No result hangs on who answered.
"""

import asyncio
import logging
import pickle
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from backlit.core.network import Network
from backlit.core.parameters import Parameters
from backlit.distributed.member import Work, received, serialized
from backlit.distributed.membership import HELLO, Member, Membership, error_of
from backlit.engine import Data, Engine
from backlit.engine.base import Partial
from backlit.errors import ProblemError
from backlit.jobs.cluster import LOOK
from backlit.jobs.cluster_ends import nothing_collected
from backlit.processors import available_processors
from backlit.training import Settings, Shards
from backlit.training.sharding import Node, ShardedEngine, Step, recipe_of_shards, tree_sum

DEADLINE = 5.0  # seconds, or 10 times the usual ones, after which another worker is asked as well


@dataclass(eq=False)
class Attempt:
    """Shards' parts that a member is asked for."""

    member: Member
    reply: asyncio.Task[list[tuple[Node, Partial]]]
    began: float = field(default_factory=time.monotonic)


class Workers(Membership):
    """Computes the parts of steps on the members of a run; see `training.sharding.Crew`."""

    def __init__(self, cluster: Any, work: Work):
        super().__init__(cluster, work)
        self.seconds: deque[float] = deque(maxlen=101)
        self.usual = DEADLINE

    def whole(self, params: Parameters, shards: Shards, step: Step) -> Partial | None:
        """The sum of all shards' parts; see `Crew.whole`."""
        return self.wait_for(asyncio.run_coroutine_threadsafe(self.gather(params.theta, shards, step), self.loop))

    async def gather(self, theta: np.ndarray, shards: Shards, step: Step) -> Partial | None:
        """Ask members for the parts of a step until all are there; the first answer counts."""
        S, parts = len(shards.each), dict[Node, Partial]()
        waiting: dict[Node, list[Attempt]] = {}
        try:
            for node, member in assigned(await self.present(), S):
                waiting[node] = [self.ask(member, node, theta, shards, step)]
            while waiting:
                replies = {attempt.reply for attempts in waiting.values() for attempt in attempts}
                if replies:
                    await asyncio.wait(replies, timeout=self.patience(waiting), return_when=asyncio.FIRST_COMPLETED)
                else:
                    await asyncio.sleep(0.05)
                self.raise_fault()
                for node, attempts in list(waiting.items()):
                    found = self.settled(attempts)
                    if found is not None:
                        parts.update(found)
                        del waiting[node]
                    elif not any(self.in_time(attempt) for attempt in attempts):
                        other = await self.another(attempts)
                        if other is not None:
                            attempts.append(self.ask(other, node, theta, shards, step))
            return tree_sum(parts.get, (0, S))
        finally:
            for attempts in waiting.values():
                for attempt in attempts:
                    attempt.reply.cancel()

    def ask(self, member: Member, node: Node, theta: np.ndarray, shards: Shards, step: Step) -> Attempt:
        """Begin to ask a member for the parts of shards in a row."""
        return Attempt(member, asyncio.create_task(self.parts_of(member, node, theta, shards, step)))

    async def parts_of(
        self, member: Member, node: Node, theta: np.ndarray, shards: Shards, step: Step
    ) -> list[tuple[Node, Partial]]:
        """The parts, from a member that is given what it lacks; raises OSError where it is lost."""
        began = time.monotonic()
        lacks = [shard for shard in shards.each[slice(*node)] if shard.number not in member.holds]
        if lacks:
            await self.asks(member, "take", shards=pickle.dumps(lacks))
            member.holds |= {shard.number for shard in lacks}
        given = {"theta": serialized(theta), "part": list(node), "S": len(shards.each), "step": pickle.dumps(step)}
        reply = await self.asks(member, "parts", **given)
        self.heard, member.late = time.monotonic(), False
        if "error" in reply:
            raise Failed(error_of(pickle.loads(reply["error"])))
        if not reply:
            raise OSError(f"{member.address}: its task has ended")
        self.seconds.append(self.heard - began)
        self.usual = max(DEADLINE, 10 * median(self.seconds)) if len(self.seconds) % 10 == 1 else self.usual
        return received(reply)

    def settled(self, attempts: list[Attempt]) -> list[tuple[Node, Partial]] | None:
        """The first answer among attempts, if there is one; those whose member is lost are taken out."""
        for attempt in [attempt for attempt in attempts if attempt.reply.done()]:
            error = attempt.reply.exception()
            if error is None:
                self.leave(attempts, attempt)
                return attempt.reply.result()
            if isinstance(error, Failed):
                raise error.error
            if not isinstance(error, OSError | TimeoutError):
                raise error
            attempts.remove(attempt)
            self.dismiss(attempt.member.address)
        return None

    def leave(self, attempts: list[Attempt], first: Attempt) -> None:
        """Let members that are late go on, so that it shows when they are not any more; nobody looks at their parts."""

        def look(reply: asyncio.Task[Any], member: Member) -> None:
            if not reply.cancelled() and isinstance(reply.exception(), OSError):
                self.dismiss(member.address)

        for attempt in attempts:
            if attempt is not first:
                attempt.member.late = not attempt.reply.done()
                attempt.reply.add_done_callback(partial(look, member=attempt.member))

    def in_time(self, attempt: Attempt) -> bool:
        """Whether an answer may still come as soon as usual."""
        gone = attempt.member.address not in self.crew
        return not gone and time.monotonic() - attempt.began < self.usual

    def patience(self, waiting: dict[Node, list[Attempt]]) -> float:
        """Seconds until the next attempt is late, but not longer than from one look to the next."""
        now = time.monotonic()
        begun = [max(attempt.began for attempt in attempts) for attempts in waiting.values() if attempts]
        return min([LOOK, *(due + 0.001 for began in begun if (due := began + self.usual - now) > 0)])

    async def another(self, attempts: list[Attempt]) -> Member | None:
        """A member that is not asked yet and answers; the late ones are asked whether they live."""
        asked = {attempt.member for attempt in attempts}
        for member in asked:
            member.late = True
        for member in sorted(self.members.values(), key=lambda member: member.late):
            with suppress(OSError, TimeoutError):
                if await self.says(member.address, "hello", 1.0):
                    self.heard = time.monotonic()
                    if member not in asked and not member.late:
                        return member
        return None


class Failed(Exception):
    """A part has an error of its own, which no other worker would spare."""

    def __init__(self, error: Exception):
        self.error = error
        super().__init__(str(error))


def assigned(members: list[Member], S: int) -> Iterator[tuple[Node, Member]]:
    """Shards in a row for each member, as even as can be.

    >>> [node for node, _ in assigned([Member("a", 1), Member("b", 1), Member("c", 1)], 8)]
    [(0, 2), (2, 5), (5, 8)]
    """
    n = min(len(members), S)
    for k, member in enumerate(members[:n]):
        yield (k * S // n, (k + 1) * S // n), member


# --- where the workers are, and whether it pays -----------------------------------------------------------------------


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
