"""`diagnose`: measured flow beside predicted flow, what is wrong, and what helps; and the result that says it."""

import math
from dataclasses import dataclass, replace
from typing import Any

from backlit.core.problem import Problem
from backlit.diagnosis.findings import VERDICTS, Finding, advice, findings_of, frozen, regime_of
from backlit.diagnosis.inputs import (
    Subject,
    from_problem,
    from_sizes,
    one_thread,
    optimizer_of,
    passes_of,
    typical,
    update_ratios,
)
from backlit.diagnosis.measurement import MeasuredFlow, average
from backlit.diagnosis.pitfalls import Stack, scaling_findings, standardized, traps_of, unscaled
from backlit.diagnosis.remedies import Probe, Remedy, Trial, estimator_arguments, kept, try_remedies
from backlit.diagnosis.simulation import Ensemble
from backlit.diagnosis.spectrum import Spectrum, spectrum_of
from backlit.diagnosis.theory.expectations import quiet
from backlit.diagnosis.theory.fixed_points import FixedPoint, LayerSpec, fixed_point
from backlit.diagnosis.theory.predicted import PredictedFlow, divide, predict_flow
from backlit.display import Displayed
from backlit.errors import ProblemError
from backlit.registry import positive_integer
from backlit.tables.messages import count


@dataclass(frozen=True)
class Diagnosis(Displayed):
    """What `diagnose` found.

    Parameters
    ----------
    subject : Subject
        The network, with its parameters and data if they were given.
    layer : int
        The layer in the middle, whose kind the theory is about.
    kind : Kind
        Its activation, variances of W and b, norm, dropout and skip.
    theory : FixedPoint
        What mean-field theory says of many layers of this kind.
    predicted : PredictedFlow
        Predicted flow of each layer of this network.
    measured : MeasuredFlow
        Measured flow of each layer, a mean over the draws.
    seeds : int
        Number of draws that were measured.
    regime : {"healthy", "vanishing", "exploding", "chaotic", "dead", "diverging", "symmetric"}
        What the gradients do from the top to the bottom, or why they are of no use.
    findings : list of Finding
        What is wrong, and by which term.
    remedies : list of Remedy
        Remedies that were tried, best first.
    spectrum : Spectrum
        Singular values of the Jacobian from input to output.
    updates : list of float
        ‖ΔW_l‖/‖W_l‖ of the first optimizer step, by l; None at 0.
    ensemble : Ensemble
        Other draws of the network, and the bands that they give.
    trial : Trial, optional
        The short training of the network as it is; each remedy then has one too, and is ranked by it.
    probe : Probe, optional
        The few steps of the network as it is; each remedy then has some too, and is ranked by them.
    command : str, default ''
        The command that made this diagnosis, which the advice repeats.

    Attributes
    ----------
    verdict : {"healthy", "vanishing", "exploding"}
        The regime in three words: dead and symmetric are vanishing, chaotic and diverging exploding.
    advice : str
        One sentence: what to do, what it brings as measured, and the command that does it.

    Examples
    --------
    >>> from backlit.diagnosis import diagnose
    >>> found = diagnose(depth=4, width=16, activation="tanh", seeds=1, remedies=False)
    >>> found.verdict, found.measured.L, found.best
    ('healthy', 4, None)
    """

    subject: Subject
    layer: int
    kind: LayerSpec
    theory: FixedPoint
    predicted: PredictedFlow
    measured: MeasuredFlow
    seeds: int
    regime: str
    findings: list[Finding]
    remedies: list[Remedy]
    spectrum: Spectrum
    updates: list[Any]
    ensemble: Ensemble
    trial: Trial | None = None
    probe: Probe | None = None
    command: str = ""

    @property
    def verdict(self) -> str:
        """The regime in three words."""
        return VERDICTS[self.regime]

    @property
    def advice(self) -> str:
        """One sentence: what to do, what it brings, the command."""
        return advice(self)

    def with_trainings(
        self, remedies: list[Remedy], *, trial: Trial | None = None, probe: Probe | None = None
    ) -> "Diagnosis":
        """The diagnosis after short trainings of the network as it is and of its remedies, best first.

        Of units that are alike, remedies that leave them so come last; a training that diverged is a regime.
        """
        own, regime, findings = trial or probe, self.regime, self.findings
        if regime == "symmetric":
            remedies = sorted(remedies, key=lambda remedy: remedy.symmetric)
        if own is not None and math.isinf(own.left):
            text = "trained as it is, with its own learning rate, its loss leaves the range of floats"
            findings = [Finding("diverging", text, None), *findings]
            regime = "diverging" if regime == "healthy" else regime
        return replace(self, regime=regime, findings=findings, remedies=remedies, trial=trial, probe=probe)

    @property
    def ranked_by(self) -> str:
        """What ranks the remedies."""
        return "training loss" if self.trial else "probe loss" if self.probe else "gradient ratio"

    @property
    def best(self) -> Remedy | None:
        """The best remedy, None if none was tried."""
        return self.remedies[0] if self.remedies else None

    def __repr__(self) -> str:
        return f"<Diagnosis of {self.subject.name}: {self.regime}, {len(self.remedies)} remedies tried>"

    def to_dict(self) -> dict[str, Any]:
        """The result in plain values, as `backlit diagnose --format json` prints it."""
        return {
            "advice": self.advice,
            "name": self.subject.name,
            "predicted": self.theory.to_dict() | {"layer": self.layer},
            "layers": [self.row(l) for l in range(1, self.measured.L + 1)],
            "top_to_bottom": {
                "predicted": self.predicted.top_to_bottom,
                "measured": self.measured.top_to_bottom,
                "median": self.measured.median(1),
                "geometric_mean": self.measured.geometric_mean,
                "half_carried_by": self.measured.half_carried_by,
                "band": self.ensemble.total_interval(1),
                "band_mean": self.ensemble.total_interval(self.seeds),
                "predicted_inside": self.prediction_is_near,
            },
            "bands_hold": 0.95,
            "bands_trusted": self.ensemble.trusted,
            "inside": self.inside(),
            "spectrum": self.spectrum.to_dict(),
            "seeds": self.seeds,
            "verdict": self.verdict,
            "regime": self.regime,
            "findings": [finding.to_dict() for finding in self.findings],
            "ranked_by": self.ranked_by,
            "probe": None if self.probe is None else self.probe.to_dict(),
            "training": None if self.trial is None else self.trial.to_dict(),
            "remedies": [remedy.to_dict() for remedy in self.remedies],
        }

    def row(self, l: int) -> dict[str, Any]:
        """One layer in plain values, an entry of `layers`."""
        layer, flow, theory = self.measured.layers[l], self.measured, self.predicted
        return {
            "layer": l,
            "q_predicted": theory.q[l],
            "q_measured": layer.q,
            "q_band": self.ensemble.q_interval(l, 1),
            "q_band_mean": self.ensemble.q_interval(l, self.seeds),
            "grad_ratio_predicted": theory.grad_ratio[l],
            "grad_ratio_measured": flow.grad_ratio(l),
            "grad_ratio_band": self.ensemble.ratio_interval(l, 1),
            "grad_ratio_band_mean": self.ensemble.ratio_interval(l, self.seeds),
            "weight_term": flow.weight_term(l),
            "derivative_term": flow.derivative_term(l),
            "delta_median": flow.median(l),
            "dead_fraction": layer.dead,
            "dead_by_bias_fraction": layer.dead_by_bias,
            "saturated_fraction": layer.saturated,
            "delta_norm": layer.delta**0.5,
            "grad_to_weight": layer.grad_to_weight,
            "update_to_weight": self.updates[l],
            "correlation": layer.correlation,
            "noise_scale": layer.noise_scale,
        }

    @property
    def prediction_is_near(self) -> bool | None:
        """Whether what theory, of endless width, says of top to bottom is within the band; None without one."""
        ends = self.ensemble.total_interval(1)
        return None if ends is None else bool(ends[0] <= self.predicted.top_to_bottom <= ends[1])

    def inside(self) -> float | None:
        """The share of layers whose measured ratio is within the band of the mean over these draws."""
        pairs = [
            (self.measured.grad_ratio(l), self.ensemble.ratio_interval(l, self.seeds))
            for l in range(1, self.measured.L)
        ]
        known = [ends[0] <= ratio <= ends[1] for ratio, ends in pairs if ratio is not None and ends is not None]
        return sum(known) / len(known) if known else None

    def fixed_problem(self) -> dict[str, Any]:
        """The problem file with the best remedy in it, as a mapping; ProblemError if no remedy was tried."""
        if self.best is None:
            raise ProblemError("no remedy was tried, so there is none to write: leave --no-remedies out")
        described = self.best.net.to_dict()
        given: Problem | None = standardized(self.subject, self.best.standardize).problem
        if given is not None:
            whole = replace(given, net=self.best.net, params=kept(self.best.net, given.params)).to_dict()
            layers = whole["layers"] if self.best.scheme is None else described["layers"]
            described = whole | {"layers": layers}
        if self.best.scheme is not None or given is None:
            scheme = self.best.scheme if self.best.scheme is not None else self.subject.scheme
            described["init"] = {"scheme": scheme, "seed": 0} if isinstance(scheme, str) else {**scheme, "seed": 0}
        described |= {k: v for k, v in self.best.recipe.items() if k != "learning_rate"}
        if "learning_rate" in self.best.recipe:
            optimizer = described.get("optimizer") or optimizer_of(self.subject).to_dict()
            described["optimizer"] = {**optimizer, "learning_rate": self.best.recipe["learning_rate"]}
        return described

    def estimator_parameters(self) -> dict[str, Any]:
        """The best remedy that MLPClassifier and MLPRegressor can be told, as their keyword arguments.

        Raises
        ------
        ProblemError
            If no remedy that was tried fits an estimator.
        """
        optimizer = optimizer_of(self.subject).to_dict()
        for remedy in self.remedies:
            scheme = remedy.scheme if remedy.scheme is not None else self.subject.scheme
            arguments = estimator_arguments(remedy.net, optimizer, scheme, remedy.recipe)
            if (
                arguments is not None
                and not remedy.standardize
                and remedy.net.layers[-1] == self.subject.net.layers[-1]
            ):
                return arguments
        raise ProblemError("no remedy that was tried fits an estimator's arguments: write the problem file with --fix")


