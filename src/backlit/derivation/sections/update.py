"""The optimizer's steps with numbers, and the cost before and after them."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from backlit.core.parameters import Parameters, Slot, layout
from backlit.derivation.context import Context, as_float, at, entry_id, entry_indices, hidden, line
from backlit.derivation.document import Block, Formula, Line, Paragraph, Section, Step, Text
from backlit.derivation.expressions import (
    Add,
    Chain,
    Expr,
    Fn,
    Frac,
    MatMul,
    Mul,
    Neg,
    Num,
    Pow,
    Root,
    Sym,
    constant,
    nodes,
)
from backlit.derivation.functions import ONE, TWO, fn, known_value, minus
from backlit.derivation.sections.helpers import OTHER_NUMBERS, RAISED
from backlit.derivation.update import Rule, Symbols, Updated, by_entry, optimizer_of, rules, vector_symbol

TITLES = {"W": "weights", "b": "biases", "gamma": "scales", "beta": "shifts"}
FEW = 6  # entries of a tensor that are worked
LISTED = 24  # steps whose costs are listed
HALVINGS = 200  # of a step that raised the cost, in search of one that lowers it


def section(s: Context, updates: list[Updated]) -> Section:
    """The first step in full, then the costs of all."""
    blocks: list[Block] = [Paragraph(words(s)), *equations(s), *steps(s, updates[0]), costs(s, updates)]
    return Section("update", "One step of the optimizer", tuple(blocks))


def last_section(s: Context, updates: list[Updated]) -> Section | None:
    """The last of several steps, in full."""
    if len(updates) < 2:
        return None
    last = updates[-1]
    said = (
        f"The same on the parameters that step {last.t - 1} left; the gradient is taken anew by both passes. Ids of "
        f"this step end in @{last.t}."
    )
    return Section("update-last", f"Step {last.t} of the optimizer", (Paragraph((said,)), *steps(s, last)))


def steps(s: Context, u: Updated) -> Iterator[Step]:
    """Clipping, where there is any, then every tensor."""
    if clips(s):
        yield clipping(s, u)
    for slot in layout(s.net):
        yield parameter_step(s, u, slot)


def tag(u: Updated) -> str:
    """What tells the ids of a later step from those of the first."""
    return "" if u.t == 1 else f"@{u.t}"


def words(s: Context) -> Text:
    """What the optimizer is, its settings with their symbols."""
    optimizer = optimizer_of(s.problem)
    settings: list[str | Expr] = []
    for name, value in optimizer.to_dict().items():
        if name != "name":
            settings += [", " if settings else "", f"{name.replace('_', ' ')} "]
            symbol = optimizer.symbols.get(name)
            settings += [f"{said(value)}"] if symbol is None else [Sym(symbol), f" = {said(value)}"]
    by = "" if s.problem.optimizer else " The problem names no optimizer, so plain gradient descent is shown."
    by += " It is no step of this network's training." if by and s.problem.statistics is not None else ""
    more = " Its state starts at 0." if optimizer.slots else ""
    more += OTHER_NUMBERS if optimizer in s.false else ""
    return (f"Optimizer {optimizer.name} (", *settings, f"), on the whole of x.{by}{more}")


def said(value: object) -> str:
    """A setting in words."""
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else constant(value).text.replace("-", "−")


def equations(s: Context) -> list[Block]:
    """The optimizer's rule in symbols."""
    optimizer, made = optimizer_of(s.problem), in_symbols(s)
    counted = any(Sym("t") in nodes(rule.made) for rule in made)
    known = "With g the gradient of a parameter θ" + (" and t the number of the step" if counted else "")
    shown: list[Block] = [Paragraph((f"{known}, each step makes",))]
    for rule in made:
        sign = "←" if rule.name in optimizer.slots else "="
        shown.append(Formula(Chain((vector_symbol(rule.name), rule.made), (sign,)), rule.equation))
    return [*shown, Formula(Chain((Sym("theta"), Add(Sym("theta"), Sym("step"))), ("←",)))]


