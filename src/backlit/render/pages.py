"""What all pages of Backlit share: templates, filled and escaped, a font, and plots that take the page's colors.

A page fetches nothing.
"""

import io
import re
from base64 import b64encode
from collections.abc import Sequence
from functools import lru_cache
from html import escape
from importlib.resources import files
from typing import Any


@lru_cache
def environment() -> Any:
    """The templates of this package; what is inserted is escaped unless it is marked as markup."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("backlit.render"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page(template: str, **values: Any) -> str:
    """Fill a template."""
    return environment().get_template(template).render(**values)


@lru_cache
def font() -> str:
    """The mathematics' font as a data URL."""
    content = files("backlit.render").joinpath("explorer/math.woff2").read_bytes()
    return "data:font/woff2;base64," + b64encode(content).decode()


def font_face() -> str:
    """The rule that brings the font in."""
    return f'@font-face {{ font-family: "Backlit Math"; src: url({font()}) format("woff2"); }}'


def frame(document: str, title: str) -> str:
    """A page in a frame, so that a notebook's style and the page's leave each other alone."""
    return (
        f'<iframe srcdoc="{escape(document, quote=True)}" title="{escape(title)}" style="width:100%;height:40rem;'
        'border:1px solid currentColor"></iframe>'
    )


# --- plots by Matplotlib ----------------------------------------------------------------------------------------------

# Figures are drawn in stand-in colors, and each is then replaced by a CSS variable, so that one picture suits a light
# page, a dark one and paper.  Text stays text, in the page's font.

INK, FAINT = "#010101", "#020202"
SERIES = ("#030303", "#040404", "#050505", "#060606", "#070707", "#080808")
VARIABLES = {INK: "--ink", FAINT: "--line", **{color: f"--series-{k}" for k, color in enumerate(SERIES, start=1)}}
STYLES = ("-", "--", "-.", ":")
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": FAINT,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "legend.frameon": False,
}


def svg(draw: Any, title: str, *, width: float = 4.8, height: float = 3.0) -> str:
    """Draw on a figure's one pair of axes by `draw(axes)` and give the SVG element; `title` is read out, not shown."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context({**STYLE, "svg.hashsalt": title}):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.add_subplot())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return themed(buffer.getvalue(), title)


def themed(text: str, title: str) -> str:
    """The <svg> element alone, with the page's colors, a name for screen readers and no size of its own."""
    from markupsafe import escape

    element = text[text.index("<svg") :]
    for color, variable in VARIABLES.items():
        element = element.replace(color, f"var({variable})")
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = re.sub(r'font: (\d+(?:\.\d+)?)px [^;"]*', r"font-size: \1px; font-family: inherit", element)
    element = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", element, count=1)
    element = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", element, count=1)
    return element.replace("<svg", f'<svg role="img" aria-label="{escape(title)}"', 1)


def line_style(k: int) -> dict[str, Any]:
    """How line k of a plot is drawn, told apart by dashes as well as color."""
    return {"color": SERIES[k % len(SERIES)], "linestyle": STYLES[k // len(SERIES) + k % 2], "linewidth": 1.6}


def curves(
    lines: dict[str, Sequence[float]],
    title: str,
    *,
    ylabel: str,
    log: bool = False,
    mark: tuple[int, str] | None = None,
) -> str:
    """Lines over epochs 1, 2, …; `mark` names one epoch by a vertical line."""

    def draw(axes: Any) -> None:
        for k, (name, values) in enumerate(lines.items()):
            marker = "o" if len(values) == 1 else None
            axes.plot(range(1, len(values) + 1), values, label=name, marker=marker, **line_style(k))
        if mark is not None:
            axes.axvline(mark[0], color=INK, linewidth=0.8, linestyle=":")
            axes.annotate(
                mark[1],
                (mark[0], 1),
                xycoords=("data", "axes fraction"),
                xytext=(0, 3),
                ha="center",
                textcoords="offset points",
                fontsize=8,
            )  # fmt: skip  above the frame, where no legend is
        if log:
            axes.set_yscale("log")
        axes.set_xlabel("epoch")
        axes.set_ylabel(ylabel)
        axes.locator_params(axis="x", integer=True)
        axes.legend(loc="best", fontsize=8)

    return svg(draw, title)


def against(x: Sequence[float], y: Sequence[float], title: str, *, xlabel: str, ylabel: str) -> str:
    """Points with the line of equality."""

    def draw(axes: Any) -> None:
        axes.scatter(x, y, s=9, color=SERIES[0], alpha=0.6, linewidths=0)
        low, high = min(min(x), min(y)), max(max(x), max(y))
        axes.plot([low, high], [low, high], color=INK, linewidth=0.8, linestyle="--")
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)

    return svg(draw, title, width=4.2, height=3.6)


def histogram(values: Sequence[float], title: str, *, xlabel: str) -> str:
    """How often values fall where."""

    def draw(axes: Any) -> None:
        axes.hist(values, bins=30, color=SERIES[1], alpha=0.8)
        axes.axvline(0, color=INK, linewidth=0.8, linestyle="--")
        axes.set_xlabel(xlabel)
        axes.set_ylabel("rows")

    return svg(draw, title, width=4.2, height=3.6)


def class_curves(
    lines: dict[str, Any], title: str, *, xlabel: str, ylabel: str, chance: bool = False, points: bool = False
) -> str:
    """Curves (n, 2) within the unit square, by name; `chance` draws the diagonal, `points` marks each point."""

    def draw(axes: Any) -> None:
        for k, (name, xy) in enumerate(lines.items()):
            axes.plot(xy[:, 0], xy[:, 1], label=name, marker="o" if points else None, **line_style(k))
        if chance:
            axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":")
        axes.set_xlim(-0.01, 1.01)
        axes.set_ylim(-0.01, 1.01)
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        axes.legend(loc="best", fontsize=8)

    return svg(draw, title, width=4.2, height=3.6)
