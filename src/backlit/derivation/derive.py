"""From a problem to its derivation: both passes, the checks, the step, then one section after another."""

from backlit.core.passes import forward
from backlit.core.problem import Problem
from backlit.derivation import checks, update
from backlit.derivation.document import Derivation
from backlit.derivation.numbers import Numbers
from backlit.derivation.quantities import quantities
from backlit.derivation.scene import Scene
from backlit.derivation.sections import backward as backward_section
from backlit.derivation.sections import forward as forward_section
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
    X, _ = problem.data()
    trace = forward(problem.net, problem.params, X, dropout=problem.dropout_key())
    trace, grad = problem.passes()
    updates = update.run(problem, steps)
    s = Scene(problem, trace, grad, Numbers(digits), checks.check(problem, trace, grad))
    sections = (forward_section.section(s), backward_section.section(s), update_section.section(s, updates))
    return Derivation(
        title or f"Backpropagation in {problem.name}",
        "",
        sections,
        quantities(trace, grad, updates),
        digits,
    )
