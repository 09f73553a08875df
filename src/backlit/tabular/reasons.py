"""Which columns moved a prediction away from that of a typical training row: integrated gradients.

The path from the typical row x₀ to a row x is straight in the encoded features.  The effect of feature j is
(x_j − x₀_j) ∫₀¹ ∂F/∂x_j(x₀ + t (x − x₀)) dt, that of a column the sum of its features', and all effects sum to
F(x) − F(x₀).  F is the predicted number, or the log-odds of the predicted class.  Members of an ensemble have encodings
of their own and walk at the same time t.

The integral is by Gauss and Legendre, with more points where the sum is not met.  Where the network has kinks, as with
ReLU, a little remains; it is shared in proportion to the effects, so that they sum to the difference all the same.

Source: Sundararajan, Taly & Yan 2017.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.core.network import Network
from backlit.core.parameters import Parameters, Statistics
from backlit.core.passes import backward, forward
from backlit.derivation.sections.why import of_class, score_network
from backlit.errors import ModelError
from backlit.formats.ensembles import Ensemble
from backlit.formats.models import Model
from backlit.formats.sources import as_word, typical_row
from backlit.tables import TableEncoder
from backlit.tables.columns import frequencies, settle

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray
POINTS, LEVELS = 4, (8, 64)  # of Gauss and Legendre a piece of the path; pieces, and pieces where these are not enough
NEAR = 1e-4  # of the difference, within which a sum of effects counts as met; what is left is shared
CELLS = 4_000_000  # features of points that are worked out at once


@dataclass(frozen=True)
class Reasons:
    """Effects of columns on predictions.

    Parameters
    ----------
    columns : tuple of str
        The n columns that the model uses.
    effects : (m, n) array
        How much each moved the prediction of each row; a row's sum to value − base.
    value, base : (m,) arrays
        F of each row, and of the typical row for the same class.
    unit : str
        What F is: the target, or the log-odds of the predicted class.
    typical : dict
        The typical row: the mean of numbers, the most frequent of words, over the training rows.
    frame : polars.DataFrame
        The columns' values.

    Examples
    --------
    >>> from backlit.tabular import train
    >>> from backlit.tabular.datasets import load_dataset
    >>> model = train(dataset="diabetes", hidden=(8,), activation="tanh", epochs=5).model
    >>> found = explain_rows(model, load_dataset("diabetes")[:3])
    >>> bool(np.allclose(found.base + found.effects.sum(axis=1), found.value, atol=1e-6))
    True
    """

    columns: tuple[str, ...]
    effects: Array
    value: Array
    base: Array
    unit: str
    typical: dict[str, Any]
    frame: "pl.DataFrame"

    def table(self, k: int) -> "pl.DataFrame":
        """Columns "reason 1" to "reason k", largest first, as COLUMN=VALUE: ±EFFECT, and "reasons rest".

        The rest is what the k effects as they are printed leave of the difference.
        """
        import polars as pl

        k = min(k, len(self.columns))
        order = np.argsort(-np.abs(self.effects), axis=1, kind="stable")[:, :k]
        printed = [[signed(self.effects[i, j]) for j in order[i]] for i in range(len(order))]
        values = [self.frame[name].to_list() for name in self.columns]
        words = [
            [f"{self.columns[j]}={as_word(values[j][i])}: {effect}" for j, effect in zip(order[i], row, strict=True)]
            for i, row in enumerate(printed)
        ]
        told = np.array([sum(map(float, row)) for row in printed])
        reasons = [pl.Series(f"reason {r + 1}", [row[r] for row in words], dtype=pl.String) for r in range(k)]
        return pl.DataFrame([*reasons, pl.Series("reasons rest", self.value - self.base - told)])

    def to_dict(self) -> dict[str, Any]:
        """What `backlit predict --format json` says of them."""
        return {
            "unit": self.unit,
            "baseline": {name: as_plain(value) for name, value in self.typical.items()},
            "base": self.base.tolist(),
            "value": self.value.tolist(),
            "effects": {name: self.effects[:, j].tolist() for j, name in enumerate(self.columns)},
        }


def as_plain(value: Any) -> Any:
    """A cell as JSON has it."""
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def signed(effect: float) -> str:
    """An effect with its sign and four digits, and with a power of ten only where zeros would hide it.

    >>> signed(-11781.4), signed(0.25), signed(2.5e-9)
    ('-11780', '+0.25', '+2.5e-09')
    """
    if 1e-4 <= abs(effect) < 1e12:
        return np.format_float_positional(float(f"{effect:.4g}"), trim="-", sign=True)
    return f"{effect:+.4g}"


def explain_rows(model: Model | Ensemble, frame: "pl.DataFrame") -> Reasons:
    """The effects of columns on the predictions for rows of a table.

    Raises ModelError if the model does not know its typical row, as one written by an earlier version.
    """
    members, typical = list(members_of(model)), typical_row(model)
    columns = [column.name for column in members[0].encoder.columns if column.features]
    X = [member.encoder.transform(frame, np.float64) for member in members]
    X0 = [member.encoder.transform(typical, np.float64) for member in members]
    s = scores(members, X)
    chosen = s.argmax(axis=1)
    value = of_class(s, chosen)[0]
    base = of_class(np.repeat(scores(members, X0), len(frame), axis=0), chosen)[0]
    effects = np.zeros((len(frame), len(columns)))
    open_rows = np.arange(len(frame))
    for pieces in LEVELS:
        for rows in chunks(open_rows, sum(x.shape[1] for x in X), pieces):
            effects[rows] = integrate(members, [x[rows] for x in X], X0, chosen[rows], pieces, columns)
        gap = (value - base) - effects.sum(axis=1)
        open_rows = np.flatnonzero(np.abs(gap) > NEAR * np.maximum(np.abs(value - base), 1e-3))
    weight = np.abs(effects)
    effects += gap[:, None] * weight / np.maximum(weight.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    unit = "log-odds of the predicted class" if members[0].classes else members[0].target
    return Reasons(tuple(columns), effects, value, base, unit, typical.row(0, named=True), frame.select(columns))


def chunks(rows: Array, width: int, pieces: int) -> Iterator[Array]:
    """Rows (m,) in parts whose points fit in memory."""
    most = max(CELLS // (width * pieces * POINTS), 1)
    return (rows[start : start + most] for start in range(0, len(rows), most))


@dataclass(frozen=True)
class Walker:
    """A member, by what the integral needs: in float64, and for classes up to the scores that softmax takes.

    weight : on its outputs, whose weighted sum over the members is what F is of.
    """

    net: Network
    params: Parameters
    statistics: Statistics
    encoder: TableEncoder
    weight: float
    target: str
    classes: int

    def outputs(self, X: Array) -> Any:
        """The trace of rows (m, n_0); its last a is scores (m, K), the one of two classes, or numbers (m, 1)."""
        return forward(self.net, self.params, X, statistics=self.statistics)

    def pull_back(self, trace: Any, grad: Array) -> Array:
        """From ∂F/∂a_L (m, n_L) to ∂F/∂x (m, n_0): half a squared error whose a − y is that gradient."""
        return backward(self.net, self.params, trace, trace.a[-1] - grad).a[0]


def members_of(model: Model | Ensemble) -> Iterator[Walker]:
    """The networks of a model, with weights on their scores or numbers."""
    if isinstance(model, Ensemble):
        parts = [(member.model, member.weight / model.temperature) for member in model.members if member.weight]
    else:
        parts = [(model, 1.0)]
    for each, weight in parts:
        if each.encoder is None or each.target is None:
            raise ModelError("the model does not say how a table becomes its inputs: use one that train made")
        net = score_network(each.net, classes=bool(each.target.classes))
        params = Parameters(net, each.params.theta.astype(np.float64))
        yield Walker(net, params, each.statistics, each.encoder, weight, each.target.name, len(each.target.classes))


def scores(members: list[Walker], X: list[Array]) -> Array:
    """Weighted sums of scores (m, K), of which softmax makes probabilities, or of numbers (m, 1)."""
    blend = sum(member.weight * member.outputs(x).a[-1] for member, x in zip(members, X, strict=True))
    return np.hstack([np.zeros_like(blend), blend]) if members[0].classes == 2 else blend


def integrate(
    members: list[Walker], X: list[Array], X0: list[Array], chosen: Array, pieces: int, columns: list[str]
) -> Array:
    """Effects (m, n) of columns, by POINTS points in each of so many pieces of the path from X0 to X."""
    nodes, weights = np.polynomial.legendre.leggauss(POINTS)
    t = ((np.arange(pieces)[:, None] + (nodes + 1) / 2) / pieces).ravel()
    w = np.tile(weights / 2 / pieces, pieces)
    paths = [(x0 + t[:, None, None] * (x - x0)).reshape(-1, x.shape[1]) for x, x0 in zip(X, X0, strict=True)]
    traces = [member.outputs(path) for member, path in zip(members, paths, strict=True)]
    blend = sum(member.weight * trace.a[-1] for member, trace in zip(members, traces, strict=True))
    s = np.hstack([np.zeros_like(blend), blend]) if members[0].classes == 2 else blend
    grad_s = of_class(s, np.tile(chosen, len(t)))[1][:, -blend.shape[1] :]
    effects = np.zeros((len(chosen), len(columns)))
    for member, trace, x, x0 in zip(members, traces, X, X0, strict=True):
        grad = member.pull_back(trace, member.weight * grad_s).reshape(len(t), *x.shape)
        by_feature = (x - x0) * np.tensordot(w, grad, axes=1)
        for name, place in member.encoder.places.items():
            if place.start < place.stop:
                effects[:, columns.index(name)] += by_feature[:, place].sum(axis=1)
    return effects


def describe_typical(frame: "pl.DataFrame", encoder: TableEncoder) -> dict[str, Any]:
    """The typical row of training rows as JSON: means of numbers, medians of moments, and the most frequent words.

    >>> import polars as pl
    >>> table = pl.DataFrame({"age": [20.0, 40.0, None], "color": ["red", "blue", "red"]})
    >>> describe_typical(table, TableEncoder.fit(table))
    {'age': 30.0, 'color': 'red'}
    """
    import polars as pl

    row: dict[str, Any] = {}
    for column in encoder.columns:
        if not column.features:
            continue
        given = settle(frame[column.name]).drop_nulls()
        if given.dtype in (pl.String, pl.Boolean):
            counts = sorted(frequencies(given).items(), key=lambda pair: (-pair[1], str(pair[0])))
            row[column.name] = counts[0][0] if counts else None
        elif given.dtype.is_numeric():
            row[column.name] = float(given.cast(pl.Float64).mean())  # type: ignore[arg-type]  # a column has a value
        else:
            same_unit = given.dt.cast_time_unit("us") if given.dtype in (pl.Datetime, pl.Duration) else given
            row[column.name] = int(same_unit.to_physical().median())  # type: ignore[arg-type]  # as above
    return row
