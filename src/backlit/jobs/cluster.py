"""Jobs on a Dask cluster: one job a free thread of a worker, and no wait without an end.

Dask carries the jobs; where each goes is decided here, since Dask lays what looks alike on one worker, counts a job
that only waited on a dead worker as its killer, and notices a worker that stands still after minutes.  A job is sent to
a worker that has a thread free for it, and to no other.  It is sent again, to another one, if its worker is gone or
gives no sign of life; the first answer counts, and since a job's result hangs on its arguments alone, any is the same.
"""

import asyncio
import pickle
import secrets
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from backlit._version import __version__
from backlit.errors import BacklitError, ProblemError
from backlit.jobs.cluster_ends import close, connect, patience, run_on_worker
from backlit.jobs.parcels import Answer, Parcel, Shared, sendable
from backlit.jobs.sameness import versions

LOOK = 0.5  # seconds from one look at the cluster to the next
LOSSES = 10  # times that a worker may die while it runs a job; with one more it is the job's fault


T = TypeVar("T")


class Lost(Exception):
    """Dask gives no answer: the worker is gone, or what it gave.  Errors of jobs are answers."""


@dataclass
class Worker:
    """What is known of a worker: its threads, jobs at a time, and when its last sign of life came by our clock."""

    gone: asyncio.Event
    threads: int = 1
    slots: int = 1
    busy: int = 0
    takes_jobs: bool = True
    stamp: float = 0.0
    since: float = field(default_factory=time.monotonic)
    holds: tuple[Shared, asyncio.Task[Any]] | None = None  # what jobs share that it was sent last, and its future

    @property
    def silent(self) -> bool:
        """Whether it may have stopped, or the way to it is cut."""
        return time.monotonic() - self.since > patience("silent")


@dataclass(eq=False)
class Attempt:
    """A job on its way to a worker, or there."""

    worker: Worker | None = None
    reply: asyncio.Task[Answer] = field(init=False)

    @property
    def hopeful(self) -> bool:
        """Whether nothing speaks against an answer."""
        return self.worker is None or not (self.worker.silent or self.worker.gone.is_set())