# --- from what is given to what was found -----------------------------------------------------------------------------


def diagnose(
    problem: Problem | None = None,
    *,
    model: Any = None,
    depth: int | None = None,
    width: int | None = None,
    activation: Any = "tanh",
    init: Any = None,
    sigma_w: float | None = None,
    sigma_b: float | None = None,
    norm: str | None = None,
    skip: float | None = None,
    dropout: float = 0.0,
    batch: int | None = None,
    seeds: int = 5,
    remedies: bool = True,
    cluster: Any = 0,
) -> Diagnosis:
    """Diagnose a problem, a model, or `depth` equal layers of `width` units.

    Without data, inputs are standard normal and targets are drawn at random, of the loss's kind.

    Parameters
    ----------
    problem : Problem, optional
        A network with its numbers, and examples if it has any.
    model : object with `params`, optional
        A trained model.
    depth : int, optional
        Number of equal layers, up to 10,000; with `width`.
    width : int, optional
        Units of each of them, and number of inputs; with `depth`.
    activation : str, mapping or Activation, default 'tanh'
        φ of the equal layers.
    init : str or mapping, optional
        How they are drawn: "xavier_uniform" if neither this nor a sigma is given.
    sigma_w : float, optional
        Draws W with variance σ_w²/n_in, in place of `init`.
    sigma_b : float, optional
        Draws b with variance σ_b², in place of `init`.
    norm : {"batch", "layer"}, optional
        Norm of the equal layers.
    skip : float, optional
        Scale of a skip from the layer below into each of them.
    dropout : float, default 0.0
        Dropout of the equal layers.
    batch : int, optional
        Examples that are passed at once, which matters under batch norm.  If not given: up to 512 rows of the data; 64
        drawn ones, or 128 under batch norm.
    seeds : int, default 5
        How many draws are measured, if the numbers are drawn.
    remedies : bool, default True
        Whether remedies are tried.
    cluster : int, str or distributed.Client, default 0
        Who tries them: a number of processes, 0 for this one, the address of a Dask scheduler, or a client.

    Returns
    -------
    Diagnosis
        Measured flow beside predicted flow, the verdict, findings, and the remedies, ranked by their gradient ratio.

    Raises
    ------
    ProblemError
        If something is impossible, or says two things at once.

    Examples
    --------
    >>> diagnosis = diagnose(depth=20, width=64, activation="sigmoid", remedies=False)
    >>> diagnosis.verdict, diagnosis.findings[2].term
    ('vanishing', 'derivative')
    """
    sizes = depth is not None or width is not None
    if (problem is not None) + (model is not None) + sizes != 1:
        raise ProblemError("give one of: a problem, a model, or depth and width")
    positive_integer(seeds, "seeds")
    layers = {"activation": activation, "init": init, "sigma_w": sigma_w, "sigma_b": sigma_b, "norm": norm}
    layers |= {"skip": skip, "dropout": dropout}
    check_layers(layers, sizes)
    if sizes:
        if depth is None or width is None:
            raise ProblemError("depth and width go together: give both")
        subject = from_sizes(depth, width, **layers)
    elif problem is not None:
        subject = from_problem(problem)
    else:
        subject = Subject(model.params.net, "model", None, model.params)
    with one_thread(subject):
        return examine(replace(subject, batch=checked_batch(batch, subject)), seeds, remedies, cluster)


