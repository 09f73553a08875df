"""The optimizer's step with numbers, and the cost before and after it."""

from typing import Any

import numpy as np

from backlit.core.parameters import layout
from backlit.derivation.document import Block, Line, Paragraph, Section, Step, Text
from backlit.derivation.expressions import Add, Chain, Expr, Fn, Frac, Mat, MatMul, Mul, Neg, Num, Pow, Root, Sym
from backlit.derivation.functions import ONE, fn, minus
from backlit.derivation.scene import Scene, at, constant, entry_id, entry_indices, line
from backlit.derivation.update import Updated, optimizer_of

TITLES = {"W": "weights", "b": "biases", "gamma": "scales", "beta": "shifts"}


def section(s: Scene, updates: list[Updated]) -> Section:
    """The first step in full, then the costs of all."""
    optimizer = optimizer_of(s.problem)
    rate = optimizer.learning_rate
    first = updates[0]
    blocks: list[Block] = [Paragraph((words(s),))]
    if s.problem.clip_norm is not None or s.problem.clip_value is not None:
        blocks.append(clipping(s, first))
    for slot in layout(s.net):
        blocks.append(parameter_step(s, first, slot.name, slot.l, rate))
    blocks.append(costs(s, updates))
    return Section("update", "One step of the optimizer", tuple(blocks))


def words(s: Scene) -> str:
    """What the optimizer is."""
    optimizer = optimizer_of(s.problem)
    settings = ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in optimizer.to_dict().items() if k != "name")
    by = "" if s.problem.optimizer else " The problem names no optimizer, so plain gradient descent is shown."
    return f"Optimizer {optimizer.name} ({settings}), on the whole of x.{by}"


def clipping(s: Scene, u: Updated) -> Step:
    """[OPT-CLIP1] and [OPT-CLIP2]."""
    g = Sym("g")
    made: list[Line] = []
    formula: Expr = g
    if s.problem.clip_norm is not None:
        c, length = constant(s.problem.clip_norm), s.num(u.norm)
        made.append(line("length of the gradient", [Fn("norm", (g,))], [length]))
        factor = fn("min", ONE, Frac(c, length))
        made.append(
            line("factor on it", [], [factor, s.num(min(1.0, s.problem.clip_norm / u.norm) if u.norm else 1.0)])
        )
        formula = MatMul(g, fn("min", ONE, Frac(Sym("c"), Fn("norm", (g,)))))
    if s.problem.clip_value is not None:
        limit = constant(s.problem.clip_value)
        formula = fn("min", fn("max", formula, Neg(limit)), limit)
    largest = float(np.abs(u.clipped.theta).max())
    made.append(line("largest entry after it", [fn("max", fn("abs", g))], [s.num(largest)]))
    return Step(
        "clip",
        "OPT-CLIP1" if s.problem.clip_norm is not None else "OPT-CLIP2",
        "Clipping",
        formula,
        "The gradient is bounded before the optimizer sees it.",
        "update",
        tuple(made),
        value=u.clipped.theta,
    )


def parameter_step(s: Scene, u: Updated, name: str, l: int, rate: float) -> Step:
    """θ after = θ before + step, for one tensor."""
    id = f"update_{name}[{l}]"
    before, after, g = (getattr(p, name)[l] for p in (u.before, u.after, u.clipped))
    symbol = Sym(name, str(l))
    frozen = name == "b" and not s.layer(l).train_bias
    step = after - before
    plain = optimizer_of(s.problem).name == "sgd" and not u.state_before
    source = "clip" if s.problem.clip_norm or s.problem.clip_value else f"grad_{name}[{l}]"

    def shaped(array: np.ndarray, from_: str | None) -> Mat:
        return s.mat(array if array.ndim == 2 else array[:, None], from_)

    given = f"given-{name}[{l}]"
    delta = Sym("step", str(l))
    made: list[Line] = []
    entries: list[Line] = []
    sentence = "The parameters move against their gradient."
    if frozen:
        sentence = "These biases stay as they are (train_bias is false)."
        made.append(line("", [symbol], [shaped(after, given)]))
    elif plain:
        moved = Add(shaped(before, given), Neg(MatMul(constant(rate), shaped(g, source))))
        made.append(Line("", arrow(symbol, moved, shaped(after, id))))
        for index in entry_indices(s, after.shape, 6):
            numbers = [
                minus(s.num(before[index], given), Mul(constant(rate), s.num(g[index], source))),
                s.num(after[index], id),
            ]
            entries.append(line("", [at(symbol, *index)], numbers, entry_id(id, index)))
    else:
        made.append(Line("", arrow(symbol, Add(shaped(before, given), shaped(step, None)), shaped(after, id))))
        entries += [entry_of(s, u, name, l, index, id) for index in entry_indices(s, after.shape, 6)]
        sentence = "Each parameter moves by its step; the entries show how a step is made."
    formula: Expr = symbol if frozen else Add(symbol, delta)
    if plain and not frozen:
        formula = minus(symbol, MatMul(Sym("eta"), s.cost_slope(name, l)))
    return Step(
        id,
        optimizer_equation(s, plain),
        f"New {TITLES[name]} of layer {l}",
        formula,
        sentence,
        "update",
        tuple(made),
        tuple(entries),
        value=after,
    )


