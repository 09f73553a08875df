"""Commands as a person or a program runs them: in this process, or in one of their own that writes to a terminal."""

import os
import pty
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import pytest
from tests.helpers import HANGS

from backlit.cli import main


def run_command(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """The exit code of `backlit ARGUMENTS`, its standard output and its standard error."""
    code = main([str(argument) for argument in arguments])
    return code, *capsys.readouterr()


def on_a_terminal(command: list[str], stream: Literal["stdout", "stderr"], **environment: str) -> tuple[str, bytes]:
    """What a command writes to the one stream, which is a terminal, and to the other, which is none."""
    leader, follower = pty.openpty()
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: follower}
    with subprocess.Popen(command, **streams, env={**os.environ, "TERM": "xterm-256color", **environment}) as process:
        os.close(follower)
        parts = []
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:  # how Linux says that the other end was closed
                break
            if not part:
                break
            parts.append(part)
        os.close(leader)
        out, err = process.communicate(timeout=HANGS)
    assert process.returncode == 0, err
    return b"".join(parts).decode(), err if stream == "stdout" else out


@contextmanager
def left_pipe() -> Iterator[int]:
    """A pipe's end to write to, whose reader has left: before the command begins, and not while it may be done."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        yield writer
    finally:
        os.close(writer)


# a command, given as arguments of a script, that dies with its fifth checkpoint
KILLED = """
import os, signal, sys
from backlit.cli import main
from backlit.training import trainer

save, written = trainer.save_checkpoint, 0

def dies(*arguments):
    global written
    save(*arguments)
    written += 1
    if written == 5:
        os.kill(os.getpid(), signal.SIGKILL)

trainer.save_checkpoint = dies
main(sys.argv[1:])
"""
