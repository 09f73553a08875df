"""Problem files: JSON, TOML or YAML by suffix, checked field by field, into a `Problem`.

>>> problem = read_problem({"inputs": 1, "layers": [{"units": 1, "activation": "tanh"}], "x": [[0.5]], "y": [[1]]})
>>> problem.net.n
(1, 1)
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backlit.bounded_reading import MOST_BYTES, from_json, from_toml, from_yaml, machine_memory, read_bytes
from backlit.core.initializers import initialize
from backlit.core.network import Dense, Network
from backlit.core.parameters import NAMES, Parameters, Slot, fitting, layout
from backlit.core.problem import Problem
from backlit.core.targets import as_inputs, as_targets, shares
from backlit.errors import BacklitError, ProblemError, near
from backlit.optim import get_optimizer

Number = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Rows = list[list[Number]]
Spec = str | dict[str, Any]
File = TypeVar("File", bound="NetworkFile")
SURELY_FITS = 10**6  # parameters that any machine has room for
LOADERS = {".json": from_json, ".toml": from_toml, ".yaml": from_yaml, ".yml": from_yaml}


class Strict(BaseModel):
    """No key that is not named, no silent conversion."""

    model_config = ConfigDict(extra="forbid", strict=True)


class LayerFile(Strict):
    """One entry of `layers`."""

    units: int = Field(description="units of the layer, n_l")
    activation: Spec = Field("identity", description="φ, in a = φ(u)")
    W: Rows | None = Field(None, description="weights, a row a unit: (n_l, n_{l−1})")
    b: list[Number] | None = Field(None, description="biases, (n_l,)")
    norm: str | None = Field(None, description='norm of z before φ: "batch" or "layer"')
    gamma: list[Number] | None = Field(None, description="scale of the norm, (n_l,); 1 if not given")
    beta: list[Number] | None = Field(None, description="shift of the norm, (n_l,); 0 if not given")
    eps: Number = Field(1e-5, description="what the norm adds to the variance")
    dropout: Number = Field(0.0, description="probability, in [0, 1), that an activation is set to 0")
    skip_from: int | None = Field(None, description="an earlier layer as wide whose a is added to this one's; 0 is x")
    skip_scale: Number = Field(1.0, description="what the skip is multiplied by")
    train_bias: bool = Field(True, description="whether the optimizer moves b")


class NetworkFile(Strict):
    """What a problem file and a model file say alike."""

    inputs: int = Field(description="number of inputs, n_0")
    layers: list[LayerFile] = Field(description="layers 1 to L; the last gives the outputs")
    loss: Spec = Field("half_squared_error", description="ℓ, of one example")
    reduction: str = Field(
        "mean",
        description='cost of the batch: "mean" or "sum" of the ℓ_i; with `sample_weight` C = Σ w_i ℓ_i / Σ w_i or '
        "C = Σ w_i ℓ_i",
    )
    l2: Number = Field(0.0, description="λ: adds (λ/2) Σ ‖W‖² to the cost")


class ProblemFile(NetworkFile):
    """A whole problem file."""

    x: Rows | None = Field(None, description="inputs, a row an example: (m, n_0)")
    y: list[Number] | Rows | None = Field(
        None, description="targets, a row an example: (m, n_L), or (m,) for one output or the classes of cross_entropy"
    )
    sample_weight: list[Number] | None = Field(
        None, description="weights w_i of the examples, (m,), none below 0; a mean divides by Σ w_i, not by m"
    )
    init: Spec | None = Field(None, description="scheme that draws the W and b that are left out")
    optimizer: Spec | None = Field(None, description="whose steps `explain` and `check` take")
    clip_norm: Number | None = Field(None, description="bound on the norm of the gradient, for the optimizer")
    clip_value: Number | None = Field(None, description="bound on each entry of the gradient, for the optimizer")
    seed: int | None = Field(None, description="draws the dropout masks, and W and b if init has no seed of its own")


def read_problem(source: str | Path | Mapping[str, Any] | Problem) -> Problem:
    """Read a problem from a file, or check one that is given as a mapping.

    Parameters
    ----------
    source : str, Path, mapping or Problem
        A JSON, TOML or YAML file, by its suffix; or its content; or a Problem, which is returned as it is.

    Returns
    -------
    Problem
        The network, its numbers in float64, and the examples if there are any.

    Raises
    ------
    ProblemError
        If the file cannot be read, or a field is unknown or says something impossible.  The error gives the file, the
        field's path, what was found and what is allowed.
    ShapeError
        If arrays do not fit the network.
    DomainError
        If a target or a number is outside what the network takes.

    Examples
    --------
    >>> problem = read_problem({"inputs": 1, "layers": [{"units": 1, "activation": "tanh"}], "x": [[0.5]], "y": [[1]]})
    >>> problem.net.n
    (1, 1)
    """
    if isinstance(source, Problem):
        return source
    if isinstance(source, Mapping):
        return build("problem", parse("problem", source, ProblemFile))
    path = Path(source)
    return build(str(path), parse(str(path), load(path), ProblemFile))


def load(path: Path) -> Any:
    """Read a JSON, TOML or YAML file into plain Python values."""
    suffix = path.suffix.lower()
    if path.is_dir():
        raise ProblemError(f"{path}: is a folder: give a problem file")
    if suffix not in LOADERS:
        raise ProblemError(f"{path}: unknown suffix {path.suffix!r}: use one of {', '.join(LOADERS)}")
    try:
        return LOADERS[suffix](read_bytes(path, MOST_BYTES[suffix]).decode("utf-8-sig"))
    except FileNotFoundError:
        raise ProblemError(f"{path}: no such file: check the name and the folder") from None
    except UnicodeDecodeError as error:
        raise ProblemError(f"{path}: not UTF-8 text (byte {error.start}): save it as UTF-8") from None
    except OSError as error:
        raise ProblemError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:  # what all three parsers raise or are turned into
        raise ProblemError(f"{path}: not valid {path.suffix[1:].upper()}: {' '.join(str(error).split())}") from None


def parse(name: str, content: Any, schema: type[File]) -> File:
    """Check keys and types; ProblemError names the first field that is wrong."""
    if not isinstance(content, Mapping):
        raise ProblemError(
            f'{name}: a problem is a table of fields such as "inputs" and "layers", not {type_of(content)}'
        )
    try:
        return schema.model_validate({key: value for key, value in content.items() if key != "$schema"})  # for editors
    except ValidationError as error:
        raise ProblemError(f"{name}: {say(error.errors(include_url=False))}") from None


def say(errors: list[Any]) -> str:
    """Turn pydantic's findings into one line about the first of them: path, what was found, what is allowed."""
    first = max(errors, key=lambda e: len(e["loc"])) if errors[0]["loc"][:1] in (("y",),) else errors[0]
    loc = [part for part in first["loc"] if not (isinstance(part, str) and "[" in part) and part not in ("str",)]
    if first["type"] == "extra_forbidden" and loc[-1:] != [first["loc"][-1]]:
        loc.append(first["loc"][-1])  # a key of a stranger's may look like a type
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")
    fields = LayerFile.model_fields if "." in path else ProblemFile.model_fields
    if first["type"] == "extra_forbidden":
        return f"{path}: unknown key: {near(str(loc[-1]), list(fields))}"
    if first["type"] == "missing":
        return f"{path}: missing: it is required"
    return f"{path}: {first['msg'].lower().removeprefix('input ')}, not {short(first['input'])}"