# --- clipping ---------------------------------------------------------------------------------------------------------


def clips(s: Context) -> bool:
    """Whether the gradient is bounded."""
    return s.problem.clip_norm is not None or s.problem.clip_value is not None


def factor(s: Context, u: Updated) -> float:
    """What clipping by norm multiplies the gradient by."""
    return 1.0 if s.problem.clip_norm is None or not u.norm else min(1.0, s.problem.clip_norm / u.norm)


def clipping(s: Context, u: Updated) -> Step:
    """[OPT-CLIP1] and [OPT-CLIP2]."""
    g = Sym("g")
    made: list[Line] = []
    formula: Expr = g
    bound = "" if s.problem.clip_norm is None else f" to the length c = {said(s.problem.clip_norm)}"
    if s.problem.clip_norm is not None:
        c = constant(s.problem.clip_norm)
        squares = [s.num((as_float(u.gradient[slot]) ** 2).sum(), upstream(u, slot)) for slot in layout(s.net)]
        symbols = [Pow(Fn("norm", (s.cost_slope(slot.name, slot.l),)), TWO) for slot in layout(s.net)]
        length = s.num(u.norm, "clip" + tag(u))
        of_all = [Fn("norm", (g,)), Root(Add(*s.terms(symbols)))]
        made.append(line("length of the whole gradient", of_all, [Root(Add(*s.terms(squares))), length]))
        made.append(line("factor on it", [], [fn("min", ONE, Frac(c, length)), s.num(factor(s, u), "clip" + tag(u))]))
        formula = MatMul(g, fn("min", ONE, Frac(Sym("c"), Fn("norm", (g,)))))
    if s.problem.clip_value is not None:
        limit = constant(s.problem.clip_value)
        formula = fn("min", fn("max", formula, Neg(limit)), limit)
    return Step(
        "clip" + tag(u),
        "OPT-CLIP1" if s.problem.clip_norm is not None else "OPT-CLIP2",
        "Clipping",
        formula,
        f"The gradient is bounded{bound} before the optimizer sees it; what the optimizer gets stands at each tensor "
        "below.",
        "update",
        tuple(made),
        value=u.clipped.theta,
    )


def bounded(s: Context, u: Updated, g: Expr) -> Expr:
    """A gradient's numbers times the factor, and between the limits."""
    if factor(s, u) != 1:
        g = MatMul(s.num(factor(s, u), "clip" + tag(u)), g)
    if s.problem.clip_value is not None:
        limit = constant(s.problem.clip_value)
        g = fn("min", fn("max", g, constant(-limit.value)), limit)
    return g


# --- one tensor -------------------------------------------------------------------------------------------------------


def parameter_step(s: Context, u: Updated, slot: Slot) -> Step:
    """θ after = θ before + step, for one tensor."""
    id, symbol = f"update_{slot}{tag(u)}", Sym(slot.name, str(slot.l))
    frozen = slot.name == "b" and not s.layer(slot.l).train_bias
    shape = slot.shape
    return Step(
        id,
        "" if frozen else equation(s),
        f"New {TITLES[slot.name]} of layer {slot.l}",
        symbol if frozen else Add(symbol, Sym("step", str(slot.l))),
        "These biases stay as they are (train_bias is false)." if frozen else how_it_moves(s),
        "update",
        tuple(frozen_lines(s, u, slot, id) if frozen else tensor_lines(s, u, slot, id)),
        tuple(x for i in entry_indices(s, shape, FEW) for x in entry_lines(s, u, slot, i, id)),
        notes=tuple(note for note in (rounding_words(s, u, slot),) if note),
        value=u.after[slot],
        hidden=hidden(shape, f"update_{slot}", FEW),
    )


