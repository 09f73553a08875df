"""What every format shares: how symbols look, and where parentheses and signs go.  A format fills in the marks.

`Writer` walks the tree and asks its subclass for a fraction, a subscript, a matrix; T is what the format is made of
(text, or boxes of text for a terminal).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from backlit.core.activations import ACTIVATIONS
from backlit.derivation import expressions as tree
from backlit.derivation.expressions import Expr, Num

T = TypeVar("T")
SUM, PRODUCT, POWER, ATOM = range(4)


@dataclass(frozen=True)
class Symbol:
    """A symbol in Unicode, LaTeX and Typst."""

    text: str
    latex: str
    typst: str


def symbol_of(text: str, latex: str = "", typst: str = "") -> Symbol:
    """A glyph that is a plain letter in the formats not named."""
    return Symbol(text, latex or text, typst or text)


GLYPHS = {
    "W": symbol_of("W"),
    "b": symbol_of("b"),
    "a": symbol_of("a"),
    "z": symbol_of("z"),
    "u": symbol_of("u"),
    "h": symbol_of("h"),
    "r": symbol_of("r"),
    "p": symbol_of("p"),
    "q": symbol_of("q"),
    "x": symbol_of("x"),
    "y": symbol_of("y"),
    "m": symbol_of("m"),
    "n": symbol_of("n"),
    "c": symbol_of("c"),
    "s": symbol_of("s"),
    "g": symbol_of("g"),
    "i": symbol_of("i"),
    "j-index": symbol_of("j"),
    "j": symbol_of("j"),
    "k": symbol_of("k"),
    "l": symbol_of("l"),
    "L": symbol_of("L"),
    "J": symbol_of("J"),
    "C": symbol_of("C"),
    "S": symbol_of("S"),
    "ell": symbol_of("ℓ", r"\ell", "ell"),
    "delta": symbol_of("δ", r"\delta", "delta"),
    "gamma": symbol_of("γ", r"\gamma", "gamma"),
    "beta": symbol_of("β", r"\beta", "beta"),
    "mu": symbol_of("μ", r"\mu", "mu"),
    "sigma2": symbol_of("σ²", r"\sigma^2", "sigma^2"),
    "x_hat": symbol_of("x̂", r"\hat x", "hat(x)"),
    "eps": symbol_of("ε", r"\varepsilon", "epsilon"),
    "v": symbol_of("v"),
    "d": symbol_of("d"),
    "t": symbol_of("t"),
    "v_max": symbol_of("vᵐᵃˣ", r"v^{\max}", 'v^"max"'),
    "rho1": symbol_of("ρ₁", r"\rho_1", "rho_1"),
    "rho2": symbol_of("ρ₂", r"\rho_2", "rho_2"),
    "tau": symbol_of("τ", r"\tau", "tau"),
    "kappa": symbol_of("κ", r"\kappa", "kappa"),
    "g_mean": symbol_of("ḡ", r"\bar g", "macron(g)"),
    "eta": symbol_of("η", r"\eta", "eta"),
    "theta": symbol_of("θ", r"\theta", "theta"),
    "lambda": symbol_of("λ", r"\lambda", "lambda"),
    "omega": symbol_of("ω", r"\omega", "omega"),
    "phi_l": symbol_of("φ", r"\varphi", "phi.alt"),
    "mask": symbol_of("mask", r"\mathrm{mask}", '"mask"'),
    "step": symbol_of("Δθ", r"\Delta\theta", "Delta theta"),
    "blank": symbol_of(
        "____", r"\underline{\hspace{2.4em}}", "upright(#box(width: 2.4em, height: 1.1em, stroke: (bottom: 0.4pt)))"
    ),
    "ones-row": symbol_of("1ᵀ", r"\mathbf{1}^{\mathsf T}", "bold(1)^top"),
    "diag-omega": symbol_of("diag(ω)", r"\operatorname{diag}(\omega)", 'op("diag")(omega)'),
}
BATCHES = {
    "a": symbol_of("A"),
    "z": symbol_of("Z"),
    "u": symbol_of("U"),
    "h": symbol_of("H"),
    "r": symbol_of("R"),
    "y": symbol_of("Y"),
    "delta": symbol_of("Δ", r"\Delta", "Delta"),
    "x_hat": symbol_of("X̂", r"\hat X", "hat(X)"),
    "mask": symbol_of("Mask", r"\mathrm{Mask}", '"Mask"'),
    "omega": symbol_of("Ω", r"\Omega", "Omega"),
}
FUNCTIONS = {
    "Phi": symbol_of("Φ", r"\Phi", "Phi"),
    "phi": symbol_of("Φ′", r"\Phi'", "Phi'"),
    "phi_l": symbol_of("φ", r"\varphi", "phi.alt"),
    "ln": symbol_of("ln", r"\ln", "ln"),
    "max": symbol_of("max", r"\max", "max"),
    "min": symbol_of("min", r"\min", "min"),
}


def symbol(sym: tree.Sym) -> Symbol:
    """How a symbol looks, of one example or of a batch."""
    table = BATCHES if sym.batch and sym.name in BATCHES else GLYPHS
    return table.get(sym.name) or word(sym.name, "mathrm")


def function(name: str) -> tuple[Symbol, bool]:
    """How a function looks, and whether it is a slope (′)."""
    base, prime = name.removesuffix("'"), name.endswith("'")
    if (phi := ACTIVATIONS.get(base)) is not None and phi.symbol is not None:
        return Symbol(*phi.symbol), prime
    return FUNCTIONS.get(base) or word(base, "operatorname"), prime


def word(name: str, command: str) -> Symbol:
    """A name that no table has, upright."""
    plain, escaped = name.replace("_", " "), name.replace("_", r"\_")
    return Symbol(plain, rf"\{command}{{{escaped}}}", f'op("{plain}")')


def has_matrix(expr: Expr) -> bool:
    """Whether a matrix of numbers stands anywhere in it."""
    from backlit.derivation.evaluate import nodes

    return any(isinstance(node, tree.Mat) for node in nodes(expr))


class Writer(ABC, Generic[T]):
    """Walks a formula; subclasses say what each mark is."""

    def write(self, expr: Expr) -> T:
        """The formula in this format."""
        match expr:
            case tree.Num():
                return self.number(expr)
            case tree.Sym():
                return self.sym(expr)
            case tree.At():
                return self.at(expr)
            case tree.Partial():
                return self.partial(expr)
            case tree.Dots():
                return self.mark("⋯")
            case tree.Mat():
                return self.matrix(expr)
            case tree.Add():
                return self.add(expr.items)
            case tree.Mul():
                return self.joined(expr.items, "·")
            case tree.MatMul():
                return self.joined(expr.items, "")
            case tree.Hadamard():
                return self.joined(expr.items, "⊙")
            case tree.Neg():
                return self.row([self.mark("−", prefix=True), self.operand(expr.of, PRODUCT)])
            case tree.Frac():
                return self.fraction(expr.top, expr.bottom)
            case tree.Pow():
                return self.power(expr.base, expr.exponent)
            case tree.Root():
                return self.root(expr.of)
            case tree.Transpose():
                return self.transpose(expr.of)
            case tree.Fn():
                return self.fn(expr)
            case tree.BigSum():
                return self.big("∑", expr.index, expr.upper, expr.body)
            case tree.BigProd():
                return self.big("∏", expr.index, expr.upper, expr.body)
            case tree.Mean():
                return self.mean(expr.of)
            case tree.Iverson():
                return self.bracket([self.write(expr.left), self.mark(expr.relation), self.write(expr.right)])
            case tree.Chain():
                return self.chain(expr)
        raise TypeError(f"no way to write {type(expr).__name__}")

    # --- signs and parentheses ------------------------------------------------------------------------------------

    def add(self, terms: Sequence[Expr]) -> T:
        """a + b − c."""
        made: list[T] = []
        for n, term in enumerate(terms):
            minus, shown = split_sign(term)
            if n == 0:
                made += [self.write(term)]
                continue
            made += [self.mark("−" if minus else "+"), self.operand(shown, PRODUCT if minus else SUM)]
        return self.row(made)

    def joined(self, factors: Sequence[Expr], sign: str) -> T:
        """Factors with a sign between them; sums and negative numbers in parentheses."""
        made: list[T] = []
        for n, factor in enumerate(factors):
            between = sign
            if not sign and isinstance(factor, Num) and n and isinstance(factors[n - 1], Num):
                between = "·"
            if n:
                made.append(self.mark(between) if between else self.thin())
            made.append(self.operand(factor, PRODUCT, product=True))
        return self.row(made)

    def operand(self, expr: Expr, floor: int, *, product: bool = False) -> T:
        """The formula, in parentheses where it binds less tightly than `floor` asks."""
        loose = level(expr) < floor or (product and isinstance(expr, tree.Hadamard | tree.Neg))
        if isinstance(expr, Num) and expr.negative and floor >= PRODUCT:
            loose = True
        if isinstance(expr, Num) and ("e" in expr.text or expr.over) and floor >= POWER:
            loose = True
        return self.parenthesized(self.write(expr)) if loose else self.write(expr)

    def parenthesized(self, inner: T) -> T:
        """(inner)."""
        return self.fence("(", [inner], ")")

    def bracket(self, inner: list[T]) -> T:
        """[inner], Iverson's."""
        return self.fence("[", inner, "]")

    def fn(self, expr: tree.Fn) -> T:
        """f(x, y), |x|, ‖x‖, e^x."""
        if expr.name == "abs":
            return self.fence("|", [self.write(expr.args[0])], "|")
        if expr.name == "norm":
            return self.fence("‖", [self.write(expr.args[0])], "‖")
        if expr.name == "exp" and not has_matrix(expr):
            return self.exponential(expr.args[0])
        inner: list[T] = []
        for n, arg in enumerate(expr.args):
            inner += [self.mark(","), self.write(arg)] if n else [self.write(arg)]
        return self.row([self.function(expr.name), self.fence("(", inner, ")")])

    def chain(self, expr: tree.Chain) -> T:
        """a = b ≈ c."""
        made = [self.write(expr.parts[0])]
        for sign, part in zip(expr.relations, expr.parts[1:], strict=True):
            made += [self.mark(sign), self.write(part)]
        return self.row(made)

    # --- what a format says ---------------------------------------------------------------------------------------

    @abstractmethod
    def row(self, parts: list[T]) -> T:
        """Parts side by side."""

    @abstractmethod
    def number(self, num: Num) -> T:
        """A number, rounded as it says."""

    @abstractmethod
    def sym(self, sym: tree.Sym) -> T:
        """A symbol with its index."""

    @abstractmethod
    def at(self, at: tree.At) -> T:
        """An entry of a symbol."""

    @abstractmethod
    def partial(self, partial: tree.Partial) -> T:
        """A partial derivative."""

    @abstractmethod
    def mark(self, sign: str, *, prefix: bool = False) -> T:
        """A sign between two parts, or before one."""

    @abstractmethod
    def thin(self) -> T:
        """A thin space."""

    @abstractmethod
    def matrix(self, mat: tree.Mat) -> T:
        """A matrix in brackets."""

    @abstractmethod
    def fence(self, left: str, inner: list[T], right: str) -> T:
        """Something between two delimiters."""

    @abstractmethod
    def fraction(self, top: Expr, bottom: Expr) -> T:
        """One over the other."""

    @abstractmethod
    def power(self, base: Expr, exponent: Expr) -> T:
        """A base with its exponent."""

    @abstractmethod
    def exponential(self, exponent: Expr) -> T:
        """e to a power."""

    @abstractmethod
    def root(self, of: Expr) -> T:
        """A square root."""

    @abstractmethod
    def transpose(self, of: Expr) -> T:
        """Something transposed."""

    @abstractmethod
    def function(self, name: str) -> T:
        """The name of a function."""

    @abstractmethod
    def big(self, sign: str, index: str, upper: str, body: Expr) -> T:
        """A sum or another large sign with its bounds."""

    @abstractmethod
    def mean(self, of: Expr) -> T:
        """Something under a bar."""


def level(expr: Expr) -> int:
    """How tightly a formula binds."""
    match expr:
        case tree.Add() | tree.Neg() | tree.Chain():
            return SUM
        case tree.Mul() | tree.MatMul() | tree.Hadamard() | tree.BigSum() | tree.BigProd():
            return PRODUCT
        case tree.Frac() | tree.Partial():
            return POWER - 1
        case tree.Fn() if expr.name == "exp":
            return POWER
        case tree.Pow() | tree.Transpose():
            return POWER
    return ATOM


def split_sign(term: Expr) -> tuple[bool, Expr]:
    """Whether a term of a sum is taken off, and what is printed after the minus."""
    if isinstance(term, tree.Neg):
        return True, term.of
    if isinstance(term, Num) and term.negative:
        return True, Num(-term.value, term.text[1:], term.exact, term.source)
    return False, term
