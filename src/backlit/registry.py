"""Tables of records and of descriptions by name, and the checks of what one is told.

Each record registers itself, and its package loads every file that it holds.  A description, of an optimizer or a
schedule, is a frozen dataclass that is checked when it is made, from a name or a mapping.

A check takes a value and what to call it, and gives the value back as a plain Python number, so that it can be written
into a file and a float32 array stays float32.

>>> number(0, 1, high_open=True)(0.9, "optimizer adam: beta1")
0.9
>>> number(0, 1, high_open=True)(1.0, "optimizer adam: beta1")
Traceback (most recent call last):
backlit.errors.ProblemError: optimizer adam: beta1 must be a finite number in [0, 1), not 1.0
"""

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache, wraps
from importlib import import_module
from inspect import cleandoc, signature
from numbers import Real
from operator import index
from pkgutil import iter_modules
from reprlib import repr as short  # a number of a thousand digits does not fill the screen
from types import FunctionType
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from backlit.errors import ProblemError, near

Check = Callable[[object, str], Any]
INF = math.inf
R = TypeVar("R")
Made = TypeVar("Made")


class Registry(dict[str, R], Generic[R]):
    """Records of one kind by name; of a family, a function of parameters, the one at its defaults.

    computed : the fields of a record whose functions give its numbers.
    """

    def __init__(self, kind: str, computed: tuple[str, ...] = ()):
        super().__init__()
        self.kind, self.computed = kind, computed
        self.families: dict[str, Callable[..., R]] = {}
        self.takes: dict[str, tuple[str, ...]] = {}  # the parameters of each family
        self.built_in: dict[str, R] = {}  # the records as they were when the package was loaded
        self.shipped: tuple[str, ...] = ()  # those of them that Backlit brings in each of its parts
        self.readers: list[Callable[[Any], R | None]] = []  # of specs that are not in the table

    def register(self, made: Made) -> Made:
        """Add a record, or a family: a function that gives a record for parameters that all have defaults.

        A family comes back with a memory, so that the same parameters give the same object, however they are written.
        A user's record may be registered again, which replaces it.  Raises ProblemError for a built-in's name.
        """
        known: Any = remembered(made) if callable(made) and not isinstance(made, type) else made
        record = known() if isinstance(known, FunctionType) else known
        if record.name in self.built_in:
            raise ProblemError(f"{self.kind} {record.name} is built in: give yours another name")
        self.families.pop(record.name, None)
        self.takes[record.name] = ()
        if record is not known:
            self.families[record.name], self.takes[record.name] = known, tuple(signature(known).parameters)
        self[record.name] = record
        return known

    def load(self, package: str, shipped: tuple[str, ...]) -> None:
        """Import a package's files, those without an underscore in front, whose records register themselves here.

        Their names are built in from then on, and in the table's order: those that Backlit ships, which C++, the
        explorer's page and the documents know too, then any others, which need not be known anywhere else.
        """
        for info in iter_modules(import_module(package).__path__):
            if not info.name.startswith("_"):
                import_module(f"{package}.{info.name}")
        for name in (*shipped, *sorted(self.keys() - set(shipped))):
            self[name] = self.pop(name)
        self.built_in, self.shipped = dict(self), shipped

    def find(self, spec: Any) -> R:
        """The record of a spec.  Raises ProblemError for an unknown name or parameter."""
        if not (isinstance(spec, str) and spec in self):
            for read in self.readers:
                if (made := read(spec)) is not None:
                    return made
        name, parameters = read_spec(spec, self.kind, self, self.takes)
        return self.families[name](**parameters) if parameters else self[name]

    def has(self, record: Any) -> bool:
        """Whether a record is what its name and parameters stand for here, so that they are enough to know it by."""
        try:
            return self.takes.get(record.name, ()) == tuple(record.parameters) and self.find(record.spec) is record
        except ProblemError:  # no such name
            return False

    def is_built_in(self, record: Any) -> bool:
        """Whether a record computes what Backlit brought under its name, with its parameters, however it was made.

        Whoever computes a built-in by other means than the record's functions (the native engine) asks here.

        >>> from dataclasses import replace
        >>> from backlit.core.activations import ACTIVATIONS, leaky_relu
        >>> [ACTIVATIONS.is_built_in(phi) for phi in (ACTIVATIONS["tanh"], leaky_relu(0.3))]
        [True, True]
        >>> ACTIVATIONS.is_built_in(replace(ACTIVATIONS["tanh"], function=lambda u: u))
        False
        >>> ACTIVATIONS.is_built_in(replace(leaky_relu(0.3), parameters={"alpha": 0.4}))  # its functions have 0.3
        False
        """
        original: Any = self.built_in.get(record.name)
        if original is None or original.parameters.keys() != record.parameters.keys():
            return False
        return all(is_same(getattr(record, name), getattr(original, name), record.parameters) for name in self.computed)


