"""Read back all that `explain` prints for random networks: does every line parse, and does its arithmetic hold?

    python scripts/explain_fuzz.py [SECONDS]

Draws networks of all options (and optimizer, steps, digits, fractions), renders every formula as text and as LaTeX,
reads both with the reader of `tests/derivation/reading`, which knows nothing of the renderers, and computes each line.
Prints how many lines were read and proved, and the first that were not.
"""

import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.derivation.reading import latex, text
from tests.derivation.reading.judge import Untrue, judge
from tests.derivation.reading.meaning import Symbolic, Unreadable, value
from tests.strategies import problems

from backlit.core.problem import Problem
from backlit.derivation import derive
from backlit.derivation.document import Formula, Step
from backlit.derivation.expressions import Chain
from backlit.optim import get_optimizer
from backlit.render.derivation_latex import aligned
from backlit.render.unicode_math import chain as text_lines

OPTIMIZERS = [
    None,
    {"name": "sgd", "momentum": 0.9},
    {"name": "sgd", "momentum": 0.5, "nesterov": True},
    {"name": "adagrad"},
    {"name": "rmsprop"},
    {"name": "rmsprop", "momentum": 0.5},
    {"name": "adam"},
    {"name": "adam", "amsgrad": True},
    {"name": "adamw", "weight_decay": 0.1},
]


@dataclass
class Tally:
    """What was read."""

    documents: int = 0
    lines: int = 0
    proved: int = 0
    about: int = 0
    failures: Counter = field(default_factory=Counter)
    first: list = field(default_factory=list)


@st.composite
def cases(draw, **options):
    """A problem with an optimizer and clipping, and how it is to be printed."""
    drawn = draw(problems(running=False, **options))
    optimizer = draw(st.sampled_from(OPTIMIZERS))
    problem = Problem(
        drawn.net,
        drawn.params,
        drawn.X,
        np.asarray(drawn.y),
        drawn.sample_weight,
        None if optimizer is None else get_optimizer({"learning_rate": 0.05, **optimizer}),
        clip_norm=draw(st.sampled_from((None, 0.3))),
        clip_value=draw(st.sampled_from((None, 0.05))),
        seed=None if drawn.dropout is None else drawn.dropout.seed,
    )
    printed = {"steps": draw(st.integers(1, 3)), "digits": draw(st.integers(3, 8)), "fractions": draw(st.booleans())}
    return problem, printed


def chains(derivation):
    """Every formula that stands on a line of its own, with what it belongs to."""
    for section in derivation.sections:
        for block in section.blocks:
            if isinstance(block, Step):
                yield from ((f"{block.id} {line.id}", line.chain) for line in (*block.lines, *block.entries))
            elif isinstance(block, Formula):
                yield section.id, block.chain


def check_document(derivation, tally):
    """Read every line of a derivation, both ways."""
    tally.documents += 1
    for id, expr in chains(derivation):
        assert isinstance(expr, Chain), id
        tally.lines += 1
        try:
            check_line(expr, derivation.digits, tally)
        except (Unreadable, Untrue) as error:
            tally.failures[f"{type(error).__name__} in {id.partition('[')[0]}"] += 1
            if len(tally.first) < 10:
                tally.first.append(f"{id}: {error}\n" + "\n".join(text_lines(expr)))


def check_line(expr, digits, tally):
    """Read one line as text and as LaTeX; both must hold and mean the same."""
    one, two = text.read(text_lines(expr)), latex.read(aligned(expr))
    if one[2] != two[2] or list(one[2]) != list(expr.relations):
        raise Untrue(f"text has the signs {one[2]}, LaTeX {two[2]}, the tree {expr.relations}")
    tally.proved += judge(one, digits)
    judge(two, digits)
    tally.about += one[2].count("≈")
    for ours, theirs in zip(one[1], two[1], strict=True):
        if not same_value(ours, theirs):
            raise Untrue(f"text says {ours}, LaTeX {theirs}")


def same_value(one, two):
    """Whether both have the same value, or none."""
    found = []
    for node in (one, two):
        try:
            found.append(value(node))
        except Symbolic:
            found.append(None)
    if found[0] is None or found[1] is None:
        return found[0] is found[1]
    return np.allclose(found[0], found[1], rtol=1e-9, atol=1e-300, equal_nan=True)


def run(seconds, tally, batch=10, **options):
    """Draw batches until the time is over."""
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        seeded(number, batch, tally, options)
        number += 1
        shown = f"\r{tally.documents} documents, {tally.lines:,} lines, {sum(tally.failures.values())} failures"
        print(shown, end="", file=sys.stderr, flush=True)


def seeded(number, batch, tally, options):
    """Check a batch of documents."""

    @seed(number)
    @settings(
        max_examples=batch,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(**options))
    def one(case):
        problem, printed = case
        check_document(derive(problem, **printed), tally)

    one()


def main():
    """Print the tally; exit 1 where a line failed."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    tally = Tally()
    run(seconds, tally, depths=(1, 2, 3, 4), widths=(1, 2, 3, 4, 9), rows=(1, 2, 3, 5))
    print(file=sys.stderr)
    print(f"{tally.documents} documents, {tally.lines:,} lines read as text and as LaTeX")
    print(f"{tally.proved:,} relations computed from the printed numbers, {tally.about:,} of them ≈")
    print(f"{sum(tally.failures.values())} failures")
    for what, count in tally.failures.most_common():
        print(f"  {count} × {what}")
    print("\n\n".join(tally.first))
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
