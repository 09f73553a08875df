"""What happened: one record an epoch."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from backlit.display import Displayed


@dataclass(frozen=True)
class Epoch:
    """What was measured in one pass over the data.

    Parameters
    ----------
    number : int
        Counted from 1.
    loss : float
        Mean cost of the batches, each at the parameters before its step.
    learning_rate : float
        Of the last step.
    gradient_norms : tuple of float
        ‖∂C/∂W_l‖ for l = 1…L, mean over the batches, before clipping.
    seconds : float
        Wall time.
    validation_loss : float, optional
        Cost of the validation data after the epoch, if there are any.
    validation_score : float, optional
        Score of the validation data, higher is better, if there is one.

    Examples
    --------
    >>> Epoch(1, loss=0.5, learning_rate=0.01, gradient_norms=(0.1,), seconds=0.2).validation_loss is None
    True
    """

    number: int
    loss: float
    learning_rate: float
    gradient_norms: tuple[float, ...]
    seconds: float
    validation_loss: float | None = None
    validation_score: float | None = None


@dataclass
class History(Displayed):
    """The epochs of a run, in order, and why it ended.

    Parameters
    ----------
    epochs : list of Epoch, optional
        One record an epoch.
    best_epoch : int, optional
        Number of the epoch whose monitored number was best.
    stopped : str, default ''
        "epochs", "patience", "callback", "interrupted" or "diverged"; empty while it runs.

    Attributes
    ----------
    seconds : float
        Wall time of all epochs.

    Examples
    --------
    >>> history = History([Epoch(1, loss=0.5, learning_rate=0.01, gradient_norms=(0.1,), seconds=0.2)])
    >>> history.column("loss"), len(history)
    ([0.5], 1)
    """

    epochs: list[Epoch] = field(default_factory=list)
    best_epoch: int | None = None
    stopped: str = ""

    def __repr__(self) -> str:
        loss = f", loss {self.epochs[-1].loss:.4g}" if self.epochs else ""
        return f"<History of {len(self)} epochs{loss}{f', stopped: {self.stopped}' if self.stopped else ''}>"

    def copy(self) -> "History":
        """The same epochs in a list of its own."""
        return replace(self, epochs=list(self.epochs))

    def __len__(self) -> int:
        return len(self.epochs)

    def __iter__(self) -> Iterator[Epoch]:
        return iter(self.epochs)

    def column(self, name: str) -> list[Any]:
        """One field of every epoch, such as column("loss")."""
        return [getattr(epoch, name) for epoch in self.epochs]

    @property
    def seconds(self) -> float:
        """Wall time of all epochs."""
        return sum(self.column("seconds"))

    def to_dict(self) -> dict[str, Any]:
        """Plain names and numbers."""
        return {
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "best_epoch": self.best_epoch,
            "stopped": self.stopped,
        }
