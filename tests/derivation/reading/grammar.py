"""The grammar that every format shares, over tokens (kind, text); a format turns its lines into tokens.

Kinds: num, sym, fn, op (+ − · ⊙ /), rel (= ≈ ← → : > < ≤), open and close, sub, sup, T, comma, dots, big, end; and
with tokens of their own inside: group, frac (two), root, exp, mean, sup, mat (rows of cells).
"""

from tests.derivation.reading.meaning import Unreadable

RELATIONS = "=≈←→:"
STARTS = {"num", "sym", "fn", "open", "group", "mat", "big", "dots", "frac", "root", "exp", "mean"}


class Reader:
    """Recursive descent over a list of tokens."""

    def __init__(self, tokens):
        self.tokens, self.at = [*tokens, ("end", "")], 0

    @property
    def kind(self):
        return self.tokens[self.at][0]

    @property
    def text(self):
        return self.tokens[self.at][1]

    def take(self, kind, text=None):
        """The text of the next token, which must be of that kind."""
        if self.kind != kind or (text is not None and self.text != text):
            near = " ".join(str(t) for _, t in self.tokens[max(0, self.at - 8) : self.at + 4])
            raise Unreadable(f"expected {text or kind}, found {self.text!r} at token {self.at}, near {near!r}")
        self.at += 1
        return self.tokens[self.at - 1][1]

    def whole(self):
        """A chain that uses up all tokens."""
        made = self.chain()
        self.take("end")
        return made

    def chain(self):
        """a = b ≈ c; it may begin with the sign that continues another line."""
        parts, signs = [self.sum()], []
        while self.kind == "rel" and self.text in RELATIONS:
            signs.append(self.take("rel"))
            parts.append(self.sum())
        return ("chain", parts, signs)

    def sum(self):
        """a + b − c."""
        terms = [self.signed()]
        while self.kind == "op" and self.text in "+−":
            sign = self.take("op")
            term = self.product()
            terms.append(("neg", term) if sign == "−" else term)
        return ("add", terms) if len(terms) > 1 else terms[0]

    def signed(self):
        """−a, or a."""
        if self.kind == "op" and self.text == "−":
            self.take("op")
            return ("neg", self.product())
        return self.product()

    def product(self):
        """a · b, a b, a ⊙ b, a / b, from left to right; ⊙ binds last, as a product of matrices beside it does first."""
        groups = [self.plain_product()]
        while self.kind == "op" and self.text == "⊙":
            self.take("op")
            groups.append(self.plain_product())
        return ("had", groups) if len(groups) > 1 else groups[0]

    def plain_product(self):
        """A product without ⊙."""
        made = self.power()
        while True:
            if self.kind == "op" and self.text in "·×":
                self.take("op")
                made = ("mul", [made, self.power()])
            elif self.kind == "op" and self.text == "/":
                self.take("op")
                made = ("div", made, self.power())
            elif self.kind in STARTS:
                made = ("mul", [made, self.power()])
            else:
                return made

    def power(self):
        """An atom with what stands raised beside it."""
        made = self.atom()
        while self.kind in ("sup", "T"):
            if self.kind == "T":
                self.take("T")
                made = ("T", made)
            else:
                made = ("pow", made, Reader(self.take("sup")).whole_sum())
        return made

    def whole_sum(self):
        """A sum that uses up all tokens."""
        made = self.sum()
        self.take("end")
        return made

    def atom(self):
        """What binds tightest."""
        match self.kind:
            case "num":
                return ("num", self.take("num"))
            case "sym":
                return ("sym", self.take("sym"))
            case "dots":
                self.take("dots")
                return ("dots",)
            case "group":
                return Reader(self.take("group")).whole_sum()
            case "frac":
                top, bottom = self.take("frac")
                return ("div", Reader(top).whole_sum(), Reader(bottom).whole_sum())
            case "root":
                return ("fn", "sqrt", [Reader(self.take("root")).whole_sum()])
            case "mean":
                return ("fn", "mean", [Reader(self.take("mean")).whole_sum()])
            case "exp":
                return ("fn", "exp", [Reader(self.take("exp")).whole_sum()])
            case "mat":
                rows = self.take("mat")
                widths = {len(row) for row in rows}
                if len(widths) != 1:
                    raise Unreadable(f"rows of a matrix differ in length: {widths}")
                return ("mat", [[Reader(cell).whole_sum() for cell in row] for row in rows])
            case "big":
                name = self.take("big")
                return ("big", name, self.plain_product())
            case "fn":
                return self.function()
            case "open":
                return self.fenced()
        raise Unreadable(f"no formula begins with {self.text!r} (token {self.at} of {self.tokens})")

    def function(self):
        """f(x, y)."""
        name = self.take("fn")
        self.take("open", "(")
        args = [self.sum()]
        while self.kind == "comma":
            self.take("comma")
            args.append(self.sum())
        self.take("close", ")")
        return ("fn", name, args)

    def fenced(self):
        """(a), |a|, ‖a‖, [a > b], and [a]ⱼ which is an entry."""
        left = self.take("open")
        inner = self.sum()
        if left == "[":
            if self.kind == "rel":
                sign = self.take("rel")
                made = ("holds", sign, inner, self.sum())
                self.take("close", "]")
                return made
            self.take("close", "]")
            return ("sym", f"[{inner}]{self.take('sub')}")
        self.take("close", {"(": ")", "|": "|", "‖": "‖"}[left])
        return {"(": inner, "|": ("fn", "abs", [inner]), "‖": ("fn", "norm", [inner])}[left]
