"""From wherever a network is to a problem: problem files, models of Backlit's, and those of other programs.

>>> problem_from({"inputs": 1, "layers": [{"units": 1}]}).net.n
(1, 1)
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping
from dataclasses import replace
from inspect import isclass, isfunction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.core.network import Network
from backlit.core.parameters import Statistics
from backlit.core.problem import Problem, Row
from backlit.core.targets import as_inputs, as_targets
from backlit.errors import ModelError, ProblemError, TableError, near
from backlit.formats.ensembles import Ensemble, load_ensemble, one_network
from backlit.formats.keras_models import from_keras, is_keras_model
from backlit.formats.models import Model
from backlit.formats.onnx_graphs import from_onnx
from backlit.formats.problems import LOADERS, read_problem
from backlit.formats.scikit_learn import from_scikit_learn
from backlit.formats.torch_modules import from_torch, is_torch_module
from backlit.tables import TableEncoder, TargetCodec

if TYPE_CHECKING:
    import polars as pl

__all__ = ["load_source", "problem_from"]


def problem_from(source: Any, *, X: Any = None, y: Any = None, loss: Any = None) -> Problem:
    """A problem from a problem file or its content, from a model, or from a network of another program.

    Parameters
    ----------
    source : str, Path, mapping, Problem, Network, Model, or a network of another program
        A problem file by its suffix, or an ONNX file; what `read_problem` takes; a `torch.nn.Sequential`; a
        `keras.Sequential`; a fitted network of scikit-learn's, or a pipeline that ends in one.  A module of PyTorch's
        that trains (`module.train()`) is taken as it trains, with batch norm by the batch and dropout; everything else
        as it predicts.
    X : (m, n_0) array, optional
        Inputs, if the source has none.
    y : (m, n_L) array, optional
        Their targets; class indices (m,) will do for cross-entropy.
    loss : str, mapping, or a loss of the other program, optional
        The loss; see `from_torch` and `from_keras`.

    Returns
    -------
    Problem
        The network with its numbers in float64.

    Raises
    ------
    BacklitError
        If the source cannot be read or has a part that Backlit cannot express, in one line that names it.

    Examples
    --------
    >>> from sklearn.neural_network import MLPRegressor
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> fitted = MLPRegressor(hidden_layer_sizes=(4,), solver="lbfgs", random_state=0).fit(X, X[:, 0])
    >>> problem_from(fitted, X=X[:2], y=X[:2]).passes()[1].delta[2].shape
    (2, 1)
    """
    made = problem_of(source, loss)
    return made if X is None and y is None else with_data(made, X, y)


def problem_of(source: Any, loss: Any) -> Problem:
    """The problem of a source without other data."""
    if isinstance(source, Problem):
        return source if loss is None else with_loss(source, loss)
    if isinstance(source, Network):
        return Problem(source if loss is None else replace_loss(source, loss), source.init())
    if isinstance(source, str | Path):
        suffix = Path(source).suffix.lower()
        if suffix == ".onnx":
            return predicting(from_onnx(source, loss=loss), str(source))
        if suffix not in LOADERS and not Path(source).is_dir():
            known = ", ".join((*LOADERS, ".onnx"))
            raise ProblemError(f"{source}: no problem has the suffix {suffix!r}: give a problem file, one of {known}")
    if isinstance(source, Mapping | str | Path):
        return with_loss(read_problem(source), loss)
    if isinstance(source, Model):
        made = predicting(source, "the model")
        return with_loss(made, loss)
    name = type(source).__name__
    if is_keras_model(source):  # with PyTorch under it a model is a module of PyTorch's too
        return predicting(from_keras(source, loss=loss), name)
    if is_torch_module(source):
        made = predicting(from_torch(source, loss=loss), name)
        drops = any(layer.dropout for layer in made.net.layers)
        return replace(made, statistics=None, seed=0 if drops else None) if source.training else made
    if hasattr(source, "predict"):
        return with_loss(predicting(from_scikit_learn(source), name), loss)
    raise ProblemError(
        f"a {name} is no network that is understood: give a problem file, a torch.nn.Sequential, a keras.Sequential, a "
        f"fitted network of scikit-learn, or an ONNX file"
    )


def predicting(model: Model, name: str) -> Problem:
    """A model as it predicts, in float64."""
    return Problem(model.net, model.params.astype(np.float64), name=name, statistics=in_float64(model))


def replace_loss(net: Network, loss: Any) -> Network:
    """The network with another loss."""
    return replace(net, loss=loss)


def with_loss(problem: Problem, loss: Any) -> Problem:
    """The problem with another loss, if one is given."""
    if loss is None:
        return problem
    net = replace_loss(problem.net, loss)
    return replace(problem, net=net, params=type(problem.params)(net, problem.params.theta))


def with_data(problem: Problem, X: Any, y: Any) -> Problem:
    """The problem with these examples."""
    if X is None:
        raise ProblemError("y is given without X: give the rows of inputs as well")
    rows = np.asarray(plain(X), np.float64)
    inputs = as_inputs(problem.net, rows.reshape(len(rows), -1) if rows.ndim > 2 else rows, np.float64)
    if y is None:
        return replace(problem, X=inputs, y=None)
    targets = np.asarray(plain(y))
    as_targets(problem.net, targets, len(inputs))
    return replace(problem, X=inputs, y=targets)


def plain(values: Any) -> Any:
    """A tensor as an array; anything else as it is."""
    return values.detach().cpu().numpy() if hasattr(values, "detach") else values


def load_source(place: str) -> Any:
    """What a function of a Python file of yours makes, from "FILE.py:function".

    The file is run.  Raises ProblemError if there is no such function, or it fails.
    """
    path, colon, name = place.rpartition(":")
    if not colon or not path.endswith(".py") or not name.isidentifier():
        raise ProblemError(f"{place!r} names no function: write FILE.py:function, such as net.py:make_model")
    if not Path(path).is_file():
        raise ProblemError(f"{path}: no such file: check the name and the folder")
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    run(path, lambda: spec.loader.exec_module(module))
    if not hasattr(module, name):
        raise ProblemError(f"{path} has no {name}: {near(name, [n for n in vars(module) if not n.startswith('_')])}")
    made = getattr(module, name)
    return run(place, made) if isfunction(made) or isclass(made) else made


def run(name: str, function: Any) -> Any:
    """What code of a user's own gives; ProblemError in one line if it fails."""
    try:
        return function()
    except Exception as error:
        raise ProblemError(f"{name} failed: {type(error).__name__}: {' '.join(str(error).split())}") from None


