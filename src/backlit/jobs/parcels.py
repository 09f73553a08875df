"""How a job travels to another process or a worker, and its answer comes back: pickled.

What many jobs hold, such as a table, travels once to each process or worker, and not with every job.
"""

import io
import pickle
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from backlit.errors import ProblemError


class Shared:
    """Objects that many jobs hold, which is where they are left out of the jobs' pickles; jobs only read them.

    >>> table = ["a", "large", "table"]
    >>> shared = Shared([table])
    >>> job = shared.dumps({"fold": 3, "table": table})
    >>> Shared.loads(job, shared.parts)
    {'fold': 3, 'table': ['a', 'large', 'table']}
    """

    def __init__(self, objects: Sequence[Any] = ()):
        self.objects = tuple(objects)

    @cached_property
    def parts(self) -> tuple[bytes, ...]:
        """Each object, pickled."""
        return tuple(pickle.dumps(each) for each in self.objects)

    def dumps(self, task: Any) -> bytes:
        """The task, pickled, with the number of each object in its place."""
        numbers = {id(each): number for number, each in enumerate(self.objects)}
        file = io.BytesIO()
        Outgoing(file, numbers).dump(task)
        return file.getvalue()

    @staticmethod
    def loads(payload: bytes, parts: Sequence[Any]) -> Any:
        """The task, which gets objects of its own."""
        return Incoming(io.BytesIO(payload), parts).load()


class Outgoing(pickle.Pickler):
    """Writes a number in place of an object that is shared."""

    def __init__(self, file: io.BytesIO, numbers: dict[int, int]):
        super().__init__(file)
        self.numbers = numbers

    def persistent_id(self, obj: Any) -> int | None:
        """The number of a shared object, None of any other."""
        return self.numbers.get(id(obj))


class Incoming(pickle.Unpickler):
    """Reads the object that a number stands for, once for each task."""

    def __init__(self, file: io.BytesIO, parts: Sequence[Any]):
        super().__init__(file)
        self.parts, self.read = parts, dict[int, Any]()

    def persistent_load(self, number: Any) -> Any:
        """The object of that number."""
        if number not in self.read:
            self.read[number] = pickle.loads(self.parts[number])
        return self.read[number]


NOTHING = Shared()


@dataclass(frozen=True)
class Parcel:
    """A pickled task, and what it shares with others."""

    payload: bytes
    shared: Shared


def sendable(task: Callable[[], Any], name: str, where: str, remedy: str) -> Parcel:
    """The task as it is sent; raises ProblemError if it cannot be pickled."""
    shared = getattr(task, "shared", NOTHING)
    try:
        _ = shared.parts  # which may be what cannot
        return Parcel(shared.dumps(task), shared)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ProblemError(f"{name} cannot be sent to {where} ({error}): {remedy}") from error


class Elsewhere(Exception):
    """The traceback of an error in another process, in words."""


@dataclass(frozen=True)
class Answer:
    """What a task gave, pickled; or the error that it raised, and the words of its traceback."""

    pickled: bytes
    trace: str = ""

    def result(self) -> Any:
        """What the task gave, or raise what it raised."""
        result = pickle.loads(self.pickled)
        if self.trace:
            raise result from Elsewhere(f"\n{self.trace}")
        return result


def answer_to(task: Callable[[], Any]) -> Answer:
    """Run a task for somebody elsewhere.  Errors that pickle cannot bring back come as their words."""
    try:
        return Answer(pickle.dumps(task()))
    except Exception as error:
        trace = traceback.format_exc()
        error.__cause__ = error.__context__ = None  # which pickle would take along where Dask has taught it to
        error.__traceback__ = None
        try:
            pickle.loads(pickled := pickle.dumps(error))
        except Exception:
            pickled = pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))
        return Answer(pickled, trace)
