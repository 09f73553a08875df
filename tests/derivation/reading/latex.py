"""LaTeX as tokens, as amsmath reads it."""

import re

from tests.derivation.reading.grammar import Reader
from tests.derivation.reading.meaning import FUNCTIONS, Unreadable

RELATIONS = {r"\approx": "≈", r"\leftarrow": "←", r"\to": "→", r"\le": "≤"}
OPERATORS = {r"\cdot": "·", r"\odot": "⊙"}
LETTERS = {
    "ell",
    "delta",
    "gamma",
    "beta",
    "mu",
    "varepsilon",
    "eta",
    "theta",
    "lambda",
    "omega",
    "rho",
    "tau",
    "kappa",
    "Delta",
    "Omega",
}
FUNCTION = {r"\sigma": "σ", r"\Phi": "Φ", r"\varphi": "φ", r"\tanh": "tanh", r"\ln": "ln"}
FUNCTION |= {r"\max": "max", r"\min": "min", r"\exp": "exp"}
TOKEN = re.compile(r"\s+|\\[,;]|\\[a-zA-Z]+\*?|\\\\|\\ |\d+(?:\.\d+)?|[a-zA-Z]|[-+=<>:(){}\[\]|,^_&'/]|.", re.DOTALL)


def read(source):
    """The chain that LaTeX source shows: an aligned environment, or a formula."""
    inner = re.fullmatch(r"\s*\\begin\{aligned\}(.*)\\end\{aligned\}\s*", source, re.DOTALL)
    text = inner[1] if inner else source
    words = [w for w in TOKEN.findall(text) if not w.isspace() and w not in (r"\,", r"\;", r"\ ")]
    return Reader(Source(words, aligned=bool(inner)).tokens(until=None)).whole()


