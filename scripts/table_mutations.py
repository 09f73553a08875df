"""Write tables in ways that keep their meaning and in ways that break it, and look at what is read: N mutations.

    python scripts/table_mutations.py 100000 [FIRST]

A table is drawn as values, and written by a style: delimiter, quotes, encoding, and a form for each column.  A mutation
that keeps the meaning changes the style; then the values, and so the predictions, have to be the same to the bit.  One
that breaks it spoils a cell or a column; then the file has to be refused, or a note to name the column and its share.
Training is on the mutated file, or prediction is of it.  Anything else is a fault, and is printed with its number.

That features are the same to the bit says it of predictions, which are a function of them; and that training reads the
same values says it of models.
"""

import datetime as dt
import gzip
import json
import random
import re
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from backlit.errors import BacklitError
from backlit.tables import TableEncoder
from backlit.tables.table_files import RawTable, read_cells
from backlit.tables.table_formats import TableFormat

Cell = Any
Form = Callable[[Any], str]


def grouped(sign: str, decimal: str) -> Form:
    """Thousands parted by `sign`, decimals by `decimal`."""
    return lambda v: f"{v:,.2f}".replace(",", "\0").replace(".", decimal).replace("\0", sign)


TIMES = 10  # mutations of a table
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
FORMS: dict[str, dict[str, Form]] = {  # of each kind: ways to write it that leave nothing open
    "whole": {"plain": str, "plus": lambda v: f"{v:+d}", "arabic": lambda v: in_arabic(str(v))},
    "decimal": {
        "plain": lambda v: f"{v:.2f}",
        "English": grouped(",", "."),
        "German": grouped(".", ","),
        "French": grouped("\u202f", ","),
        "Swiss": grouped("'", "."),
        "exponent": lambda v: f"{v:.17e}",
    },
    "money": {
        "dollars": lambda v: f"{'-' if v < 0 else ''}${abs(v):,.2f}",
        "brackets": lambda v: f"(${-v:,.2f})" if v < 0 else f"${v:,.2f}",
        "euros": lambda v: grouped(".", ",")(v) + " €",
    },
    "percent": {"tight": lambda v: f"{v:.2f}%", "wide": lambda v: f"{v:.2f} %"},
    "weight": {"tight": lambda v: f"{v:.2f}kg", "wide": lambda v: f"{v:.2f} kg"},
    "date": {
        "ISO": str,
        "slashes": lambda v: f"{v:%Y/%m/%d}",
        "British": lambda v: f"{v:%d/%m/%Y}",
        "American": lambda v: f"{v.month}/{v.day}/{v:%Y}",
        "German": lambda v: f"{v:%d.%m.%Y}",
        "words": lambda v: f"{MONTHS[v.month - 1]} {v.day}, {v.year}",
        "Oracle": lambda v: f"{v.day:02}-{MONTHS[v.month - 1].upper()}-{v.year}",
        "Japanese": lambda v: f"{v.year}年{v.month}月{v.day}日",
    },
    "instant": {
        "Postgres": lambda v: f"{v:%Y-%m-%d %H:%M:%S}+00",
        "JavaScript": lambda v: f"{v:%Y-%m-%dT%H:%M:%S}.000Z",
        "BigQuery": lambda v: f"{v:%Y-%m-%d %H:%M:%S} UTC",
        "Apache": lambda v: f"{v.day:02}/{MONTHS[v.month - 1]}/{v:%Y:%H:%M:%S} +0000",
        "ahead": lambda v: f"{v + dt.timedelta(hours=2):%Y-%m-%dT%H:%M:%S}+02:00",
    },
    "flag": {"lower": lambda v: str(v).lower(), "upper": lambda v: str(v).upper(), "title": str},
    "word": {"plain": str},
}
OPEN = {"British", "American"}  # forms that have to be those of training: the order of day and month
SIGNS = {"English", "German", "French", "Swiss", "dollars", "brackets", "euros"}  # and so the signs in numbers
WORDS = ["red", "green", "bl,ue", 'say "so"', "gr;ey", "Ünder", "two\nlines", "a|b", "café", "-", "unknown", "n.a."]
GARBAGE = {
    "whole": ["twelve", "1O5", "12 apples", "1-2", "5;6"],
    "decimal": ["n0ne", "1..5", "1.2.3.4", "0x1F", "12:30"],
    "money": ["free!", "£5", "5", "$ $5", "$1,23,4"],
    "percent": ["half", "0.5", "5 ‰", "%%", "5 %%"],
    "weight": ["heavy", "5 lb", "3", "kg", "5 kg 3"],
    "date": ["2023-02-30", "13/13/2023", "yesterday", "2023-1-", "0/0/2000"],
    "instant": ["2023-01-13 25:00:00+00", "2023-02-30T00:00:00Z", "later", "10:15", "99999999"],
    "flag": ["maybe", "2", "yes", "on", "truee"],
}


