"""A fit: what the trainer is told, and scikit-learn's fitted attributes and lines of what came out.

A fit that goes on, by `warm_start` or `partial_fit`, must find the network's own parameters as it left them; others,
such as rates, patience, `alpha` or `max_iter`, may change between calls, as in scikit-learn.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from backlit.engine import Data, State, kept_engine
from backlit.errors import Divergence, ProblemError
from backlit.estimators.early_stopping import score_of
from backlit.estimators.network import build_network
from backlit.estimators.validation import warn
from backlit.optim import Adam, Optimizer, Schedule, Sgd, get_optimizer, get_schedule
from backlit.optim.schedules import Adaptive, Constant, InverseScaling
from backlit.training import Outcome, Settings
from backlit.training import fit as train

NETWORK_PARAMETERS = ("hidden_layer_sizes", "activation", "norm", "dropout", "skip", "loss")
OPTIMIZER_PARAMETERS = ("optimizer", "solver", "momentum")


def current(estimator: Any) -> dict[str, Any]:
    """What describes the network and the optimizer's memory, in copies that a caller's list or mapping cannot change.

    >>> from backlit import MLPRegressor
    >>> current(MLPRegressor(hidden_layer_sizes=[8]))["hidden_layer_sizes"]
    [8]
    """
    return {name: plain(getattr(estimator, name)) for name in (*NETWORK_PARAMETERS, *OPTIMIZER_PARAMETERS)}


def plain(value: Any) -> Any:
    """A list for an array, and containers in copies."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.copy() if isinstance(value, list | dict) else value


def check_same_network(estimator: Any) -> None:
    """Raise ProblemError if the parameters now describe another network than the one that was trained.

    Another spelling of the same, such as 8 for (8,), is no change.
    """
    changed = changes(estimator, NETWORK_PARAMETERS)
    if not changed:
        return
    net = estimator.network_
    _, phi, loss = estimator._output()
    if build_network(estimator, net.inputs, net.outputs, phi, loss, net.l2) != net:
        raise ProblemError(
            f"{changed}, but a fit that goes on keeps its network: set it back, or start anew "
            f"(fit with warm_start=False, or a new estimator)"
        )


def check_optimizer(estimator: Any, now: Optimizer) -> None:
    """Raise ProblemError if the optimizer cannot go on with the averages that another one left.

    now : the optimizer that the parameters describe.
    """
    before, theta = estimator._learned_by, estimator._params.theta[:1]
    if before is None or (type(before) is type(now) and len(before.init(theta)) == len(now.init(theta))):
        return
    changed = changes(estimator, OPTIMIZER_PARAMETERS) or f"the optimizer was {before.name} and is {now.name}"
    raise ProblemError(
        f"{changed}, but partial_fit goes on with the averages of {before.name}: set it back, or go on by fit with "
        f"warm_start=True, which starts the optimizer anew"
    )


def changes(estimator: Any, names: tuple[str, ...]) -> str:
    """The parameters that are other than when training began, as "norm was None and is 'batch'"; "" if none is."""
    before, now = estimator._fitted_with, current(estimator)
    changed = [name for name in names if before is not None and not same(before[name], now[name])]
    return "; ".join(f"{name} was {before[name]!r} and is {now[name]!r}" for name in changed)


def same(one: Any, other: Any) -> bool:
    """Whether two values of a parameter are equal and of one type."""
    return one is other or (type(one) is type(other) and bool(one == other))


def tell_epoch(run: Any) -> None:
    """A callback that prints an epoch's loss, and its score where one is measured."""
    epoch = run.history.epochs[-1]
    print(f"Iteration {epoch.number}, loss = {epoch.loss:.8f}")
    if epoch.validation_score is not None:
        print(f"Validation score: {epoch.validation_score:f}")


def tell_end(estimator: Any, stopped: str) -> None:
    """Say that patience was spent."""
    if stopped == "patience":
        name = "Validation score" if estimator.early_stopping else "Training loss"
        tried = f"did not improve more than tol={estimator.tol:f} for {estimator.n_iter_no_change} consecutive epochs"
        print(f"{name} {tried}. Stopping.")


