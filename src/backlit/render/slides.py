"""A derivation as slides, a step a slide: LaTeX's beamer, and one SVG a step, which Typst draws (extra `pdf`).

A slide has the step's law, its words, the numbers of the first example and of all, one entry, and what was checked.
"""

from backlit.derivation.document import Derivation, Diagram, Line, Step
from backlit.drawing import HUES, SIGNS
from backlit.errors import BacklitError
from backlit.render import derivation_latex, derivation_typst
from backlit.render.derivation_latex import escaped, shown
from backlit.render.diagram_formats import TIKZ_PREAMBLE, TYPST_PREAMBLE, picture_typst, tikz
from backlit.render.diagrams import drawn

ENTRIES = 1  # of a step that a slide works
ROOM = {"beamer": (380.0, 170.0), "typst": (190.0, 150.0)}  # pt for the network's drawing

BEAMER = r"""\documentclass[10pt,aspectratio=169]{beamer}
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
TYPST = """#set page(width: 16cm, height: 9cm, margin: 0.8cm)
#set text(size: 11pt)
// what does not fit its room is set wider and made smaller
#let shrunk(body) = layout(size => {
  let k = 1.0
  while k < 4 and measure(block(width: size.width * k, body)).height > size.height * k { k += 0.1 }
  scale(100% / k, origin: top + left, reflow: true, block(width: size.width * k, body))
})
"""


def shown_lines(step: Step) -> list[Line]:
    """The numbers that a slide has room for: of the first example and of all, and then an entry.

    >>> from backlit import explain
    >>> [line.id for line in shown_lines(explain(example="worked").derivation.step("delta[1]"))]
    ['', 'delta[1][0,0]']
    """
    ends = step.lines if len(step.lines) < 3 else (step.lines[0], step.lines[-1])
    return [*ends, *step.entries[:ENTRIES]]


# --- beamer -----------------------------------------------------------------------------------------------------------


def to_beamer(derivation: Derivation) -> str:
    """The whole talk: title, the network, each step."""
    head = [rf"\title{{{escaped(derivation.title)}}}", rf"\subtitle{{{escaped(derivation.subtitle)}}}", r"\date{}"]
    frames = [r"\frame{\titlepage}"]
    for section in derivation.sections:
        if section.id in ("glance", "why"):
            lines = [line for block in section.blocks for line in (*derivation_latex.block_lines(block), "")]
            frames.append(frame(section.title, lines))
    if derivation.network:
        picture = tikz(drawn(derivation.network), escaped, ROOM["beamer"])
        frames.append(frame("The network", [r"\centering", picture]))
    frames += [frame(step.title, beamer_lines(step), step) for step in derivation.steps()]
    if derivation.stopped:  # the last section begins with why the derivation ends here
        frames.append(frame("Why it ends here", derivation_latex.block_lines(derivation.sections[-1].blocks[0])))
    return "\n".join([BEAMER + TIKZ_PREAMBLE, *head, r"\begin{document}", *frames, r"\end{document}", ""])


def frame(title: str, lines: list[str], step: Step | None = None) -> str:
    """A slide, its content made smaller where it would not fit."""
    sign = rf"\textcolor{{{step.way}}}{{{escaped(SIGNS[step.way])}}} " if step else ""
    number = f" ({step.equation})" if step and step.equation else ""
    return "\n".join([rf"\begin{{frame}}[shrink]{{{sign}{escaped(title)}{number}}}", *lines, r"\end{frame}"])


def beamer_lines(step: Step) -> list[str]:
    """First the law and its words; then, one click each, the numbers; then what was checked."""
    made = [rf"\fit{{{shown(step.law)}}}", "", escaped(step.sentence)]
    for line in shown_lines(step):
        label = [rf"{{\small {escaped(line.label)}}}", ""] if line.label else []
        made += ["", r"\pause", *label, rf"\fit{{{shown(line.chain)}}}"]
    for check in step.checks:
        verdict = "agrees" if check.ok else r"\textbf{disagrees}"
        error = derivation_latex.power(check.error)
        made += ["", rf"{{\footnotesize {escaped(check.kind)}: {verdict}, relative error ${error}$}}"]
    return made


# --- SVG --------------------------------------------------------------------------------------------------------------


def svg_steps(derivation: Derivation) -> dict[str, str]:
    """An SVG a step by its file's name, such as `03-delta-2.svg`; BacklitError if Typst is not installed."""
    try:
        import typst as compiler
    except ImportError:
        raise BacklitError("SVGs are drawn by Typst, which is not installed: pip install 'backlit[pdf]'") from None
    steps = list(derivation.steps())
    source = "\n".join([TYPST, derivation_typst.FITTING + TYPST_PREAMBLE, "#pagebreak()\n".join(
        typst_page(step, derivation.network) for step in steps)])  # fmt: skip
    pages = compiler.compile(source.encode(), format="svg")
    drawn_pages = [pages] if isinstance(pages, bytes) else pages
    digits = len(str(len(steps)))
    names = (f"{n:0{digits}}-{step.id.replace('[', '-').replace(']', '')}.svg" for n, step in enumerate(steps, start=1))
    return {name: page.decode() for name, page in zip(names, drawn_pages, strict=True)}


def typst_page(step: Step, network: Diagram | None) -> str:
    """One slide: words and numbers, and the network beside them."""
    number = f" ({step.equation})" if step.equation else ""
    sign = f'#text(fill: rgb("{HUES[step.way]}"))[{SIGNS[step.way]}]'
    said = derivation_typst.escaped
    made = [f"#text(size: 15pt)[{sign} *{said(step.title + number)}*]", "", derivation_typst.display(step.law), ""]
    made += [said(step.sentence)]
    for line in shown_lines(step):
        label = f"#text(size: 9pt)[{said(line.label)}]\n\n" if line.label else ""
        made += ["", label + derivation_typst.display(line.chain)]
    for check in step.checks:
        made += ["", f"#text(size: 8pt)[Checked by {derivation_typst.checked(check)}.]"]
    beside = picture_typst(drawn(network), said, ROOM["typst"]) if network else ""
    text = "\n".join(made)
    return f"#shrunk[#grid(columns: (1fr, auto), gutter: 0.5cm)[\n{text}\n][\n{beside}\n]]\n"
