"""Errors that a person can act on: one line that gives the rule, the fact and the remedy.

Every error that Backlit raises for a bad call, file or number is a `BacklitError`; commands print its one line and
leave with exit code 2.  Each is a `ValueError` too, which is what scikit-learn's conventions and most callers expect.
"""

import difflib
from collections.abc import Collection
from functools import partial


class BacklitError(ValueError):
    """Something the caller can mend; `str(error)` is one line."""


class ShapeError(BacklitError):
    """Arrays or layers whose sizes do not fit together."""


class DomainError(BacklitError):
    """A number outside the range in which a function is defined."""


class ProblemError(BacklitError):
    """A network, layer, option or problem file that says something impossible."""


class TableError(BacklitError):
    """A table that cannot be read, or a column that cannot be used."""


class ModelError(BacklitError):
    """A model file that is damaged, not ours, or from the future."""


class WrongGradient(BacklitError):
    """The engine that was to train gives another gradient than the cost has: nothing was trained."""


class Divergence(BacklitError):
    """Training left the finite numbers; `step` and `layer` say where (layer None: in the loss)."""

    def __init__(self, message: str, *, step: int, layer: int | None = None):
        super().__init__(message)
        self.step, self.layer = step, layer

    def __reduce__(self):
        return partial(Divergence, step=self.step, layer=self.layer), self.args  # it may come from another process


def near(name: object, names: Collection[str]) -> str:
    """Say which names there are, the nearest first where one is near.

    >>> near("adma", ["adam", "sgd"])
    'did you mean adam? (one of adam, sgd)'
    """
    by_lower = {known.lower(): known for known in names}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1) if isinstance(name, str) else []
    close = [by_lower[key] for key in found]
    listing = f"one of {', '.join(names)}"
    return f"did you mean {close[0]}? ({listing})" if close else listing
