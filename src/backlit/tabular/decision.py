"""Which class to answer where mistakes cost unlike: the one that costs least in the mean.

A row of class k that is answered as another costs c_k, so the answer j costs Σ_{k≠j} p_k c_k in the mean, which is
least where p_j c_j is largest.  Of two classes that is a threshold: the second is answered from c_0/(c_0 + c_1) on.
Source: Elkan 2001.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from backlit.errors import ProblemError, near
from backlit.tables import TargetCodec
from backlit.tables.messages import figure, shown
from backlit.tables.target import Label

Array = np.ndarray


@dataclass(frozen=True)
class Costs:
    """What it costs to miss a row of each class.

    labels : of the K classes.  missing : (K,) costs above 0.

    >>> costs = Costs.read(TargetCodec("ill", "classification", ("no", "yes")), {"yes": 9})
    >>> costs.answers(np.array([[0.95, 0.05], [0.85, 0.15]])), costs.in_words()
    (array([0, 1]), "'yes' is answered from a probability of 0.1 on")
    """

    labels: tuple[Label, ...]
    missing: Array

    @classmethod
    def read(cls, target: TargetCodec, given: Mapping[Any, float]) -> "Costs":
        """Costs by label, or by its text; 1 where none is given.  Raises ProblemError for what cannot be one."""
        if target.task != "classification":
            raise ProblemError(f"cost is for classes, and {shown(target.name)} is a number: leave it out")
        index = {str(label): k for k, label in enumerate(target.classes)}
        missing = np.ones(len(index))
        for label, cost in given.items():
            if str(label) not in index:
                raise ProblemError(f"cost names {shown(label)}, which is no class: {near(str(label), index)}")
            if not (isfinite(cost) and cost > 0):
                raise ProblemError(f"cost of {shown(label)} is {cost:g}: give a number above 0")
            missing[index[str(label)]] = cost
        return cls(target.classes, missing)

    def answers(self, p: Array) -> Array:
        """The class (m,) that costs least in the mean, for probabilities p (m, K)."""
        return (p * self.missing).argmax(axis=1)

    def mean(self, y: Array, answers: Array, weight: Array | None = None) -> float:
        """What answers (m,) cost in the mean of rows of classes y (m,)."""
        return float(np.average(np.where(answers == y, 0.0, self.missing[y]), weights=weight))

    def in_words(self) -> str:
        """What the costs come to, in a sentence."""
        if len(self.labels) == 2:
            threshold = self.missing[0] / self.missing.sum()
            return f"{shown(self.labels[1])} is answered from a probability of {figure(threshold)} on"
        listed = ", ".join(f"{shown(k)} {figure(c)}" for k, c in zip(self.labels, self.missing, strict=True) if c != 1)
        return f"the class of the largest probability times cost is answered ({listed}; the others 1)"

    def to_dict(self) -> dict[str, float]:
        """The cost of each label."""
        return {str(label): float(cost) for label, cost in zip(self.labels, self.missing, strict=True)}
