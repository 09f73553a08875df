"""From rows of a table to what a model says of them, whether it is one network or an ensemble."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from backlit.core.parameters import Parameters, Statistics
from backlit.formats.ensembles import Ensemble
from backlit.formats.models import Model
from backlit.tables import TableEncoder, TargetCodec
from backlit.tabular.blend import log_probabilities, softmax
from backlit.tabular.scoring import activations_of, outputs_of

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray
Encode = Callable[[TableEncoder], Array]  # the features (m, n_0) that an encoder makes of the rows in question


def predict_rows(model: Model | Ensemble, table: "pl.DataFrame") -> Array:
    """Probabilities (m, K) or numbers (m,) for the rows of a table; a row's do not depend on the others.

    Raises TableError where a column is missing or of another type than in training.
    """
    return predict_encoded(model, lambda encoder: encoder.transform(table, np.float32))


def predict_encoded(model: Model | Ensemble, encode: Encode) -> Array:
    """The same of rows that `encode` gives the features of."""
    if isinstance(model, Ensemble):
        return final_outputs(model, weighted_outputs(model, encode))
    assert model.encoder is not None
    return outputs_of(model, encode(model.encoder))


def predict_dealt(model: Model | Ensemble, table: "pl.DataFrame") -> Callable[..., Array]:
    """A function that predicts the rows of a table, or with (name, order) with a column's values in another order.

    Each row is encoded once: with a column's values its features are dealt.
    """
    encoders = model.encoders() if isinstance(model, Ensemble) else [model.encoder]
    features = {encoder: encoder.transform(table, np.float32) for encoder in encoders if encoder is not None}

    def predict(name: str | None = None, order: Array | None = None) -> Array:
        def encode(encoder: TableEncoder) -> Array:
            if name is None:
                return features[encoder]
            X, place = features[encoder].copy(), encoder.places[name]
            X[:, place] = X[order, place]
            return X

        return predict_encoded(model, encode)

    return predict


def few_members(model: Model | Ensemble, most: int = 4) -> Model | Ensemble:
    """The heaviest members alone, which say much the same sooner; a single network as it is."""
    if not isinstance(model, Ensemble):
        return model
    heaviest = sorted(model.members, key=lambda member: -member.weight)[:most]
    return replace(model, members=tuple(heaviest))


def weighted_outputs(ensemble: Ensemble, encode: Encode, folds: Array | None = None) -> Array:
    """Σ w a over the members, (m, K): log probabilities, or numbers.

    encode : gives the rows' features.
    folds : those whose members are asked, with weights that sum to 1 again; all if not given.
    """
    asked = [member for member in ensemble.members if folds is None or member.fold in folds]
    total, z = sum(member.weight for member in asked), np.zeros(())
    for encoder in ensemble.encoders():
        mine = [member for member in asked if member.model.encoder == encoder and member.weight]
        X = encode(encoder) if mine else None
        for member in mine:
            assert X is not None
            z = z + member.weight / total * raw_outputs(
                ensemble.target, member.model.params, member.model.statistics, X
            )
    return z


def final_outputs(ensemble: Ensemble, z: Array) -> Array:
    """Probabilities (m, K), or numbers (m,), of weighted outputs (m, K)."""
    return softmax(z / ensemble.temperature) if ensemble.target.task == "classification" else z[:, 0]


def raw_outputs(target: TargetCodec, params: Parameters, statistics: Statistics, X: Array) -> Array:
    """A network's log probabilities (m, K) or numbers (m, 1) for features X (m, n_0)."""
    a = activations_of(params, statistics, X)
    return a.astype(np.float64) if target.task == "regression" else log_probabilities(a)
