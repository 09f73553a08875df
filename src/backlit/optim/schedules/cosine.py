"""Half a cosine from the full learning rate down to a floor."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from backlit.optim.schedules.base import SHARE, TOTAL, Schedule, length
from backlit.registry import Check


@dataclass(frozen=True, kw_only=True)
class Cosine(Schedule):
    r"""Half a cosine from 1 down to `floor` over `total`, and `floor` from there on.

    .. math:: f + (1 - f)\,\tfrac12 (1 + \cos \pi x), \qquad x = \min(t/T, 1)

    with f = floor and T = total.

    Parameters
    ----------
    per : {"epoch", "step"}, default 'epoch'
        What t counts.
    floor : float, default 0.0
        Last factor, in [0, 1].
    total : int, optional
        Length in the unit of `per`, at least 1; a trainer fills it in if it is not given.

    Raises
    ------
    ProblemError
        If a value is outside these.

    Notes
    -----
    This is PyTorch's `CosineAnnealingLR` with T_max = total and eta_min = floor · learning_rate, except that PyTorch's
    rises again after T.

    References
    ----------
    Loshchilov & Hutter 2017, equation 5, without restarts.

    Examples
    --------
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
