"""From wherever a network is to a problem: problem files, models of Backlit's, and those of other programs.

>>> problem_from({"inputs": 1, "layers": [{"units": 1}]}).net.n
(1, 1)
"""

import importlib.util
from collections.abc import Mapping
from dataclasses import replace
from inspect import isclass, isfunction
from pathlib import Path
from typing import Any

import numpy as np

from backlit.core.network import Network
from backlit.core.problem import Problem
from backlit.core.targets import as_inputs, as_targets
from backlit.errors import ProblemError, near
from backlit.formats.keras_models import from_keras, is_keras_model
from backlit.formats.models import Model
from backlit.formats.onnx_graphs import from_onnx
from backlit.formats.problems import read_problem
from backlit.formats.rows import in_float64
from backlit.formats.scikit_learn import from_scikit_learn
from backlit.formats.torch_modules import from_torch, is_torch_module

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
    if isinstance(source, str | Path) and Path(source).suffix.lower() == ".onnx":
        return predicting(from_onnx(source, loss=loss), str(source))
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
    return Network(net.inputs, net.layers, loss=loss, reduction=net.reduction, l2=net.l2)


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
