"""Model files: safetensors, which holds arrays and text and runs no code on loading.

The arrays are W.1, b.1, gamma.1, …, and mean.1, variance.1 if a layer has batch norm.  The one metadata entry
"backlit" is JSON: the format's version, the network in plain enumerated names, how a table becomes its inputs, what its
outputs mean, and how it was trained.  An ensemble (`formats/ensembles.py`) has its members' arrays as 0.W.1, 1.W.1, …
"""

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from backlit._version import __version__
from backlit.bounded_reading import from_json, read_arrays
from backlit.core.network import Network
from backlit.core.parameters import Parameters, Statistics, layout
from backlit.display import Displayed
from backlit.errors import BacklitError, ModelError
from backlit.files import atomic_write, check_outputs
from backlit.formats.problems import NetworkFile, build_network, parse
from backlit.tables import TableEncoder, TargetCodec
from backlit.tables.messages import count

FORMAT_VERSION = 2  # 2 is an ensemble's; a file of one network is written as 1, which earlier releases read
LARGEST_DESCRIPTION = 64 * 2**20  # bytes of JSON; a table of thousands of columns needs about one MB


@dataclass(frozen=True)
class Model(Displayed):
    """What was learned, with all that it takes to use it: what a model file holds.

    Parameters
    ----------
    params : Parameters
        The weights, and by `params.net` the network.
    statistics : Statistics
        Batch norm's running moments, by which the network predicts.
    encoder : TableEncoder, optional
        From the columns of a table to X; only a model of a table has one.
    target : TargetCodec, optional
        From outputs to the target's values.
    training : dict, optional
        Plain notes on how the model was made: seed, versions, metrics.
    estimator : dict, optional
        What restores the estimator that saved the model.

    Attributes
    ----------
    net : Network
        The network's description.

    Examples
    --------
    >>> from backlit.core.network import Dense
    >>> net = Network(2, [Dense(1)])
    >>> sorted(Model(net.init(), Statistics(net)).arrays())
    ['W.1', 'b.1']
    """

    params: Parameters
    statistics: Statistics
    encoder: TableEncoder | None = None
    target: TargetCodec | None = None
    training: dict[str, Any] = field(default_factory=dict)
    estimator: dict[str, Any] | None = None

    def __repr__(self) -> str:
        of = "" if self.target is None else f" of {self.target.name!r}"
        return f"<Model{of}: {self.net!r}>"

    @property
    def net(self) -> Network:
        """The network's description."""
        return self.params.net

    def arrays(self) -> dict[str, np.ndarray]:
        """Every array by the name that it has in a file."""
        named = {f"{slot.name}.{slot.l}": view for slot, view in self.params.items()}
        for name in ("mean", "variance"):
            moments = getattr(self.statistics, name)
            named |= {f"{name}.{l}": moment for l, moment in enumerate(moments) if moment is not None}
        return named


def save_model(model: Model, path: str | Path) -> None:
    """Write a model to a safetensors file, whole or not at all.

    Parameters
    ----------
    model : Model
        The model.  Its network must be made of Backlit's own functions, since a file holds no code.
    path : str or Path
        The file; one that is there is replaced.

    Raises
    ------
    ModelError
        If the network holds a function of yours.
    BacklitError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from backlit.core.network import Dense
    >>> net = Network(2, [Dense(1)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(Model(net.init(), Statistics(net)), f"{folder}/line.safetensors")
    ...     load_model(f"{folder}/line.safetensors").net == net
    True
    """
    own = model.net.custom_part
    if own is not None:
        raise ModelError(f"{path}: {own} is your own function, which a model file cannot hold: keep it in code")
    described = {
        "version": 1,
        "backlit": __version__,
        "network": model.net.to_dict(),
        "encoder": None if model.encoder is None else model.encoder.to_dict(),
        "target": None if model.target is None else model.target.to_dict(),
        "training": model.training,
        **({} if model.estimator is None else {"estimator": model.estimator}),
    }
    arrays = {name: np.ascontiguousarray(array) for name, array in model.arrays().items()}
    write_file(path, arrays, described)


