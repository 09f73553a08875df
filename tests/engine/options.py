"""What the engine's bits are compared over: ways to train, each with a network, data and the plan's choices."""

from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pytest
from tests.engine.kernels import CASES, ELEMENTWISE, HAS

from backlit.core import Dense, Network
from backlit.engine import Data, State, TrainConfig, native_engine
from backlit.engine.memory_limit import LimitError, held_bytes, under_limit
from backlit.engine.native import NativeEngine
from backlit.optim import get_optimizer

OUTPUTS = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid", "poisson": "exp"}


@dataclass
class Way:
    """A network and a way to train it; `product` and `fused` are forced upon the plan where they are given."""

    net: Network
    m: int = 37
    n: int = 90
    dtype: Any = np.float32
    optimizer: Any = "adam"
    isa: str | None = None
    product: str | None = None
    fused: bool = False
    weighted: bool = False
    limited: bool = False
    scale: float = 1.0  # of X
    recipe: dict[str, Any] = field(default_factory=dict)

    def engine(self, threads: int, isa: str | None = None, **recipe: Any) -> NativeEngine:
        """The engine that trains so."""
        options = {**self.recipe, **recipe}
        return native_engine(
            TrainConfig(self.net, get_optimizer(self.optimizer), self.m, n_threads=threads, **options), isa or self.isa
        )

    def data(self) -> Data:
        """Examples that the loss takes."""
        rng = np.random.default_rng(3)
        X = (self.scale * rng.standard_normal((self.n, self.net.inputs))).astype(self.dtype)
        Y = rng.standard_normal((self.n, self.net.outputs))
        if self.net.loss.name == "cross_entropy":
            Y = np.eye(self.net.outputs)[rng.integers(0, self.net.outputs, self.n)]
        elif self.net.loss.name in OUTPUTS:
            Y = (Y > 0) * 1.0
        weight = rng.uniform(0.5, 2, self.n).astype(self.dtype) if self.weighted else None
        return Data(X, Y.astype(self.dtype), weight)

    def start(self) -> State:
        """The state before the first step."""
        params = self.net.init("he_normal", seed=1, dtype=self.dtype)
        return State.start(self.net, params, get_optimizer(self.optimizer))

    def limit(self, threads: int) -> int | None:
        """Bytes that make every layer but a few computed twice; None where there is no limit."""
        if not self.limited:
            return None
        whole = self.engine(threads).plan(self.m, np.dtype(self.dtype))
        with pytest.raises(LimitError, match="at least") as caught:
            under_limit(whole, 0)
        return caught.value.smallest + held_bytes(self.engine(threads).recipe, self.dtype)

    @contextmanager
    def forced(self):
        """The threads that are asked for, however small the work, and the plan's choices that the way names."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("backlit.engine.native.useful_threads", lambda net, m, allowed: allowed)
            if self.product:
                patch.setattr("backlit.engine.plan.choose_product", lambda *_: self.product)
            patch.setattr("backlit.engine.plan.FUSED_FROM", 0 if self.fused else 1 << 40)
            yield


@cache
def ran(name: str, threads: int = 1) -> dict[str, bytes]:
    """What `run` gives of one of WAYS, which several tests compare with."""
    return run(WAYS[name], threads)


def run(way: Way, threads: int = 1, *, isa: str | None = None, limited: bool | None = None) -> dict[str, bytes]:
    """The bits of all that two epochs give: theta, the optimizer's state, moments, losses, gradients, predictions."""
    with way.forced():
        limit = way.limit(threads) if (way.limited if limited is None else limited) else None
        engine = way.engine(threads, isa, memory_limit=limit)
        state, data = way.start(), way.data()
        plan = engine.plan(way.m, np.dtype(way.dtype))
        assert plan.threads == threads
        assert bool(plan.schedule) == (limit is not None)
        assert (plan.start("block") >= 0) == way.fused
        found = {}
        for epoch in range(2):
            order = np.random.default_rng(epoch).permutation(way.n)
            result = engine.run(state, data, order, np.full(-(-way.n // way.m), 0.01), lambda: False)
            found[f"loss {epoch}"] = np.float64(result.loss).tobytes()
            found[f"norms {epoch}"] = np.asarray(result.gradient_norms).tobytes()
        found["theta"] = state.params.theta.tobytes()
        found["slots"] = b"".join(slot.tobytes() for slot in state.slots)
        kept = [*state.statistics.mean, *state.statistics.variance]
        found["moments"] = b"".join(a.tobytes() for a in kept if a is not None)
        found["prediction"] = engine.predict(state.params, state.statistics, data.X).tobytes()
        found["validation loss"] = np.float64(engine.loss(state.params, state.statistics, data)).tobytes()
        loss, gradient = engine.loss_and_gradient(state.params, data)
        found["gradient"] = np.float64(loss).tobytes() + gradient.tobytes()
    assert np.isfinite(state.params.theta).all()
    return found


def deep(activation="tanh", widths=(70, 40, 40), *, inputs=9, outputs=3, output=None, loss="half_squared_error", l2=0.0,
         reduction="mean", **layer: Any) -> Network:  # fmt: skip
    """A network of hidden layers that are alike."""
    last = Dense(outputs, output or OUTPUTS.get(loss, "identity"))
    hidden = [Dense(n, activation, **layer) for n in widths]
    return Network(inputs, [*hidden, last], loss=loss, l2=l2, reduction=reduction)


MIXED = [
    Dense(40, "tanh", norm="layer"),
    Dense(33, "relu", dropout=0.2),
    Dense(40, "gelu", skip_from=1, skip_scale=0.5),
    Dense(40, "silu", norm="batch", skip_from=1),
]
SKIPS = Network(9, [*MIXED, Dense(3)], l2=0.01)
LONG = Network(9, [*MIXED, *(Dense(40, "tanh", norm="layer", dropout=0.1) for _ in range(6)), Dense(3)])

WAYS: dict[str, Way] = {
    "plain": Way(deep()),
    "float64": Way(deep(), dtype=np.float64),
    "small": Way(deep(widths=(5, 3), outputs=1, inputs=2), m=7, n=20),
    "one row": Way(deep(), m=1, n=5),
    "few inputs": Way(deep(inputs=2, norm="layer"), m=40),
    "one input, many rows": Way(deep(inputs=1, widths=(20,)), m=1100, n=1200),
    "long rows": Way(deep(inputs=1100, widths=(1024, 24)), m=20, n=40),
    "larger": Way(deep(widths=(256, 256), inputs=64, outputs=10), m=256, n=600),
    "columns": Way(deep(widths=(256, 200), inputs=130), product="columns", m=20),
    "columns, layer norm": Way(deep(widths=(256, 200), inputs=130, norm="layer"), product="columns", m=20),
    "layer norm": Way(deep(norm="layer")),
    "layer norm, float64": Way(deep(norm="layer", activation="gelu"), dtype=np.float64, m=50),
    "batch norm": Way(deep(norm="batch", activation="gelu")),
    "norms at the output": Way(Network(9, [Dense(40, "relu"), Dense(3, norm="layer")])),
    "dropout": Way(deep(dropout=0.3)),
    "skips": Way(SKIPS),
    "skips, float64": Way(SKIPS, dtype=np.float64),
    "l2": Way(deep(l2=0.1)),
    "alpha": Way(deep(), recipe={"alpha": 0.3}),
    "sum": Way(deep(reduction="sum", l2=0.01), optimizer="sgd"),
    "weights": Way(deep(norm="layer"), weighted=True),
    "clip by norm": Way(deep(norm="layer"), recipe={"clip_norm": 0.05}),
    "clip by value": Way(deep(), recipe={"clip_value": 0.01}),
    "gradients whose squares overflow": Way(deep("identity"), scale=1e12, recipe={"clip_norm": 1}, optimizer="sgd"),
    "few outputs": Way(deep(loss="cross_entropy", outputs=2)),
    "many outputs": Way(deep(loss="cross_entropy", outputs=50)),
    "no short form": Way(deep(loss="cross_entropy", output="sigmoid", outputs=20)),
    "bias as it is": Way(deep(train_bias=False)),
    "memory limit": Way(deep(widths=(33,) * 12), limited=True),
    "memory limit, everything": Way(LONG, limited=True),
    "fused": Way(deep(widths=(200, 130), inputs=33), fused=True),
    "fused, layer norm": Way(deep(widths=(200, 130), inputs=33, norm="layer", l2=0.01), fused=True, dtype=np.float64),
    "fused, batch norm": Way(deep(widths=(200, 130), inputs=33, norm="batch"), fused=True),
    "baseline": Way(SKIPS, isa="baseline"),
    "blas": Way(deep("tanh", (300, 200), inputs=150, norm="layer"), isa="baseline", product="blas", m=70),
    "blas, float64": Way(deep("tanh", (300, 200), inputs=150), isa="baseline", product="blas", dtype=np.float64),
    "blas, fused": Way(deep("tanh", (300, 200), inputs=150), isa="baseline", product="blas", fused=True),
    "blas, memory limit": Way(deep("tanh", (140,) * 8, inputs=150), isa="baseline", product="blas", limited=True),
    "avx2": Way(SKIPS, isa="avx2"),
}  # fmt: skip
WAYS |= {f"optimizer {name}": Way(deep(norm="layer"), optimizer=rule) for name, rule in CASES.items()}
WAYS |= {f"activation {name}": Way(deep(activation=name, norm="layer")) for name in ELEMENTWISE}
WAYS |= {f"loss {name}": Way(deep(loss=name, outputs=outputs)) for name in HAS["loss"] for outputs in (1, 20)}
