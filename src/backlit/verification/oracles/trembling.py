"""What float64 rounding does to a gradient, measured: the same pass on numbers that tremble in their last bit.

Every parameter and input is moved by one unit in its last place, up or down by chance.  The gradient then moves by
what the problem makes of rounding: about eps where nothing cancels, much more behind a norm, and by all of itself where
it is 0 in exact arithmetic, such as a bias before a batch norm.  A wrong formula trembles as little as the right one,
so this tells rounding from mistakes.  It is an estimate: `SAFETY` times the largest of a few.  Source: Monte Carlo
arithmetic, Parker 1997; Higham 2002, §1.
"""

from dataclasses import replace

import numpy as np

from backlit.core.parameters import Parameters, Slot
from backlit.core.problem import Problem
from backlit.verification.quantities import Array
from backlit.verification.sizes import term_sizes

TIMES = 4
SAFETY = 8
EPS = float(np.finfo(np.float64).eps)
MOST = 1e-10  # of a tensor: rounding that is larger excuses nothing, unless the tensor is nothing but rounding
LEAST = 1e-14  # of the whole gradient, for what is 0 on one way by luck: it excuses zeros, and certifies nothing
NOTHING = 1e-13  # of the terms that a tensor's entries are sums of, and of the whole gradient


class Rounding:
    """How far two right ways to one problem's gradient may differ, tensor by tensor."""

    def __init__(self, problem: Problem):
        rng, theta = np.random.default_rng(0), problem.params.theta
        X, _ = problem.data()
        trace, grad = problem.passes()
        self.theta = grad.theta
        self.whole = float(np.linalg.norm(self.theta))
        self.sizes = term_sizes(problem)
        for l, layer in problem.net.numbered():
            if layer.norm:  # x̂ is a difference of numbers as large as z, over a deviation that may be small
                rounded = np.abs(grad.u[l] * trace.z[l] * trace.norm[l].inverse_std)
                self.sizes[f"grad_gamma[{l}]"] = self.sizes[f"grad_gamma[{l}]"] + rounded.sum(axis=0)
        self.moved = []
        for _ in range(TIMES):
            params = Parameters(problem.net, tremble(theta, rng))
            shaken = replace(problem, params=params, X=tremble(np.asarray(X, float), rng))
            with np.errstate(all="ignore"):
                self.moved.append(shaken.passes()[1].theta - self.theta)

    def along(self, slot: Slot, directions: Array) -> float:
        """The norm of what rounding may do to the slopes of one tensor along directions (k, n_parameters)."""
        measured = max(float(np.linalg.norm(directions @ moved)) for moved in self.moved)
        inside = np.abs(directions[:, slot.start : slot.stop])
        terms = float(np.linalg.norm(inside @ self.sizes[f"grad_{slot}"].ravel()))
        size = float(np.linalg.norm(directions @ self.theta))
        found = SAFETY * measured + 2 * EPS * terms + LEAST * self.whole
        most = max(MOST * size, NOTHING * max(terms, self.whole))
        return min(found, most) if np.isfinite(found) else most


def tremble(values: Array, rng: np.random.Generator) -> Array:
    """Each number moved by one unit in its last place."""
    return values * (1 + EPS * rng.choice((-1.0, 1.0), values.shape))
