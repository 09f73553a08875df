"""Small fits of every kind, as arrays by name: by engines, by the trainer, and by the estimators.

Inputs, targets and the draws of the parameters are the same numbers on every machine, so that what differs is the fit.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from tests.golden.library import (
    ACTIVATIONS,
    Data,
    Dense,
    DenseBatches,
    Engine,
    Network,
    ReferenceEngine,
    Settings,
    State,
    TrainConfig,
    extension,
    fit,
    get_optimizer,
    native_engine,
)
from tests.golden.machine import everything, natives, numpys

Array = np.ndarray
ISAS = ("avx512", "avx2", "baseline")
ENGINES = ("reference", *ISAS)


@dataclass(frozen=True)
class Fit:
    """One fit: how to run it, and the machine that its bits depend on."""

    run: Callable[[], dict[str, Array]]
    machine: Callable[[], str]
    native: str = ""  # "" where it needs no native engine, "any", or the instruction set


# --- the data ---------------------------------------------------------------------------------------------------------


def eighths(rng: np.random.Generator, *shape: int) -> Array:
    """Multiples of 1/8 in ±2, exact in every type."""
    return rng.integers(-16, 17, shape) / 8


def examples(rows: int, inputs: int, outputs: int, kind: str) -> tuple[Array, Array]:
    """X (rows, inputs), Y (rows, outputs): real numbers, classes, yes or no, counts, shares of 1."""
    rng = np.random.default_rng(7)
    X = eighths(rng, rows, inputs)
    which = (X[:, 0] * 2 + X[:, -1]).astype(int)
    if kind == "classes":
        return X, np.eye(outputs)[which % outputs]
    if kind == "bits":
        return X, ((which[:, None] + np.arange(outputs)) % 2).astype(float)
    if kind == "counts":
        return X, (np.abs(which)[:, None] % 4 + np.arange(outputs)).astype(float)
    return X, eighths(rng, rows, outputs) + X[:, :1]


# --- an engine's fits -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class EngineFit:
    """Epochs of `Engine.run` on a few examples, then what the engine says of all of them."""

    hidden: tuple[Dense, ...] = (Dense(5, "tanh"), Dense(4, "tanh"))
    out: Dense = field(default_factory=lambda: Dense(2))
    loss: Any = "half_squared_error"
    kind: str = "numbers"
    rows: int = 22
    inputs: int = 3
    epochs: int = 3
    batch_size: int = 8
    optimizer: Any = field(default_factory=lambda: {"name": "sgd", "learning_rate": 0.1})
    dtype: str = "float64"
    weighted: bool = False
    sparse: bool = False
    network: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)

    def run(self, engine: str) -> dict[str, Array]:
        """Everything that can be seen of the fit."""
        net = Network(self.inputs, [*self.hidden, self.out], loss=self.loss, **self.network)
        told = {"n_threads": 1, "seed": 5} | self.recipe
        recipe = TrainConfig(net, get_optimizer(self.optimizer), self.batch_size, **told)
        data, runner = self.data(net), engine_of(recipe, engine)
        if self.sparse:
            runner = DenseBatches(runner, self.batch_size)
        state = State.start(net, net.init("xavier_uniform", seed=3, dtype=self.dtype), recipe.optimizer)
        n_batches = -(-self.rows // self.batch_size)
        losses, norms = [], []
        for epoch in range(self.epochs):
            order = np.random.default_rng(epoch).permutation(self.rows)
            rates = recipe.optimizer.learning_rate * np.linspace(1, 0.5, n_batches)
            result = runner.run(state, data, order, rates, lambda: False)
            losses.append(result.loss)
            norms.append(result.gradient_norms)
        loss, gradient = runner.loss_and_gradient(state.params, data)
        made = {
            "theta": state.params.theta, "losses": np.array(losses), "gradient_norms": np.array(norms),
            "outputs": runner.predict(state.params, state.statistics, data.X),
            "loss": np.array([loss, runner.loss(state.params, state.statistics, data)]), "gradient": gradient,
        }  # fmt: skip
        made |= {f"slot_{k}": slot for k, slot in enumerate(state.slots)}
        return made | dict(moments(net, state.statistics))

    def data(self, net: Network) -> Data:
        """The examples in the fit's type."""
        X, Y = (array.astype(self.dtype) for array in examples(self.rows, self.inputs, net.outputs, self.kind))
        weight = (np.arange(self.rows) % 4 / 2).astype(self.dtype) if self.weighted else None
        if self.sparse:
            from scipy.sparse import csr_matrix

            X = csr_matrix(np.where(np.abs(X) < 1, 0, X))
        return Data(X, Y, weight)


