"""Files that were nearly right: bytes flipped, cut, doubled and replaced, foreign text put in, JSON changed."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

VALUES: list[Any] = [None, True, -1, 0, 1, 2**31, 2**63, 1e308, "", "x", "os.system", [], {}, [[]], "é" * 50]
FOREIGN = [
    "[" * 3000, '{"a":' * 500 + "1" + "}" * 500, "a: &a [*a]", "\ud800\udfff", "\x00" * 50, "1e999", "-1" + "0" * 400,
    "NaN", "!!python/name:os.system", "\u202e", "9" * 5000, "a." * 200 + "b=1", "=cmd()", '"' * 999, ",;\t|" * 99,
]  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A right file, the parser that reads it, and commands that do, with {} for its path."""

    suffix: str
    content: bytes
    parse: Callable[[Path], Any]
    commands: list[list[str]]


def mutated(draw: random.Random, source: Source) -> bytes:
    """A file that was nearly right."""
    content, kind = source.content, draw.random()
    if kind < 0.5 and source.suffix == ".safetensors":
        return mutate_description(draw, content)
    if kind < 0.3:
        try:
            return json.dumps(mutate_json(draw, json.loads(content))).encode()
        except (ValueError, UnicodeDecodeError):
            kind = 1
    if kind < 0.6:
        at = draw.randrange(len(content) + 1)
        return content[:at] + draw.choice(FOREIGN).encode("utf-8", "surrogatepass") + content[at:]
    return mutate_bytes(draw, content)


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


def mutate_description(draw: random.Random, content: bytes) -> bytes:
    """A safetensors file whose lengths are right, and whose description or shapes have changed."""
    metadata = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    key, arrays = draw.choice(list(metadata)), load(content)
    try:
        described = json.loads(metadata[key])
    except ValueError:
        described = metadata[key]
    for _ in range(draw.choice((1, 1, 3))):
        described = mutate_json(draw, described)
    if draw.random() < 0.2:
        name = draw.choice(list(arrays))
        was = np.atleast_1d(arrays[name])
        arrays[name] = draw.choice((was.T.copy(), was.astype(np.float16), was[:0]))
    return save(arrays, metadata={**metadata, key: json.dumps(described)})
