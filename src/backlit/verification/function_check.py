"""`check_function`: is this the gradient of that function?  Of NumPy code of a flat vector, or of a PyTorch module.

Foreign code is asked in several ways, and the ways are held against each other first: a complex step, which `abs` and
`linalg.norm` spoil without a word, and the tape, which knows no loops over numbers, count only where differences agree.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from backlit.display import Displayed
from backlit.errors import DomainError, ProblemError, ShapeError
from backlit.gradcheck import complex_step, one_sided, richardson
from backlit.verification.comparison import CERTIFIED
from backlit.verification.invariants import Fact, apart, each_fact

if TYPE_CHECKING:
    import torch

Array = np.ndarray
Function = Callable[[Array], Any]

AGREED = 1e-5  # how near to differences an exact way must be to count
STEP = 0.03  # the longest of differences, in units of an entry or of 1; the shortest is a thousand times shorter
AT_KINK = 1e-5  # the longest step to either side of a kink
ONE_BY_ONE = 2000  # entries beyond which a random choice is looked at where only differences work
CHOSEN = 300


@dataclass(frozen=True)
class FunctionCheck(Displayed):
    """What `check_function` found.

    Parameters
    ----------
    verdict : {"pass", "fail", "unresolved"}
        "unresolved" if no method knows the slope well enough.
    method : str
        The method whose slope was used: complex_step, tape or differences.
    max_relative_error : float
        Largest error of the gradient, relative to its largest entry.
    worst : tuple of (int, float, float)
        Index, claimed and right number of the worst entry.
    by_name : mapping of str to float
        Largest relative error of each named part.
    certain : float
        How well the method knows the slope, relative.
    note : str, default ''
        What was recognized, such as a constant factor.
    facts : tuple of Fact, default ()
        Facts that hold for every right gradient, and whether they do here.

    Examples
    --------
    >>> check_function(lambda t: (t**2).sum(), lambda t: 4 * t, [1.0, 2.0]).note
    'the claimed gradient is 2 times the right one'
    """

    verdict: Literal["pass", "fail", "unresolved"]
    method: str
    max_relative_error: float
    worst: tuple[int, float, float]
    by_name: Mapping[str, float]
    certain: float
    note: str = ""
    facts: tuple[Fact, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the gradient is right."""
        return self.verdict == "pass"

    @property
    def worst_name(self) -> str:
        """The part with the largest error."""
        return max(self.by_name, key=self.by_name.__getitem__)

    def __repr__(self) -> str:
        return f"<FunctionCheck {self.verdict}: relative error {self.max_relative_error:.1e} by {self.method}>"

    def to_text(self) -> str:
        """The verdict, the error and where it is largest, in one line."""
        index, claimed, right = self.worst
        where = f"entry {index}: claimed {claimed:.10g}, right {right:.10g} (by {self.method})"
        return f"{self.verdict}: relative error {self.max_relative_error:.1e}, worst {where}" + "".join(
            f"; {more}" for more in (self.note, *(fact for fact in self.facts if not fact.ok)) if more
        )


@dataclass(frozen=True)
class Slope:
    """∂f/∂theta at some entries by one method, with what it knows of its error."""

    method: str
    entries: Array
    values: Array
    certain: Array


def check_function(
    loss: Function,
    grad: Function | Any,
    theta: Any,
    *,
    names: Mapping[str, slice] | None = None,
    tolerance: float = CERTIFIED,
    exact: bool = True,
) -> FunctionCheck:
    """Say whether `grad` is the gradient of `loss` at theta.

    Parameters
    ----------
    loss : callable
        A function of a flat vector (n,) that gives one number; any NumPy code.
    grad : callable or (n,) array
        The function that claims to be its gradient, or the claimed numbers.
    theta : (n,) array
        Where the gradient is checked.
    names : mapping of str to slice, optional
        Parts of theta by name, for the report.
    tolerance : float, default 1e-08
        Relative error that an entry may have; what the method does not know is added.
    exact : bool, default True
        Whether the complex step and automatic differentiation are tried; False for code that takes real numbers alone.

    Returns
    -------
    FunctionCheck
        The verdict, the worst entry, and a constant factor if there is one.

    Raises
    ------
    ShapeError
        If the gradient has another length than theta.
    DomainError
        If the gradient is not finite, or the loss is not one finite number.

    Notes
    -----
    Central differences are extrapolated and know their rounding error.  The exact methods count only if they agree with
    them.  At a kink every value between the two one-sided slopes is right.  Beyond 2,000 entries, differences look at
    300 drawn ones.

    References
    ----------
    Complex step: Squire & Trapp 1998.

    Examples
    --------
    >>> check_function(lambda t: (t**2).sum(), lambda t: 2 * t, [1.0, 2.0]).verdict
    'pass'
    >>> str(check_function(lambda t: (t**2).sum(), lambda t: t, [1.0, 2.0]))[:25]
    'fail: relative error 5.0e'
    """
    theta = np.array(theta, dtype=np.float64).ravel()
    claimed = np.asarray(grad(theta.copy()) if callable(grad) else grad, dtype=np.float64).ravel()
    refuse(loss, theta, claimed)
    slope = best_slope(loss, theta, exact)
    gap = np.abs(claimed[slope.entries] - slope.values)
    scale = max(float(np.abs(slope.values).max(initial=0.0)), float(np.finfo(float).tiny))
    allowed = tolerance * np.maximum(np.abs(slope.values), 1e-4 * scale) + slope.certain
    gap = forgive_kinks(loss, theta, claimed, slope, gap, allowed)
    worst = int(np.argmax(gap / allowed))
    certain = float(slope.certain.max(initial=0.0)) / scale
    verdict: Literal["pass", "fail", "unresolved"] = "fail" if (gap > allowed).any() else "pass"
    verdict = "unresolved" if verdict == "pass" and certain > 1e-4 else verdict
    return FunctionCheck(
        verdict,
        slope.method,
        float(gap.max(initial=0.0)) / scale,
        (int(slope.entries[worst]), float(claimed[slope.entries[worst]]), float(slope.values[worst])),
        by_name(names or {"theta": slice(0, len(theta))}, slope.entries, gap, scale),
        certain,
        recognized(claimed[slope.entries], slope.values, allowed) if verdict == "fail" else "",
    )


