"""`diagnose`: measured flow beside predicted flow, what is wrong, and what helps."""

import math
from dataclasses import replace
from typing import Any

from backlit.core.problem import Problem
from backlit.diagnosis.findings import findings_of, frozen, regime_of
from backlit.diagnosis.inputs import Subject, from_problem, from_sizes, one_thread, passes_of, typical, update_ratios
from backlit.diagnosis.measurement import average
from backlit.diagnosis.pitfalls import Stack, scaling_findings, traps_of, unscaled
from backlit.diagnosis.remedies import try_remedies
from backlit.diagnosis.result import Diagnosis
from backlit.diagnosis.simulation import Ensemble
from backlit.diagnosis.spectrum import spectrum_of
from backlit.diagnosis.theory.expectations import quiet
from backlit.diagnosis.theory.fixed_points import fixed_point
from backlit.diagnosis.theory.predicted import predict_flow
from backlit.errors import ProblemError
from backlit.registry import positive_integer


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
            raise ProblemError(f"batch is {batch}, but there are {len(subject.X)} rows: give at most that many")
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
    stack = Stack(kind, theory, subject.net.L, predicted.top_to_bottom, noise)
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
