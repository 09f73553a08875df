"""How to get a result again: the command that made it, and a hash of the data that it was made of."""

import inspect
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backlit.tables.sources import remote, sheet_of

if TYPE_CHECKING:
    import polars as pl

UNTOLD = ("progress", "workers", "cluster")  # change nothing in the result
FLAGS = {"stream": (True, "--stream"), "compare": (False, "--no-compare")}


class NoOption(Exception):
    """A setting that only Python can give."""


def command_of(function: Callable[..., Any], arguments: Mapping[str, Any]) -> str:
    """The command line that does what a call of `train` did, or the call where an option is Python's alone.

    arguments : by name, those left at their defaults too.

    >>> def train(table=None, target=None, *, hidden=(128, 64), init="he", seed=0): ...
    >>> command_of(train, {"table": "my t.csv", "target": "y", "hidden": (8, 4), "init": "he", "seed": 0})
    "backlit train 'my t.csv' --target y --hidden 8,4"
    >>> command_of(train, {"table": "t.csv", "target": "y", "hidden": (128, 64), "init": "zeros", "seed": 3})
    "backlit.train('t.csv', 'y', init='zeros', seed=3)"
    """
    defaults = {name: p.default for name, p in inspect.signature(function).parameters.items()}
    given = {k: v for k, v in arguments.items() if k not in UNTOLD and not same(v, defaults[k])}
    table = given.pop("table", None)
    try:
        tables = [table] if isinstance(table, str | Path) else [] if table is None else table
        if not isinstance(tables, list | tuple):
            raise NoOption
        words = [str(path) for path in tables]
        return shlex.join(["backlit", "train", *words, *(w for item in given.items() for w in option(*item))])
    except NoOption:
        first = [repr(str(table)) if isinstance(table, str | Path) else "table"] if table is not None else []
        first += [repr(given.pop("target"))] if first and "target" in given else []
        return f"backlit.train({', '.join([*first, *(f'{k}={plain(v)!r}' for k, v in given.items())])})"


def same(value: Any, default: Any) -> bool:
    """Whether a value is its parameter's default."""
    if isinstance(value, Mapping) and value.keys() == {"name"}:
        value = value["name"]
    if isinstance(value, list | tuple):
        return isinstance(default, list | tuple) and list(value) == list(default)
    return type(value) is type(default) and bool(value == default)


def plain(value: Any) -> Any:
    """A value as Python code has it."""
    return str(value) if isinstance(value, Path) else value


def option(name: str, value: Any) -> Iterator[str]:
    """The words of one option; NoOption if the command line has none for it."""
    flag = f"--{name.replace('_', '-')}"
    if name in FLAGS:
        yield FLAGS[name][1]
    elif name == "hidden":
        yield from (flag, ",".join(map(str, value)) or "0")
    elif name == "optimizer" and isinstance(value, Mapping):
        if value.keys() - {"name", "learning_rate"}:
            raise NoOption
        yield from (flag, str(value["name"]))
        if "learning_rate" in value:
            yield from ("--learning-rate", repr(value["learning_rate"]))
    elif name == "columns":
        for column, type in value.items():
            yield from ("--column", f"{column}={type}")
    elif name == "init" or not isinstance(value, str | Path | int | float | list | tuple):
        raise NoOption
    elif isinstance(value, list | tuple):
        for each in value:
            yield from (flag, str(each))
    else:
        yield from (flag, str(value))


def data_sha256(source: "str | Path | Sequence[str | Path] | pl.DataFrame") -> str:
    """The SHA-256 of a file's bytes, of files in their order, a folder's by their names, or of a frame as JSON lines.

    >>> import polars as pl
    >>> data_sha256(pl.DataFrame({"a": [1, 2]}))[:16]
    'e91bd3062f38c3f1'
    """
    digest = sha256()
    if hasattr(source, "write_ndjson"):
        digest.update(source.write_ndjson().encode())
        return digest.hexdigest()
    if remote(source):
        return ""  # the survey's checksum holds a run to its data; to read all bytes once more would cost a pass
    paths = [sheet_of(Path(path))[0] for path in ([source] if isinstance(source, str | Path) else source)]
    for file in (f for path in paths for f in (sorted(path.rglob("*.parquet")) if path.is_dir() else [path])):
        with file.open("rb") as read:
            while block := read.read(2**20):
                digest.update(block)
    return digest.hexdigest()