def in_symbols(s: Context) -> list[Rule]:
    """The optimizer's rule in symbols; no lines where it writes nothing out."""
    optimizer = optimizer_of(s.problem)
    return list(rules(optimizer, Symbols(optimizer)))


def equation(s: Context) -> str:
    """The number of the equation that gives the step."""
    return "".join([rule.equation for rule in in_symbols(s)][-1:])


def descends(s: Context) -> bool:
    """Whether the step is −η g, as in plain gradient descent."""
    o = Symbols(optimizer_of(s.problem))
    return [(rule.name, rule.made) for rule in in_symbols(s)] == [("step", -(o["learning_rate"] * o["g"]))]


def how_it_moves(s: Context) -> str:
    """What makes a parameter's step, in words."""
    if descends(s):
        return "The parameters move against their gradient."
    of = "its gradient and its state" if optimizer_of(s.problem).slots else "its gradient"
    made = f", which the rule above makes of {of}" if in_symbols(s) else ""
    return f"Each parameter moves by its own step{made}."


def before(s: Context, u: Updated, slot: Slot) -> str | None:
    """Where a parameter before the step comes from."""
    return f"given-{slot}" if u.t == 1 else f"update_{slot}" if u.t == 2 else None


def upstream(u: Updated, slot: Slot) -> str | None:
    """Where its gradient comes from."""
    return f"grad_{slot}" if u.t == 1 else None


def column(s: Context, array: Any, source: str | None = None) -> Expr:
    """A tensor as a matrix, a vector as a column."""
    return s.mat(array if array.ndim == 2 else array[:, None], source)


def frozen_lines(s: Context, u: Updated, slot: Slot, id: str) -> Iterator[Line]:
    """What does not move."""
    yield line("", [Sym(slot.name, str(slot.l))], [column(s, u.after[slot], before(s, u, slot))])


def tensor_lines(s: Context, u: Updated, slot: Slot, id: str) -> Iterator[Line]:
    """The gradient where it is new, the state, the step, and the sum."""
    optimizer, symbol = optimizer_of(s.problem), Sym(slot.name, str(slot.l))
    layer = str(slot.l)
    slope, g = s.cost_slope(slot.name, slot.l), column(s, u.gradient[slot], upstream(u, slot))
    if u.t > 1:
        yield line(f"gradient at step {u.t}", [slope], [g])
    if clips(s):
        yield line("gradient after clipping", [Sym("g", layer)], [bounded(s, u, g), column(s, u.clipped[slot], id)])
        g = column(s, u.clipped[slot], id)
    if descends(s):
        moved = Add(column(s, u.before[slot], before(s, u, slot)), Neg(MatMul(s.setting(optimizer.learning_rate), g)))
    else:
        for name, vector in zip(optimizer.slots, u.state, strict=True):
            part = vector[slot.start : slot.stop].reshape(slot.shape)
            yield line(f"after step {u.t}", [vector_symbol(name, layer)], [column(s, part, id)])
        moved = Add(column(s, u.before[slot], before(s, u, slot)), column(s, u.after[slot] - u.before[slot], id))
    yield Line("", arrow(symbol, moved, column(s, u.after[slot], id)))


def arrow(symbol: Expr, moved: Expr, after: Expr) -> Chain:
    """θ ← moved = after."""
    made = line("", [], [moved, after]).chain
    assert isinstance(made, Chain)
    return Chain((symbol, *made.parts), ("←", *made.relations))


# --- one entry --------------------------------------------------------------------------------------------------------


