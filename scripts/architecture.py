"""Measure the house: its size, and how many files somebody opens who follows one call.

A file counts if one of its functions runs, and depth counts named functions: what runs at import, comprehensions and
the methods that dataclasses are given are not followed.
"""

import argparse
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import backlit

SOURCE = Path(backlit.__file__).parent
ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "ARCHITECTURE.md"
ADDED = re.compile(r"^## Add (an? \w+)\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
NATIVE = {"an activation": "softsign", "a loss": "huber", "an optimizer": "adagrad"}  # one that C++ has
START, END = "<!-- measured -->\n", "<!-- end -->"


def followed(call: Callable[[], Any]) -> tuple[dict[str, int], int]:
    """Run a call: ({file under src/backlit: functions of it that ran}, how deep its own calls nest)."""
    seen: dict[str, set[str]] = {}
    depth = deepest = 0

    def profile(frame: Any, event: str, _: Any) -> None:
        nonlocal depth, deepest
        code = frame.f_code
        if event not in ("call", "return") or not code.co_filename.startswith(f"{SOURCE}{os.sep}"):
            return
        if code.co_name.startswith("<") and code.co_name != "<lambda>":
            return
        depth += 1 if event == "call" else -1
        deepest = max(deepest, depth)
        if event == "call":
            seen.setdefault(Path(code.co_filename).relative_to(SOURCE).as_posix(), set()).add(code.co_qualname)

    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(None)
    return {name: len(functions) for name, functions in sorted(seen.items())}, deepest


def training_step() -> Callable[[], Any]:
    """One step of the textbook's engine: forward, backward, update."""
    import numpy as np

    from backlit import Dense, Network
    from backlit.engine import ReferenceEngine, State, TrainConfig
    from backlit.optim import Adam

    net = Network(2, [Dense(3, "tanh"), Dense(1)])
    engine, X = ReferenceEngine(TrainConfig(net, Adam(), 4)), np.ones((4, 2))
    state = State.start(net, net.init(seed=0), engine.recipe.optimizer)
    return lambda: engine.step(state, X, np.ones((4, 1)), None, 0.01)


def fit() -> Callable[[], Any]:
    """`fit` of an estimator on the textbook's engine."""
    import numpy as np

    from backlit import MLPRegressor

    X = np.arange(40.0).reshape(20, 2)
    estimator = MLPRegressor(hidden_layer_sizes=(4,), max_iter=2, tol=0, random_state=0, engine="reference")
    return lambda: estimator.fit(X, X[:, 0])


def explain() -> Callable[[], Any]:
    """`backlit explain --example worked` as text."""
    from backlit import explain as explained

    return lambda: explained(example="worked").to_text()


CALLS = {
    "one training step, `ReferenceEngine.step`": training_step,
    '`MLPRegressor(engine="reference").fit`': fit,
    "`backlit explain --example worked`": explain,
}


def measured() -> dict[str, tuple[dict[str, int], int]]:
    """Each call's files and depth, once what only a first call loads is there."""
    import warnings

    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two epochs do not converge
        for name, make in CALLS.items():
            make()()
            found[name] = followed(make())
    return found


def extensions(guide: str) -> dict[str, tuple[int, int]]:
    """What may be added: (files to change by CONTRIBUTING.md, files more for C++ to know it, 0 if it need not).

    A test adds each by the guide's files alone, so that they are enough; C++'s are those that name one that it has.
    """
    native = {path: path.read_text(encoding="utf-8").lower() for path in (ROOT / "native/src").iterdir()}
    found = {}
    for kind, section in ADDED.findall(guide):
        files = len(re.findall(r"^# src/backlit/\S+$", section, re.MULTILINE))
        named_in = len(re.findall(r"`[\w/]+\.py` names it", section))
        there = sum(NATIVE[kind] in text for text in native.values()) if kind in NATIVE else 0
        found[kind] = files + named_in, there
    return found


def table() -> str:
    """What the document shows."""
    modules = sorted(SOURCE.rglob("*.py"))
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in modules)
    rows = ["| what | files | functions | depth |", "|---|---:|---:|---:|"]
    for name, (files, depth) in measured().items():
        rows.append(f"| {name} | {len(files)} | {sum(files.values())} | {depth} |")
    rows += ["", "| to add | files | more for native speed |", "|---|---:|---:|"]
    for kind, (files, native) in extensions((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")).items():
        rows.append(f"| {kind} | {files} | {native or '–'} |")
    size = f"The package has {len(modules)} modules and {round(lines, -2):,} lines, docstrings included."
    return "\n".join([*rows, "", size, ""])


def main() -> None:
    """Print the table, or write it into the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the table into ARCHITECTURE.md")
    parser.add_argument("--files", action="store_true", help="name the files of each call")
    told = parser.parse_args()
    made = table()
    if told.write:
        before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(START)
        DOCUMENT.write_text(before + START + made + END + rest.partition(END)[2], encoding="utf-8")
    print(made)
    if told.files:
        for name, (files, _) in measured().items():
            print(name, *(f"  {file} {n}" for file, n in files.items()), sep="\n")


if __name__ == "__main__":
    main()
