"""Load mutated model files: each is an error in one line or a whole model, and nothing else happens.

Half of the files are what `backlit train` wrote, read by `load_model`, half what estimators saved, read by `load`.
Bits are flipped, bytes are cut, doubled, swapped and replaced, in the header, the description and the arrays; the
description's JSON is also changed with its lengths kept right.  An audit hook watches for files, processes and sockets
that a load has no business with; time and traced memory are bounded.  Prints what it did; exits with 1 at the first
failure, leaving the file that caused it.
"""

import argparse
import json
import random
import sys
import tempfile
import time
import tracemalloc
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from backlit import train
from backlit.errors import ModelError
from backlit.estimators import MLPClassifier, MLPRegressor
from backlit.formats.models import load_model

MOST_SECONDS, SPARE_BYTES = 60.0, 64 * 2**20  # a bound against hanging, on a busy machine too
VALUES: list[Any] = [None, True, -1, 0, 1, 2**31, 2**63, 1e308, "", "x", "os.system", [], {}, [[]], "é" * 50]


def mutate_bytes(draw: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 8))):
        at = draw.randrange(max(len(changed), 1))
        kind = draw.randrange(6)
        if kind == 0 and changed:
            changed[at % len(changed)] ^= 1 << draw.randrange(8)
        elif kind == 1:
            changed = changed[:at]
        elif kind == 2:
            changed[at:at] = draw.randbytes(draw.choice((1, 8, 100)))
        elif kind == 3:
            del changed[at : at + draw.choice((1, 8, 100))]
        elif kind == 4:
            changed[at:at] = changed[at : at + draw.choice((1, 8, 100))]
        elif changed:
            changed[: min(8, len(changed))] = draw.randbytes(min(8, len(changed)))
    return bytes(changed)


def mutate_json(draw: random.Random, value: Any) -> Any:
    """Change one place of a JSON value."""
    if isinstance(value, dict) and value and draw.random() < 0.9:
        key = draw.choice(list(value))
        action = draw.random()
        if action < 0.1:
            return {k: v for k, v in value.items() if k != key}
        if action < 0.2:
            return {**value, draw.choice(("extra", "__class__", "W", "units")): draw.choice(VALUES)}
        return {**value, key: mutate_json(draw, value[key])}
    if isinstance(value, list) and value and draw.random() < 0.9:
        at = draw.randrange(len(value))
        if draw.random() < 0.2:
            return value[:at] + value[at + 1 :]
        return [*value[:at], mutate_json(draw, value[at]), *value[at + 1 :]]
    if isinstance(value, int | float) and not isinstance(value, bool) and draw.random() < 0.5:
        return draw.choice((value + 1, -value, value * 10**6, float(value)))
    return draw.choice(VALUES)


def mutate_description(draw: random.Random, arrays: dict[str, np.ndarray], described: dict[str, Any]) -> bytes:
    for _ in range(draw.choice((1, 1, 3))):
        described = mutate_json(draw, described)
    if draw.random() < 0.2:
        name = draw.choice(list(arrays))
        arrays = {
            **arrays,
            name: draw.choice((arrays[name].T.copy(), arrays[name].astype(np.float16), arrays[name][:0])),
        }
    return save(arrays, metadata={"backlit": json.dumps(described)})


class Watch:
    """Counts what a load touches besides its own file."""

    FORBIDDEN = (
        "subprocess.Popen",
        "os.system",
        "os.exec",
        "os.fork",
        "socket.connect",
        "os.remove",
        "os.rename",
        "exec",
    )

    def __init__(self, path: Path):
        self.path, self.on = str(path), False
        self.touched: list[str] = []
        sys.addaudithook(self.hook)

    def hook(self, event: str, arguments: tuple) -> None:
        if not self.on:
            return
        other = event == "open" and str(arguments[0]) != self.path
        if event in self.FORBIDDEN or other:
            self.touched.append((event, str(arguments)[:200]))


Source = tuple[bytes, dict[str, np.ndarray], dict[str, Any], Any]


def source(path: Path, load: Any) -> Source:
    """A whole file: its bytes, arrays and description, and what reads it."""
    load(path)  # imports everything that a load needs
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    described = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["backlit"])
    arrays = {name: array.copy() for name, array in load_model(path).arrays().items()}
    return content, arrays, described, load


def trained(path: Path) -> Source:
    train(dataset="iris", hidden=(8,), norm="batch", epochs=1, out=path)
    return source(path, load_model)


def saved(path: Path) -> Iterator[Source]:
    """Estimators with parameters and classes of several kinds."""
    X = np.random.default_rng(0).standard_normal((40, 3))
    words, labels = np.array(["a", "b", "c"])[np.arange(40) % 3], (X > 0).astype(int)
    options: dict[str, Any] = {"hidden_layer_sizes": (4, 4), "max_iter": 2, "random_state": 0}
    warnings.simplefilter("ignore")  # two epochs do not converge
    models = [
        MLPClassifier(**options, activation=("tanh", {"name": "elu", "alpha": 0.5})).fit(X, words),
        MLPClassifier(**options, early_stopping=True).fit(X.astype(np.float32), labels),
        MLPRegressor(**options, norm="batch").fit(X, X[:, 0]),
    ]
    for model in models:
        model.save(path)
        yield source(path, type(model).load)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.safetensors")
        sources = [trained(path), *saved(path)]
        watch, errors, loaded, slowest, largest = Watch(path), 0, 0, 0.0, 0
        tracemalloc.start()
        for number in range(1, options.files + 1):
            content, arrays, described, load = sources[0] if draw.random() < 0.5 else draw.choice(sources[1:])
            if draw.random() < 0.5:
                changed = mutate_bytes(draw, content)
            else:
                changed = mutate_description(draw, arrays, described)
            path.write_bytes(changed)
            tracemalloc.reset_peak()
            before, started = tracemalloc.get_traced_memory()[0], time.perf_counter()
            watch.on = True
            try:
                load(path)
                loaded += 1
                message = ""
            except ModelError as error:
                errors += 1
                message = str(error)
            finally:
                watch.on = False
            slowest = max(slowest, time.perf_counter() - started)
            used = tracemalloc.get_traced_memory()[1] - before
            largest = max(largest, used)
            if "\n" in message or watch.touched or slowest > MOST_SECONDS or used > 2 * len(changed) + SPARE_BYTES:
                Path("fuzzed.safetensors").write_bytes(changed)
                sys.exit(f"file {number}: {message!r}, touched {watch.touched[:3]}, {slowest:.1f} s, {used:,} bytes")
            if number % 10_000 == 0:
                print(f"{number:,} files", file=sys.stderr)
    print(f"{options.files:,} mutated files: {errors:,} errors of one line, {loaded:,} still a whole model")
    print(f"  slowest load {slowest:.3f} s, most memory {largest / 2**10:,.0f} KiB, nothing else touched")


if __name__ == "__main__":
    main()
