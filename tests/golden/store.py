"""What was recorded: items by name, the sums of their bits on each machine, and values to compare by.

On a machine on which an item was recorded its bits must be the same.  On any other its numbers must be close, and its
words the same.  So each item is compared with something, everywhere.
"""

import difflib
import gzip
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

FOLDER = Path(__file__).parent
AGAIN = "If this is meant: `make golden`, and its reason in the commit message (tests/golden/README.md)."
MOST = {"theta": 64, "predictions": 64, "label": 4000}  # numbers of an array that are kept, evenly spaced
FEW = 16  # of arrays whose names begin otherwise
UNKEPT = ("slot", "gradient")  # arrays of which the sums alone are kept: what is wrong with them shows in theta too
TOLERANCE = {"float32": 1e-4, "float64": 1e-9}  # of an array's largest entry, by the type that the item computes in
NUMBER = re.compile(  # with the power of ten as programs, LaTeX and Typst write it
    r"([-−]?(?:\d+\.\d+|\.\d+|\d+))(?:(?:[eE]\\?| \\*times 10\^[{(])([-−+]?\d+)[)}]?)?"
)
POWER = re.compile(  # the same in plain text, in drawings, in tables of LaTeX and in MathML
    r"×10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)|\$\\times\$10((?:\$\^[-−\d]\$)+)|(?<=\d)e(\$[-−]\$\d+)"
    r"|</mn><mo>×</mo><msup><mn>10</mn>((?:<mrow>)?(?:<mo[^>]*>−</mo>)?<mn>\d+)</mn>"
)
PLAIN = str.maketrans("⁻−⁰¹²³⁴⁵⁶⁷⁸⁹", "--0123456789")
NOISE = 1e-6  # below this a printed number is how far two ways to compute one thing differ
LINES = 40  # of a difference that are shown


class Store:
    """The sums by machine and item; a subclass keeps the values of the `known` items."""

    def __init__(self, folder: Path, name: str):
        self.folder, self.index = folder, folder / f"{name}.json"
        self.sums: dict[str, dict[str, Any]] = json.loads(self.index.read_text()) if self.index.exists() else {}
        self.known: set[str] = set()

    def sums_of(self, value: Any) -> Any:
        """Sums of a value's bits."""
        raise NotImplementedError

    def differences(self, item: str, value: Any, exact: bool) -> str:
        """Lines that say how a value differs from the one that is kept; none where it doesn't, or is close."""
        raise NotImplementedError

    def keep(self, item: str, value: Any) -> None:
        """Keep a value."""
        raise NotImplementedError

    def drop(self, item: str) -> None:
        """Forget an item."""
        self.known.discard(item)
        for items in self.sums.values():
            items.pop(item, None)

    def compare(self, item: str, value: Any, machine: str) -> str:
        """What is wrong with an item, "" where nothing is."""
        if item not in self.known:
            return f"{item} was never recorded: `make golden` does"
        recorded = self.sums.get(machine, {}).get(item)
        if recorded is None:
            found = self.differences(item, value, exact=False)
            return found and f"{item} is not close to what was recorded (on another machine than {machine}):\n{found}"
        sums = self.sums_of(value)
        if recorded == sums:
            return ""
        found = self.differences(item, value, exact=True) or "  what differs is not among the numbers that are kept"
        return f"{item} has other bits than were recorded on {machine}{parts(recorded, sums)}:\n{found}"

    def record(self, item: str, value: Any, machine: str) -> str:
        """Record an item anew where it differs; one word on what happened, and the differences."""
        found = self.compare(item, value, machine)
        known = self.sums.setdefault(machine, {})
        if item not in self.known or found:
            word = "new" if item not in self.known else f"CHANGED: {found}"
            self.drop(item)  # what other machines had is of the old value
            self.keep(item, value)
            self.known.add(item)
        else:
            word = "same" if item in known else "same numbers, bits of a new machine"
        known[item] = self.sums_of(value)
        return word

    def write(self) -> None:
        """Write the sums, an item a line."""
        lines = []
        for machine, items in sorted((machine, items) for machine, items in self.sums.items() if items):
            own = [f"  {json.dumps(item)}: {json.dumps(items[item])}" for item in sorted(items)]
            lines.append(f" {json.dumps(machine)}: {{\n" + ",\n".join(own) + "\n }")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.index.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