def short(value: Any) -> str:
    """A value as JSON would write it, cut to 40 characters."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else text[:37] + "..."


def type_of(value: Any) -> str:
    """The JSON name of a value's type."""
    names: dict[type, str] = {list: "a list", str: "a text", type(None): "nothing", bool: "true or false"}
    return names.get(type(value), "a number")


def build_network(name: str, file: NetworkFile) -> Network:
    """The network that a file describes; every error names the file and the layer."""
    layers = []
    for i, layer in enumerate(file.layers):
        described = layer.model_dump(exclude={*NAMES})
        layers.append(located(f"{name}: layers[{i}]", lambda d=described: Dense(**d)))
    return located(name, lambda: Network(file.inputs, layers, loss=file.loss, reduction=file.reduction, l2=file.l2))


def build(name: str, file: ProblemFile) -> Problem:
    """Make the network, the parameters and the arrays; every error names the file and the field."""
    net = build_network(name, file)
    located(name, lambda: check_parameters(net))
    init: dict[str, Any] = {"scheme": file.init} if isinstance(file.init, str) else dict(file.init or {})
    seed = init.pop("seed", file.seed)
    X = None if file.x is None else located(f"{name}: x", lambda: as_inputs(net, file.x, np.float64))
    scheme = {"scheme": "xavier_uniform", **init}
    given = located(name, lambda: given_arrays(net, file.layers))  # a file that is wrong costs no drawing
    y = weight = None
    if file.y is not None:
        if X is None:
            raise ProblemError(f'{name}: y is given without x: give the rows of inputs as "x"')
        located(f"{name}: y", lambda: as_targets(net, ragged(file.y), len(X)))
        y = np.asarray(file.y)
    if file.sample_weight is not None:
        if X is None:
            raise ProblemError(f'{name}: sample_weight is given without x: give the rows of inputs as "x"')
        located(f"{name}: sample_weight", lambda: shares(net, len(X), file.sample_weight, np.float64))
        weight = np.asarray(file.sample_weight)
    optimizer, clip_norm, clip_value = located(f"{name}: optimizer", lambda: read_optimizer(file))
    if len(given) == len(layout(net)) and file.init is None and seed is None:
        drawn = Parameters.zeros(net)
    else:
        drawn = located(f"{name}: init", lambda: initialize(net, scheme, seed=0 if seed is None else seed, X=X))
    for slot, array in given.items():
        drawn[slot] = array
    return Problem(net, drawn, X, y, weight, optimizer, clip_norm, clip_value, seed, name)


