"""Remedies, each tried: the network is rebuilt with it, its flow predicted and measured, and all are ranked.

Ranked by |ln(E‖δ_1‖²/E‖δ_L‖²)| as measured: 0 is a network whose top and bottom learn alike.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backlit.core.initializers import initialize
from backlit.core.network import Dense, Network
from backlit.core.parameters import Parameters
from backlit.diagnosis.criticality import Critical, bias_variance, critical_point
from backlit.diagnosis.expectations import slope_moment
from backlit.diagnosis.fixed_points import FixedPoint, Kind
from backlit.diagnosis.measured import average
from backlit.diagnosis.predicted import measured_scales, predict_flow, scheme_scales
from backlit.diagnosis.subject import Subject, flow_of, normal_inputs


@dataclass(frozen=True)
class Remedy:
    """A remedy and what it does.  net, scheme : the network with it, and how it is drawn (None: W and b are kept).

    predicted_ratio, measured_ratio : E‖δ_1‖²/E‖δ_L‖² with it.
    """

    remedy: str
    predicted_ratio: float
    measured_ratio: float
    net: Network
    scheme: Any = None

    @property
    def distance(self) -> float:
        """|ln ratio| as measured; infinite where nothing arrives."""
        r = self.measured_ratio
        return abs(math.log(r)) if r > 0 and math.isfinite(r) else math.inf

    def to_dict(self) -> dict[str, Any]:
        """CONTRACT's names, and how to draw it."""
        return {
            "remedy": self.remedy,
            "predicted_ratio": self.predicted_ratio,
            "measured_ratio": self.measured_ratio,
            "init": self.scheme,
        }


def try_remedies(subject: Subject, kind: Kind, theory: FixedPoint, seeds: int = 2) -> list[Remedy]:
    """Every remedy that applies, best first."""
    tried = [attempt(subject, *candidate, seeds) for candidate in candidates(subject.net, kind, theory)]
    return sorted(tried, key=lambda remedy: remedy.distance)


def candidates(net: Network, kind: Kind, theory: FixedPoint) -> Iterator[tuple[str, Network, Any]]:
    """(name, network, scheme) of each remedy; scheme None keeps W and b."""
    for scheme in ("xavier_normal", "he_normal", "lecun_normal", "orthogonal", "lsuv"):
        yield f"init {scheme}", net, scheme
    point = critical_init(kind)
    if point is not None and kind.norm is None and kind.skip is None:
        yield f"init critical {describe(point)}", net, gaussian(point)
    for norm in ("batch", "layer"):
        if kind.norm != norm:
            yield f"{norm} norm", changed(net, norm=norm), None
    if kind.skip is None:
        yield "skips with scale 1", with_skips(net, 1.0), None
        if 0 < theory.chi_1 < 1:
            s = math.sqrt(1 - theory.chi_1)
            yield f"skips with scale √(1 − χ₁) = {s:.4g}", with_skips(net, s), None
    for phi in ("relu", "leaky_relu", "selu", "tanh"):
        if phi != kind.phi.name and kind.norm is None:
            other = changed(net, activation=phi)
            point = critical_init(replace(kind, phi=other.layers[0].activation))
            if point is not None:
                yield f"{phi} with critical init {describe(point)}", other, gaussian(point)


def describe(point: Critical) -> str:
    """σ_w and σ_b in a few digits."""
    return f"σ_w = {point.sigma_w2**0.5:.4g}, σ_b = {point.sigma_b2**0.5:.4g}"


def gaussian(point: Critical) -> dict[str, Any]:
    """The scheme that draws a critical network."""
    return {"scheme": "gaussian", "sigma_w": point.sigma_w2**0.5, "sigma_b": point.sigma_b2**0.5}


def critical_init(kind: Kind) -> Critical | None:
    """χ₁ = 1 with the length held at 1 where a bias can hold it, else without bias, as far as the line goes."""
    excess = bias_variance(kind.phi, 1.0)
    if excess >= -1e-12:
        return Critical(1 / slope_moment(kind.phi, 1.0), max(excess, 0.0), 1.0)
    return critical_point(kind.phi, 0.0)


def changed(net: Network, **changes: Any) -> Network:
    """The network with these fields of its hidden layers changed; the output layer stays."""
    return rebuilt(net, [replaced(layer, **changes) for layer in net.layers[:-1]])


def rebuilt(net: Network, hidden: list[Dense]) -> Network:
    """The network with other hidden layers."""
    return Network(net.inputs, [*hidden, net.layers[-1]], loss=net.loss, reduction=net.reduction, l2=net.l2)


def replaced(layer: Dense, **changes: Any) -> Dense:
    """The layer with some of its fields changed."""
    fields = {name: getattr(layer, name) for name in vars(layer)} | changes
    return Dense(fields.pop("units"), fields.pop("activation"), **fields)


def with_skips(net: Network, scale: float) -> Network:
    """Skips by one layer wherever the widths are equal."""
    return rebuilt(net, [
        replaced(layer, skip_from=l - 1, skip_scale=scale) if net.n[l - 1] == layer.units else layer
        for l, layer in net.numbered() if l < net.L
    ])  # fmt: skip


def attempt(subject: Subject, name: str, net: Network, scheme: Any, seeds: int) -> Remedy:
    """Predict and measure one remedy."""
    flows, last = [], None
    fixed = scheme is None and subject.params is not None
    once = fixed or scheme == "lsuv"  # which takes a pass for each layer and round
    for seed in range(1 if once else seeds):
        X = normal_inputs(net, seed) if subject.X is None else subject.inputs(seed)
        last = drawn(subject, net, scheme, seed, X)
        flows.append(flow_of(net, last, X, subject.y, seed))
    assert last is not None
    exact = scheme if scheme is not None else subject.scheme if subject.params is None else None
    scales = measured_scales(net, last) if exact in (None, "lsuv") else scheme_scales(net, exact)
    predicted = predict_flow(net, scales, subject.X).top_to_bottom
    return Remedy(name, predicted, average(flows).top_to_bottom, net, scheme)


def drawn(subject: Subject, net: Network, scheme: Any, seed: int, X: np.ndarray) -> Parameters:
    """Parameters for the changed network: drawn by the remedy's scheme, or the subject's own W and b."""
    if scheme is not None:
        return initialize(net, scheme, seed=seed, X=X)
    old = subject.draw(seed)
    params = Parameters.zeros(net)
    params.fill({"W": old.W, "b": old.b})
    return params