class ArrayStore(Store):
    """Items that are arrays by name; of a large array some numbers are kept."""

    def __init__(self, folder: Path, name: str):
        super().__init__(folder, name)
        self.path = folder / f"{name}.safetensors"
        self.kept: dict[str, np.ndarray] = load_file(self.path) if self.path.exists() else {}
        self.known = {key.rpartition("/")[0] for key in self.kept}

    def sums_of(self, value: Mapping[str, np.ndarray]) -> dict[str, str]:
        return {name: sum_of(array) for name, array in value.items()}

    def of(self, item: str) -> dict[str, np.ndarray]:
        """What is kept of an item."""
        return {key.rpartition("/")[2]: kept for key, kept in self.kept.items() if key.rpartition("/")[0] == item}

    def differences(self, item: str, value: Mapping[str, np.ndarray], exact: bool) -> str:
        kept, lines, value = self.of(item), [], kept_of(value)
        types = {array.dtype.name for array in kept.values()}
        tolerance = 0.0 if exact else TOLERANCE["float32" if "float32" in types else "float64"]
        for name in sorted(kept.keys() | value.keys()):
            if name not in value or name not in kept:
                lines.append(f"  {name} is {'missing' if name not in value else 'new'}")
            elif found := array_difference(kept[name], value[name], tolerance):
                lines.append(f"  {name}: {found}")
        return "\n".join(lines)

    def keep(self, item: str, value: Mapping[str, np.ndarray]) -> None:
        self.kept |= {f"{item}/{name}": array for name, array in kept_of(value).items()}

    def drop(self, item: str) -> None:
        super().drop(item)
        self.kept = {key: kept for key, kept in self.kept.items() if key.rpartition("/")[0] != item}

    def write(self) -> None:
        super().write()
        save_file(dict(sorted(self.kept.items())), self.path)


class TextStore(Store):
    """Items that are files, named by what they are called there: text and JSON readable, all else compressed.

    tolerance : of an item's numbers.
    """

    def __init__(self, folder: Path, name: str, tolerance: Callable[[str], float]):
        super().__init__(folder, name)
        self.tolerance = tolerance
        self.texts = folder / name
        self.known = {path.name.removesuffix(".gz") for path in self.texts.glob("*")}

    def path(self, item: str) -> Path:
        """The file of an item."""
        return self.texts / (item if Path(item).suffix in (".txt", ".json", ".csv") else f"{item}.gz")

    def sums_of(self, value: str) -> str:
        return hashlib.sha256(value.encode()).hexdigest()

    def of(self, item: str) -> str:
        """The text that is kept."""
        content = self.path(item).read_bytes()
        return (gzip.decompress(content) if self.path(item).suffix == ".gz" else content).decode()

    def differences(self, item: str, value: str, exact: bool) -> str:
        kept, now = (text if exact else with_plain_powers(text) for text in (self.of(item), value))
        if not exact and without_numbers(kept) == without_numbers(now):
            lines = far_numbers(kept, now, self.tolerance(item))
        else:
            before, after = kept.splitlines(), now.splitlines()
            lines = list(difflib.unified_diff(before, after, "recorded", "now", lineterm="", n=1))
        more = [f"  … {len(lines) - LINES} more lines"] if len(lines) > LINES else []
        return "\n".join([f"  {shortened(line)}" for line in lines[:LINES]] + more)

    def keep(self, item: str, value: str) -> None:
        self.texts.mkdir(parents=True, exist_ok=True)
        content = value.encode()
        self.path(item).write_bytes(gzip.compress(content, mtime=0) if self.path(item).suffix == ".gz" else content)

    def drop(self, item: str) -> None:
        super().drop(item)
        self.path(item).unlink(missing_ok=True)


def sum_of(array: np.ndarray) -> str:
    """The first 16 digits of the SHA-256 of an array's type, shape and bytes."""
    array = np.ascontiguousarray(array)
    return hashlib.sha256(f"{array.dtype.str}{array.shape}".encode() + array.tobytes()).hexdigest()[:16]


