"""Numbers for a network on which most mistakes can be told from right and from one another.

m is prime and above 1, so that 1/m is no width; b ≠ 0, γ ≠ 1 and β ≠ 0, so that what multiplies or adds them shows; λ
is noticeable; x and W have both signs, so that every branch of a kinked activation is taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backlit.core.network import Dense, Network
from backlit.core.parameters import Parameters
from backlit.core.problem import Problem
from backlit.errors import ProblemError
from backlit.optim import Sgd
from backlit.verification.comparison import Tolerances
from backlit.verification.hypotheses import Predictor, hypotheses, invisible
from backlit.verification.quantities import (
    PARAMETER_GRADIENTS,
    Array,
    Values,
    key_of,
    refuse_non_finite,
    right_values,
)

EXAMPLES = 7
PENALTY = 0.1
DROPOUT_SEED = 1


@dataclass(frozen=True)
class Suggestion:
    """A problem to check with, and what it reveals that the given one does not.

    Parameters
    ----------
    problem : Problem
        The same network with numbers on which more mistakes show.
    revealed : tuple of str
        Mistakes that it reveals and the given problem does not.
    hidden : dict of str to str
        Mistakes that no gradient of it reveals, each with the inputs that would.
    """

    problem: Problem
    revealed: tuple[str, ...]
    hidden: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Plain values: the problem is a problem file."""
        return {
            "problem": self.problem.to_dict(),
            "revealed": list(self.revealed),
            "not_detectable": list(self.hidden),
            "not_detectable_needs": dict(self.hidden),
        }


def suggest_inputs(problem: Problem, *, seed: int = 0) -> Suggestion:
    """Propose numbers for a problem's network on which more mistakes can be told apart.

    Parameters
    ----------
    problem : Problem
        The network; its examples, if it has any, are what is compared with.
    seed : int, default 0
        Draws the numbers.

    Returns
    -------
    Suggestion
        A problem with seven examples, random signs and a noticeable L2 term, and what it reveals.

    Raises
    ------
    BacklitError
        If the network is one that no mistakes can be tried on, or its numbers are not finite.

    Examples
    --------
    >>> from backlit.core import Dense, Network
    >>> net = Network(2, [Dense(2, "tanh"), Dense(1)])
    >>> given = Problem(net, net.init(), np.ones((1, 2)), np.zeros((1, 1)))
    >>> "missing_batch_mean" in suggest_inputs(given).revealed
    True
    """
    better = with_telling_numbers(problem, np.random.default_rng(seed))
    for each in (problem, better):
        if each.X is not None and each.y is not None:
            refuse_non_finite(each)
    hidden = hidden_in(better)
    before = hidden_in(problem) if problem.X is not None and problem.y is not None else {}
    possible = {h.bug.name for h in hypotheses(better) if h.bug.kind == "bug"}
    could = {h.bug.name for h in hypotheses(problem)} - set(before) if problem.X is not None else set()
    return Suggestion(better, tuple(sorted(possible - set(hidden) - could)), hidden)


def with_telling_numbers(problem: Problem, rng: np.random.Generator) -> Problem:
    """The same architecture with seven examples, random signs and a noticeable penalty."""
    old = problem.net
    net = replace(old, l2=old.l2 or PENALTY)
    params = Parameters(net, net.init("xavier_normal", seed=int(rng.integers(1 << 30))).theta)
    params.theta += np.round(0.3 * rng.standard_normal(params.theta.shape), 3)
    params.theta[:] = np.round(params.theta, 3)
    X = np.round(rng.standard_normal((EXAMPLES, net.inputs)), 2)
    return replace(
        problem,
        net=net,
        params=params,
        X=X,
        y=targets(net, rng),
        sample_weight=None,
        optimizer=problem.optimizer or Sgd(learning_rate=0.3),
        seed=DROPOUT_SEED if problem.seed is None else problem.seed,
        name="suggested",
    )


def targets(net: Network, rng: np.random.Generator) -> Array:
    """Targets within what the loss takes."""
    shape = (EXAMPLES, net.outputs)
    if net.loss.classes:
        return np.eye(net.outputs)[rng.integers(0, net.outputs, EXAMPLES)]
    low, high = net.loss.targets
    if high == 1:
        return rng.integers(0, 2, shape).astype(float)
    return rng.poisson(2.0, shape).astype(float) if low == 0 else np.round(rng.standard_normal(shape), 2)


def hidden_in(problem: Problem) -> dict[str, str]:
    """Bugs that can't be seen although every gradient of the parameters is claimed."""
    values: Values = right_values(problem)
    claims = {name: value for name, value in values.items() if key_of(name) in PARAMETER_GRADIENTS}
    predictor = Predictor.of(problem, claims, Tolerances.of(problem, claims), 1)
    return invisible(predictor, hypotheses(problem))


def telling_problem(
    shapes: Sequence[int], activations: Sequence[str] | None, loss: str, l2: float, seed: int
) -> Problem:
    """A network of these shapes with numbers on which mistakes show."""
    if len(shapes) < 2:
        raise ProblemError(f"shapes must be units a layer, inputs first, such as (3, 4, 2), not {tuple(shapes)}")
    names = list(activations or [*["sigmoid"] * (len(shapes) - 2), "identity"])
    if len(names) != len(shapes) - 1:
        raise ProblemError(f"activations must be {len(shapes) - 1}, one a layer, not {len(names)}")
    net = Network(shapes[0], [Dense(n, phi) for n, phi in zip(shapes[1:], names, strict=True)], loss=loss, l2=l2)
    told = with_telling_numbers(Problem(net, net.init()), np.random.default_rng(seed))
    return Problem(net, Parameters(net, told.params.theta), told.X, told.y, optimizer=told.optimizer, name="network")
