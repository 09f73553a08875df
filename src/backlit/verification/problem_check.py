"""`check`: compare claimed numbers of a problem with the right ones, and name the mistake that made them wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from backlit.core.problem import Problem
from backlit.display import Displayed
from backlit.errors import ProblemError
from backlit.gradcheck import off_loss_kinks, points_at_kinks
from backlit.registry import positive_integer
from backlit.verification.agreement import Agreement, agreement
from backlit.verification.comparison import (
    CERTIFIED,
    SINGLE,
    SINGLE_DIGITS,
    Compared,
    Tolerances,
    compare_all,
    first_wrong,
    fits_single,
)
from backlit.verification.function_check import Function, check_function
from backlit.verification.hypotheses import Predictor, hypotheses, invisible
from backlit.verification.identify import Diagnosis, Search, identify
from backlit.verification.invariants import Fact, facts_of_claims
from backlit.verification.quantities import FORWARD, Values, key_of, named_claims, refuse_non_finite

MOST_SECONDS = 60.0  # as reckoned by `Predictor.seconds`; many steps on a large network take longer
Verdict = Literal["pass", "fail", "unresolved"]


@dataclass(frozen=True)
class CheckResult(Displayed):
    """What `check` found.

    Parameters
    ----------
    verdict : {"pass", "fail", "unresolved"}
        "unresolved" if the oracles disagree or the claims have too few digits; `notes` say why.
    tolerance : float
        Relative, as the digits of the claims allow.
    quantities : mapping of str to Compared
        Each claimed quantity's errors by name, in the order of computation.
    first_wrong : str or None
        Name of the first wrong quantity.
    diagnoses : tuple of Diagnosis
        Mistakes that explain the numbers, best first; empty if the catalogue has none that does.
    not_detectable : mapping of str to str
        Mistakes that these claims and inputs cannot reveal, each with the inputs that would.
    oracles : Agreement
        How the right values were agreed on.
    notes : tuple of str, default ()
        What must be said with the verdict.
    facts : tuple of Fact, default ()
        Facts that hold for every right gradient, and whether they do here.
    """

    verdict: Verdict
    tolerance: float
    quantities: Mapping[str, Compared]
    first_wrong: str | None
    diagnoses: tuple[Diagnosis, ...]
    not_detectable: Mapping[str, str]
    oracles: Agreement
    notes: tuple[str, ...] = field(default=())
    facts: tuple[Fact, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether all claims are right."""
        return self.verdict == "pass"

    @property
    def wrong(self) -> Compared | None:
        """The first wrong quantity with its entries, where the verdict is "fail"."""
        return self.quantities[self.first_wrong] if self.verdict == "fail" and self.first_wrong else None

    @property
    def exit_code(self) -> int:
        """0 for pass, 1 otherwise."""
        return 0 if self.ok else 1

    def to_dict(self) -> dict[str, Any]:
        """The result in plain values, as `backlit check --format json` prints it."""
        return {
            "verdict": self.verdict,
            "tolerance": self.tolerance,
            "quantities": {name: quantity(one) for name, one in self.quantities.items()},
            "first_wrong": self.first_wrong,
            "diagnoses": [diagnosis(one) for one in self.diagnoses],
            "not_detectable": list(self.not_detectable),
            "not_detectable_needs": dict(self.not_detectable),
            "oracles": self.oracles.to_dict(),
            "notes": list(self.notes),
            "facts": [fact.to_dict() for fact in self.facts],
        }

    def __repr__(self) -> str:
        said = f"{len(self.quantities)} quantities are right" if self.ok else f"first wrong is {self.first_wrong}"
        named = f", explained by {self.diagnoses[0].name}" if self.diagnoses else ""
        return f"<CheckResult {self.verdict}: {said}{named}>"


