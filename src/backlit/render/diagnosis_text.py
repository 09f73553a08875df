"""A diagnosis in the terminal.  It reads a `backlit.diagnosis.Diagnosis`."""

import math
from collections.abc import Iterator
from typing import Any

from backlit import terminal

APPROACHES = {"exponential": "exponentially", "polynomial": "as a power of depth", "kept": "every c is kept"}
MOST_ROWS = 24
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
