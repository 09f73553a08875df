"""Optimizer steps on the whole of x, as the numbers that a derivation shows."""

from dataclasses import dataclass

import numpy as np

from backlit.core.parameters import Parameters, trainable
from backlit.core.problem import Problem
from backlit.optim import get_optimizer
from backlit.optim.clipping import clip_by_norm, clip_by_value, norm
from backlit.optim.optimizers.base import Optimizer

DEFAULT = {"name": "sgd", "learning_rate": 0.1}


@dataclass(frozen=True)
class Updated:
    """One optimizer step.

    before, after : parameters.  gradient : as backpropagation gave it; clipped : as the optimizer got it (0 where
    nothing may move).  state : its vectors after the step.  loss_before, loss_after : C on the same examples.
    """

    t: int
    before: Parameters
    after: Parameters
    gradient: Parameters
    clipped: Parameters
    norm: float
    state_before: tuple[np.ndarray, ...]
    state: tuple[np.ndarray, ...]
    loss_before: float
    loss_after: float


def optimizer_of(problem: Problem) -> Optimizer:
    """The problem's optimizer, or plain gradient descent where it names none."""
    return problem.optimizer or get_optimizer(DEFAULT)


def run(problem: Problem, steps: int) -> list[Updated]:
    """Take `steps` steps."""
    optimizer, params = optimizer_of(problem), problem.params.copy()
    state = optimizer.init(params.theta)
    may_move = trainable(problem.net)
    done: list[Updated] = []
    for t in range(1, steps + 1):
        _, grad = problem.passes(params, step=t - 1)
        g = grad.theta
        bounded = clip_by_value(clip_by_norm(g, problem.clip_norm), problem.clip_value)
        clipped = np.where(may_move, bounded, 0)
        step, after_state = optimizer.update(clipped, state, t, lr=optimizer.learning_rate, theta=params.theta)
        after = Parameters(problem.net, params.theta + np.where(may_move, step, 0))
        _, later = problem.passes(after, step=t - 1)
        done.append(
            Updated(
                t,
                params,
                after,
                Parameters(problem.net, g),
                Parameters(problem.net, clipped),
                norm(g),
                state,
                after_state,
                grad.loss,
                later.loss,
            )
        )
        params, state = after, after_state
    return done
