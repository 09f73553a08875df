"""The network that the constructor parameters describe."""

from collections.abc import Iterable
from itertools import pairwise
from numbers import Integral
from typing import Any

import numpy as np

from backlit.core.activations import Activation
from backlit.core.losses import Loss
from backlit.core.network import Dense, Network
from backlit.core.norms import Statistics
from backlit.core.parameters import Parameters
from backlit.engine import Data
from backlit.errors import ProblemError
from backlit.estimators.losses import activation_of

ROWS_TO_SCALE_BY = 4096  # of a sparse X, whose rows "lsuv" would otherwise have to have dense all at once


def build_network(estimator: Any, inputs: int, outputs: int, phi: Activation, loss: Loss, l2: float) -> Network:
    """Hidden layers as `hidden_layer_sizes` says, and the output layer.

    Raises ProblemError or ValueError for parameters that do not fit together.
    """
    sizes = hidden_sizes(estimator.hidden_layer_sizes)
    scale = skip_scale(estimator.skip, sizes)
    hidden = [
        Dense(size, activation, norm=estimator.norm, dropout=estimator.dropout, **skip_into(l, sizes, scale))
        for l, (size, activation) in enumerate(zip(sizes, activations(estimator, len(sizes)), strict=True), start=1)
    ]
    return Network(inputs, [*hidden, Dense(outputs, phi)], loss=loss, l2=l2)


def hidden_sizes(given: Any) -> list[int]:
    """The widths of the hidden layers; one number is one layer."""
    sizes = list(given) if isinstance(given, Iterable) else [given]
    if any(not isinstance(size, Integral) or isinstance(size, bool) or size <= 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return [int(size) for size in sizes]


def activations(estimator: Any, n_hidden: int) -> list[Activation]:
    """One activation a hidden layer."""
    given = estimator.activation
    each = list(given) if isinstance(given, list | tuple) else [given] * n_hidden
    if len(each) != n_hidden:
        raise ProblemError(f"activation names {len(each)} layers, but hidden_layer_sizes has {n_hidden}")
    return [activation_of(spec) for spec in each]


def skip_scale(skip: Any, sizes: list[int]) -> float | None:
    """What a skip connection multiplies by, None for no skips.  Raises ProblemError if no two widths allow one."""
    if skip is None:
        return None
    if not any(size == before for before, size in pairwise(sizes)):
        raise ProblemError(
            f"skip={skip!r} joins hidden layers of equal widths, but hidden_layer_sizes is {sizes}: "
            f"give two neighbors the same width, or leave skip out"
        )
    return 1.0 if skip == "residual" else float(skip)


def skip_into(l: int, sizes: list[int], scale: float | None) -> dict[str, Any]:
    """The skip of hidden layer l, from the hidden layer before it where that is as wide."""
    if scale is None or l == 1 or sizes[l - 1] != sizes[l - 2]:
        return {}
    return {"skip_from": l - 1, "skip_scale": scale}


def draw_parameters(estimator: Any, net: Network, data: Data, seed: int) -> tuple[Parameters, Statistics]:
    """Parameters by the `init` scheme, in the data's dtype, and fresh running moments."""
    scheme = {"scheme": estimator.init} if isinstance(estimator.init, str) else dict(estimator.init)
    X = dense_sample(data) if scheme.get("scheme") == "lsuv" else None
    dtype = data.X.dtype
    return net.init(scheme, seed=seed, X=X, dtype=dtype), Statistics(net, dtype)


def dense_sample(data: Data) -> np.ndarray:
    """X, and of a sparse one evenly spaced rows."""
    if not data.is_sparse:
        return data.X
    every = -(-len(data) // ROWS_TO_SCALE_BY)
    return data.rows(np.arange(0, len(data), every)).X
