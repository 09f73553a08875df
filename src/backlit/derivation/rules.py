"""Every optimizer's update written out as formulas, for symbols and for numbers alike.

`tests/derivation/test_rules.py` computes each formula and compares it with `optim`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from backlit.derivation.expressions import Add, Expr, Frac, Mul, Neg, Pow, Root
from backlit.derivation.functions import ONE, TWO, fn, minus
from backlit.optim.optimizers import Adagrad, Adam, AdamW, RmsProp, Sgd
from backlit.optim.optimizers.base import Optimizer

SYMBOLS = {
    "learning_rate": "eta",
    "momentum": "mu",
    "rho": "rho",
    "beta1": "beta1",
    "beta2": "beta2",
    "eps": "eps",
    "weight_decay": "lambda",
}
Operands = Mapping[str, Expr]  # g, theta, t, each hyperparameter, and a vector v before and after as "old v" and "v"


@dataclass(frozen=True)
class Rule:
    """One line of an update: `name` ← `made`.

    equation : its number.  name : a vector of the state, "d" (RMSprop's direction) or "step", which is added to θ.
    """

    equation: str
    name: str
    made: Expr


def squared(x: Expr) -> Pow:
    """x²."""
    return Pow(x, TWO)


def running_mean(decay: Expr, old: Expr, new: Expr) -> Add:
    """β·old + (1 − β)·new."""
    return Add(Mul(decay, old), Mul(minus(ONE, decay), new))


def over_root(top: Expr, square: Expr, eps: Expr) -> Frac:
    """top/(√square + ε)."""
    return Frac(top, Add(Root(square), eps))


def sgd(optimizer: Sgd, o: Operands) -> list[Rule]:
    """OPT-SGD1, or OPT-SGD2 and, with Nesterov, OPT-SGD3."""
    move = Mul(o["learning_rate"], o["g"])
    if not optimizer.momentum:
        return [Rule("OPT-SGD1", "step", Neg(move))]
    velocity = Rule("OPT-SGD2", "v", minus(Mul(o["momentum"], o["old v"]), move))
    if optimizer.nesterov:
        return [velocity, Rule("OPT-SGD3", "step", minus(Mul(o["momentum"], o["v"]), move))]
    return [velocity, Rule("OPT-SGD2", "step", o["v"])]


def adagrad(optimizer: Adagrad, o: Operands) -> list[Rule]:
    """OPT-ADAGRAD1 and 2."""
    summed = Rule("OPT-ADAGRAD1", "s", Add(o["old s"], squared(o["g"])))
    return [summed, Rule("OPT-ADAGRAD2", "step", Neg(over_root(Mul(o["learning_rate"], o["g"]), o["s"], o["eps"])))]


def rmsprop(optimizer: RmsProp, o: Operands) -> list[Rule]:
    """OPT-RMSPROP1 to 3."""
    rules = [
        Rule("OPT-RMSPROP1", "s", running_mean(o["rho"], o["old s"], squared(o["g"]))),
        Rule("OPT-RMSPROP2", "d", over_root(o["g"], o["s"], o["eps"])),
    ]
    if optimizer.momentum:
        rules.append(Rule("OPT-RMSPROP3", "v", Add(Mul(o["momentum"], o["old v"]), o["d"])))
    last = o["v"] if optimizer.momentum else o["d"]
    return [*rules, Rule("OPT-RMSPROP3", "step", Neg(Mul(o["learning_rate"], last)))]


def adam(optimizer: Adam, o: Operands) -> list[Rule]:
    """OPT-ADAM1 to 4, OPT-AMSGRAD, OPT-ADAMW."""
    rules = [
        Rule("OPT-ADAM1", "m", running_mean(o["beta1"], o["old m"], o["g"])),
        Rule("OPT-ADAM2", "v", running_mean(o["beta2"], o["old v"], squared(o["g"]))),
    ]
    if optimizer.amsgrad:
        rules.append(Rule("OPT-AMSGRAD", "v_max", fn("max", o["old v_max"], o["v"])))
    largest = o["v_max"] if optimizer.amsgrad else o["v"]
    m_hat = Frac(o["m"], minus(ONE, Pow(o["beta1"], o["t"])))
    v_hat = Frac(largest, minus(ONE, Pow(o["beta2"], o["t"])))
    step: Expr = Neg(Mul(o["learning_rate"], over_root(m_hat, v_hat, o["eps"])))
    if isinstance(optimizer, AdamW) and optimizer.weight_decay:
        step = minus(step, Mul(o["learning_rate"], o["weight_decay"], o["theta"]))
        return [*rules, Rule("OPT-ADAMW", "step", step)]
    return [*rules, Rule("OPT-ADAM4", "step", step)]


RULES: dict[str, Callable[..., list[Rule]]] = {
    "sgd": sgd,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "adam": adam,
    "adamw": adam,
}


def rules(optimizer: Optimizer, operands: Operands) -> list[Rule]:
    """The lines of an update, in the order in which they are computed; the last one gives the step."""
    return RULES[optimizer.name](optimizer, operands)
