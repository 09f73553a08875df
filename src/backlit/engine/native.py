"""The native engine: `core`'s passes and the optimizers' updates in C++, a whole epoch a call.

It gives the reference engine's numbers up to rounding.  When something is not finite it stops before the step that
would have spread it, and the textbook, run on that batch, says where it was.
"""

import importlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any

import numpy as np

from backlit.core.activations import ACTIVATIONS, get_activation
from backlit.core.groups import groups_of
from backlit.core.losses import LOSSES, get_loss
from backlit.core.norms import Statistics
from backlit.core.parameters import Parameters, layout
from backlit.engine.limited import LimitError, under_limit
from backlit.engine.plan import Plan, Tiles, fuses, is_skip_source, make_plan, useful_threads
from backlit.engine.protocol import Array, Data, EpochResult, Recipe, State
from backlit.engine.reference import ReferenceEngine
from backlit.engine.threads import allowed_threads, one_blas_thread
from backlit.errors import Divergence, ProblemError
from backlit.optim import Adagrad, Adam, AdamW, Optimizer, RmsProp, Sgd

ROWS_AT_ONCE = 1024  # of a prediction
PHI = {name: k for k, name in enumerate(ACTIVATIONS) if name in ACTIVATIONS.built_in}  # as native/src/activations.hpp
LOSS = {name: k for k, name in enumerate(LOSSES) if name in LOSSES.built_in}  # native/src/losses.hpp
SHORT = {"softmax": 9, "sigmoid": 10, "identity": 11, "exp": 12}
NORM = {None: 0, "batch": 1, "layer": 2}
FINISHED, INTERRUPTED, NOT_FINITE, OUTSIDE = range(4)


@lru_cache(maxsize=1)
def extension() -> Any:
    """The compiled module, None where it was not built."""
    try:
        return importlib.import_module("backlit._native")
    except ImportError:
        return None


def why_not(recipe: Recipe) -> str | None:
    """What keeps a recipe from the native engine, as the end of a sentence; None where nothing does."""
    if extension() is None:
        return "it was not built when Backlit was installed (no C++ compiler, or an unknown platform)"
    for l, layer in recipe.net.numbered():
        if layer.activation.name not in PHI or get_activation(layer.activation.spec) is not layer.activation:
            if groups_of(layer.activation) is not None:
                return f"layer {l} has a softmax for each of several labels, {layer.activation.name}"
            return f"layer {l} has an activation of your own, {layer.activation.name}"
    loss = recipe.net.loss
    if loss.name not in LOSS or get_loss(loss.spec) is not loss:
        return f"the loss {loss.name} is your own"
    if type(recipe.optimizer) not in (Sgd, Adagrad, RmsProp, Adam, AdamW):
        return f"the optimizer {type(recipe.optimizer).__name__} is your own"
    return None