def engine_of(recipe: TrainConfig, name: str) -> Engine:
    """The textbook's engine, or the native one with an instruction set."""
    return ReferenceEngine(recipe) if name == "reference" else native_engine(recipe, name)


def moments(net: Network, statistics: Any) -> Iterator[tuple[str, Array]]:
    """Batch norm's running moments."""
    for l, layer in net.numbered():
        if layer.norm == "batch":
            yield from ((f"mean_{l}", statistics.mean[l]), (f"variance_{l}", statistics.variance[l]))


def two(activation: Any, **options: Any) -> tuple[Dense, ...]:
    """Two hidden layers of equal options."""
    return Dense(5, activation, **options), Dense(4, activation, **options)


ALPHAS = {"leaky_relu": {"name": "leaky_relu", "alpha": 0.1}, "elu": {"name": "elu", "alpha": 0.5}}
NAMES = [name for name in ACTIVATIONS.shipped if name not in ("exp", "softmax")]
HIDDEN = [*(ALPHAS.get(name, name) for name in NAMES), "leaky_relu", "elu"]
ADAM = {"name": "adam", "learning_rate": 0.05}
PAIRS: dict[str, tuple[Any, Any, str]] = {  # output activation, loss, kind of targets
    "softmax cross_entropy": ("softmax", "cross_entropy", "classes"),
    "softmax squared_error": ("softmax", "squared_error", "classes"),
    "sigmoid binary_cross_entropy": ("sigmoid", "binary_cross_entropy", "bits"),
    "sigmoid cross_entropy": ("sigmoid", "cross_entropy", "classes"),
    "softmax binary_cross_entropy": ("softmax", "binary_cross_entropy", "classes"),
    "tanh half_squared_error": ("tanh", "half_squared_error", "bits"),
    "identity squared_error": ("identity", "squared_error", "numbers"),
    "identity mean_squared_error": ("identity", "mean_squared_error", "numbers"),
    "identity absolute_error": ("identity", "absolute_error", "numbers"),
    "identity huber": ("identity", {"name": "huber", "delta": 0.7}, "numbers"),
    "identity quantile": ("identity", {"name": "quantile", "quantile": 0.8}, "numbers"),
    "exp poisson": ("exp", "poisson", "counts"),
    "softplus poisson": ("softplus", "poisson", "counts"),
}
OPTIMIZERS: dict[str, Any] = {
    "sgd": {"name": "sgd", "learning_rate": 0.1},
    "momentum": {"name": "sgd", "learning_rate": 0.05, "momentum": 0.9},
    "nesterov": {"name": "sgd", "learning_rate": 0.05, "momentum": 0.8, "nesterov": True},
    "adagrad": {"name": "adagrad", "learning_rate": 0.1, "eps": 1e-6},
    "rmsprop": {"name": "rmsprop", "learning_rate": 0.02, "rho": 0.9, "eps": 1e-6},
    "rmsprop with momentum": {"name": "rmsprop", "learning_rate": 0.02, "rho": 0.95, "momentum": 0.5},
    "adam": {"name": "adam", "learning_rate": 0.05, "beta1": 0.8, "beta2": 0.95, "eps": 1e-6},
    "amsgrad": {"name": "adam", "learning_rate": 0.05, "amsgrad": True},
    "adamw": {"name": "adamw", "learning_rate": 0.05, "weight_decay": 0.1},
    "adamw with amsgrad": {"name": "adamw", "learning_rate": 0.05, "weight_decay": 0.1, "amsgrad": True},
}
SOFTMAX = {"out": Dense(3, "softmax"), "loss": "cross_entropy", "kind": "classes"}
TALL = {
    "rows": 128,
    "batch_size": 128,
    "recipe": {"memory_limit": 600_000},  # too little to keep all activations
    "optimizer": {"name": "sgd", "learning_rate": 0.01},  # small steps, for through 16 layers rounding grows
}
OPTIONS: dict[str, dict[str, Any]] = {
    "batch norm": {"hidden": two("relu", norm="batch")},
    "batch norm, large eps": {"hidden": two("tanh", norm="batch", eps=0.1), "optimizer": OPTIMIZERS["momentum"]},
    "batch norm at the output": {"hidden": two("silu"), "out": Dense(2, norm="batch")},
    "layer norm": {"hidden": two("tanh", norm="layer")},
    "layer norm and skip": {"hidden": (Dense(5, "gelu", norm="layer"), Dense(5, "gelu", norm="layer", skip_from=1))},
    "dropout": {"hidden": two("relu", dropout=0.4)},
    "dropout and batch norm": {"hidden": two("silu", dropout=0.2, norm="batch")},
    "skip": {"hidden": (Dense(5, "tanh"), Dense(5, "relu", skip_from=1), Dense(5, "tanh", skip_from=1))},
    "skip with a scale": {"hidden": (Dense(5, "tanh"), Dense(5, "silu", skip_from=1, skip_scale=-0.7, dropout=0.3))},
    "skip from the inputs": {"hidden": (Dense(3, "sigmoid", skip_from=0, skip_scale=0.5), Dense(4, "tanh"))},
    "l2": {"network": {"l2": 0.3}},
    "l2 and norms": {"network": {"l2": 0.3}, "hidden": two("tanh", norm="batch")},
    "alpha": {"recipe": {"alpha": 0.5}, "network": {"l2": 0.1}},
    "alpha and weights": {"recipe": {"alpha": 0.5}, "weighted": True, **SOFTMAX},
    "weights": {"weighted": True},
    "weights and batch norm": {"weighted": True, "hidden": two("tanh", norm="batch"), **SOFTMAX},
    "sum": {"network": {"reduction": "sum"}, "optimizer": {"name": "sgd", "learning_rate": 0.01}},
    "sum and weights": {"network": {"reduction": "sum", "l2": 0.1}, "weighted": True, "optimizer": ADAM},
    "clip_norm": {"recipe": {"clip_norm": 0.3}},
    "clip_value": {"recipe": {"clip_value": 0.05}, "optimizer": ADAM},
    "clip both": {"recipe": {"clip_norm": 0.5, "clip_value": 0.1}, "optimizer": OPTIMIZERS["momentum"]},
    "no bias": {"hidden": two("tanh", train_bias=False), "out": Dense(2, train_bias=False), "optimizer": ADAM},
    "no bias, batch norm": {"hidden": two("relu", train_bias=False, norm="batch"), "optimizer": ADAM},
    "sparse": {"sparse": True, "inputs": 6, **SOFTMAX, "optimizer": ADAM},
    "sparse and weights": {"sparse": True, "inputs": 6, "weighted": True},
    "memory_limit": {**TALL, "hidden": tuple(Dense(24, "tanh", dropout=0.1, norm="layer") for _ in range(16))},
    "memory_limit and batch norm": {**TALL, "hidden": tuple(Dense(24, "silu", norm="batch") for _ in range(16))},
    "one layer": {"hidden": (), "inputs": 4},
    "one unit, one row a batch": {"hidden": (Dense(1, "tanh"),), "out": Dense(1), "batch_size": 1, "rows": 5},
    "twelve layers": {"hidden": tuple(Dense(4, "selu") for _ in range(12)), "optimizer": ADAM},
    "wider than vectors": {"hidden": (Dense(37, "gelu"), Dense(19, "relu")), "inputs": 21, "rows": 40, "epochs": 2},
    "all at once": {
        "hidden": (
            Dense(5, "relu", norm="batch", dropout=0.2, train_bias=False),
            Dense(5, "silu", skip_from=1, norm="layer"),
        ),
        "network": {"l2": 0.05}, "recipe": {"clip_norm": 0.8}, "weighted": True, "optimizer": OPTIMIZERS["adamw"],
        **SOFTMAX,
    },
    "two threads": {
        "hidden": (Dense(64, "tanh"), Dense(64, "relu")), "inputs": 16, "rows": 300, "batch_size": 256, "epochs": 2,
        "recipe": {"n_threads": 2},
    },
    "two threads, batch norm and dropout": {
        "hidden": (Dense(64, "silu", norm="batch", dropout=0.2), Dense(64, "relu")), "inputs": 16, "rows": 300,
        "batch_size": 256, "epochs": 2, "recipe": {"n_threads": 2, "clip_norm": 1.0}, **SOFTMAX,
    },
    "products that BLAS does": {
        "hidden": (Dense(200, "tanh"), Dense(200, "tanh")), "inputs": 8, "rows": 64, "batch_size": 64, "epochs": 2,
    },
}  # fmt: skip
SINGLE = (
    "batch norm", "layer norm", "dropout", "skip with a scale", "weights", "clip_norm", "sum", "sparse", "memory_limit",
    "wider than vectors", "all at once", "two threads", "products that BLAS does",
)  # fmt: skip
FUSED = {"hidden": (Dense(1030, "relu"),), "inputs": 1024, "rows": 8, "batch_size": 4, "epochs": 1, "dtype": "float32"}


