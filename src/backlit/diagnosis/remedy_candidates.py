"""What is worth trying: other draws, norms, skips, activations, fewer layers, and steadier steps."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from backlit.core.activations import get_activation
from backlit.core.network import Dense, Network
from backlit.diagnosis.findings import BOUND
from backlit.diagnosis.inputs import Subject, optimizer_of
from backlit.diagnosis.theory.criticality import Critical, bias_variance, critical_point
from backlit.diagnosis.theory.expectations import slope_moment
from backlit.diagnosis.theory.fixed_points import FixedPoint, LayerSpec

VARIANTS: tuple[Any, ...] = (
    "relu",
    {"name": "leaky_relu", "alpha": 0.01},
    {"name": "elu", "alpha": 1.0},
    "selu",
    "tanh",
)


def candidates(net: Network, kind: LayerSpec, theory: FixedPoint) -> Iterator[tuple[str, Network, Any]]:
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
    for phi in [get_activation(spec) for spec in VARIANTS]:
        if phi.name != kind.phi.name and kind.norm is None:
            other = changed(net, activation=phi)
            point = critical_init(replace(kind, phi=other.layers[0].activation))
            if point is not None:
                yield f"{phi.name} with critical init {describe(point)}", other, gaussian(point)
    yield from shallower(net, theory)


def other_outputs(net: Network) -> Iterator[tuple[str, Network, Any]]:
    """The network with another activation at the output, of those that have a slope everywhere and suit the loss."""
    top, (low, high) = net.layers[-1], net.loss.outputs
    for phi in map(get_activation, ("identity", "softplus", "sigmoid")):
        if phi.name != top.activation.name and low <= phi.range[0] and phi.range[1] <= high:
            layers = (*net.layers[:-1], replaced(top, activation=phi))
            yield f"output {phi.name}", replace(net, layers=layers), None


def shallower(net: Network, theory: FixedPoint) -> Iterator[tuple[str, Network, Any]]:
    """The network without some of its top hidden layers, one for each of `depths`, if the widths allow it."""
    for depth in depths(net.L, theory):
        top = lowered(net, depth)
        if top is not None and net.n[depth - 1] == net.n[net.L - 1]:
            yield f"{depth} layers in place of {net.L}", replace(net, layers=(*net.layers[: depth - 1], top)), None


def lowered(net: Network, depth: int) -> Dense | None:
    """The output layer as layer `depth`, its skip from as far below where it came from a layer that went; None if
    there is no layer of its width.
    """
    top = net.layers[-1]
    if top.skip_from is None or top.skip_from < depth:
        return top
    start = top.skip_from - (net.L - depth)
    return replace(top, skip_from=start) if start >= 0 and net.n[start] == top.units else None


def depths(L: int, theory: FixedPoint) -> list[int]:
    """Depths worth trying, deepest first: as deep as this χ₁ carries a signal, and L/2, L/4, … down to 2.

    χ₁ alone does not know which trains best: a network may need less depth than the gradient could cross.
    """
    reach = 1 + int(math.log(BOUND) * theory.xi_grad) if math.isfinite(theory.xi_grad) else L
    halved = [L >> k for k in range(1, L.bit_length())]
    return sorted({depth for depth in (reach, *halved) if 1 < depth < L}, reverse=True)


def recipes(subject: Subject) -> list[tuple[str, dict[str, float]]]:
    """(name, change of the training) of the remedies that leave the network as it is."""
    rate = optimizer_of(subject).learning_rate
    scaled = [(f"learning rate × {f:g} = {f * rate:.4g}", {"learning_rate": f * rate}) for f in (10.0, 0.1, 0.01)]
    return [("clip_norm 1", {"clip_norm": 1.0}), ("clip_value 0.1", {"clip_value": 0.1}), *scaled]


def describe(point: Critical) -> str:
    """σ_w and σ_b in a few digits."""
    return f"σ_w = {point.sigma_w2**0.5:.4g}, σ_b = {point.sigma_b2**0.5:.4g}"


def gaussian(point: Critical) -> dict[str, Any]:
    """The scheme that draws a critical network."""
    return {"scheme": "gaussian", "sigma_w": point.sigma_w2**0.5, "sigma_b": point.sigma_b2**0.5}


def critical_init(kind: LayerSpec) -> Critical | None:
    """χ₁ = 1 with the length kept at 1 if a bias can keep it there, otherwise without bias."""
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


SOLVERS = {"adam": "adam", "sgd": "sgd"}


def estimator_arguments(
    net: Network, optimizer: Mapping[str, Any], scheme: Any, recipe: Mapping[str, float]
) -> dict[str, Any] | None:
    """The arguments, None if the estimators cannot say it: skips, clip_value, hidden layers of several kinds.

    The output layer and the loss are the estimators' own.  An optimizer that is neither "adam" nor "sgd" is left out.
    """
    hidden = net.layers[:-1]
    kinds = {(layer.activation, layer.norm, layer.dropout) for layer in hidden}
    if len(kinds) != 1 or "clip_value" in recipe or any(layer.skip_from is not None for layer in net.layers):
        return None
    ((phi, norm, dropout),) = kinds
    arguments: dict[str, Any] = {"hidden_layer_sizes": [layer.units for layer in hidden], "activation": phi.spec}
    arguments |= ({"norm": norm} if norm else {}) | ({"dropout": dropout} if dropout else {})
    if optimizer.get("name") in SOLVERS:
        arguments |= {"solver": SOLVERS[optimizer["name"]]}
        arguments |= {"learning_rate_init": recipe.get("learning_rate", optimizer["learning_rate"])}
        if optimizer["name"] == "sgd":
            arguments |= {"momentum": optimizer["momentum"], "nesterovs_momentum": optimizer["nesterov"]}
    arguments |= {} if scheme is None else {"init": scheme}
    return arguments | ({"clip_norm": recipe["clip_norm"]} if "clip_norm" in recipe else {})
