"""Momentum, the rates of "invscaling" and "adaptive", and Adam, against scikit-learn's."""

import re
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from tests.optim.cases import gradients, walk

from backlit.optim import Adam, Adaptive, PlateauState, Sgd
from backlit.optim.schedules import InverseScaling

# not public there; where it moves, these tests are skipped and the written-out equations remain
sklearn = pytest.importorskip("sklearn.neural_network._stochastic_optimizers")

EPOCHS, STEPS, EXAMPLES = 6, 5, 130


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_with_inverse_scaling(nesterov, rng):
    """The velocity carries the rate of its step, and the rate falls with the examples seen, once an epoch."""
    g, theta = gradients(rng, EPOCHS * STEPS), rng.standard_normal(5)
    parameters = [theta.copy()]
    other = sklearn.SGDOptimizer(
        parameters, 0.2, lr_schedule="invscaling", momentum=0.8, nesterov=nesterov, power_t=0.3
    )
    theirs = []
    for epoch in range(EPOCHS):
        for step in range(STEPS):
            other.update_params(parameters, [g[epoch * STEPS + step]])
            theirs.append(parameters[0].copy())
        other.iteration_ends((epoch + 1) * EXAMPLES)
    sgd, schedule = Sgd(momentum=0.8, nesterov=nesterov), InverseScaling(power=0.3, scale=EXAMPLES)
    rates = 0.2 * np.repeat(schedule.factor(np.arange(EPOCHS)), STEPS)
    assert_allclose(walk(sgd, theta, g, rates), theirs, rtol=1e-12, atol=1e-13)


def test_adam_with_eps_where_scikit_learn_adds_it(rng):
    """scikit-learn's ε stands beside √v, not √v̂: that is ours with ε/√(1 − β₂ᵗ)."""
    g, theta = gradients(rng, 20), rng.standard_normal(5)
    parameters, eps = [theta.copy()], 1e-3
    other = sklearn.AdamOptimizer(parameters, 0.01, beta_1=0.7, beta_2=0.8, epsilon=eps)
    state = Adam().init(theta)
    for t in range(1, 21):
        adam = Adam(beta1=0.7, beta2=0.8, eps=eps / np.sqrt(1 - 0.8**t))
        step, state = adam.update(g[t - 1], state, t, lr=0.01, theta=theta)
        theta = theta + step
        other.update_params(parameters, [g[t - 1]])
        assert_allclose(theta, parameters[0], rtol=1e-12)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_adaptive(early_stopping, capsys):
    """The epochs after which scikit-learn says that it lowers the rate, from the losses or scores that it kept."""
    from sklearn.datasets import load_iris
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        (8,), solver="sgd", learning_rate="adaptive", learning_rate_init=0.5, tol=2e-3, n_iter_no_change=3,
        max_iter=150, random_state=0, early_stopping=early_stopping, verbose=True,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged
        model.fit(*load_iris(return_X_y=True))
    lines = re.findall(r"^(Iteration \d+|.*Setting learning rate to \S+)", capsys.readouterr().out, re.MULTILINE)
    theirs = [i - sum("Setting" in line for line in lines[:i]) for i, line in enumerate(lines) if "Setting" in line]
    metrics = [-score for score in model.validation_scores_] if early_stopping else model.loss_curve_
    schedule, state, ours = Adaptive(patience=3, tol=2e-3), PlateauState(), []
    for epoch, metric in enumerate(metrics, start=1):
        factor, state = state.factor, schedule.observe(state, metric)
        ours += [epoch] if state.factor < factor else []
    assert len(theirs) >= 3
    assert ours[: len(theirs)] == theirs
    assert_allclose(state.factor, 0.2 ** len(ours), rtol=1e-12)
