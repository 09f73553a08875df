"""Calls of the compiled module with something changed: a value, an array's layout, a field of a plan, a step of it."""

import datetime
from typing import Any

import numpy as np
from tests.engine.right_calls import Call, Struct, gemm_capsule

WHOLE = [
    -(2**63),
    -(2**40),
    -65,
    -64,
    -1,
    0,
    1,
    2,
    3,
    7,
    63,
    64,
    65,
    128,
    1000,
    4096,
    10**6,
    2**31,
    2**40,
    2**62,
    2**63 - 1,
    2**64,
]
REAL = [0.0, -1.0, 1.0, 0.5, 1e-300, 1e300, np.inf, -np.inf, np.nan]
WORDS = [
    "",
    "tanh",
    "softmax",
    "huber",
    "batch",
    "layer",
    "rows",
    "columns",
    "blas",
    "adam",
    "avx2",
    "avx9",
    "baseline",
    "exp",
    "ö",
]
THINGS = [
    None,
    "x",
    b"x",
    1.5,
    [],
    {},
    object(),
    np.float64(2),
    np.zeros(3),
    np.zeros((2, 2), np.float32),
    True,
    Ellipsis,
]


def changed_array(rng: np.random.Generator, a: np.ndarray) -> Any:
    """An array that is not the right one, or is laid out in another way."""
    raw = np.zeros(a.nbytes + 1, np.uint8)[1:]
    misaligned = raw.view(a.dtype).reshape(a.shape) if a.nbytes else a
    fixed = a.copy()
    fixed.flags.writeable = False
    wild = a.copy()
    if a.size:
        wild.flat[rng.integers(a.size)] = rng.choice([-1, 10**9, -(2**40)]) if a.dtype == np.int64 else 3
    ways = [
        lambda: a.astype(rng.choice(["f2", "f4", "f8", "i4", "i8", "u1", "c8", ">f4", ">i8"])),
        lambda: np.resize(a, (max(a.shape[0] + rng.choice([-1, 1, -a.shape[0], 3]), 0), *a.shape[1:])),
        lambda: a[:, :-1] if a.ndim > 1 else a[None],
        lambda: np.asfortranarray(a),
        lambda: np.repeat(a, 2, axis=0)[::2],
        lambda: a[::-1],
        lambda: a.T,
        lambda: a.ravel(),
        lambda: np.lib.stride_tricks.as_strided(a[:1], (10**6, *a.shape[1:]), (0, *a.strides[1:])) if a.size else a,
        lambda: fixed,
        lambda: misaligned,
        lambda: wild,
        lambda: a.tolist(),
        lambda: memoryview(a.copy()),
        lambda: np.array(None),
        lambda: rng.choice(np.array(THINGS, dtype=object)),
    ]
    return ways[int(rng.integers(len(ways)))]()


def changed(rng: np.random.Generator, value: Any) -> Any:
    """Something else in the place of a value."""
    if rng.random() < 0.07:
        return THINGS[int(rng.integers(len(THINGS)))]
    if isinstance(value, np.ndarray) and value.ndim and value.dtype != object and value.nbytes < 2**20:
        return changed_array(rng, value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        near = value + int(rng.choice([-64, -16, -1, 1, 16, 64, value]))
        return near if rng.random() < 0.5 else WHOLE[int(rng.integers(len(WHOLE)))]
    if isinstance(value, float):
        return REAL[int(rng.integers(len(REAL)))]
    if isinstance(value, str):
        return str(rng.choice(WORDS))
    if isinstance(value, dict):
        return [{}, {"alpha": np.nan}, {"beta": 1.0}, {"alpha": 1.0, "delta": 2.0}, {1: 2}, {**value, "more": 1.0}][
            int(rng.integers(6))
        ]
    if isinstance(value, list):
        return changed_list(rng, value)
    if callable(value):
        return THINGS[int(rng.integers(len(THINGS)))]
    return WHOLE[int(rng.integers(len(WHOLE)))] if rng.random() < 0.5 else THINGS[int(rng.integers(len(THINGS)))]


def changed_list(rng: np.random.Generator, value: list[Any]) -> Any:
    """A list with an entry more, fewer, or other."""
    i = int(rng.integers(max(len(value), 1)))
    ways: list[Any] = [value[:-1], [*value, None], value * 1000, tuple(value), iter(value)]
    if value:
        ways += [[*value[:i], changed(rng, value[i]), *value[i + 1 :]]] * 4
    return ways[int(rng.integers(len(ways)))]


def change_struct(rng: np.random.Generator, struct: Struct) -> Struct:
    """A copy of a struct with a field, an argument of a call, or a call itself changed."""
    new = Struct(struct.kind, *struct.args)
    new.fields.update(struct.fields)
    new.calls.extend((name, list(args), dict(kwargs)) for name, args, kwargs in struct.calls)
    if struct.kind == "OptimizerPlan" and rng.random() < 0.5:
        i = int(rng.integers(2))
        new.__dict__["args"] = (*struct.args[:i], changed(rng, struct.args[i]), *struct.args[i + 1 :])
    elif new.calls and rng.random() < 0.5:
        i = int(rng.integers(len(new.calls)))
        _, args, kwargs = new.calls[i]
        if rng.random() < 0.15:
            new.calls[i : i + 1] = [[], [new.calls[i]] * 2, [new.calls[int(rng.integers(len(new.calls)))]]][
                int(rng.integers(3))
            ]
        elif kwargs:
            key = str(rng.choice(list(kwargs)))
            kwargs[key] = changed(rng, kwargs[key])
        else:
            j = int(rng.integers(len(args)))
            args[j] = change_struct(rng, args[j]) if isinstance(args[j], Struct) else changed(rng, args[j])
    elif new.fields:
        key = str(rng.choice(list(new.fields)))
        new.fields[key] = changed(rng, new.fields[key])
    return new


def change(rng: np.random.Generator, call: Call) -> tuple[Call, bool]:
    """A call with one to three things changed, and whether the engine's own are among them."""
    new, engine = Call(call.name, dict(call.arguments), dict(call.engine), call.kind), False
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        if call.engine and rng.random() < 0.5:
            key, engine = str(rng.choice(["plan", "plan", "plan", "plan", "optimizer", "isa", "gemm"])), True
            if key in ("plan", "optimizer"):
                if isinstance(new.engine[key], Struct):
                    new.engine[key] = change_struct(rng, new.engine[key]) if rng.random() < 0.97 else changed(rng, 1)
            elif key == "gemm":
                foreign = datetime.datetime_CAPI  # type: ignore[attr-defined]  # a capsule that no stub lists
                others = [gemm_capsule("sgemm"), gemm_capsule("dgemm"), foreign, None, 5, "gemm"]
                new.engine[key] = others[int(rng.integers(len(others)))]
            else:
                new.engine[key] = changed(rng, new.engine[key])
        else:
            key = str(rng.choice(list(new.arguments)))
            if rng.random() < 0.03:
                del new.arguments[key]
                return new, engine
            new.arguments[key] = changed(rng, new.arguments[key])
    return new, engine