# --- rows of a table --------------------------------------------------------------------------------------------------

MOST_ROWS = 5000  # of a table that is gone through: a diagnosis looks at fewer, a short training is a short one


def row_problem(
    model: str | Path | Model | Ensemble, table: str | Path | pl.DataFrame, row: int, member: int | None = None
) -> Problem:
    """The network at its trained numbers, in float64, with one row's features and target.

    model : a Model or a model file that `train` made from a table.  table : a file, or a Polars DataFrame, with the
    columns of the training table and the target.  row : counted from 0, without the line of names.  member : of an
    ensemble, the heaviest if not given.
    The passes are those of prediction: nothing is dropped, batch norm takes its running moments.
    Raises ModelError or TableError in one line.
    """
    whole = load_ensemble(model) if isinstance(model, str | Path) else model
    name, model, encoder, target = tabular_model(model, member)
    where = f"{table}: " if isinstance(table, str | Path) else ""
    frame = encoder.read(table, target.name)
    if not 0 <= row < frame.height:
        raise TableError(
            f"{where}there is no row {row}: rows are counted from 0, the last of {frame.height:,} is {frame.height - 1}"
        )
    one = frame.slice(row, 1)
    try:
        X, y = encoder.transform(one, np.float64), encoded(target, one, row, model.net.outputs)
    except TableError as error:
        raise TableError(f"{where}{error}") from None
    params = model.params.astype(np.float64)
    name, told = f"{name}, row {row}", row_of(whole, one, encoder, target)
    return Problem(model.net, params, X, y, name=name, statistics=in_float64(model), row=told)


def row_of(model: Model | Ensemble, one: pl.DataFrame, encoder: TableEncoder, target: TargetCodec) -> Row | None:
    """The row in words beside a typical one; None where the model knows none, as one written by an earlier version."""
    if "typical_row" not in model.training:
        return None
    typical = typical_row(model)
    used = [column for column in encoder.columns if column.features]
    values, typical_values = (
        {column.name: as_word(frame[column.name][0]) for column in used} for frame in (one, typical)
    )
    return Row(
        encoder.feature_names_out,
        tuple(column.name for column in used for _ in column.features),
        values,
        typical_values,
        encoder.transform(typical, np.float64)[0],
        target.name,
        tuple(map(str, target.classes)),
    )


def table_problem(
    model: str | Path | Model | Ensemble, table: str | Path | pl.DataFrame, member: int | None = None
) -> Problem:
    """The network at its trained numbers, in float64, with the first MOST_ROWS rows of a table that have a target.

    As `row_problem`; the table needs the target's column, and a target in one row at least.
    """
    name, model, encoder, target = tabular_model(model, member)
    where = f"{table}: " if isinstance(table, str | Path) else ""
    frame = encoder.read(table, target.name)
    try:
        if target.name not in frame.columns:
            raise TableError(f"column {target.name!r} is not in the table: {near(target.name, frame.columns)}")
        values = frame[target.name]
        known = [k for k, value in enumerate(values) if value is not None and value == value][:MOST_ROWS]
        if not known:
            raise TableError(f"no row has a {target.name!r}: give rows with a target")
        y = np.concatenate([encoded(target, frame.slice(k, 1), k, model.net.outputs) for k in known])
        X = encoder.transform(frame[known], np.float64)
    except TableError as error:
        raise TableError(f"{where}{error}") from None
    return Problem(model.net, model.params.astype(np.float64), X, y, name=f"{name} on a table")


