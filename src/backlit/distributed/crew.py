"""The client's side: which worker computes which shards' parts of a step, and what happens when one does not answer.

All state of the training is here, so a worker that dies takes nothing along: what it was asked for is asked of another
one, which reads one buffer and goes on.  No result hangs on who answered.
"""

import asyncio
import logging
import pickle
import secrets
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
from backlit.distributed.member import HANDLER, Work, install, received, serialized, serve
from backlit.engine import Data, Engine
from backlit.engine.partial import Node, Partial, tree_sum
from backlit.errors import BacklitError, ProblemError
from backlit.jobs.cluster import LOOK, Dask, OnWorker, Worker
from backlit.jobs.cluster_client import patience
from backlit.jobs.cluster_worker import versions
from backlit.jobs.processes import Answer, sendable
from backlit.jobs.run import Job, Task, blas_held
from backlit.processors import available_processors
from backlit.training import Settings, Shards
from backlit.training.sharding import ShardedEngine, Step, recipe_of_shards

DEADLINE = 5.0  # seconds, or 10 times the usual ones, after which another worker is asked as well
HELLO = 5.0  # seconds that a worker has to answer a hello
NAME = "training in shards"


@dataclass(eq=False)
class Member:
    """A worker that takes part: whom it is reached by, which shards it holds, and whether it is late with an answer."""

    address: str
    threads: int
    holds: set[int] = field(default_factory=set)
    late: bool = False


@dataclass(eq=False)
class Attempt:
    """Shards' parts that a member is asked for."""

    member: Member
    reply: asyncio.Task[list[tuple[Node, Partial]]]
    began: float = field(default_factory=time.monotonic)


