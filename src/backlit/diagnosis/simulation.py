"""How far networks of this width stray: the network drawn again and again, each draw measured as one draw is.

Theory is of endless width.  What one network of finite width shows differs from it, in the mean by an order of 1/n and
from draw to draw by 1/√n; both grow with depth, and with skips the first can outgrow theory itself.  So draws say it.
Lengths of z and δ are products over layers, and their logarithms nearly normal: 95 of 100 further ones lie within
    mean ± t_{S−1} · deviation · √(1 + k/S)
for S draws, t Student's, of ln of a mean over k draws, which is taken as log-normal itself.

>>> from backlit.core import Dense, Network
>>> ensemble = Ensemble(Subject(Network(128, [Dense(128, "relu")] * 4), "four layers", "he_normal"))
>>> low, high = ensemble.total_interval(1)
>>> bool(low < 1 < high), ensemble.draws
(True, 100)
"""

import math
from functools import cached_property
from typing import Any

import numpy as np

from backlit.core.parameters import Parameters
from backlit.diagnosis.inputs import Subject, one_thread, passes_of
from backlit.diagnosis.measurement import mean_length, mean_square
from backlit.diagnosis.remedies import run_on
from backlit.diagnosis.theory.expectations import quiet
from backlit.jobs import Job

Array = np.ndarray
MOST, FEWEST = 100, 8  # draws
WORK = 9e9  # multiply-adds of the passes up of all draws together: about a second of an ordinary core
WEIGHT, ELEMENT, LAYER = 40, 130, 2e5  # what drawing a weight, an entry of z, and a layer cost besides, as measured
FIRST = 2**40  # the first seed: those of measured draws are small, and none of them is a draw of its own band
Z95 = 1.959964  # the central 95 % of a normal variable
TRUSTED = 1.0  # the deviation of ln up to which a mean over few draws is not that of the largest alone
ROUNDING = 1e-12  # what a ratio that is exact may show
TOO_LARGE = 700.0  # ln of what floats hold


class Ensemble:
    """Draws of a subject's network, by its scheme; where parameters are given, normal ones of their mean squares.

    first : the seed of the first draw.  draws : how many; fewer of a large network, whose spread is small.  They are
    made when a band is first asked for.  All intervals are [low, high] that hold 95 % of means over k draws, None where
    some draws have no length, or one beyond floats.
    """

    def __init__(self, subject: Subject, first: int = FIRST):
        self.subject, self.first = subject, first
        net, m = subject.net, len(subject.inputs(0))
        layers = zip(net.n[1:], net.n, strict=False)
        work = sum((m + WEIGHT) * n * n_in + ELEMENT * m * n + LAYER for n, n_in in layers)
        self.draws = int(min(max(WORK / work, FEWEST), MOST))

    def q_interval(self, l: int, k: int) -> list[float] | None:
        """Of q_l."""
        return interval(self.logarithms[0][:, l - 1], k=k)

    def level_interval(self, l: int, k: int) -> list[float] | None:
        """Of E‖δ_l‖²/E‖δ_L‖²."""
        return interval(self.logarithms[1][:, l - 1], k=k)

    def ratio_interval(self, l: int, k: int) -> list[float] | None:
        """Of E‖δ_l‖²/E‖δ_{l+1}‖², both ends means over the same draws; None at the top."""
        level = self.logarithms[1]
        return None if l == level.shape[1] else interval(level[:, l - 1], level[:, l], k=k)

    def total_interval(self, k: int) -> list[float] | None:
        """Of top to bottom."""
        return self.level_interval(1, k)

    @property
    def trusted(self) -> bool:
        """Whether draws differ so little that their means, too, are nearly log-normal."""
        whole = self.logarithms[1][:, 0]
        return bool(np.isfinite(whole).all() and whole.std() <= TRUSTED)

    @cached_property
    def logarithms(self) -> tuple[Array, Array]:
        """ln q_l and ln E‖δ_l‖²/E‖δ_L‖² of the draws, both (S, L)."""
        jobs = [Job(self.draw, (self.first + k,)) for k in range(self.draws)]
        with one_thread(self.subject):
            found = run_on(self.subject.net, jobs)
        with np.errstate(divide="ignore", invalid="ignore"):
            q, delta = (np.log(rows) for rows in zip(*found, strict=True))
            return q, delta - delta[:, -1:]

    @quiet
    def draw(self, seed: int) -> tuple[list[float], list[float]]:
        """q_l and E‖δ_l‖² of one draw."""
        given, X = self.subject, self.subject.inputs(seed)
        params = given.draw(seed) if given.params is None else drawn_like(given.params, seed)
        trace, grad = passes_of(given.net, params, X, given.y, seed)
        return [mean_square(z) for z in trace.z[1:]], [mean_length(delta) for delta in grad.delta[1:]]


def drawn_like(params: Parameters, seed: int) -> Parameters:
    """Normal parameters of the same mean squares, array by array; γ is the same for all units."""
    rng, drawn = np.random.default_rng([seed, 3]), Parameters.zeros(params.net)
    for slot, given in params.items():
        spread: Any = 1.0 if slot.name == "gamma" else rng.standard_normal(slot.shape)
        drawn[slot] = math.sqrt(mean_square(given)) * spread
    return drawn


def interval(*logs: Array, k: int) -> list[float] | None:
    """[low, high] of a mean over k draws whose logarithms are normal, or of the quotient of two such means.

    logs : (S,) of each.  Means over k draws of log-normal quantities are taken as log-normal: of covariances C of ln
    they make ln(1 + (e^C − 1)/k), and hold E.

    >>> ends = interval(np.random.default_rng(0).normal(0.0, 0.1, 10_000), k=4)  # e^±0.098
    >>> [round(end, 2) for end in ends]
    [0.91, 1.11]
    """
    if not np.isfinite(logs).all():
        return None
    S, sign = len(logs[0]), np.array([1, -1])[: len(logs)]
    C = np.atleast_2d(np.cov(logs))
    of_means = np.logaddexp(math.log(k - 1) if k > 1 else -math.inf, C) - math.log(k)
    center = sign @ (np.mean(logs, axis=1) + np.diag(C - of_means) / 2)
    half = student(S - 1) * math.sqrt(max(sign @ of_means @ sign, 0.0) * (1 + k / S)) + ROUNDING
    return [math.exp(min(end, TOO_LARGE)) for end in (center - half, center + half)]


def student(freedom: int) -> float:
    """The central 95 % of Student's t (Fisher & Cornish 1960: to import SciPy for it takes longer than all else here).

    >>> [round(student(freedom), 2) for freedom in (7, 19, 99)]
    [2.36, 2.09, 1.98]
    """
    z, f = Z95, freedom
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / f + second / f**2 + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384 / f**3
