"""A derivation as a LaTeX document that compiles as it is, with packages that every TeX has."""

import re
import unicodedata

from backlit.derivation.document import (
    Block,
    BulletList,
    Derivation,
    Diagram,
    Formula,
    Line,
    Paragraph,
    Plot,
    Section,
    Step,
    Table,
    Text,
)
from backlit.derivation.expressions import Chain, Expr
from backlit.drawing import SIGNS
from backlit.render.diagram_formats import TIKZ_PREAMBLE as COLORS
from backlit.render.diagram_formats import tikz
from backlit.render.diagrams import drawn
from backlit.render.latex import aligned, latex

PREAMBLE = r"""\documentclass[10pt,a4paper]{article}
\usepackage[utf8]{inputenc}
\usepackage{amsmath,amssymb,graphicx,tikz}
\usepackage[margin=2.2cm]{geometry}
\setcounter{MaxMatrixCols}{20}
\setlength{\parindent}{0pt}
\setlength{\parskip}{4pt}
\newsavebox{\wide}
% a formula as it is, or scaled down to the width of the text
\newcommand{\fit}[1]{\savebox{\wide}{$\displaystyle #1$}%
  \ifdim\dimexpr\wd\wide+1em\relax>\linewidth\par\noindent\resizebox{\linewidth}{!}{\usebox{\wide}}\par
  \else\par\noindent\hspace*{1em}\usebox{\wide}\par\fi}
"""
MARKS = {
    "−": "$-$",
    "×": r"$\times$",
    "⊙": r"$\odot$",
    "·": r"$\cdot$",
    "∂": r"$\partial$",
    "ℓ": r"$\ell$",
    "′": "$'$",
    "ᵀ": r"$^{\mathsf T}$",
    "√": r"$\sqrt{\ }$",
    "∏": r"$\prod$",
    "≈": r"$\approx$",
    "≤": r"$\le$",
    "→": r"$\to$",
    "∞": r"$\infty$",
    "‖": r"$\Vert$",
    "’": "'",
    "“": "``",
    "”": "''",
    "–": "--",
    "--": "-{}-",  # an option's, not a dash
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    '"': r"{\ttfamily\char34}",
    "…": r"\ldots{}",
    "⋯": r"$\cdots$",
    "½": r"$\tfrac12$",
    "²": "$^2$",
    "x̂": r"$\hat x$",
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "γ": r"$\gamma$",
    "δ": r"$\delta$",
    "ε": r"$\varepsilon$",
    "η": r"$\eta$",
    "θ": r"$\theta$",
    "λ": r"$\lambda$",
    "μ": r"$\mu$",
    "σ": r"$\sigma$",
    "φ": r"$\varphi$",
    "ω": r"$\omega$",
    "Σ": r"$\Sigma$",
    "▲": r"$\blacktriangle$",
    "▼": r"$\blacktriangledown$",
    "●": r"$\bullet$",
    "⋮": r"$\vdots$",
    **{c: f"$_{n}$" for n, c in enumerate("₀₁₂₃₄₅₆₇₈₉")},
    **{c: f"$^{n}$" for n, c in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹") if n not in (2,)},
    "⁻": "$^-$",
}
ESCAPES = {c: "\\" + c for c in "#$%&_{}"} | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}"} | {"^": r"\^{}"}


def to_latex(derivation: Derivation) -> str:
    """The whole document."""
    body = [line for section in derivation.sections for line in section_lines(section)]
    head = [rf"\section*{{{escaped(derivation.title)}}}", escaped(derivation.subtitle), ""]
    return "\n".join([PREAMBLE + COLORS, r"\begin{document}", *head, *body, r"\end{document}", ""])


def escaped(text: str) -> str:
    """Plain words for LaTeX; letters and signs that it lacks are set as mathematics."""
    signs = re.findall("x̂|--|.", text, re.DOTALL)
    return "".join(ESCAPES.get(c) or MARKS.get(c) or (c if ord(c) < 256 else plain(c)) for c in signs)


def plain(c: str) -> str:
    """A letter without its accents, or nothing, where the fonts have no glyph for it."""
    return unicodedata.normalize("NFKD", c).encode("ascii", "ignore").decode()


def words(parts: Text) -> str:
    """Words and formulas."""
    return "".join(escaped(part) if isinstance(part, str) else f"${latex(part)}$" for part in parts)


def section_lines(section: Section) -> list[str]:
    """A section."""
    made = [rf"\subsection*{{{escaped(section.title)}}}"]
    for block in section.blocks:
        made += [*block_lines(block), ""]
    return made


def shown(expr: Expr) -> str:
    """A chain in rows, or a formula."""
    return aligned(expr) if isinstance(expr, Chain) else latex(expr)


def block_lines(block: Block) -> list[str]:
    """One block."""
    match block:
        case Step():
            return step_lines(block)
        case Paragraph():
            return [words(block.parts)]
        case Formula():
            tag = rf" \qquad \text{{({block.equation})}}" if block.equation else ""
            return [rf"\fit{{{shown(block.chain)}{tag}}}"]
        case Table():
            return table_lines(block)
        case BulletList():
            kind = "enumerate" if block.numbered else "itemize"
            return [rf"\begin{{{kind}}}", *(rf"\item {words(item)}" for item in block.items), rf"\end{{{kind}}}"]
        case Plot() | Diagram():
            return [tikz(drawn(block), escaped), "", rf"\emph{{{escaped(block.caption)}}}"]


def step_lines(step: Step) -> list[str]:
    """One step."""
    equation = f" ({step.equation})" if step.equation else ""
    sign = rf"\textcolor{{{step.way}}}{{{escaped(SIGNS[step.way])}}}"
    name = rf"\texttt{{{escaped(step.id)}}}\quad ${latex(step.formula)}$"
    made = [rf"\paragraph{{{sign} {escaped(step.title)}{equation}}} {name}", "", escaped(step.sentence)]
    if step.shapes:
        made.append("Shapes: " + ", ".join(f"${latex(of)}$ is {escaped(size)}" for of, size in step.shapes) + ".")
    made += [words(note) for note in step.notes]
    for line in step.lines:
        made += worked(line)
    if step.entries:
        made += ["", "Entry by entry:"]
        made += [text for line in step.entries for text in worked(line)]
    if step.hidden:
        made.append(escaped(step.hidden))
    for check in step.checks:
        verdict = "agrees" if check.ok else r"\textbf{disagrees}"
        made += ["", rf"Checked by {check.kind}: {verdict}, relative error ${power(check.error)}$."]
    return made


def power(value: float) -> str:
    r"""1.2e-10 as 1.2 \times 10^{-10}."""
    mantissa, exponent = f"{value:.1e}".split("e")
    return rf"{mantissa} \times 10^{{{int(exponent)}}}"


def worked(line: Line) -> list[str]:
    """A worked line with its label."""
    label = [f"{escaped(line.label)}:"] if line.label else []
    return [*label, rf"\fit{{{shown(line.chain)}}}"]


def table_lines(table: Table) -> list[str]:
    """A tabular that is scaled to the page where it is wide."""
    rows = [" & ".join(words(cell) for cell in row) + r" \\" for row in (table.header, *table.rows)]
    rows.insert(1, r"\hline")
    content = "\n".join(rows)
    columns = "l" * len(table.header)
    tabular = f"\\begin{{tabular}}{{{columns}}}\n{content}\n\\end{{tabular}}"
    return [rf"\emph{{{escaped(table.caption)}}}", "", rf"\fit{{\text{{{tabular}}}}}"]
