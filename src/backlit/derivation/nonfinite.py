"""A derivation that ends early: up to the first step whose numbers are not finite, which is named."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from backlit.core.passes import Gradients
from backlit.derivation.context import Context
from backlit.derivation.document import Block, Derivation, Paragraph, Section, Step
from backlit.derivation.sections import backward_pass, forward_pass, overview, recurrence, setup
from backlit.derivation.sections import update as update_section
from backlit.derivation.update import Updated, quantities


def in_the_passes(s: Context, title: str) -> Derivation:
    """Stops in the forward pass, in the loss or in the backward pass."""
    way_up = section("forward", "Forward", forward_steps(s))
    if stop_of([way_up]):
        return ended(s, title, [way_up], None, [])
    down = section("backward", "Backward", backward_pass.steps(s))
    return ended(s, title, [forward_pass.section(s), down], s.grad, [])


def in_an_update(s: Context, updates: list[Updated], title: str) -> Derivation:
    """Stops at the last of `updates`."""
    last = updates[-1]
    whole = [*updates[:-1]]
    sections = [forward_pass.section(s), backward_pass.section(s)]
    if whole:
        first = update_section.section(s, whole)
        sections.append(replace(first, blocks=first.blocks[:-1]))  # the costs follow, once
    steps: Iterable[Step] = (*update_section.steps(s, last), update_section.costs(s, updates))
    sections.append(section("update-last", f"Step {last.t} of the optimizer", steps))
    return ended(s, title, sections, s.grad, updates)


def forward_steps(s: Context) -> Iterator[Step]:
    """The way up, and the loss where the outputs are finite (it isn't worked from others)."""
    for step in forward_pass.layer_steps(s):
        yield step
        if not finite(step):
            return
    yield from forward_pass.losses(s)


def finite(step: Step) -> bool:
    """Whether all numbers of a step are."""
    return bool(np.isfinite(np.asarray(step.value, float)).all())


def section(id: str, title: str, steps: Iterable[Step]) -> Section:
    """The steps up to the first one that is not finite; a paragraph in front says which it is, if there is one."""
    shown: list[Block] = []
    for step in steps:
        shown.append(step)
        if not finite(step):
            return Section(id, f"{title}, as far as the numbers are finite", (Paragraph((said(step),)), *shown))
    return Section(id, title, tuple(shown))


def said(step: Step) -> str:
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
    return next((step.id for step in steps if not finite(step)), None)


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
