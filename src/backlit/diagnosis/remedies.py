"""Remedies, each tried: the network is rebuilt with it, its flow predicted and measured, and all are ranked.

Ranked by |ln ‖δ_1‖²/‖δ_L‖²| of the median example: 0 is a network whose top and bottom learn alike.  That is a guess.
What mends a cause that has a name comes first.
What is best is what trains best: `backlit.diagnosis.short_training` ranks by the loss after a few steps, or after a
whole training.
"""

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from backlit.core.activations import get_activation
from backlit.core.initializers import initialize
from backlit.core.network import Dense, Network
from backlit.core.parameters import Parameters
from backlit.diagnosis.findings import BOUND, Finding, regime_of
from backlit.diagnosis.inputs import Subject, flow_of, normal_inputs, optimizer_of
from backlit.diagnosis.measurement import average
from backlit.diagnosis.pitfalls import standardized
from backlit.diagnosis.theory.criticality import Critical, bias_variance, critical_point
from backlit.diagnosis.theory.expectations import slope_moment
from backlit.diagnosis.theory.fixed_points import FixedPoint, LayerSpec
from backlit.diagnosis.theory.predicted import measured_scales, predict_flow, scheme_scales
from backlit.jobs import Job, run_jobs

LARGE = 1_000_000  # parameters


@dataclass(frozen=True)
class Trial:
    """A short training: the loss of each epoch, and what is left of it.

    left : loss of the last epochs over that of the best constant prediction, a mean over seeds; 1 means that nothing
    was learned, 0 that everything was; infinite if one of the seeds diverged.
    """

    losses: list[float]
    left: float

    def to_dict(self) -> dict[str, Any]:
        """Plain names and numbers."""
        return {"losses": self.losses, "loss_left": self.left}


@dataclass(frozen=True)
class Probe:
    """A few real optimizer steps: how many, and the last loss over that of the best constant prediction (`left`)."""

    steps: int
    left: float

    def to_dict(self) -> dict[str, Any]:
        """Plain names and numbers."""
        return {"steps": self.steps, "loss_left": self.left}


@dataclass(frozen=True)
class Remedy:
    """A remedy and what it does.

    net, scheme : the network with it, and how it is drawn (None: W and b are kept).  predicted_ratio, measured_ratio :
    E‖δ_1‖²/E‖δ_L‖² with it.  typical_ratio : ‖δ_1‖²/‖δ_L‖² of the median example.  symmetric : whether it leaves all
    units of a layer alike.  standardize : which of "x" and "y" it standardizes.  recipe : what it changes in the
    training (clip_norm, clip_value, learning_rate).
    probe, trial : its few steps, and its short training; None if there were none.
    """

    remedy: str
    predicted_ratio: float
    measured_ratio: float
    net: Network
    scheme: Any = None
    recipe: Mapping[str, float] = field(default_factory=dict)
    trial: Trial | None = None
    probe: Probe | None = None
    typical_ratio: float = math.nan
    symmetric: bool = False
    standardize: Sequence[str] = ()

    @property
    def distance(self) -> float:
        """|ln ratio| of the median example; infinite if nothing arrives."""
        r = self.typical_ratio
        return abs(math.log(r)) if r > 0 and math.isfinite(r) else math.inf

    def to_dict(self) -> dict[str, Any]:
        """The remedy in plain values, and how to draw its network."""
        return {
            "remedy": self.remedy,
            "predicted_ratio": self.predicted_ratio,
            "measured_ratio": self.measured_ratio,
            "typical_ratio": self.typical_ratio,
            "init": self.scheme,
            "recipe": dict(self.recipe),
            "standardize": list(self.standardize),
            "probe": None if self.probe is None else self.probe.to_dict(),
            "training": None if self.trial is None else self.trial.to_dict(),
        }


