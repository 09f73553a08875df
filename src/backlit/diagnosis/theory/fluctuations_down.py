"""How fluctuations go down: the sampling of Wᵀδ, two examples' δ, and what W's passing both ways does to the mean."""

from typing import Any

from backlit.core.network import Network
from backlit.diagnosis.theory.fluctuations import Layer, Setting, free_share, spread_of


def go_down(net: Network, scales: Any, layers: list[Any], weight_term: list[Any], setting: Setting) -> None:
    """Add to each layer the sampling of g, and what the mean gains by W's passing both ways."""
    m, K = setting.m, net.outputs
    top = layers[net.L]
    if top is None or net.has_short_form:
        uneven, cosine2 = (1.0, 1 / max(K - 1, 1)) if K > 1 else (1.0, 1.0)
        if net.loss.name != "cross_entropy":
            uneven, cosine2 = 1 + 2 / K, 1 / K
    else:
        uneven, cosine2 = 1 + (3 * (1 + top.own) - 1) / K, (1 + top.pair) / K
    for l in range(net.L - 1, 0, -1):
        here, n = layers[l], net.n[l]
        branch = min(scales.weight[l + 1] / weight_term[l], 1.0) if weight_term[l] else 1.0
        here.passed = branch
        free = free_share(setting, net.n[l + 1], n) * branch * (2 - branch)
        shared, weight = 2 * min(cosine2, 1.0), max(m / uneven, 1.0)
        here.down += spread_of(2 * here.own, shared * here.pair, weight, n)
        here.down += (here.own - here.pair) * (1 / weight - 1 / m) / n
        here.through = spread_of(2, shared, weight, n) * free
        here.down, here.through = ((1 + here.rough) * part for part in (here.down, here.through))
        here.down += here.length
        above = layers[l + 1]
        if above is not None and not (l + 1 == net.L and short(net)):
            here.mean += coupling(net, here, above, l, free) * branch
        uneven *= 1 + (3 * here.own + 2 * free) / n + here.lean**2 * here.one
        ratio = here.cosine**2
        cosine2 = ratio * cosine2 + ((1 + here.pair) * (1 + cosine2) - (1 - free) * ratio) / n
        cosine2 = min(cosine2, 1.0)


def short(net: Network) -> bool:
    """Whether δ_L is p − y, with no φ' and no norm in it."""
    return net.has_short_form and net.layer(net.L).norm is None


def coupling(net: Network, here: Layer, above: Layer, l: int, free: float) -> float:
    """The mean of φ'²(Wᵀδ)²'s gain: W knows a_l by z, and δ depends on z."""
    norm = net.layer(l + 1).norm
    if norm == "batch" or net.layer(l).norm == "batch":
        return 0.0
    along = above.share * above.along if norm is None else -1.0  # a norm's δ has nothing along z
    return along * (here.meets - (1 - free) - here.along_u) / net.n[l]
