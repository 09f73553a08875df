"""The two ends of a Dask cluster: the client, given, found or made; and what a worker runs, if it is like this machine.

A worker runs a job with the threads that are its own, and ends it when nobody waits for it.
"""

import ctypes
import gc
import logging
import pickle
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from backlit.errors import ProblemError
from backlit.jobs.parcels import Answer, Shared, answer_to
from backlit.jobs.sameness import versions
from backlit.processors import only

T = TypeVar("T")
WATCH = 0.25  # seconds from one look of a worker whether somebody waits to the next
PATIENCE = {  # seconds, each of which Dask's setting of the name backlit.NAME changes
    "connect": 20.0,  # for the scheduler's first answer
    "silent": 10.0,  # without a sign of life, after which a worker's jobs are given to others as well
    "limit": 20.0,  # without any worker, or without the scheduler, after which jobs end with an error
}


def patience(name: str) -> float:
    """Seconds to wait.  Raises ProblemError if Dask's setting is no time."""
    from dask.config import get
    from dask.utils import parse_timedelta

    given = get(f"backlit.{name}", PATIENCE[name])
    try:
        return float(parse_timedelta(given))
    except (TypeError, ValueError, KeyError):
        raise ProblemError(f"Dask's setting backlit.{name} is {given!r}, which is no time: give seconds") from None


def connect(cluster: Any) -> tuple[Any, bool]:
    """A client, and whether it was made here."""
    try:
        from distributed import Client, default_client
    except ImportError:
        raise ProblemError(
            "jobs on a cluster need Dask, which is not installed: pip install 'backlit[dask]', here and on the workers"
        ) from None
    seconds, *_ = map(patience, PATIENCE)  # all, so that a wrong one is told at once
    logging.getLogger("asyncio").addFilter(worth_telling)
    if isinstance(cluster, Client):
        if cluster.asynchronous:
            raise ProblemError(
                "the Dask client is asynchronous: give one made without asynchronous=True, or an address"
            )
        return cluster, False
    if cluster == "dask":
        try:
            return default_client(), False
        except ValueError:
            raise ProblemError(
                "this process has no Dask client: make one (distributed.Client), or give an address"
            ) from None
    for part in ("client", "batched"):  # what goes wrong is said here, in one line, and Ctrl-C is nothing wrong
        logging.getLogger(f"distributed.{part}").setLevel(logging.CRITICAL)
    file = isinstance(cluster, str) and cluster.endswith(".json")
    where = {"scheduler_file" if file else "address": cluster}
    try:
        if file:
            Path(cluster).read_bytes()  # for a file that is not there Dask waits
        return within(2 * seconds, partial(Client, **where, timeout=seconds, set_as_default=False)), True
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or f"it takes longer than {seconds:g} s"
        raise ProblemError(
            f"no Dask scheduler answers at {cluster} ({reason}): look at the address, and whether `dask scheduler` "
            f"runs there"
        ) from None


def within(seconds: float, make: Callable[[], T]) -> T:
    """What a function gives; raises TimeoutError if it takes longer, as Dask's client does where a listener is silent.

    The thread that it hangs in is left behind.
    """
    made: Future[T] = Future()

    def run() -> None:
        try:
            made.set_result(make())
        except Exception as error:
            made.set_exception(error)

    with nothing_collected():
        threading.Thread(target=run, name="backlit-connect", daemon=True).start()
        wait([made], timeout=seconds)
    if not made.done():
        raise TimeoutError(f"something listens, and says nothing in {seconds:g} s")
    return made.result()


@contextmanager
def nothing_collected() -> Iterator[None]:
    """Collect what is dead before the block, and nothing in it.

    A client that nobody closed, such as one whose scheduler did not answer, closes itself when it is collected.  Where
    that happens while Dask starts or ends another one's loop, both want the same lock, and wait for ever.
    """
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def worth_telling(record: logging.LogRecord) -> bool:
    """Whether to tell of an error in a task that nobody looked at.

    Not of the one that Dask leaves when a worker dies whose result is on its way; the job is sent again.
    """
    error = record.exc_info[1] if record.exc_info else None
    return type(error).__name__ != "AllExit"


def close(client: Any) -> None:
    """Leave the cluster, which may be gone itself."""
    with suppress(Exception), nothing_collected():
        client.close(timeout=2)


# --- on a worker ------------------------------------------------------------------------------------------------------


LEAVING = ("closing", "closed", "failed")  # Dask's words for a worker that sends no result any more


class NobodyWaits(BaseException):
    """Raised within a job whose result nobody waits for any more."""


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
        return known is None or known.state == "cancelled" or worker.status.name in LEAVING

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
        while not ended.wait(WATCH):
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
