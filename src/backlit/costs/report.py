"""`cost`: how many operations and bytes, per equation, before anything runs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from backlit.core.network import Dense, Network, positive_integer
from backlit.core.problem import Problem
from backlit.costs.ledger import Ledger, count
from backlit.costs.machine import Timing, measure
from backlit.costs.memory import Memory, memory
from backlit.errors import ProblemError
from backlit.io.problems import read_problem
from backlit.optim import Optimizer, get_optimizer

PHASES = ("forward", "backward", "optimizer")


@dataclass(frozen=True)
class Cost:
    """The ledger, the memory, and where it was asked for the timing, of a training step on `batch` examples."""

    net: Network
    batch: int
    dtype: str
    optimizer: Optimizer
    ledger: Ledger
    memory: Memory
    timing: Timing | None = None

    def to_dict(self) -> dict[str, Any]:
        """The result as `backlit cost --format json` prints it; a multiply-add is 2 operations, memory is in bytes."""
        phases = {
            phase: {"matmul_flops": self.ledger.matmul(phase), "total_flops": self.ledger.total(phase)}
            for phase in PHASES
        }
        described = {"batch": self.batch, "dtype": self.dtype, "optimizer_name": self.optimizer.name, **phases}
        described |= {"memory": self.memory.to_dict(), "layers": self.layers()}
        return described if self.timing is None else described | {"timing": asdict(self.timing)}

    def layers(self) -> list[dict[str, Any]]:
        """Each layer's sizes, its operations a phase, and those of each equation."""
        rows = []
        for l, layer in self.net.numbered():
            equations = {e.equation: e.operations for e in self.ledger.entries if e.layer == l}
            flops = {
                phase: {"matmul_flops": self.ledger.matmul(phase, l), "total_flops": self.ledger.total(phase, l)}
                for phase in ("forward", "backward")
            }
            cached = sum(
                b.bytes for b in self.memory.buffers if b.name in (f"a[{l}]", f"z[{l}]", f"kept[{l}]", f"moments[{l}]")
            )
            rows.append({"layer": l, "units": layer.units, "inputs": self.net.n[l - 1], **flops, "activations": cached,
                         "equations": equations})  # fmt: skip
        return rows


def cost(
    problem: Any = None,
    *,
    sizes: Sequence[int] | None = None,
    activation: str = "relu",
    batch: int | None = None,
    dtype: str = "float32",
    optimizer: Any = None,
    timing: bool = False,
    n_threads: int | None = None,
) -> Cost:
    """Count what a training step costs.

    problem : a problem file, a mapping or a Problem; or sizes : (n_0, …, n_L) of a network with `activation` in the
    hidden layers and softmax with cross-entropy at the end.  batch : examples a step, else the problem's, else 1.
    timing : measure this machine's rates and a real step too.
    Raises BacklitError for what cannot be.

    >>> cost(sizes=[784, 512, 10], batch=1).ledger.total("optimizer") > 0
    True
    """
    if dtype not in ("float32", "float64"):
        raise ProblemError(f"dtype must be float32 or float64, not {dtype!r}")
    if (problem is None) == (sizes is None):
        raise ProblemError("give a problem or the sizes of a network, such as 784,512,10: one of the two")
    given = None if problem is None else read_problem(problem)
    net = network_of(sizes, activation) if given is None else given.net
    rule = get_optimizer(optimizer or (given and given.optimizer) or "adam")
    m = positive_integer(batch if batch is not None else examples(given), "batch")
    ledger = count(net, m, rule)
    spent = memory(net, m, np.dtype(dtype), rule, n_threads=n_threads)
    timed = measure(net, m, np.dtype(dtype), rule, ledger, spent, n_threads=n_threads) if timing else None
    return Cost(net, m, dtype, rule, ledger, spent, timed)


def network_of(sizes: Sequence[int] | None, activation: str) -> Network:
    """A classifier of these sizes."""
    sizes = list(sizes or ())
    if len(sizes) < 2:
        raise ProblemError(
            f"sizes names {len(sizes)} numbers: give inputs and the units of each layer, such as 784,512,10"
        )
    *hidden, last = (positive_integer(n, "sizes: each number") for n in sizes[1:])
    output = Dense(last, "softmax") if last > 1 else Dense(1, "sigmoid")
    loss = "cross_entropy" if last > 1 else "binary_cross_entropy"
    return Network(sizes[0], [*(Dense(n, activation) for n in hidden), output], loss=loss)


def examples(problem: Problem | None) -> int:
    """The problem's examples, 1 where it has none."""
    return 1 if problem is None or problem.X is None else len(problem.X)
