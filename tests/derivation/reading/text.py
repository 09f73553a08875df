"""Lines of a terminal as tokens: matrices drawn over several lines are folded into one line first."""

import re

from tests.derivation.reading.grammar import Reader
from tests.derivation.reading.meaning import FUNCTIONS, Unreadable

SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
LETTERS = "WbazuhrpxymncsgvdtijklLJCSℓδγβμεηθλωφρτκḡAZUHRYΔΩ"
NAMES = [*sorted(FUNCTIONS.keys() - {"abs", "norm", "sqrt"}, key=len, reverse=True), "mean", "huber", "loss", "φ"]
NUMBER = r"\d+(?:\.\d+)?(?:×10⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)?|∞|NaN"
BELOW, ABOVE = "₀₁₂₃₄₅₆₇₈₉ₗ₋₊ᵢⱼₖₘₙ₌", r"(?:⁽[ⁱʲᵏ⁰¹²³⁴⁵⁶⁷⁸⁹]+⁾)"
SYMBOL = rf"(?:diag\(ω\)|mask|Mask|Δθ|ρ[₁₂](?![₀-₉])|vᵐᵃˣ|σ²(?!\()|[xX]̂|[{LETTERS}])[{BELOW}]*{ABOVE}?"
ENTRY = rf"\[{SYMBOL}\][{BELOW},]+"
TOKENS = [
    ("sym", "1ᵀ"),
    ("num", NUMBER),
    ("sym", rf"∂(?:{ENTRY}|{SYMBOL})/∂(?:{ENTRY}|{SYMBOL})"),
    ("fn", rf"(?:{'|'.join(map(re.escape, NAMES))})′?(?=\()"),
    ("sym", SYMBOL),
    ("big", rf"[∑∏][{BELOW}]*[ᴸ]?"),
    ("exp", r"e\^\("),
    ("root", r"√\("),
    ("T", "ᵀ"),
    ("sup", r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+|\^\("),
    ("sub", rf"[{BELOW}](?:[{BELOW},]*[{BELOW}])?"),
    ("dots", "⋯"),
    ("op", r"[+−·×⊙/]"),
    ("rel", r"[=≈←→:><≤]"),
    ("comma", ","),
    ("open", r"[(\[|‖]"),
    ("close", r"[)\]]"),
]


def read(lines):
    """The chain that some printed lines show; marks of a style, which take no room, are left out."""
    return Reader(tokens(fold([plain(line) for line in lines]))).whole()


def plain(line):
    """A line without the marks of a style, which are characters of private use."""
    return re.sub("[\ue000-\uf8ff]", "", line)


# --- from two dimensions to one ---------------------------------------------------------------------------------------


def fold(lines):
    """Rows of drawn boxes as one line; a chain that was broken goes on in the next row of boxes."""
    return " ".join(fold_row(row) for row in rows_of(lines))


def columns(line):
    """The characters by column of a terminal; combining marks stay with their letter."""
    cells = []
    for c in line:
        if c == "̂":
            cells[-1] += c
        else:
            cells.append(c)
    return cells


def rows_of(lines):
    """Group lines that belong to one row of boxes: a line joins the one above it where a bracket goes on."""
    groups = []
    for line in lines:
        if (groups and set("⎢⎣⎜⎝") & set(line) and open_above(groups[-1], columns(line))) or (
            groups and not set("⎡⎢⎣⎛⎜⎝") & set(line) and not line.strip()
        ):
            groups[-1].append(line)
        else:
            groups.append([line])
    return groups


def open_above(group, cells):
    """Whether each bracket that goes on in `cells` has its upper part right above it."""
    above = columns(group[-1])
    for k, c in enumerate(cells):
        if c in "⎢⎣⎜⎝":
            return k < len(above) and above[k] in "⎡⎢⎛⎜"
    return False


def fold_row(lines):
    """One row of boxes as one line: each bracket becomes [a, b; c, d], or a parenthesis, at the line of its middle."""
    grid = [columns(line) for line in lines]
    width = max(map(len, grid))
    grid = [row + [" "] * (width - len(row)) for row in grid]
    if len(grid) == 1:
        return single(grid[0])
    middle, folded, k = baseline(grid), "", 0
    while k < width:
        column = [row[k] for row in grid]
        if "⎡" in column:
            top, low = column.index("⎡"), column.index("⎣")
            end = next(e for e in range(k + 1, width) if grid[top][e] == "⎤")
            if grid[low][end] != "⎦":
                raise Unreadable(f"a matrix is not closed: {lines}")
            inner = ["".join(row[k + 1 : end]) for row in grid[top : low + 1]]
            folded += "{" + ";".join(",".join(re.split(r" +", cells.strip())) for cells in inner) + "}"
            k = end + 1
            continue
        if set(column) & set("⎛⎞"):
            folded += "(" if "⎛" in column else ")"
            k += 1
            continue
        if any(c != " " for n, c in enumerate(column) if n != middle):
            raise Unreadable(f"something stands beside the line of the middle: {lines}")
        if column[middle] == "[":
            end = next((e for e in range(k, width) if grid[middle][e] == "]"), width)
            text = "".join(grid[middle][k : end + 1])
            if "  " in text or not re.match(rf"[{BELOW}]", "".join(grid[middle][end + 1 : end + 2])):
                folded += single(grid[middle][k : end + 1])
                k = end + 1
                continue
        folded += column[middle]
        k += 1
    return folded


def baseline(grid):
    """The line on which all that is not a matrix stands: half of the way down each matrix."""
    found = set()
    for k in range(len(grid[0])):
        column = [row[k] for row in grid]
        for top, low in ("⎡⎣", "⎛⎝"):
            if top in column and low in column:
                first, last = column.index(top), column.index(low)
                found.add(first + (last - first + 1) // 2)
    if len(found) != 1:
        raise Unreadable(f"the middles of a row are not on one line: {found}, {[''.join(row) for row in grid]}")
    return found.pop()


def single(cells):
    """A line without drawn brackets: [a  b] is a matrix of one row."""
    text = "".join(cells)

    def matrix(found):
        cells = found[1].strip()
        if re.search(r"[><≤=]", cells) or cells.startswith("∂"):
            return found[0]
        return "{" + ",".join(re.split(r" +", cells)) + "}"

    return re.sub(rf"\[([^\[\]]*)\](?![{BELOW}])", matrix, text)


# --- from one line to tokens ------------------------------------------------------------------------------------------


def tokens(text):
    """The line as tokens.  Raises Unreadable for a sign that is none of ours."""
    made, at, bars = [], 0, []
    while at < len(text):
        if text[at] == " ":
            at += 1
            continue
        if text[at] == "{":
            end = text.index("}", at)
            rows = [[tokens(cell) for cell in row.split(",")] for row in text[at + 1 : end].split(";")]
            made.append(("mat", rows))
            at = end + 1
            continue
        kind, found = next(((kind, m) for kind, p in TOKENS if (m := re.compile(p).match(text, at))), (None, None))
        if kind is None:
            raise Unreadable(f"{text[at]!r} at {at} of {text!r}")
        at, token = found.end(), found[0]
        if kind in ("exp", "root") or token == "^(":
            end = closing(text, at)
            inner = tokens(text[at:end])
            made.append((kind, inner))
            at = end + 1
        elif kind == "sup":
            made.append(("sup", tokens(token.translate(SUPERSCRIPTS).replace("-", "−"))))
        elif kind == "num":
            mantissa, _, exponent = token.partition("×10")
            made.append(("num", mantissa + ("e" + exponent.translate(SUPERSCRIPTS) if exponent else "")))
        elif token in "|‖":
            bars = bars[:-1] if bars and bars[-1] == token else [*bars, token]
            made.append(("open" if token in bars else "close", token))
        else:
            made.append((kind, token))
    return made


def closing(text, at):
    """The place of the parenthesis that closes the one before `at`."""
    depth = 1
    for n in range(at, len(text)):
        depth += {"(": 1, ")": -1}.get(text[n], 0)
        if not depth:
            return n
    raise Unreadable(f"a parenthesis is not closed: {text}")