def kept_of(value: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What is kept of arrays by name."""
    most = {name: next((n for start, n in MOST.items() if name.startswith(start)), FEW) for name in value}
    return {name: some(array, most[name]) for name, array in value.items() if not name.startswith(UNKEPT)}


def some(array: np.ndarray, most: int) -> np.ndarray:
    """All numbers of an array in one row, of a large one `most` that are evenly spaced."""
    flat = np.ravel(array)
    return flat.copy() if len(flat) <= most else flat[np.linspace(0, len(flat) - 1, most).astype(int)]


def array_difference(kept: np.ndarray, now: np.ndarray, tolerance: float) -> str:
    """How an array differs from the one that is kept; tolerance : the share of the largest entry that is none.

    >>> array_difference(np.array([1.0, 2.0]), np.array([1.0, 2.5]), 1e-9)
    '1 of 2 numbers, most at [1]: 2.0 is now 2.5'
    >>> array_difference(np.array([1.0, 2.0]), np.array([1.0, 2.0 + 1e-12]), 1e-9)
    ''
    """
    if kept.dtype == now.dtype == np.uint8:
        return words_difference(kept.tobytes().decode(), now.tobytes().decode())
    if (kept.dtype, kept.shape) != (now.dtype, now.shape):
        return f"{kept.dtype} {kept.shape} is now {now.dtype} {now.shape}"
    if kept.dtype.kind != "f":
        unequal, gap = kept != now, (kept != now).astype(float)
    else:
        gap = np.abs(kept.astype(float) - now.astype(float))
        size = np.abs(kept[np.isfinite(kept)]).max(initial=0)
        unequal = ~((gap <= tolerance * float(size)) | (np.isnan(kept) & np.isnan(now)) | (kept == now))
        gap = np.where(np.isnan(gap), np.inf, gap)
    if not unequal.any():
        return ""
    worst = int(np.where(unequal, gap, -1).argmax())
    return f"{unequal.sum()} of {len(kept)} numbers, most at [{worst}]: {kept[worst]} is now {now[worst]}"


def words_difference(kept: str, now: str) -> str:
    """How labels with bars between them differ.

    >>> words_difference("yes|no|no", "yes|maybe|no")
    "1 of 3 labels, first at [1]: 'no' is now 'maybe'"
    """
    before, after = kept.split("|"), now.split("|")
    if len(before) != len(after):
        return f"{len(before)} labels are now {len(after)}"
    unequal = [k for k in range(len(before)) if before[k] != after[k]]
    if not unequal:
        return ""
    k = unequal[0]
    return f"{len(unequal)} of {len(before)} labels, first at [{k}]: {before[k]!r} is now {after[k]!r}"


def far_numbers(kept: str, now: str, tolerance: float) -> list[str]:
    """The numbers of a text that are not close to what they were; two below NOISE are.

    >>> far_numbers("cost 0.12346 (1.2e-11 off)", "cost 0.12347 (3.1e-10 off)", 2e-4)
    []
    >>> far_numbers("cost 0.12346\\nloss 2", "cost 0.12346\\nloss 3", 2e-4)
    ['2.0 is now 3.0 in: loss 3']
    """
    pairs = zip(numbers_in(kept), numbers_in(now), NUMBER.finditer(now), strict=True)
    return [f"{a} is now {b} in: {line_at(now, where.start())}" for a, b, where in pairs if not close(a, b, tolerance)]


def line_at(text: str, position: int) -> str:
    """The line around a position, or what there is of it within 60 characters."""
    before, after = text[:position].rpartition("\n")[2], text[position:].partition("\n")[0]
    return f"{before[-60:]}{after[:60]}".strip()


def close(a: float, b: float, tolerance: float) -> bool:
    """Whether two numbers are close, or both noise."""
    size = max(abs(a), abs(b))
    return size < NOISE or abs(a - b) <= tolerance * size


def numbers_in(text: str) -> list[float]:
    """The numbers that stand in a text.

    >>> numbers_in(r"−0.5 and 2e-3, $1.5 \\times 10^{-16}$ or $7 times 10^(2)$")
    [-0.5, 0.002, 1.5e-16, 700.0]
    """
    return [float(f"{number}e{power or 0}".replace("−", "-")) for number, power in NUMBER.findall(text)]


def without_numbers(text: str) -> str:
    """The words of a text, without the spaces by which numbers are aligned.

    >>> without_numbers("⎣ 0.2⎦ agrees") == without_numbers("⎣−0.31⎦  agrees")
    True
    """
    return "".join(NUMBER.sub("0", text).split())


def with_plain_powers(text: str) -> str:
    """A text in which every power of ten is as programs write it.

    >>> with_plain_powers(r"2.8×10⁻¹⁷ 2.8$\\times$10$^-$$^1$$^7$ 2.8e$-$17")
    '2.8e-17 2.8e-17 2.8e-17'
    >>> with_plain_powers("<mn>2.8</mn><mo>×</mo><msup><mn>10</mn><mrow><mo form='prefix'>−</mo><mn>17</mn></mrow>")
    '<mn>2.8e-17</mrow>'
    """

    def plain(power: re.Match[str]) -> str:
        return "e" + re.sub(r"[^-\d]", "", "".join(filter(None, power.groups())).translate(PLAIN))

    return POWER.sub(plain, text)


def parts(recorded: Any, sums: Any) -> str:
    """Which of an item's arrays differ."""
    if not isinstance(recorded, dict):
        return ""
    names = [name for name in {**recorded, **sums} if recorded.get(name) != sums.get(name)]
    same = [name for name in recorded if name not in names]
    return f" in {', '.join(names)}" + (f" (not in {', '.join(same)})" if same else "")


def shortened(line: str) -> str:
    """A line of at most 160 characters."""
    return line if len(line) <= 160 else f"{line[:157]}..."
