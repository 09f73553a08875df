"""Show a long run on standard error: a bar that rewrites itself on a terminal, a plain line now and then elsewhere."""

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from backlit.training.history import Epoch

Show = Callable[[Epoch], None]
SECONDS_BETWEEN_LINES = 2.0


@contextmanager
def show_progress(last: int, wanted: bool) -> Iterator[Show]:
    """Give a function to be called with each finished epoch; `last` is the number of the last one."""
    if not wanted:
        yield lambda epoch: None
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
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("epoch"),
        MofNCompleteColumn(),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=last)
        yield lambda epoch: progress.update(task, completed=epoch.number, description=describe(epoch))


def lines(last: int) -> Show:
    """A line for the first epoch that is seen, for one every few seconds, and for the last."""
    printed = -math.inf

    def show(epoch: Epoch) -> None:
        nonlocal printed
        now = time.monotonic()
        if epoch.number == last or now - printed >= SECONDS_BETWEEN_LINES:
            printed = now
            print(f"epoch {epoch.number}/{last}  {describe(epoch)}", file=sys.stderr, flush=True)

    return show
