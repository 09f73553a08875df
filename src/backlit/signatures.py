"""Signatures and docstrings that several names share: each parameter is described in one place, in numpydoc's form."""

import inspect
from collections.abc import Callable, Mapping
from textwrap import dedent
from typing import Any, TypeVar

T = TypeVar("T")


def entries(text: str) -> dict[str, str]:
    """Split the body of a numpydoc section into its entries by name; what is indented belongs to the entry above.

    >>> entries('''
    ... seed : int
    ...     Draws the rows.
    ... tol : float
    ...     Smallest improvement.
    ... ''')["tol"]
    'tol : float\\n    Smallest improvement.'
    """
    found, name = dict[str, str](), ""
    for line in dedent(text).splitlines():
        if line.startswith(" "):
            found[name] += f"\n{line}"
        elif line:
            name = line.partition(" :")[0]
            found[name] = line
    return found


def parameters_of(function: Callable[..., Any]) -> dict[str, str]:
    """The entries of a function's own section Parameters."""
    after = inspect.cleandoc(function.__doc__ or "").partition("Parameters\n----------\n")[2]
    return entries(after.partition("\n\n")[0])


def documented(shared: Mapping[str, str], **texts: str) -> Callable[[T], T]:
    """Describe the parameters of a function or class: the line {parameters} of its docstring becomes shared entries.

    They are those that the signature names and the docstring does not describe, in the signature's order, each with its
    default as the signature has it.  texts : what other lines in braces become, by name.

    >>> @documented({"seed": "seed : int\\n    Draws the rows."})
    ... def shuffle(rows, seed=0):
    ...     '''Shuffle rows.
    ...
    ...     Parameters
    ...     ----------
    ...     rows : list
    ...         What is shuffled.
    ...     {parameters}
    ...     '''
    >>> parameters_of(shuffle)["seed"]
    'seed : int, default 0\\n    Draws the rows.'
    """

    def describe(named: Any) -> Any:
        parameters = inspect.signature(named).parameters
        if named.__doc__ is not None:  # python -OO drops docstrings
            own = parameters_of(named)
            wanted = [with_default(shared[name], p) for name, p in parameters.items() if name in set(shared) - set(own)]
            named.__doc__ = inspect.cleandoc(named.__doc__)  # as Python 3.13 does
            for name, text in {**texts, "parameters": "\n".join(wanted)}.items():
                named.__doc__ = named.__doc__.replace(f"{{{name}}}", text)
        return named

    return describe


def with_default(entry: str, parameter: inspect.Parameter) -> str:
    """The entry with the parameter's default at the end of its first line, unless it stands there."""
    first, _, rest = entry.partition("\n")
    if parameter.default is parameter.empty or ", default " in first or first.endswith(", optional"):
        return entry
    return f"{first}, {'optional' if parameter.default is None else f'default {parameter.default!r}'}\n{rest}"


def passes_on(target: Callable[..., Any]) -> Callable[[T], T]:
    """Show the keyword parameters that a function passes on to `target` as `**options` in its own signature.

    >>> def inner(x, *, scale=1.0): ...
    >>> @passes_on(inner)
    ... def outer(x, *, name="", **options): ...
    >>> str(inspect.signature(outer))
    "(x, *, name='', scale=1.0)"
    """

    def show(function: Any) -> Any:
        signature = inspect.signature(function)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        more = [
            p
            for p in inspect.signature(target).parameters.values()
            if p.kind is p.KEYWORD_ONLY and p.name not in signature.parameters
        ]
        function.__signature__ = signature.replace(parameters=[*own, *more])
        return function

    return show
