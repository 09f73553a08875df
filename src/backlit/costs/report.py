"""`cost`: how many operations and bytes, per equation, before anything runs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from backlit.core.activations import get_activation
from backlit.core.network import Dense, Network
from backlit.core.problem import Problem
from backlit.costs.ledger import Ledger, count
from backlit.costs.machine import Timing, measure, measured_peak
from backlit.costs.memory import CACHED, Checkpointing, Memory, checkpointing, memory, read_bytes
from backlit.costs.workers import ManyWorkers, many_workers
from backlit.display import Displayed
from backlit.engine import TrainConfig
from backlit.engine.plan import sizes_of
from backlit.errors import ProblemError
from backlit.formats.sources import problem_from
from backlit.optim import Optimizer, get_optimizer
from backlit.registry import positive_integer

MOST_EXAMPLES = 2**31  # in a batch, whose losses are counted by computing them
PHASES = ("forward", "backward", "optimizer")


@dataclass(frozen=True)
class Cost(Displayed):
    """What a training step costs.

    Parameters
    ----------
    net : Network
        The network.
    batch : int
        Examples in a step.
    dtype : {"float32", "float64"}
        Type of the numbers.
    optimizer : Optimizer
        Whose update and state are counted.
    ledger : Ledger
        Operations by equation and layer.
    memory : Memory
        Bytes by what they are for; `memory.peak` is their sum.
    timing : Timing, optional
        Seconds of a step, predicted and measured, if they were asked for.
    checkpointing : Checkpointing, optional
        What is kept and what is computed again, if there is a memory limit.
    measured_peak : int, optional
        Bytes by which a process that trains grew, if it was asked for.
    distributed : ManyWorkers, optional
        Seconds of a step on many workers, if a number of them was given.

    Examples
    --------
    >>> found = cost(sizes=[784, 512, 10], batch=32)
    >>> found.memory.parameters, found.ledger.matmul("forward")
    (1628200, 26017792)
    """

    net: Network
    batch: int
    dtype: str
    optimizer: Optimizer
    ledger: Ledger
    memory: Memory
    timing: Timing | None = None
    checkpointing: Checkpointing | None = None
    measured_peak: int | None = None  # bytes by which a process that trains grew
    distributed: ManyWorkers | None = None

    def __repr__(self) -> str:
        up, down = self.ledger.total("forward"), self.ledger.total("backward")
        return f"<Cost of a batch of {self.batch}: {up:,} operations up, {down:,} down, {self.memory.peak:,} bytes>"

    def to_dict(self) -> dict[str, Any]:
        """The result as `backlit cost --format json` prints it; a multiply-add is 2 operations, memory is in bytes."""
        phases = {
            phase: {"matmul_flops": self.ledger.matmul(phase), "total_flops": self.ledger.total(phase)}
            for phase in PHASES
        }
        described = {"batch": self.batch, "dtype": self.dtype, "optimizer_name": self.optimizer.name, **phases}
        described |= {"memory": self.memory.to_dict(), "layers": self.layers()}
        if self.measured_peak is not None:
            described["measured"] = {"peak": self.measured_peak, "predicted_peak": self.memory.peak}
        if self.checkpointing is not None:
            described["checkpointing"] = self.checkpointing.to_dict()
        if self.distributed is not None:
            described["distributed"] = self.distributed.to_dict()
        return described if self.timing is None else described | {"timing": asdict(self.timing)}

    def layers(self) -> list[dict[str, Any]]:
        """Each layer's sizes, its operations a phase, and those of each equation."""
        rows, sizes = [], Counter[str]()
        ledgers = self.ledger.by_layer()
        for buffer in self.memory.buffers:
            sizes[buffer.name] += buffer.bytes
        for l, layer in self.net.numbered():
            equations = {e.equation: e.operations for e in ledgers[l].entries}
            flops = {
                phase: {"matmul_flops": ledgers[l].matmul(phase), "total_flops": ledgers[l].total(phase)}
                for phase in ("forward", "backward")
            }
            cached = sum(sizes[f"{name}[{l}]"] for name in CACHED)
            if self.checkpointing is not None and self.memory.pooled:
                cached = sizes_of(self.net, l, self.batch, np.dtype(self.dtype)).full  # while its turn lasts
            rows.append({"layer": l, "units": layer.units, "inputs": self.net.n[l - 1], **flops, "activations": cached,
                         "forwards": self.memory.forwards[l - 1], "equations": equations})  # fmt: skip
        return rows


