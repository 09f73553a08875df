"""The native engine: `core`'s passes and the optimizers' updates in C++, a whole epoch a call.

It gives the reference engine's numbers up to rounding.  When something is not finite it stops before the step that
would have spread it, and the textbook, run on that batch, says where it was.
"""

import importlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

from backlit.core.dropout import DropoutKey
from backlit.core.parameters import Parameters, Statistics
from backlit.engine.base import Array, Data, EpochResult, Partial, State, TrainConfig, exact_sum
from backlit.engine.native_support import (
    allowed_threads,
    extension,
    one_blas_thread,
    optimizer_struct,
    plan_struct,
    unsupported_reason,
)
from backlit.engine.plan import Plan, Tiles, fuses, make_plan, useful_threads
from backlit.engine.reference import ReferenceEngine, refuse_update
from backlit.errors import Divergence, ProblemError

__all__ = ["NativeEngine", "extension", "unsupported_reason"]

ROWS_AT_ONCE = 1024  # of a prediction
FINISHED, INTERRUPTED, NOT_FINITE, OUTSIDE = range(4)


class NativeEngine:
    """Runs a recipe in C++; see `base.Engine`.

    isa : "avx512", "avx2" or "baseline", None for the best that this processor has.
    """

    name = "native"

    def __init__(self, recipe: TrainConfig, isa: str | None = None):
        self.recipe, self.net = recipe, recipe.net
        self.module = extension()
        self.isa = isa or self.module.instruction_sets()[0]
        self.threads = allowed_threads(recipe.n_threads)
        self.made: dict[tuple[int, np.dtype, bool], tuple[Plan, Any]] = {}
        self.lock = (
            threading.RLock()
        )  # an engine has one workspace a plan; C++ refuses a call from within its own `stop`

    def run(
        self, state: State, data: Data, order: Array, learning_rates: Array, stop: Callable[[], bool]
    ) -> EpochResult:
        """One pass over the data; see `base.Engine.run`."""
        return next(self.run_epochs(state, data, np.asarray(order)[None], np.asarray(learning_rates)[None], stop))

    def run_epochs(
        self, state: State, data: Data, orders: Array, learning_rates: Array, stop: Callable[[], bool]
    ) -> Iterator[EpochResult]:
        """Several passes in one call of C++; see `base.Engine.run_epochs`."""
        size = min(self.recipe.batch_size, max(orders.shape[1], 1))
        orders = np.ascontiguousarray(orders, dtype=np.int64)
        rates = np.ascontiguousarray(learning_rates, dtype=np.float64)
        theta = state.params.theta
        with self.engine(size, theta.dtype) as engine:
            engine.after_step = state.step
            try:
                epochs, state.step = engine.run(
                    theta=theta,
                    slots=list(state.slots),
                    **moments(state.statistics),
                    step=state.step,
                    **arrays(data, theta.dtype),
                    orders=orders,
                    rates=rates,
                    seed=self.recipe.seed,
                    stop=stop,
                )
            except BaseException:
                state.step = engine.after_step
                raise
        for number, (status, costs, seen, steps, batch, norms) in enumerate(epochs):
            if status in (NOT_FINITE, OUTSIDE):
                rows = orders[number, batch * size : (batch + 1) * size]
                self.explain(state, data, rows, float(rates[number, batch]))
            yield EpochResult(
                exact_sum(costs), np.array(norms) / max(steps, 1), steps, seen, interrupted=status == INTERRUPTED
            )

    def explain(self, state: State, data: Data, rows: Array, rate: float) -> None:
        """Raise what the textbook raises on this batch, and name it; the state stays as it is."""
        trial = state.copy()
        weight = None if data.sample_weight is None else data.sample_weight[rows]
        ReferenceEngine(self.recipe).step(trial, data.X[rows], data.Y[rows], weight, rate)
        raise left_finite(state.step + 1)

    def at_once(self, n: int) -> int:
        """Rows of a prediction that are computed together, of n."""
        return max(1, min(ROWS_AT_ONCE, n))

    def predict(self, params: Parameters, statistics: Statistics, X: Array) -> Array:
        """Outputs a_L; see `base.Engine.predict`."""
        out = np.empty((len(X), self.net.outputs), params.theta.dtype)
        if len(X):
            with self.engine(self.at_once(len(X)), params.theta.dtype, train=False) as engine:
                engine.predict(theta=params.theta, **moments(statistics), X=ready(X, params.theta.dtype), out=out)
        return out

    def loss(self, params: Parameters, statistics: Statistics, data: Data) -> float:
        """The mean of ℓ_i; see `base.Engine.loss`."""
        with self.engine(self.at_once(len(data)), params.theta.dtype, train=False) as engine:
            fine, loss = engine.loss(theta=params.theta, **moments(statistics), **arrays(data, params.theta.dtype))
        return loss if fine else ReferenceEngine(self.recipe).loss(params, statistics, data)

    def loss_and_gradient(self, params: Parameters, data: Data) -> tuple[float, Array]:
        """C and its gradient over the data as one batch; see `base.Engine.loss_and_gradient`."""
        gradient = np.empty_like(params.theta)
        with self.engine(len(data), params.theta.dtype) as engine:
            status, loss = engine.gradient(theta=params.theta, **arrays(data, params.theta.dtype), grad=gradient)
        if status == OUTSIDE:
            return ReferenceEngine(self.recipe).loss_and_gradient(params, data)
        return loss, gradient

    def partial(self, params: Parameters, data: Data, rows: Array, weight: float, key: DropoutKey) -> Partial:
        """What some rows add to a step; see `protocol.Engine.partial`."""
        grad, dtype = np.empty_like(params.theta), params.theta.dtype
        of_rows = Statistics(self.net, dtype)
        with self.engine(self.recipe.batch_size, dtype) as engine:
            status, loss = engine.partial(
                theta=params.theta,
                **moments(of_rows),
                **arrays(data, dtype),
                order=np.ascontiguousarray(rows, dtype=np.int64),
                weight_of_step=weight,
                seed=key.seed,
                step=key.step,
                shard=key.shard,
                grad=grad,
            )
        if status in (NOT_FINITE, OUTSIDE):
            ReferenceEngine(self.recipe).partial(params, data, rows, weight, key)  # which says where it was
            raise left_finite(key.step + 1)
        return Partial(grad, loss, len(rows), of_rows.mean, of_rows.variance)

    def update(self, state: State, whole: Partial, weight: float, learning_rate: float) -> tuple[float, Array]:
        """One step by the sum of its parts; see `protocol.Engine.update`."""
        dtype = state.params.theta.dtype
        of_step = {"batch_mean": whole.mean[1:], "batch_variance": whole.variance[1:]}
        with self.engine(self.recipe.batch_size, dtype) as engine:
            status, loss, norms = engine.update(
                theta=state.params.theta,
                slots=list(state.slots),
                **moments(state.statistics),
                step=state.step,
                grad=whole.grad.copy(),
                **{name: [a if a is None else ready(a, dtype) for a in layers] for name, layers in of_step.items()},
                rows=whole.rows,
                weight=weight,
                loss=whole.loss,
                rate=learning_rate,
            )
        if status == NOT_FINITE:
            refuse_update(np.nan, (), state.step + 1)
        state.step += 1
        return loss, np.array(norms)

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
        """The plan for batches of m rows on this processor."""
        return self.lay_out(m, dtype, train, fused=fuses(self.net, m, self.recipe.clip_norm))

    def lay_out(self, m: int, dtype: np.dtype, train: bool, *, fused: bool) -> Plan:
        """The plan that keeps all activations; fused : whether a layer is updated as soon as its gradient is there."""
        tiles = Tiles(*self.module.widths(self.isa)[dtype != np.float32])
        threads, blas = useful_threads(self.net, m, self.threads), self.isa == "baseline"
        return make_plan(self.net, m, dtype, threads=threads, tiles=tiles, blas=blas, train=train, fused=fused)

    def make(self, m: int, dtype: np.dtype, train: bool) -> tuple[Plan, Any]:
        """A plan and the C++ engine that follows it."""
        if (reason := unsupported_reason(self.recipe)) is not None:
            raise ProblemError(f"the native engine cannot run this: {reason}")
        plan = self.plan(m, dtype, train)
        kind = self.module.Engine32 if dtype == np.float32 else self.module.Engine64
        gemm = gemm_capsule("sgemm" if dtype == np.float32 else "dgemm") if plan.uses_blas else None
        structs = plan_struct(self.module, plan, self.recipe.alpha), optimizer_struct(self.module, self.recipe)
        return plan, kind(*structs, self.isa, gemm)


