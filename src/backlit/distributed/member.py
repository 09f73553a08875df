"""What runs on a worker while a network is trained: one long task that holds the engine and the shards' readers.

The task waits for requests.  They come over Dask's own connections, to a handler in the worker's event loop, which lays
them into the task's inbox and sends the answer back; so the loop goes on giving signs of life while the task computes.
"""

import asyncio
import hashlib
import pickle
import queue
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np

from backlit.core.dropout import DropoutKey
from backlit.core.parameters import Parameters
from backlit.engine import Data, DenseBatches, Engine, TrainConfig, get_engine
from backlit.engine.base import Partial
from backlit.jobs.cluster_ends import WATCH
from backlit.jobs.parcels import Answer, answer_to
from backlit.training.sharding import Node, Reader, Step, nodes_within, tree_sum

HANDLER = "backlit_shards"
T = TypeVar("T")


@dataclass(frozen=True)
class Work:
    """What a member is made of.

    probe : a few rows, and theta, whose gradient must have the same bits on every worker.
    """

    engine: str
    recipe: TrainConfig
    theta: np.ndarray
    probe: Data
    is_sparse: bool = False

    def start(self) -> Engine:
        """The engine."""
        engine = get_engine(self.engine, self.recipe)
        return DenseBatches(engine, self.recipe.batch_size) if self.is_sparse else engine

    def digest(self, engine: Engine) -> str:
        """The SHA-256 of the gradient of the probe."""
        params, rows = Parameters(self.recipe.net, self.theta), np.arange(len(self.probe))
        found = engine.partial(params, self.probe, rows, self.probe.weight(), DropoutKey(self.recipe.seed))
        return hashlib.sha256(found.grad.tobytes() + np.float64(found.loss).tobytes()).hexdigest()


@dataclass
class Member:
    """A long task: its engine, its shards, and what it is asked to do next."""

    work: Work
    engine: Engine
    readers: dict[int, Reader] = field(default_factory=dict)
    inbox: "queue.Queue[tuple[Callable[[], Any], Callable[[Any], Any]]]" = field(default_factory=queue.Queue)

    def serve(self) -> None:
        """Do what is asked, one after the other; ended from outside, between two of Python's instructions."""
        while True:
            try:
                task, reply = self.inbox.get(timeout=WATCH)
            except queue.Empty:
                continue
            reply(result_or_error(task))
            del task, reply

    async def answer(self, task: Callable[[], T]) -> T | Answer:
        """In the worker's event loop: what the long task's thread says to a task, or the error of it."""
        loop = asyncio.get_running_loop()
        answer = loop.create_future()

        def reply(found: Any) -> None:
            loop.call_soon_threadsafe(lambda: None if answer.done() else answer.set_result(found))

        self.inbox.put((task, reply))
        return await answer

    def close(self) -> None:
        """Let go of what was read ahead."""
        for reader in self.readers.values():
            reader.close()

    def parts(self, theta: np.ndarray, shards: Node, S: int, step: Step) -> list[tuple[Node, Partial]]:
        """What some shards in a row add to a step, as far as the tree adds them up by themselves."""
        for reader in self.readers.values():
            if reader.at < (step.epoch, step.batch - 1):  # another worker has the shard now
                reader.close()
        params = Parameters(self.work.recipe.net, np.require(theta, requirements="A"))  # it came in the middle of bytes

        def part(node: Node) -> Partial | None:
            return self.readers[node[0]].part(self.engine, params, step) if node[1] - node[0] == 1 else None

        found = [(node, tree_sum(part, node)) for node in nodes_within(shards, (0, S))]
        return [(node, each) for node, each in found if each is not None]


class Desk:
    """A worker's side of all runs: a handler that passes requests on to the members, by the run's token."""

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}

    async def answer(self, token: str, what: str, **given: Any) -> dict[str, Any]:
        """The answer to a request of a run; one without anything where the run's task has not begun, or has ended."""
        member = self.members.get(token)
        if member is None:
            return {}
        if what == "hello":
            return {"here": True}
        if what == "echo":
            return {"theta": serialized(given["theta"])}
        if what == "take":
            for shard in pickle.loads(given["shards"]):
                member.readers.setdefault(shard.number, Reader(shard))
            return {"here": True}
        if what == "digest":
            digest = await member.answer(partial(member.work.digest, member.engine))
            return {"error": pickle.dumps(digest)} if isinstance(digest, Answer) else {"digest": digest}
        shards, step = tuple(given["part"]), pickle.loads(given["step"])
        parts = await member.answer(partial(member.parts, given["theta"], shards, given["S"], step))
        return {"error": pickle.dumps(parts)} if isinstance(parts, Answer) else packed(parts)


def result_or_error(task: Callable[[], Any]) -> Any:
    """What a task gives, or the error that it raises, as it travels."""
    try:
        return task()
    except Exception as error:
        failed = error

    def again() -> None:
        raise failed

    return answer_to(again)


def packed(parts: list[tuple[Node, Partial]]) -> dict[str, Any]:
    """Parts as they travel: gradients as they lie in memory, the rest pickled."""
    small = [(node, each.loss, each.rows, each.mean, each.variance, each.shards, each.square) for node, each in parts]
    return {"small": pickle.dumps(small), "grads": [serialized(each.grad) for _, each in parts]}


def received(reply: dict[str, Any]) -> list[tuple[Node, Partial]]:
    """What `packed` made of them."""
    small = pickle.loads(reply["small"])
    return [(node, Partial(grad, *rest)) for (node, *rest), grad in zip(small, reply["grads"], strict=True)]


def serialized(array: np.ndarray) -> Any:
    """An array that travels without being pickled."""
    from distributed.protocol import to_serialize

    return to_serialize(np.ascontiguousarray(array))


def desk_of(worker: Any) -> Desk:
    """The worker's desk, put there when it is first asked for."""
    if HANDLER not in worker.handlers:
        worker.handlers[HANDLER] = Desk().answer
    return worker.handlers[HANDLER].__self__


def serve(token: str, work: Work) -> None:
    """The long task."""
    from distributed import get_worker

    members, member = desk_of(get_worker()).members, Member(work, work.start())
    members[token] = member
    try:
        member.serve()
    finally:
        members.pop(token, None)
        member.close()


def install(dask_worker: Any) -> None:
    """Have a worker answer, before its task begins."""
    desk_of(dask_worker)
