"""`check_network`: a student's own backpropagation, run on numbers that hide nothing.

Two questions are kept apart: is its gradient the gradient of *its own* loss (if not, the backward pass is wrong), and
is its loss the one that was asked for (if not, another convention is used, or the forward pass is wrong)?

The code is run in the convention that was asked for first, and where it does not fit that, in the others.
"""

import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from backlit.core.parameters import Parameters
from backlit.core.problem import Problem
from backlit.core.targets import as_targets
from backlit.display import Displayed
from backlit.errors import BacklitError, ProblemError, ShapeError
from backlit.verification.function_check import FunctionCheck, check_function
from backlit.verification.invariants import Fact, facts_of_code
from backlit.verification.problem_check import CheckResult, check
from backlit.verification.quantities import Array
from backlit.verification.telling_numbers import telling_problem

Step = Callable[[list[Array], list[Array], Array, Array], Any]
RETURNED = ("loss", "grad_W", "grad_b", "z", "a", "delta")
HERE = str(Path(__file__).parents[1])


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
    asked = View(problem, Convention(weights == "in_out", examples == "columns", labels == "integers"))
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


# --- how code holds its numbers ---------------------------------------------------------------------------------------


class Convention(NamedTuple):
    """Whether W is (inputs, units), examples are columns, and y holds class indices."""

    transposed: bool = False
    columns: bool = False
    integers: bool = False

    def others(self, problems: Iterable[Problem]) -> list["Convention"]:
        """All the others, those that differ least from this one first; class indices only where a loss takes them."""
        classes = any(problem.net.loss.name == "cross_entropy" for problem in problems)
        every = [Convention(*flags) for flags in product((False, True), repeat=3) if classes or not flags[2]]
        return sorted((one for one in every if one != self), key=lambda one: sum(map(bool.__xor__, one, self)))

    def beside(self, asked: "Convention") -> str:
        """Where this one differs from the one that was asked for, as a sentence; "" if it does not."""
        words = (
            ("W is (units, inputs), as in X @ W.T,", "W is (inputs, units), as in X @ W,"),
            ("examples are rows", "examples are columns"),
            ("y is one-hot", "y holds class indices"),
        )
        told = [pair[mine] for pair, mine, theirs in zip(words, self, asked, strict=True) if mine != theirs]
        return (
            f"assumed that {' and '.join(told).rstrip(',')}, because the code fits that and not what was asked for"
            if told
            else ""
        )