def write_file(path: str | Path, arrays: dict[str, np.ndarray], described: dict[str, Any]) -> None:
    """Write arrays and their description, whole or not at all."""
    from safetensors.numpy import save

    check_outputs(path)
    content = save(arrays, metadata={"backlit": json.dumps(described, allow_nan=False)})
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def load_model(path: str | Path, *, allow_non_finite: bool = False, member: int | None = None) -> Model:
    """Read a model file.  Reading runs no code of the file's.

    Parameters
    ----------
    path : str or Path
        A file that `save_model`, `train` or an estimator's `save` wrote.
    allow_non_finite : bool, default False
        Whether weights may be NaN or infinite.
    member : int, optional
        Which network of an ensemble, counted from 0; the heaviest if not given, which is then logged.

    Returns
    -------
    Model
        The model, with the dtype that it was saved in.

    Raises
    ------
    ModelError
        If the file is missing, truncated, not a model of Backlit's, of a later format, has no such member, or its
        arrays do not fit its network or are not finite.

    Examples
    --------
    >>> load_model("no.safetensors")
    Traceback (most recent call last):
    backlit.errors.ModelError: no.safetensors: no such file: check the name and the folder
    """
    arrays, description = read_file(Path(path))
    described = read_description(path, description)
    if described["version"] > 1:
        described, arrays = one_member(path, described, arrays, member)
    elif member not in (None, 0):
        raise ModelError(
            f"{path}: has no member {member}: it is one network, not an ensemble; leave member (--member) out"
        )
    return build_model(path, described, arrays, allow_non_finite=allow_non_finite)


