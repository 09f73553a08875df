"""How single networks of finite width stray from the limit of endless width: to first order in 1/n, by layer.

What is measured is a mean over the n units and m examples of one draw.  Units are independent given the layer below;
examples share the weights.  With f of one unit and example, of E f = 1, the mean has variance
[own W/m + shared (1 − W/m)]/n, own = Var f and shared = Cov of two examples' f, by `hermite` from their correlation.
- up: κ_l, the fluctuation of q_l's kernel, is handed on by ∂ ln E φ²/∂ ln q, and the sampling of φ² adds to it;
- down: f = φ'² g², g normal given δ above: 3 E φ'⁴ of one example, (1 + 2ρ²) E φ'²φ'² of two, ρ the cosine of their δ;
  κ_l moves φ'² too, and φ'² and φ² of one layer are sampled together;
- an orthogonal W holds lengths (h_2), layer norm means and lengths (h_1, h_2) of an example, batch norm of a unit.
The mean strays as well, by the bend of E φ'² and E φ² under κ, by layers' common κ, and because W that passed z up
passes δ down: along a, ‖Wᵀδ‖² is E z²φ'²/(E z² E φ'²) of what it is elsewhere.
For ReLU at m = 1 a layer's variance is 5/n (Hanin 2018; Hanin & Nica 2020).

q_shift, ratio_shift, level_shift (of E‖δ_l‖²/E‖δ_L‖²), total_shift : what is added to ln of the limit, on the average
of ln; *_band : one standard deviation of ln, between single draws; doubt : what ln of E‖δ_l‖²/E‖δ_L‖² may be off by
besides, under batch norm, whose means of order 1/n are not derived.  Lists by layer, index 0 None.
"""

import math
from dataclasses import dataclass
from typing import Any

from backlit.core.network import Network
from backlit.diagnosis.theory.fluctuations import Layer, Setting
from backlit.diagnosis.theory.fluctuations_down import go_down, short
from backlit.diagnosis.theory.fluctuations_up import go_up

ByLayer = list[Any]
Z95 = 1.96  # the central 95 % of a normal logarithm
TRUSTED = 0.5  # the deviation of ln of top to bottom up to which the first order is enough
DOUBT = 5.0  # n times what a layer's mean under batch norm may be off by, being of endless width; as measured


@dataclass(frozen=True)
class Bands:
    """How far single draws of a finite width stray from the limit, by layer (index 0 None).

    q_shift, ratio_shift, level_shift (of E‖δ_l‖²/E‖δ_L‖²), total_shift : what is added to ln of the limit, on average.
    q_band, ratio_band, level_band, total_band : one standard deviation of ln, between single draws.  doubt : the
    further error that ln of E‖δ_l‖²/E‖δ_L‖² may have under batch norm, whose means of order 1/n are not derived.
    """

    q_shift: ByLayer
    q_band: ByLayer
    ratio_shift: ByLayer
    ratio_band: ByLayer
    level_shift: ByLayer
    level_band: ByLayer
    total_shift: float
    total_band: float
    doubt: ByLayer

    @property
    def trusted(self) -> bool:
        """Whether the expansion to first order in 1/n, on which the bands rest, is accurate enough."""
        return bool(self.total_band <= TRUSTED)


def interval(
    limit: float | None, shift: float | None, band: float | None, draws: int = 1, doubt: float = 0.0
) -> list[float] | None:
    """[low, high] that hold 95 % of single draws, or of means over `draws`, wider by a factor e^doubt each way.

    A mean of log-normal draws is taken as log-normal, of their mean and a `draws`-th of their variance.  None where
    there is no limit, or none that is above 0.

    >>> [round(end, 3) for end in interval(1.0, 0.0, 0.1)]
    [0.822, 1.217]
    """
    if limit is None or shift is None or band is None or not 0 < limit < math.inf or not math.isfinite(shift + band):
        return None
    band = min(band, 1e3)
    variance = math.log1p(math.expm1(min(band**2, 700.0)) / draws) if draws > 1 else band**2
    center = math.log(limit) + shift + (band**2 - variance) / 2
    half = Z95 * math.sqrt(variance) + doubt
    return [math.exp(min(end, 700.0)) for end in (center - half, center + half)]


