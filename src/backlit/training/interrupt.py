"""Ctrl-C asks training to stop at the next batch's edge and keeps what was learned; a second Ctrl-C stops at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Stop:
    """Whether someone has asked training to stop; engines call it at each batch's edge."""

    asked: bool = False

    def __call__(self) -> bool:
        """Whether to stop."""
        return self.asked


@contextmanager
def stop_on_interrupt() -> Iterator[Stop]:
    """Turn SIGINT into a request, in the main thread; other threads cannot receive it and get a Stop all the same.

    It is left alone where it is ignored, as in a shell script's background, or handled by what is not Python.
    """
    stop = Stop()
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGINT) in (signal.SIG_IGN, None):
        yield stop
        return

    def ask(signum: int, frame: object) -> None:
        stop.asked = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