@dataclass(frozen=True)
class View:
    """Numbers as the student's code holds them."""

    problem: Problem
    convention: Convention
    function: str = "step"  # what messages call the code

    def inputs(self, params: Parameters) -> dict[str, Any]:
        """What the code is called with: copies of W and b, a list each, and X and y."""
        X, y = self.problem.data()
        y = as_targets(self.problem.net, y, len(X))
        transposed, columns, integers = self.convention
        if integers and self.problem.net.loss.name == "cross_entropy":
            y = y.argmax(axis=1)
        return {
            "W": [w.T.copy() if transposed else w.copy() for w in params.W[1:]],
            "b": [v[:, None].copy() if columns else v.copy() for v in params.b[1:]],
            "X": X.T.copy() if columns else X.copy(),
            "y": y.T.copy() if columns else y.copy(),
        }

    def run(self, step: Step, params: Parameters) -> Mapping[str, Any]:
        """Call the student's code with copies of everything."""
        return self.read(step(*self.inputs(params).values()))

    def read(self, returned: Any) -> Mapping[str, Any]:
        """What came back as a mapping."""
        if isinstance(returned, tuple | list) and len(returned) == 3:
            returned = dict(zip(RETURNED, returned, strict=False))
        if not isinstance(returned, Mapping) or not {"loss", "grad_W", "grad_b"} <= set(returned):
            raise ProblemError(
                f"{self.function} must return a mapping with loss, grad_W and grad_b, or (loss, grad_W, grad_b)"
            )
        unknown = sorted(set(returned) - set(RETURNED))
        if unknown:
            raise ProblemError(f"{self.function} returns {unknown[0]!r}, which is none of {', '.join(RETURNED)}")
        return returned

    def claims(self, returned: Mapping[str, Any]) -> dict[str, Any]:
        """In Backlit's convention: by layer, rows are examples, W is (n_l, n_{l−1})."""
        claims: dict[str, Any] = {"loss": float(np.asarray(returned["loss"]).item())}
        for key in RETURNED[1:]:
            if key in returned:
                values = self.layers(key, returned[key])
                claims[key] = {l: self.turned(key, value) for l, value in enumerate(values, start=1)}
        return claims

    def layers(self, key: str, values: Any) -> list[Array]:
        """One array a layer; a leading input in `a` is dropped."""
        L = self.problem.net.L
        values = list(values)
        values = values[1:] if len(values) == L + 1 and key in ("a", "z", "delta") else values
        if len(values) != L:
            raise ShapeError(f"{key} must be a list of {L} arrays, one a layer, not of {len(values)}")
        return [np.asarray(value, dtype=np.float64) for value in values]

    def turned(self, key: str, value: Array) -> Array:
        """One array in Backlit's convention."""
        if key == "grad_b":
            return value.ravel() if value.ndim == 2 and 1 in value.shape else value
        turn = self.convention.transposed if key == "grad_W" else self.convention.columns
        return value.T if turn else value

    def flat(self, returned: Mapping[str, Any]) -> Array:
        """The gradients as one vector."""
        claims, flat = self.claims(returned), Parameters.zeros(self.problem.net)
        for slot, place in flat.items():
            value = claims[f"grad_{slot.name}"][slot.l]
            if value.shape != slot.shape:
                raise ShapeError(f"grad_{slot} must have shape {slot.shape}, not {value.shape}")
            place[...] = value
        return flat.theta

    def fits(self, returned: Mapping[str, Any]) -> bool:
        """Whether the loss is the textbook's, so that the code reads its numbers as they are meant.

        Raises ShapeError or whatever else the arrays that came back lead to.
        """
        self.flat(returned)
        loss = self.claims(returned)["loss"]
        return bool(np.isclose(loss, self.problem.passes()[1].loss, rtol=1e-6))


def settle(step: Step, asked: View) -> tuple[View, Mapping[str, Any]]:
    """The first convention in which the code gives the right loss, or else in which it runs, and what it returned.

    Raises BacklitError, in one line, if it runs in none.
    """
    ran, faults = [], []
    for convention in (asked.convention, *asked.convention.others([asked.problem])):
        view = replace(asked, convention=convention)
        try:
            returned = view.run(step, view.problem.params)
            if view.fits(returned):
                return view, returned
            ran.append((view, returned))
        except Exception as fault:  # foreign code may raise anything
            faults.append((convention, fault))
    if ran:
        return ran[0]
    for convention, failure in faults:
        if isinstance(failure, BacklitError):
            assumed = convention.beside(asked.convention)
            raise type(failure)(f"{failure}" + (f" ({assumed})" if assumed else "")) from None
    raise ProblemError(raised(faults[0][1])) from None


def raised(fault: Exception) -> str:
    """What foreign code raised, with the last of its own lines."""
    own = [frame for frame in traceback.extract_tb(fault.__traceback__) if not frame.filename.startswith(HERE)]
    lines = [frame for frame in own if "site-packages" not in frame.filename]
    where = f" in line {lines[-1].lineno} of {Path(lines[-1].filename).name}" if lines else ""
    text = " ".join(str(fault).split())[:200]
    return (
        f"the code raised {type(fault).__name__}{where}: {text}: mend that line (W was given as (units, inputs) and as "
        f"(inputs, units), and examples as rows and as columns)"
    )
