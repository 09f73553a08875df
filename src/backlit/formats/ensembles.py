"""An ensemble of networks for one table, and the one file that holds it.

A member is a `Model` of its own, by which it is explained, diagnosed and exported.  The file's arrays are 0.W.1, 0.b.1,
…, 1.W.1, …, and for regression residual and residual_fold; members share the encoders that the description lists.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from backlit._version import __version__
from backlit.core.network import Network
from backlit.core.parameters import Parameters, Statistics
from backlit.display import Displayed
from backlit.errors import ModelError
from backlit.formats.models import (
    FORMAT_VERSION,
    Model,
    build_model,
    load_model,
    one_member,
    read_description,
    read_file,
    save_model,
    write_file,
)  # fmt: skip
from backlit.tables import TableEncoder, TargetCodec
from backlit.tables.messages import count

Array = np.ndarray
RESIDUALS = ("residual", "residual_fold")


@dataclass(frozen=True)
class Member:
    """A network of an ensemble.

    Parameters
    ----------
    model : Model
        The network, its encoder and target.
    recipe : str
        Name of the preset that it was trained by.
    fold : int
        The fold that it never learned from, on which it stopped.
    weight : float
        Its share of the prediction; all members' sum to 1.
    epochs : int
        Passes over its rows.
    score : float
        Loss on its fold: log loss, or root mean square error.

    Examples
    --------
    >>> from backlit.core import Dense
    >>> net = Network(1, [Dense(1)])
    >>> Member(Model(net.init(), Statistics(net)), "plain", 0, 1.0, 5, 0.25).to_dict()
    {'recipe': 'plain', 'folds': [0], 'weight': 1.0, 'epochs': 5, 'score': 0.25}
    """

    model: Model
    recipe: str
    fold: int
    weight: float
    epochs: int
    score: float

    def to_dict(self) -> dict[str, Any]:
        """What `backlit train --format json` says of it."""
        return {
            "recipe": self.recipe,
            "folds": [self.fold],
            "weight": self.weight,
            "epochs": self.epochs,
            "score": self.score,
        }


@dataclass(frozen=True)
class Ensemble(Displayed):
    """Networks whose outputs are averaged: log probabilities, or numbers.

    Where one network is asked for, as by `net` and `params`, it is the heaviest member's.

    Parameters
    ----------
    members : tuple of Member
        At least one; their weights sum to 1.
    target : TargetCodec
        What the outputs mean.
    temperature : float, default 1.0
        What the averaged log probabilities are divided by.
    residual : (n,) array, optional
        For regression: the training rows' y less what the members that never learned from them say.
    residual_fold : (n,) array, optional
        The fold of each of these rows.
    training : dict, optional
        Plain notes on how it was made.

    Attributes
    ----------
    heaviest : Model
        The member of the largest weight.

    Examples
    --------
    >>> from backlit.core import Dense
    >>> net = Network(1, [Dense(1)])
    >>> member = Member(Model(net.init(), Statistics(net)), "plain", 0, 1.0, 5, 0.25)
    >>> Ensemble((member,), TargetCodec("y", "regression")).net.n
    (1, 1)
    """

    members: tuple[Member, ...]
    target: TargetCodec
    temperature: float = 1.0
    residual: Array | None = None
    residual_fold: Array | None = None
    training: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Ensemble of {self.target.name!r}: {count(len(self.members), 'network')}>"

    @property
    def heaviest(self) -> Model:
        """The member of the largest weight, the first of several."""
        return max(self.members, key=lambda member: member.weight).model

    @property
    def net(self) -> Network:
        """The heaviest member's network."""
        return self.heaviest.net

    @property
    def params(self) -> Parameters:
        """The heaviest member's parameters."""
        return self.heaviest.params

    @property
    def statistics(self) -> Statistics:
        """The heaviest member's running moments."""
        return self.heaviest.statistics

    @property
    def encoder(self) -> TableEncoder | None:
        """The heaviest member's encoder."""
        return self.heaviest.encoder

    def encoders(self) -> list[TableEncoder]:
        """Those of all members, each once."""
        return list(dict.fromkeys(member.model.encoder for member in self.members if member.model.encoder))


def save_ensemble(ensemble: Ensemble | Model, path: str | Path) -> None:
    """Write an ensemble, or a single model, to a safetensors file, whole or not at all.

    Parameters
    ----------
    ensemble : Ensemble or Model
        What is written.
    path : str or Path
        The file; one that is there is replaced.

    Raises
    ------
    BacklitError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from backlit.tabular import train
    >>> result = train(dataset="iris", quality="fast")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_ensemble(result.model, f"{folder}/iris.safetensors")
    ...     len(load_ensemble(f"{folder}/iris.safetensors").members) == len(result.model.members)
    True
    """
    if isinstance(ensemble, Model):
        save_model(ensemble, path)
        return
    encoders = ensemble.encoders()
    index: dict[TableEncoder | None, int] = {encoder: k for k, encoder in enumerate(encoders)}
    described = {
        "version": FORMAT_VERSION,
        "backlit": __version__,
        "target": ensemble.target.to_dict(),
        "temperature": ensemble.temperature,
        "encoders": [encoder.to_dict() for encoder in encoders],
        "members": [
            {**member.to_dict(), "encoder": index[member.model.encoder], "network": member.model.net.to_dict()}
            for member in ensemble.members
        ],
        "training": ensemble.training,
    }
    write_file(path, dict(arrays_of(ensemble)), described)


