"""What the tape refuses to record, each in one line: the function, what was found, what to write instead."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from backlit.autodiff.rules import AutodiffError, Rule
from backlit.autodiff.steps import is_recorded

signature = lru_cache(inspect.signature)
FIT: dict[tuple[Any, ...], inspect.Signature] = {}  # kinds of calls that fit; the value keeps the id its own


def check_call(func: Any, rule: Rule | None, args: tuple, options: Mapping[str, Any]) -> None:
    """Refuse a function without a rule, arguments the rule does not know, and variables where there is no slope."""
    if rule is None:
        raise AutodiffError(
            f"{title(func)} has no rule for its derivative: write it with functions that have one, or add a line to "
            "backlit.autodiff.RULES"
        )
    require_arguments(func, rule.signature, (None, None, *args), options)
    for i, x in enumerate(args):
        if is_recorded(x) and rule.vjps[i] is None:
            raise AutodiffError(
                f"{title(func)} has no slope in argument {i + 1}, which is a recorded variable: compare it first, or "
                "give its .value to hold it constant"
            )
    for name, x in options.items():
        if is_recorded(x):
            raise AutodiffError(f"{title(func)} got a recorded variable as {name}=: give arrays by position")


def require_arguments(func: Any, known: inspect.Signature, args: tuple, options: Mapping[str, Any]) -> None:
    """Refuse arguments that do not fit `known`."""
    call = (id(known), len(args), *options)
    if call in FIT:  # a training asks thousands of times, and to bind takes as long as to compute
        return
    try:
        known.bind(*args, **options)
    except TypeError as error:
        names = ", ".join(name for name in known.parameters if name not in ("g", "v"))
        raise AutodiffError(f"{title(func)} is recorded with the arguments {names} only: {error}") from None
    FIT[call] = known


def require_real(value: np.ndarray, what: Any) -> np.ndarray:
    """Give `value` back if it is made of real floating-point numbers, else refuse it.

    what : what it is, in words, or the function whose value it is.
    """
    if value.dtype.kind != "f":
        what = f"the value of {title(what)}" if callable(what) else what
        remedy = "write 2.0 for 2, or astype(float)" if value.dtype.kind in "iub" else "give real floats"
        raise AutodiffError(
            f"only real floating-point numbers have a gradient here, but {what} is {value.dtype}: {remedy}"
        )
    return value


def title(func: Any) -> str:
    """How a person writes the function: np.exp, scipy.special.erf."""
    name = getattr(func, "__name__", str(func))
    module = "np" if getattr(np, name, None) is func else getattr(func, "__module__", None) or "scipy.special"
    return f"{module}.{name}".replace("numpy.", "np.").removeprefix("backlit.autodiff.steps.")
