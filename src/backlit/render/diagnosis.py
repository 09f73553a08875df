"""A diagnosis shown, a `backlit.diagnosis.Diagnosis`: as one page that fetches nothing, and in the terminal."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from backlit import terminal
from backlit.render.pages import INK, SERIES, STYLES, frame, page, svg

HEADLINES = {
    "healthy": "Healthy: in a typical example ‖δ‖² at bottom and top differ by at most a factor of 1000.",
    "vanishing": "Vanishing: the gradient fades on its way down.",
    "exploding": "Exploding: the gradient grows on its way down.",
    "chaotic": "Exploding, for the network is chaotic: inputs that are alike move apart from layer to layer.",
    "dead": "Vanishing, for units are dead: slopes of 0 cut the gradient off.",
    "diverging": "Exploding, for training diverges: the loss grows without end.",
    "symmetric": "Vanishing, for units are all alike: equal weights get equal gradients.",
}
MOST_LAYERS, MOST_CURVES = 60, 5  # of a page


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


def positive(values: list[Any]) -> list[float]:
    """Numbers for a logarithmic axis: NaN, which leaves a gap, for what has no logarithm."""
    return [float(v) if v is not None and math.isfinite(v) and v > 0 else math.nan for v in values]


def spans_much(*values: float) -> bool:
    """Whether positive numbers, or NaN, are so far apart that a logarithmic axis shows them better."""
    finite = [v for v in values if not math.isnan(v)]
    return bool(finite) and max(finite) > 20 * min(finite)


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
    if spans_much(*measured, *predicted):
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
        if spans_much(*values):
            axes.set_yscale("log")
            axes.set_ylim(bottom=max(np.nanmin(values), np.nanmax(values) * 1e-17) / 2)
        axes.set_xlabel("number")
        axes.set_ylabel("singular value")

    return svg(draw, "Singular values of the Jacobian from input to output", width=6.4, height=3.2)


# --- in the terminal --------------------------------------------------------------------------------------------------

APPROACHES = {"exponential": "exponentially", "polynomial": "as a power of depth", "kept": "every c is kept"}
MOST_ROWS = 24  # of a terminal
WIDE = 110  # columns of a terminal that has room for four digits and bars
HEADINGS = ("l", "q", "predicted", "ratio", "predicted", "weight", "derivative", "dead", "saturated")
BRIEF = ("l", "q", "pred.", "ratio", "pred.", "weight", "deriv.", "dead", "sat.")


def show_diagnosis(diagnosis: Any, console: Any = None) -> None:
    """Print what to do, the regime, the findings, the theory, the layers and the remedies."""
    console = console or terminal.console()
    for part in parts_of(diagnosis, wide=console.width >= WIDE):
        console.print(part, highlight=False)


def diagnosis_text(diagnosis: Any) -> str:
    """The same as plain text of 80 columns."""
    return terminal.as_text(*parts_of(diagnosis, wide=False))


def parts_of(diagnosis: Any, *, wide: bool) -> Iterator[Any]:
    """What is printed, part by part."""
    from rich.text import Text

    name, regime = diagnosis.subject.name, regime_text(diagnosis)
    color = "green" if diagnosis.verdict == "healthy" else "red"
    yield Text(diagnosis.advice, "bold")  # a file's name is no markup
    yield Text.assemble((name, "bold"), ": ", (regime, f"bold {color}"))
    yield finding_list(diagnosis)
    yield f"\nTheory of layer {diagnosis.layer} repeated: {theory_line(diagnosis.theory)}\n"
    some = f" ({MOST_ROWS} of {L})" if (L := diagnosis.subject.net.L) > MOST_ROWS else ""
    yield f"By layer{some}: q = E z², ratio = E‖δ_l‖²/E‖δ_{{l+1}}‖² = weight × derivative term"
    yield layer_table(diagnosis, wide=wide)
    yield band_line(diagnosis)
    yield f"\nJacobian ∂a_L/∂a_0: {spectrum_line(diagnosis.spectrum)}\n"
    if diagnosis.remedies:
        yield remedy_title(diagnosis)
        yield remedy_table(diagnosis)


def regime_text(diagnosis: Any) -> str:
    """The verdict, and the regime if it says more.

    >>> from types import SimpleNamespace
    >>> regime_text(SimpleNamespace(verdict="exploding", regime="chaotic"))
    'exploding (chaotic)'
    """
    verdict, regime = diagnosis.verdict, diagnosis.regime
    return verdict if verdict == regime else f"{verdict} ({regime})"


def band_line(diagnosis: Any) -> str:
    """Top to bottom with what networks of this width show."""
    flow, theory = diagnosis.measured.top_to_bottom, diagnosis.predicted.top_to_bottom
    said = f"Top to bottom: ratio {number(flow)}, predicted {number(theory)}"
    single, mean = (diagnosis.ensemble.total_interval(k) for k in (1, diagnosis.seeds))
    if single is None or mean is None:
        return said
    said += f"; 95 % of networks of this width: {number(single[0], 3)} to {number(single[1], 3)}"
    if diagnosis.seeds > 1:
        said += f", of means over {diagnosis.seeds}: {number(mean[0], 3)} to {number(mean[1], 3)}"
        said += "" if diagnosis.ensemble.trusted else " (a guess: single ones differ too much)"
    return said if diagnosis.prediction_is_near else f"{said}. The prediction, of endless width, is far from it"


def finding_list(diagnosis: Any) -> Any:
    """The findings, one a bullet; what a line has no room for goes on below its text."""
    from rich.table import Table

    grid = Table.grid(padding=(0, 1))
    for finding in diagnosis.findings:
        grid.add_row("  •", finding.message)
    return grid


def number(value: float | None, digits: int = 4) -> str:
    """Four significant digits, or as many as told; a dash for what is not defined.

    >>> number(0.123456), number(None), number(float("inf"))
    ('0.1235', '–', '∞')
    """
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.{digits}g}".replace("inf", "∞")


def theory_rows(theory: Any) -> list[tuple[str, str]]:
    """The fixed point: what, how much."""
    named = {"q*": theory.q_star, "q_{l+1}/q_l": theory.divergence_rate, "χ₁": theory.chi_1, "c*": theory.c_star}
    named |= {"ξ_q": theory.xi_q, "ξ_c": theory.xi_c, "ξ_∇": theory.xi_grad}
    rows = {name: number(value) for name, value in named.items() if value is not None or name != "q_{l+1}/q_l"}
    if theory.c_approach is not None:
        rows["c*"] += f" ({APPROACHES[theory.c_approach]})"
    rows |= {} if theory.batch is None else {"batch": str(theory.batch)}
    rows |= {} if theory.batch_factor is None else {"its unevenness × a layer": number(theory.batch_factor)}
    return list(rows.items())


def theory_line(theory: Any) -> str:
    """The fixed point in one line."""
    return ", ".join(f"{name} = {value}" for name, value in theory_rows(theory))


def spectrum_line(spectrum: Any) -> str:
    """The singular values in one line."""
    low, high = number(float(spectrum.values[-1])), number(float(spectrum.values[0]))
    said = f"singular values {low} … {high}, mean square {number(spectrum.mean)}"
    if spectrum.cases > 1:
        said += (
            f" ({number(spectrum.level)} ± {number(spectrum.deviation, 2)} over {spectrum.cases} draws and examples)"
        )
    said += f" (predicted {number(spectrum.predicted_mean)}), variance/mean² {number(spectrum.variance)}"
    return said + f" (predicted {number(spectrum.predicted_variance)})"


def bar(value: float | None, low: float, high: float, width: int = 12) -> str:
    """A bar as long as log `value` lies between log `low` and log `high`; nothing for what has no logarithm.

    >>> bar(1e-2, 1e-4, 1.0, width=8), bar(0.0, 1e-4, 1.0)
    ('━━━━', '')
    """
    if value is None or not math.isfinite(value) or value <= 0 or not 0 < low < high:
        return ""
    return "━" * round(width * min(max(math.log(value / low) / math.log(high / low), 0), 1))


def sparkline(losses: list[float]) -> str:
    """A loss curve in eight heights; × where it diverged.

    >>> sparkline([8.0, 4.0, 1.0, float("inf")])
    '█▄▁×'
    """
    finite = [v for v in losses if math.isfinite(v)]
    low, span = min(finite, default=0.0), max(finite, default=0.0) - min(finite, default=0.0)
    return "".join("▁▂▃▄▅▆▇█"[int(7 * (v - low) / (span or 1))] if math.isfinite(v) else "×" for v in losses)


def shown_rows(L: int) -> list[int]:
    """All layers, or of a deep network MOST_ROWS from first to last."""
    step = (L - 1) / (min(L, MOST_ROWS) - 1) if L > 1 else 1.0
    return [round(1 + k * step) for k in range(min(L, MOST_ROWS))]


def layer_table(diagnosis: Any, *, wide: bool) -> Any:
    """Measured beside predicted, layer by layer; 80 columns hold three digits of each, more have room for bars."""
    from rich.table import Table

    table = Table(box=None, header_style="dim", pad_edge=False)
    for heading in HEADINGS if wide else BRIEF:
        table.add_column(heading, justify="right", no_wrap=True)
    if wide:
        table.add_column("‖δ‖²", justify="left", no_wrap=True)
    deltas = [layer.delta for layer in diagnosis.measured.layers[1:] if 0 < layer.delta < math.inf]
    low, high = min(deltas, default=1.0) / 2, max(deltas, default=1.0)
    names = ("q_measured", "q_predicted", "grad_ratio_measured", "grad_ratio_predicted", "weight_term")
    for l in shown_rows(diagnosis.measured.L):
        row = diagnosis.row(l)
        shares = (f"{row['dead_fraction']:.0%}", f"{row['saturated_fraction']:.0%}")
        cells = [str(l), *(number(row[name], 4 if wide else 3) for name in (*names, "derivative_term")), *shares]
        table.add_row(*cells, *((bar(row["delta_norm"] ** 2, low, high),) if wide else ()))
    return table


def remedy_title(diagnosis: Any) -> str:
    """What the remedies are ranked by."""
    return (
        "Remedies by "
        + {
            "training loss": "the loss that a short training leaves",
            "probe loss": "the loss that a few training steps leave (--train N takes longer), those without by ratio",
            "gradient ratio": "E‖δ_1‖²/E‖δ_L‖² (--train N ranks by a training's loss)",
        }[diagnosis.ranked_by]
        + ", best first"
    )


def left_of(subject: Any) -> str:
    """The loss that a remedy's, or the diagnosis's own, training or probe leaves."""
    made = subject.trial or subject.probe
    return "" if made is None else "diverged" if math.isinf(made.left) else number(made.left)


def remedy_table(diagnosis: Any) -> Any:
    """The remedies, best first."""
    from rich.table import Table

    trained, probed = diagnosis.trial is not None, diagnosis.ranked_by == "probe loss"
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("remedy")
    for heading in (
        "predicted",
        "measured",
        *(("loss left",) if trained or probed else ()),
        *(("steps",) if probed else ()),
    ):
        table.add_column(heading, justify="right")
    if trained:
        table.add_column("loss by epoch", no_wrap=True)
    own = ("as it is", diagnosis.predicted.top_to_bottom, diagnosis.measured.top_to_bottom, diagnosis)
    rows = [own] if trained or probed else []
    rows += [(remedy.remedy, remedy.predicted_ratio, remedy.measured_ratio, remedy) for remedy in diagnosis.remedies]
    for name, predicted, measured, made in rows:
        cells = [name, number(predicted), number(measured), *((left_of(made),) if trained or probed else ())]
        cells += [str(made.probe.steps) if made.probe else ""] if probed else []
        table.add_row(*cells, *((sparkline(made.trial.losses[:40]),) if trained else ()))
    return table
