"""What an optimizer is: a frozen description, and two pure functions on flat vectors.

`init` makes the state and `update` gives the step to add to theta, with the new state.  Neither writes to its inputs.
The gradient may be clipped before.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from backlit.errors import DomainError, ProblemError, ShapeError, near
from backlit.registry import Check, Described, Descriptions, number

Array = np.ndarray
Slots = tuple[Array, ...]
Operands = Mapping[str, Any]
Line = tuple[str, str, Any]  # an equation's number, the name of what it makes, and the formula

SMALLEST_EPS = 1e-37  # below float32's smallest normal number, 1.2e-38, eps would be 0 there and 0/0 the step
POSITIVE_EPS = number(SMALLEST_EPS)
NOT_NEGATIVE = number(0)
DECAY = number(0, 1, high_open=True)  # a running mean that forgets nothing never leaves 0


@dataclass(frozen=True, kw_only=True)
class Optimizer(Described):
    """What every optimizer is: a name, hyperparameters with their checks, and the names of the state vectors.

    A subclass gives `checks` (one for each field), `slots` and `rule`, and may give `formulas`, in which a
    hyperparameter is printed as the symbol that `symbols` names.

    Parameters
    ----------
    learning_rate : float
        η ≥ 0, which a schedule multiplies.

    Raises
    ------
    ProblemError
        If a hyperparameter is not a number, not finite or out of range.

    Examples
    --------
    >>> from backlit.optim import get_optimizer
    >>> sgd, theta = get_optimizer("sgd"), np.array([1.0])
    >>> step, state = sgd.update(np.array([2.0]), sgd.init(theta), 1, lr=0.5, theta=theta)
    >>> step
    array([-1.])
    """

    kind: ClassVar[str] = "optimizer"
    checks: ClassVar[dict[str, Check]] = {"learning_rate": NOT_NEGATIVE}
    words: ClassVar[dict[str, str]] = {  # scikit-learn's, PyTorch's and Keras'
        "lr": "learning_rate",
        "learning_rate_init": "learning_rate",
        "beta_1": "beta1",
        "beta_2": "beta2",
        "epsilon": "eps",
        "nesterovs_momentum": "nesterov",
        "alpha": "rho",
    }
    symbols: ClassVar[dict[str, str]] = {"learning_rate": "eta"}
    growth: ClassVar[float] = 0.5  # the power of the batch's growth by which the rate grows
    learning_rate: float

    def __init_subclass__(cls, **options: Any) -> None:
        """Raise TypeError for a class with an `update` of its own, which engines would not ask."""
        super().__init_subclass__(**options)
        if cls.update is not Optimizer.update:
            raise TypeError(
                f"optimizer {cls.__name__}: update checks its arguments and then asks rule, as engines do at once: "
                "override rule(g, state, t, lr, theta) instead"
            )

    @classmethod
    def remedy(cls, key: object, allowed: Collection[str]) -> str:
        """What to write in place of a key that is not known."""
        if key == "weight_decay":
            return 'name "adamw" for weight decay, or give the network l2'
        return near(key, allowed)

    @classmethod
    def options(cls, given: dict[str, Any]) -> dict[str, Any]:
        """PyTorch's betas = (beta1, beta2) as two."""
        if "betas" not in given or "beta1" not in cls.checks:
            return given
        betas = given.pop("betas")
        if not isinstance(betas, list | tuple) or len(betas) != 2:
            raise ProblemError(f"optimizer {cls.name}: betas must be two numbers, not {betas!r}")
        if both := {"beta1", "beta_1", "beta2", "beta_2"} & given.keys():
            raise ProblemError(f"optimizer {cls.name}: betas and {min(both)} say the same: leave one out")
        return given | {"beta1": betas[0], "beta2": betas[1]}

    def for_batches(self, batch_size: int, usual: int) -> Self:
        """The same with a rate for batches of `batch_size` rows, where its own is one for batches of `usual` rows.

        The rate grows as the batch in gradient descent, and as its square root where g is divided by its length.
        Sources: Goyal et al. 2017, section 2.1; Malladi et al. 2022.

        >>> from backlit.optim import get_optimizer
        >>> [get_optimizer(name).for_batches(4096, usual=256).learning_rate for name in ("sgd", "adam")]
        [0.16, 0.004]
        """
        return replace(self, learning_rate=self.learning_rate * (batch_size / usual) ** self.growth)

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of the state vectors, each as long as theta."""
        raise TypeError(f"{type(self).__name__} names no slots")

    def rule(self, g: Array, state: Slots, t: int, lr: float, theta: Array) -> tuple[Array, Slots]:
        """The equations of `update`, on arguments that have been checked."""
        raise TypeError(f"{type(self).__name__} has no rule")

    def formulas(self, o: Operands, f: Any) -> Iterator[Line]:
        """The update written out, line by line; the last line's name is "step", which is added to theta.

        o : g, theta, t, each hyperparameter, and a vector v of the state before and after the step as "old v" and "v";
        what a line names is there for the lines after it.  f : the arithmetic, whose numbers o holds.
        Without lines `explain` shows the numbers alone.
        """
        return iter(())

    def init(self, theta: Array) -> Slots:
        """The state before the first step: for each slot zeros in theta's shape and dtype."""
        return tuple(np.zeros_like(theta) for _ in self.slots)

    def check_state(self, state: Slots, theta: Array) -> None:
        """Raise ShapeError for a state that is not this optimizer's, or of another theta."""
        if [s.shape for s in state] != [theta.shape] * len(self.slots):
            raise ShapeError(
                f"optimizer {self.name}: its state is {len(self.slots)} vectors of theta's shape {theta.shape}, not "
                f"{[s.shape for s in state]}: make the state with init(theta)"
            )

    def update(self, g: Array, state: Slots, t: int, *, lr: float, theta: Array) -> tuple[Array, Slots]:
        """Work out a step from the gradient; the caller adds it to theta.  Nothing is written to.

        Parameters
        ----------
        g : (n_parameters,) array
            ∂C/∂theta.
        state : tuple of (n_parameters,) arrays
            What `init` or the last `update` gave.
        t : int
            Number of this step, counted from 1.
        lr : float
            Learning rate η of this step, which a schedule may have scaled.
        theta : (n_parameters,) array
            The parameters before the step.

        Returns
        -------
        (n_parameters,) array, tuple of (n_parameters,) arrays
            The step and the new state, in the dtype of g and theta.

        Raises
        ------
        ShapeError
            If g, theta and the state do not fit together.
        DomainError
            If t is less than 1.
        """
        self.check_state(state, theta)
        if g.shape != theta.shape:
            raise ShapeError(f"optimizer {self.name}: g has shape {g.shape}, but theta {theta.shape}: give it as long")
        if t < 1:
            raise DomainError(f"optimizer {self.name}: t counts steps from 1, not {t}")
        # Python numbers: a NumPy scalar would turn float32 vectors into float64
        return self.rule(g, state, int(t), float(lr), theta)


