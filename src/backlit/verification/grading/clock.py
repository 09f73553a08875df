"""How long a submission takes, and what it answers within its time."""

import os
import queue
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backlit.verification.grading import child

START_SECONDS = 60.0  # for starting Python and NumPy on a busy machine; the submission's own time begins after that
BUSY = 10  # times its seconds on the wall's clock: a bound for one that waits for a processor, however busy the machine
READY = b"ready\n"


@dataclass
class Clock:
    """How long a submission has run since its own code began, as if it had had a processor for itself.

    That is the time on the wall without the time in which it could have run and others had its processor, which only
    Linux says; elsewhere it is the time on the wall.  Who sleeps, sleeps on this clock too.
    """

    process: int
    began: float
    before: float = 0.0
    waited: float = 0.0

    @classmethod
    def begin(cls, process: int) -> "Clock":
        """The clock of the program that a process runs, or that bubblewrap runs below it."""
        process = innermost(process)
        return cls(process, time.monotonic(), waited_for_processor(process))

    def took(self) -> float:
        """Seconds."""
        wall = time.monotonic() - self.began
        self.waited = max(self.waited, waited_for_processor(self.process) - self.before)  # 0 once it has ended
        return max(wall - self.waited, 0.0)

    def left(self, seconds: float) -> float:
        """How long to wait until so many seconds may have passed; 0 or less if they have, or too many on the wall."""
        return min(seconds - self.took(), self.began + BUSY * seconds - time.monotonic())


def waited_for_processor(process: int) -> float:
    """Seconds in which a process's first thread was ready to run and did not; 0 where the system doesn't say."""
    try:
        return int(Path(f"/proc/{process}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def innermost(process: int) -> int:
    """The process that one runs through others, each of which has started one."""
    parents: dict[int, int] = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):  # it ended meanwhile
            parents[int(place.read_text(errors="replace").rpartition(")")[2].split()[1])] = int(place.parent.name)
    while process in parents:
        process = parents[process]
    return process


def listen(process: subprocess.Popen[bytes], seconds: float) -> tuple[bytes | None, float | None]:
    """(answer, seconds that it took): no answer if it is late, no seconds if the submission did not even begin."""
    parts: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=read_parts, args=(process.stdout, parts), daemon=True).start()
    content, clock, wait = bytearray(), None, START_SECONDS
    start = time.monotonic() + START_SECONDS
    while True:
        try:
            part = parts.get(timeout=max(wait, 0))
        except queue.Empty:
            if clock is None:
                return None, None
            if (wait := clock.left(seconds)) <= 0:
                return None, clock.took()
            continue
        content += part
        if clock is None and content.startswith(READY):
            clock = Clock.begin(process.pid)
        if not part:
            return bytes(content.removeprefix(READY)), None if clock is None else clock.took()
        wait = start - time.monotonic() if clock is None else clock.left(seconds)
        if wait <= -seconds:  # an answer that is under way may end; one that trickles for as long again is late
            return None, None if clock is None else clock.took()


def read_parts(pipe: Any, parts: "queue.SimpleQueue[bytes]") -> None:
    """Put what comes out of a pipe into a queue, up to a bound, and then nothing, which is the end."""
    size = 0
    with pipe, suppress(OSError):
        while size <= len(READY) + child.ANSWER_BYTES and (part := os.read(pipe.fileno(), 2**16)):
            size += len(part)
            parts.put(part)
    parts.put(b"")
