"""A peer in a process of its own: reads commands (JSON lines), answers with times, losses and peak memory."""

import importlib
import json
import resource
import sys
import time

import numpy as np

from benchmarks.sizes import SIZES, Size, data, parameters

PEERS = {
    "backlit": ("backlit", {}),
    "backlit fit": ("backlit_fit", {}),
    "scikit-learn": ("sklearn", {}),
    "torch eager": ("torch", {}),
    "torch compiled": ("torch", {"compiled": True}),
    "jax step": ("jax", {}),
    "jax scan": ("jax", {"scan": True}),
}
IMPORTS = {
    "backlit": "backlit.engine.native",
    "backlit_fit": "backlit.estimators",
    "sklearn": "sklearn.neural_network",
    "torch": "torch",
    "jax": "jax.numpy",
}


def peak() -> int:
    """The largest resident size so far, in kB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(name: str, size: Size, threads: int) -> None:
    """Serve until the input ends."""
    module, options = PEERS[name]
    importlib.import_module(IMPORTS[module])
    X, labels = data(size)
    start = parameters(size)
    imported = peak()
    peer = importlib.import_module(f"benchmarks.peers.{module}").Peer(size, start, threads, **options)
    peer.prepare(X, labels)
    answer(ready=True)
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "epochs":
            answer(**timed(peer, size, **command))
        else:
            began = time.perf_counter()
            peer.predict(X)
            answer(seconds=time.perf_counter() - began, memory=peak() - imported)


def timed(peer, size: Size, seed: int, epochs: int, do: str) -> dict[str, float]:
    """The mean time of `epochs` epochs, after one that warms the caches again, and the loss of that one.

    A peer that has `epochs` draws their orders itself, within its time.
    """
    rng = np.random.default_rng(seed)
    loss, seconds = peer.epoch(rng.permutation(size.rows)), 0.0
    if epochs and hasattr(peer, "epochs"):
        began = time.perf_counter()
        peer.epochs(epochs)
        return {"loss": loss, "seconds": (time.perf_counter() - began) / epochs}
    for _ in range(epochs):
        order = rng.permutation(size.rows)
        began = time.perf_counter()
        peer.epoch(order)
        seconds += time.perf_counter() - began
    return {"loss": loss, "seconds": seconds / max(epochs, 1)}


def answer(**values) -> None:
    """One line back."""
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    described = json.loads(sys.argv[2])
    chosen = SIZES[described] if isinstance(described, str) else Size("sweep", tuple(described[0]), *described[1:])
    main(sys.argv[1], chosen, int(sys.argv[3]))
