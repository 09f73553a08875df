"""From a problem to its derivation: both passes, the checks, the step, then one section after another."""

from collections.abc import Iterator

from backlit.core.problem import Problem
from backlit.derivation import checks, update
from backlit.derivation.document import Derivation, Section
from backlit.derivation.numbers import Numbers
from backlit.derivation.quantities import quantities
from backlit.derivation.scene import Scene
from backlit.derivation.sections import (
    backward,
    cache,
    checklist,
    costs,
    dimensions,
    forward,
    graph,
    jacobian,
    recurrence,
    setup,
    short_form,
    slopes,
)
from backlit.derivation.sections import update as update_section
from backlit.errors import ProblemError


def derive(problem: Problem, *, steps: int = 1, digits: int = 5, title: str = "") -> Derivation:
    """Work a problem from its inputs to its gradients and `steps` optimizer steps.

    digits : significant digits that are printed, 2 to 15.  Raises ProblemError where the problem has no data, or
    where an option is out of range.

    >>> from backlit.core import Dense, Network
    >>> net = Network(1, [Dense(1, "tanh")])
    >>> made = derive(Problem(net, net.init(seed=0), X=[[0.5]], y=[[1.0]]))
    >>> [step.id for step in made.steps()][:4]
    ['z[1]', 'a[1]', 'ell', 'loss']
    """
    if steps < 1:
        raise ProblemError(f"steps must be at least 1, not {steps}")
    if not 2 <= digits <= 15:
        raise ProblemError(f"digits must lie between 2 and 15, not {digits}")
    problem.data()
    trace, grad = problem.passes()
    updates = update.run(problem, steps)
    s = Scene(problem, trace, grad, Numbers(digits), checks.check(problem, trace, grad))
    sections = tuple(section for section in document(s, updates) if section is not None)
    return Derivation(
        title or f"Backpropagation in {problem.name}",
        setup.introduction(s),
        sections,
        quantities(trace, grad, updates),
        digits,
    )


def document(s: Scene, updates: list[update.Updated]) -> Iterator[Section | None]:
    """The sections in reading order; None for one that this network has no use for."""
    yield setup.setup(s)
    yield setup.sought(s)
    yield recurrence.section(s)
    yield dimensions.section(s)
    yield slopes.section(s)
    yield short_form.section(s)
    yield forward.section(s)
    yield backward.section(s)
    yield update_section.section(s, updates)
    yield graph.section(s)
    yield cache.section(s)
    yield jacobian.section(s)
    yield costs.section(s)
    yield checklist.section(s)
