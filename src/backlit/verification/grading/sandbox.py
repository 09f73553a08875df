"""Run one submission in a process of its own, in an empty folder, within limits.

What this protects from: endless loops, memory that runs full, huge files, a crash, output on the terminal, answers read
from this process.  On Linux, where the system allows it, also from the network.
What it does not protect from: the submission runs as the same user, so it can read that user's files, and it can start
processes that outlive it.  Use a container or another account for submissions that you don't trust at all.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backlit.errors import ProblemError
from backlit.verification.grading import child

START_SECONDS = 5.0  # given on top for starting Python and NumPy
KEPT = ("PATH", "SYSTEMROOT", "LANG", "LC_ALL")  # of the environment; secrets stay behind
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "VECLIB", "NUMEXPR")}


@dataclass(frozen=True)
class Run:
    """What came back: answers, one a network, or an error in one line; ended : it left no answer at all."""

    answers: tuple[Any, ...]
    error: str | None
    seconds: float
    network_cut: bool
    ended: bool = False


def run_submission(
    file: Path, function: str, inputs: Sequence[Any], *, seconds: float = 10.0, memory_mb: float = 1024
) -> Run:
    """Call `function` of a file on each of the inputs, `{"W", "b", "X", "y"}` of plain lists."""
    with tempfile.TemporaryDirectory(prefix="backlit-grade-", ignore_cleanup_errors=True) as folder:
        prepare(Path(folder), file, function, inputs, seconds, memory_mb)
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-I", "-B", child.__file__],
            cwd=folder,
            env={key: os.environ[key] for key in KEPT if key in os.environ} | ONE_THREAD,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            code: int | None = process.wait(timeout=seconds + START_SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            end(process)
        return outcome(Path(folder) / "answer.json", code, time.perf_counter() - start, seconds, memory_mb)


def prepare(folder: Path, file: Path, function: str, inputs: Sequence[Any], seconds: float, memory_mb: float) -> None:
    """Put a copy of the submission and its job into the folder; no right answer among them."""
    try:
        source = file.read_bytes()
    except OSError as error:
        raise ProblemError(f"{file}: cannot be read: {error.strerror}") from None
    (folder / "submission.py").write_bytes(source)
    job = {
        "file": "submission.py",
        "function": function,
        "inputs": list(inputs),
        "seconds": seconds,
        "memory_mb": memory_mb,
    }
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop the process and what it started in its session."""
    with suppress(ProcessLookupError, PermissionError, AttributeError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(ProcessLookupError):
        process.kill()
    process.wait()


def outcome(answer: Path, code: int | None, took: float, seconds: float, memory_mb: float) -> Run:
    """Read what the process left, trusting none of it."""
    if code is None or code in (-getattr(signal, "SIGXCPU", 0), -getattr(signal, "SIGKILL", 9)):
        return Run((), f"stopped: it took longer than {seconds:g} s", took, False, ended=True)
    try:
        if answer.stat().st_size > child.ANSWER_BYTES:
            raise ValueError
        content = json.loads(answer.read_text(encoding="utf-8"))
        answers, error = tuple(content["answers"]), content.get("error")
        network_cut = content.get("network_cut") is True
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        said = f"it crashed without an answer (exit code {code}; at most {memory_mb:g} MB)"
        return Run((), said, took, False, ended=True)
    return Run(answers, None if error is None else str(error)[:400], took, network_cut)