def quantity(one: Compared) -> dict[str, Any]:
    """One compared quantity in plain values."""
    return {
        "max_relative_error": one.max_relative_error,
        "ok": one.ok,
        "wrong_entries": one.wrong_entries,
        "entries": one.entries,
        "worst": {"index": list(one.worst.index), "claimed": one.worst.claimed, "right": one.worst.right},
        "at_kink": one.at_kink,
    }


def diagnosis(one: Diagnosis) -> dict[str, Any]:
    """One diagnosis in plain values; a pair's layers are those of both."""
    return {
        "bug": one.name,
        "kind": one.kind,
        "layers": sorted({l for layers in one.layers for l in layers}),
        "residual": one.residual,
        "equivalent": list(one.equivalent),
        "explanation": " ".join(bug.words for bug in one.bugs) + (f" ({one.note})" if one.note else ""),
        "fix": " ".join(bug.fix for bug in one.bugs),
        "wrong": [bug.wrong for bug in one.bugs],
        "right": [bug.right for bug in one.bugs],
        "equations": [bug.equation for bug in one.bugs],
    }


def check(
    problem: Problem, claims: str | Path | Mapping[str, Any], *, steps: int = 1, pairs: bool = True
) -> CheckResult:
    """Say whether claimed numbers are right, and which mistake made them wrong.

    Parameters
    ----------
    problem : Problem
        A network with its numbers and examples.
    claims : str, Path or mapping
        A JSON file or a mapping with any of z, u, a, loss, grad_a, delta, grad_gamma, grad_beta, grad_b, grad_W and
        update, each a list or a mapping by layer; rows are examples.  Numbers may be rounded: the tolerance follows
        from the digits that they show, and is 1e-8 for full float64.
    steps : int, default 1
        How many optimizer steps `update` is after.
    pairs : bool, default True
        Whether two mistakes at once are looked for.

    Returns
    -------
    CheckResult
        The verdict, each quantity's error, the first wrong one, and the mistakes that explain it, best first.

    Raises
    ------
    ProblemError
        If a claim is not one of these, steps is no whole number from 1 on, or the problem has no examples.
    ShapeError
        If a claim has another shape than its quantity.
    DomainError
        If a number is not finite.

    Examples
    --------
    >>> from backlit.core import Dense, Network
    >>> import numpy as np
    >>> net = Network(2, [Dense(2, "sigmoid"), Dense(1)])
    >>> X, y = np.array([[1.0, 2.0], [0.5, -1.0], [2.0, 0.0]]), np.array([[1.0], [0.0], [2.0]])
    >>> problem = Problem(net, net.init(seed=0), X, y)
    >>> grad = problem.passes()[1]
    >>> check(problem, {"grad_W": grad.W}).verdict
    'pass'
    >>> result = check(problem, {"grad_W": [None, grad.W[1] * 3, grad.W[2] * 3], "loss": grad.loss})
    >>> result.verdict, result.first_wrong, result.diagnoses[0].name
    ('fail', 'grad_W[2]', 'missing_batch_mean')
    """
    steps = positive_integer(steps, "steps")
    named = named_claims(problem, claims)
    refuse_non_finite(problem)
    yardstick = Tolerances.of(problem, named, steps)
    agreed = agreed_on(problem)
    compared = compare_all(yardstick, named)
    predictor, singles = Predictor.of(problem, named, yardstick, steps), hypotheses(problem)
    wrong = first_wrong(compared)
    long = predictor.seconds * len(singles) > MOST_SECONDS
    if long:
        search = Search(notes=(f"replaying every mistake over {steps} steps would take too long: claim fewer steps",))
    else:
        search = identify(predictor, compared, singles, pairs=pairs) if wrong and agreed.agree else Search()
    verdict, notes = judge(yardstick, named, compared, agreed)
    precision = yardstick.precision
    inexact = [name for name, one in compared.items() if one.max_relative_error > CERTIFIED]
    tolerance = max((precision[name].relative for name in inexact), default=CERTIFIED)
    hidden = {} if long else invisible(predictor, singles)
    facts = facts_of_claims(problem, named, {name: p.relative for name, p in precision.items()})
    said = (*notes, *search.notes, *at_single(yardstick, named))
    return CheckResult(verdict, tolerance, compared, wrong, search.diagnoses, hidden, agreed, said, facts)


