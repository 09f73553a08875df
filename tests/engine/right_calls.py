"""Right calls of the compiled module, drawn at random and written down so that something in them can be changed."""

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from backlit.core import Dense, Network, Statistics
from backlit.engine import TrainConfig
from backlit.engine import plan as planning
from backlit.engine.memory_limit import LimitError, under_limit
from backlit.engine.native import extension, gemm_capsule
from backlit.engine.native_support import optimizer_struct, plan_struct
from backlit.optim import get_optimizer


class Struct:
    """A struct of the module, written down so that it can be made with something changed."""

    def __init__(self, kind: str, *args: Any):
        self.__dict__.update(kind=kind, args=args, fields={}, calls=[])

    def __setattr__(self, name: str, value: Any) -> None:
        self.fields[name] = value

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: self.calls.append((name, list(args), kwargs))

    def make(self) -> Any:
        """The struct itself."""
        there = getattr(extension(), self.kind)(*self.args)
        for name, value in self.fields.items():
            setattr(there, name, value)
        for name, args, kwargs in self.calls:
            getattr(there, name)(*(a.make() if isinstance(a, Struct) else a for a in args), **kwargs)
        return there


class Recorder:
    """The module as `plan_struct` sees it."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args: Struct(name, *args)


@dataclass
class Call:
    """A call that is right until something is changed: `make` of an engine where there is one, then a function."""

    name: str  # of the engine's method, or of the module's function
    arguments: dict[str, Any]
    engine: dict[str, Any] = field(default_factory=dict)  # plan, optimizer, isa, gemm
    kind: str = ""

    def outputs(self) -> list[Any]:
        """The arrays that the call writes."""
        found = [
            self.arguments[name]
            for name in ("theta", "grad", "out", "y", "a", "slope", "C", "kept")
            if name in self.arguments
        ]
        for name in ("slots", "mean", "variance"):
            found += [a for a in self.arguments.get(name) or [] if a is not None]
        return found


def networks() -> list[Network]:
    """Small ones, with everything that has a place in a plan."""
    normed = [Dense(9, "relu", norm="layer"), Dense(9, "gelu", dropout=0.3, skip_from=1), Dense(3, "softmax")]
    mixed = [Dense(6, "elu", norm="batch"), Dense(6, "silu", norm="batch", skip_from=1), Dense(2, "sigmoid")]
    dropped = [Dense(4, "tanh", dropout=0.2), Dense(7, "mish"), Dense(4, "relu", skip_from=1)]
    return [
        Network(3, [Dense(5, "tanh"), Dense(2)]),
        Network(1, [Dense(1, "leaky_relu")], loss="huber"),
        Network(4, normed, loss="cross_entropy"),
        Network(4, mixed, loss="binary_cross_entropy", l2=0.1),
        Network(5, [*dropped, Dense(3, "softmax", norm="layer")]),
    ]


@dataclass(frozen=True)
class Setting:
    """What a right engine is made of."""

    net: int
    dtype: str
    threads: int
    isa: str
    optimizer: str
    way: str  # plain, fused, limited, blas, columns, prediction


@cache
def recorded(setting: Setting) -> tuple[Struct, Struct, bool]:
    """The plan, the optimizer, and whether BLAS is asked for."""
    net = networks()[setting.net]
    recipe = TrainConfig(net, get_optimizer(setting.optimizer), 9, clip_norm=1.0 if setting.way == "limited" else None)
    tiles = planning.Tiles(*extension().widths(setting.isa)[setting.dtype == "f8"])
    product = setting.way if setting.way in ("blas", "columns") else "rows"
    chosen, planning.choose_product = planning.choose_product, lambda *_: product
    options = {"train": setting.way != "prediction", "fused": setting.way == "fused"}
    try:
        plan = planning.make_plan(net, 9, np.dtype(setting.dtype), threads=setting.threads, tiles=tiles, **options)
    finally:
        planning.choose_product = chosen
    if setting.way == "limited":
        try:
            under_limit(plan, 0)
        except LimitError as error:
            plan = under_limit(plan, min(error.smallest, plan.bytes))
    module: Any = Recorder()
    return plan_struct(module, plan, None), optimizer_struct(module, recipe), plan.uses_blas


def right_engine_call(rng: np.random.Generator) -> Call:
    """A call of an engine's method."""
    isas = extension().instruction_sets()
    way = str(rng.choice(["plain", "plain", "fused", "limited", "blas", "columns", "prediction"]))
    setting = Setting(
        net=int(rng.integers(len(networks()))),
        dtype=str(rng.choice(["f4", "f8"])),
        threads=int(rng.choice([1, 2, 3])),
        isa=str(rng.choice(isas)),
        optimizer=str(rng.choice(["sgd", "adam", "rmsprop"])),
        way=way,
    )
    net, dtype = networks()[setting.net], np.dtype(setting.dtype)
    plan, optimizer, blas = recorded(setting)
    gemm = gemm_capsule("sgemm" if dtype == np.float32 else "dgemm") if blas else None
    name = str(
        rng.choice(["predict", "loss"] if way == "prediction" else ["run", "run", "gradient", "predict", "loss"])
    )
    n = int(rng.integers(1, 10)) if name == "gradient" else int(rng.integers(1, 24))
    params, moments = net.init(seed=1, dtype=dtype), Statistics(net, dtype)
    Y = np.eye(net.outputs)[rng.integers(0, net.outputs, n)]
    data = {"X": rng.standard_normal((n, net.inputs)).astype(dtype), "Y": np.ascontiguousarray(Y, dtype)}
    weight = {"weight": rng.uniform(0.5, 1, n).astype(dtype) if rng.random() < 0.5 else None}
    running = {"mean": moments.mean[1:], "variance": moments.variance[1:]}
    arguments: dict[str, Any] = {"theta": params.theta}
    if name == "run":
        slots = list(get_optimizer(setting.optimizer).init(params.theta))
        arguments |= {"slots": slots, **running, "step": int(rng.integers(100)), **data, **weight}
        orders = np.stack([rng.permutation(n) for _ in range(int(rng.integers(1, 4)))])
        rates = np.full((len(orders), -(-n // 9)), 0.01)
        arguments |= {"orders": orders, "rates": rates, "seed": 5, "stop": lambda: False}
    elif name == "gradient":
        arguments |= {**data, **weight, "grad": np.empty_like(params.theta)}
    elif name == "predict":
        arguments |= {**running, "X": data["X"], "out": np.empty((n, net.outputs), dtype)}
    else:
        arguments |= {**running, **data, **weight}
    return Call(name, arguments, {"plan": plan, "optimizer": optimizer, "isa": setting.isa, "gemm": gemm},
                "Engine32" if dtype == np.float32 else "Engine64")  # fmt: skip


def right_function_call(rng: np.random.Generator) -> Call:
    """A call of a function of the module."""
    suffix, dtype = (("32", np.float32), ("64", np.float64))[int(rng.integers(2))]
    isa, n = str(rng.choice(extension().instruction_sets())), int(rng.integers(1, 40))
    x = rng.standard_normal(n).astype(dtype)
    name = str(rng.choice(["apply", "activate", "product", "mask", "widths"]))
    if name == "apply":
        return Call(
            f"apply_{suffix}",
            {"isa": isa, "name": str(rng.choice(extension().functions())), "x": x, "y": np.empty_like(x)},
        )
    if name == "activate":
        phi = {"isa": isa, "name": "elu", "parameters": {"alpha": 0.5}}
        return Call(f"activate_{suffix}", {**phi, "u": x, "a": np.empty_like(x), "slope": np.empty_like(x)})
    if name == "product":
        m, k = int(rng.integers(0, 20)), int(rng.integers(1, 1100))
        A, W = rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((n, k)).astype(dtype)
        return Call(f"product_{suffix}", {"isa": isa, "keep": bool(rng.random() < 0.5), "A": A, "W": W, "bias": x,
                                          "C": np.empty((m, n), dtype)})  # fmt: skip
    if name == "mask":
        return Call("mask", {"seed": 1, "step": 2, "l": 3, "first": n, "p": 0.3, "kept": np.empty(n, np.uint8)})
    return Call("widths", {"isa": isa})


def make(call: Call) -> Any:
    """The engine of a call."""
    made = {k: v.make() if isinstance(v, Struct) else v for k, v in call.engine.items()}
    return getattr(extension(), call.kind)(**made)
