"""What a verb that shows a problem was given: a problem, an example of the package, or a model with rows of a table."""

from typing import Any

from backlit.core.problem import Problem
from backlit.derivation.examples import EXAMPLES, read_example
from backlit.errors import ProblemError
from backlit.formats.ensembles import Ensemble
from backlit.formats.models import Model
from backlit.formats.problems import read_problem
from backlit.formats.sources import problem_from


def given(
    problem: Any, example: str | None, model: Any, *, X: Any, y: Any, loss: Any, member: int | None, **rows: Any
) -> tuple[Problem | None, Any]:
    """The problem or the example, or else None and the model.

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