def named(spec: Any) -> str:
    """A spec's name and number."""
    return spec if isinstance(spec, str) else " ".join(str(value) for value in spec.values())


def engine_fits() -> Iterator[tuple[str, EngineFit]]:
    """Every fit that each engine makes."""
    for dtype in ("float64", "float32"):
        for spec in HIDDEN:
            yield f"{named(spec)} {dtype}", EngineFit(hidden=two(spec), dtype=dtype)
        yield f"exp {dtype}", EngineFit(hidden=(Dense(5, "tanh"), Dense(4, "exp")), dtype=dtype)
        for name, (activation, loss, kind) in PAIRS.items():
            out = Dense(3, activation)
            made = EngineFit(hidden=(Dense(4, "tanh"),), out=out, loss=loss, kind=kind, optimizer=ADAM, dtype=dtype)
            yield f"{name} {dtype}", made
        for name, optimizer in OPTIMIZERS.items():
            yield f"{name} {dtype}", EngineFit(optimizer=optimizer, dtype=dtype)
    for name, options in OPTIONS.items():
        yield f"{name} float64", EngineFit(**options)
    for name in SINGLE:
        yield f"{name} float32", EngineFit(**OPTIONS[name], dtype="float32")
    yield "fused update float32", EngineFit(**FUSED, optimizer={"name": "adam", "learning_rate": 1e-4})