def cost(
    problem: Any = None,
    *,
    sizes: Sequence[int] | None = None,
    activation: str = "relu",
    batch: int | None = None,
    dtype: Any = "float32",
    optimizer: Any = None,
    timing: bool = False,
    peak: bool = False,
    memory_limit: int | str | None = None,
    n_threads: int | None = None,
    workers: int | None = None,
    network: Any = "10Gb/s",
) -> Cost:
    """Count what a training step costs, in operations and bytes, before anything runs.

    Parameters
    ----------
    problem : Network, Problem, str, Path, mapping, Model or a network of another program, optional
        A network, or a problem file or its content, or what `problem_from` takes, such as a `torch.nn.Sequential`.
        Give this or `sizes`.
    sizes : sequence of int, optional
        (n_0, …, n_L) of a classifier: `activation` in the hidden layers, and softmax with cross-entropy at the end.
    activation : str, default 'relu'
        Activation of the hidden layers, with `sizes`.
    batch : int, optional
        Examples in a step; the problem's, or 1, if not given.
    dtype : {"float32", "float64"}, default 'float32'
        Type of the numbers.
    optimizer : str, mapping or Optimizer, optional
        As `get_optimizer` takes it; the problem's, or adam, if not given.
    timing : bool, default False
        Whether to measure this machine's rates and a real step, in seconds.
    peak : bool, default False
        Whether to let a fresh process train, and to measure by how many bytes it grows.
    memory_limit : int or str, optional
        Bytes that a step may take, or text such as "64MB": plans what to keep and what to compute again.
    n_threads : int, optional
        Threads of the engine; as many as it may use, if not given.
    workers : int, optional
        Says what a step takes on so many workers, each with a machine like this one, which is measured.
    network : float or str, default '10Gb/s'
        Bits a second of the link between them, with `workers`.

    Returns
    -------
    Cost
        Operations, a multiply-add being 2, and memory in bytes.

    Raises
    ------
    ProblemError
        If neither or both of problem and sizes are given, an option is out of range, or the limit cannot be met.

    Examples
    --------
    >>> from backlit.core import Dense, Network
    >>> cost(Network(784, [Dense(512, "relu"), Dense(10)]), batch=32).memory.parameters
    1628200
    >>> cost(sizes=[784, 512, 10], batch=1).ledger.total("optimizer") > 0
    True
    """
    dtype = dtype if isinstance(dtype, str) else np.dtype(dtype).name
    if dtype not in ("float32", "float64"):
        raise ProblemError(f"dtype must be float32 or float64, not {dtype!r}")
    if (problem is None) == (sizes is None):
        raise ProblemError("give a problem or the sizes of a network, such as 784,512,10: one of the two")
    if problem is not None and activation != "relu":
        raise ProblemError(f"activation {activation!r} is for sizes; a problem names its own: leave it out")
    given = None if problem is None or isinstance(problem, Network) else problem_from(problem)
    net = problem if isinstance(problem, Network) else network_of(sizes, activation) if given is None else given.net
    asked = optimizer if optimizer is not None or given is None else given.optimizer
    rule = get_optimizer("adam" if asked is None else asked)
    m = positive_integer(batch if batch is not None else examples(given), "batch")
    if m > MOST_EXAMPLES:
        raise ProblemError(f"batch must be at most {MOST_EXAMPLES:,}, not {m:,}: give the rows of one step")
    limit = None if memory_limit is None else read_bytes(memory_limit)
    recipe = TrainConfig(net, rule, m, n_threads=n_threads, memory_limit=limit)
    ledger, spent = count(net, m, rule), memory(recipe, dtype)
    return Cost(
        net, m, dtype, rule, ledger, spent,
        measure(recipe, np.dtype(dtype), ledger, spent) if timing else None,
        None if limit is None else checkpointing(net, ledger, spent, limit),
        measured_peak(recipe, dtype) if peak else None,
        None if workers is None else many_workers(recipe, dtype, workers, network),
    )  # fmt: skip


def network_of(sizes: Sequence[int] | None, activation: str) -> Network:
    """A classifier of these sizes."""
    sizes = list(sizes or ())
    if len(sizes) < 2:
        raise ProblemError(
            f"sizes takes two numbers or more, not {len(sizes)}: give inputs and the units of each layer, such as "
            f"784,512,10"
        )
    get_activation(activation)  # a fault even where no hidden layer takes it
    *hidden, last = (positive_integer(n, "sizes: each number") for n in sizes[1:])
    output = Dense(last, "softmax") if last > 1 else Dense(1, "sigmoid")
    loss = "cross_entropy" if last > 1 else "binary_cross_entropy"
    return Network(sizes[0], [*(Dense(n, activation) for n in hidden), output], loss=loss)


def examples(problem: Problem | None) -> int:
    """The number of the problem's examples, 1 if it has none."""
    return 1 if problem is None or problem.X is None else len(problem.X)
