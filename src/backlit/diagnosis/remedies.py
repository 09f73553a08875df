"""Remedies, each tried: the network is rebuilt with it, its flow predicted and measured, and all are ranked.

Ranked by |ln ‖δ_1‖²/‖δ_L‖²| of the median example: 0 is a network whose top and bottom learn alike.  That is a guess.
What mends a cause that has a name comes first.
What is best is what trains best: `backlit.diagnosis.remedy_race` ranks by the loss after a few steps, and
`backlit.diagnosis.short_training` by that of a whole training.
"""

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from backlit.core.initializers import initialize
from backlit.core.network import Network
from backlit.core.parameters import Parameters
from backlit.diagnosis.findings import Finding, regime_of
from backlit.diagnosis.inputs import Subject, flow_of, normal_inputs
from backlit.diagnosis.measurement import average
from backlit.diagnosis.pitfalls import standardized
from backlit.diagnosis.remedy_candidates import candidates, other_outputs, recipes
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
