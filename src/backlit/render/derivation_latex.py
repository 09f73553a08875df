"""LaTeX: formulas, which need amsmath alone; a derivation as a document that compiles as it is, and as beamer slides.

The packages are those that every TeX has.
"""

import re
import unicodedata
from collections.abc import Sequence

from backlit.derivation import expressions as tree
from backlit.derivation.document import (
    VERDICTS,
    Block,
    BulletList,
    Check,
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
from backlit.derivation.expressions import Chain, Expr, Num
from backlit.drawing import SIGNS
from backlit.render.diagrams import TIKZ_PREAMBLE, drawn, tikz
from backlit.render.notation import Writer, function, symbol

OPERATORS = {
    "−": "-",
    "·": r" \cdot ",
    "⊙": r" \odot ",
    "≈": r" \approx ",
    "←": r" \leftarrow ",
    "→": r" \to ",
    "⋯": r"\cdots ",
    ",": r",\, ",
    "≤": r" \le ",
    "∑": r"\sum",
    "∏": r"\prod",
    "‖": r"\Vert ",
    ":": r":\ ",
}


class LatexWriter(Writer[str]):
    """Amsmath's LaTeX."""

    def row(self, parts: list[str]) -> str:
        """One after the other."""
        return "".join(parts)

    def number(self, num: Num) -> str:
        r"""1.5e-7 as 1.5\times 10^{-7}."""
        if num.over:
            return ("-" if num.negative else "") + r"\frac{{{}}}{{{}}}".format(*num.over)
        mantissa, _, exponent = num.text.replace("∞", r"\infty").replace("NaN", r"\mathrm{NaN}").partition("e")
        return mantissa + (rf" \times 10^{{{exponent}}}" if exponent else "")

    def sym(self, sym: tree.Sym) -> str:
        """z_{1}^{(2)}."""
        base = symbol(sym).latex
        base = rf"{{{base}}}" if sym.layer or sym.example else base
        below = f"_{{{sym.layer}}}" if sym.layer else ""
        above = f"^{{({sym.example})}}" if sym.example else ""
        return base + below + above

    def at(self, index: tuple[str, ...], of: str) -> str:
        """[W_1]_{2,1}."""
        return f"[{of}]_{{{','.join(index)}}}"

    def partial(self, of: str, by: str) -> str:
        r"""\frac{\partial \ell}{\partial a}."""
        return rf"\frac{{\partial {of}}}{{\partial {by}}}"

    def mark(self, sign: str, *, prefix: bool = False) -> str:
        """A sign; in front of a number it takes no room."""
        made = OPERATORS.get(sign, sign)
        return made if prefix or (sign in OPERATORS and sign != "−") else f" {made} "

    def thin(self) -> str:
        """Between the factors of a matrix product."""
        return r"\, "

    def matrix(self, rows: list[Sequence[str]]) -> str:
        """A bmatrix."""
        return r"\begin{bmatrix} " + r" \\ ".join(map(" & ".join, rows)) + r" \end{bmatrix}"

    def fence(self, left: str, inner: list[str], right: str) -> str:
        """Between two signs that grow."""
        signs = {"‖": (r"\lVert ", r" \rVert"), "|": (r"\lvert ", r" \rvert")}
        if left in signs:
            left, right = signs[left]
        body = "".join(inner)
        if r"\frac" in body or r"\begin" in body or r"\sqrt" in body:
            return rf"\left{left} {body} \right{right}"
        return f"{left}{body}{right}"

    def fraction(self, of: tree.Frac, top: str, bottom: str) -> str:
        r"""\frac{a}{b}."""
        return rf"\frac{{{top}}}{{{bottom}}}"

    def power(self, base: str, exponent: str) -> str:
        """x^{2}."""
        return f"{{{base}}}^{{{exponent}}}"

    def exponential(self, exponent: str) -> str:
        """e^{u}."""
        return f"e^{{{exponent}}}"

    def root(self, of: str) -> str:
        r"""\sqrt{x}."""
        return rf"\sqrt{{{of}}}"

    def transpose(self, of: Expr, part: str) -> str:
        r"""W^{\mathsf T}."""
        return rf"{{{part}}}^{{\mathsf T}}"

    def function(self, name: str) -> str:
        r"""\sigma'."""
        look, prime = function(name)
        return look.latex + ("'" if prime else "")

    def big(self, sign: str, index: str, upper: str, body: str) -> str:
        r"""\sum_{k} …."""
        above = f"^{{{upper}}}" if upper else ""
        return f"{OPERATORS[sign]}_{{{index}}}{above} {body}"

    def mean(self, of: str) -> str:
        r"""\overline{g}."""
        return rf"\overline{{{of}}}"


LATEX = LatexWriter()
latex = LATEX.write  # the formula without dollars


def aligned(chain: tree.Chain) -> str:
    """A chain in an aligned environment, a row for each relation."""
    first, *rest = chain.parts
    rows = [latex(first)]
    for n, (sign, part) in enumerate(zip(chain.relations, rest, strict=True)):
        row = f"&{LATEX.mark(sign)}{latex(part)}"
        if n:
            rows.append(row)
        else:
            rows[0] += row
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"


# --- a derivation -----------------------------------------------------------------------------------------------------

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
    return "\n".join([PREAMBLE + TIKZ_PREAMBLE, r"\begin{document}", *head, *body, r"\end{document}", ""])


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
        made += ["", f"Checked by {checked(check)}."]
    return made


def checked(check: Check) -> str:
    """A check in words."""
    verdict = VERDICTS[check.ok] if check.ok else rf"\textbf{{{VERDICTS[check.ok]}}}"
    return f"{escaped(check.kind)}: {verdict}, relative error ${power(check.error)}$"


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


# --- slides: a step a frame, with its law, its words, some of its numbers, and what was checked -----------------------

SLIDE = (380.0, 170.0)  # pt that a slide has for the network's drawing
SLIDES = r"""\documentclass[10pt,aspectratio=169]{beamer}
\usepackage[utf8]{inputenc}
\usepackage{amsmath,amssymb,graphicx,tikz}
\usefonttheme[onlymath]{serif}
\setbeamertemplate{navigation symbols}{}
\setbeamertemplate{footline}[frame number]
\setcounter{MaxMatrixCols}{20}
\setlength{\parskip}{4pt}
\newsavebox{\wide}
% a formula as it is, or scaled down to the width of the text
\newcommand{\fit}[1]{\savebox{\wide}{$\displaystyle #1$}%
  \ifdim\wd\wide>\linewidth\par\noindent\resizebox{\linewidth}{!}{\usebox{\wide}}\par
  \else\par\noindent\usebox{\wide}\par\fi}
"""


def to_beamer(derivation: Derivation) -> str:
    """The whole talk: title, the network, each step."""
    head = [rf"\title{{{escaped(derivation.title)}}}", rf"\subtitle{{{escaped(derivation.subtitle)}}}", r"\date{}"]
    frames = [r"\frame{\titlepage}"]
    for section in derivation.sections:
        if section.id in ("glance", "why"):
            lines = [line for block in section.blocks for line in (*block_lines(block), "")]
            frames.append(frame(section.title, lines))
    if derivation.network:
        picture = tikz(drawn(derivation.network), escaped, SLIDE)
        frames.append(frame("The network", [r"\centering", picture]))
    frames += [frame(step.title, beamer_lines(step), step) for step in derivation.steps()]
    if derivation.stopped:  # the last section begins with why the derivation ends here
        frames.append(frame("Why it ends here", block_lines(derivation.sections[-1].blocks[0])))
    return "\n".join([SLIDES + TIKZ_PREAMBLE, *head, r"\begin{document}", *frames, r"\end{document}", ""])


def frame(title: str, lines: list[str], step: Step | None = None) -> str:
    """A slide, its content made smaller where it would not fit."""
    sign = rf"\textcolor{{{step.way}}}{{{escaped(SIGNS[step.way])}}} " if step else ""
    number = f" ({step.equation})" if step and step.equation else ""
    return "\n".join([rf"\begin{{frame}}[shrink]{{{sign}{escaped(title)}{number}}}", *lines, r"\end{frame}"])


def beamer_lines(step: Step) -> list[str]:
    """First the law and its words; then, one click each, the numbers; then what was checked."""
    made = [rf"\fit{{{shown(step.law)}}}", "", escaped(step.sentence)]
    for line in step.in_brief:
        label = [rf"{{\small {escaped(line.label)}}}", ""] if line.label else []
        made += ["", r"\pause", *label, rf"\fit{{{shown(line.chain)}}}"]
    for check in step.checks:
        made += ["", rf"{{\footnotesize {checked(check)}}}"]
    return made
