"""A diagnosis in the terminal.  It reads a `backlit.diagnosis.Diagnosis`."""

import math
from typing import Any

COLORS = {"healthy": "green", "vanishing": "red", "exploding": "red"}
MOST_ROWS = 24


def show_diagnosis(diagnosis: Any) -> None:
    """Print the verdict, the theory, the layers, the findings and the remedies."""
    from rich.console import Console

    console = Console()
    color = COLORS[diagnosis.verdict]
    console.print(f"[bold]{diagnosis.subject.name}[/bold]: [bold {color}]{diagnosis.verdict}[/]", highlight=False)
    for finding in diagnosis.findings:
        console.print(f"  • {finding.message}", highlight=False)
    console.print(f"\nTheory of layer {diagnosis.layer} repeated: {theory_line(diagnosis.theory)}", highlight=False)
    console.print(layer_table(diagnosis))
    if diagnosis.remedies:
        console.print(remedy_table(diagnosis))


def number(value: float | None) -> str:
    """Four significant digits; a dash for what is not defined.

    >>> number(0.123456), number(None), number(float("inf"))
    ('0.1235', '–', '∞')
    """
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.4g}".replace("inf", "∞")


def theory_line(theory: Any) -> str:
    """The fixed point in one line."""
    named = {"q*": theory.q_star, "χ₁": theory.chi_1, "c*": theory.c_star}
    named |= {"ξ_q": theory.xi_q, "ξ_c": theory.xi_c, "ξ_∇": theory.xi_grad}
    return ", ".join(f"{name} = {number(value)}" for name, value in named.items())


def shown_rows(L: int) -> list[int]:
    """All layers, or of a deep network MOST_ROWS from first to last."""
    step = (L - 1) / (min(L, MOST_ROWS) - 1) if L > 1 else 1.0
    return [round(1 + k * step) for k in range(min(L, MOST_ROWS))]


def layer_table(diagnosis: Any) -> Any:
    """Measured beside predicted, layer by layer."""
    from rich.table import Table

    table = Table(title="Flow: q is the mean of z², ratio is E‖δ_l‖²/E‖δ_{l+1}‖² = weight term × derivative term")
    for heading in ("l", "q", "predicted", "ratio", "predicted", "weight", "derivative", "dead", "saturated"):
        table.add_column(heading, justify="right")
    names = ("q_measured", "q_predicted", "grad_ratio_measured", "grad_ratio_predicted", "weight_term")
    for l in shown_rows(diagnosis.measured.L):
        row = diagnosis.row(l)
        shares = (f"{row['dead_fraction']:.0%}", f"{row['saturated_fraction']:.0%}")
        table.add_row(str(l), *(number(row[name]) for name in (*names, "derivative_term")), *shares)
    return table


def remedy_table(diagnosis: Any) -> Any:
    """The remedies, best first."""
    from rich.table import Table

    table = Table(title="Remedies by E‖δ_1‖²/E‖δ_L‖², best first")
    table.add_column("remedy")
    table.add_column("predicted", justify="right")
    table.add_column("measured", justify="right")
    for remedy in diagnosis.remedies:
        table.add_row(remedy.remedy, number(remedy.predicted_ratio), number(remedy.measured_ratio))
    return table
