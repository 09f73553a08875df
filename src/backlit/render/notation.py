"""What every format shares: how symbols look, and where parentheses and signs go.  A format fills in the marks.

`Writer` asks its subclass for a fraction, a subscript, a matrix; T is what the format is made of.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
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
    **{letter: symbol_of(letter) for letter in "WbazuhrpqxymncsgijklLJCSvdt"},
    "j-index": symbol_of("j"),
    "ell": symbol_of("ℓ", r"\ell", "ell"),
    "delta": symbol_of("δ", r"\delta", "delta"),
    "gamma": symbol_of("γ", r"\gamma", "gamma"),
    "beta": symbol_of("β", r"\beta", "beta"),
    "mu": symbol_of("μ", r"\mu", "mu"),
    "sigma2": symbol_of("σ²", r"\sigma^2", "sigma^2"),
    "x_hat": symbol_of("x̂", r"\hat x", "hat(x)"),
    "eps": symbol_of("ε", r"\varepsilon", "epsilon"),
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
    return any(isinstance(node, tree.Mat) for node in tree.nodes(expr))


class Writer(ABC, Generic[T]):
    """Writes a formula from its leaves up; subclasses say what each mark is, given what it stands on or between."""

    def write(self, expr: Expr) -> T:
        """The formula in this format."""
        return tree.fold(expr, self.node, printed)

    def node(self, expr: Expr, parts: Sequence[T]) -> T:
        """A node whose operands are written."""
        match expr:
            case tree.Num():
                return self.number(expr)
            case tree.Sym():
                return self.sym(expr)
            case tree.At():
                return self.at(expr.index, *parts)
            case tree.Partial():
                return self.partial(*parts)
            case tree.Dots():
                return self.mark("⋯")
            case tree.Mat():
                n = len(expr.rows[0])
                return self.matrix([parts[k : k + n] for k in range(0, len(parts), n)])
            case tree.Add():
                return self.add(expr.items, parts)
            case tree.Mul():
                return self.joined(expr.items, parts, "·")
            case tree.MatMul():
                return self.joined(expr.items, parts, "")
            case tree.Hadamard():
                return self.joined(expr.items, parts, "⊙")
            case tree.Neg():
                return self.row([self.mark("−", prefix=True), self.operand(expr.of, parts[0], PRODUCT)])
            case tree.Frac():
                return self.fraction(expr, *parts)
            case tree.Pow():
                return self.power(self.operand(expr.base, parts[0], ATOM), parts[1])
            case tree.Root():
                return self.root(*parts)
            case tree.Transpose():
                return self.transpose(expr.of, self.operand(expr.of, parts[0], ATOM))
            case tree.Fn():
                return self.fn(expr, parts)
            case tree.BigSum():
                return self.big("∑", expr.index, expr.upper, self.operand(expr.body, parts[0], PRODUCT))
            case tree.BigProd():
                return self.big("∏", expr.index, expr.upper, self.operand(expr.body, parts[0], PRODUCT))
            case tree.Mean():
                return self.mean(*parts)
            case tree.Iverson():
                return self.fence("[", [parts[0], self.mark(expr.relation), parts[1]], "]")
            case tree.Chain():
                signs = [self.mark(sign) for sign in expr.relations]
                return self.row([parts[0], *chain.from_iterable(zip(signs, parts[1:], strict=True))])
        raise TypeError(f"no way to write {type(expr).__name__}")

    # --- signs and parentheses ------------------------------------------------------------------------------------

    def add(self, terms: Sequence[Expr], parts: Sequence[T]) -> T:
        """a + b − c."""
        made: list[T] = [parts[0]]
        for term, part in zip(terms[1:], parts[1:], strict=True):
            minus, shown = split_sign(term)
            made += [self.mark("−" if minus else "+"), self.operand(shown, part, PRODUCT if minus else SUM)]
        return self.row(made)

    def joined(self, factors: Sequence[Expr], parts: Sequence[T], sign: str) -> T:
        """Factors with a sign between them; sums and negative numbers in parentheses."""
        made: list[T] = []
        for n, (factor, part) in enumerate(zip(factors, parts, strict=True)):
            between = sign
            if not sign and isinstance(factor, Num) and n and isinstance(factors[n - 1], Num):
                between = "·"
            if n:
                made.append(self.mark(between) if between else self.thin())
            made.append(self.operand(factor, part, PRODUCT, product=True))
        return self.row(made)

    def operand(self, expr: Expr, part: T, floor: int, *, product: bool = False) -> T:
        """A written formula, in parentheses where it binds less tightly than `floor` asks."""
        loose = level(expr) < floor or (product and isinstance(expr, tree.Hadamard | tree.Neg))
        if isinstance(expr, Num):
            loose |= expr.negative and floor >= PRODUCT
            loose |= ("e" in expr.text or expr.over is not None) and floor >= POWER
        return self.fence("(", [part], ")") if loose else part

    def fn(self, expr: tree.Fn, parts: Sequence[T]) -> T:
        """f(x, y), |x|, ‖x‖, e^x."""
        if expr.name == "abs":
            return self.fence("|", [parts[0]], "|")
        if expr.name == "norm":
            return self.fence("‖", [parts[0]], "‖")
        if expr.name == "exp" and not has_matrix(expr):
            return self.exponential(parts[0])
        inner: list[T] = []
        for n, part in enumerate(parts):
            inner += [self.mark(","), part] if n else [part]
        return self.row([self.function(expr.name), self.fence("(", inner, ")")])

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
    def at(self, index: tuple[str, ...], of: T) -> T:
        """An entry of a symbol."""

    @abstractmethod
    def partial(self, of: T, by: T) -> T:
        """A partial derivative."""

    @abstractmethod
    def mark(self, sign: str, *, prefix: bool = False) -> T:
        """A sign between two parts, or before one."""

    @abstractmethod
    def thin(self) -> T:
        """A thin space."""

    @abstractmethod
    def matrix(self, rows: list[Sequence[T]]) -> T:
        """A matrix in brackets."""

    @abstractmethod
    def fence(self, left: str, inner: list[T], right: str) -> T:
        """Something between two delimiters."""

    @abstractmethod
    def fraction(self, of: tree.Frac, top: T, bottom: T) -> T:
        """One over the other, neither in parentheses yet."""

    @abstractmethod
    def power(self, base: T, exponent: T) -> T:
        """A base, in parentheses where it needs them, with its exponent."""

    @abstractmethod
    def exponential(self, exponent: T) -> T:
        """e to a power."""

    @abstractmethod
    def root(self, of: T) -> T:
        """A square root."""

    @abstractmethod
    def transpose(self, of: Expr, part: T) -> T:
        """Something transposed, in parentheses where it needs them."""

    @abstractmethod
    def function(self, name: str) -> T:
        """The name of a function."""

    @abstractmethod
    def big(self, sign: str, index: str, upper: str, body: T) -> T:
        """A sum or another large sign with its bounds."""

    @abstractmethod
    def mean(self, of: T) -> T:
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


def printed(expr: Expr) -> tuple[Expr, ...]:
    """The operands as they are printed: of a sum the terms without the minus that takes them off."""
    if isinstance(expr, tree.Add):
        return (expr.items[0], *(split_sign(term)[1] for term in expr.items[1:]))
    return tree.children(expr)
