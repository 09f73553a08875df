"""A diagnosis as one page that fetches nothing.  It reads a `backlit.diagnosis.Diagnosis`."""

from typing import Any

from backlit.render.diagnosis_plots import flow_plot, length_plot, loss_plot, remedy_plot, spectrum_plot
from backlit.render.diagnosis_text import left_of, number, theory_rows
from backlit.render.pages import frame, page

HEADLINES = {
    "healthy": "Healthy: in a typical example ‖δ‖² at bottom and top differ by at most a factor of 1000.",
    "vanishing": "Vanishing: the gradient fades on its way down.",
    "exploding": "Exploding: the gradient grows on its way down.",
    "chaotic": "Exploding, for the network is chaotic: inputs that are alike move apart from layer to layer.",
    "dead": "Vanishing, for units are dead: slopes of 0 cut the gradient off.",
    "diverging": "Exploding, for training diverges: the loss grows without end.",
    "symmetric": "Vanishing, for units are all alike: equal weights get equal gradients.",
}
MOST_LAYERS = 60


def diagnosis_page(diagnosis: Any) -> str:
    """The page of a diagnosis."""
    return page(
        "diagnosis.html.j2",
        name=diagnosis.subject.name,
        verdict=diagnosis.verdict,
        headline=HEADLINES[diagnosis.regime],
        advice=diagnosis.advice,
        findings=diagnosis.findings,
        theory=theory_rows(diagnosis.theory),
        typical=diagnosis.layer,
        figures=figures(diagnosis),
        layers=[layer_row(diagnosis, l) for l in shown(diagnosis.measured.L)],
        hidden=diagnosis.measured.L - len(shown(diagnosis.measured.L)),
        remedies=[remedy_row(remedy) for remedy in diagnosis.remedies],
        trained=diagnosis.trial is not None,
        steps=diagnosis.probe.steps if diagnosis.ranked_by == "probe loss" else 0,
        epochs=len(diagnosis.trial.losses) if diagnosis.trial else 0,
        own=left_of(diagnosis),
        spectrum=spectrum_rows(diagnosis.spectrum),
        complete=diagnosis.spectrum.complete,
        draws=diagnosis.seeds,
    )


def diagnosis_frame(diagnosis: Any) -> str:
    """The page in a frame, for a notebook."""
    return frame(diagnosis_page(diagnosis), f"Diagnosis of {diagnosis.subject.name}")


def figures(diagnosis: Any) -> dict[str, str]:
    """The plots, as SVG elements."""
    made = {
        "flow": flow_plot(diagnosis),
        "length": length_plot(diagnosis),
    }
    made |= {"spectrum": spectrum_plot(diagnosis.spectrum)} if len(diagnosis.spectrum.values) > 1 else {}
    made |= {"remedies": remedy_plot(diagnosis)} if diagnosis.remedies else {}
    return made | ({"losses": loss_plot(diagnosis)} if diagnosis.trial else {})


def shown(L: int) -> list[int]:
    """All layers, or of a deep network the first and last halves of MOST_LAYERS."""
    half = MOST_LAYERS // 2
    return list(range(1, L + 1)) if L <= MOST_LAYERS else [*range(1, half + 1), *range(L - half + 1, L + 1)]


def layer_row(diagnosis: Any, l: int) -> list[str]:
    """The cells of one layer."""
    row = diagnosis.row(l)
    names = ("q_measured", "q_predicted", "grad_ratio_measured", "grad_ratio_predicted", "weight_term")
    more = ("derivative_term", "update_to_weight", "noise_scale", "correlation")
    shares = [f"{row['dead_fraction']:.0%}", f"{row['saturated_fraction']:.0%}"]
    return [str(l), *(number(row[name]) for name in (*names, *more)), *shares]


def remedy_row(remedy: Any) -> list[str]:
    """The cells of one remedy."""
    return [remedy.remedy, number(remedy.predicted_ratio), number(remedy.measured_ratio), left_of(remedy)]


def spectrum_rows(spectrum: Any) -> list[tuple[str, str, str]]:
    """(what, measured, predicted)."""
    return [
        ("mean of the squares", number(spectrum.mean), number(spectrum.predicted_mean)),
        *((over_draws(spectrum),) if spectrum.cases > 1 else ()),
        ("their variance over mean²", number(spectrum.variance), number(spectrum.predicted_variance)),
        ("largest", number(float(spectrum.values[0])), "–"),
        ("smallest", number(float(spectrum.values[-1])), "–"),
    ]


def over_draws(spectrum: Any) -> tuple[str, str, str]:
    """The row of the mean of the squares over draws and examples."""
    measured = f"{number(spectrum.level)} ± {number(spectrum.deviation, 2)}"
    return f"the same over {spectrum.cases} draws and examples", measured, number(spectrum.predicted_mean)
