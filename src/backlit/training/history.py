"""What happened: one record an epoch."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Epoch:
    """One pass over the data.

    loss : mean cost of the batches, each at the parameters before its step.  learning_rate : of the last step.
    gradient_norms : ‖∂C/∂W_l‖ for l = 1…L, mean over the batches, before clipping.  seconds : wall time.
    """

    number: int
    loss: float
    learning_rate: float
    gradient_norms: tuple[float, ...]
    seconds: float
    validation_loss: float | None = None
    validation_score: float | None = None


@dataclass
class History:
    """The epochs of a run, in order, and why it ended."""

    epochs: list[Epoch] = field(default_factory=list)
    best_epoch: int | None = None
    stopped: str = ""

    def copy(self) -> "History":
        """The same epochs in a list of its own."""
        return replace(self, epochs=list(self.epochs))

    def __len__(self) -> int:
        return len(self.epochs)

    def __iter__(self) -> Iterator[Epoch]:
        return iter(self.epochs)

    def column(self, name: str) -> list[Any]:
        """One field of every epoch, e.g. column("loss")."""
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
