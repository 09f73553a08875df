"""Show a long run on standard error: a bar that rewrites itself on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from backlit.training.history import Epoch

Show = Callable[[Epoch], None]
SECONDS_BETWEEN_LINES = 2.0


@contextmanager
def show_progress(epochs: int, wanted: bool) -> Iterator[Show]:
    """Give a function to be called with each finished epoch."""
    if not wanted:
        yield lambda epoch: None
    elif sys.stderr.isatty():
        with bar(epochs) as show:
            yield show
    else:
        yield lines(epochs)


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
def bar(epochs: int) -> Iterator[Show]:
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
        task = progress.add_task("", total=epochs)
        yield lambda epoch: progress.update(task, completed=epoch.number, description=describe(epoch))


def lines(epochs: int) -> Show:
    """A line for the first epoch, and then for one every few seconds."""
    last = -SECONDS_BETWEEN_LINES

    def show(epoch: Epoch) -> None:
        nonlocal last
        now = time.monotonic()
        if epoch.number == 1 or now - last >= SECONDS_BETWEEN_LINES:
            last = now
            print(f"epoch {epoch.number}/{epochs}  {describe(epoch)}", file=sys.stderr, flush=True)

    return show
