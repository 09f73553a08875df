"""A problem: one network, its numbers and its data, where `explain`, `check`, `diagnose` and `cost` start from."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlit.core.dropout import DropoutKey
from backlit.core.network import Network
from backlit.core.norms import Statistics
from backlit.core.parameters import Parameters
from backlit.core.passes import Gradients, Trace, backward, forward
from backlit.errors import ProblemError
from backlit.optim import Optimizer


@dataclass(frozen=True)
class Problem:
    """A network with parameters, and, where given, examples, weights, an optimizer and a seed.

    X : (m, n_0).  y : (m, n_L), or (m,) class indices.  sample_weight : (m,).  seed : draws the dropout masks.
    clip_norm, clip_value : bounds on the gradient that the optimizer is given, None for none.
    statistics : a trained model's running moments; where they are given the passes are those of prediction, with no
    dropout and batch norm by these moments.
    """

    net: Network
    params: Parameters
    X: np.ndarray | None = None
    y: np.ndarray | None = None
    sample_weight: np.ndarray | None = None
    optimizer: Optimizer | None = None
    clip_norm: float | None = None
    clip_value: float | None = None
    seed: int | None = None
    name: str = "problem"
    statistics: Statistics | None = None

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """X and y; ProblemError where the problem has none."""
        if self.X is None or self.y is None:
            raise ProblemError(f'{self.name}: no examples: give rows of inputs as "x" and their targets as "y"')
        return self.X, self.y

    def dropout_key(self, step: int = 0) -> DropoutKey | None:
        """The draw of the dropout masks at an optimizer step, None where nothing is dropped.

        Raises ProblemError where masks are to be drawn and the problem has no seed.
        """
        if self.statistics or not any(layer.dropout for layer in self.net.layers):
            return None
        if self.seed is None:
            raise ProblemError(
                f'{self.name}: dropout draws random masks, and no seed names them: give "init": {{"seed": 0}}'
            )
        return DropoutKey(self.seed, step)

    def passes(self, params: Parameters | None = None, *, step: int = 0) -> tuple[Trace, Gradients]:
        """Forward and backward on the whole of x, at the problem's parameters or at others."""
        X, y = self.data()
        params = self.params if params is None else params
        trace = forward(self.net, params, X, dropout=self.dropout_key(step), statistics=self.statistics)
        return trace, backward(self.net, params, trace, y, self.sample_weight)

    def to_dict(self) -> dict[str, Any]:
        """The problem in plain names and numbers, as a problem file holds it."""
        described = self.net.to_dict()
        for l, layer in enumerate(described["layers"], start=1):
            for name in ("W", "b", "gamma", "beta"):
                value = getattr(self.params, name)[l]
                layer |= {} if value is None else {name: value.tolist()}
        for key, array in (("x", self.X), ("y", self.y), ("sample_weight", self.sample_weight)):
            described |= {} if array is None else {key: array.tolist()}
        described |= {} if self.optimizer is None else {"optimizer": self.optimizer.to_dict()}
        described |= {} if self.seed is None else {"seed": self.seed}
        for key in ("clip_norm", "clip_value"):
            described |= {} if getattr(self, key) is None else {key: getattr(self, key)}
        return described
