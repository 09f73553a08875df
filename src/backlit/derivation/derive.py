"""From a problem to its derivation: both passes, the checks, the steps, then one section after another.

Where a number is not finite the derivation ends early: up to the first step that has one, which is named.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from backlit.core.passes import Gradients, Trace
from backlit.core.problem import Problem
from backlit.derivation import checks, update
from backlit.derivation.context import Context
from backlit.derivation.document import Block, Derivation, Paragraph, Section, Step
from backlit.derivation.exact import exact_passes
from backlit.derivation.numbers import Numbers
from backlit.derivation.sections import (
    backward_pass,
    forward_pass,
    losses,
    overview,
    recurrence,
    setup,
    tape,
    why,
)
from backlit.derivation.sections import update as update_section
from backlit.derivation.update import Updated, quantities
from backlit.errors import ProblemError

MOST_STEPS = 1_000_000  # of the optimizer: about a minute on the smallest networks


def derive(
    problem: Problem, *, steps: int = 1, digits: int = 5, fractions: bool = False, title: str = ""
) -> Derivation:
    """Work a problem from its inputs to its gradients and some optimizer steps.

    If a number overflows, the derivation ends at the first step that is not finite.

    Parameters
    ----------
    problem : Problem
        A network with its numbers and examples.
    steps : int, default 1
        Optimizer steps to take, up to 1,000,000.
    digits : int, default 5
        Significant digits that are printed, 2 to 15.
    fractions : bool, default False
        Whether to compute and print fractions, as far as numbers are rational.
    title : str, default ''
        Heads the document; made from the problem's name if empty.

    Returns
    -------
    Derivation
        The document: sections of steps, each with formula, substituted numbers and result.

    Raises
    ------
    ProblemError
        If the problem has no examples, or an option is out of range.

    Examples
    --------
    >>> from backlit.core import Dense, Network
    >>> net = Network(1, [Dense(1, "tanh")])
    >>> found = derive(Problem(net, net.init(seed=0), X=[[0.5]], y=[[1.0]]))
    >>> [step.id for step in found.steps()][:4]
    ['z[1]', 'a[1]', 'ell', 'loss']
    """
    check_options(steps, digits)
    trace, grad = problem.passes()
    problem, false = checks.without_false_formulas(problem, trace, grad)
    num = Numbers(digits)
    if not finite(trace, grad):
        return stopped_in_the_passes(Context(problem, trace, grad, num, false=false), title)
    whole = Context(problem, trace, grad, num, checks.check(problem, trace, grad), false=false)
    s = in_fractions(whole) if fractions else whole
    updates = update.run(problem, steps, s.theta)
    if not updates[-1].finite():
        return stopped_in_an_update(s, updates, title)
    sections = tuple(section for section in document(s, updates) if section is not None)
    found = quantities(trace, grad, updates)
    title = title or f"Backpropagation in {problem.name}"
    return Derivation(title, setup.introduction(s), sections, found, digits, claims=s.claims)


def check_options(steps: int, digits: int) -> None:
    """Raise ProblemError for an option out of range."""
    if not 1 <= steps <= MOST_STEPS:
        raise ProblemError(f"steps must be at least 1 and at most {MOST_STEPS:,}, not {steps:,}")
    if not 2 <= digits <= 15:
        raise ProblemError(f"digits must lie between 2 and 15, not {digits}")


def finite(trace: Trace, grad: Gradients) -> bool:
    """Whether every number of both passes is finite."""
    chain_rule = [slope for slope in (*grad.a, *grad.u, *grad.delta, grad.theta) if slope is not None]
    return trace.first_non_finite() is None and all(np.isfinite(v).all() for v in (*chain_rule, grad.loss))


def in_fractions(s: Context) -> Context:
    """The same numbers in fractions, as far as they are."""
    theta, trace, grad = exact_passes(s.problem, s.trace, s.grad)
    return replace(s, trace=trace, grad=grad, rational=True, theta=theta)


def document(s: Context, updates: list[Updated]) -> Iterator[Section | None]:
    """The sections in reading order; None for one that this network has no use for."""
    yield overview.glance_section(s, updates)
    if s.problem.row is not None:
        yield why.section(s)
    yield setup.setup(s)
    yield setup.sought(s)
    yield overview.algorithm_section(s)
    yield forward_pass.section(s)
    yield recurrence.section(s)
    yield overview.dimensions_section(s)
    yield losses.slopes_section(s)
    yield losses.short_form_section(s)
    yield backward_pass.section(s)
    yield tape.nudge_section(s)
    yield update_section.section(s, updates)
    yield update_section.last_section(s, updates)
    yield tape.graph_section(s)
    yield tape.tape_section(s)
    yield overview.cache_section(s)
    yield recurrence.product_section(s)
    yield overview.costs_section(s)
    yield overview.checklist_section(s)


# --- as far as the numbers are finite ---------------------------------------------------------------------------------


def stopped_in_the_passes(s: Context, title: str) -> Derivation:
    """Stops in the forward pass, in the loss or in the backward pass."""
    way_up = up_to_stop("forward", "Forward", forward_steps(s))
    if stop_of([way_up]):
        return ended(s, title, [way_up], None, [])
    down = up_to_stop("backward", "Backward", backward_pass.steps(s))
    return ended(s, title, [forward_pass.section(s), down], s.grad, [])


def stopped_in_an_update(s: Context, updates: list[Updated], title: str) -> Derivation:
    """Stops at the last of `updates`."""
    last = updates[-1]
    whole = [*updates[:-1]]
    sections = [forward_pass.section(s), backward_pass.section(s)]
    if whole:
        first = update_section.section(s, whole)
        sections.append(replace(first, blocks=first.blocks[:-1]))  # the costs follow, once
    steps: Iterable[Step] = (*update_section.steps(s, last), update_section.costs(s, updates))
    sections.append(up_to_stop("update-last", f"Step {last.t} of the optimizer", steps))
    return ended(s, title, sections, s.grad, updates)


def forward_steps(s: Context) -> Iterator[Step]:
    """The way up, and the loss where the outputs are finite (it isn't worked from others)."""
    for step in forward_pass.layer_steps(s):
        yield step
        if not all_finite(step):
            return
    yield from forward_pass.losses(s)


def all_finite(step: Step) -> bool:
    """Whether all numbers of a step are."""
    return bool(np.isfinite(np.asarray(step.value, float)).all())


def up_to_stop(id: str, title: str, steps: Iterable[Step]) -> Section:
    """The steps up to the first one that is not finite; a paragraph in front says which it is, if there is one."""
    shown: list[Block] = []
    for step in steps:
        shown.append(step)
        if not all_finite(step):
            return Section(id, f"{title}, as far as the numbers are finite", (Paragraph((stop_words(step),)), *shown))
    return Section(id, title, tuple(shown))


def stop_words(step: Step) -> str:
    """What happened, and what helps."""
    remedy = {
        "forward": "Smaller weights or inputs keep it finite",
        "backward": "Smaller weights, or outputs farther from where the loss has no slope, keep it finite",
        "update": "A smaller learning rate, or clipping, keeps it finite",
    }[step.way]
    return (
        f"{step.id} is the first quantity that is not finite (NaN or ∞): what follows from it has no meaning, so the "
        f"derivation ends there. {remedy}."
    )


def stop_of(sections: Iterable[Section]) -> str | None:
    """The id of the first step that is not finite."""
    steps = (block for part in sections for block in part.blocks if isinstance(block, Step))
    return next((step.id for step in steps if not all_finite(step)), None)


def ended(
    s: Context, title: str, sections: list[Section], grad: Gradients | None, updates: list[Updated]
) -> Derivation:
    """The document: what is asked and how it is found, then the numbers as far as they go."""
    theory = [
        setup.setup(s, drawn=False),
        setup.sought(s),
        recurrence.section(s),
        overview.dimensions_section(s),
    ]
    found = quantities(s.trace, grad, updates)
    whole = tuple(part for part in (*theory, *sections) if part is not None)
    return Derivation(
        title or f"Backpropagation in {s.problem.name}",
        setup.introduction(s),
        whole,
        found,
        s.num.digits,
        stop_of(sections),
        s.claims,
    )
