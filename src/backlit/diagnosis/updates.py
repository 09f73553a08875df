"""What the first optimizer step does to each layer: ‖ΔW‖/‖W‖, with the problem's own optimizer and clipping."""

from typing import Any

import numpy as np

from backlit.core.dropout import DropoutKey
from backlit.core.parameters import Parameters
from backlit.core.passes import backward, forward
from backlit.diagnosis.inputs import Subject, noise_targets
from backlit.optim import Optimizer, clip_by_norm, clip_by_value, get_optimizer

FROZEN = 2.0**-24  # a step this small against its weight is lost when float32 rounds the sum


def optimizer_of(subject: Subject) -> Optimizer:
    """The problem's optimizer; Adam with its usual settings where none is named."""
    given = None if subject.problem is None else subject.problem.optimizer
    return given if given is not None else get_optimizer("adam")


def update_ratios(subject: Subject) -> list[Any]:
    """‖ΔW_l‖/‖W_l‖ of the first step by l (index 0 None); NaN where W is 0 or the gradient is not finite."""
    net, params, optimizer = subject.net, subject.draw(0), optimizer_of(subject)
    X = subject.inputs(0)
    trace = forward(net, params, X, dropout=DropoutKey(0))
    y = subject.y[: len(X)] if subject.y is not None else noise_targets(net, trace.a[-1], 0)
    g = backward(net, params, trace, y).theta
    if subject.problem is not None:
        g = clip_by_value(clip_by_norm(g, subject.problem.clip_norm), subject.problem.clip_value)
    pairs = zip(params.W[1:], Parameters(net, g).W[1:], strict=True)
    return [None, *(step_ratio(optimizer, W.ravel(), slope.ravel()) for W, slope in pairs)]


def step_ratio(optimizer: Optimizer, W: np.ndarray, g: np.ndarray) -> float:
    """‖ΔW‖/‖W‖ of the first step of W (n,) along g (n,)."""
    step, _ = optimizer.update(g, optimizer.init(W), 1, lr=optimizer.learning_rate, theta=W)
    length = np.linalg.norm(W)
    return float(np.linalg.norm(step) / length) if length else float("nan")
