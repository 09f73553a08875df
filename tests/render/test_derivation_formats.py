"""All formats show the same numbers; LaTeX and Typst compile where the tool is; the page fetches nothing."""

import re
import subprocess
import sys
from collections import Counter

import pytest
from tests.derivation.reading.text import SUPERSCRIPTS
from tests.derivation.worked import explained
from tests.helpers import HANGS, quick_first
from tests.needs import needs_latex

from backlit.derivation.examples import EXAMPLES
from backlit.derivation.expressions import Frac, Num, Root, nodes
from backlit.render.derivation_latex import latex
from backlit.render.derivation_typst import aligned, typst
from backlit.render.explanation import explain
from backlit.render.mathml import mathml, pieces
from backlit.render.unicode_math import inline

DIGITS = r"\d+(?:\.\d+)?"


@pytest.fixture(scope="module", params=quick_first(EXAMPLES, 2))
def made(request):
    return explained(example=request.param)


def magnitudes(text):
    return Counter(re.findall(DIGITS + r"(?:e-?\d+)?", text))


def from_inline(text):
    return re.sub(r"×10([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)", lambda m: "e" + m[1].translate(SUPERSCRIPTS), text)


def from_latex(text):
    text = re.sub(r" \\times 10\^\{(-?\d+)\}", r"e\1", text)
    return re.sub(r"[_^]\{\(?[\dijklmn,+\-]*\)?\}", "", text)


def from_typst(text):
    text = re.sub(r" times 10\^\((-?\d+)\)", r"e\1", text)
    return re.sub(r"[_^]\(\(?[\dijklmn,+\-]*\)?\)", "", text)


def from_mathml(text):
    power = r"<mo>×</mo><msup><mn>10</mn><mrow>(<mo form=\"prefix\">−</mo>)?<mn>(\d+)</mn></mrow></msup>"
    text = re.sub(r"</mn>" + power, lambda m: f"e{'-' if m[1] else ''}{m[2]}</mn>", text)
    return " ".join(re.findall(r"<mn>([^<]+)</mn>", re.sub(r' href="[^"]*"', "", text)))


def test_same_numbers_in_every_format(made):
    """The numbers of each worked chain, subscripts aside, are those of the tree, in every format."""
    compared = 0
    for step in made.derivation.steps():
        for line in (*step.lines, *step.entries):
            result = line.chain.parts[-1]
            expected = Counter(node.text.lstrip("-") for node in nodes(result) if isinstance(node, Num))
            for text in (
                from_inline(inline(result)),
                from_latex(latex(result)),
                from_typst(typst(result)),
                from_mathml(pieces(result)),
            ):
                assert magnitudes(text) == expected, (step.id, text)
            compared += 1
    assert compared > 20


def test_negative_factors_stand_in_parentheses(made):
    for step in made.derivation.steps():
        for line in (*step.lines, *step.entries):
            assert not re.search(r"·\s*−", inline(line.chain)), inline(line.chain)


def test_every_link_leads_somewhere(made):
    page = made.to_html()
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    targets = set(re.findall(r'href="#([^"]+)"', page))
    assert targets <= set(ids), sorted(targets - set(ids))
    assert {"z[1]", "grad_W[1]", "loss"} <= targets


def test_the_page_fetches_nothing(made):
    page = made.to_html()
    assert not re.search(r'(?:src|href)="(?!#|data:,)', page)
    assert "http" not in page
    assert "@import" not in page


@pytest.mark.slow
@needs_latex
def test_latex_compiles(made, tmp_path):
    (tmp_path / "it.tex").write_text(made.to_latex(), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "it.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=HANGS, check=False)
    assert done.returncode == 0, done.stdout[-600:]
    assert b"Missing character" not in (tmp_path / "it.log").read_bytes()


def test_typst_compiles(made):
    pytest.importorskip("typst")
    assert made.to_pdf().startswith(b"%PDF")


def test_markdown_has_every_step(made):
    text = made.to_markdown()
    assert all(f"`{step.id}`" in text for step in made.derivation.steps())
    assert text.count("$$") % 2 == 0


def test_notebook_forms(made):
    assert made._repr_html_().startswith("<iframe srcdoc=")
    assert "\\begin{aligned}" in made._repr_latex_()
    assert made._repr_markdown_() == made.to_markdown()


@pytest.mark.parametrize("write", [inline, latex, mathml, typst])
def test_a_formula_may_be_deeper_than_python_nests_calls(write):
    deep = shallow = Num(0.5, "0.5", True)
    for _ in range(2 * sys.getrecursionlimit()):
        deep = Root(Frac(deep, Num(2.0, "2", True)))
    once = write(Root(Frac(shallow, Num(2.0, "2", True))))
    assert write(deep).count("2") >= 2 * sys.getrecursionlimit() * once.count("2")


def test_typst_leaves_an_entry_out_only_where_its_line_has_all_of_its_numbers():
    """Under a skip the entry of ∂ℓ/∂a has both ways down in numbers, the line of the tensor one."""
    layers = [{"units": 1, "activation": "tanh"}, {"units": 1, "skip_from": 1}]
    made = explain({"inputs": 1, "layers": layers, "init": {"scheme": "xavier_normal", "seed": 1},
                    "x": [[0.7]], "y": [[1.0]]})  # fmt: skip
    written = made.to_typst()
    for step in made.derivation.steps():
        entries, lines = (Counter(str(n) for one in part for n in nodes(one.chain) if isinstance(n, Num))
                          for part in (step.entries, step.lines))  # fmt: skip
        shown = any(aligned(one.chain) in written or typst(one.chain) in written for one in step.entries)
        assert shown or entries <= lines, step.id
