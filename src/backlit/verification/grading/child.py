"""Run inside the submission's own process, alone: limits first, then the submission, then its answers into a file.

It imports nothing of Backlit and is given no right answer.  Usage: python -I -B child.py, in the folder with job.json.
"""

import contextlib
import ctypes
import importlib.util
import json
import os
import sys
import traceback

NEW_USER, NEW_NET = 0x10000000, 0x40000000  # of Linux's unshare
ANSWER_BYTES = 32 * 2**20


def limit(seconds, memory_mb):
    """Bound the process's time, memory, files and cores, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    bounds = {
        "RLIMIT_CPU": int(seconds) + 1,
        "RLIMIT_AS": int(memory_mb) * 2**20,
        "RLIMIT_FSIZE": ANSWER_BYTES,
        "RLIMIT_NOFILE": 64,
        "RLIMIT_CORE": 0,
    }
    for name, bound in bounds.items():
        with contextlib.suppress(ValueError, OSError, AttributeError):
            resource.setrlimit(getattr(resource, name), (bound, bound))


def cut_network():
    """Leave the machine's network for an empty one; whether that worked."""
    try:
        unshare = ctypes.CDLL(None, use_errno=True).unshare
    except (OSError, AttributeError, TypeError):  # not Linux
        return False
    return unshare(NEW_USER | NEW_NET) == 0 or unshare(NEW_NET) == 0


def load(file):
    """Import the submission."""
    spec = importlib.util.spec_from_file_location("submission", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["submission"] = module
    spec.loader.exec_module(module)
    return module


def plain(value):
    """Arrays as lists."""
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def where(error, file):
    """The error in one line, with the last line of the submission that took part."""
    name, text = type(error).__name__, " ".join(str(error).split())[:300]
    if isinstance(error, SyntaxError):
        return f"{name}: {error.msg} (line {error.lineno})"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(file)]
    return f"{name}: {text}" + (f" (line {lines[-1]})" if lines else "")


def main():
    """Read the job, run it, write the answers."""
    with open("job.json", encoding="utf-8") as job_file:
        job = json.load(job_file)
    limit(job["seconds"], job["memory_mb"])
    answer = {"network_cut": cut_network(), "answers": []}
    try:
        import numpy as np

        function = getattr(load(job["file"]), job["function"], None)
        if not callable(function):
            raise NameError(f"there is no function {job['function']}")
        for given in job["inputs"]:
            W, b = ([np.array(value) for value in given[key]] for key in ("W", "b"))
            answer["answers"].append(plain(function(W, b, np.array(given["X"]), np.array(given["y"]))))
    except BaseException as error:  # a submission may raise anything, SystemExit too
        answer["error"] = where(error, job["file"])
    with open("answer.json", "w", encoding="utf-8") as file:
        json.dump(answer, file, default=str)
    sys.stdout.flush()
    os._exit(0)  # threads that the submission left running end here


if __name__ == "__main__":
    main()