RATES = ("learning_rate", "learning_rate_init", "lr")


def optimizer_of(estimator: Any) -> Optimizer:
    """The optimizer that `optimizer`, or else `solver` and its parameters, describe."""
    given = estimator.optimizer
    if isinstance(given, Optimizer):
        return given
    if given is not None:
        spec = dict(given) if isinstance(given, Mapping) else {"name": given}
        rate = {} if any(name in spec for name in RATES) else {"learning_rate": estimator.learning_rate_init}
        return get_optimizer(spec | rate)
    if estimator.solver == "sgd":
        return Sgd(
            learning_rate=estimator.learning_rate_init,
            momentum=estimator.momentum,
            nesterov=estimator.nesterovs_momentum,
        )
    return Adam(
        learning_rate=estimator.learning_rate_init,
        beta1=estimator.beta_1,
        beta2=estimator.beta_2,
        eps=estimator.epsilon,
    )


def schedule_of(estimator: Any, n: int) -> Schedule:
    """The schedule that `schedule`, or else `learning_rate`, describes for n examples.

    `learning_rate` is, as in scikit-learn, for "sgd" only; `schedule` for whatever optimizer.
    """
    if estimator.schedule is not None:
        return get_schedule(estimator.schedule)
    if estimator.solver != "sgd" or estimator.learning_rate == "constant":
        return Constant()
    if estimator.learning_rate == "invscaling":
        return InverseScaling(power=estimator.power_t, scale=n)
    return Adaptive(rate=0.2, patience=patience_of(estimator) or 2**31, tol=estimator.tol)


def adapts(estimator: Any) -> bool:
    """Whether the rate falls as scikit-learn's "adaptive", which takes the place of patience."""
    return estimator.schedule is None and estimator.learning_rate == "adaptive" and estimator.solver == "sgd"


def patience_of(estimator: Any) -> int | None:
    """Epochs without improvement after which training stops, None for any number."""
    return None if np.isinf(estimator.n_iter_no_change) else int(estimator.n_iter_no_change)


def monitor_of(estimator: Any) -> Any:
    """The number that patience watches."""
    if estimator.monitor != "auto":
        return estimator.monitor
    return "validation_score" if estimator.early_stopping else "loss"


def restores_best(estimator: Any) -> bool:
    """Whether training ends with the best epoch's parameters."""
    return bool(estimator.early_stopping if estimator.restore_best is None else estimator.restore_best)


def callbacks_of(estimator: Any) -> list[Any]:
    """What is called after each epoch.  Raises ProblemError for what cannot be called."""
    given = list(estimator.callbacks or [])
    for callback in given:
        if not callable(callback):
            raise ProblemError(f"callbacks must be functions of the run, but holds {callback!r}")
    return [*given, rate_is_spent] if adapts(estimator) else given


def rate_is_spent(run: Any) -> bool:
    """A callback that ends "adaptive" as scikit-learn does: no progress at a learning rate of 1e-6 or less."""
    return run.settings.optimizer.learning_rate * run.plateau.factor <= 0.2 * 1e-6


def batch_size_of(estimator: Any, n: int) -> int:
    """Examples in a step; all of them if there are fewer than `batch_size`."""
    return min(200 if estimator.batch_size == "auto" else estimator.batch_size, n)


def settings_of(estimator: Any, n: int, epochs: int) -> Settings:
    """The trainer's settings for n examples; warns if they are fewer than a batch."""
    if estimator.batch_size != "auto" and estimator.batch_size > n:
        warn("Got `batch_size` larger than the sample size. It is going to be clipped")
    return Settings(
        epochs=epochs,
        batch_size=batch_size_of(estimator, n),
        optimizer=optimizer_of(estimator),
        schedule=schedule_of(estimator, n),
        clip_norm=estimator.clip_norm,
        alpha=float(estimator.alpha),
        shuffle=estimator.shuffle,
        monitor=monitor_of(estimator),
        patience=None if adapts(estimator) else patience_of(estimator),
        tol=estimator.tol,
        restore_best=restores_best(estimator),
        seed=estimator._draw_seed(),
        engine=estimator.engine,
        n_threads=estimator.n_threads,
    )


