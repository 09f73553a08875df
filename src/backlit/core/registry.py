"""Tables of records by name: each record registers itself, and its package loads every file that it holds."""

from collections.abc import Callable
from functools import lru_cache, wraps
from importlib import import_module
from inspect import signature
from pkgutil import iter_modules
from typing import Any, Generic, TypeVar

from backlit.core.specs import read_spec
from backlit.errors import ProblemError

R = TypeVar("R")
Made = TypeVar("Made")


class Registry(dict[str, R], Generic[R]):
    """Records of one kind by name; of a family, a function of parameters, the one at its defaults."""

    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind
        self.families: dict[str, Callable[..., R]] = {}
        self.takes: dict[str, tuple[str, ...]] = {}  # the parameters of each family
        self.built_in: frozenset[str] = frozenset()
        self.readers: list[Callable[[Any], R | None]] = []  # of specs that are not in the table

    def register(self, made: Made) -> Made:
        """Add a record, or a family: a function that gives a record for parameters that all have defaults.

        A family comes back with a memory, so that the same parameters give the same object, however they are written.
        A user's record may be registered again, which replaces it.  Raises ProblemError for a built-in's name.
        """
        known: Any = remembered(made) if callable(made) else made
        record = known() if callable(known) else known
        if record.name in self.built_in:
            raise ProblemError(f"{self.kind} {record.name} is built in: give yours another name")
        self.families.pop(record.name, None)
        self.takes[record.name] = ()
        if callable(known):
            self.families[record.name], self.takes[record.name] = known, tuple(signature(known).parameters)
        self[record.name] = record
        return known

    def find(self, spec: Any) -> R:
        """The record of a spec.  Raises ProblemError for an unknown name or parameter."""
        for read in self.readers:
            if (made := read(spec)) is not None:
                return made
        name, parameters = read_spec(spec, self.kind, self, self.takes)
        return self.families[name](**parameters) if parameters else self[name]

    def has(self, record: Any) -> bool:
        """Whether a record is what its name and parameters stand for here, so that they are enough to know it by."""
        takes = self.takes.get(record.name)
        return takes == tuple(record.parameters) and self.find(record.spec) is record


def remembered(make: Any) -> Any:
    """A family that makes one object for each choice of parameters."""
    parameters, once = signature(make), lru_cache(maxsize=None)(make)

    @wraps(make)
    def family(*args: float, **named: float) -> Any:
        bound = parameters.bind(*args, **named)
        bound.apply_defaults()
        return once(**{name: float(value) for name, value in bound.arguments.items()})

    return family


def load(table: Registry[Any], package: str, first: tuple[str, ...]) -> None:
    """Import a package's files, those without an underscore in front: `first` in this order, then any others.

    Each file registers its record in `table`, whose names are built in from then on.
    """
    found = sorted(info.name for info in iter_modules(import_module(package).__path__) if info.name[0] != "_")
    for name in (*first, *(name for name in found if name not in first)):
        import_module(f"{package}.{name}")
    table.built_in = frozenset(table)
