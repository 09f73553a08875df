"""Facts that hold for right gradients whatever their numbers are: evidence that needs no right answer to compare with.

Each row of a table has a name, the fact in words, and a function that measures how far it is from holding, or gives
None if it says nothing of this network.  Facts about claims look at the numbers; facts about code call it again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from backlit.core.network import Network
from backlit.core.parameters import Parameters
from backlit.core.problem import Problem
from backlit.core.targets import as_targets
from backlit.verification.quantities import Values

HELD = 1e-8


@dataclass(frozen=True)
class Fact:
    """Whether a fact holds; error : how far it is from holding, relative.  note : what the code raised."""

    name: str
    words: str
    error: float
    ok: bool
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values; an error that is no number is null."""
        error = self.error if np.isfinite(self.error) else None
        return {"name": self.name, "words": self.words, "ok": self.ok, "error": error, "note": self.note}

    def __str__(self) -> str:
        held = "holds" if self.ok else f"does NOT hold ({self.note or f'off by {self.error:.1e}'})"
        return f"{self.words}: {held}"


def apart(a: Any, b: Any) -> float:
    """‖a − b‖ / (‖a‖ + ‖b‖), 0 for two zeros."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape:
        return float("inf")
    size = float(np.linalg.norm(a) + np.linalg.norm(b))
    return float(np.linalg.norm(a - b)) / size if size else 0.0


# --- of claimed numbers -----------------------------------------------------------------------------------------------


def scores_balance(problem: Problem, claims: Values) -> float | None:
    """Σ_k δ_k / Σ_k |δ_k| at the output."""
    net = problem.net
    delta = claims.get(f"delta[{net.L}]")
    if delta is None or not is_softmax_cross_entropy(net) or net.layer(net.L).norm:
        return None
    return float(np.abs(delta.sum(axis=1)).max() / max(np.abs(delta).sum(axis=1).max(), np.finfo(float).tiny))


def biases_balance(problem: Problem, claims: Values) -> float | None:
    """Σ_k ∂C/∂b_k / Σ_k |∂C/∂b_k| at the output."""
    net = problem.net
    grad_b = claims.get(f"grad_b[{net.L}]")
    if grad_b is None or not is_softmax_cross_entropy(net) or net.layer(net.L).norm:
        return None
    return float(abs(grad_b.sum()) / max(np.abs(grad_b).sum(), np.finfo(float).tiny))


def layers_balance(problem: Problem, claims: Values) -> float | None:
    """The spread of ⟨W_l, ∂C/∂W_l⟩ − λ‖W_l‖² over the layers claimed."""
    net, params = problem.net, problem.params
    claimed = [l for l, _ in net.numbered() if f"grad_W[{l}]" in claims]
    if len(claimed) < 2 or not is_homogeneous(net) or any(params.b[l].any() for l, _ in net.numbered()):
        return None
    parts = [(params.W[l] * claims[f"grad_W[{l}]"], net.l2 * params.W[l] ** 2) for l in claimed]
    products = np.array([float(product.sum() - penalty.sum()) for product, penalty in parts])
    size = max(float(np.abs(product).sum() + penalty.sum()) for product, penalty in parts)
    return float(np.ptp(products)) / size if size else 0.0


def is_softmax_cross_entropy(net: Network) -> bool:
    """Whether δ_L = p − y, whose rows sum to 0."""
    return (net.layers[-1].activation.name, net.loss.name) == ("softmax", "cross_entropy")


def is_homogeneous(net: Network) -> bool:
    """Whether z_L is multiplied by c where any one W_l is, without biases."""
    plain = not any(layer.norm or layer.skip_from is not None for layer in net.layers)
    return plain and all(layer.activation.homogeneous for layer in net.layers[:-1])


OF_CLAIMS: dict[str, tuple[str, Callable[[Problem, Values], float | None]]] = {
    "scores_balance": ("softmax with cross-entropy: every row of δ_L sums to 0", scores_balance),
    "biases_balance": ("softmax with cross-entropy: ∂C/∂b_L sums to 0", biases_balance),
    "layers_balance": ("ReLU without biases: ⟨W_l, ∂C/∂W_l⟩ is the same in every layer", layers_balance),
}


def facts_of_claims(problem: Problem, claims: Values, tolerances: Mapping[str, float]) -> tuple[Fact, ...]:
    """The facts that claimed numbers must obey.  tolerances : by quantity, as the claims' digits allow."""
    held = max([HELD, *(tolerances[name] for name in claims)])
    measured = ((name, words, error(problem, claims)) for name, (words, error) in OF_CLAIMS.items())
    return tuple(Fact(name, words, error, error <= 4 * held) for name, words, error in measured if error is not None)


