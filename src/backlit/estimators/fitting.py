"""The stochastic fit: what the trainer is told, and scikit-learn's fitted attributes of what it gave."""

from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from backlit.engine import Data, State
from backlit.errors import Divergence, ProblemError
from backlit.estimators.options import (
    adapts,
    callbacks_of,
    monitor_of,
    optimizer_of,
    patience_of,
    restores_best,
    schedule_of,
)
from backlit.estimators.scoring import score_of
from backlit.estimators.telling import tell_end, tell_epoch
from backlit.estimators.warning import warn
from backlit.training import Outcome, Settings
from backlit.training import fit as train


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
