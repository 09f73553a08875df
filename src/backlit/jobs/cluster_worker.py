"""What a Dask worker runs: a job, with the threads that are the worker's own, that ends when nobody waits for it."""

import ctypes
import pickle
import platform
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from backlit._version import __version__
from backlit.engine.digest import arithmetic_digest
from backlit.errors import ProblemError
from backlit.jobs.processes import Answer, answer_to
from backlit.jobs.shared import Shared
from backlit.processors import only

LOOK = 0.25  # seconds from one look whether somebody waits to the next


class NobodyWaits(BaseException):
    """Raised within a job whose result nobody waits for any more."""


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """What must be the same on both sides, so that a job can be read there and gives the same bits."""
    packages = {name: version(name) for name in ("numpy", "polars")}
    python = ".".join(platform.python_version_tuple()[:2])
    return {"backlit": __version__, "Python": python} | packages | {"arithmetic": arithmetic_digest()}


def run_on_worker(payload: bytes, parts: Sequence[bytes], name: str, n_threads: int, theirs: dict[str, str]) -> Answer:
    """The answer to a job that `theirs`, a client of these versions, has sent to this worker; `parts` are shared."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()
    for what, here in versions().items():
        if here != theirs.get(what):
            remedy = "take machines of one kind" if what == "arithmetic" else "install the same on both"
            return refusal(
                f"{name}: the worker at {worker.address} has {what} {here}, and the client {theirs.get(what)}: {remedy}"
            )
    try:
        task = Shared.loads(payload, parts)
    except (ImportError, AttributeError) as error:
        return refusal(f"{name}: the worker at {worker.address} cannot read it ({error}): install it there")

    def nobody_waits() -> bool:
        known = worker.state.tasks.get(key)
        return known is None or known.state == "cancelled"

    try:
        with only(n_threads), ended_when(nobody_waits):
            return answer_to(task)
    except NobodyWaits:
        return refusal(f"{name}: nobody waits for it")


def refusal(message: str) -> Answer:
    """An error in place of a result."""
    return Answer(pickle.dumps(ProblemError(message)), "on the worker")


@contextmanager
def ended_when(due: Callable[[], bool]) -> Iterator[None]:
    """Raise NobodyWaits in this thread, between two of Python's instructions, soon after `due()` becomes true."""
    thread, ended, guard = threading.get_ident(), threading.Event(), threading.Lock()

    def watch() -> None:
        while not ended.wait(LOOK):
            if due():
                with guard:
                    if not ended.is_set():
                        raise_in(thread, NobodyWaits)
                return

    threading.Thread(target=watch, name="backlit-watch", daemon=True).start()
    try:
        yield
    finally:
        with guard:
            ended.set()


def raise_in(thread: int, error: type[BaseException]) -> Any:
    """Raise an error in another thread, which Python lets C alone do."""
    return ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))