# --- of code that can be called again ---------------------------------------------------------------------------------

Run = Callable[[Problem], Parameters]  # a problem ↦ the gradients that the code gives for it


def doubled_batch(problem: Problem, run: Run, g: Parameters) -> float | None:
    """∂C of every example twice."""
    if problem.net.reduction != "mean":
        return None
    X, y = problem.data()
    return apart(run(replace(problem, X=np.concatenate([X, X]), y=np.concatenate([y, y]))).theta, g.theta)


def examples_in_another_order(problem: Problem, run: Run, g: Parameters) -> float | None:
    """∂C with the examples reversed."""
    X, y = problem.data()
    return apart(run(replace(problem, X=X[::-1].copy(), y=y[::-1].copy())).theta, g.theta)


def units_in_another_order(problem: Problem, run: Run, g: Parameters) -> float | None:
    """∂C with the units of each hidden layer reversed, put back in order."""
    if problem.net.L < 2:
        return None
    turned = reversed_units(run(replace(problem, params=reversed_units(problem.params))))
    return apart(turned.theta, g.theta)


def reversed_units(params: Parameters) -> Parameters:
    """The same network with each hidden layer's units in reverse order; twice is once nothing."""
    net, turned = params.net, params.copy()
    for l, layer in net.numbered():
        rows = slice(None, None, -1) if l < net.L else slice(None)
        columns = slice(None, None, -1) if l > 1 else slice(None)
        turned.W[l][...] = params.W[l][rows, columns]
        turned.b[l][...] = params.b[l][rows]
        if layer.norm:
            turned.gamma[l][...], turned.beta[l][...] = params.gamma[l][rows], params.beta[l][rows]
    return turned


def balance_of_softmax(problem: Problem, run: Run, g: Parameters) -> float | None:
    """Σ_k ∂C/∂b_k at the output."""
    return biases_balance(problem, {f"grad_b[{problem.net.L}]": g.b[problem.net.L]})


def balance_without_biases(problem: Problem, run: Run, g: Parameters) -> float | None:
    """⟨W_l, ∂C/∂W_l⟩ over the layers, with every bias set to 0."""
    if not is_homogeneous(problem.net) or problem.net.L < 2:
        return None
    bare = problem.params.copy()
    for l, _ in problem.net.numbered():
        bare.b[l][...] = 0
    bare_problem = replace(problem, params=bare)
    grads = run(bare_problem)
    return layers_balance(bare_problem, {f"grad_W[{l}]": grads.W[l] for l, _ in problem.net.numbered()})


OF_CODE: dict[str, tuple[str, Callable[[Problem, Run, Parameters], float | None]]] = {
    "doubled_batch": ("every example twice leaves the gradient of a mean as it is", doubled_batch),
    "examples_reversed": ("the order of the examples does not matter", examples_in_another_order),
    "units_reversed": ("hidden units in another order give the same gradients in that order", units_in_another_order),
    "biases_balance": ("softmax with cross-entropy: ∂C/∂b_L sums to 0", balance_of_softmax),
    "layers_balance": ("ReLU without biases: ⟨W_l, ∂C/∂W_l⟩ is the same in every layer", balance_without_biases),
}


def facts_of_code(problem: Problem, run: Run) -> tuple[Fact, ...]:
    """The facts that code must obey; what it raises on numbers that it should take is a fact that does not hold."""
    X, y = problem.data()
    problem = replace(problem, y=as_targets(problem.net, y, len(X)))
    g = run(problem)
    rows = ((name, words, partial(measure, problem, run, g)) for name, (words, measure) in OF_CODE.items())
    return tuple(each_fact(rows))


def each_fact(rows: Iterable[tuple[str, str, Callable[[], float | None]]]) -> Iterator[Fact]:
    """Measure facts, each by a call into foreign code."""
    for name, words, measure in rows:
        try:
            error = measure()
        except Exception as fault:  # foreign code may raise anything
            note = f"it raised {type(fault).__name__}: {' '.join(str(fault).split())[:120]}"
            yield Fact(name, words, float("inf"), False, note)
            continue
        if error is not None:
            yield Fact(name, words, error, error <= HELD)
