"""L2 shared by a batch: C = (Σ w_i ℓ_i + (α/2) Σ ‖W‖²) / Σ w_i, which is how scikit-learn means `alpha`.

A network's own `l2` counts for each batch alike.  Here it is α over the weight of the batch, so that the short last
batch of an epoch, and a batch of light examples, is pulled the more.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from itertools import groupby

import numpy as np

from backlit.core.network import Network
from backlit.core.norms import Statistics
from backlit.core.parameters import Parameters
from backlit.engine.protocol import Array, Data, Engine, EpochResult, Recipe, State
from backlit.engine.sums import EpochSums

ENGINES_KEPT = 8


class SharedL2:
    """Runs each batch with its own L2 on an engine that `make` gives; see `protocol.Engine`."""

    def __init__(self, recipe: Recipe, make: Callable[[Recipe], Engine]):
        self.recipe, self.make = replace(recipe, alpha=None), make
        self.alpha = recipe.alpha or 0.0
        self.engine = make(self.recipe)  # for what has no batches
        self.name = self.engine.name
        self.engines: OrderedDict[float, Engine] = OrderedDict()

    def run(
        self, state: State, data: Data, order: Array, learning_rates: Array, stop: Callable[[], bool]
    ) -> EpochResult:
        """One pass over the data; see `protocol.Engine.run`."""
        size = min(self.recipe.batch_size, max(len(order), 1))
        sums = EpochSums(self.recipe.net.L)
        weights = batch_weights(data, order, size)
        for _, run in groupby(range(len(weights)), key=weights.__getitem__):
            batches = list(run)
            weight = weights[batches[0]] or 1.0  # a batch without weight is passed over
            rows = order[batches[0] * size : (batches[-1] + 1) * size]
            rates = learning_rates[batches[0] : batches[-1] + 1]
            if sums.add(self.with_l2(self.alpha / weight).run(state, data, rows, rates, stop), len(rows)):
                break
        return sums.result()

    def with_l2(self, l2: float) -> Engine:
        """The engine for batches of this L2, made once while it is among the last few."""
        if l2 not in self.engines:
            self.engines[l2] = self.make(replace(self.recipe, net=with_l2(self.recipe.net, l2)))
        self.engines.move_to_end(l2)
        if len(self.engines) > ENGINES_KEPT:
            self.engines.popitem(last=False)
        return self.engines[l2]

    def predict(self, params: Parameters, statistics: Statistics, X: Array) -> Array:
        """See `protocol.Engine.predict`."""
        return self.engine.predict(params, statistics, X)

    def loss(self, params: Parameters, statistics: Statistics, data: Data) -> float:
        """See `protocol.Engine.loss`."""
        return self.engine.loss(params, statistics, data)

    def loss_and_gradient(self, params: Parameters, data: Data) -> tuple[float, Array]:
        """See `protocol.Engine.loss_and_gradient`; all of the data is one batch, and must not come in parts."""
        return self.with_l2(self.alpha / data.weight()).loss_and_gradient(params, data)


def batch_weights(data: Data, order: Array, size: int) -> list[float]:
    """The weight of each batch, of examples counted where they have none of their own."""
    starts = np.arange(0, len(order), size)
    if data.sample_weight is None:
        return [float(min(size, len(order) - int(start))) for start in starts]
    return np.add.reduceat(data.sample_weight[order].astype(np.float64), starts).tolist() if len(starts) else []


def with_l2(net: Network, l2: float) -> Network:
    """The same network with another L2."""
    return Network(net.inputs, net.layers, loss=net.loss, reduction=net.reduction, l2=l2)
