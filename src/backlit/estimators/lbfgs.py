"""Full-batch L-BFGS by SciPy on the flat vector (Byrd et al. 1995)."""

from typing import Any

import numpy as np

from backlit.core.parameters import Parameters, trainable
from backlit.engine import Data, Engine


def fit_lbfgs(
    engine: Engine, params: Parameters, data: Data, *, max_iter: int, max_fun: int, tol: float, verbose: bool
) -> tuple[float, int]:
    """Minimize C over `data`, writing into `params`; returns (C at the end, iterations done)."""
    from scipy.optimize import minimize

    moving = trainable(params.net)
    theta = params.theta.astype(np.float64)

    def cost_and_gradient(free: np.ndarray) -> tuple[float, np.ndarray]:
        theta[moving] = free
        trial = Parameters(params.net, theta.astype(params.theta.dtype))
        cost, gradient = engine.loss_and_gradient(trial, data)
        return cost, gradient[moving].astype(np.float64)

    def show(intermediate_result: Any) -> None:  # SciPy looks the name up
        print(f"loss {intermediate_result.fun:.8f}")

    found = minimize(
        cost_and_gradient,
        theta[moving],
        method="L-BFGS-B",
        jac=True,
        callback=show if verbose else None,
        options={"maxfun": max_fun, "maxiter": max_iter, "gtol": tol},
    )
    theta[moving] = found.x
    params.theta[:] = theta
    return float(found.fun), int(found.nit)
