"""What a formula that was read means: nodes are tuples, and `value` computes them with NumPy.

("num", "−1.5e-7") ("sym", "z₁") ("dots",) ("mat", rows) ("add", terms) ("mul", factors) ("had", factors)
("neg", x) ("div", a, b) ("pow", x, n) ("T", x) ("fn", name, args) ("holds", sign, a, b) ("chain", parts, signs)
"""

import math
import operator

import numpy as np


class Symbolic(Exception):
    """The formula holds a symbol or dots, so it has no value."""


class Unreadable(Exception):
    """What was printed is no formula."""


def sigmoid(u):
    return 1 / (1 + np.exp(-np.asarray(u, float)))


def normal_cdf(u):
    return np.vectorize(lambda v: (1 + math.erf(v / math.sqrt(2))) / 2)(u)


def normal_pdf(u):
    return np.exp(-(np.asarray(u, float) ** 2) / 2) / math.sqrt(2 * math.pi)


def softplus(u):
    return np.logaddexp(0, u)


def softmax(u):
    e = np.exp(u - np.max(u, axis=0))
    return e / e.sum(axis=0)


SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772
FUNCTIONS = {
    "σ": (sigmoid, lambda u: sigmoid(u) * (1 - sigmoid(u))),
    "tanh": (np.tanh, lambda u: 1 / np.cosh(u) ** 2),
    "id": (lambda u: u, lambda u: np.ones_like(u)),
    "relu": (lambda u: np.maximum(u, 0), lambda u: 1.0 * (u > 0)),
    "leaky relu": (lambda u, a: np.where(u > 0, u, a * u), lambda u, a: np.where(u > 0, 1, a)),
    "elu": (lambda u, a: np.where(u > 0, u, a * np.expm1(u)), lambda u, a: np.where(u > 0, 1, a * np.exp(u))),
    "selu": (
        lambda u: SCALE * np.where(u > 0, u, ALPHA * np.expm1(u)),
        lambda u: SCALE * np.where(u > 0, 1, ALPHA * np.exp(u)),
    ),
    "gelu": (lambda u: u * normal_cdf(u), lambda u: normal_cdf(u) + u * normal_pdf(u)),
    "silu": (lambda u: u * sigmoid(u), lambda u: sigmoid(u) * (1 + u * (1 - sigmoid(u)))),
    "softplus": (softplus, sigmoid),
    "mish": (
        lambda u: u * np.tanh(softplus(u)),
        lambda u: np.tanh(softplus(u)) + u * sigmoid(u) / np.cosh(softplus(u)) ** 2,
    ),
    "hard tanh": (lambda u: np.clip(u, -1, 1), lambda u: 1.0 * (np.abs(u) < 1)),
    "softsign": (lambda u: u / (1 + np.abs(u)), lambda u: 1 / (1 + np.abs(u)) ** 2),
    "exp": (np.exp, np.exp),
    "softmax": (softmax, None),
    "Φ": (normal_cdf, normal_pdf),
    "ln": (np.log, None),
    "max": (np.maximum, None),
    "min": (np.minimum, None),
    "abs": (np.abs, None),
    "norm": (np.linalg.norm, None),
    "sqrt": (np.sqrt, None),
    "sign": (np.sign, None),
    "diag": (lambda u: np.diag(np.ravel(u)), None),
}
SIGNS = {"=": operator.eq, ">": operator.gt, "<": operator.lt, "≤": operator.le}


def times(a, b):
    """A matrix product, or a scaling."""
    return a * b if np.ndim(a) == 0 or np.ndim(b) == 0 else a @ b


def value(node, number=float):
    """The value, a number or a matrix.  number : what a printed number stands for."""
    kind, *parts = node

    def of(part):
        return value(part, number)

    with np.errstate(all="ignore"):
        match kind:
            case "num":
                return np.float64(number(parts[0]))
            case "mat":
                return np.array([[of(cell) for cell in row] for row in parts[0]], float)
            case "add":
                made = [of(term) for term in parts[0]]
                return sum(made[1:], start=made[0])
            case "mul" | "had":
                made = [of(factor) for factor in parts[0]]
                for other in made[1:]:
                    made[0] = times(made[0], other) if kind == "mul" else made[0] * other
                return made[0]
            case "neg":
                return -of(parts[0])
            case "div":
                return of(parts[0]) / of(parts[1])
            case "pow":
                return of(parts[0]) ** of(parts[1])
            case "T":
                return np.transpose(of(parts[0]))
            case "fn":
                name = parts[0]
                pair = FUNCTIONS.get(name.removesuffix("′"))
                if pair is None:
                    raise Symbolic
                return pair[name.endswith("′")](*(of(arg) for arg in parts[1]))
            case "holds":
                return float(SIGNS[parts[0]](of(parts[1]), of(parts[2])))
    raise Symbolic


def nodes(node):
    """The node and all below it."""
    yield node
    for part in node[1:]:
        stack = [part]
        while stack:
            item = stack.pop(0)
            if isinstance(item, tuple) and item and isinstance(item[0], str) and item[0] in KINDS:
                yield from nodes(item)
            elif isinstance(item, list):
                stack = [*item, *stack]


KINDS = {"num", "sym", "dots", "mat", "add", "mul", "had", "neg", "div", "pow", "T", "fn", "holds", "chain", "big"}