class NativeEngine:
    """Runs a recipe in C++; see `protocol.Engine`.

    isa : "avx512", "avx2" or "baseline", None for the best that this processor has.
    """

    name = "native"

    def __init__(self, recipe: Recipe, isa: str | None = None):
        self.recipe, self.net = recipe, recipe.net
        self.module = extension()
        self.isa = isa or self.module.instruction_sets()[0]
        self.threads = allowed_threads(recipe.n_threads)
        self.made: dict[tuple[int, np.dtype, bool], tuple[Plan, Any]] = {}
        self.lock = threading.Lock()  # an engine has one workspace a plan

    def run(
        self, state: State, data: Data, order: Array, learning_rates: Array, stop: Callable[[], bool]
    ) -> EpochResult:
        """One pass over the data; see `protocol.Engine.run`."""
        size = min(self.recipe.batch_size, max(len(order), 1))
        order = np.ascontiguousarray(order, dtype=np.int64)
        rates = np.ascontiguousarray(learning_rates, dtype=np.float64)
        n_batches = -(-len(order) // size)
        if len(rates) != n_batches:
            raise ValueError(f"{n_batches} batches need as many learning rates, not {len(rates)}")
        if len(order) and not (order.min() >= 0 and order.max() < len(data)):
            raise IndexError(f"order names rows outside 0 to {len(data) - 1}")
        theta = state.params.theta
        with self.engine(size, theta.dtype) as engine:
            try:
                status, loss, seen, steps, batch, norms, step = engine.run(
                    theta,
                    list(state.slots),
                    *moments(state.statistics),
                    state.step,
                    *arrays(data, theta.dtype),
                    order,
                    rates,
                    self.recipe.seed,
                    stop,
                )
            except BaseException:
                state.step = max(state.step, engine.after_step)
                raise
        state.step = step
        if status in (NOT_FINITE, OUTSIDE):
            self.explain(state, data, order[batch * size : (batch + 1) * size], float(rates[batch]))
        return EpochResult(
            loss / max(seen, 1), np.array(norms) / max(steps, 1), steps, seen, interrupted=status == INTERRUPTED
        )

    def explain(self, state: State, data: Data, rows: Array, rate: float) -> None:
        """Raise what the textbook raises on this batch, and name it; the state stays as it is."""
        trial = state.copy()
        weight = None if data.sample_weight is None else data.sample_weight[rows]
        ReferenceEngine(self.recipe).step(trial, data.X[rows], data.Y[rows], weight, rate)
        raise Divergence(
            f"training diverged at step {state.step + 1}: the loss or a gradient is not finite: lower the learning "
            f"rate, clip the gradient, or look for huge values in the inputs",
            step=state.step + 1,
        )

    def at_once(self, n: int) -> int:
        """Rows of a prediction that are computed together, of n."""
        most = ROWS_AT_ONCE if self.recipe.memory_limit is None else min(ROWS_AT_ONCE, self.recipe.batch_size)
        return min(most, n)

    def predict(self, params: Parameters, statistics: Statistics, X: Array) -> Array:
        """Outputs a_L; see `protocol.Engine.predict`."""
        out = np.empty((len(X), self.net.outputs), params.theta.dtype)
        if len(X):
            with self.engine(self.at_once(len(X)), params.theta.dtype, train=False) as engine:
                engine.predict(params.theta, *moments(statistics, read_only=True), ready(X, params.theta.dtype), out)
        return out

    def loss(self, params: Parameters, statistics: Statistics, data: Data) -> float:
        """The mean of ℓ_i; see `protocol.Engine.loss`."""
        with self.engine(self.at_once(len(data)), params.theta.dtype, train=False) as engine:
            fine, loss = engine.loss(
                params.theta, *moments(statistics, read_only=True), *arrays(data, params.theta.dtype)
            )
        return loss if fine else ReferenceEngine(self.recipe).loss(params, statistics, data)

    def loss_and_gradient(self, params: Parameters, data: Data) -> tuple[float, Array]:
        """C and its gradient over the data as one batch; see `protocol.Engine.loss_and_gradient`."""
        gradient = np.empty_like(params.theta)
        with self.engine(len(data), params.theta.dtype) as engine:
            status, loss = engine.gradient(params.theta, *arrays(data, params.theta.dtype), gradient)
        if status == OUTSIDE:
            return ReferenceEngine(self.recipe).loss_and_gradient(params, data)
        return loss, gradient

    @contextmanager
    def engine(self, m: int, dtype: Any, train: bool = True) -> Iterator[Any]:
        """The C++ engine for batches of m rows, made once, with BLAS held to one thread while it runs."""
        with self.lock:
            key = (m, np.dtype(dtype), train)
            if key not in self.made:
                self.made[key] = self.make(*key)
            plan, engine = self.made[key]
            if not plan.uses_blas:
                yield engine
                return
            with one_blas_thread():
                yield engine

    def plan(self, m: int, dtype: np.dtype, train: bool = True) -> Plan:
        """The plan for batches of m rows on this processor.

        Raises ProblemError where a training step does not fit the memory limit.  What is larger than a batch, and a
        prediction, take the least that they can where they do not fit.
        """
        tiles = Tiles(*self.module.widths(self.isa)[dtype != np.float32])
        threads, blas = useful_threads(self.net, m, self.threads), self.isa == "baseline"
        lay_out = partial(make_plan, self.net, m, dtype, threads=threads, tiles=tiles, blas=blas, train=train)
        plain = lay_out(fused=fuses(self.net, m, self.recipe.clip_norm))
        if self.recipe.memory_limit is None:
            return plain
        return within(self.recipe, plain, lay_out(fused=False), train=train)

    def make(self, m: int, dtype: np.dtype, train: bool) -> tuple[Plan, Any]:
        """A plan and the C++ engine that follows it."""
        plan = self.plan(m, dtype, train)
        if self.recipe.memory_limit is not None:
            self.made.clear()  # two workspaces would be more than the limit
        kind = self.module.Engine32 if dtype == np.float32 else self.module.Engine64
        pointer = gemm_pointer("sgemm" if dtype == np.float32 else "dgemm") if plan.uses_blas else 0
        return plan, kind(
            plan_for(self.module, plan, self.recipe.alpha), optimizer_for(self.module, self.recipe), self.isa, pointer
        )


@lru_cache(maxsize=2)
def gemm_pointer(name: str) -> int:
    """The address of SciPy's sgemm or dgemm, whichever BLAS that is."""
    capsule = importlib.import_module("scipy.linalg.cython_blas").__pyx_capi__[name]
    if extension().capsule_name(capsule).count("int *") != 6:
        raise ImportError(f"scipy.linalg.cython_blas.{name} takes other integers than int: {capsule}")
    return extension().pointer(capsule)


def arrays(data: Data, dtype: Any) -> tuple[Array, Array, Array | None]:
    """X, Y and the weights as the C++ engine takes them."""
    weight = None if data.sample_weight is None else ready(data.sample_weight, dtype)
    return ready(data.X, dtype), ready(data.Y, dtype), weight


def ready(array: Array, dtype: Any) -> Array:
    """The array itself where it is in C order, of this dtype and aligned, else a copy that is."""
    return np.require(array, dtype=dtype, requirements=["C", "A"])


def moments(statistics: Statistics, read_only: bool = False) -> tuple[list[Any], list[Any]]:
    """Running means and variances by layer, from layer 1; where they are only read, of read-only arrays too."""
    if not read_only:
        return statistics.mean[1:], statistics.variance[1:]
    writable = [
        [a if a is None else np.require(a, requirements="W") for a in m[1:]]
        for m in (statistics.mean, statistics.variance)
    ]
    return writable[0], writable[1]


def plan_for(module: Any, plan: Plan, alpha: float | None) -> Any:
    """The plan as the C++ engine reads it."""
    net = plan.net
    short = SHORT[net.layers[-1].activation.name] if net.has_short_form else None
    there = module.Plan()
    fill(
        there,
        m=plan.m,
        n_0=net.inputs,
        parameters=net.n_parameters,
        widest=max(net.n[1:]),
        threads=plan.threads,
        loss=LOSS[net.loss.name] if short is None else short,
        short_form=net.has_short_form,
        mean=net.reduction == "mean",
        loss_parameter=next(iter(net.loss.parameters.values()), 0.0),
        l2=net.l2,
        alpha=-1.0 if alpha is None else alpha,
        input=plan.start("a[0]"),
        panel_numbers=plan.panel_numbers,
        block_numbers=plan.block_numbers,
        bytes=plan.bytes,
        **{name: plan.start(name) for name in ("share", "gradient", "block", "scratch_g", "scratch_u", "panel")},
    )
    for l in range(1, net.L + 1):
        there.add(layer_for(module, plan, l))
    for step in plan.schedule:
        there.add_step(step.back, step.l, step.z, step.a, step.kept)
    return there


def within(recipe: Recipe, plain: Plan, whole: Plan, *, train: bool = True) -> Plan:
    """`plain` where it fits the limit, else what `under_limit` makes of `whole`, which holds its gradient."""
    limit, held = recipe.memory_limit or 0, held_bytes(recipe, plain.dtype)
    if plain.bytes + held <= limit:
        return plain
    try:
        return under_limit(whole, limit - held, train=train)
    except LimitError as error:
        smallest = min(error.smallest, plain.bytes)
        if train and plain.m <= recipe.batch_size:
            raise ProblemError(
                f"memory_limit {limit} is too small for batches of {plain.m}: the smallest possible is "
                f"{smallest + held} bytes: allow that many, or make the batches smaller"
            ) from None
        return plain if plain.bytes == smallest else under_limit(whole, smallest, train=train)


def held_bytes(recipe: Recipe, dtype: Any) -> int:
    """Bytes of theta and the optimizer's vectors, which lie outside the workspace."""
    return (1 + len(recipe.optimizer.slots)) * recipe.net.n_parameters * np.dtype(dtype).itemsize


def layer_for(module: Any, plan: Plan, l: int) -> Any:
    """One layer of the plan as the C++ engine reads it."""
    net, layer, own = plan.net, plan.net.layer(l), plan.products[l - 1]
    there = module.LayerPlan()
    k = layer.skip_from
    fill(
        there,
        n=layer.units,
        n_in=net.n[l - 1],
        phi=PHI[layer.activation.name],
        norm=NORM[layer.norm],
        alpha=layer.activation.parameters.get("alpha", 0.0),
        eps=layer.eps,
        dropout=layer.dropout,
        skip_scale=layer.skip_scale,
        skip_from=-1 if k is None else k,
        first_skip=k is not None and l == max(j for j, other in net.numbered() if other.skip_from == k),
        skip_source=is_skip_source(net, l),
        train_bias=layer.train_bias,
        own_forward=own.forward,
        own_backward=own.backward,
        own_gradient=own.gradient,
        columns=own.columns,
        units_at_once=plan.units_at_once[l - 1],
        **{slot.name: slot.start for slot in layout(net) if slot.l == l},
        **{
            name: plan.start(f"{name}[{l}]")
            for name in ("z", "a", "delta", "grad_a", "kept", "moments", "norm_sums", "packed")
        },
    )
    return there


def optimizer_for(module: Any, recipe: Recipe) -> Any:
    """The optimizer and the clipping as the C++ engine reads them."""
    there = module.OptimizerPlan()
    clip = {"clip_norm": recipe.clip_norm, "clip_value": recipe.clip_value}
    fill(there, **optimizer_fields(recipe.optimizer), **{k: v for k, v in clip.items() if v is not None})
    return there


def optimizer_fields(optimizer: Optimizer) -> dict[str, Any]:
    """The hyperparameters under the C++ engine's names; kinds are numbered as native/src/updates.hpp does."""
    if isinstance(optimizer, Sgd):
        momentum = optimizer.momentum
        return {"kind": 1 if momentum else 0, "momentum": momentum, "option": bool(momentum and optimizer.nesterov)}
    if isinstance(optimizer, Adagrad):
        return {"kind": 2, "eps": optimizer.eps}
    if isinstance(optimizer, RmsProp):
        momentum = optimizer.momentum
        return {
            "kind": 3,
            "beta2": optimizer.rho,
            "eps": optimizer.eps,
            "momentum": momentum,
            "option": bool(momentum),
        }
    assert isinstance(optimizer, Adam)
    fields = {"kind": 4, "beta1": optimizer.beta1, "beta2": optimizer.beta2, "eps": optimizer.eps}
    decay = {"weight_decay": optimizer.weight_decay} if isinstance(optimizer, AdamW) else {}
    return {**fields, **decay, "option": optimizer.amsgrad}


def fill(there: Any, **values: Any) -> None:
    """Set the fields of a C++ struct."""
    for name, value in values.items():
        setattr(there, name, value)
