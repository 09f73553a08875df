"""A diagnosis as one page that fetches nothing.  It reads a `backlit.diagnosis.Diagnosis`."""

import math
from typing import Any

from backlit.render.diagnosis_text import left_of, number, theory_rows
from backlit.render.pages import frame, page
from backlit.render.plots import INK, SERIES, STYLES, svg

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


# --- the plots -------------------------------------------------------------------------------------------------------


MOST_CURVES = 5


def positive(values: list[Any]) -> list[float]:
    """Numbers for a logarithmic axis: NaN, which leaves a gap, for what has no logarithm."""
    return [float(v) if v is not None and math.isfinite(v) and v > 0 else math.nan for v in values]


def draw_compared(
    axes: Any, ls: list[int], measured: list[Any], predicted: list[Any], bands: list[Any], draws: int
) -> None:
    """A measured line with dots, a predicted one, dashed, within its bands; logarithmic where it spans much.

    bands : for one draw, and for the mean over `draws`, by layer the interval or None.
    """
    measured, predicted = positive(measured), positive(predicted)
    labels = ("95 % of single draws", f"95 % of means over {draws}")
    for ends, alpha, label in list(zip(bands, (0.15, 0.25), labels, strict=True))[: 2 if draws > 1 else 1]:
        low, high = ([math.nan if pair is None else pair[k] for pair in ends] for k in (0, 1))
        axes.fill_between(ls, low, high, color=SERIES[1], alpha=alpha, linewidth=0, label=label)
    axes.plot(ls, predicted, color=SERIES[1], linestyle="--", linewidth=1.6, label="predicted")
    axes.plot(ls, measured, color=SERIES[0], marker="o", markersize=3, linewidth=1.4, label="measured")
    axes.set_xlabel("layer")
    axes.locator_params(axis="x", integer=True)
    finite = [v for v in (*measured, *predicted) if not math.isnan(v)]
    if finite and max(finite) > 20 * min(finite):
        axes.set_yscale("log")
    axes.legend(fontsize=8)


def flow_plot(diagnosis: Any) -> str:
    """E‖δ_l‖² of each layer over the top's: what the whole way down does."""
    flow, theory, L = diagnosis.measured, diagnosis.predicted, diagnosis.measured.L
    predicted = [1.0]
    for l in range(L - 1, 0, -1):
        predicted.insert(0, predicted[0] * theory.grad_ratio[l])
    bands = [[diagnosis.ensemble.level_interval(l, k) for l in range(1, L + 1)] for k in (1, diagnosis.seeds)]
    top = flow.layers[L].delta
    measured = [flow.layers[l].delta / top if top else math.nan for l in range(1, L + 1)]

    def draw(axes: Any) -> None:
        draw_compared(axes, list(range(1, L + 1)), measured, predicted, bands, diagnosis.seeds)
        axes.axhline(1, color=INK, linewidth=0.8, linestyle=":")
        axes.set_ylabel("E‖δ$_l$‖² / E‖δ$_L$‖²")

    return svg(draw, "Length of the gradient by layer, measured against predicted", width=6.4, height=3.4)


def length_plot(diagnosis: Any) -> str:
    """q_l, the mean z²."""
    flow, theory, L = diagnosis.measured, diagnosis.predicted, diagnosis.measured.L

    def draw(axes: Any) -> None:
        q = [flow.layers[l].q for l in range(1, L + 1)]
        bands = [[diagnosis.ensemble.q_interval(l, k) for l in range(1, L + 1)] for k in (1, diagnosis.seeds)]
        draw_compared(axes, list(range(1, L + 1)), q, theory.q[1:], bands, diagnosis.seeds)
        axes.set_ylabel("q$_l$ = mean of z²")

    return svg(draw, "Length of z by layer, measured against predicted", width=6.4, height=3.4)


def remedy_plot(diagnosis: Any) -> str:
    """Each remedy's E‖δ_1‖²/E‖δ_L‖², measured and predicted, with the network as it is at the top."""
    own = ("as it is", diagnosis.predicted.top_to_bottom, diagnosis.measured.top_to_bottom)
    rows = [own, *((r.remedy, r.predicted_ratio, r.measured_ratio) for r in diagnosis.remedies if not r.recipe)]
    at = list(range(len(rows)))

    def draw(axes: Any) -> None:
        axes.plot(positive([r[2] for r in rows]), at, "o", color=SERIES[0], label="measured")
        axes.plot(positive([r[1] for r in rows]), at, "D", color=SERIES[1], fillstyle="none", label="predicted")
        axes.axvline(1, color=INK, linewidth=0.8, linestyle=":")
        axes.set_xscale("log")
        axes.set_yticks(at, [r[0] for r in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel("E‖δ$_1$‖² / E‖δ$_L$‖²; 1 is best")
        axes.legend(fontsize=8, loc="best")

    return svg(draw, "Remedies by gradient ratio", width=6.4, height=1.2 + 0.26 * len(rows))


def loss_plot(diagnosis: Any) -> str:
    """The losses of the short trainings: the network as it is, and the best remedies."""
    lines = [("as it is", diagnosis.trial)] + [(r.remedy, r.trial) for r in diagnosis.remedies[:MOST_CURVES]]

    def draw(axes: Any) -> None:
        for k, (name, trial) in enumerate(lines):
            style = {"color": INK if k == 0 else SERIES[k - 1], "linestyle": STYLES[k % len(STYLES)]}
            losses = positive(trial.losses)
            axes.plot(range(1, len(losses) + 1), losses, label=name, linewidth=2.2 if k == 0 else 1.4, **style)
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss")
        axes.locator_params(axis="x", integer=True)
        axes.legend(fontsize=8)

    return svg(draw, "Loss of short trainings, the network as it is and its best remedies", width=6.4, height=3.6)


def spectrum_plot(spectrum: Any) -> str:
    """The singular values in falling order."""
    values = positive(spectrum.values.tolist())

    def draw(axes: Any) -> None:
        axes.plot(range(1, len(values) + 1), values, color=SERIES[0], marker="o", markersize=2.5, linewidth=1)
        if spectrum.predicted_mean:
            label = "predicted root mean square"
            axes.axhline(spectrum.predicted_mean**0.5, color=SERIES[1], linestyle="--", linewidth=1.4, label=label)
            axes.legend(fontsize=8)
        finite = [v for v in values if not math.isnan(v)]
        if finite and max(finite) > 20 * min(finite):
            axes.set_yscale("log")
            axes.set_ylim(bottom=max(min(finite), max(finite) * 1e-17) / 2)
        axes.set_xlabel("number")
        axes.set_ylabel("singular value")

    return svg(draw, "Singular values of the Jacobian from input to output", width=6.4, height=3.2)