def optimizer_equation(s: Scene, plain: bool) -> str:
    """The number of the equation that gives the step."""
    optimizer = optimizer_of(s.problem)
    table = {"adam": "OPT-ADAM4", "adamw": "OPT-ADAMW", "adagrad": "OPT-ADAGRAD2", "rmsprop": "OPT-RMSPROP3"}
    if optimizer.name == "sgd":
        return "OPT-SGD1" if plain else "OPT-SGD3" if getattr(optimizer, "nesterov", False) else "OPT-SGD2"
    return table.get(optimizer.name, "")


def arrow(symbol: Expr, moved: Expr, after: Mat) -> Chain:
    """θ ← moved = after."""
    made = line("", [], [moved, after]).chain
    assert isinstance(made, Chain)
    return Chain((symbol, *made.parts), ("←", *made.relations))


def entry_of(s: Scene, u: Updated, name: str, l: int, index: tuple[int, ...], id: str) -> Line:
    """One parameter's step, by the optimizer's own equations."""
    slot = next(x for x in layout(s.net) if x.name == name and x.l == l)
    e = slot.start + int(np.ravel_multi_index(index, slot.shape))
    optimizer = optimizer_of(s.problem)
    before, after = u.before.theta[e], u.after.theta[e]
    g = s.num(u.clipped.theta[e], f"grad_{name}[{l}]")
    step = s.num(after - before)
    numbers: list[Expr] = [step]
    made = step_formula(s, u, optimizer, e, g)
    symbols: list[Expr] = [at(Sym("step", str(l)), *index)]
    if made is not None:
        numbers = [made, step]
    return line("", symbols, numbers, entry_id(id, index))


def step_formula(s: Scene, u: Updated, optimizer: Any, e: int, g: Num) -> Expr | None:
    """The step of parameter e as the optimizer's equation makes it, from the state that it keeps."""
    eta = constant(optimizer.learning_rate)
    state = [s.num(v[e]) for v in u.state]
    match optimizer.name:
        case "sgd":
            old = s.num(u.state_before[0][e])
            if optimizer.nesterov:
                return minus(Mul(constant(optimizer.momentum), state[0]), Mul(eta, g))
            return minus(Mul(constant(optimizer.momentum), old), Mul(eta, g))
        case "adagrad":
            return Neg(Frac(Mul(eta, g), Add(Root(state[0]), constant(optimizer.eps))))
        case "rmsprop" if not optimizer.momentum:
            return Neg(Frac(Mul(eta, g), Add(Root(state[0]), constant(optimizer.eps))))
        case "adam" | "adamw" if not optimizer.amsgrad:
            t = constant(u.t)
            m_hat = Frac(state[0], minus(ONE, Pow(constant(optimizer.beta1), t)))
            v_hat = Frac(state[1], minus(ONE, Pow(constant(optimizer.beta2), t)))
            made: Expr = Neg(Mul(eta, Frac(m_hat, Add(Root(v_hat), constant(optimizer.eps)))))
            if optimizer.name == "adamw" and optimizer.weight_decay:
                decay = Mul(eta, constant(optimizer.weight_decay), s.num(u.before.theta[e]))
                made = Add(made, Neg(decay))
            return made
    return None


def costs(s: Scene, updates: list[Updated]) -> Step:
    """C before and after each step."""
    made = []
    for u in updates if len(updates) <= 12 else [*updates[:10], updates[-1]]:
        before, after = s.num(u.loss_before, "loss" if u.t == 1 else None), s.num(u.loss_after, "update_loss")
        made.append(Line(f"step {u.t}", Chain((Sym("C"), before, after), (":", "→"))))
    last = updates[-1].loss_after
    fell = last < updates[0].loss_before
    sentence: str = "The cost fell." if fell else "The cost did not fall: the step was too long for this place."
    notes: list[Text] = []
    if any(layer.dropout for layer in s.net.layers):
        notes.append(("Before and after are taken with the same dropout masks, so that they can be compared.",))
    return Step(
        "update_loss",
        "",
        "The cost before and after",
        Sym("C"),
        sentence,
        "update",
        tuple(made),
        notes=tuple(notes),
        value=last,
    )