def agreed_on(problem: Problem) -> Agreement:
    """Compare the oracles with each other, next to a kink of the loss if an output lies on one."""
    trace, _ = problem.passes()
    at_kink = any(point.layer is not None for point in points_at_kinks(problem, trace, 0.0))
    return agreement(off_loss_kinks(problem, trace), at_kink=at_kink)


def at_single(yardstick: Tolerances, claims: Values) -> tuple[str, ...]:
    """What must be said where claims may come from float32: how closely they were judged, and why."""
    may_be = {name: one for name, one in yardstick.precision.items() if one.single}
    short = [name for name, one in may_be.items() if one.relative > SINGLE]
    long = [name for name in may_be if name not in short]
    said = []
    if short:
        worst = max((may_be[name] for name in short), key=lambda one: one.relative)
        places = f"{worst.relative:.0e} at {worst.digits.significant} digits"
        said.append(f"judged by the last place that they show, {places}: {some_of(short)}")
    if long:
        digits = max(may_be[name].digits.significant for name in long)
        exact = all(fits_single(claims[name]) for name in long)
        why = "hold float32 numbers" if exact else f"show at most {digits} digits, as a float32 does"
        said.append(f"judged at float32 precision, {SINGLE:.0e} of a tensor, because they {why}: {some_of(long)}")
    return tuple(f"{how}; give {SINGLE_DIGITS + 1} digits or more to be judged at {CERTIFIED:.0e}" for how in said)


def some_of(names: list[str]) -> str:
    """The first three names, and how many more there are."""
    return f"{', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"


def judge(
    yardstick: Tolerances, claims: Values, compared: Mapping[str, Compared], agreed: Agreement
) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict, and what must be said with it."""
    if not agreed.agree:
        return "unresolved", (f"the oracles disagree, so nothing is judged: {agreed.reason}",)
    wrong = first_wrong(compared)
    if wrong is not None and key_of(wrong) in (*FORWARD, "loss"):
        return "fail", (
            f"{wrong} belongs to the forward pass: what comes after it is wrong because of it, or beside it",
        )
    if wrong is not None:
        return "fail", ()
    vague = [
        name
        for name, one in compared.items()
        if not yardstick.precision[name].certifies and one.max_relative_error > CERTIFIED
    ]
    if vague:
        digits = yardstick.precision[vague[0]].digits.significant
        return "unresolved", (f"{vague[0]} is claimed with {digits} digit(s), too few to certify it: give more",)
    kinks = [name for name, one in compared.items() if one.at_kink]
    return "pass", (f"at a kink either slope is right: {', '.join(kinks)}",) if kinks else ()


# --- in a test --------------------------------------------------------------------------------------------------------


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
        Where a function is checked.
    names : mapping of str to slice, optional
        Of a function: parts of theta by name, for the message.
    tolerance : float, default 1e-08
        Relative error that a function's gradient may have.  A problem's claims are held to the digits that they show.

    Raises
    ------
    AssertionError
        If something is wrong: the first wrong quantity, its worst entry, the mistake if it is known, and what to do.
    ProblemError
        If a function is checked without theta, or a problem with what goes with a function.

    Examples
    --------
    >>> assert_gradients_match(lambda t: (t**3).sum(), lambda t: 3 * t**2, [1.0, -2.0])
    """
    __tracebackhide__ = True
    if isinstance(what, Problem):
        if theta is not None or names is not None or tolerance != CERTIFIED:
            raise ProblemError("theta, names and tolerance go with a function: leave them out with a problem")
        result = check(what, claims)
        if not result.ok:
            raise AssertionError(explained(result))
        return
    if theta is None:
        raise ProblemError("a function is checked at a point: give theta")
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