class Workers(Dask):
    """Computes the parts of steps on the workers of a Dask cluster; see `training.sharding.Crew`.

    Parameters
    ----------
    cluster : str or distributed.Client
        As `jobs.Dask` takes it.
    work : Work
        What each worker's engine is made of.

    Raises
    ------
    ProblemError
        If nothing answers at the address, or no worker may take part: each computes other bits, or has other versions.
    BacklitError
        If no worker answers for 20 seconds.
    """

    def __init__(self, cluster: Any, work: Work):
        super().__init__(cluster)
        self.work, self.token = work, secrets.token_hex(8)
        with blas_held:
            self.digest = work.digest(work.start())
        task = Task(Job(serve, (self.token, work), NAME), None, True, np.geterr())
        self.parcel = sendable(task, NAME, "a cluster", "let modules define its functions, which the workers have")
        self.members: dict[str, Member] = {}
        self.tasks: dict[str, Any] = {}  # Dask's futures of the long tasks
        self.enlisting: dict[str, asyncio.Task[None]] = {}
        self.refused: dict[str, str] = {}
        self.nobody, self.trouble = "", ""  # why no worker may take part; what went wrong with the last that tried
        self.seconds: deque[float] = deque(maxlen=101)
        self.heard, self.usual = time.monotonic(), DEADLINE

    # --- in the caller's thread ---------------------------------------------------------------------------------------

    def whole(self, params: Parameters, shards: Shards, step: Step) -> Partial | None:
        """The sum of all shards' parts; see `Crew.whole`."""
        return self.wait_for(asyncio.run_coroutine_threadsafe(self.gather(params.theta, shards, step), self.loop))

    def __exit__(self, *error: object) -> None:
        if self.client.status != "closed":
            with suppress(Exception):
                asyncio.run_coroutine_threadsafe(self.release(), self.loop).result(HELLO)
        super().__exit__(*error)

    async def release(self) -> None:
        """Let the long tasks end, which they do when nobody waits for them."""
        for task in self.enlisting.values():
            task.cancel()
        for future in self.tasks.values():
            future.release()

    def before(self, engine: Engine, shards: Shards) -> str:
        """What to say before the first step, if this process alone would be faster; measured here and now."""
        return self.wait_for(asyncio.run_coroutine_threadsafe(self.weigh_up(engine, shards), self.loop))

    async def weigh_up(self, engine: Engine, shards: Shards) -> str:
        """See `before`; waits for the workers that are there to take part, but not for long."""
        await self.present()
        if self.enlisting:
            await asyncio.wait(self.enlisting.values(), timeout=HELLO)
        members, theta, probe = list(self.members.values()), self.work.theta, self.work.probe
        if not members:
            return ""
        part = await asyncio.to_thread(fastest, partial(self.work.digest, engine))
        echoes = []
        with suppress(OSError, TimeoutError):
            for _ in range(3):
                began = time.perf_counter()
                asked = [self.says(member.address, "echo", theta=serialized(theta)) for member in members]
                await asyncio.gather(*asked)
                echoes.append(time.perf_counter() - began)
        rows = sum(shard.batch_size for shard in shards.each)
        return slower(len(members), part * rows / len(probe), min(echoes)) if echoes else ""

    # --- who takes part -----------------------------------------------------------------------------------------------

    def update(self, told: dict[str, Any]) -> None:
        """Take in what the scheduler says of its workers: new ones take part from the next step on."""
        super().update(told)
        for address in set(self.tasks) - set(self.crew):
            self.tasks.pop(address).release()
            self.members.pop(address, None)
        for address, worker in self.crew.items():
            idle = address not in self.members and address not in self.refused
            if idle and worker.takes_jobs and (address not in self.enlisting or self.enlisting[address].done()):
                self.enlisting[address] = asyncio.create_task(self.enlist(address, worker))

    async def enlist(self, address: str, worker: Worker) -> None:
        """Begin a worker's long task, and see whether its bits are ours."""
        try:
            if address not in self.tasks or self.tasks[address].done():
                await asyncio.wait_for(self.client.run(install, workers=[address], on_error="return"), HELLO)
                self.tasks[address] = self.begin(address, worker)
            future, end = self.tasks[address], time.monotonic() + HELLO
            while not future.done() and time.monotonic() < end:
                if await self.says(address, "hello"):
                    await self.accept(address, worker, await self.says(address, "digest"))
                    return
                await asyncio.sleep(0.05)
            if future.done():
                await self.refuse(address, await self.why(future, address))
        except Exception as error:  # it is tried again at the next look
            self.trouble = f" (the last said: {type(error).__name__}: {error})"

    def begin(self, address: str, worker: Worker) -> Any:
        """Submit the long task to this worker and no other; Dask's future."""
        task = OnWorker((self.parcel.payload, (), NAME, worker.threads, versions()))
        return self.client.submit(
            pickle.loads, pickle.dumps(task),
            key=f"backlit-shards-{secrets.token_hex(8)}", workers=[address], allow_other_workers=False, pure=False,
        )  # fmt: skip

    async def says(self, address: str, what: str, limit: float = HELLO, **given: Any) -> dict[str, Any]:
        """A worker's answer.  Raises OSError or TimeoutError where there is none."""
        ask = getattr(self.client.rpc(address), HANDLER)
        return await asyncio.wait_for(ask(token=self.token, what=what, **given), limit)

    async def accept(self, address: str, worker: Worker, reply: dict[str, Any]) -> None:
        """Let a worker take part whose gradient has our bits."""
        if "error" in reply:
            await self.refuse(address, str(error_of(pickle.loads(reply["error"]))))
        elif reply.get("digest") != self.digest:
            await self.refuse(
                address,
                f"the worker at {address} computes other bits than this process (another instruction set, or another "
                f"NumPy's products), so it does not take part: use machines of one kind",
            )
        else:
            self.members[address], self.heard = Member(address, worker.threads), time.monotonic()
            async with self.changed:
                self.changed.notify_all()

    async def refuse(self, address: str, reason: str) -> None:
        """Leave a worker out, and say so."""
        self.refused[address] = reason
        if self.members or any(other not in self.refused for other in self.crew):
            logging.getLogger("backlit").warning("%s", reason)
        else:
            self.nobody = self.fault = reason
        if address in self.tasks:
            self.tasks.pop(address).release()
        async with self.changed:
            self.changed.notify_all()

    async def why(self, future: Any, address: str) -> str:
        """Why a long task has ended that should not have."""
        try:
            answer = await future.result()
            return str(error_of(answer))
        except ImportError as error:
            return f"the worker at {address} cannot import Backlit ({error}): install the same version there"
        except Exception as error:
            return f"the worker at {address} lost its task ({type(error).__name__}: {error})"

    def fault_of(self, heard: float) -> str:
        """What is beyond help, in one line."""
        return self.nobody or super().fault_of(heard)

    # --- a step -------------------------------------------------------------------------------------------------------

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

    def raise_fault(self) -> None:
        """Raise what is beyond help."""
        if self.fault:
            raise (ProblemError if self.nobody else BacklitError)(self.fault)
        if time.monotonic() - self.heard > (limit := patience("limit")):
            raise BacklitError(
                f"no worker of the Dask cluster at {self.address} has answered for {limit:.0f} seconds"
                f"{self.trouble}: look whether this machine reaches them, then give the same command again"
            )

    async def present(self) -> list[Member]:
        """The members that are not late, as soon as there is one."""
        since = time.monotonic()
        while not (there := [member for member in self.members.values() if not member.late]):
            self.heard = max(self.heard, since)  # to begin with, a member has as long as an answer
            self.raise_fault()
            async with self.changed:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.changed.wait(), LOOK)
        return there

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
            await self.says(member.address, "take", limit=1e9, shards=pickle.dumps(lacks))
            member.holds |= {shard.number for shard in lacks}
        given = {"theta": serialized(theta), "part": list(node), "S": len(shards.each), "step": pickle.dumps(step)}
        reply = await self.says(member.address, "parts", limit=1e9, **given)
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
            self.members.pop(attempt.member.address, None)  # it is enlisted again at the next look, if it lives
        return None

    def leave(self, attempts: list[Attempt], first: Attempt) -> None:
        """Let members that are late go on, so that it shows when they are not any more; nobody looks at their parts."""

        def look(reply: asyncio.Task[Any], member: Member) -> None:
            if not reply.cancelled() and isinstance(reply.exception(), OSError):
                self.members.pop(member.address, None)

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


class Failed(Exception):
    """A part has an error of its own, which no other worker would spare."""

    def __init__(self, error: Exception):
        self.error = error
        super().__init__(str(error))


def error_of(answer: Any) -> Exception:
    """The error in an answer."""
    if isinstance(answer, Answer):
        try:
            answer.result()
        except Exception as error:
            return error
    return BacklitError(f"{NAME}: a worker's task ended")


def assigned(members: list[Member], S: int) -> Iterator[tuple[Node, Member]]:
    """Shards in a row for each member, as even as can be.

    >>> [node for node, _ in assigned([Member("a", 1), Member("b", 1), Member("c", 1)], 8)]
    [(0, 2), (2, 5), (5, 8)]
    """
    n = min(len(members), S)
    for k, member in enumerate(members[:n]):
        yield (k * S // n, (k + 1) * S // n), member


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
        if said := workers.before(engine, shards):
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
    with LocalCluster(n_workers=n, threads_per_worker=threads, dashboard_address="127.0.0.1:0", host="127.0.0.1",
                      silence_logs=logging.CRITICAL) as cluster:  # fmt: skip
        yield cluster.scheduler_address