def remembered(make: Any) -> Any:
    """A family that makes one object for each choice of parameters."""
    parameters, once = signature(make), lru_cache(maxsize=None)(make)

    @wraps(make)
    def family(*args: float, **named: float) -> Any:
        bound = parameters.bind(*args, **named)
        bound.apply_defaults()
        return once(**{name: float(value) for name, value in bound.arguments.items()})

    return family


def is_same(one: Any, other: Any, parameters: Any) -> bool:
    """Whether two functions are one, `parameters` taking the place of those that a family's members close over.

    A function that they close over in turn is looked into like them.
    """
    if not (isinstance(one, FunctionType) and isinstance(other, FunctionType)):
        return bool(one == other)
    if one.__code__ is not other.__code__ or one.__defaults__ != other.__defaults__:
        return False
    mine, theirs = closure(one), closure(other)
    return all(
        value == parameters[name]
        if name in parameters
        else value is theirs[name] or (isinstance(value, FunctionType) and is_same(value, theirs[name], parameters))
        for name, value in mine.items()
    )


def closure(function: FunctionType) -> dict[str, Any]:
    """The variables that a function closes over, by name."""
    return dict(
        zip(function.__code__.co_freevars, (cell.cell_contents for cell in function.__closure__ or ()), strict=True)
    )


def read_spec(
    spec: object, kind: str, known: Collection[str], takes: Mapping[str, tuple[str, ...]], *, key: str = "name"
) -> tuple[str, dict[str, Any]]:
    """Split a spec into its name and its numeric parameters, both checked.

    `takes` says which parameters each name has; a name that is not in it has none.
    Raises ProblemError: no name, an unknown one, an unknown parameter, a parameter that is not a finite number.
    """
    if isinstance(spec, str):
        spec = {key: spec}
    if not isinstance(spec, Mapping) or key not in spec:
        raise ProblemError(f'{kind} must be a name or {{"{key}": ...}}, not {spec!r}: {near("", known)}')
    name = spec[key]
    if not isinstance(name, str) or name not in known:
        raise ProblemError(f"unknown {kind} {name!r}: {near(name, known)}")
    parameters = {k: v for k, v in spec.items() if k != key}
    for parameter, value in parameters.items():
        if parameter not in takes.get(name, ()):
            allowed = near(parameter, takes[name]) if takes.get(name) else "it takes none"
            raise ProblemError(f"{kind} {name} has no parameter {parameter!r}: {allowed}")
        parameters[parameter] = finite_number(value, f"{kind} {name}: {parameter}")
    return name, parameters


# --- descriptions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Described:
    """A name, and fields each of which has a check.

    kind : what messages call it.  words : other words that the field has for a parameter; one that a class has no use
    for is refused like any other.  also : other names of the class, each with the options that it stands for.
    """

    kind: ClassVar[str]
    name: ClassVar[str]
    checks: ClassVar[dict[str, Check]]
    words: ClassVar[dict[str, str]] = {}
    also: ClassVar[dict[str, dict[str, Any]]] = {}

    def __post_init__(self):
        for field in fields(self):
            what = f"{self.kind} {self.name}: {field.name}"
            object.__setattr__(self, field.name, self.checks[field.name](getattr(self, field.name), what))

    @classmethod
    def options(cls, given: dict[str, Any]) -> dict[str, Any]:
        """What a mapping gives beside its name, before its words are looked up; a class may understand more."""
        return given

    @classmethod
    def remedy(cls, key: object, allowed: Collection[str]) -> str:
        """What to write in place of a key that is not known."""
        return near(key, allowed)

    def to_dict(self) -> dict[str, Any]:
        """Plain names and numbers, as files hold them and `make` reads them."""
        return {"name": self.name} | {field.name: getattr(self, field.name) for field in fields(self)}


class Descriptions(Registry[type[Any]]):
    """Classes of descriptions by name."""

    def register(self, known: Any) -> Any:
        """Put a class into the table, and what it inherits into its docstring."""
        super().register(known)
        known.__doc__ = whole_doc(known)
        return known

    def make(self, spec: object) -> Any:
        """The description that a name or a mapping stands for.  Raises ProblemError, as `find` does."""
        name, options = split(spec, self.kind)
        others = {other: cls for cls in self.values() for other in vars(cls).get("also", ())}
        if not isinstance(name, str) or (name not in self and name not in others):
            raise ProblemError(f"unknown {self.kind} {name!r}: {near(name, [*self, *others])}")
        del options["name"]
        cls = others.get(name) or self[name]
        for key, value in cls.also.get(name, {}).items():
            if options.setdefault(key, value) is not value:
                raise ProblemError(f'{self.kind} {name}: {key} is {options[key]!r}: leave it out, or name "{cls.name}"')
        return build(cls, cls.options(options))


ENTRY = re.compile(r"^(\w+) : (.+?)(?:, default .+)?\n((?:    .+\n)+)", re.MULTILINE)  # of a docstring's parameters
PARAMETERS = re.compile(r"^Parameters\n-+\n(?:.+\n)+\n?", re.MULTILINE)
SECTION = re.compile(r"^(?=\w+\n-+\n)", re.MULTILINE)
RAISES = "Raises\n------\nProblemError\n    If a value is outside these.\n"


