"""What Backlit brought of activations and losses, as it was when the package was loaded.

A program may put functions of its own into `ACTIVATIONS` or `LOSSES`, under new names or under those that are there.
Who computes a built-in by other means than its record's functions (the native engine) asks here whether the record
still is what its name stood for.
"""

from types import FunctionType
from typing import Any

from backlit.core.activations import ACTIVATIONS, Activation
from backlit.core.losses import LOSSES, SHORT_FORMS, Loss, ShortForm

BROUGHT: dict[type, dict[str, Any]] = {Activation: dict(ACTIVATIONS), Loss: dict(LOSSES)}
BROUGHT_SHORT_FORMS = dict(SHORT_FORMS)
NUMBERS = {
    Activation: ("function", "derivative", "pull_back"),
    Loss: ("value", "gradient", "outputs"),
}  # what is computed


def is_built_in(record: Activation | Loss) -> bool:
    """Whether a record computes what Backlit brought under its name, with its parameters, however it was made.

    >>> from dataclasses import replace
    >>> from backlit.core.activations import get_activation, leaky_relu
    >>> [is_built_in(phi) for phi in (get_activation("tanh"), leaky_relu(0.3))]
    [True, True]
    >>> is_built_in(replace(get_activation("tanh"), function=lambda u: u))
    False
    >>> is_built_in(replace(leaky_relu(0.3), parameters={"alpha": 0.4}))  # its functions still have 0.3
    False
    """
    original = BROUGHT.get(type(record), {}).get(record.name)
    if original is None or original.parameters.keys() != record.parameters.keys():
        return False
    names = NUMBERS[type(record)]
    return all(is_same(getattr(record, name), getattr(original, name), record.parameters) for name in names)


def is_same(one: Any, other: Any, parameters: Any) -> bool:
    """Whether two functions are one, `parameters` taking the place of those that a family's members close over."""
    if not (isinstance(one, FunctionType) and isinstance(other, FunctionType)):
        return bool(one == other)
    if one.__code__ is not other.__code__ or one.__defaults__ != other.__defaults__:
        return False
    mine, theirs = closure(one), closure(other)
    return all(
        value == parameters[name] if name in parameters else value is theirs[name] for name, value in mine.items()
    )


def closure(function: FunctionType) -> dict[str, Any]:
    """The variables that a function closes over, by name."""
    return dict(
        zip(function.__code__.co_freevars, (cell.cell_contents for cell in function.__closure__ or ()), strict=True)
    )


def is_built_in_pair(phi: Activation, loss: Loss, form: ShortForm) -> bool:
    """Whether a pair's short form is the one that Backlit brought."""
    return form is BROUGHT_SHORT_FORMS.get((phi.name, loss.name))