def in_trained_units(found: Problem, model: Model, notes: Mapping[str, Any]) -> Problem:
    """The problem with its target standardized, where `train` folded the target's scale into the last layer.

    A regression of a table learns (y − shift)/scale: in y's own unit, W[L] and all that it multiplies would hang on
    whether y is in meters or in miles.  notes : of the model's training, for the scale.  shift : the mean of y, or b[L]
    where no rows are given.
    """
    if model.encoder is None or model.target is None or model.target.task != "regression":
        return found
    y, params = found.y, found.params.copy()
    scale = trained_deviation(notes) or (0.0 if y is None else float(y.std())) or 1.0
    shift = params.b[-1].copy() if y is None else y.mean()
    params.W[-1][:] /= scale
    params.b[-1][:] = (params.b[-1] - shift) / scale
    y = None if y is None else (y - shift) / scale
    return replace(found, params=params, y=y, name=f"{found.name}, target standardized")


def trained_deviation(notes: Mapping[str, Any]) -> float | None:
    """The standard deviation of the targets that a model was scored on in training; None where its notes lack a score.

    >>> trained_deviation({"metrics": {"train": {"r2": 0.75, "rmse": 3.0}}})  # R² = 1 − RMSE²/variance
    6.0
    """
    try:
        scores = notes["metrics"]["train"]
        found = scores["rmse"] / math.sqrt(1 - scores["r2"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):  # a file's notes may be anything
        return None
    return found if 0 < found < math.inf else None


def tabular_model(
    model: str | Path | Model | Ensemble, member: int | None = None
) -> tuple[str, Model, TableEncoder, TargetCodec]:
    """What to call a model, the model, and how a table becomes its inputs and targets.  Raises ModelError."""
    name = Path(model).name if isinstance(model, str | Path) else "the model"
    model = one_network(model, member)
    if model.encoder is None or model.target is None:
        raise ModelError(
            f"{name} does not say how a table becomes its inputs: use a model that train made from a table"
        )
    return name, model, model.encoder, model.target


def encoded(target: TargetCodec, one: pl.DataFrame, row: int, outputs: int) -> np.ndarray:
    """The target of a table of one row, as the loss takes it.  Raises TableError if it has none that fits."""
    if target.name not in one.columns:
        raise TableError(
            f"column {target.name!r} is not in the table, and the derivation starts from its loss: "
            f"{near(target.name, one.columns)}"
        )
    value = one[target.name][0]
    if value is None or value != value:
        raise TableError(f"row {row} has no {target.name!r}, and the derivation starts from its loss: choose another")
    if target.task == "regression":
        return np.array([[number(target.name, value, row)]])
    label = one[target.name].cast(target.decode(np.zeros(1)).dtype, strict=False)[0]
    if label not in target.classes:
        raise TableError(f"row {row}: {target.name!r} is {value!r}: {near(str(label), list(map(str, target.classes)))}")
    k = target.classes.index(label)
    return np.array([[float(k)]]) if outputs == 1 else np.array([k])


def number(name: str, value: object, row: int) -> float:
    """A value of a regression's target."""
    try:
        found = float(value)  # type: ignore[arg-type]  # whatever a table holds: a refusal is answered below
    except (TypeError, ValueError):
        raise TableError(f"row {row}: {name!r} is {value!r}, and the model predicts numbers: mend it") from None
    if not np.isfinite(found):
        raise TableError(f"row {row}: {name!r} is {found}: give a finite number")
    return found


def in_float64(model: Model) -> Statistics:
    """The running moments, in float64 as the parameters are."""
    copied = Statistics(model.net)
    copied.mean = [None if mean is None else mean.astype(np.float64) for mean in model.statistics.mean]
    copied.variance = [None if v is None else v.astype(np.float64) for v in model.statistics.variance]
    return copied


def typical_row(model: Model | Ensemble) -> pl.DataFrame:
    """The typical row, as a table of one row."""
    import polars as pl

    row = model.training.get("typical_row")
    if not isinstance(row, dict):
        raise ModelError("the model holds no typical row to compare with, which later versions write: train it again")
    types: dict[str, Any] = {
        "date": pl.Date,
        "datetime": pl.Datetime("us"),
        "duration": pl.Duration("us"),
        "time": pl.Time,
    }
    kinds = {column.name: column.kind for column in model.encoder.columns} if model.encoder else {}
    return pl.DataFrame([
        pl.Series(name, [value]).cast(types[kinds[name]]) if kinds.get(name) in types else pl.Series(name, [value])
        for name, value in row.items()
    ])  # fmt: skip


def as_word(value: Any) -> str:
    """A cell in a reason.

    >>> as_word(0.1 + 0.2), as_word(None), as_word("red")
    ('0.3', 'missing', 'red')
    """
    return "missing" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
