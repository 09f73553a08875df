"""What `verbose` prints: scikit-learn's lines, on standard output, for programs and people that read them."""

from typing import Any


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