def whole_doc(cls: type[Described]) -> str:
    r"""The docstring of a class with what its bases say of their parameters, but its own defaults; and its errors.

    >>> from backlit.optim.schedules import Exponential
    >>> print(*whole_doc(Exponential).splitlines()[2:8], sep="\n")
    Parameters
    ----------
    per : {"epoch", "step"}, default 'epoch'
        What t counts, from 0 over the whole run.
    rate : float, default 0.95
        What each time multiplies by, in [0, 1].
    """
    listed: dict[str, tuple[str, str]] = {}
    for base in reversed(cls.__mro__):
        listed |= {name: (kind, words) for name, kind, words in ENTRY.findall(cleandoc(base.__doc__ or "") + "\n")}
    text = cleandoc(cls.__doc__ or "") + "\n"
    entries = "".join(
        f"{field.name} : {kind}{'' if 'optional' in kind else f', default {field.default!r}'}\n{words}"
        for field in fields(cls)
        for kind, words in [listed.get(field.name, ("object", "    See above.\n"))]
    )
    summary, *rest = SECTION.split(PARAMETERS.sub("", text), 1)
    raises = [] if "Raises\n---" in text else [RAISES]
    return "\n".join([summary.rstrip(), "", "Parameters", "----------", entries, *raises, *rest])


def split(spec: object, what: str) -> tuple[object, dict[str, Any]]:
    """The name in a spec, and the spec as a mapping of its own."""
    if isinstance(spec, str):
        return spec, {"name": spec}
    if isinstance(spec, Mapping) and "name" in spec:
        return spec["name"], dict(spec)
    raise ProblemError(f'{what} must be a name or {{"name": ...}}, not {spec!r}')


def build(cls: type[Described], options: Mapping[str, Any]) -> Any:
    """Make `cls` from options, each under its own name or one of the field's other words for it."""
    what, allowed = f"{cls.kind} {cls.name}", [field.name for field in fields(cls)]
    chosen: dict[str, Any] = {}
    for key, value in options.items():
        name = key if key in allowed else cls.words.get(key, key)
        if name not in allowed:
            raise ProblemError(f"{what} has no parameter {key!r}: {cls.remedy(key, allowed)}")
        if name in chosen:
            raise ProblemError(f"{what}: {name} is given twice, once as {key}: leave one out")
        chosen[name] = value
    return cls(**chosen)


# --- checks -----------------------------------------------------------------------------------------------------------


def whole_number(value: Any, what: str) -> int:
    """Return `value` as an int where it is a whole number; True and 2.0 are not."""
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        return index(value)
    except TypeError:
        raise ProblemError(f"{what} must be a whole number, not {value!r}") from None


def positive_integer(value: object, what: str) -> int:
    """Return `value` as an int ≥ 1, else raise ProblemError."""
    count = whole_number(value, what)
    if count < 1:
        raise ProblemError(f"{what} must be at least 1, not {count}")
    return count


def finite_number(value: object, what: str, *, low: float = -INF, high: float = INF) -> float:
    """Return `value` as a float where it is a finite number in [low, high]; else raise ProblemError naming `what`."""
    return number(low, high)(value, what)


def as_float(value: object) -> float:
    """The value as a float, NaN if it is no number; a bool is none, whatever Python says."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return math.nan
    try:
        return float(value)
    except OverflowError:  # a whole number above 1e308
        return math.inf


def number(low: float = -INF, high: float = INF, *, low_open: bool = False, high_open: bool = False) -> Check:
    """A finite number between low and high; an open end is left out."""
    interval = f" in {'(' if low_open else '['}{low:g}, {high:g}{')' if high_open or high == INF else ']'}"
    interval = "" if (low, high) == (-INF, INF) else interval

    def check(value: object, what: str) -> float:
        x = as_float(value)
        inside = (low < x if low_open else low <= x) and (x < high if high_open else x <= high)
        if not (math.isfinite(x) and inside):
            raise ProblemError(f"{what} must be a finite number{interval}, not {short(value)}")
        return x

    return check


def whole(low: int) -> Check:
    """A whole number from low on; 10.0 is one, 10.5 is not."""

    def check(value: object, what: str) -> int:
        x = as_float(value)
        if not (math.isfinite(x) and x.is_integer() and x >= low):
            raise ProblemError(f"{what} must be a whole number from {low} on, not {short(value)}")
        return int(x)  # a count above 2⁵³ is no count of epochs or steps, so nothing is lost

    return check


def flag(value: object, what: str) -> bool:
    """True or False, and nothing that merely counts as one."""
    if not isinstance(value, bool):
        raise ProblemError(f"{what} must be true or false, not {value!r}")
    return value


def one_of(*choices: str) -> Check:
    """One of a few words."""

    def check(value: object, what: str) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ProblemError(f"{what} must be {' or '.join(map(repr, choices))}, not {value!r}")
        return value

    return check


def optional(check: Check) -> Check:
    """None, or what the check takes."""
    return lambda value, what: None if value is None else check(value, what)
