"""A problem: one network, its numbers and its data, where `explain`, `check`, `diagnose` and `cost` start from."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlit.core.dropout import DropoutKey
from backlit.core.network import Network
from backlit.core.parameters import Parameters, Statistics
from backlit.core.passes import Gradients, Trace, backward, forward
from backlit.display import Displayed
from backlit.errors import ProblemError
from backlit.optim import Optimizer


@dataclass(frozen=True)
class Row:
    """Which row of a table an example was, and a typical one to compare it with.

    features : the name of each of the n_0 inputs.  columns : the column that each came from.  values, typical_values :
    the cells by column, in words.  typical : (n_0,), the typical row as the network sees it.  target : the column that
    is predicted.  classes : its classes in words, none where it is a number.
    """

    features: tuple[str, ...]
    columns: tuple[str, ...]
    values: dict[str, str]
    typical_values: dict[str, str]
    typical: np.ndarray
    target: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Problem(Displayed):
    """A network with its numbers and, if it has them, examples, weights, an optimizer and a seed.

    Parameters
    ----------
    net : Network
        The network.
    params : Parameters
        Its numbers.
    X : (m, n_0) array, optional
        Inputs, one row an example.
    y : (m, n_L) array, optional
        Targets; class indices (m,) will do for cross_entropy.
    sample_weight : (m,) array, optional
        Weights of the examples.
    optimizer : Optimizer, optional
        The optimizer whose steps `explain` and `check` take.
    clip_norm : float, optional
        Bound on the norm of the gradient that the optimizer is given.
    clip_value : float, optional
        Bound on each entry of it.
    seed : int, optional
        Draws the dropout masks.
    name : str, default 'problem'
        What messages call it; for a file its path.
    statistics : Statistics, optional
        A trained model's running moments.  With them the passes are those of prediction: no dropout, and batch norm by
        these moments.
    row : Row, optional
        Which row of a table the one example is.

    Examples
    --------
    >>> from backlit.core.network import Dense
    >>> net = Network(2, [Dense(1)])
    >>> trace, grad = Problem(net, net.init(), np.ones((3, 2)), np.zeros((3, 1))).passes()
    >>> grad.delta[1].shape
    (3, 1)
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
    row: Row | None = None

    def __repr__(self) -> str:
        held = "no examples" if self.X is None else f"m={len(self.X)}"
        return f"Problem({self.name!r}, {self.net!r}, {held})"

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """X and y.

        Raises
        ------
        ProblemError
            If the problem has no examples.
        """
        if self.X is None or self.y is None:
            raise ProblemError(f'{self.name}: no examples: give rows of inputs as "x" and their targets as "y"')
        return self.X, self.y

    def dropout_key(self, step: int = 0) -> DropoutKey | None:
        """The draw of the dropout masks at an optimizer step; None if nothing is dropped.

        Raises
        ------
        ProblemError
            If masks are to be drawn and the problem has no seed.
        """
        if self.statistics or not any(layer.dropout for layer in self.net.layers):
            return None
        if self.seed is None:
            raise ProblemError(
                f'{self.name}: dropout draws random masks, and no seed names them: give "init": {{"seed": 0}}'
            )
        return DropoutKey(self.seed, step)

    def passes(self, params: Parameters | None = None, *, step: int = 0) -> tuple[Trace, Gradients]:
        """Run forward and backward on all examples, with the problem's parameters or with others."""
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
