"""From a problem to its derivation: both passes, the checks, the step, then one section after another."""

from collections.abc import Iterator

import numpy as np

from backlit.core.passes import Gradients, Trace
from backlit.core.passes import forward as core_forward
from backlit.core.problem import Problem
from backlit.derivation import checks, update
from backlit.derivation.document import Derivation, Paragraph, Section, Step
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
    if forward_only(problem).first_non_finite():
        return cut_short(problem, digits, title)
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


def forward_only(problem: Problem) -> Trace:
    """The trace of x."""
    return core_forward(problem.net, problem.params, problem.data()[0], dropout=problem.dropout_key())


def cut_short(problem: Problem, digits: int, title: str) -> Derivation:
    """The steps up to the first quantity that is not finite, which is named."""
    trace = forward_only(problem)
    zeros = Gradients(float("nan"), problem.params, trace.a, trace.u, trace.z)  # nothing of it is shown
    s = Scene(problem, trace, zeros, Numbers(digits))
    steps: list[Step] = []
    for step in forward.layer_steps(s):
        steps.append(step)
        if not np.isfinite(step.value).all():
            break
    stopped = steps[-1].id
    said = (
        f"{stopped} is the first quantity that is not finite (NaN or ∞): what follows from it has no meaning, so the "
        "derivation ends there. Smaller weights or inputs keep it finite."
    )
    section = Section("forward", "Forward, as far as the numbers are finite", (Paragraph((said,)), *steps))
    found = quantities(trace, None, [])
    return Derivation(title, setup.introduction(s), (section,), found, digits, stopped)


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