def arrays_of(ensemble: Ensemble) -> Iterator[tuple[str, Array]]:
    """Every array by its name in the file."""
    for k, member in enumerate(ensemble.members):
        for name, array in member.model.arrays().items():
            yield f"{k}.{name}", np.ascontiguousarray(array)
    if ensemble.residual is not None and ensemble.residual_fold is not None:
        yield "residual", np.ascontiguousarray(ensemble.residual, np.float64)
        yield "residual_fold", np.ascontiguousarray(ensemble.residual_fold, np.int64)


def load_ensemble(path: str | Path) -> Ensemble | Model:
    """Read a model file: an Ensemble, or the Model where it holds one network.  Reading runs no code of the file's.

    Parameters
    ----------
    path : str or Path
        A file that `train` or `save_ensemble` wrote.

    Returns
    -------
    Ensemble or Model
        What the file holds.

    Raises
    ------
    ModelError
        If the file is missing, damaged or of a later format.

    Examples
    --------
    >>> load_ensemble("no.safetensors")
    Traceback (most recent call last):
    backlit.errors.ModelError: no.safetensors: no such file: check the name and the folder
    """
    arrays, description = read_file(Path(path))
    described = read_description(path, description)
    if described["version"] == 1:
        return load_model(path)
    extra = {name: arrays.pop(name) for name in RESIDUALS if name in arrays}
    tables: dict[int, TableEncoder | None] = {}
    members = []
    listed = described.get("members")
    for k in range(len(listed) if isinstance(listed, list) and listed else 1):  # `one_member` names what is missing
        own, mine = one_member(path, described, arrays, k)
        entry = described["members"][k]
        model = build_model(path, own, mine, table=tables.get(entry["encoder"]))
        tables[entry["encoder"]] = model.encoder
        members.append(member_of(path, k, entry, model))
    first, temperature = members[0].model.target, described.get("temperature")
    if first is None or not (isinstance(temperature, int | float) and isfinite(temperature) and temperature > 0):
        raise ModelError(f"{path}: its target or temperature is not what an ensemble has: the file is damaged")
    if any(member.model.net.outputs != members[0].model.net.outputs for member in members):
        raise ModelError(f"{path}: its members have different numbers of outputs: the file is damaged")
    check_residuals(path, extra)
    notes = described.get("training")
    notes = notes if isinstance(notes, dict) else {}
    residual, fold = (extra.get(name) for name in RESIDUALS)
    return Ensemble(tuple(members), first, float(temperature), residual, fold, notes)


def one_network(model: str | Path | Ensemble | Model, member: int | None = None) -> Model:
    """The network that is meant: a model itself, an ensemble's member of that number, or its heaviest.

    model : a model file, a Model or an Ensemble.  Raises ModelError where there is no such member.
    """
    if isinstance(model, str | Path):
        return load_model(model, member=member)
    if isinstance(model, Ensemble):
        if member is not None and not 0 <= member < len(model.members):
            raise ModelError(f"the model has no member {member}: its members are 0 to {len(model.members) - 1}")
        return model.heaviest if member is None else model.members[member].model
    if member not in (None, 0):
        raise ModelError(f"the model has no member {member}: it is one network, not an ensemble")
    return model


def member_of(path: str | Path, k: int, entry: dict[str, Any], model: Model) -> Member:
    """A member of its entry in the description."""
    numbers: list[Any] = [entry.get(name) for name in ("weight", "epochs", "score")]
    folds = entry.get("folds")
    numbers += folds if isinstance(folds, list) and len(folds) == 1 else [None]
    if not all(isinstance(n, int | float) and not isinstance(n, bool) and isfinite(n) for n in numbers):
        raise ModelError(f"{path}: weight, folds, epochs or score of member {k} is no number: the file is damaged")
    weight, epochs, score, fold = (float(number) for number in numbers)
    if weight < 0:
        raise ModelError(f"{path}: the weight of member {k} is {weight:g}, below 0: the file is damaged")
    return Member(model, str(entry.get("recipe")), int(fold), weight, int(epochs), score)


def check_residuals(path: str | Path, extra: dict[str, Array]) -> None:
    """Both arrays or none, of the same length, finite; ModelError if not."""
    lengths = {array.shape for array in extra.values()}
    if extra and (len(extra) != 2 or len(lengths) != 1 or not all(np.isfinite(a).all() for a in extra.values())):
        raise ModelError(f"{path}: its residuals are not one number a row: the file is damaged")
