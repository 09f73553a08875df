"""What the steps of the forward pass share: lines and entries worked, and what things are called."""

from collections.abc import Callable

from backlit.derivation.document import Line
from backlit.derivation.expressions import (
    At,
    Expr,
    MatMul,
    Num,
)
from backlit.derivation.scene import Cols, Scene, entry_indices, line


def lines(s: Scene, build: Callable[[Cols], tuple[list[Expr], list[Expr]]]) -> tuple[Line, ...]:
    """A worked line for each choice of examples."""
    return tuple(line(s.label(cols), *build(cols)) for cols in s.choices)


def entries(s: Scene, id: str, shape: tuple[int, ...], entry: Callable[..., Line]) -> tuple[Line, ...]:
    """The first entries of a quantity, worked."""
    return tuple(entry(s, *index) for index in entry_indices(s, shape))


def below(l: int) -> str:
    """The id of the step that made a[l]."""
    return f"a[{l}]" if l else "given-x"


def after_activation(s: Scene, l: int) -> str:
    """What φ's result is called: h where dropout or a skip follows, a where it is the layer's output."""
    return "h" if s.trace.mask[l] is not None or s.layer(l).skip_from is not None else "a"


def before_activation(s: Scene, l: int) -> str:
    """What φ is applied to: u after a norm, z without one."""
    return "u" if s.layer(l).norm else "z"


def index_k(of: Expr, *first: int) -> Expr:
    """An entry whose last index is the k that is summed over."""
    return At(of, (*(str(i + 1) for i in first), "k"))


def times(scale: Num, of: Expr) -> Expr:
    """scale · of, where the scale is not 1."""
    return of if scale.value == 1 else MatMul(scale, of)
