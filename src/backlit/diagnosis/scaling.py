"""Inputs and targets that are far from the size of 1 for which networks are drawn, and the same standardized."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from backlit.diagnosis.findings import Finding
from backlit.diagnosis.inputs import Subject

FAR = 10.0
"""How many times a column's root mean square may exceed 1, or the outputs' own, before it is called unscaled."""


def unscaled(subject: Subject, outputs: np.ndarray) -> list[str]:
    """Which of "x" and "y" is unscaled; y only where outputs may be any number.

    outputs : (m, n_L) of the network as it is: those of a trained one are as large as its targets.
    """
    found = []
    if subject.X is not None and subject.net.layers[0].norm is None and size(subject.X) > FAR:
        found.append("x")
    if subject.y is not None and any_number(subject) and size(subject.y) > FAR * max(size(outputs), 1.0):
        found.append("y")
    return found


def any_number(subject: Subject) -> bool:
    """Whether targets are neither classes, counts nor bounded, so that they may be shifted and scaled."""
    net = subject.net
    return net.loss.targets == (-math.inf, math.inf) and net.layers[-1].activation.range == (-math.inf, math.inf)


def size(rows: np.ndarray) -> float:
    """The largest root mean square of a column; 0 where it is not finite, for then it tells nothing."""
    largest = float(np.sqrt(np.mean(np.square(rows, dtype=np.float64), axis=0)).max())
    return largest if math.isfinite(largest) else 0.0


def scaling_findings(subject: Subject, names: Sequence[str], outputs: np.ndarray) -> list[Finding]:
    """What is unscaled, with its numbers."""
    found = []
    for name in names:
        rows = subject.X if name == "x" else subject.y
        assert rows is not None
        beside = "" if name == "x" else f", while the network's outputs have {size(outputs):.3g}"
        text = f"{name} is not scaled: a column of it has root mean square {size(rows):.4g}{beside}"
        found.append(Finding(f"unscaled_{name}", text, size(rows)))
    return found


def standardized(subject: Subject, names: Sequence[str]) -> Subject:
    """The subject with each column of x or y (as named) of mean 0 and deviation 1."""
    X, y = (
        unit_columns(rows) if name in names and rows is not None else rows
        for name, rows in (("x", subject.X), ("y", subject.y))
    )
    problem = None if subject.problem is None else replace(subject.problem, X=X, y=y)
    return replace(subject, X=X, y=y, problem=problem)


def unit_columns(rows: np.ndarray) -> np.ndarray:
    """(x − mean)/deviation, column by column; a constant column becomes 0.

    >>> unit_columns(np.array([[1.0, 5.0], [3.0, 5.0]])).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """
    deviation = rows.std(axis=0)
    return (rows - rows.mean(axis=0)) / np.where(deviation == 0, 1.0, deviation)
