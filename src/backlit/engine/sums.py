"""One pass over the data that was run in parts, as one result."""

from dataclasses import dataclass, field

import numpy as np

from backlit.engine.protocol import Array, EpochResult


@dataclass
class EpochSums:
    """Sums over the parts of a pass, for a network of L layers."""

    L: int
    loss: float = 0.0  # summed over rows
    rows: int = 0
    steps: int = 0
    interrupted: bool = False
    gradient_norms: Array = field(init=False)  # summed over steps

    def __post_init__(self):
        self.gradient_norms = np.zeros(self.L)

    def add(self, part: EpochResult, rows: int) -> bool:
        """Take in a part of so many rows; True where it was interrupted."""
        if part.steps:
            self.loss += part.loss * rows
            self.rows += rows
            self.steps += part.steps
            self.gradient_norms += part.steps * np.asarray(part.gradient_norms)
        self.interrupted = part.interrupted
        return part.interrupted

    def result(self) -> EpochResult:
        """Means over what was done."""
        steps = max(self.steps, 1)
        return EpochResult(self.loss / max(self.rows, 1), self.gradient_norms / steps, self.steps, self.interrupted)
