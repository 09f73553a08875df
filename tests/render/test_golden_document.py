"""A small document with every kind of block and every kind of formula, whole, in every format that is text.

The files in `golden/` were read line by line; after a change that is meant, write them anew:
python -m tests.render.test_golden_document
"""

from pathlib import Path

import numpy as np
import pytest

from backlit.derivation.document import BulletList, Check, Derivation, Formula, Line, Paragraph, Section, Step, Table
from backlit.derivation.expressions import (
    Add,
    At,
    BigProd,
    BigSum,
    Chain,
    Dots,
    Fn,
    Frac,
    Hadamard,
    Iverson,
    Mat,
    MatMul,
    Mean,
    Mul,
    Neg,
    Num,
    Partial,
    Pow,
    Root,
    Sym,
    Transpose,
)
from backlit.render.explanation import Explanation

FOLDER = Path(__file__).with_name("golden")
SUFFIXES = {"text": "txt", "markdown": "md", "latex": "tex", "typst": "typ", "html": "html"}


def num(value, text=None, source=None):
    return Num(value, text or f"{value:g}", True, source)


W, z, delta = Sym("W", "1"), Sym("z", "1", "2"), Sym("delta", "l", batch=True)
SMALL = num(-1.5e-7, "-1.5e-7", "z[1]")
RESULT = Mat(((num(0.5, source="z[1]"), num(-0.25)), (num(2), SMALL)), (2, 2))
FORMULAS = (
    Chain((Add(z, Neg(Mul(W, Sym("x"))), num(-3), num(0.5)), num(1)), ("=",)),
    Mul(Add(W, num(1)), num(-2), Neg(z), Frac(num(1), num(3, "1/3"))),
    Chain((At(W, ("2", "1")), Partial(Sym("ell"), At(Sym("a", "1"), ("k",)))), ("≈",)),
    Chain((MatMul(Transpose(W), delta), RESULT), ("=",)),
    Hadamard(delta, Fn("sigmoid'", (Sym("z", "l"),))),
    Chain((Pow(Add(z, num(1)), num(2)), Pow(z, Sym("n")), Root(Sym("sigma2")), Fn("exp", (Neg(z),))), ("=", "→", "=")),
    Chain((Fn("abs", (z,)), Fn("norm", (W,)), Fn("max", (num(0), z)), Fn("leaky_relu", (z,))), ("≤", "=", "=")),
    BigSum("k", Mul(Sym("y", "k"), Fn("ln", (Sym("p", "k"),))), "L"),
    BigProd("k = l + 1", Sym("W", "k"), "L"),
    Chain((Mean(Sym("g")), Frac(Add(num(1), num(2)), Sym("m")), num(1.5)), ("=", "=")),
    Add(Iverson(z, ">", num(0)), Mul(Sym("x_hat", "1"), Sym("beta1"))),
    Mat(((num(1), Dots(3), num(5)),), (1, 5)),
    num(float("nan"), "NaN"),
)
STEP = Step(
    "z[1]", "F1", "Sums of layer 1", Chain((Sym("z", "1"), Add(MatMul(W, Sym("x")), Sym("b", "1"))), ("=",)),
    "Each unit sums * what comes <in>.", "forward",
    (Line("example 1", Chain((Sym("z", "1"), RESULT), ("=",))), Line("", Chain((num(0.5), num(0.5)), ("=",)))),
    (Line("unit 1", Chain((At(Sym("z", "1"), ("1",)), num(0.5)), ("=",)), "z[1][0,0]"),),
    ((W, "2×2"), (Sym("x"), "2×1")), (("A note with ", W, " in it.",),), np.array([[0.5, 2.0], [-0.25, -1.5e-7]]),
    (Check("differences", 1.25e-10, True), Check("tape", 0.5, False)), "2 more entries",
)  # fmt: skip
BARE = Step("delta[1]", "", "Nothing", Sym("delta", "1"), "Nothing is said.", "backward", (Line("", num(0)),))
DOCUMENT = Derivation(
    "A *title* & more", "A subtitle_with marks", (
        Section("blocks", "Blocks | all", (
            Paragraph(("Words, ", z, " and ", "more.")),
            Formula(FORMULAS[0], "BP1", "first"), Formula(FORMULAS[7]),
            Table("What | where", (("name",), ("formula",)), ((("a|b",), (Fn("abs", (z,)),)), ((W,), ("words",)))),
            BulletList((("one",), ("two ", W)), numbered=True), BulletList((("a point",),)),
        )),
        Section("formulas", "Formulas", tuple(Formula(formula) for formula in FORMULAS)),
        Section("steps", "Steps", (STEP, BARE)),
    ), {},
)  # fmt: skip


def made(format):
    """What stands between the head and the foot that all documents share."""
    text = Explanation(DOCUMENT).render(format)
    start = {"latex": r"\begin{document}", "typst": "= A", "html": "<section"}.get(format, "")
    return text[text.index(start) :].partition("<script>")[0]


@pytest.mark.parametrize("format", SUFFIXES)
def test_the_document_is_the_one_that_was_read(format):
    assert made(format) == (FOLDER / f"document.{SUFFIXES[format]}").read_text(encoding="utf-8")


def test_the_document_compiles():
    pytest.importorskip("typst")
    assert Explanation(DOCUMENT).to_pdf().startswith(b"%PDF")


if __name__ == "__main__":
    for name, suffix in SUFFIXES.items():
        (FOLDER / f"document.{suffix}").write_text(made(name), encoding="utf-8")