def one_member(
    path: str | Path, described: dict[str, Any], arrays: dict[str, np.ndarray], member: int | None
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Description and arrays of one of an ensemble's networks, as a file of it alone would have them."""
    members, encoders = described.get("members"), described.get("encoders")
    entries = members if isinstance(members, list) else []
    if not entries or not isinstance(encoders, list) or not all(isinstance(each, dict) for each in entries):
        raise ModelError(f"{path}: its description lists no members: the file is damaged")
    if member is None:
        member = max(range(len(entries)), key=lambda k: weight_of(entries[k]))
        recipe = str(entries[member].get("recipe"))[:60]
        logging.getLogger("backlit").warning(
            f"{path} is an ensemble of {count(len(entries), 'network')}: this is member {member}, "
            f"the heaviest ({recipe}); load_model's member=, or --member, takes another"
        )
    if not 0 <= member < len(entries):
        raise ModelError(f"{path}: has no member {member}: its members are 0 to {len(entries) - 1}")
    entry, prefix = entries[member], f"{member}."
    which = entry.get("encoder")
    if not isinstance(which, int) or not 0 <= which < len(encoders):
        raise ModelError(f"{path}: member {member} names no encoder of the file's: the file is damaged")
    own = {"network": entry.get("network"), "encoder": encoders[which]}
    mine = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    return described | own, mine


def weight_of(entry: dict[str, Any]) -> float:
    """A member's weight; 0 for what is no number."""
    weight = entry.get("weight")
    return float(weight) if isinstance(weight, int | float) else 0.0


def build_model(
    path: str | Path,
    described: dict[str, Any],
    arrays: dict[str, np.ndarray],
    *,
    allow_non_finite: bool = False,
    table: TableEncoder | None = None,
) -> Model:
    """A model of what a file holds.  table : its encoder, where it was built before."""
    network = described.get("network")
    try:
        net = build_network(f"{path}: network", parse(f"{path}: network", network, NetworkFile))
        encoder, target = described.get("encoder"), described.get("target")
        table = TableEncoder.from_dict(encoder) if table is None and encoder is not None else table
        codec = None if target is None else TargetCodec.from_dict(target)
    except BacklitError as error:
        raise ModelError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from None
    params, statistics = fill(path, net, arrays)
    if not allow_non_finite and not all(np.isfinite(array).all() for array in arrays.values()):
        name = next(name for name, array in arrays.items() if not np.isfinite(array).all())
        raise ModelError(f"{path}: {name} holds NaN or infinity: the training failed; train again")
    if table is not None and len(table.feature_names_out) != net.inputs:
        raise ModelError(f"{path}: its encoder makes {len(table.feature_names_out)} features for {net.inputs} inputs")
    fit_together(path, net, codec)
    training = described.get("training")
    notes = training if isinstance(training, dict) else {}
    return Model(params, statistics, table, codec, notes, described.get("estimator"))


def fit_together(path: str | Path, net: Network, target: TargetCodec | None) -> None:
    """Raise ModelError where the outputs cannot be what the target says that they are."""
    if target is None:
        return
    K, phi = max(len(target.classes), 1), net.layers[-1].activation
    if net.outputs != K and not (K == 2 and net.outputs == 1):
        raise ModelError(f"{path}: its network has {net.outputs} outputs, its target needs {K}: the file was altered")
    if target.task == "classification" and not (phi.range[0] >= 0 and phi.range[1] <= 1):
        raise ModelError(f"{path}: the outputs of {phi.name} are no probabilities of classes: the file was altered")


def read_file(path: Path) -> tuple[dict[str, np.ndarray], str]:
    """The arrays and the description, checked by safetensors to lie within the file."""
    try:
        arrays, metadata = read_arrays(path)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file: check the name and the folder") from None
    except IsADirectoryError:
        raise ModelError(f"{path}: is a folder: give a model file") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise ModelError(f"{path}: truncated, damaged or not a model file ({error})") from None
    if "backlit" not in metadata:
        raise ModelError(f"{path}: a safetensors file, but not a model of Backlit's")
    return arrays, metadata["backlit"]


def read_description(path: str | Path, text: str) -> dict[str, Any]:
    """The description as a dict of this version."""
    if len(text) > LARGEST_DESCRIPTION:
        raise ModelError(f"{path}: its description is {len(text):,} bytes, which no model of Backlit's has")
    try:
        described = from_json(text)
    except ValueError as error:
        raise ModelError(f"{path}: its description is not JSON of a model ({error}): the file is damaged") from None
    version = described.get("version") if isinstance(described, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ModelError(f"{path}: its description names no version: the file is damaged or not ours")
    if version > FORMAT_VERSION:
        raise ModelError(
            f"{path}: written in version {version} of the model format, and this Backlit reads up to {FORMAT_VERSION}: "
            f"install a newer one"
        )
    return described


def fill(path: str | Path, net: Network, arrays: dict[str, np.ndarray]) -> tuple[Parameters, Statistics]:
    """Put arrays into parameters and statistics; each must be there, with its shape, all of one float dtype."""
    shapes = {f"{slot.name}.{slot.l}": slot.shape for slot in layout(net)}
    for l, layer in net.numbered():
        if layer.keeps_moments:
            shapes |= {f"mean.{l}": (layer.units,), f"variance.{l}": (layer.units,)}
    if set(shapes) != set(arrays):
        odd = sorted(set(shapes) ^ set(arrays))[0]
        found = "is missing" if odd in shapes else "belongs to no layer"
        raise ModelError(f"{path}: array {odd} {found}: the file does not fit its own description")
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise ModelError(f"{path}: array {name} has shape {arrays[name].shape}, but the network needs {shape}")
    dtypes = {array.dtype for array in arrays.values()}
    if len(dtypes) > 1 or not dtypes <= {np.dtype(np.float32), np.dtype(np.float64)}:
        raise ModelError(
            f"{path}: arrays of {', '.join(sorted(map(str, dtypes)))}: all must be float32, or all float64"
        )
    dtype = dtypes.pop()
    model = Model(Parameters.zeros(net, dtype), Statistics(net, dtype))
    for name, view in model.arrays().items():
        view[...] = arrays[name]
    return model.params, model.statistics
