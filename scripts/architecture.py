"""Measure the house: its size, and how many files somebody opens who follows one call.

A file counts if one of its functions runs.  What runs at import, and what only compares or prints dataclasses, is not
followed.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import backlit

SOURCE = Path(backlit.__file__).parent
DOCUMENT = Path(__file__).parent.parent / "ARCHITECTURE.md"
START, END = "<!-- measured: start (make architecture) -->", "<!-- measured: end -->"


def followed(call: Callable[[], Any]) -> tuple[dict[str, int], int]:
    """Run a call: ({file under src/backlit: functions of it that ran}, how deep its own calls nest)."""
    seen: dict[str, set[str]] = {}
    depth = deepest = 0

    def own(frame: Any) -> bool:
        return frame.f_code.co_filename.startswith(f"{SOURCE}{os.sep}")

    def profile(frame: Any, event: str, _: Any) -> None:
        nonlocal depth, deepest
        if event not in ("call", "return") or not own(frame) or frame.f_code.co_name == "<module>":
            return
        depth += 1 if event == "call" else -1
        deepest = max(deepest, depth)
        if event == "call":
            name = Path(frame.f_code.co_filename).relative_to(SOURCE).as_posix()
            seen.setdefault(name, set()).add(frame.f_code.co_qualname if sys.version_info >= (3, 11) else "")

    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(None)
    return {name: len(functions) for name, functions in sorted(seen.items())}, deepest


def training_step() -> Callable[[], Any]:
    """One step of the textbook's engine: forward, backward, clip, update."""
    import numpy as np

    from backlit import Dense, Network
    from backlit.engine import ReferenceEngine, State, TrainConfig
    from backlit.optim import Adam

    net = Network(2, [Dense(3, "tanh"), Dense(1)])
    recipe = TrainConfig(net, Adam(), 4, clip_norm=1.0)
    engine, X = ReferenceEngine(recipe), np.ones((4, 2))
    state = State.start(net, net.init(seed=0), recipe.optimizer)
    return lambda: engine.step(state, X, np.ones((4, 1)), None, 0.01)


def fit() -> Callable[[], Any]:
    """`fit` of an estimator, on whichever engine this installation has."""
    import numpy as np

    from backlit import MLPRegressor

    X = np.arange(40.0).reshape(20, 2)
    return lambda: MLPRegressor(hidden_layer_sizes=(4,), max_iter=2, tol=0, random_state=0, n_iter_no_change=5).fit(
        X, X[:, 0]
    )


def explain() -> Callable[[], Any]:
    """`backlit explain --example worked` as text."""
    from backlit import explain as explained
    from backlit.derivation.examples import read_example

    return lambda: explained(read_example("worked")).to_text()


CALLS = {
    "one training step, reference engine": (training_step, 8, None),
    "`MLPRegressor.fit`": (fit, 20, None),
    "`backlit explain --example worked`": (explain, 40, 20),
}


def measured() -> dict[str, tuple[dict[str, int], int]]:
    """Each call's files and depth; twice, so that what only the first call loads is not counted."""
    found = {}
    for name, (make, _, _) in CALLS.items():
        make()()
        found[name] = followed(make())
    return found