# --- the trainer's fits -----------------------------------------------------------------------------------------------

SCHEDULES: dict[str, Any] = {
    "step": {"name": "step", "every": 2, "rate": 0.5},
    "exponential": {"name": "exponential", "rate": 0.8},
    "exponential per step": {"name": "exponential", "rate": 0.9, "per": "step"},
    "cosine": {"name": "cosine", "floor": 0.1},
    "one_cycle": "one_cycle",
    "warm_up": {"name": "warm_up", "length": 5, "per": "step", "after": "cosine"},
    "inverse_scaling": {"name": "inverse_scaling", "power": 0.5, "scale": 10},
    "reduce_on_plateau": {"name": "reduce_on_plateau", "rate": 0.5, "patience": 1, "threshold": 0.2},
    "adaptive": {"name": "adaptive", "rate": 0.2, "patience": 1, "tol": 0.1},
}
TRAININGS: dict[str, dict[str, Any]] = {
    **{f"schedule {name}": {"schedule": schedule} for name, schedule in SCHEDULES.items()},
    "no shuffling": {"shuffle": False},
    "patience": {"patience": 1, "tol": 0.3, "epochs": 30},
    "best epoch restored": {"monitor": "validation_loss", "restore_best": True, "patience": 2, "epochs": 30},
    "clipping and alpha": {"clip_norm": 0.5, "clip_value": 0.2, "alpha": 0.3, "optimizer": "adamw"},
    "another seed": {"seed": 2**63 + 1},
}


