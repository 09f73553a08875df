"""Verbs that take a problem from wherever it is: a file, a mapping, or a Problem."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backlit.core.network import positive_integer
from backlit.core.problem import Problem
from backlit.diagnosis import Diagnosis
from backlit.diagnosis import diagnose as diagnose_subject
from backlit.io.models import load_model
from backlit.io.problems import read_problem
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
    train: int | None = None,
    probe: bool = True,
    show: Callable[[int, int], None] = lambda done, of: None,
    **options: Any,
) -> Diagnosis:
    """Say whether gradients vanish or explode, why, and which remedy works.

    problem : a problem file, its content, or a Problem; or model : a Model or a model file; or depth and width.
    train : epochs of a short training of the network and of each remedy, which then are ranked by the loss; `show` is
    called after each.  probe : without `train`, whether a few steps of training rank the remedies (see
    `backlit.training.probe`); else their gradient ratio does.  The rest is as in `backlit.diagnosis.diagnose`.
    Raises BacklitError in one line for what cannot be used.

    >>> diagnose(depth=10, width=32, activation="sigmoid", seeds=1, remedies=False).verdict
    'vanishing'
    """
    given = None if problem is None else read_problem(problem)
    loaded = load_model(model) if isinstance(model, str | Path) else model
    if train is not None:
        positive_integer(train, "train")
    diagnosis = diagnose_subject(given, model=loaded, **options)
    if train is not None:
        return try_training(diagnosis, train, show=show)
    return probe_remedies(diagnosis) if probe else diagnosis
