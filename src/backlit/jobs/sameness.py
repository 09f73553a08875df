"""What must be the same here and on a worker: versions, and how its processor and its libraries round."""

import hashlib
import platform
from functools import lru_cache
from importlib.metadata import version

import numpy as np

from backlit._version import __version__
from backlit.core.network import Dense, Network
from backlit.core.targets import as_targets
from backlit.engine import Data, Engine, ReferenceEngine, State, TrainConfig
from backlit.engine.native import NativeEngine, extension
from backlit.optim import AdamW

PROBE = Network(
    40,
    [Dense(48, "gelu", norm="layer", dropout=0.1), Dense(24, "tanh", norm="batch"), Dense(5, "softmax")],
    loss="cross_entropy",
)
ROWS, BATCH = 96, 32  # so few that BLAS uses one thread


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """What must be the same on both sides, so that a job can be read there and gives the same bits."""
    packages = {name: version(name) for name in ("numpy", "polars")}
    python = ".".join(platform.python_version_tuple()[:2])
    return {"backlit": __version__, "Python": python} | packages | {"arithmetic": arithmetic_digest()}


@lru_cache(maxsize=1)
def arithmetic_digest() -> str:
    """The instruction set of the compiled engine, and a SHA-256 of θ after small fits by both engines.

    Two machines of one digest give, as far as this sees, the same bits; those of another instruction set, BLAS or NumPy
    that rounds otherwise differ.

    >>> len(arithmetic_digest().rpartition(" ")[2])
    12
    """
    found, native = hashlib.sha256(), extension()
    for dtype in (np.float32, np.float64):
        for kind in (ReferenceEngine, *([NativeEngine] if native else [])):
            found.update(fitted(kind(TrainConfig(PROBE, AdamW(), BATCH)), dtype).tobytes())
    return f"{native.instruction_sets()[0] if native else 'NumPy alone'} {found.hexdigest()[:12]}"


def fitted(engine: Engine, dtype: type) -> np.ndarray:
    """θ (n,) after an epoch of a few batches."""
    rng = np.random.default_rng(0)
    X: np.ndarray = rng.standard_normal((ROWS, PROBE.n[0])).astype(dtype)
    data = Data(X, as_targets(PROBE, rng.integers(PROBE.n[PROBE.L], size=ROWS), ROWS, dtype))
    state = State.start(PROBE, PROBE.init("he_normal", seed=0, dtype=dtype), AdamW())
    engine.run(state, data, np.arange(ROWS), np.full(ROWS // BATCH, 0.01), lambda: False)
    return state.params.theta
