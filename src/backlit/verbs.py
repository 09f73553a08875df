"""Verbs that take a problem from wherever it is: a file, a mapping, or a Problem."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backlit.core.network import positive_integer
from backlit.core.problem import Problem
from backlit.diagnosis import Diagnosis
from backlit.diagnosis import diagnose as diagnose_subject
from backlit.errors import ProblemError
from backlit.io.models import load_model
from backlit.io.problems import read_problem
from backlit.io.rows import table_problem
from backlit.training.probe import probe_remedies
from backlit.training.trials import try_training
from backlit.verification.checking import check as check_problem

if TYPE_CHECKING:
    from backlit.verification.result import CheckResult


def check(
    problem: str | Path | Mapping[str, Any] | Problem,
    claims: str | Path | Mapping[str, Any],
    *,
    steps: int = 1,
    pairs: bool = True,
) -> "CheckResult":
    """Say whether claimed numbers of a problem are right, and which mistake made them wrong.

    problem : a problem file, its content, or a Problem.  The rest is as in `backlit.verification.check`.
    Raises BacklitError in one line for a problem or a claim that cannot be used.

    >>> problem = {"inputs": 1, "layers": [{"units": 1, "W": [[2.0]], "b": [0.0]}], "x": [[3.0]], "y": [[5.0]]}
    >>> check(problem, {"grad_W": {"1": [[3.0]]}}).verdict
    'pass'
    >>> check(problem, {"grad_W": {"1": [[-3.0]]}}).verdict
    'fail'
    """
    return check_problem(read_problem(problem), claims, steps=steps, pairs=pairs)


def diagnose(
    problem: str | Path | Mapping[str, Any] | Problem | None = None,
    *,
    model: Any = None,
    table: Any = None,
    train: int | None = None,
    probe: bool = True,
    show: Callable[[int, int], None] = lambda done, of: None,
    **options: Any,
) -> Diagnosis:
    """Say whether gradients vanish or explode, why, and which remedy works.

    problem : a problem file, its content, or a Problem; or model : a Model or a model file, with a `table` (a file or a
    Polars DataFrame with the columns of its training) where its rows are to be gone through; or depth and width.
    train : epochs of a short training of the network and of each remedy, which then are ranked by the loss; `show` is
    called after each.  probe : without `train`, whether a few steps of training rank the remedies (see
    `backlit.training.probe`); else their gradient ratio does.  The rest is as in `backlit.diagnosis.diagnose`.
    Raises BacklitError in one line for what cannot be used.

    >>> diagnose(depth=10, width=32, activation="sigmoid", seeds=1, remedies=False).verdict
    'vanishing'
    """
    if table is not None and (model is None or problem is not None):
        raise ProblemError("a table goes with a model: give a model file as well, and no problem")
    given = None if problem is None else read_problem(problem)
    loaded = load_model(model) if isinstance(model, str | Path) else model
    if table is not None:
        given, loaded = replace(table_problem(loaded, table), name=named(model, table)), None
    if train is not None:
        positive_integer(train, "train")
    diagnosis = diagnose_subject(given, model=loaded, **options)
    if train is not None:
        return try_training(diagnosis, train, show=show)
    return probe_remedies(diagnosis) if probe else diagnosis


def named(model: Any, table: Any) -> str:
    """What to call a model with a table's rows."""
    names = [Path(given).name if isinstance(given, str | Path) else None for given in (model, table)]
    return f"{names[0] or 'model'} on {names[1] or 'a table'}"