def try_remedies(
    subject: Subject, kind: LayerSpec, theory: FixedPoint, findings: Sequence[Finding], cluster: Any = 0
) -> list[Remedy]:
    """Every remedy that applies, best first; of a LARGE network one draw is measured, which strays little."""
    causes = {finding.kind for finding in findings}
    large = subject.net.n_parameters > LARGE
    seeds = 1 if large else 2
    own = attempt(subject, "", subject.net, None, seeds)  # first: its draw is there for those that keep W and b
    sent = subject if cluster == 0 else replace(subject, kept=None)
    candidate_jobs = [
        Job(attempt, (sent, *candidate, seeds), name=candidate[0])
        for candidate in (
            *candidates(subject.net, kind, theory),
            *(other_outputs(subject.net) if "dead_output" in causes else ()),
        )
    ]
    tried = run_on(subject.net, candidate_jobs) if cluster == 0 else list(run_jobs(candidate_jobs, how=cluster))
    steady = [replace(own, remedy=name, recipe=recipe) for name, recipe in recipes(subject)]
    names = [name for name in ("x", "y") if f"unscaled_{name}" in causes]
    if names:
        scaled = attempt(standardized(subject, names), f"standardize {' and '.join(names)}", subject.net, None, seeds)
        steady.append(replace(scaled, standardize=names))
    return sorted([*tried, *steady], key=lambda remedy: (not mends(remedy, causes), remedy.distance))


def mends(remedy: Remedy, causes: Set[str]) -> bool:
    """Whether it takes away each cause that has a name: equal units, an output without slope, unscaled data."""
    return all((
        "symmetric" not in causes or not remedy.symmetric,
        "dead_output" not in causes or remedy.remedy.startswith("output "),
        not causes & {"unscaled_x", "unscaled_y"} or bool(remedy.standardize),
    ))  # fmt: skip


def run_on(net: Network, jobs: Sequence[Job]) -> list[Any]:
    """The results of jobs, each of which holds a network like this one; of a LARGE one, two run at a time.

    Drawing and products of large matrices release Python's lock, so two take little longer than one.
    """
    if net.n_parameters > LARGE:
        return list(run_jobs(jobs, how="threads", workers=2, hold_blas=False))
    return list(run_jobs(jobs, hold_blas=False))


def attempt(subject: Subject, name: str, net: Network, scheme: Any, seeds: int) -> Remedy:
    """Predict and measure one remedy."""
    flows, last, m = [], None, 0
    fixed = scheme is None and subject.params is not None
    once = fixed or scheme == "lsuv"  # which takes a pass for each layer and round
    for seed in range(1 if once else seeds):
        X = normal_inputs(net, seed, subject.batch) if subject.X is None else subject.inputs(seed)
        last, m = drawn(subject, net, scheme, seed, X), len(X)
        flows.append(flow_of(net, last, X, subject.y, seed))
    assert last is not None
    exact = scheme if scheme is not None else subject.scheme if subject.params is None else None
    scales = measured_scales(net, last) if exact in (None, "lsuv") else scheme_scales(net, exact)
    predicted = predict_flow(net, scales, subject.X, m).top_to_bottom
    flow = average(flows)
    symmetric = regime_of(flow) == "symmetric"
    ratio = flow.top_to_bottom
    return Remedy(name, predicted, ratio, net, scheme, typical_ratio=flow.median(1), symmetric=symmetric)


def drawn(subject: Subject, net: Network, scheme: Any, seed: int, X: np.ndarray) -> Parameters:
    """Parameters for the changed network: drawn by the remedy's scheme, or the subject's own."""
    if scheme is not None:
        return initialize(net, scheme, seed=seed, X=X)
    return kept(net, subject.draw(seed))


def kept(net: Network, old: Parameters) -> Parameters:
    """W and b in a changed network, and γ and β if the norm is the same; of fewer layers, the lower and the output."""
    whence = [*range(1, net.L), old.net.L]  # the layer that each one's come from; index 0 of all lists is None
    alike = [k if net.layer(l).norm == old.net.layer(k).norm else 0 for l, k in enumerate(whence, start=1)]
    params = Parameters.zeros(net)
    for name, layers in (("W", whence), ("b", whence), ("gamma", alike), ("beta", alike)):
        params.fill({name: [None, *(getattr(old, name)[k] for k in layers)]})
    return params


# --- what is worth trying: other draws, norms, skips, activations, fewer layers, and steadier steps -------------------

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


# --- the same for an estimator ----------------------------------------------------------------------------------------


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
    if optimizer.get("name") in ("adam", "sgd"):
        rate = recipe.get("learning_rate", optimizer["learning_rate"])
        arguments |= {"solver": optimizer["name"], "learning_rate_init": rate}
        if optimizer["name"] == "sgd":
            arguments |= {"momentum": optimizer["momentum"], "nesterovs_momentum": optimizer["nesterov"]}
    arguments |= {} if scheme is None else {"init": scheme}
    return arguments | ({"clip_norm": recipe["clip_norm"]} if "clip_norm" in recipe else {})