def in_arabic(text: str) -> str:
    """The same digits in Arabic script."""
    return text.translate({ord("0") + k: chr(0x660 + k) for k in range(10)})


@dataclass(frozen=True)
class Table:
    """Values by column, and how they are written.

    kinds, values, forms : by the column's name.  spoiled : cells, (column, row), and what stands there instead.
    """

    kinds: dict[str, str]
    values: dict[str, list[Cell]]
    forms: dict[str, str]
    delimiter: str = ","
    quote: str = "needed"
    newline: str = "\n"
    encoding: str = "utf-8"
    missing: str = ""
    padding: str = ""
    container: str = ".csv"
    blank_lines: bool = False
    order: tuple[str, ...] = ()
    spoiled: dict[tuple[str, int], str] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """How many."""
        return len(next(iter(self.values.values())))

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """Names and rows as text."""
        names = list(self.order or self.kinds)
        forms = {name: FORMS[self.kinds[name]][self.forms[name]] for name in names}
        rows = []
        for k in range(self.rows):
            row = [self.missing if (v := self.values[n][k]) is None else forms[n](v) for n in names]
            rows.append([self.spoiled.get((n, k), cell) for n, cell in zip(names, row, strict=True)])
        return names, rows

    def write(self, folder: Path) -> Path:
        """The file."""
        names, rows = self.cells()
        path = folder / f"t{self.container}"
        if self.container == ".jsonl":
            lines = [{n: c if c != "" else None for n, c in zip(names, row, strict=True)} for row in rows]
            path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        elif self.container == ".parquet":
            columns = {n: [row[k] or None for row in rows] for k, n in enumerate(names)}
            pl.DataFrame(columns, schema=dict.fromkeys(names, pl.String)).write_parquet(path)
        else:
            lines = [self.delimiter.join(map(self.field, row)) for row in [names, *rows]]
            text = self.newline.join(lines[:1] + [""] * self.blank_lines + lines[1:]) + self.newline
            data = text.encode(self.encoding)
            path.write_bytes(gzip.compress(data) if self.container == ".csv.gz" else data)
        return path

    def field(self, cell: str) -> str:
        """A cell in its quotes."""
        cell = f"{self.padding}{cell}{self.padding}"
        if self.quote == "all" or any(mark in cell for mark in (self.delimiter, '"', "\n", "\r")):
            return '"' + cell.replace('"', '""') + '"'
        return cell


