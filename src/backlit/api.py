"""Verbs that take a problem from wherever it is: a file, a mapping, or a Problem."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.core.problem import Problem
from backlit.diagnosis import Diagnosis
from backlit.diagnosis import diagnose as diagnose_subject
from backlit.diagnosis.short_training import probe_remedies, try_training
from backlit.errors import ProblemError
from backlit.formats.ensembles import Ensemble, one_network
from backlit.formats.sources import in_trained_units, problem_from, table_problem, tabular_model
from backlit.registry import positive_integer
from backlit.signatures import documented, parameters_of, passes_on
from backlit.verification.problem_check import check as check_problem

if TYPE_CHECKING:
    from backlit.verification.problem_check import CheckResult


def check(
    problem: Any,
    claims: str | Path | Mapping[str, Any],
    *,
    X: Any = None,
    y: Any = None,
    loss: Any = None,
    steps: int = 1,
    pairs: bool = True,
) -> "CheckResult":
    """Say whether claimed numbers of a problem are right, and which mistake made them wrong.

    Parameters
    ----------
    problem : str, Path, mapping, Problem or a network of another program
        A problem file, its content, or a Problem, with examples; or what `problem_from` takes, such as a
        `torch.nn.Sequential`.
    claims : str, Path or mapping
        A JSON file or a mapping with any of z, u, a, loss, grad_a, delta, grad_gamma, grad_beta, grad_b, grad_W and
        update, each a list or a mapping by layer; rows are examples.  Numbers may be rounded: the tolerance follows
        from the digits that they show, and is 1e-8 for full float64.
    X : (m, n_0) array, optional
        Inputs, if the problem has none.
    y : (m, n_L) array, optional
        Their targets.
    loss : str, mapping, or a loss of the other program, optional
        The loss, if the problem has none.
    steps : int, default 1
        How many optimizer steps `update` is after.
    pairs : bool, default True
        Whether two mistakes at once are looked for.

    Returns
    -------
    CheckResult
        The verdict, each quantity's error, the first wrong one, and the mistakes that explain it, best first.

    Raises
    ------
    BacklitError
        If the problem or a claim cannot be used, in one line.

    Examples
    --------
    >>> problem = {"inputs": 1, "layers": [{"units": 1, "W": [[2.0]], "b": [0.0]}], "x": [[3.0]], "y": [[5.0]]}
    >>> check(problem, {"grad_W": {"1": [[3.0]]}}).verdict
    'pass'
    >>> check(problem, {"grad_W": {"1": [[-3.0]]}}).verdict
    'fail'
    """
    return check_problem(problem_from(problem, X=X, y=y, loss=loss), claims, steps=steps, pairs=pairs)


@documented(parameters_of(diagnose_subject))
@passes_on(diagnose_subject)
def diagnose(
    problem: Any = None,
    *,
    X: Any = None,
    y: Any = None,
    loss: Any = None,
    model: Any = None,
    table: Any = None,
    member: int | None = None,
    train: int | None = None,
    probe: bool = True,
    show: Callable[[int, int], None] = lambda done, of: None,
    cluster: Any = 0,
    **options: Any,
) -> Diagnosis:
    """Say whether gradients vanish or explode, why, and which remedy works.

    Give a problem, a model, or `depth` and `width`.

    Parameters
    ----------
    problem : str, Path, mapping, Problem or a network of another program, optional
        A problem file, its content, or a Problem; or what `problem_from` takes, such as a `torch.nn.Sequential`.
    X : (m, n_0) array, optional
        Inputs, if the problem has none.
    y : (m, n_L) array, optional
        Their targets.
    loss : str, mapping, or a loss of the other program, optional
        The loss, if the problem has none.
    model : str, Path or Model, optional
        A model file, or a Model.
    table : str, Path or polars.DataFrame, optional
        Rows on which the model is measured, with the columns of its training.
    member : int, optional
        Which network of an ensemble, counted from 0; the heaviest if not given.
    train : int, optional
        Epochs of a short training of the network and of each remedy; the remedies are then ranked by the loss that is
        left.
    probe : bool, default True
        Whether a few steps of training rank the remedies if `train` is not given; otherwise their gradient ratio does,
        and so it does for a model without a table.
    show : callable, optional
        Called with (trainings done, trainings in all) after each training.
    cluster : int, str or distributed.Client, default 0
        Who tries the remedies: a number of processes, 0 for this one, the address of a Dask scheduler, or a client.
    {parameters}

    Returns
    -------
    Diagnosis
        Measured flow beside predicted flow, the verdict, findings, and the remedies, best first.

    Raises
    ------
    BacklitError
        If something cannot be used, or says two things at once, in one line.
    ProblemError
        If a table is given without a model, or together with a problem; or X, y or loss without a problem.

    See Also
    --------
    backlit.diagnosis.short_training : How remedies are tried in a few steps.

    Examples
    --------
    >>> diagnose(depth=10, width=32, activation="sigmoid", seeds=1, remedies=False).verdict
    'vanishing'
    """
    if table is not None and (model is None or problem is not None):
        raise ProblemError("a table goes with a model: give a model file as well, and no problem")
    if problem is None and any(value is not None for value in (X, y, loss)):
        raise ProblemError("X, y and loss go with a problem or a network: give one as well")
    given = None if problem is None else problem_from(problem, X=X, y=y, loss=loss)
    if given is None and model is not None:
        given, model = problem_of_model(model, table, member), None
        probe = probe and table is not None  # on made-up targets what was learned is in the way
    if train is not None:
        positive_integer(train, "train")
    diagnosis = diagnose_subject(given, model=model, cluster=cluster, **options)
    if train is not None:
        return try_training(diagnosis, train, show=show, cluster=cluster)
    return probe_remedies(diagnosis) if probe else diagnosis


def problem_of_model(model: Any, table: Any, member: int | None) -> Problem:
    """A trained network in the units of its training, on the rows of a table if one is given."""
    name = Path(model).name if isinstance(model, str | Path) else "model"
    if table is None:
        one = one_network(model, member)
        found = Problem(one.net, one.params.astype(np.float64), name=name)
    else:
        one = tabular_model(model, member)[1]
        rows = Path(table).name if isinstance(table, str | Path) else "a table"
        found = replace(table_problem(one, table), name=f"{name} on {rows}")
    return in_trained_units(found, one, model.training if isinstance(model, Ensemble) else one.training)