def finite_width(net: Network, scales: Any, way: Any, weight_term: list[Any], setting: Setting) -> Bands:
    """The bands of a network whose limit is known.  way : `predicted.Forward`;  weight_term : of the limit.

    NaN throughout where lengths leave the range of floats.
    """
    try:
        layers, q_shift, q_band = go_up(net, scales, way, setting)
        go_down(net, scales, layers, weight_term, setting)
        return sums(net, layers, q_shift, q_band)
    except ArithmeticError:
        none: ByLayer = [None, *[math.nan] * net.L]
        return Bands(none, none, none, none, none, none, math.nan, math.nan, none)


def sums(net: Network, layers: ByLayer, q_shift: ByLayer, q_band: ByLayer) -> Bands:
    """Add the layers up: the ratios' shifts and deviations, and those of each layer to the top."""
    L = net.L
    shift, band = (list[Any]([None] * (L + 1)) for _ in range(2))
    top = None if short(net) else layers[L]
    tail, level = Tail(), [0.0] * (L + 1)
    if top is not None:
        tail.add(top, 1.0)
        level[L] = tail.level(top)
    ratios, deviation = Tail(), list[Any]([None] + [0.0] * L)
    for l in range(L - 1, 0, -1):
        here, above = layers[l], layers[l + 1]
        weight = layers[l - 1].passed if l > 1 else 1.0
        tail.add(here, weight)
        ratios.add(here, weight)
        level[l] = tail.level(here)
        deviation[l] = math.sqrt(max(ratios.variance(here), 0.0))
        own = here.through + here.down + here.lean**2 * here.many
        if here.passed < 1 and above is not None:
            own += (1 - here.passed) ** 2 * (above.down + above.lean**2 * above.many)
        band[l] = math.sqrt(max(own, 0.0))  # 0 but for rounding, of orthogonal linear layers
        shift[l] = level[l] - level[l + 1]
    levels: ByLayer = [None, *(value - level[L] for value in level[1:])]
    doubt: ByLayer = [0.0] * (L + 2)  # of level l: that of all layers from l up to below the top
    for l in range(L - 1, 0, -1):
        doubt[l] = doubt[l + 1] + (DOUBT / net.n[l] if net.layer(l).norm == "batch" else 0.0)
    return Bands(q_shift, q_band, shift, band, levels, deviation, levels[1], deviation[1], doubt[: L + 1])


class Tail:
    """Sums over a layer and all above it; `many` for the mean over examples, `one` for one example, without g."""

    def __init__(self) -> None:
        self.mean = self.fresh = self.fresh_one = self.apart = self.pull = 0.0
        self.share = 1.0

    def add(self, here: Layer, weight: float) -> None:
        """One layer more, coming down.  pull : ∂ ln of the whole/∂κ of the lowest layer."""
        up = self.pull * self.share  # of E a_l²
        self.fresh += here.through + weight**2 * here.down + 2 * weight * up * here.both + up**2 * here.up
        self.fresh_one += weight**2 * here.single + 2 * weight * up * here.single_both + up**2 * here.single_up
        self.apart += weight**2 * (here.single + here.lean**2 * here.one)
        self.mean += weight * here.mean
        self.pull, self.share = weight * here.lean + here.handed * up, here.share

    def variance(self, here: Layer) -> float:
        """Of ln of the product, between draws."""
        return self.fresh + self.pull**2 * here.many

    def level(self, here: Layer) -> float:
        """E ln of the product: E of each factor, their covariances, less half the variance."""
        together = self.fresh_one + self.pull**2 * here.one
        return self.mean + (together - self.apart) / 2 - self.variance(here) / 2