def refuse(loss: Function, theta: Array, claimed: Array) -> None:
    """Raise an error if there is nothing that can be compared."""
    if claimed.shape != theta.shape:
        raise ShapeError(f"the gradient must have {len(theta)} numbers like theta, not {claimed.size}")
    if not np.isfinite(claimed).all():
        raise DomainError(f"the gradient holds {claimed[~np.isfinite(claimed)][0]}: give finite numbers")
    value = np.asarray(loss(theta.copy()))
    if value.size != 1 or not np.isfinite(np.real(value)).all():
        raise DomainError(f"the loss must be one finite number, but it is {value}: sum or average it to one number")


def by_name(names: Mapping[str, slice], entries: Array, gap: Array, scale: float) -> dict[str, float]:
    """The largest relative error of each named part."""
    found = {}
    for name, part in names.items():
        inside = (entries >= (part.start or 0)) & (entries < part.stop)
        found[name] = float(gap[inside].max(initial=0.0)) / scale
    return found


# --- ways to the slope ----------------------------------------------------------------------------------------------


def best_slope(loss: Function, theta: Array, exact: bool) -> Slope:
    """The most exact way that differences agree with."""
    differences = by_differences(loss, theta)
    size = float(np.abs(differences.values).max(initial=0.0)) + float(np.finfo(float).tiny)
    for way in (by_complex_step, by_tape) if exact else ():
        try:
            with np.errstate(all="ignore"):
                found = way(loss, theta)
        except Exception:  # foreign code that does not take complex numbers or Vars may raise anything
            continue
        gap = np.abs(found[differences.entries] - differences.values)
        if (gap <= AGREED * size + 10 * differences.certain).all():
            everything = np.arange(len(theta))
            return Slope(way.__name__[3:], everything, found, np.full(len(theta), 1e-13 * size))
    return differences


def by_complex_step(loss: Function, theta: Array) -> Array:
    """Im f(theta + i h e_j)/h for each j."""
    return complex_step(loss, theta, np.eye(len(theta))).values


def by_tape(loss: Function, theta: Array) -> Array:
    """Reverse mode over the foreign code."""
    from backlit.autodiff import gradient

    return np.asarray(gradient(loss, theta))


def by_differences(loss: Function, theta: Array) -> Slope:
    """Central differences at several steps, extrapolated; each entry knows its error, see `gradcheck.differences`."""
    n = len(theta)
    entries = np.arange(n) if n <= ONE_BY_ONE else np.sort(np.random.default_rng(0).choice(n, CHOSEN, replace=False))
    found = [richardson(along(loss, theta, int(j)), STEP * max(1.0, abs(theta[j]))) for j in entries]
    values, certain = np.array(found).reshape(-1, 2).T
    return Slope("differences", entries, values, certain)


def along(loss: Function, theta: Array, j: int) -> Callable[[float], float]:
    """t ↦ f(theta + t e_j)."""

    def f(t: float) -> float:
        moved = theta.copy()
        moved[j] += t
        return float(np.asarray(loss(moved)).item())

    return f


# --- kinks, and what is easily recognized ---------------------------------------------------------------------------


def forgive_kinks(loss: Function, theta: Array, claimed: Array, slope: Slope, gap: Array, allowed: Array) -> Array:
    """At a kink any value between the one-sided slopes is right: the gap to that range takes the place of the gap."""
    forgiven = gap.copy()
    for i in np.flatnonzero(gap > allowed)[:CHOSEN]:
        j = int(slope.entries[i])
        ends = [one_sided(along(loss, theta, j), h) for h in (AT_KINK, -AT_KINK)]
        (low, _), (high, _) = sorted(ends)
        jump, doubt = high - low, max(error for _, error in ends)
        if jump > 1e-4 * (abs(low) + abs(high)) and jump > 10 * doubt:
            outside = abs(float(np.clip(claimed[j], low, high)) - claimed[j])
            forgiven[i] = max(outside - 1e-5 * jump - doubt, 0.0)
    return forgiven