def check_parameters(net: Network) -> None:
    """Raise ProblemError where the parameters, their gradient and an optimizer's vectors have no room in memory."""
    size = layout(net)[-1].stop
    if size > SURELY_FITS and size * 8 > machine_memory() / 8:
        raise ProblemError(f"its layers have {size:,} parameters, too many for this machine's memory: give fewer units")


def located(where: str, make: Any) -> Any:
    """Run `make`; put `where` in front of the error that it raises."""
    try:
        return make()
    except BacklitError as error:
        raise type(error)(f"{where}: {error}") from None


def ragged(y: Any) -> np.ndarray:
    """y as an array; ProblemError if its rows differ in length."""
    try:
        return np.asarray(y)
    except ValueError:
        raise ProblemError(
            "its rows differ in length: give each example as many targets as there are outputs"
        ) from None


def given_arrays(net: Network, layers: list[LayerFile]) -> dict[Slot, np.ndarray]:
    """The parameters that the file gives, by their place."""
    given = {name: [None, *(getattr(layer, name) for layer in layers)] for name in NAMES}
    for l, layer in enumerate(layers, start=1):
        if layer.norm is None and (layer.gamma or layer.beta):
            raise ProblemError(f'layers[{l - 1}]: gamma and beta belong to a norm: add "norm": "batch" or "layer"')
    return fitting(net, given)


def read_optimizer(file: ProblemFile) -> tuple[Any, float | None, float | None]:
    """The optimizer with its clipping, which may stand inside `optimizer` or beside it."""
    spec = {"name": file.optimizer} if isinstance(file.optimizer, str) else dict(file.optimizer or {})
    clips = [spec.pop(key, getattr(file, key)) for key in ("clip_norm", "clip_value")]
    for key, value in zip(("clip_norm", "clip_value"), clips, strict=True):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value > 0):
            raise ProblemError(f"{key} must be a number above 0, not {short(value)}")
    return get_optimizer(spec) if spec else None, clips[0], clips[1]