OPTIMIZERS = Descriptions("optimizer")


def register_optimizer(rule: type[Optimizer]) -> type[Optimizer]:
    """Let `get_optimizer` know a class by its name.

    Parameters
    ----------
    rule : type
        A subclass of `Optimizer` with a `name`.

    Returns
    -------
    type
        The class itself, so that this decorates it.

    Examples
    --------
    >>> from backlit.optim import OPTIMIZERS, Sgd, get_optimizer
    >>> @register_optimizer
    ... class Creep(Sgd):
    ...     name = "creep"
    >>> get_optimizer("creep").name, OPTIMIZERS.pop("creep") is Creep
    ('creep', True)
    """
    return OPTIMIZERS.register(rule)


def get_optimizer(spec: str | Mapping[str, Any] | Optimizer) -> Optimizer:
    """An optimizer by name or by a description.

    Parameters
    ----------
    spec : str, mapping or Optimizer
        A name, `{"name": "adam", "learning_rate": 0.01}`, or an optimizer, which is returned as it is.  Names are sgd,
        adagrad, rmsprop, adam, adamw, and amsgrad, which is adam with amsgrad.  The words lr, beta_1, beta_2, betas,
        epsilon and nesterovs_momentum of other libraries are understood.

    Returns
    -------
    Optimizer
        A frozen description with the pure functions `init` and `update`.

    Raises
    ------
    ProblemError
        If a name or a key is unknown (the error gives the nearest), or a number is out of range.

    Examples
    --------
    >>> get_optimizer({"name": "adam", "lr": 0.01, "betas": (0.8, 0.99)})
    Adam(learning_rate=0.01, beta1=0.8, beta2=0.99, eps=1e-08, amsgrad=False)
    >>> get_optimizer("sgd").to_dict()
    {'name': 'sgd', 'learning_rate': 0.01, 'momentum': 0.0, 'nesterov': False}
    >>> get_optimizer("adma")
    Traceback (most recent call last):
    backlit.errors.ProblemError: unknown optimizer 'adma': did you mean adam? (one of sgd, adagrad, rmsprop, adam, ...)
    """
    return spec if isinstance(spec, Optimizer) else OPTIMIZERS.make(spec)