def entry_lines(s: Context, u: Updated, slot: Slot, index: tuple[int, ...], id: str) -> Iterator[Line]:
    """One parameter's state and step, by the optimizer's own equations, then its new value."""
    e = slot.start + int(np.ravel_multi_index(index, slot.shape))
    own = f"{entry_id(f'update_{slot}', index)}{tag(u)}"
    old, new = s.num(u.before.theta[e], before(s, u, slot)), s.num(u.after.theta[e], id)
    symbol, g = at(Sym(slot.name, str(slot.l)), *index), s.num(u.gradient.theta[e], upstream(u, slot))
    if slot.name == "b" and not s.layer(slot.l).train_bias:
        yield line("", [symbol], [old], own)
        return
    if clips(s):
        clipped = s.num(u.clipped.theta[e])
        symbols = [at(Sym("g", str(slot.l)), *index)]
        yield line("", symbols, [scalar(bounded(s, u, g)), clipped], f"{own}.g")
        g = clipped
    optimizer = optimizer_of(s.problem)
    if descends(s):
        yield Line("", arrow(symbol, minus(old, Mul(s.setting(optimizer.learning_rate), g)), new), own)
        return
    made = operands(s, u, e, g, old)
    step = s.num(u.after.theta[e] - u.before.theta[e])
    for rule in rules(optimizer, made):
        result = step if rule.name == "step" else made.setdefault(rule.name, s.num(known_value(rule.made)))
        yield worked_rule(rule, result, at(vector_symbol(rule.name, str(slot.l)), *index), f"{own}.{rule.name}")
    yield Line("", arrow(symbol, Add(old, step), new), own)


def scalar(expr: Expr) -> Expr:
    """A product of numbers, written with a dot."""
    return Mul(*expr.items) if isinstance(expr, MatMul) else expr


def operands(s: Context, u: Updated, e: int, g: Num, theta: Num) -> dict[str, Expr]:
    """What the rules take, as printed numbers."""
    optimizer = optimizer_of(s.problem)
    made: dict[str, Expr] = {key: constant(v) for key, v in optimizer.to_dict().items() if key in optimizer.symbols}
    made |= {"g": g, "theta": theta, "t": constant(u.t)}
    for name, old, new in by_entry(u, optimizer.slots, e):
        made |= {f"old {name}": s.num(old), name: s.num(new)}
    return made


def worked_rule(rule: Rule, result: Expr, symbol: Expr, id: str) -> Line:
    """A rule with numbers."""
    return line("", [symbol], [result] if isinstance(rule.made, Num) else [rule.made, result], id)


# --- the cost ---------------------------------------------------------------------------------------------------------


def costs(s: Context, updates: list[Updated]) -> Step:
    """C before and after each step."""
    made = []
    for u in updates if len(updates) <= LISTED else [*updates[: LISTED - 1], updates[-1]]:
        first, after = s.num(u.loss_before, "loss" if u.t == 1 else None), s.num(u.loss_after, "update_loss")
        made.append(Line(f"step {u.t}", Chain((Sym("C"), first, after), (":", "→"))))
    notes: list[Text] = []
    if len(updates) > LISTED:
        notes.append((f"Steps {LISTED} to {len(updates) - 1} are left out of this list.",))
    if s.problem.dropout_key() is not None:
        notes.append(
            (
                "Each step draws its own dropout masks. Before and after one step are taken with the same ones, so "
                "they can be compared; the costs of different steps can't.",
            )
        )
    return Step(
        "update_loss",
        "",
        "The cost before and after",
        Sym("C"),
        " ".join(str(part) for text in outcome(s, updates) for part in text),
        "update",
        tuple(made),
        notes=tuple(notes),
        value=updates[-1].loss_after,
    )


