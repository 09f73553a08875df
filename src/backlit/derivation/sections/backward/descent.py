"""The worked numbers on the way down: the slope of the loss, then δ and the gradients of every layer."""

from collections.abc import Iterator

from backlit.derivation.document import Line, Section, Step, Text
from backlit.derivation.expressions import (
    Add,
    BigSum,
    Expr,
    MatMul,
    Mul,
    Partial,
    Sym,
    Transpose,
)
from backlit.derivation.scene import Cols, Scene, at, counted, entry_id, hidden, line
from backlit.derivation.sections.backward.activation import slope, through_activation, through_dropout, through_softmax
from backlit.derivation.sections.backward.gradients import bias_gradient, weight_gradient
from backlit.derivation.sections.backward.norms import through_norm
from backlit.derivation.sections.backward.output import output_slope, short_form
from backlit.derivation.sections.backward.parts import index_row, total
from backlit.derivation.sections.forward.parts import entries, index_k, lines, times


def section(s: Scene) -> Section:
    """Backward, from the loss down to the inputs."""
    return Section("backward", "Backward: from the loss to every gradient", tuple(steps(s)))


def steps(s: Scene) -> Iterator[Step]:
    """The steps, from the output down."""
    yield output_slope(s)
    for l in range(s.net.L, 0, -1):
        yield from through_layer(s, l)


def through_layer(s: Scene, l: int) -> list[Step]:
    """The steps of one layer, from ∂ℓ/∂a_l to ∂ℓ/∂a_{l−1}."""
    steps = []
    if s.trace.mask[l] is not None:
        steps.append(through_dropout(s, l))
    if l == s.net.L and s.net.has_short_form:
        steps.append(short_form(s))
    elif s.layer(l).activation.elementwise:
        steps += [slope(s, l), through_activation(s, l)]
    else:
        steps.append(through_softmax(s, l))
    if s.layer(l).norm:
        steps += through_norm(s, l)
    return [*steps, bias_gradient(s, l), weight_gradient(s, l), down(s, l)]


def down(s: Scene, l: int) -> Step:
    """[BP5], with [SK2]: ∂ℓ/∂a_{l−1}."""
    k = l - 1
    id, n, n_in = f"grad_a[{k}]", s.net.n[l], s.net.n[k]
    skips = [(top, s.setting(s.layer(top).skip_scale)) for top in range(1, s.net.L + 1) if s.layer(top).skip_from == k]
    W_T = s.mat(s.params.W[l].T, f"given-W[{l}]")

    def build(cols: Cols) -> tuple[list[Expr], list[Expr]]:
        product = MatMul(W_T, s.columns(s.grad.delta[l], cols, f"delta[{l}]"))
        symbol: Expr = MatMul(Transpose(Sym("W", str(l))), s.sym("delta", l, cols))
        made: Expr = product
        if skips:
            symbol = Add(symbol, *(times(scale, s.slope("a", top, cols)) for top, scale in skips))
            made = Add(made, *(times(c, s.columns(s.grad.a[t], cols, f"grad_a[{t}]")) for t, c in skips))
        return [s.slope("a", k, cols), symbol], [made, s.columns(s.grad.a[k], cols, id)]

    def entry(s: Scene, i: int, j: int) -> Line:
        terms: list[Expr] = [
            Mul(s.num(w, f"given-W[{l}]"), s.num(d, f"delta[{l}]"))
            for w, d in zip(s.params.W[l][:, j], s.grad.delta[l][i], strict=True)
        ]
        more: list[Expr] = [Mul(c, s.num(s.grad.a[t][i, j], f"grad_a[{t}]")) for t, c in skips]
        symbol = Partial(s.slope("a", k, [i]).of, at(s.sym("a", k, [i]), j))
        body: list[Expr] = [Mul(index_row(Sym("W", str(l)), j), index_k(s.sym("delta", l, [i])))]
        formula: Expr = BigSum("k", body[0])
        if skips:
            formula = Add(
                formula, *(Mul(c, Partial(s.slope("a", t, [i]).of, at(s.sym("a", t, [i]), j))) for t, c in skips)
            )
        numbers = [total((*s.terms(terms), *more)), s.num(s.grad.a[k][i, j], id)]
        return line(s.label([i]), [symbol, formula], numbers, entry_id(id, (i, j)))

    formula: Expr = MatMul(Transpose(Sym("W", str(l))), Sym("delta", str(l)))
    notes: list[Text] = []
    if skips:
        formula = Add(formula, *(times(c, s.slope("a", t)) for t, c in skips))
        notes.append(("The skip adds its own path (SK2): the gradient of its upper end comes straight down.",))
    place = "the inputs" if k == 0 else f"layer {k}"
    return Step(
        id,
        "BP5",
        f"Slope at {'the inputs' if k == 0 else f'the activations of layer {k}'}",
        formula,
        f"The same weights, transposed, carry δ of layer {l} down to {place}.",
        "backward",
        lines(s, build),
        entries(s, id, s.grad.a[k].shape, entry),
        (
            (s.slope("a", k), f"{n_in}×1"),
            (Transpose(Sym("W", str(l))), f"{n_in}×{n}"),
            (Sym("delta", str(l)), f"{n}×1"),
        ),
        (
            *notes,
            (
                f"W is {n}×{n_in} and sums over {counted(n_in, 'number')} below on the way up; its transpose, "
                f"{n_in}×{n}, sums over {counted(n, 'unit')} above.",
            ),
        ),
        s.grad.a[k],
        s.checked(id),
        hidden(s.grad.a[k].shape, id),
    )
