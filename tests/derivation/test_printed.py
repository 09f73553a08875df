"""Every printed line is read back, by a reader that knows nothing of the renderers, and holds; in every format alike.

A short form of scripts/explain_fuzz.py.
"""

import json
import re
from collections import Counter

import pytest
from hypothesis import given
from tests.derivation.reading import latex, text
from tests.derivation.reading.judge import Untrue, judge
from tests.derivation.reading.meaning import Unreadable, nodes, value
from tests.derivation.worked import explained
from tests.helpers import quick_first
from tests.render.test_derivation_formats import from_inline, from_mathml
from tests.scripts import load_script
from tests.strategies import draws

from backlit.derivation import derive
from backlit.derivation.examples import EXAMPLES
from backlit.derivation.expressions import Add, Chain, Frac, Hadamard, Mat, MatMul, Mul, Neg, Num, Pow
from backlit.derivation.expressions import nodes as tree_nodes
from backlit.derivation.functions import fn
from backlit.derivation.numbers import Numbers
from backlit.render.derivation_latex import aligned
from backlit.render.derivation_typst import aligned as typst_aligned
from backlit.render.derivation_typst import typst
from backlit.render.explanation import Explanation
from backlit.render.mathml import pieces
from backlit.render.unicode_math import chain as text_lines
from backlit.render.unicode_math import inline

fuzz = load_script("explain_fuzz")


def test_a_short_decimal_is_printed_short():
    """0.56 has a sixteenth digit, 0.5600000000000001, which nobody wrote."""
    assert [str(Numbers()(k / 100)) for k in range(1, 1000)] == [f"{k / 100:g}" for k in range(1, 1000)]


@draws(8)
@given(fuzz.cases(depths=(1, 2, 3), widths=(1, 2, 3), rows=(1, 2, 3)))
def test_every_line_reads_back_and_holds(case):
    problem, printed = case
    tally, made = fuzz.Tally(), derive(problem, **printed)
    fuzz.check_document(made, tally)
    assert not tally.failures, tally.first[0]
    assert tally.proved > 10 * problem.net.L
    same_numbers(made)


@pytest.mark.parametrize("example", quick_first(EXAMPLES, 2))
def test_every_line_of_the_examples(example):
    tally = fuzz.Tally()
    made = explained(example=example, steps=2)
    fuzz.check_document(made.derivation, tally)
    assert not tally.failures, tally.first[0]
    assert tally.about < tally.proved / 10  # a few guard digits are enough for nearly all
    same_documents(made)


def signless(text):
    return text.lstrip("-")


def tokens(numbers):
    """Numbers as a multiset; a fraction is its numerator and its denominator."""
    return Counter(part for number in numbers for part in signless(number).split("/"))


def same_numbers(derivation):
    """The numbers of all lines together are those of the tree, in every format."""
    found = {name: Counter() for name in ("tree", "text", "latex", "typst", "html")}
    for _, expr in fuzz.chains(derivation):
        found["tree"] += tokens(node.text for node in tree_nodes(expr) if isinstance(node, Num))
        found["text"] += tokens(node[1] for node in nodes(text.read(text_lines(expr))) if node[0] == "num")
        found["latex"] += tokens(node[1] for node in nodes(latex.read(aligned(expr))) if node[0] == "num")
        found["typst"] += spelled(from_typst(typst_aligned(expr)))
        found["html"] += spelled(from_mathml(without_symbols_html(pieces(expr))))
    counts = {name: {key: n for key, n in counter.items() if n} for name, counter in found.items()}
    for name in counts:
        assert counts[name] == counts["tree"], name


def spelled(made):
    return Counter(re.findall(r"\d+(?:\.\d+)?(?:e-?\d+)?|∞|NaN", made))


def from_typst(made):
    """Typst without indices, and without the numbers that are part of a symbol: σ², ρ₁, 1ᵀ."""
    made = re.sub(r" times 10\^\((-?\d+)\)", r"e\1", made)
    return re.sub(r"sigma\^2|bold\(1\)\^top|rho_[12](?!\d)|_\([^()]*\)|\^\(\([^()]*\)\)", "", made)


def without_symbols_html(made):
    """MathML without indices and without the numbers that are part of a symbol."""
    made = re.sub(r"<msup><mi>σ</mi><mn>2</mn></msup>|<msup><mn>1</mn><mo>⊤</mo></msup>", "<mi>x</mi>", made)
    accent = r'(?:<mover accent="true"><mi>\w</mi><mo>\^</mo></mover>|<mi>[^<]+</mi>)'
    made = re.sub(rf"(<msub(?:sup)?>{accent})<mn>\d+</mn>", r"\1", made)
    return re.sub(r"<munder>.*?</munder>|<munderover>.*?</munderover>", "", made)


