"""The network for a table, and the scale in which it learns its target."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from backlit.core.network import Dense, Network
from backlit.core.parameters import Parameters
from backlit.tables import TableEncoder, Target, TargetCodec

Array = np.ndarray


def rows_to_split(target: Target, rows: Array | None = None) -> Any:
    """What `split` takes: class indices, for a split by class, or the number of rows."""
    y = target.y if rows is None else target.y[rows]
    return y if target.task == "classification" else len(y)


def target_scale(y: Array, weight: Array | None) -> tuple[float, float]:
    """Mean and standard deviation of the training rows' numbers (m,), by which regression learns a number near 1."""
    mean = np.average(y, weights=weight)
    return float(mean), float(np.sqrt(np.average((y - mean) ** 2, weights=weight))) or 1.0


def unscale(params: Parameters, shift: float, scale: float) -> None:
    """Fold the target's scale into the last layer, so that the network gives the target itself."""
    params.W[-1][:] *= scale
    params.b[-1][:] = params.b[-1] * scale + shift


def build_network(
    encoder: TableEncoder,
    target: Target | TargetCodec,
    hidden: Sequence[int],
    activation: str,
    *,
    norm: Any,
    dropout: float,
    l2: float,
) -> Network:
    """The network for a table: hidden layers alike, and the output and loss that the task asks for."""
    layers = [Dense(units, activation, norm=norm, dropout=dropout) for units in hidden]
    K = len(target.classes)
    if target.task == "regression":
        output, loss = Dense(1, "identity"), "half_squared_error"
    elif K == 2:
        output, loss = Dense(1, "sigmoid"), "binary_cross_entropy"
    else:
        output, loss = Dense(K, "softmax"), "cross_entropy"
    return Network(len(encoder.feature_names_out), [*layers, output], loss=loss, l2=l2)