class Dask:
    """Runs jobs on a Dask cluster.

    Function, arguments and result are pickled; a function is sent by name, so a module must define it that the workers
    have, too.  A job that runs on a worker ends when nobody waits for it: after an error, by Ctrl-C, or when this
    process dies.

    Parameters
    ----------
    cluster : str or distributed.Client
        A scheduler's address, the name of its file (.json), "dask" for the client that this process has, or a client.
    n_jobs : int, optional
        How many jobs there will be: if they are fewer than threads, each has several threads.

    Raises
    ------
    ProblemError
        If Dask is not installed, nothing answers at the address, or a job cannot be pickled.
    BacklitError
        If no worker or no scheduler answers for 20 seconds, or a job ends one worker after the other.
    """

    def __init__(self, cluster: Any, n_jobs: int | None = None):
        self.client, self.ours = connect(cluster)
        self.address, self.n_jobs = self.client.scheduler.address, n_jobs
        self.ready, self.changed = asyncio.Event(), asyncio.Condition()
        self.crew: dict[str, Worker] = {}
        self.fault, self.last_life = "", time.monotonic()
        self.no_scheduler = (
            f"the Dask scheduler at {self.address} does not answer any more: look whether it runs, then give the same "
            f"command again"
        )
        self.answers: set[Future[Answer]] = set()
        self.loop = self.client.loop.asyncio_loop

    # --- the executor's protocol, in the caller's thread --------------------------------------------------------------

    @property
    def workers(self) -> int:
        """How many jobs run at a time, which changes as workers come and go."""
        return max(1, sum(worker.slots for worker in tuple(self.crew.values())))  # the loop may change it meanwhile

    def submit(self, task: Callable[[], Any], name: str) -> "Reply":
        """Have a worker run the task.  Raises ProblemError if it cannot be pickled."""
        parcel = sendable(task, name, "a cluster", "let a module define it that the workers have, or give cluster=0")
        answer = asyncio.run_coroutine_threadsafe(self.answer(parcel, name), self.loop)
        self.answers.add(answer)
        answer.add_done_callback(self.answers.discard)
        return Reply(self, answer)

    def __enter__(self) -> Self:
        self.last_life = time.monotonic()
        self.watching = asyncio.run_coroutine_threadsafe(self.watch(), self.loop)
        self.wait_for(asyncio.run_coroutine_threadsafe(self.ready.wait(), self.loop))
        return self

    def wait_for(self, told: Future[T]) -> T:
        """The result of a coroutine; raises BacklitError if its loop ends, as it does when a client gives up."""
        while True:
            wait([told], timeout=LOOK)
            if told.done():
                return told.result()
            if self.client.status == "closed":
                raise BacklitError(self.no_scheduler)

    def __exit__(self, *error: object) -> None:
        if self.client.status != "closed":  # else their loop may have ended, and they with it
            self.watching.cancel()
            for answer in tuple(self.answers):
                answer.cancel()
        if self.ours:
            close(self.client)

    # --- in the client's loop -----------------------------------------------------------------------------------------

    async def watch(self) -> None:
        """Look at the cluster again and again, until something is beyond help."""
        heard = time.monotonic()
        while not self.fault:
            with suppress(OSError, TimeoutError):  # a connection that broke may come again
                told = await asyncio.wait_for(self.client.scheduler.identity(n_workers=-1), patience("limit") / 4)
                heard = time.monotonic()
                self.update(told["workers"])
            self.fault = self.fault_of(heard)
            async with self.changed:
                self.changed.notify_all()
            if self.fault or any(worker.takes_jobs for worker in self.crew.values()):
                self.ready.set()
            await asyncio.sleep(max(LOOK, len(self.crew) / 200))

    def update(self, told: dict[str, Any]) -> None:
        """Take in what the scheduler says of its workers."""
        for address in set(self.crew) - set(told):
            self.crew.pop(address).gone.set()
        each = -(-(self.n_jobs or 10**9) // max(1, len(told)))
        for address, facts in told.items():
            worker = self.crew.setdefault(address, Worker(asyncio.Event()))
            worker.threads, worker.slots = facts["nthreads"], max(1, min(facts["nthreads"], each))
            worker.takes_jobs = facts["status"] == "running"
            if facts["last_seen"] != worker.stamp:
                worker.stamp, worker.since = facts["last_seen"], time.monotonic()
        useful = [worker.since for worker in self.crew.values() if worker.takes_jobs or worker.busy]
        self.last_life = max([self.last_life, *useful])

    def fault_of(self, heard: float) -> str:
        """What is beyond help, in one line; nothing if all may go on."""
        limit = patience("limit")
        if time.monotonic() - heard > limit:
            return self.no_scheduler
        if heard - self.last_life > limit:  # as the scheduler said last: while it is silent nothing is known of workers
            return (
                f"the Dask cluster at {self.address} has had no worker that answers for {limit:g} seconds: start "
                f"some (dask worker {self.address}), then give the same command again"
            )
        return ""

    async def answer(self, parcel: Parcel, name: str) -> Answer:
        """The pickled result of a job, from whichever attempt gives it first."""
        attempts: list[Attempt] = []
        losses = 0
        try:
            while True:
                if not any(attempt.hopeful for attempt in attempts):
                    attempts.append(self.attempt(parcel, name, [attempt.worker for attempt in attempts]))
                replies = {attempt.reply for attempt in attempts}
                await asyncio.wait(replies, timeout=LOOK, return_when=asyncio.FIRST_COMPLETED)
                if self.fault:
                    raise BacklitError(self.fault)
                for attempt in [attempt for attempt in attempts if attempt.reply.done()]:
                    if not isinstance(lost := attempt.reply.exception(), Lost):
                        return attempt.reply.result()
                    attempts.remove(attempt)
                    losses += 1
                    if losses > LOSSES:
                        raise BacklitError(
                            f"{name}: {losses} workers that ran it died or lost it (the last: {lost}): look whether "
                            f"their memory is full (their logs say so), and give them more"
                        )
        finally:
            for attempt in attempts:
                attempt.reply.cancel()

    def attempt(self, parcel: Parcel, name: str, avoid: Collection[Worker | None]) -> Attempt:
        """Begin to send a job."""
        attempt = Attempt()
        attempt.reply = asyncio.create_task(self.send(attempt, parcel, name, avoid))
        return attempt

    async def send(self, attempt: Attempt, parcel: Parcel, name: str, avoid: Collection[Worker | None]) -> Answer:
        """Send a job to a free worker and wait for its answer; raises Lost if the worker goes."""
        address, worker = await self.free_worker(avoid)
        attempt.worker = worker
        reply = asyncio.create_task(self.reply(address, worker, parcel, name))
        gone = asyncio.create_task(worker.gone.wait())
        try:
            await asyncio.wait((reply, gone), return_when=asyncio.FIRST_COMPLETED)
            answered = reply.done() and not reply.cancelled()
            error = reply.exception() if answered else ConnectionError(f"{address} is gone")
            if error is None:
                return reply.result()
            if isinstance(error, ImportError) and str(error.name).startswith("backlit"):
                raise ProblemError(f"{name}: the worker at {address} has no backlit {__version__}: install it there")
            worker.takes_jobs, worker.holds = False, None  # until the next look finds it, and it is sent all anew
            raise Lost(" ".join(f"{type(error).__name__}: {error}".split())[:200])
        finally:
            gone.cancel()
            reply.cancel()
            worker.busy -= 1
            async with self.changed:
                self.changed.notify_all()

    async def reply(self, address: str, worker: Worker, parcel: Parcel, name: str) -> Answer:
        """What a worker says to a job, which travels with what it shares only where that is not there yet."""
        from dask.config import set as dask_config

        buffers: list[pickle.PickleBuffer] = []
        places = tuple(pickle.PickleBuffer(part) for part in parcel.shared.parts)
        call = OnWorker((parcel.payload, places, name, worker.threads // worker.slots, versions()))
        pickled = pickle.dumps(call, protocol=5, buffer_callback=buffers.append)
        held = await self.held(address, worker, parcel.shared)
        with dask_config({"distributed.admin.large-graph-warning-threshold": "1 TB"}):  # a large job is no mistake
            future = self.client.submit(
                pickle.loads, pickled, buffers=held,
                key=f"{name}-{secrets.token_hex(8)}", workers=[address], allow_other_workers=False, pure=False,
            )  # fmt: skip
        try:
            return await future.result()  # a coroutine in the client's loop
        finally:
            future.release()  # by which a worker that still runs it learns that nobody waits

    async def held(self, address: str, worker: Worker, shared: Shared) -> list[Any]:
        """Futures of what is shared, which lies at this worker: it was sent there, or is now."""
        if not shared.parts:
            return []
        known = worker.holds is not None and worker.holds[0] is shared
        if worker.holds is None or not known or failed(worker.holds[1]):
            sent = asyncio.create_task(self.client.scatter(list(shared.parts), workers=[address], hash=False))
            worker.holds = shared, sent
        return await asyncio.shield(worker.holds[1])  # others may wait for it

    async def free_worker(self, avoid: Collection[Worker | None]) -> tuple[str, Worker]:
        """The worker that has the most to spare, as soon as there is one."""
        async with self.changed:
            while True:
                free = [
                    (worker.busy / worker.slots, address)
                    for address, worker in self.crew.items()
                    if worker.busy < worker.slots and worker.takes_jobs and not worker.silent and worker not in avoid
                ]
                if free:
                    address = min(free)[1]
                    self.crew[address].busy += 1
                    return address, self.crew[address]
                await self.changed.wait()


def failed(task: asyncio.Task[Any]) -> bool:
    """Whether it ended without a result."""
    return task.done() and (task.cancelled() or task.exception() is not None)


@dataclass(frozen=True)
class OnWorker:
    """A call of `run_on_worker`, made where this is unpickled.

    Thus a worker that has no Backlit, or another one, says so; a function that it cannot find would end it.
    """

    arguments: tuple[Any, ...]

    def __reduce__(self) -> tuple[Any, ...]:
        return run_on_worker, self.arguments


@dataclass(frozen=True)
class Reply:
    """A job that was submitted."""

    executor: Dask
    answer: Future[Answer]

    def result(self) -> Any:
        """What the job gave, or raise what it raised."""
        return self.executor.wait_for(self.answer).result()

    def cancel(self) -> None:
        """See that it does not begin, or that it ends."""
        self.answer.cancel()
