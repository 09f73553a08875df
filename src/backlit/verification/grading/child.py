"""Run inside the submission's own process: the job from standard input, limits, then the submission and its answers.

It imports nothing of Backlit and is given no right answer.  Usage: python -I -B child.py, whose standard output takes
"ready" and then the answers in JSON; what the submission prints goes nowhere.
"""

import contextlib
import ctypes
import importlib.util
import json
import os
import signal
import sys
import time
import traceback
import types
from pathlib import Path

NEW_USER, NEW_NET = 0x10000000, 0x40000000  # of Linux's unshare
DEATH_SIGNAL = 1  # of Linux's prctl: what a process gets when its parent is gone
ANSWER_BYTES = 32 * 2**20
FILE = "submission.py"


def limit(seconds, memory_mb):
    """Bound the process's time, memory, files and cores, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    processor = int(time.process_time() + seconds) + 1  # its start, which may be slow, is not the submission's
    bounds = {
        "RLIMIT_CPU": (processor, processor + 1),  # first SIGXCPU, which says why
        "RLIMIT_AS": (int(memory_mb * 2**20),) * 2,
        "RLIMIT_FSIZE": (ANSWER_BYTES,) * 2,
        "RLIMIT_NOFILE": (64, 64),
        "RLIMIT_CORE": (0, 0),
    }
    for name, bound in bounds.items():
        with contextlib.suppress(ValueError, OSError, AttributeError):
            resource.setrlimit(getattr(resource, name), bound)


def cut_network():
    """Leave the machine's network for an empty one; whether that worked."""
    try:
        unshare = ctypes.CDLL(None, use_errno=True).unshare
    except (OSError, AttributeError, TypeError):  # not Linux
        return False
    return unshare(NEW_USER | NEW_NET) == 0 or unshare(NEW_NET) == 0


def confine(sandbox, readable):
    """Take from this process what a submission needs not; whether it has no network.  OSError if that cannot be."""
    if sandbox == "none":
        return cut_network()
    place = Path(__file__).with_name("confinement.py")
    spec = importlib.util.spec_from_file_location("confinement", place)
    assert spec is not None
    assert spec.loader is not None
    confinement = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(confinement)
    if sandbox == "landlock":
        confinement.landlock(readable)
    confinement.no_rights()
    confinement.no_calls()
    return True


def end_with_the_grader():
    """Have Linux end this process when the grader is killed; now, as what changes a process's rights forgets it."""
    with contextlib.suppress(OSError, AttributeError, TypeError):  # not Linux
        ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def load(source):
    """The submission as a module."""
    module = types.ModuleType("submission")
    module.__file__ = FILE
    sys.modules["submission"] = module
    exec(compile(source, FILE, "exec"), module.__dict__)
    return module


def plain(value):
    """Arrays as lists."""
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def where(error):
    """The error in one line, with the last line of the submission that took part."""
    name, text = type(error).__name__, " ".join(str(error).encode("utf-8", "backslashreplace").decode().split())[:300]
    if isinstance(error, SyntaxError):
        return f"{name}: {error.msg} (line {error.lineno})"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == FILE]
    return f"{name}: {text}" + (f" (line {lines[-1]})" if lines else "")


def answers_of(job, np):
    """What the submission says of each network."""
    function = getattr(load(job["source"].encode("latin-1")), job["function"], None)
    if not callable(function):
        raise NameError(f"there is no function {job['function']}")
    for given in job["inputs"]:
        W, b = ([np.array(value) for value in given[key]] for key in ("W", "b"))
        yield plain(function(W, b, np.array(given["X"]), np.array(given["y"])))


def main():
    """Read the job, run it, write the answers."""
    job = json.load(sys.stdin)
    import numpy as np

    out = open(os.dup(1), "w", encoding="utf-8", newline="\n")  # noqa: SIM115  closed by the end of the process
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    limit(job["seconds"], job["memory_mb"])
    network_cut = confine(job["sandbox"], job["readable"])
    end_with_the_grader()
    out.write("ready\n")
    out.flush()  # the submission's time begins
    answer = {"network_cut": network_cut, "answers": []}
    try:
        answer["answers"] = list(answers_of(job, np))
        text = json.dumps(answer, default=str)
    except BaseException as error:  # a submission may raise anything, SystemExit too
        text = json.dumps({"network_cut": network_cut, "answers": [], "error": where(error)})
    out.write(text)
    out.flush()
    os._exit(0)  # threads that the submission left running end here


if __name__ == "__main__":
    main()