def check_layers(told: dict[str, Any], sizes: bool) -> None:
    """Raise ProblemError if layers are described that a problem or a model already describes."""
    usual = {"activation": "tanh", "dropout": 0.0}
    said = [name for name, value in told.items() if value != usual.get(name)]
    if said and not sizes:
        raise ProblemError(f"{said[0]} is for depth and width; a problem or a model says its own: leave it out")


def checked_batch(batch: int | None, subject: Subject) -> int | None:
    """The batch; ProblemError if it is no whole number from 1 to the number of rows."""
    if batch is not None:
        positive_integer(batch, "batch")
        if subject.X is not None and batch > len(subject.X):
            raise ProblemError(f"batch is {batch}, but X has {count(len(subject.X), 'row')}: give at most that many")
    return batch


@quiet
def examine(given: Subject, seeds: int, remedies: bool, cluster: Any) -> Diagnosis:
    """Predict, measure, compare, try."""
    subject = replace(given, kept={})
    scales = subject.scales()
    m = len(subject.inputs(0))
    layer, kind = typical(subject.net, scales, m)
    theory = fixed_point(kind)
    predicted = predict_flow(subject.net, scales, subject.X, m)
    draws = seeds if subject.params is None else 1
    measured = average([subject.flow(seed) for seed in range(draws)])
    regime = regime_of(measured, theory)
    noise = 0.0 if subject.params is None else math.sqrt(2 / subject.params.W[layer].size)
    depth = subject.net.L - (subject.net.layers[-1].norm != kind.norm)  # an output without the norm is none of them
    growth = divide(predicted.top_to_bottom, math.prod(predicted.grad_ratio[depth : subject.net.L]))
    stack = Stack(kind, theory, depth, growth, noise)
    findings = findings_of(measured, theory, kind, regime) + traps_of(stack)
    if subject.X is not None:
        outputs = passes_of(subject.net, subject.draw(0), subject.inputs(0), subject.y, 0)[0].a[-1]
        findings += scaling_findings(subject, unscaled(subject, outputs), outputs)
    updates = update_ratios(subject)
    findings += frozen(updates)
    tried = try_remedies(subject, kind, theory, findings, cluster) if remedies else []
    spectrum = spectrum_of(subject, scales, predicted, draws)
    evidence = regime, findings, tried, spectrum, updates
    return Diagnosis(given, layer, kind, theory, predicted, measured, draws, *evidence, Ensemble(given))
