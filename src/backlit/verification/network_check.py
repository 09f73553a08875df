"""`check_network`: a student's own backpropagation, run on numbers that hide nothing.

Two questions are kept apart: is its gradient the gradient of *its own* loss (if not, the backward pass is wrong), and
is its loss the one that was asked for (if not, another convention is used, or the forward pass is wrong)?

The numbers: m is prime and above 1, so that 1/m is no width; b ≠ 0, γ ≠ 1 and β ≠ 0, so that what multiplies or adds
them shows; λ is noticeable; x and W have both signs, so that every branch of a kinked activation is taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from backlit.core.network import Dense, Network
from backlit.core.parameters import Parameters
from backlit.core.problem import Problem
from backlit.display import Displayed
from backlit.errors import ProblemError
from backlit.optim import Sgd
from backlit.verification.comparison import Tolerances
from backlit.verification.function_check import FunctionCheck, check_function
from backlit.verification.hypotheses import Predictor, hypotheses, invisible
from backlit.verification.invariants import Fact, facts_of_code
from backlit.verification.problem_check import check, refuse_non_finite
from backlit.verification.quantities import PARAMETER_GRADIENTS, Array, Values, key_of, right_values
from backlit.verification.result import CheckResult
from backlit.verification.views import RETURNED, Step, View, settle

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
    net = Network(old.inputs, old.layers, loss=old.loss, reduction=old.reduction, l2=old.l2 or PENALTY)
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


__all__ = ["RETURNED", "NetworkCheck", "Step", "View", "check_network", "telling_problem"]


# --- the check --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NetworkCheck(Displayed):
    """What `check_network` found: the gradient against the code's own loss, and every number against the textbook's.

    Parameters
    ----------
    own : FunctionCheck
        The gradient against differences of the student's own loss.
    against : CheckResult
        Every number against the textbook's.
    problem : Problem
        The network and the numbers that the code ran on.
    facts : tuple of Fact, default ()
        Facts that hold for every right gradient, tried by calling the code again.

    Attributes
    ----------
    verdict : {"pass", "fail", "convention", "unresolved"}
        "pass" if both are right, "fail" if the backward pass is wrong, "convention" if the gradient belongs to the
        student's loss, but that loss is not the one that was asked for.
    """

    own: FunctionCheck
    against: CheckResult
    problem: Problem
    facts: tuple[Fact, ...] = ()

    def __repr__(self) -> str:
        return f"<NetworkCheck {self.verdict}: own gradient {self.own.verdict}, {self.against!r}>"

    @property
    def verdict(self) -> Literal["pass", "fail", "convention", "unresolved"]:
        """One word for both."""
        if self.against.ok and self.own.ok:
            return "pass" if all(fact.ok for fact in self.facts) else "fail"
        if "unresolved" in (self.against.verdict, self.own.verdict):
            return "unresolved"
        return "convention" if self.own.ok else "fail"


def check_network(
    step: Step,
    shapes: Sequence[int],
    *,
    activations: Sequence[str] | None = None,
    loss: str = "half_squared_error",
    l2: float = 0.0,
    weights: Literal["out_in", "in_out"] = "out_in",
    examples: Literal["rows", "columns"] = "rows",
    labels: Literal["one_hot", "integers"] = "one_hot",
    seed: int = 0,
) -> NetworkCheck:
    """Run your own backpropagation on a random network and say which formula is wrong.

    Code that does not fit `weights`, `examples` and `labels` is tried in the other conventions; a note of the result
    says what was assumed.

    Parameters
    ----------
    step : callable
        `step(W, b, X, y)` takes lists W and b (one array a layer, first layer first), X and y.  It returns a mapping
        with loss, grad_W and grad_b (lists like W and b) and, if you like, z, a and delta (lists, first layer first);
        or the tuple (loss, grad_W, grad_b).
    shapes : sequence of int
        Units of each layer, inputs first.
    activations : sequence of str, optional
        One a layer; sigmoid, and identity at the output, if none are given.
    loss : str, default 'half_squared_error'
        Name of the loss.
    l2 : float, default 0.0
        λ in (λ/2) Σ ‖W‖².
    weights : {"out_in", "in_out"}, default 'out_in'
        "out_in" if W is (n_l, n_{l−1}), "in_out" if it is (n_{l−1}, n_l).
    examples : {"rows", "columns"}, default 'rows'
        How X, y and what is returned hold their examples.
    labels : {"one_hot", "integers"}, default 'one_hot'
        How y holds the classes of "cross_entropy": (m, n_L), or class indices (m,).
    seed : int, default 0
        Draws the network's numbers and the examples.

    Returns
    -------
    NetworkCheck
        The verdict, and what is wrong.

    Raises
    ------
    ProblemError
        If shapes and activations do not fit, what comes back is no such mapping, or the code raises in every
        convention.
    ShapeError
        If a returned array has a wrong shape.

    Examples
    --------
    >>> def step(W, b, X, y):
    ...     a = X @ W[0].T + b[0]
    ...     delta = (a - y) / len(X)
    ...     return {"loss": 0.5 * np.sum((a - y) ** 2) / len(X), "grad_W": [delta.T @ X], "grad_b": [delta.sum(axis=0)]}
    >>> check_network(step, (3, 2)).verdict
    'pass'
    """
    problem = telling_problem(shapes, activations, loss, l2, seed)
    asked = View(problem, weights == "in_out", examples == "columns", labels == "integers")
    view, returned = settle(step, asked)
    assumed = view.convention.beside(asked.convention)
    against = check(problem, view.claims(returned))
    against = replace(against, notes=(*([assumed] if assumed else []), *against.notes))
    own = check_function(
        lambda theta: view.run(step, Parameters(problem.net, theta))["loss"], view.flat(returned), problem.params.theta,
        exact=False,
    )  # fmt: skip

    def gradients(varied: Problem) -> Parameters:
        there = replace(view, problem=varied)
        return Parameters(varied.net, there.flat(there.run(step, varied.params)))

    return NetworkCheck(own, against, problem, facts_of_code(problem, gradients))


def telling_problem(
    shapes: Sequence[int], activations: Sequence[str] | None, loss: str, l2: float, seed: int
) -> Problem:
    """A network of these shapes with numbers on which mistakes show."""
    if len(shapes) < 2:
        raise ProblemError(f"shapes must be units a layer, inputs first, such as (3, 4, 2), not {tuple(shapes)}")
    names = list(activations or [*["sigmoid"] * (len(shapes) - 2), "identity"])
    if len(names) != len(shapes) - 1:
        raise ProblemError(f"{len(shapes) - 1} layers take {len(shapes) - 1} activations, not {len(names)}")
    net = Network(shapes[0], [Dense(n, phi) for n, phi in zip(shapes[1:], names, strict=True)], loss=loss, l2=l2)
    told = with_telling_numbers(Problem(net, net.init()), np.random.default_rng(seed))
    return Problem(net, Parameters(net, told.params.theta), told.X, told.y, optimizer=told.optimizer, name="network")
