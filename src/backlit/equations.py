"""The registry of equations: each number stands for one formula, one sentence and one source.

A comment `# [BP2]` ends the line of `core/` or `optim/` that computes the equation, a derivation quotes it, and
`tests/test_equations.py` holds that the two agree.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Equation:
    """One numbered formula."""

    id: str
    latex: str
    sentence: str
    source: str


EQUATIONS: dict[str, Equation] = {}
