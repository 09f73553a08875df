"""Problems that come with the package, and the choice between them and what a caller brings."""

import json
from importlib.resources import files
from typing import Any

from backlit.core.problem import Problem
from backlit.errors import ProblemError, near
from backlit.formats.ensembles import Ensemble
from backlit.formats.models import Model
from backlit.formats.problems import read_problem
from backlit.formats.sources import problem_from

EXAMPLES = {
    "worked": "2-2-1, sigmoid and identity, one example: every number by hand",
    "mazur": "2-2-2, the numbers of a widely copied tutorial",
    "softmax": "2-3-3 with ReLU, softmax and cross-entropy, L2, two examples",
    "batch-norm": "2-2-1 with batch norm, three examples that depend on one another, Adam",
    "residual": "a skip, dropout, sample weights, Huber's loss, clipping and momentum",
    "deep-sigmoid": "six sigmoid layers: watch the gradient shrink",
}


def example_text(name: str) -> str:
    """A built-in problem as the text of its problem file, with every weight written out.

    Raises ProblemError for an unknown name.
    """
    if name not in EXAMPLES:
        raise ProblemError(f"no example is called {name!r}: {near(name, EXAMPLES)}")
    return files("backlit.derivation.examples").joinpath(f"{name}.json").read_text(encoding="utf-8")


def read_example(name: str) -> dict[str, Any]:
    """A built-in problem as the mapping that its file holds; ProblemError for an unknown name.

    >>> read_example("worked")["inputs"]
    2
    """
    found: dict[str, Any] = json.loads(example_text(name))
    return found


def given(
    problem: Any, example: str | None, model: Any, *, X: Any, y: Any, loss: Any, member: int | None, **rows: Any
) -> tuple[Problem | None, Any]:
    """What a verb that shows a problem was given: the problem or the example, or else None and the model.

    rows : what says which rows the model sees, `table` and the like: a model needs each of them.
    Raises ProblemError if several are given or none, or if something is given that goes with another.
    """
    own_data = any(value is not None for value in (X, y, loss))
    if isinstance(problem, Model | Ensemble) and model is None and not own_data:
        problem, model = None, problem
    if own_data and problem is None:
        raise ProblemError("X, y and loss go with a problem or a network: give one as well")
    wanted = " and a ".join(rows)
    if sum(one is not None for one in (problem, example, model)) != 1:
        raise ProblemError(f"give a problem, or an example (one of {', '.join(EXAMPLES)}), or a model with a {wanted}")
    missing = [name for name, value in rows.items() if value is None]
    if model is not None and missing:
        raise ProblemError(f"a model is shown on rows of a table, with a {wanted}: give a {missing[0]} as well")
    if model is None and (len(missing) < len(rows) or member is not None):
        raise ProblemError(f"{', '.join(rows)} and member go with a model: give a model file, or leave them out")
    if model is not None:
        return None, model
    if example is not None:
        return read_problem(read_example(example)), None
    return problem_from(problem, X=X, y=y, loss=loss), None
