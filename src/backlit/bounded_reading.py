"""Files that a stranger may have written: read within bounds, and parsed into plain values that are whole.

A file must be a regular one and no larger than its kind needs to be.  JSON, TOML and YAML are refused where they nest
deeper than `DEEPEST`, hold more than `MOST_TABLES` tables (in YAML, values, aliases followed), give a key twice,
or hold half a character or a number beyond floats.  What is refused is an OSError (the file) or a ValueError (its
content), either of which says why; the caller says which file it was.

Whether an array would fit in this machine's memory is asked here too, before it is made.
"""

import errno
import json
import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from backlit.errors import TableError
from backlit.processors import processors_of_process

DEEPEST = 64  # tables inside tables
MOST_TABLES = 1_000_000  # lists and tables, which take the more memory the shorter they are written
MOST_BYTES = {".json": 2**27, ".toml": 2**22, ".yaml": 2**21, ".yml": 2**21}  # two of the parsers are slow
LARGEST = 1.7976931348623157e308
SHARE = 0.8  # of the machine's memory that one array may take
POLARS_ADDRESSES, ADDRESSES_A_PROCESSOR = 2 * 2**30, 2**24  # bytes that reading, training and their threads reserve
MERGE = "tag:yaml.org,2002:merge"


def read_bytes(path: str | os.PathLike[str], most: int = MOST_BYTES[".json"]) -> bytes:
    """The whole of a regular file of at most so many bytes; raises OSError for anything else, and waits for nothing.

    >>> read_bytes(os.devnull)
    Traceback (most recent call last):
    OSError: [Errno 22] it is a device, not a file: copy its content into one: '/dev/null'
    """
    with open(path, "rb", opener=lambda name, _: open_regular(name)) as file:
        data = file.read(min(most, os.fstat(file.fileno()).st_size) + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most / 2**20:,.0f} MiB, which no such file needs", str(path))
    return data


