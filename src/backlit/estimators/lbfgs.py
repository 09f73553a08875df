"""A fit by L-BFGS: all examples at once, in steps that SciPy chooses.  Source: Liu & Nocedal 1989."""

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from backlit.core.parameters import Parameters, Statistics, trainable
from backlit.core.passes import forward
from backlit.engine import Data
from backlit.errors import ProblemError
from backlit.estimators.validation import warn


def check_lbfgs(estimator: Any, validation_data: Any, checkpoint: Any) -> None:
    """Raise ProblemError for what asks for steps or epochs, which lbfgs has none of."""
    if estimator.dropout:
        raise ProblemError(
            "dropout draws a mask for each step, which lbfgs cannot follow: set dropout=0 or solver=adam"
        )
    named = {name: getattr(estimator, name) for name in ("optimizer", "schedule", "callbacks", "clip_norm")}
    for name, value in {**named, "validation_data": validation_data, "checkpoint": checkpoint}.items():
        if value:
            raise ProblemError(f"{name} is for solvers that take steps, and lbfgs is none: leave it out, or use adam")


def fit_lbfgs(estimator: Any, data: Data) -> None:
    """Train by all examples at once, where SciPy chooses the steps, and leave what the fit found in the estimator.

    Its network and first parameters are there.
    """
    estimator.network_ = replace(estimator.network_, l2=estimator.alpha / data.weight())
    found = minimize(estimator, data)
    estimator.loss_, estimator.n_iter_ = float(found.fun), int(found.nit)
    if not np.isfinite(estimator._params.theta).all():
        raise ValueError("Solver produced non-finite parameter weights: scale the inputs")
    take_moments(estimator._statistics, estimator._params, data)
    if found.status:
        message = f"lbfgs failed to converge after {estimator.n_iter_} iterations: {found.message}"
        warn(message, ConvergenceWarning)


def minimize(estimator: Any, data: Data) -> Any:
    """Minimize C, writing into the estimator's parameters; returns SciPy's result (fun, nit, status, message)."""
    from scipy import optimize

    engine, params, learned = estimator._engine(len(data), data.is_sparse), estimator._params, estimator._smooth(data)
    moving, theta = trainable(params.net), params.theta.astype(np.float64)

    def cost_and_gradient(free: np.ndarray) -> tuple[float, np.ndarray]:
        theta[moving] = free
        trial = Parameters(params.net, theta.astype(params.theta.dtype))
        cost, gradient = engine.loss_and_gradient(trial, learned)
        return cost, gradient[moving].astype(np.float64)

    def show(intermediate_result: Any) -> None:  # SciPy looks the name up
        print(f"loss {intermediate_result.fun:.8f}")

    found = optimize.minimize(
        cost_and_gradient,
        theta[moving],
        method="L-BFGS-B",
        jac=True,
        callback=show if estimator.verbose else None,
        options={"maxfun": estimator.max_fun, "maxiter": estimator.max_iter, "gtol": estimator.tol},
    )
    theta[moving] = found.x
    params.theta[:] = theta
    return found


def take_moments(statistics: Statistics, params: Parameters, data: Data) -> None:
    """Set batch norm's running moments to those of the one batch that lbfgs has seen (BN5 and BN6 at 1)."""
    if not params.net.couples_examples:
        return
    X = data.rows(np.arange(len(data))).X
    trace = forward(params.net, params, X)
    for l, layer in params.net.numbered():
        if layer.keeps_moments:
            statistics.mean[l][:] = trace.norm[l].mean[0]
            statistics.variance[l][:] = trace.norm[l].variance[0] * (len(X) / max(len(X) - 1, 1))
