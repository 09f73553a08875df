"""Early stopping over calls of `partial_fit`: a held-out sample that is kept, and patience that is counted in calls.

Of each call's examples the share `validation_fraction` is held out, chosen by what is in them (see `holding_out`), so
an example that comes again is held out again and none is both learned from and scored by.  The sample holds distinct
examples, at most SAMPLE of them: those whose numbers are smallest, which is a uniform sample of all that have come.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from backlit.engine import Data, State
from backlit.estimators.holding_out import LEAST, draw
from backlit.training import Epoch, Settings
from backlit.training.patience import Watch

Array = np.ndarray
SAMPLE = 10_000


@dataclass
class HeldOut:
    """The share `fraction` of all examples that come; `seed` says which."""

    seed: int
    fraction: float
    keys: Array = field(default_factory=lambda: np.empty(0))
    sample: Data | None = None

    def split(self, data: Data) -> Data:
        """Take the held-out part of some examples into the sample; give what is left to learn from."""
        keys, out = self.chosen(data)
        counted = out if data.sample_weight is None else out & (data.sample_weight > 0)
        self.keep(data.take(np.flatnonzero(counted)), keys[counted])
        return data.take(np.flatnonzero(~out)) if out.any() else data

    def left(self, data: Data) -> Data:
        """The examples that are not held out."""
        out = self.chosen(data)[1]
        return data.take(np.flatnonzero(~out)) if out.any() else data

    def chosen(self, data: Data) -> tuple[Array, Array]:
        """The number of each example, and whether it is held out, (n,) each."""
        keys = draw(data, self.seed)
        return keys, keys < self.fraction

    def enough(self) -> Data | None:
        """The sample once it can be measured on; R² of a single example is not defined."""
        return self.sample if self.sample is not None and len(self.sample) >= LEAST else None

    def keep(self, data: Data, keys: Array) -> None:
        """Add examples to the sample, each once, and drop those with the largest numbers beyond its size."""
        if not len(data):
            return
        joined = data if self.sample is None else join(self.sample, data)
        self.keys, rows = np.unique(np.concatenate([self.keys, keys]), return_index=True)
        self.keys, rows = self.keys[:SAMPLE], rows[:SAMPLE]
        self.sample = joined.take(rows)


@dataclass
class Stopping(HeldOut):
    """What is remembered from one call to the next."""

    watch: Watch = field(kw_only=True)

    @classmethod
    def start(cls, settings: Settings, fraction: float, seed: int) -> "Stopping":
        """Before the first call."""
        return cls(seed, fraction, watch=Watch(settings))

    def copy(self) -> "Stopping":
        """The same memory, in which `split` and `see` change nothing here."""
        return replace(self, watch=replace(self.watch))

    def see(self, epoch: Epoch, state: State) -> bool:
        """Record the epoch of a call.  True, with the best call's parameters put back, once patience has run out."""
        if getattr(epoch, self.watch.settings.monitor) is None or not self.watch.see(epoch, state):
            return False
        self.watch.restore(state)
        return True


def join(first: Data, second: Data) -> Data:
    """The examples of both; those without weights have weight 1 if the others have some."""
    if first.is_sparse:
        from scipy.sparse import vstack

        X: Any = vstack([first.X, second.X], format="csr")
    else:
        X = np.concatenate([first.X, second.X])
    weights = None
    if first.sample_weight is not None or second.sample_weight is not None:
        weights = np.concatenate(
            [np.ones(len(d), d.X.dtype) if d.sample_weight is None else d.sample_weight for d in (first, second)]
        )
    return Data(X, np.concatenate([first.Y, second.Y]), weights)