def recognized(claimed: Array, right: Array, allowed: Array) -> str:
    """A constant factor between claimed and right numbers, if there is one."""
    below = float(right @ right)
    factor = float(claimed @ right) / below if below else 0.0
    if len(right) > 1 and factor and (np.abs(claimed - factor * right) <= abs(factor) * allowed + allowed).all():
        return f"the claimed gradient is {factor:.6g} times the right one"
    if not claimed.any():
        return "the claimed gradient is 0"
    return ""


# --- of a PyTorch module ----------------------------------------------------------------------------------------------

# The module is copied in float64; what autograd gives for each parameter and for the input is held against differences
# of the module's own loss, so that nothing of the backward pass is trusted, hand-written `autograd.Function`s and all.

TIMES = -2.5  # with a sign: a backward that looks at the sign of what comes from above shows


def check_torch(
    module: "torch.nn.Module",
    loss: "Callable[[torch.Tensor, torch.Tensor], torch.Tensor]",
    X: Any,
    y: Any,
    *,
    tolerance: float = CERTIFIED,
) -> FunctionCheck:
    """Check the gradients of a PyTorch module, each hand-written `autograd.Function` too, by differences of its loss.

    What is checked is ∂loss/∂(each parameter), and ∂loss/∂X if X is floating point.  The module is copied in float64.

    Parameters
    ----------
    module : torch.nn.Module
        The module, in its present mode.  Switch dropout off with `module.eval()`.
    loss : callable
        A function of (the module's output, y) that gives one number.
    X : tensor or array
        Inputs of the module.
    y : tensor or array
        What the loss takes.
    tolerance : float, default 1e-08
        Relative error that an entry may have.

    Returns
    -------
    FunctionCheck
        Its `by_name` has the module's own parameter names, and "input".

    Raises
    ------
    ProblemError
        If two runs on the same numbers differ.

    Examples
    --------
    >>> import torch
    >>> X, y = torch.randn(4, 3), torch.randn(4, 2)
    >>> check_torch(torch.nn.Linear(3, 2), torch.nn.functional.mse_loss, X, y).verdict
    'pass'
    """
    import torch

    twin = copy.deepcopy(module).to(torch.float64)
    X = torch.as_tensor(X)
    X = X.to(torch.float64) if X.is_floating_point() else X
    y = torch.as_tensor(y)
    y = y.to(torch.float64) if y.is_floating_point() else y
    parts = {name: p for name, p in twin.named_parameters() if p.requires_grad}
    sizes = [p.numel() for p in parts.values()] + ([X.numel()] if X.is_floating_point() else [])
    ends = np.cumsum(sizes)
    labels = [*parts, *(["input"] if X.is_floating_point() else [])]
    names = {label: slice(int(end - size), int(end)) for label, size, end in zip(labels, sizes, ends, strict=True)}
    start = [p.detach().numpy().ravel() for p in parts.values()]
    theta = np.concatenate([*start, X.numpy().ravel()] if X.is_floating_point() else start)

    def run(vector: np.ndarray) -> tuple[Any, Any]:
        inputs = X
        with torch.no_grad():
            for name, p in parts.items():
                p.copy_(torch.from_numpy(vector[names[name]]).reshape(p.shape))
        if "input" in names:
            inputs = torch.from_numpy(vector[names["input"]].copy()).reshape(X.shape).requires_grad_()
        return loss(twin(inputs), y), inputs

    def value(vector: np.ndarray) -> float:
        with torch.no_grad():
            return float(run(vector)[0])

    def autograd(vector: np.ndarray, times: float = 1.0) -> np.ndarray:
        cost, inputs = run(vector)
        cost = times * cost
        wrt = [*parts.values(), *([inputs] if "input" in names else [])]
        slopes = torch.autograd.grad(cost, wrt, allow_unused=True)
        zeros = (torch.zeros_like(p) if g is None else g for p, g in zip(wrt, slopes, strict=True))
        return np.concatenate([g.detach().numpy().ravel() for g in zeros])

    if value(theta) != value(theta):
        raise ProblemError("the module gives two values for the same input: switch dropout off with module.eval()")
    g = autograd(theta)
    found = check_function(value, g, theta, names=names, tolerance=tolerance, exact=False)
    words = "the loss times c has c times the gradient: each backward multiplies by its grad_output"
    facts = tuple(each_fact([("loss_times_c", words, lambda: apart(autograd(theta, TIMES), TIMES * g))]))
    broken = found.verdict == "pass" and not all(fact.ok for fact in facts)
    return replace(found, facts=facts, verdict="fail" if broken else found.verdict)
