"""What a step takes on many workers: the prediction of `cost --workers`, for steps as `distributed` takes them.

The client sends theta to each worker, and each sends back one vector of that size, the sum of its shards' parts; then
the client updates theta.  All of it goes over the client's link, out and in one after the other:

    seconds a step = passes and update on a worker's rows + one request + bytes / min(rate of the link, handling)
"""

import math
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backlit.costs.machine import step_seconds
from backlit.engine import TrainConfig
from backlit.errors import ProblemError
from backlit.registry import positive_integer

REQUEST = 1.1e-3  # seconds of an empty request to two workers over Dask's connections, measured on loopback
HANDLING = 5.5e9  # bytes a second that both ends pack and unpack, likewise, while others travel
UNITS = {"": 1, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
WORTH = 0.8  # efficiency from which a number of workers is well used
TOLD = (
    *("workers", "network", "bytes_per_step", "seconds_per_step", "efficiency", "speedup"),
    *("one_machine_seconds", "compute_seconds", "transfer_seconds", "pays_from", "efficient_from"),
)  # in JSON


@dataclass(frozen=True)
class ManyWorkers:
    """Seconds of a step on many workers.

    Parameters
    ----------
    workers : int
        How many, each with a machine as this one, and as many shards as workers or a multiple of it.
    network : float
        Bits a second of the client's link.
    batch : int
        Rows of a step, all workers together.
    bytes_per_step : int
        Bytes of theta and gradients that go over the client's link.
    one_machine_seconds : float
        A step here, measured.
    compute_seconds : float
        A worker's share of the rows and an update here, measured.
    transfer_seconds : float
        What all that travels takes, predicted.

    Attributes
    ----------
    seconds_per_step, speedup, efficiency : float
        Their sum; how many times faster than this machine alone that is; and that by the number of workers.
    pays_from, efficient_from : int or None
        Rows a step from which it is faster than one machine, and has an efficiency of 0.8; None if never.

    Examples
    --------
    >>> four = ManyWorkers(4, 1e10, 4096, 8_000_000, one_machine_seconds=0.4, compute_seconds=0.1, transfer_seconds=0.1)
    >>> round(four.seconds_per_step, 3), round(four.speedup, 3), round(four.efficiency, 3)
    (0.2, 2.0, 0.5)
    """

    workers: int
    network: float
    batch: int
    bytes_per_step: int
    one_machine_seconds: float
    compute_seconds: float
    transfer_seconds: float

    @property
    def seconds_per_step(self) -> float:
        """Compute, then transfer: they do not overlap."""
        return self.compute_seconds + self.transfer_seconds

    @property
    def speedup(self) -> float:
        """How many times faster than one machine."""
        return self.one_machine_seconds / self.seconds_per_step

    @property
    def efficiency(self) -> float:
        """The speed-up by the number of workers."""
        return self.speedup / self.workers

    def rows_for(self, speedup: float) -> int | None:
        """Rows a step from which the speed-up is so large, with seconds that are a constant and so many a row."""
        own = -(-self.batch // self.workers)
        a_row = (self.one_machine_seconds - self.compute_seconds) / max(self.batch - own, 1)
        update = max(self.compute_seconds - own * a_row, 0.0)
        gained = a_row * (1 / speedup - 1 / self.workers)  # of each row
        paid = self.transfer_seconds + update * (1 - 1 / speedup)
        return math.ceil(paid / gained) if gained > 0 and self.workers > 1 else None

    @property
    def pays_from(self) -> int | None:
        """Rows a step from which it is faster than one machine."""
        return self.rows_for(1.0)

    @property
    def efficient_from(self) -> int | None:
        """Rows a step from which four fifths of each worker's time are used."""
        return self.rows_for(WORTH * self.workers)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON has them."""
        return {name: getattr(self, name) for name in TOLD}


def many_workers(recipe: TrainConfig, dtype: Any, workers: int, network: Any) -> ManyWorkers:
    """What a step takes on so many workers; measures this machine.

    network : bits a second, or text such as "10Gb/s".  Raises ProblemError for fewer rows a step than workers.
    """
    rate = read_rate(network)
    m = recipe.batch_size
    if positive_integer(workers, "workers") > m:
        raise ProblemError(f"{m} rows a step are too few for {workers} workers: give larger batches, or fewer workers")
    own = replace(recipe, batch_size=-(-m // workers))
    one, part = (step_seconds(each, np.dtype(dtype))[0] for each in (recipe, own))
    moved = bytes_of_step(recipe.net.n_parameters * np.dtype(dtype).itemsize, workers)
    return ManyWorkers(workers, rate, m, moved, one, part, transfer_seconds(moved, rate))


def bytes_of_step(theta: int, workers: int) -> int:
    """Bytes that go over the client's link in a step, theta having so many: it goes to each worker, and comes back."""
    return 2 * workers * theta


def transfer_seconds(moved: int, rate: float) -> float:
    """Seconds that so many bytes take at so many bits a second, with one request's wait."""
    return REQUEST + moved * max(8 / rate, 1 / HANDLING)


def read_rate(value: Any) -> float:
    """Bits a second.

    >>> read_rate("10Gb/s"), read_rate("100 Mbit/s"), read_rate(1e9)
    (10000000000.0, 100000000.0, 1000000000.0)
    """
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([kKMGT]?)(?:b|bit)?(?:/s|ps)?\s*", str(value))
    text = isinstance(value, str) and found is not None
    rate = float(found[1]) * UNITS[found[2]] if text and found else value
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < math.inf:
        raise ProblemError(f"network takes bits a second, such as 10Gb/s or 100Mb/s, not {value!r}")
    return float(rate)
