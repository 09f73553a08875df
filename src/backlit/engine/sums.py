"""One pass over the data that was run in parts, as one result."""

from dataclasses import dataclass, field

import numpy as np

from backlit.engine.protocol import EpochResult, exact_sum


@dataclass
class EpochSums:
    """Sums over the parts of a pass; a part counts by the rows that were learned from, not by those it was given."""

    steps: int = 0
    rows: int = 0
    loss: float = 0.0  # summed over rows, as `exact_sum` does
    rest: float = 0.0
    gradient_norms: list[float] = field(default_factory=list)  # summed over steps

    def add(self, part: EpochResult) -> None:
        """Take in a part."""
        norms = part.steps * np.asarray(part.gradient_norms, dtype=np.float64)
        self.gradient_norms = (norms + self.gradient_norms if self.gradient_norms else norms).tolist()
        self.steps, self.rows = self.steps + part.steps, self.rows + part.rows
        self.loss, self.rest = exact_sum((self.loss, self.rest, *part.cost_sum))

    def result(self, interrupted: bool) -> EpochResult:
        """Means over what was done."""
        norms = np.array(self.gradient_norms) / max(self.steps, 1)
        return EpochResult((self.loss, self.rest), norms, self.steps, self.rows, interrupted)