def open_regular(path: str | os.PathLike[str]) -> int:
    """A descriptor of a regular file, to read it; raises OSError, and does not wait for the writer of a pipe."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    kind = "pipe" if stat.S_ISFIFO(mode) else "socket" if stat.S_ISSOCK(mode) else "device"
    raise OSError(errno.EINVAL, f"it is a {kind}, not a file: copy its content into one", str(path))


def read_arrays(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The arrays of a safetensors file by name, and its metadata; raises OSError or ValueError."""
    from safetensors import SafetensorError, safe_open

    with open(path, "rb", opener=lambda name, _: open_regular(name)) as file:
        length = int.from_bytes(file.read(8), "little")
        if length <= MOST_BYTES[".json"]:  # safetensors refuses a longer header, but takes one of two equal names
            from_json(file.read(length).decode())
    try:
        with safe_open(str(path), framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  safe_open is no mapping
            return arrays, file.metadata() or {}
    except (SafetensorError, TypeError, KeyError) as error:
        raise ValueError(str(error)) from None


def from_json(text: str) -> Any:
    """Parse JSON.

    >>> from_json('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ValueError: key 'a' is given twice
    """
    if text.count("[") + text.count("{") > MOST_TABLES:
        raise ValueError(f"more than {MOST_TABLES:,} lists and tables")
    with limits_said():
        return whole(json.loads(text, object_pairs_hook=_unique))


def from_toml(text: str) -> Any:
    """Parse TOML."""
    import tomllib

    part = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+"""
    if re.search(rf"(?<![\w-]){part}(?:\.[ \t]*+{part}){{{DEEPEST}}}", text):
        raise ValueError(f"a key of more than {DEEPEST} parts")
    with limits_said():
        return whole(tomllib.loads(text))


def from_yaml(text: str) -> Any:
    """Parse YAML, plain data only; 1:30 is a text, as in YAML 1.2, and a key given twice is an error."""
    import yaml

    fast = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(fast):  # type: ignore[misc, valid-type]  # one of two classes, chosen above
        """Scalars as YAML 1.1 reads them, but for numbers to the base of 60."""

        yaml_implicit_resolvers = {  # noqa: RUF012  the loader's own way to be told
            first: [(tag, _without_base_60(tag, pattern)) for tag, pattern in resolvers]
            for first, resolvers in fast.yaml_implicit_resolvers.items()
        }

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            keys = [(key.tag, key.value) for key, _ in node.value if isinstance(key.value, str) and key.tag != MERGE]
            twice = _repeated(keys)
            if twice is not None:
                raise ValueError(f"key {twice[1]!r} is given twice")
            return super().construct_mapping(node, deep)

    try:
        with limits_said():
            _check_events(yaml.parse(text, Loader=Loader))
            loader = Loader(text)
            node = loader.get_single_node()
            _check_nodes(node)
            return None if node is None else whole(loader.construct_document(node))
    except (yaml.YAMLError, OverflowError) as error:
        raise ValueError(str(error)) from None


@contextmanager
def limits_said() -> Iterator[None]:
    """Say in words of a file's author what a parser says of Python's own limits, of depth and of digits."""
    try:
        yield
    except RecursionError:
        raise ValueError(f"tables inside tables, too deep (more than {DEEPEST})") from None
    except ValueError as error:
        if "set_int_max_str_digits" not in str(error):
            raise
        most = sys.get_int_max_str_digits()
        raise ValueError(f"a number of more than {most:,} digits, beyond what a float holds") from None


def whole(value: Any) -> Any:
    """The value as it is, once each text and number in it is found to be one; raises ValueError.

    >>> whole({"a": [1, 10**400]})
    Traceback (most recent call last):
    ValueError: a number of 401 digits, beyond what a float holds
    """
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return value
    raise ValueError(f"tables inside tables, too deep (more than {DEEPEST})")


def _children(value: Any) -> Iterator[Any]:
    """The tables in a table, whose own texts and numbers are looked at."""
    items = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else [value]
    for item in items:
        if isinstance(item, list | dict):
            yield item
        elif isinstance(item, str):
            if not item.isascii() and any("\ud800" <= c <= "\udfff" for c in item):
                raise ValueError(f"half a character in the text {item[:40]!r}")
        elif isinstance(item, int) and not -LARGEST <= item <= LARGEST:
            raise ValueError(f"a number of {len(str(abs(item)))} digits, beyond what a float holds")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A table of JSON; one of two equal keys would be lost."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError(f"key {_repeated([key for key, _ in pairs])!r} is given twice")
    return made


def _repeated(keys: list[Any]) -> Any:
    """The first that was there before; None if all differ."""
    seen: set[Any] = set()
    return next((key for key in keys if key in seen or seen.add(key)), None)  # type: ignore[func-returns-value]  # None, on purpose


def _without_base_60(tag: str, pattern: re.Pattern[str]) -> re.Pattern[str]:
    """A pattern of YAML 1.1's numbers, none of which holds a colon any more."""
    numbers = tag.endswith((":int", ":float"))
    return re.compile(rf"(?![^:]*:)(?:{pattern.pattern})", pattern.flags) if numbers else pattern


def _check_events(events: Iterator[Any]) -> None:
    """Raise ValueError where collections nest too deep; the parser has no recursion, what comes after it has."""
    depth = 0
    for event in events:
        name = type(event).__name__
        depth += name.endswith("StartEvent") - name.endswith("EndEvent")
        if depth > DEEPEST + 2:  # the stream and the document are two
            raise ValueError(f"tables inside tables, too deep (more than {DEEPEST})")


def _check_nodes(node: Any) -> None:
    """Raise ValueError where aliases make a graph of nodes too large or too deep for a tree, or without end."""
    level, nodes = [] if node is None else [node], 0
    for _ in range(DEEPEST + 2):
        below: list[Any] = []
        for parent in level:
            if isinstance(parent.value, list):
                below += [each for child in parent.value for each in (child if isinstance(child, tuple) else (child,))]
            if nodes + len(below) > MOST_TABLES:
                raise ValueError(f"more than {MOST_TABLES:,} values once its aliases are followed")
        nodes, level = nodes + len(below), below
        if not level:
            return
    raise ValueError(f"tables inside tables, too deep (more than {DEEPEST})")


def machine_memory() -> float:
    """Bytes of memory in this machine; infinite if the system does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return float("inf")


def check_memory(size: int, what: str, remedy: str) -> None:
    """Raise TableError if `size` bytes are more than an array may take."""
    limit = SHARE * machine_memory()
    if size > limit:
        raise TableError(
            f"{what} take {size / 2**30:,.1f} GiB, and this machine has room for {limit / 2**30:,.1f}: {remedy}"
        )


def check_address_space() -> None:
    """Raise TableError where this process may not address what Polars and what trains on tables reserve (`ulimit -v`).

    With less they abort the process, or wait for ever, so this is asked before the first table.
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    needed = POLARS_ADDRESSES + ADDRESSES_A_PROCESSOR * processors_of_process()
    if "polars" not in sys.modules and limit != resource.RLIM_INFINITY and limit < needed:
        raise TableError(
            f"tables need {needed / 2**30:.2f} GiB of address space, and this process is given {limit / 2**30:.2f} "
            f"(ulimit -v): allow more, and bound memory by a control group instead"
        )