def outcome(s: Context, updates: list[Updated]) -> Iterator[Text]:
    """What became of the cost; each step is judged by the same masks before and after it."""
    n = len(updates)
    rose = [u for u in updates if u.loss_after > u.loss_before]
    fell = sum(u.loss_after < u.loss_before for u in updates)
    first = f" at step {rose[0].t}" if rose and n > 1 else ""
    more = f" and at {len(rose) - 1} more of {n}" if len(rose) > 1 else f" of {n}" if n > 1 else ""
    yield s.claim("cost_rose", rose, f"The cost rose{first}{more}:")
    yield from why_it_rose(s, rose[0]) if rose else ()
    yield s.claim("cost_fell", fell == n, "The cost fell." if n == 1 else f"The cost fell at each of the {n} steps.")
    some = not rose and 0 < fell < n
    yield s.claim(
        "cost_fell_sometimes", some, f"At {fell} of {n} steps the cost fell, at the others it stayed the same."
    )
    same, moved = not rose and not fell, any(as_float(u.clipped.theta).any() for u in updates)
    slope = any(as_float(u.gradient.theta).any() for u in updates)
    stayed = "The cost stayed the same"
    yield s.claim("cost_stayed", same and moved, f"{stayed}, although the gradient is not 0.")
    yield s.claim("gradient_is_zero", same and not slope, f"{stayed}: the gradient is 0.")
    frozen = same and slope and not moved
    yield s.claim("movable_gradient_is_zero", frozen, f"{stayed}: the gradient of all that may move is 0.")


def why_it_rose(s: Context, u: Updated) -> Iterator[Text]:
    """Where the step's direction leads, by the slope of C along it; if down, halve the step until the cost falls."""
    before, step = as_float(u.before.theta), as_float(u.after.theta) - as_float(u.before.theta)
    slope = float(as_float(u.gradient.theta) @ step)
    shorter = (k for k in range(1, HALVINGS + 1) if lowers(s, u, before + step / 2**k))
    k = next(shorter, 0) if slope < 0 else 0
    times = f"{2**k:,}" if k <= 20 else f"2{str(k).translate(RAISED)}"
    one = (
        f"; one {times} times shorter would have lowered it."
        if k
        else ", and a shorter one lowers it by rounding alone."
    )
    yield s.claim("step_too_long", slope < 0, f"the step was too long{one}")
    yield s.claim(
        "wrong_direction", slope >= 0, "its direction is wrong, for the slope of the cost along it is not below 0."
    )


def lowers(s: Context, u: Updated, theta: Any) -> bool:
    """Whether the cost is lower there than before the step, by the step's own masks."""
    return bool(s.problem.passes(Parameters(s.net, theta), step=u.t - 1)[1].loss < float(u.loss_before))


# --- gradients that are rounding alone --------------------------------------------------------------------------------

ROUNDING = 1e-14  # of the terms of a sum that cancel, in float64: what is left of them has no digit that is right


def rounding_words(s: Context, u: Updated, slot: Slot) -> Text:
    """A note where an optimizer that divides by a gradient's own size steps along one that is rounding."""
    if not optimizer_of(s.problem).slots or u.t > 1:
        return ()
    g, terms = as_float(u.gradient[slot]), size_of_terms(s, slot)
    noise = (g != 0) & (np.abs(g) <= ROUNDING * terms) if terms is not None else np.zeros(g.shape, bool)
    largest = 0.0 if terms is None else terms.max()
    said = (
        f"{int(noise.sum()):,} of these {noise.size:,} gradients {'is' if noise.sum() == 1 else 'are'} what rounding "
        f"leaves of terms that cancel: at most {np.abs(g[noise]).max(initial=0.0):.1e} beside terms of {largest:.1e}. "
        "The optimizer divides by a gradient's own size, so such steps mean nothing."
    )
    return s.claim(f"steps_along_rounding[{slot}]", noise.any(), said)


def size_of_terms(s: Context, slot: Slot) -> Any:
    """Σ of the absolute terms that a gradient of W or b adds up; None for other parameters."""
    if slot.name not in ("W", "b"):
        return None
    delta = np.abs(as_float(s.grad.delta[slot.l])) * as_float(s.delta_shares)[:, None]
    if slot.name == "b":
        return delta.sum(axis=0)
    return delta.T @ np.abs(as_float(s.trace.a[slot.l - 1])) + s.net.l2 * np.abs(as_float(s.params.W[slot.l]))
