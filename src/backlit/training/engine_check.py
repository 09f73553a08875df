"""Before training: are the numbers of the engine that will train right?

The engine computes C and ∂C/∂theta of some rows, in float64 and in the dtype that it trains in.  The first are held
against the complex step and differences of the textbook's cost, to their full accuracy; the others against the
textbook's gradient in float64, up to what their rounding explains.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backlit.core.activations import ACTIVATIONS
from backlit.core.losses import LOSSES
from backlit.core.network import Network
from backlit.core.parameters import Parameters, Statistics, layout
from backlit.core.passes import example_losses, forward
from backlit.core.problem import Problem
from backlit.engine import Data, Engine, get_engine
from backlit.errors import WrongGradient
from backlit.gradcheck import GradientCheck, check_gradient, error_bounds, points_at_kinks, slopes_between
from backlit.gradcheck.error_bounds import EPS, ErrorBounds
from backlit.processors import one_blas_thread
from backlit.training.run import Settings

Array = np.ndarray
ROWS = 32
GRADIENT_OK, COST_OK = 1e-8, 1e-9  # relative, in float64
COARSE = 1000  # roundings of the training's dtype that a tensor, or a cost, may be off whatever its terms are
AT_KINK = 10  # roundings of u within which a unit may lie on either side of a kink


@dataclass(frozen=True)
class EngineCheck(GradientCheck):
    """A check of an engine's own numbers; `errors` are those in float64, with "C" and "validation C" among them.

    engine : its name.  rows : how many it was.  dtype : what it trains in.  own_error : the largest relative error of a
    tensor in that.
    """

    engine: str = ""
    rows: int = 0
    dtype: str = "float64"
    own_error: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "max_relative_error": self.max_relative_error,
            "engine": self.engine,
            "trained_in": {"dtype": self.dtype, "max_relative_error": self.own_error},
        }


@np.errstate(over="ignore", invalid="ignore", divide="ignore")  # what is not finite is training's to name
def check_engine(net: Network, params: Parameters, data: Data, settings: Settings) -> EngineCheck:
    """Check the gradient of the engine that `fit` would train with, on the first rows of the data, without dropout.

    Raises WrongGradient where it isn't the gradient of the cost.
    """
    with one_blas_thread():  # products of a few rows: threads would only wait for each other
        return checked_engine(get_engine(settings.engine, settings.recipe(net)), params, data)


def checked_engine(engine: Engine, params: Parameters, data: Data) -> EngineCheck:
    """The same, of an engine."""
    data = data.rows(np.arange(min(ROWS, len(data))))
    lifted = replace(data, X=data.X.astype(np.float64))
    bare = replace(params.net, layers=tuple(replace(layer, dropout=0.0) for layer in params.net.layers))
    problem = Problem(bare, params.astype(np.float64), lifted.X, data.Y, data.sample_weight)
    cost, g = engine.loss_and_gradient(problem.params, lifted)
    measured = error_bounds(problem)
    checked = check_gradient(problem, g, measured=measured)
    costs = {"C": (cost, problem.passes()[1].loss), "validation C": validation_costs(engine, problem, lifted)}
    errors = {name: abs(got - right) / max(abs(right), 1.0) for name, (got, right) in costs.items()}
    wrong = [name for name in checked.wrong if checked.errors[name] > GRADIENT_OK]
    wrong += [name for name, error in errors.items() if error > COST_OK]
    own = dict(own_errors(engine, params, data, problem, measured))
    wrong += [name for name, (error, allowed) in own.items() if error > allowed]
    if wrong:
        raise WrongGradient(
            f"the {engine.name} engine computes a wrong gradient, so nothing was trained: "
            f"{', '.join(dict.fromkeys(wrong))} disagrees with the cost: {remedy(engine, params.net)}"
        )
    return EngineCheck(
        checked.errors | errors,
        checked.directions,
        engine=engine.name,
        rows=len(data),
        dtype=str(params.theta.dtype),
        own_error=max(error for error, _ in own.values()),
    )


def remedy(engine: Engine, net: Network) -> str:
    """What to do about a wrong gradient: to look at the derivatives that are the user's own, where there are any."""
    if own := list(dict.fromkeys(users_own(net))):
        return f"look at the derivative of {' and of '.join(own)}"
    other = "native" if engine.name == "reference" else "reference"
    return f'use engine="{other}", and report this as a fault of Backlit'


def users_own(net: Network) -> Iterator[str]:
    """The activations and the loss that Backlit does not ship, by name: their derivatives may be wrong too."""
    for phi in (layer.activation for layer in net.layers):
        if phi.groups is None and not (phi.name in ACTIVATIONS.shipped and ACTIVATIONS.is_built_in(phi)):
            yield f"activation {phi.name}"
    if not (net.loss.name in LOSSES.shipped and LOSSES.is_built_in(net.loss)):
        yield f"loss {net.loss.name}"


def validation_costs(engine: Engine, problem: Problem, data: Data) -> tuple[float, float]:
    """(the engine's, the textbook's) mean loss as epochs are measured by it: batch norm by running moments."""
    statistics = Statistics(problem.net)
    trace = forward(problem.net, problem.params, data.X, statistics=statistics)
    right = np.average(example_losses(problem.net, trace, data.Y), weights=data.sample_weight)
    return engine.loss(problem.params, statistics, data), float(right)


def own_errors(
    engine: Engine, params: Parameters, data: Data, problem: Problem, measured: ErrorBounds
) -> Iterator[tuple[str, tuple[float, float]]]:
    """Of each tensor in the training's dtype: (its error relative to the textbook's in float64, what it may be)."""
    eps = float(np.finfo(params.theta.dtype).eps)
    g = Parameters(problem.net, engine.loss_and_gradient(params, data)[1].astype(np.float64))
    trace, grad = problem.passes()
    right = grad.flat
    points = points_at_kinks(problem, trace, AT_KINK * eps)
    if points:
        low, high = slopes_between(problem, points, lambda problem: {"": problem.passes()[1].theta})
        right = Parameters(problem.net, np.clip(g.theta, low[""], high[""]))
    whole = norm(right.theta)
    for slot in layout(problem.net):
        size = max(norm(right[slot]), 1e-2 * whole, float(np.finfo(float).tiny))
        rounding = norm(measured.bounds[f"grad_{slot}"]) * eps / EPS
        yield str(slot), (norm(g[slot] - right[slot]) / size, COARSE * eps + rounding / size)


def norm(values: Array) -> float:
    """The length of all numbers as one vector."""
    return float(np.linalg.norm(values))