# --- clipping ---------------------------------------------------------------------------------------------------------

# A gradient may be bounded before the optimizer sees it.  Both ways write to nothing, and return g itself where nothing
# is clipped.  Source: Pascanu, Mikolov & Bengio 2013.

bound = number(0, low_open=True)


def norm(g: Array) -> float:
    """‖g‖₂ of a whole vector.

    Squares are taken of g/max|g|, so they neither overflow nor vanish: in float32 1e30 has no square, nor has 1e-30.

    Parameters
    ----------
    g : array
        Numbers of any shape.

    Returns
    -------
    float
        The norm; NaN or infinity if an entry is.

    Examples
    --------
    >>> norm(np.array([3, 4], dtype=np.float32) * 2.0**100) / 2.0**100
    5.0
    """
    largest = float(np.abs(g).max(initial=0))
    if largest == 0 or not np.isfinite(largest):
        return largest
    return largest * float(np.linalg.norm(g / g.dtype.type(largest)))


def clip_by_norm(g: Array, max_norm: float | None) -> Array:
    """Shorten g to length c = max_norm if it is longer: g ← g · min(1, c/‖g‖).

    The direction stays.  PyTorch's `clip_grad_norm_` divides by ‖g‖ + 1e-6, and so shortens a little more.

    Parameters
    ----------
    g : (n_parameters,) array
        The gradient.  It is not written to; one that is not finite is returned as it is, for the caller to find.
    max_norm : float or None
        c, above 0; None clips nothing.

    Returns
    -------
    (n_parameters,) array
        The clipped gradient; g itself if nothing was clipped.

    Raises
    ------
    ProblemError
        If max_norm is not a finite number above 0.

    References
    ----------
    Pascanu, Mikolov & Bengio 2013.

    Examples
    --------
    >>> clip_by_norm(np.array([3.0, 4.0]), 1.0)
    array([0.6, 0.8])
    """
    if max_norm is None:
        return g
    c, length = bound(max_norm, "max_norm"), norm(g)
    if length <= c or not np.isfinite(g).all():
        return g
    scaled = g / np.abs(g).max()  # entries of at most 1, so that neither ‖scaled‖ nor c/‖scaled‖ leaves the dtype
    return scaled * (c / float(np.linalg.norm(scaled)))  # [OPT-CLIP1]


def clip_by_value(g: Array, limit: float | None) -> Array:
    """Bound each entry of g to ±c, c = limit: g ← min(max(g, −c), c), which may turn its direction.

    Parameters
    ----------
    g : (n_parameters,) array
        The gradient.  It is not written to.
    limit : float or None
        c, above 0; None clips nothing.

    Returns
    -------
    (n_parameters,) array
        The clipped gradient; g itself if nothing was clipped.

    Raises
    ------
    ProblemError
        If limit is not a finite number above 0.

    Notes
    -----
    An infinite entry becomes ±c and NaN stays NaN, as in PyTorch's `clip_grad_value_`: look for entries that are not
    finite before clipping.

    Examples
    --------
    >>> clip_by_value(np.array([3.0, -4.0, 0.5]), 1.0)
    array([ 1. , -1. ,  0.5])
    """
    if limit is None:
        return g
    c = min(bound(limit, "limit"), float(np.finfo(g.dtype).max))  # 1e39 is no number of float32
    if not (np.abs(g) > c).any():
        return g
    return np.clip(g, -c, c)  # [OPT-CLIP2]