def train(options: dict[str, Any], engine: str, twice: bool = False) -> dict[str, Array]:
    """A run of the trainer with batch norm and dropout; twice : go on from where it ended.

    Under batch norm a bias has no effect: its gradient is rounding, of which Adam would make steps.
    """
    net = Network(3, [Dense(6, "tanh", norm="batch", dropout=0.2, train_bias=False), Dense(4, "relu"), Dense(2)])
    X, Y = examples(40, 3, 2, "numbers")
    told: dict[str, Any] = {"epochs": 6, "batch_size": 8, "optimizer": ADAM, "patience": None, "seed": 4}
    settings = Settings(**{**told, **options}, engine=engine, n_threads=1)
    learned, held_out = Data(X[:30], Y[:30]), Data(X[30:], Y[30:])
    run = partial(fit, net, net.init("he_normal", seed=1), learned, settings, validation=held_out)
    outcome = run()
    if twice:
        outcome = run(state=outcome.state, history=outcome.history)
    history = outcome.history
    made = {
        "theta": outcome.params.theta, "losses": np.array(history.column("loss")),
        "validation_losses": np.array(history.column("validation_loss")),
        "learning_rates": np.array(history.column("learning_rate")),
        "gradient_norms": np.array(history.column("gradient_norms")),
        "best_epoch": np.array([-1 if history.best_epoch is None else history.best_epoch]),
        "stopped": np.frombuffer(history.stopped.encode(), np.uint8),
    }  # fmt: skip
    made |= {f"slot_{k}": slot for k, slot in enumerate(outcome.state.slots)}
    return made | dict(moments(net, outcome.statistics))


def trainer_fits() -> Iterator[tuple[str, Callable[[str], dict[str, Array]]]]:
    """Every fit of the trainer, as a function of the engine's name."""
    for name, options in TRAININGS.items():
        yield f"trainer: {name}", partial(train, options)
    yield "trainer: six epochs and six more", partial(train, {}, twice=True)


# --- all of them ------------------------------------------------------------------------------------------------------


def all_fits() -> Iterator[tuple[str, Fit]]:
    """Every item: a fit by one engine.  The names are the test's ids."""
    from tests.golden.estimators import TEXTBOOK_ONLY, estimator_fits

    for name, made in engine_fits():
        for engine in ENGINES:
            machine = numpys if engine == "reference" else partial(machine_of, engine)
            native = "" if engine == "reference" else engine
            yield f"{name} {engine}", Fit(partial(made.run, engine), machine, native)
    for name, run in (*trainer_fits(), *estimator_fits()):
        yield f"{name} reference", Fit(partial(run, "reference"), numpys)
        if name not in TEXTBOOK_ONLY:
            yield f"{name} native", Fit(partial(run, "native"), everything, "any")


def machine_of(isa: str) -> str:
    """What a native fit depends on; without AVX a large product is BLAS's."""
    return f"{natives(isa)}; {numpys()}" if isa == "baseline" else natives(isa)


def missing(native: str) -> str:
    """Why a fit cannot run here, "" where it can."""
    if not native:
        return ""
    if extension() is None:
        return "the native engine is not built: pip install -e ."
    return "" if native in ("any", *extension().instruction_sets()) else f"this processor has no {native}"


FITS: dict[str, Fit] = dict(all_fits())
