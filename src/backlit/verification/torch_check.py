"""`check_torch`: are the gradients of a PyTorch module right, hand-written `autograd.Function`s and all?

The module is copied in float64; what autograd gives for each parameter and for the input is held against differences of
the module's own loss, so that nothing of the backward pass is trusted.
"""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.errors import ProblemError
from backlit.verification.function_check import CERTIFIED, FunctionCheck, check_function
from backlit.verification.invariants import apart, each_fact

if TYPE_CHECKING:
    import torch

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
