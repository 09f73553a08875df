"""`assert_gradients_match`: a gradient check as one line of a test, with a message that a person can act on."""

from collections.abc import Mapping
from typing import Any

from backlit.core.problem import Problem
from backlit.verification.function_check import CERTIFIED, Function, check_function
from backlit.verification.problem_check import check
from backlit.verification.result import CheckResult


def assert_gradients_match(
    what: Problem | Function,
    claims: Any,
    theta: Any = None,
    *,
    names: Mapping[str, slice] | None = None,
    tolerance: float = CERTIFIED,
) -> None:
    """Fail a test if gradients are wrong.

    Parameters
    ----------
    what : Problem or callable
        A problem whose numbers are claimed; or the loss, a function of a flat vector (n,) that gives one number.
    claims : mapping, path, callable or array
        Of a problem: the claimed numbers, as `check` takes them.  Of a function: its gradient, as `check_function`
        takes it.
    theta : (n,) array, optional
        Where a function is checked; a problem has no need of it.
    names : mapping of str to slice, optional
        Parts of theta by name, for the message.
    tolerance : float, default 1e-08
        Relative error that a function's gradient may have.

    Raises
    ------
    AssertionError
        If something is wrong: the first wrong quantity, its worst entry, the mistake if it is known, and what to do.

    Examples
    --------
    >>> assert_gradients_match(lambda t: (t**3).sum(), lambda t: 3 * t**2, [1.0, -2.0])
    """
    __tracebackhide__ = True
    if isinstance(what, Problem):
        result = check(what, claims)
        if not result.ok:
            raise AssertionError(explained(result))
        return
    found = check_function(what, claims, theta, names=names, tolerance=tolerance)
    if not found.ok:
        part = f" in {found.worst_name}" if names else ""
        raise AssertionError(f"the gradient does not match its function{part}: {found}")


def explained(result: CheckResult) -> str:
    """What is wrong, where, and how to mend it, in a few lines."""
    lines = [f"gradients: {result}", *result.notes]
    if result.first_wrong is not None:
        worst = result.quantities[result.first_wrong].worst
        lines.append(f"{result.first_wrong}{list(worst.index)}: claimed {worst.claimed:.10g}, right {worst.right:.10g}")
    for one in result.diagnoses:
        for bug in one.bugs:
            lines += [bug.words, f"  used:  {bug.wrong}", f"  right: {bug.right}   [{bug.equation}]", f"  {bug.fix}"]
    return "\n".join(lines)
