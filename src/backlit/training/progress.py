"""A long run shows how far it is, on standard error, and stops at a batch's edge when Ctrl-C asks it to."""

import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from backlit.training.run import Epoch


@dataclass
class Stop:
    """Whether someone has asked training to stop; engines call it at each batch's edge."""

    asked: bool = False

    def __call__(self) -> bool:
        """Whether to stop."""
        return self.asked


@contextmanager
def stop_on_interrupt(wanted: bool = True) -> Iterator[Stop]:
    """Turn SIGINT into a request, in the main thread; other threads cannot receive it and get a Stop all the same.

    It is left alone where that isn't wanted, and where it is ignored, as in a shell script's background, or handled by
    what is not Python.
    """
    stop = Stop()
    in_main = threading.current_thread() is threading.main_thread()
    if not wanted or not in_main or signal.getsignal(signal.SIGINT) in (signal.SIG_IGN, None):
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


SECONDS_BETWEEN_LINES = 2.0
ERASE = "\x1b[K"  # what a terminal has in the rest of a line


@dataclass(frozen=True)
class Show:
    """Two functions: one is called with each finished epoch, one with an epoch's number and the share that is done."""

    epoch: Callable[[Epoch], None]
    part: Callable[[int, float], None] = lambda number, share: None
    wanted: bool = True  # whether anyone sees what is shown

    def __call__(self, epoch: Epoch) -> None:
        """Show a finished epoch."""
        self.epoch(epoch)


@contextmanager
def show_progress(last: int, wanted: bool) -> Iterator[Show]:
    """Give a function to be called with each finished epoch; `last` is the number of the last one."""
    if not wanted:
        yield Show(lambda epoch: None, wanted=False)
    elif sys.stderr.isatty():
        with bar(last) as show:
            yield show
    else:
        yield lines(last)


def describe(epoch: Epoch) -> str:
    """What is worth seeing of an epoch, in a few words.

    >>> describe(Epoch(3, 0.25, 0.001, (0.1,), 0.5, validation_score=0.9))
    'loss 0.25000  validation score 0.9000'
    """
    text = f"loss {epoch.loss:#.5g}"
    if epoch.validation_loss is not None:
        text += f"  validation loss {epoch.validation_loss:#.5g}"
    if epoch.validation_score is not None:
        text += f"  validation score {epoch.validation_score:.4f}"
    return text


@contextmanager
def bar(last: int) -> Iterator[Show]:
    """A Rich progress bar."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("epoch"),
        MofNCompleteColumn(),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        TextColumn("left at most"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=last)
        yield Show(
            lambda epoch: progress.update(task, completed=epoch.number, description=describe(epoch)),
            lambda number, share: progress.update(task, completed=number - 1 + share),
        )


def lines(last: int) -> Show:
    """A line for the first epoch that is seen, for one or a part of one every few seconds, and for the last."""
    printed, seen = -math.inf, math.inf
    first = (math.nan, 0)  # when the first epoch that is seen ended, and its number

    def show(epoch: Epoch) -> None:
        nonlocal printed, seen, first
        now = seen = time.monotonic()
        first = first if first[1] else (now, epoch.number)
        if epoch.number == last or now - printed >= SECONDS_BETWEEN_LINES:
            printed = now
            left = time_left(now - first[0], (epoch.number - first[1]) / max(last - first[1], 1), "at most ")
            print(f"epoch {epoch.number}/{last}  {describe(epoch)}{left}", file=sys.stderr, flush=True)

    def part(number: int, share: float) -> None:
        nonlocal seen
        now = time.monotonic()
        seen = min(seen, now)  # the first part starts the clock
        if share < 1 and now - seen >= SECONDS_BETWEEN_LINES:
            seen = now
            print(f"epoch {number}/{last}  {share:4.0%} of it", file=sys.stderr, flush=True)

    return Show(show, part)


@contextmanager
def show_passes(name: str, wanted: bool) -> Iterator[Callable[[float], None]]:
    """Give a function to be called with the share of a pass over the data, or of other work, that is done."""
    started = shown = time.monotonic()
    end = f"{ERASE}\r" if sys.stderr.isatty() else "\n"

    def show(share: float) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown >= SECONDS_BETWEEN_LINES:
            shown = now
            print(f"{name}  {share:4.0%}{time_left(now - started, share)}", end=end, file=sys.stderr, flush=True)

    yield show if wanted else lambda share: None
    if shown > started and end != "\n":
        print(ERASE, end="", file=sys.stderr, flush=True)


def time_left(seconds: float, share: float, limit: str = "") -> str:
    """How long the rest takes if it goes on like the share that took so many seconds; nothing where none can tell.

    >>> time_left(30, 0.25), time_left(900, 0.2), time_left(0.1, 0.5), time_left(0, 0)
    (', 90 s left', ', 60 min left', '', '')
    """
    rest = seconds * (1 - share) / share if share > 0 else 0.0
    if rest < 1:
        return ""
    return f", {limit}{rest:.0f} s left" if rest < 120 else f", {limit}{rest / 60:.0f} min left"