def run_training(
    estimator: Any, data: Data, held_out: Data | None, settings: Settings, checkpoint: Any = None, every: Any = None
) -> Outcome:
    """Train on from the estimator's state and store the outcome in it; raise Divergence if training diverged."""
    if estimator._state is None:
        slots = settings.optimizer.init(estimator._params.theta)
        estimator._state = State(estimator._params, slots, estimator._statistics)
        estimator._learned_by = settings.optimizer
    before = len(estimator.history_)
    outcome = train(
        estimator.network_,
        estimator._params,
        data,
        settings,
        validation=held_out,
        score=None if held_out is None else score_of(estimator, held_out),
        callbacks=[*([tell_epoch] if estimator.verbose else []), *callbacks_of(estimator)],
        state=estimator._state,
        history=estimator.history_,
        checkpoint=checkpoint,
        checkpoint_every=every,
        engine=kept_engine(settings.engine, settings.recipe(estimator.network_)),
    )
    estimator._params, estimator._statistics = outcome.params, outcome.statistics
    estimator._state = outcome.state
    record(estimator, len(estimator.history_) - before, len(data))
    if estimator.verbose:
        tell_end(estimator, outcome.history.stopped)
    if outcome.divergence is not None:
        raise explained(outcome.divergence)
    return outcome


def check_resumable(estimator: Any, checkpoint: Any) -> None:
    """Raise ProblemError for a checkpoint of a run that nothing can go on with, as its draws are unknown."""
    if checkpoint is not None and estimator.random_state is None:
        raise ProblemError(
            "checkpoint needs random_state: give a number, so that the run that goes on draws what this one does"
        )


def explained(error: Divergence) -> Divergence:
    """The error with scikit-learn's sentence, which its users look for, behind ours."""
    theirs = "Solver produced non-finite parameter weights. The input data may contain large values and need to be"
    return Divergence(f"{error} ({theirs} preprocessed.)", step=error.step, layer=error.layer)


def warn_of_end(estimator: Any, stopped: str) -> None:
    """Warn if training ended before it had converged."""
    if stopped == "interrupted":
        warn("Training interrupted by user.")
    if stopped == "epochs":
        message = f"Maximum iterations ({estimator.max_iter}) reached and the optimization hasn't converged yet."
        warn(f"Stochastic Optimizer: {message}", ConvergenceWarning)


def record(estimator: Any, epochs: int, n: int) -> None:
    """Leave scikit-learn's fitted attributes, and `validation_losses_` and `stopped_` beside them.

    stopped_ : why training ended: "epochs", "patience", "callback", "interrupted" or "diverged"; "" while
    `partial_fit` may go on.
    """
    history = estimator.history_
    estimator.n_iter_ = epochs
    estimator.t_ += epochs * n
    estimator.loss_curve_ = history.column("loss")
    if estimator.loss_curve_:
        estimator.loss_ = estimator.loss_curve_[-1]
    losses, scores = measured(history.column("validation_loss")), measured(history.column("validation_score"))
    held_out = estimator.early_stopping or bool(scores)
    estimator.validation_losses_ = losses if held_out else None
    estimator.validation_scores_ = scores if held_out else None
    finite = [score for score in scores if not np.isnan(score)]
    estimator.best_validation_score_ = max(finite, default=None) if held_out else None
    estimator.best_loss_ = None if estimator.early_stopping else min(estimator.loss_curve_, default=None)
    estimator.stopped_ = history.stopped


def measured(column: list[Any]) -> list[float]:
    """The numbers of a column of the history that has None if none was measured."""
    return [value for value in column if value is not None]