def left_finite(step: int) -> Divergence:
    """What is said where the textbook, on the same rows, stays finite."""
    return Divergence(
        f"training diverged at step {step}: the loss or a gradient is not finite: lower the learning rate, clip the "
        f"gradient, or look for huge values in the inputs",
        step=step,
    )


@lru_cache(maxsize=2)
def gemm_capsule(name: str) -> Any:
    """SciPy's sgemm or dgemm, whichever BLAS that is; C++ checks the signature that it carries."""
    return importlib.import_module("scipy.linalg.cython_blas").__pyx_capi__[name]


def arrays(data: Data, dtype: Any) -> dict[str, Array | None]:
    """X, Y and the weights as the C++ engine takes them."""
    weight = None if data.sample_weight is None else ready(data.sample_weight, dtype)
    return {"X": ready(data.X, dtype), "Y": ready(data.Y, dtype), "weight": weight}


def ready(array: Array, dtype: Any) -> Array:
    """The array itself where it is in C order, of this dtype and aligned, else a copy that is."""
    return np.require(array, dtype=dtype, requirements=["C", "A"])


def moments(statistics: Statistics) -> dict[str, list[Any]]:
    """Running means and variances by layer, from layer 1."""
    return {"mean": statistics.mean[1:], "variance": statistics.variance[1:]}