def same_documents(made: Explanation):
    """Every line stands in every whole document; where lines are broken or linked, all of their numbers do."""
    documents = {name: made.render(name) for name in ("text", "markdown", "latex", "typst", "html", "json")}
    steps = [step["text"] + step["latex"] for step in json.loads(documents["json"])["steps"]]
    repeated = {
        f"{s.id} {line.id}" for s in made.derivation.steps() if s.entry_repeats_line for line in s.entries
    }  # in Typst
    for id, expr in fuzz.chains(made.derivation):
        assert aligned(expr) in documents["markdown"], id
        assert aligned(expr) in documents["latex"], id
        assert id in repeated or any(form(expr) in documents["typst"] for form in (typst_aligned, typst)), id
    for step in made.derivation.steps():
        for line in (*step.lines, *step.entries):
            assert any(inline(line.chain) in text for text in steps), step.id
    chains = [expr for _, expr in fuzz.chains(made.derivation)]
    numbers = sum((tokens(n.text for n in tree_nodes(e) if isinstance(n, Num)) for e in chains), Counter())
    html = re.sub(r"<(?:style|script|svg).*?</(?:style|script|svg)>", "", documents["html"], flags=re.DOTALL)
    for whole in (from_inline(text.plain(documents["text"])), from_mathml(html)):
        assert numbers <= spelled(whole)


# --- the reader itself ------------------------------------------------------------------------------------------------

NUM = Numbers(5)
MATRIX = Mat(((NUM(1.5), NUM(-2)), (NUM(1 / 3), NUM(4e-9 / 3))), (2, 2))
COLUMN = Mat(((NUM(-0.25),), (NUM(2 / 3),)), (2, 1))


@pytest.mark.parametrize(("expr", "expected"), [
    (Add(NUM(1), Neg(Mul(NUM(2), NUM(-3)))), 7),
    (Mul(Add(NUM(1), NUM(2)), NUM(3)), 9),
    (Neg(Frac(NUM(1), Add(NUM(1), NUM(3)))), -0.25),
    (Mul(NUM(2), Frac(NUM(3), NUM(4))), 1.5),
    (Pow(Add(NUM(1), NUM(-4)), NUM(2)), 9),
    (Frac(Frac(NUM(8), NUM(2)), Frac(NUM(4), NUM(2))), 2),
    (fn("max", NUM(-1), fn("min", NUM(3), NUM(2))), 2),
    (fn("abs", Add(NUM(1), NUM(-4))), 3),
    (Mul(NUM(2), fn("exp", Neg(NUM(0)))), 2),
])  # fmt: skip
def test_both_readers_give_the_value(expr, expected):
    made = Chain((expr, NUM(expected)), ("=",))
    for chain in (text.read(text_lines(made)), latex.read(aligned(made))):
        assert value(chain[1][0]) == expected
        assert judge(chain, 5) == 1


def test_matrices_are_read_from_their_drawing():
    made = Chain((MatMul(NUM(0.5), MATRIX, COLUMN), Hadamard(COLUMN, COLUMN)), ("=",))
    for chain in (text.read(text_lines(made)), latex.read(aligned(made))):
        product = value(chain[1][0])
        assert product.shape == (2, 1)
        assert product[0, 0] == pytest.approx(0.5 * (1.5 * -0.25 - 2 * 0.66667), rel=1e-12)
        assert value(chain[1][1])[1, 0] == pytest.approx(0.66667**2, rel=1e-12)


@pytest.mark.parametrize("line", [
    "1 + = 2", "2 · = 3", "(1 + 2 = 3", "max(1, = 2", "1 2) = 3", "σ 3 = 4", "§ = 1", "1 = 2 =", "", "[1  2; 3 = 4"
])  # fmt: skip
def test_what_no_one_can_read_is_an_error(line):
    with pytest.raises(Unreadable, match=r"."):
        text.read([line])


@pytest.mark.parametrize("source", [r"1 + = 2", r"\frac{1} = 2", r"\left(1 = 2", r"\foo = 1", r"2 \times 3 = 6", "1 }"])
def test_latex_that_no_one_can_read_is_an_error(source):
    with pytest.raises(Unreadable, match=r"."):
        latex.read(source)


@pytest.mark.parametrize("line", [
    "0.33333·3 = 1",  # it is 0.99999
    "1.2346·2.0000 = 2.4693",
    "1.2346·2 ≈ 2.4692",  # here = holds
    "1.2346·2 ≈ 2.4703",  # farther than the rounding of 1.2346
    "[1.0000  2.0000] = [1.0000  2.0001]",
    "0.1 + 0.2 = 0.31",
    "1/3 + 1/3 = 3/4",
])  # fmt: skip
def test_an_untrue_line_is_found(line):
    with pytest.raises(Untrue, match="chain"):
        judge(text.read([line]), 5)


@pytest.mark.parametrize(
    "line", ["(1.2346 − 1.2345)·10000 ≈ 1.2345", "1.23457·2 = 2.4691", "1/3 + 1/3 = 2/3", "−0.5·(−2) = 1"]
)
def test_a_true_line_is_not(line):
    assert judge(text.read([line]), 5) == 1