def draw(rng: random.Random) -> Table:
    """A table of two to five columns, each of which has a value that shows its form, and perhaps missing values."""
    n = rng.randint(30, 50)
    kinds = {f"c{k}": kind for k, kind in enumerate(rng.sample(list(FORMS), rng.randint(2, 5)))}
    if set(kinds.values()) <= {"word", "flag"}:
        kinds["c9"] = "decimal"  # so that something can be spoiled
    gaps = rng.random() < 0.5
    values = {name: values_of(kind, n, rng) for name, kind in kinds.items()}
    for name, kind in kinds.items():
        if gaps and kind != "word":
            for k in rng.sample(range(2, n), n // 10):
                values[name][k] = None
    forms = {name: rng.choice(list(FORMS[kind])) for name, kind in kinds.items()}
    return settled(Table(kinds, values, forms), rng)


def values_of(kind: str, n: int, rng: random.Random) -> list[Cell]:
    """Values of a kind; the first two show how it is written."""
    if kind == "whole":
        return [rng.randint(-500, 500) for _ in range(n)]
    if kind in ("decimal", "money"):
        return [1234.5, 2345678.25, *(round(rng.uniform(-5000, 5000), 2) for _ in range(n - 2))]
    if kind in ("percent", "weight"):
        return [round(rng.uniform(0, 100), 2) for _ in range(n)]
    if kind == "date":
        days = [dt.date(2020, 1, 1) + dt.timedelta(rng.randint(0, 999)) for _ in range(n - 2)]
        return [dt.date(2023, 1, 13), dt.date(2020, 2, 29), *days]
    if kind == "instant":
        return [dt.datetime(2023, 1, 1) + dt.timedelta(seconds=rng.randint(0, 10**8)) for _ in range(n)]
    if kind == "flag":
        return [True, False, *(rng.random() < 0.5 for _ in range(n - 2))]
    return [WORDS[k % 3] if k < 6 else rng.choice(WORDS) for k in range(n)]


def settled(table: Table, rng: random.Random) -> Table:
    """A table has one decimal sign: where one column has a comma, all that have a choice have."""
    comma = {"German", "French", "euros"}
    if any(form in comma for form in table.forms.values()):
        turn = {"English": "German", "Swiss": "French", "dollars": "euros", "brackets": "euros"}
        forms = {name: turn.get(form, form) for name, form in table.forms.items()}
        plain = [
            name for name, kind in table.kinds.items() if kind == "decimal" and forms[name] in ("plain", "exponent")
        ]
        table = replace(table, forms=forms | dict.fromkeys(plain, "German"))
    return table


# What keeps the meaning: a change of style.
def other_forms(table: Table, rng: random.Random) -> Table:
    """Every column in another form."""
    forms = {name: rng.choice(list(FORMS[kind])) for name, kind in table.kinds.items()}
    return settled(replace(table, forms=forms), rng)


KEEPING: dict[str, Callable[[Table, random.Random], Table]] = {
    "delimiter": lambda t, r: replace(t, delimiter=r.choice([",", ";", "\t", "|"])),
    "quotes": lambda t, r: replace(t, quote="all"),
    "line ends": lambda t, r: replace(t, newline="\r\n"),
    "encoding": lambda t, r: replace(t, encoding=encodings(t, r)),
    "order of columns": lambda t, r: replace(t, order=tuple(r.sample(list(t.kinds), len(t.kinds)))),
    "padding": lambda t, r: replace(t, padding=r.choice([" ", "  ", "\u00a0"]), quote="all"),
    "missing marker": lambda t, r: replace(t, missing=r.choice(["NA", "null", "n.a.", "-", "NaN", "?"])),
    "blank lines": lambda t, r: replace(t, blank_lines=True),
    "JSON lines": lambda t, r: replace(t, container=".jsonl"),
    "Parquet of texts": lambda t, r: replace(t, container=".parquet"),
    "compressed": lambda t, r: replace(t, container=".csv.gz"),
    "forms of columns": other_forms,
}


def encodings(table: Table, rng: random.Random) -> str:
    """An encoding that has all the letters."""
    text = "".join(cell for row in table.cells()[1] for cell in row)
    try:
        text.encode("cp1252")
        return rng.choice(["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252"])
    except UnicodeEncodeError:
        return rng.choice(["utf-8-sig", "utf-16", "utf-32"])


# What breaks it: a cell, some cells, a column.
def spoil(table: Table, rng: random.Random, share: float) -> tuple[Table, str]:
    """Some cells of a column are none of what the others are; which column."""
    names = [name for name, kind in table.kinds.items() if kind in GARBAGE]
    name = rng.choice(names)
    there = [k for k, value in enumerate(table.values[name]) if value is not None and k > 1]
    picked = rng.sample(there, max(round(share * len(there)), 1))
    words = GARBAGE[table.kinds[name]]
    return replace(table, spoiled={(name, k): rng.choice(words) for k in picked}), name


@dataclass
class Model:
    """What training learned of a file."""

    raw: RawTable
    format: TableFormat
    frame: pl.DataFrame
    encoder: TableEncoder


def learn(path: Path) -> Model:
    """As `train` does, up to the features and what it remarks on the columns."""
    raw = read_cells(path)
    format, frame = raw.typed({}, [])
    numbered = frame.with_columns(pl.Series("row", range(frame.height)))  # so that a column is left in any case
    encoder = TableEncoder.fit(numbered, format=format)
    encoder.remarks()
    return Model(raw, format, frame, encoder)


def features(model: Model, table: pl.DataFrame) -> np.ndarray:
    """As `predict` does."""
    encoder = TableEncoder(tuple(c for c in model.encoder.columns if c.name != "row"), model.encoder.rows, model.format)
    return encoder.transform(table) if encoder.feature_names_out else np.zeros((table.height, 0))


def later(model: Model, path: Path) -> np.ndarray:
    """The features of a later file."""
    encoder = TableEncoder(tuple(c for c in model.encoder.columns if c.name != "row"), model.encoder.rows, model.format)
    return encoder.transform(encoder.read(path)) if encoder.feature_names_out else np.zeros((0, 0))


@lru_cache(maxsize=1)
def known(seed: int, folder: Path) -> tuple[Table, Model]:
    """A drawn table, and what training learns of it as it is written first."""
    table = draw(random.Random(seed))
    return table, learn(table.write(folder))


def try_one(number: int, folder: Path) -> tuple[str, str]:
    """One mutation of a table that TIMES of them share: its name, and what is wrong; "" where all is right."""
    rng = random.Random(f"mutation {number}")
    table, model = known(number // TIMES, folder)
    in_training, keeps = rng.random() < 0.5, rng.random() < 0.5
    name = f"{'training on it' if in_training else 'prediction of it'}, the meaning is {'kept' if keeps else 'broken'}"
    if keeps:
        mutated = table
        for each in sorted(
            rng.sample(list(KEEPING), rng.randint(1, 3)), key="encoding".__eq__
        ):  # which looks at the text
            mutated = KEEPING[each](mutated, rng)
        return name, kept(model, table, mutated, mutated.write(folder), in_training)
    mutated, column = spoil(table, rng, rng.choice([0.0, 0.03, 0.1, 0.4]))
    return name, broken(model, mutated, mutated.write(folder), column, in_training)


def kept(known: Model, table: Table, mutated: Table, path: Path, in_training: bool) -> str:
    """The same features to the bit; a later file in another convention may be refused too."""
    switched = any((mutated.forms[n] != table.forms[n] and mutated.forms[n] in OPEN | SIGNS | {"plain", "exponent"}) or
                   (table.forms[n] in SIGNS and mutated.forms[n] != table.forms[n]) for n in table.kinds)  # fmt: skip
    try:
        if in_training:
            again = learn(path)
            names = known.frame.columns
            found = features(again, again.frame.select(names))
            order = [c for c in again.encoder.columns if c.name != "row"]
            by_name = {c.name: i for i, c in enumerate(order)}
            if set(by_name) != set(names):
                return "other columns"
            found = reordered(again, names)
        else:
            found = later(known, path)
    except BacklitError as error:
        return "" if switched and not in_training and "training" in str(error) else f"refused: {error}"
    right = features(known, known.frame)
    same = found.shape == right.shape and np.array_equal(found, right)
    return "" if same else f"other features: {describe(known.frame, path)}"


def reordered(model: Model, names: list[str]) -> np.ndarray:
    """The features with the columns in this order."""
    columns = {c.name: c for c in model.encoder.columns}
    encoder = TableEncoder(tuple(columns[name] for name in names), model.encoder.rows, model.format)
    return encoder.transform(model.frame)


def describe(frame: pl.DataFrame, path: Path) -> str:
    """The columns that are read otherwise."""
    other = read_cells(path).typed({}, [])[1]
    return ", ".join(n for n in frame.columns if n not in other.columns or not frame[n].equals(other[n]))


def broken(known: Model, mutated: Table, path: Path, column: str, in_training: bool) -> str:
    """Refused in one line that names the column; in training a note that names it and the share will do."""
    try:
        if not in_training:
            later(known, path)
            return "read without a word"
        model = learn(path)
    except BacklitError as error:
        text = str(error)
        return "" if repr(column) in text and "\n" not in text else f"an error that does not name it: {text}"
    line = next(line for line in model.encoder.summary() if line.name == column)
    n = len({k for c, k in mutated.spoiled if c == column})
    said = re.search(r"([\d,]+) of [\d,]+ cells? \(", line.note)
    if said and int(said[1].replace(",", "")) >= n:
        return ""
    if line.kind == "category":  # the whole column is words now, which the report says and other data may be
        return "" if "words" in line.note else "a category without a word"
    return f"no note: {line.note!r}"


def main(count: int, first: int, folder: Path) -> Counter[str]:
    """Try `count` mutations; how many of each name, faults under "fault: …"."""
    seen: Counter[str] = Counter()
    for k in range(first, first + count):
        try:
            name, fault = try_one(k, folder)
        except Exception as error:  # a traceback is what must not be
            name, fault = "crash", f"{type(error).__name__}: {error}"
        seen[name] += 1
        if fault:
            seen["faults"] += 1
            print(f"mutation {k}, {name}: {fault[:300]}", flush=True)
        if (k - first + 1) % 10_000 == 0:
            print(f"{k - first + 1:,} mutations, {seen['faults']:,} faults", file=sys.stderr, flush=True)
    return seen


if __name__ == "__main__":
    warnings.simplefilter("error")
    numbers = [int(text) for text in sys.argv[1:]]
    count, first = numbers[0] if numbers else 100_000, numbers[1] if len(numbers) > 1 else 0
    with tempfile.TemporaryDirectory() as name:
        result = main(count, first, Path(name))
    for what, times in sorted(result.items()):
        print(f"{times:8,}  {what}")
    sys.exit(bool(result["faults"]))
