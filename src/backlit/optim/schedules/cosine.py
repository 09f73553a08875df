"""Half a cosine from the full learning rate down to a floor."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from backlit.optim.checks import Check
from backlit.optim.schedules.base import SHARE, TOTAL, Schedule, length


@dataclass(frozen=True, kw_only=True)
class Cosine(Schedule):
    r"""Half a cosine from 1 down to `floor` over `total`, and `floor` from there on.

    .. math:: f + (1 - f)\,\tfrac12 (1 + \cos \pi x), \qquad x = \min(t/T, 1)

    with f = floor and T = total, which the trainer fills in where it is None.  PyTorch's `CosineAnnealingLR` with
    T_max = total and eta_min = floor · learning_rate, which however rises again after T.
    Raises ProblemError unless 0 ≤ floor ≤ 1 and total ≥ 1 is a whole number or None.
    Source: Loshchilov & Hutter 2017, equation 5, without restarts.

    >>> Cosine(total=10).factor([0, 5, 10, 11]).round(3)
    array([1. , 0.5, 0. , 0. ])
    """

    name: ClassVar[str] = "cosine"
    checks: ClassVar[dict[str, Check]] = {**Schedule.checks, "floor": SHARE, "total": TOTAL}
    floor: float = 0.0
    total: int | None = None

    def curve(self, t: Any) -> Any:
        """See the class."""
        x = np.minimum(t / length(self), 1)
        return self.floor + (1 - self.floor) * (1 + np.cos(np.pi * x)) / 2  # [SCH-COS]
