"""What optimizers and schedules share: frozen descriptions, checked when made, and read from names or mappings."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from backlit.errors import ProblemError, near
from backlit.registry import Check, Registry


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