class Source:
    """Words of LaTeX, read once from left to right."""

    def __init__(self, words, aligned):
        self.words, self.at, self.aligned, self.bars = words, 0, aligned, []

    def next(self):
        if self.at >= len(self.words):
            raise Unreadable("LaTeX ends too early")
        self.at += 1
        return self.words[self.at - 1]

    def peek(self):
        return self.words[self.at] if self.at < len(self.words) else None

    def expect(self, word):
        if (found := self.next()) != word:
            raise Unreadable(f"expected {word}, found {found} in {' '.join(self.words)}")

    def group(self):
        """{…}, as tokens."""
        self.expect("{")
        made = self.tokens(until="}")
        self.expect("}")
        return made

    def raw(self):
        """{…}, as the words in it."""
        self.expect("{")
        depth, made = 1, []
        while depth:
            word = self.next()
            depth += {"{": 1, "}": -1}.get(word, 0)
            made.append(word)
        return "".join(made[:-1])

    def tokens(self, until):
        """All tokens up to a word that is not taken."""
        made = []
        while self.peek() is not None and self.peek() != until:
            if until == "cell" and self.peek() in ("&", r"\\", r"\end"):
                break
            made += self.token(made)
        return made

    def token(self, before):
        """The next token, none for marks of alignment."""
        word = self.next()
        if word in ("&", r"\\") and self.aligned:
            return []
        if word == r"\begin":
            return [self.matrix()]
        if word == r"\frac":
            top = self.group()
            return self.partial(top) if top and top[0][1] == "∂" else [("frac", (top, self.group()))]
        if word in (r"\sqrt", r"\overline"):
            return [("root" if word == r"\sqrt" else "mean", self.group())]
        if word in (r"\left", r"\right", r"\lvert", r"\rvert", r"\lVert", r"\rVert", "(", ")", "[", "]"):
            return [self.fence(word)]
        if word in (r"\sum", r"\prod"):
            return [("big", word + self.scripts())]
        if word == r"\partial":
            return [("op", "∂")]
        if word in RELATIONS or word in "=<>:":
            return [("rel", RELATIONS.get(word, word))]
        if word in OPERATORS or word in "+-":
            return [("op", OPERATORS.get(word, word.replace("-", "−")))]
        if word == ",":
            return [("comma", ",")]
        if word == r"\cdots":
            return [("dots", "⋯")]
        if word == r"\times":
            return self.exponent(before)
        if re.match(r"\d", word) or word == r"\infty":
            return [("num", word.replace(r"\infty", "∞"))]
        if word == "^":
            return self.raised(before)
        if word == "_":
            return [("sub", self.raw())]
        if word == "{":
            self.at -= 1
            return self.braced()
        return self.name(word)

    def matrix(self):
        """A bmatrix."""
        if self.raw() != "bmatrix":
            raise Unreadable("an environment that is no bmatrix")
        inner = Source(self.words, aligned=False)
        inner.at, rows = self.at, [[]]
        while True:
            rows[-1].append(inner.tokens(until="cell"))
            word = inner.next()
            if word == r"\\":
                rows.append([])
            elif word == r"\end":
                break
        self.at = inner.at
        if self.raw() != "bmatrix":
            raise Unreadable("a matrix is not closed")
        return ("mat", rows)

    def partial(self, top):
        """∂ℓ/∂a: one symbol."""
        return [("sym", f"{top}/{self.raw()}")]

    def fence(self, word):
        """A delimiter."""
        if word in (r"\left", r"\right"):
            word = self.next()
            if word not in (*"()[]", r"\lvert", r"\rvert", r"\lVert", r"\rVert"):
                raise Unreadable(f"a delimiter {word}")
        sides = {
            r"\lvert": ("open", "|"),
            r"\rvert": ("close", "|"),
            r"\lVert": ("open", "‖"),
            r"\rVert": ("close", "‖"),
        }
        return sides.get(word) or ("open" if word in "([" else "close", word)

    def exponent(self, before):
        r"""\times 10^{n} after a mantissa."""
        self.expect("10")
        self.expect("^")
        kind, mantissa = before.pop()
        if kind != "num":
            raise Unreadable(r"\times after something that is no number")
        return [("num", f"{mantissa}e{self.raw()}")]

    def raised(self, before):
        """A power, a transpose, or e to a power."""
        if self.words[self.at : self.at + 4] == ["{", r"\mathsf", "T", "}"]:
            self.at += 4
            return [("T", "ᵀ")]
        if before and before[-1] == ("sym", "e"):
            before.pop()
            return [("exp", self.group())]
        return [("sup", self.group())]

    def braced(self):
        """{z}_{1}^{(2)}: a symbol with its indices; {…}^{…}: a power."""
        start = self.at
        inside = self.raw()
        scripts = self.scripts(example_only=True)
        known = re.fullmatch(SYMBOL, inside)
        if known and (scripts or inside != "e"):
            return [("sym", inside + scripts)]
        self.at = start
        return [("group", self.group())]

    def scripts(self, example_only=False):
        """_{…} and ^{…} behind a symbol; a ^ that is no (example) is a power and stays."""
        made = ""
        while self.peek() in ("_", "^"):
            if self.peek() == "^" and example_only and self.words[self.at + 2 : self.at + 3] != ["("]:
                break
            mark = self.next()
            made += f"{mark}{{{self.raw() if self.peek() == '{' else self.next()}}}"
        return made

    def name(self, word):
        """A function, or a symbol with its indices."""
        if word in (r"\operatorname", r"\mathrm", r"\mathbf"):
            inside = self.raw().replace("\\_", " ")
            if inside == "NaN":
                return [("num", "NaN")]
            prime = self.prime()
            if word == r"\operatorname" and inside in (*FUNCTIONS, "huber", "loss"):
                return [("fn", inside + prime)]
            if inside == "1" and self.words[self.at : self.at + 5] == ["^", "{", r"\mathsf", "T", "}"]:
                self.at += 5
            return [("sym", inside + self.scripts(example_only=True))]
        if word in FUNCTION and self.peek() in ("(", "'", r"\left"):
            return [("fn", FUNCTION[word] + self.prime())]
        if word in (r"\hat", r"\bar"):
            return [("sym", {r"\hat": "x̂", r"\bar": "ḡ"}[word] + self.next() + self.scripts(example_only=True))]
        if word == "v" and self.words[self.at : self.at + 4] == ["^", "{", r"\max", "}"]:
            self.at += 4
            return [("sym", "vmax" + self.scripts(example_only=True))]
        letter = word.removeprefix("\\")
        if (word.startswith("\\") and letter in LETTERS | {"sigma", "varphi"}) or (len(word) == 1 and word.isalpha()):
            if word == "e":
                return [("sym", "e")]
            return [("sym", letter + self.scripts(example_only=True))]
        raise Unreadable(f"{word!r} in {' '.join(self.words)}")

    def prime(self):
        """′ behind a function."""
        if self.peek() == "'":
            self.next()
            return "′"
        return ""


SYMBOL = (
    r"[A-Za-z]|\\(?:ell|delta|gamma|beta|mu|sigma\^2|varepsilon|eta|theta|lambda|omega|rho|tau|kappa|Delta|Omega|varphi)"
    r"|\\hatx|\\hatX|\\mathrm\{(?:mask|Mask)\}|\\Delta\\theta|v\^\{\\max\}|\\rho_[12]|\\barg|\\mathbf\{1\}\^\{\\mathsfT\}"
)
