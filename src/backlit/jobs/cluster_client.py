"""The client of a Dask cluster: given, found or made."""

import gc
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from backlit.errors import ProblemError

T = TypeVar("T")
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
    logging.getLogger("asyncio").addFilter(known)
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


def known(record: logging.LogRecord) -> bool:
    """Whether to tell of an error in a task that nobody looked at.

    Not of the one that Dask leaves when a worker dies whose result is on its way; the job is sent again.
    """
    error = record.exc_info[1] if record.exc_info else None
    return type(error).__name__ != "AllExit"


def close(client: Any) -> None:
    """Leave the cluster, which may be gone itself."""
    with suppress(Exception), nothing_collected():
        client.close(timeout=2)
