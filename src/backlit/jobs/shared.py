"""What many jobs hold, a table, travels once to each process or worker, and not with every job."""

import io
import pickle
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any


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

    def dumps(self, task: Callable[[], Any]) -> bytes:
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
