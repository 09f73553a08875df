"""Who takes part: the workers of a Dask cluster that hold a long task, and whose gradient has our bits."""

import asyncio
import logging
import pickle
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backlit.distributed.member import HANDLER, Work, install, serve
from backlit.errors import BacklitError, ProblemError
from backlit.jobs.cluster import LOOK, Dask, OnWorker, Worker
from backlit.jobs.cluster_ends import patience
from backlit.jobs.parcels import Answer, sendable
from backlit.jobs.run import Job, Task
from backlit.jobs.sameness import versions
from backlit.processors import one_blas_thread

HELLO = 5.0  # seconds that a worker has to answer a hello
NAME = "training in shards"


@dataclass(eq=False)
class Member:
    """A worker that takes part: how it is reached, which shards it holds, and whether it is late with an answer.

    line : a connection that stays open while it takes part; None while a request is on it.
    """

    address: str
    threads: int
    line: Any = None
    holds: set[int] = field(default_factory=set)
    late: bool = False


class Membership(Dask):
    """The members of a run, which come and go.

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
        with one_blas_thread():
            self.digest = work.digest(work.start())
        task = Task(Job(serve, (self.token, work), NAME), None, True, np.geterr())
        self.parcel = sendable(task, NAME, "a cluster", "let modules define its functions, which the workers have")
        self.members: dict[str, Member] = {}
        self.tasks: dict[str, Any] = {}  # Dask's futures of the long tasks
        self.enlisting: dict[str, asyncio.Task[None]] = {}
        self.refused: dict[str, str] = {}
        self.nobody, self.trouble = "", ""  # why no worker may take part; what went wrong with the last that tried
        self.heard = time.monotonic()

    def __exit__(self, *error: object) -> None:
        if self.client.status != "closed":
            with suppress(Exception):
                asyncio.run_coroutine_threadsafe(self.release(), self.loop).result(HELLO)
        super().__exit__(*error)

    async def release(self) -> None:
        """Let the long tasks end, which they do when nobody waits for them."""
        for task in self.enlisting.values():
            task.cancel()
        for address in tuple(self.members):
            self.dismiss(address)
        for future in self.tasks.values():
            future.release()

    def update(self, told: dict[str, Any]) -> None:
        """Take in what the scheduler says of its workers: new ones take part from the next step on."""
        super().update(told)
        for address in set(self.tasks) - set(self.crew):
            self.tasks.pop(address).release()
            self.dismiss(address)
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
                    await self.accept(address, worker, await self.digest_of(address))
                    return
                await asyncio.sleep(0.05)
            if future.done():
                await self.refuse(address, await self.why(future, address))
        except Exception as error:  # it is tried again at the next look
            self.trouble = f" (the last said: {type(error).__name__}: {error})"

    async def digest_of(self, address: str) -> dict[str, Any]:
        """The digest of a worker's gradient, which may take as long as a step, if it says hello meanwhile."""
        reply = asyncio.create_task(self.says(address, "digest", limit=1e9))
        try:
            while not (await asyncio.wait({reply}, timeout=HELLO))[0]:
                await self.says(address, "hello")
                self.heard = time.monotonic()
            return reply.result()
        finally:
            reply.cancel()

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

    async def asks(self, member: Member, what: str, **given: Any) -> dict[str, Any]:
        """A member's answer, however long it takes; OSError at once where it has died, by its line, which then breaks.

        A new connection to a machine that is not there would be tried for long.
        """
        from distributed.core import send_recv

        line, member.line = member.line, None
        if line is None:
            return await self.says(member.address, what, limit=1e9, **given)
        try:
            reply: dict[str, Any] = await send_recv(line, op=HANDLER, token=self.token, what=what, **given)
        except BaseException:  # it cannot be used again
            self.client.rpc.reuse(member.address, line)
            raise
        member.line = line
        return reply

    def dismiss(self, address: str) -> None:
        """Let a member go; it is enlisted again at the next look, if it lives."""
        member = self.members.pop(address, None)
        if member is not None and member.line is not None:
            self.client.rpc.reuse(address, member.line)
            member.line = None

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
            line = await asyncio.wait_for(self.client.rpc.connect(address), HELLO)
            self.members[address], self.heard = Member(address, worker.threads, line), time.monotonic()
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


def error_of(answer: Any) -> Exception:
    """The error in an answer."""
    if isinstance(answer, Answer):
        try:
            answer.result()
        except Exception as error:
            return error
    return BacklitError(f"{NAME}: a worker's task ended")
