"""Call the compiled module wrongly: right calls with one or several things changed, in processes that are watched.

    python scripts/native_calls.py [CALLS] [--seed S] [--batch N]

Each call must raise an error of Python or give the numbers that were asked for; a process that dies or does not end
is named with the call that it was at.  After it the right call is made on the same engine, and must give the same bits.
"""

import argparse
import faulthandler
import json
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import tests.engine.other_build  # noqa: F401  before the module is loaded
from tests.engine.right_calls import Call, extension, make, right_engine_call, right_function_call
from tests.engine.wrong_calls import change

ERRORS = (TypeError, ValueError, IndexError, MemoryError)  # and RuntimeError, from within `stop` alone
STOPPED = "stopped by the caller"


def own_copy(value: Any) -> Any:
    """A value whose arrays the call may write into; only what is right already is copied, so that nothing is mended."""
    if isinstance(value, list | tuple):
        return type(value)(own_copy(entry) for entry in value)
    if isinstance(value, np.ndarray) and value.flags.c_contiguous and value.flags.writeable and value.flags.aligned:
        return value.copy()
    return value


def perform(call: Call, engine: Any = None) -> tuple[Any, list[bytes]]:
    """Make the call; what it gives, and the bits that it wrote."""
    module = extension()
    arguments = {name: own_copy(value) for name, value in call.arguments.items()}
    if call.engine:
        engine = engine or make(call)
        given = getattr(engine, call.name)(**arguments)
    else:
        given = getattr(module, call.name)(**arguments)
    done = Call(call.name, arguments)
    return repr(given), [np.asarray(a).tobytes() for a in done.outputs()]


def callback(rng: np.random.Generator, engine: Any, arguments: dict[str, Any], tally: Counter[str]) -> Any:
    """A `stop` that does what it should not: calls its engine, writes into the order, empties the lists, raises."""
    way = str(rng.choice(["again", "order", "lists", "raise", "yes", "odd"]))

    def stop() -> Any:
        if way == "again":
            try:
                engine.run(**arguments | {"stop": lambda: False})
            except RuntimeError:
                tally["refused within stop"] += 1
            else:
                raise AssertionError("an engine ran within its own stop")
        if way == "order":
            arguments["orders"][:] = 2**50
        if way == "lists":
            for name in ("slots", "mean", "variance"):
                arguments[name].clear()
        if way == "raise":
            raise ValueError(STOPPED)
        return way == "yes" if way != "odd" else np.zeros(2)

    return stop


def trial(rng: np.random.Generator, tally: Counter[str]) -> None:
    """One wrong call, and on the same engine the right one."""
    call = right_engine_call(rng) if rng.random() < 0.8 else right_function_call(rng)
    engine = make(call) if call.engine else None
    right = perform(call, engine)
    if call.name == "run" and rng.random() < 0.15:
        arguments = {name: own_copy(value) for name, value in call.arguments.items()}
        arguments["stop"] = callback(rng, engine, arguments, tally)
        try:
            engine.run(**arguments)
        except ERRORS as error:
            tally[type(error).__name__] += 1
        else:
            tally["a stop that interferes"] += 1
    else:
        wrong, other_engine = change(rng, call)
        try:
            found = perform(wrong, None if other_engine else engine)
        except ERRORS as error:
            tally[type(error).__name__] += 1
        else:
            same_values(call, wrong, right, found, other_engine, tally)
    again = perform(call, engine)
    assert again == right, (call.name, "differs after a wrong call")


def same_values(call: Call, wrong: Call, right: Any, found: Any, other_engine: bool, tally: Counter[str]) -> None:
    """Look at a call that was accepted: with the right values it must have given the right numbers."""
    if other_engine:
        tally["accepted, another plan"] += 1
        return
    for name, value in wrong.arguments.items():
        ours = call.arguments[name]
        if type(ours) is not type(value) or not equal(ours, value):
            tally["accepted, other values"] += 1
            return
    tally["accepted, the same values"] += 1
    assert found == right, (call.name, "another result from the same values")


def equal(one: Any, other: Any) -> bool:
    """Whether two arguments say the same."""
    if isinstance(one, list):
        return len(one) == len(other) and all(equal(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    return one is other or (type(one) is type(other) and not isinstance(one, np.ndarray) and bool(one == other))


def child(first: int, count: int, seed: int, log: Path) -> None:
    """Do calls first … first + count − 1; the log says which one is at work."""
    faulthandler.enable()
    warnings.simplefilter("ignore")  # of NumPy, where numbers are cast to be wrong
    tally: Counter[str] = Counter()
    with log.open("w") as out:
        for i in range(first, first + count):
            out.seek(0)
            out.write(f"{i:12d}")
            out.flush()
            trial(np.random.default_rng([seed, i]), tally)
    print(json.dumps(tally))


def run_calls(calls: int, *, seed: int = 0, batch: int = 2000, timeout: float = 600) -> tuple[Counter[str], list[str]]:
    """All calls, some thousand a process: what became of them, and the processes that failed."""
    tally: Counter[str] = Counter()
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "at"
        for first in range(0, calls, batch):
            command = [
                sys.executable,
                __file__,
                "--child",
                str(first),
                str(min(batch, calls - first)),
                str(seed),
                str(log),
            ]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
            except subprocess.TimeoutExpired:
                failures.append(f"call {at(log)} of seed {seed} did not end")
                continue
            if done.returncode:
                failures.append(
                    f"call {at(log)} of seed {seed} ended its process ({done.returncode}): {done.stderr[-1500:]}"
                )
                continue
            tally.update(json.loads(done.stdout))
    return tally, failures


def at(log: Path) -> str:
    """The call that a process was at."""
    return log.read_text().strip() if log.exists() else "none"


def main() -> int:
    if sys.argv[1:2] == ["--child"]:
        child(int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
        return 0
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("calls", type=int, nargs="?", default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=2000)
    options = parser.parse_args()
    tally, failures = run_calls(options.calls, seed=options.seed, batch=options.batch)
    for what, count in tally.most_common():
        print(f"{count:8d}  {what}")
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f"{options.calls} calls, {len(failures)} processes that failed")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
