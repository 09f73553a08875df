"""Files that are no table: one line names the file, the line or column, what was found and the remedy."""

import gzip
import io
import os
import zipfile

import polars as pl
import pytest
from tests.helpers import raises_naming

from backlit import bounded_reading
from backlit.errors import TableError
from backlit.tables import read_table


def parquet(table: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    return buffer.getvalue()


def archive(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return buffer.getvalue()


GOOD = parquet(pl.DataFrame({"a": list(range(1000))}))

BAD = {  # name: (file's name, content, what the line names besides the file)
    "empty": ("t.csv", "", ("empty", "(0 bytes)", "check")),
    "blank": ("t.csv", "\n\n  \n", ("empty", "table", "header", "line")),
    "sep= alone": ("t.csv", "sep=;\n", ("empty", "table", "header", "line")),
    "header only": ("t.csv", "a,b\n", ("header", "line", "rows", "below", "add")),
    "short line": ("t.csv", "a,b\n1,2\n3\n4,5\n", ("line 3", "1", "field", "header", "2", "mend")),
    "long line": ("t.csv", "a;b\n1;2\n3;4;5\n", ("line 3", "fields", "header", "1", "2", "mend")),
    "long lines": ("t.csv", "a,b\n1,2,3\n3,4\n5,6,7\n", ("line 2", "3", "fields", "header", "1 line more")),
    "ragged past blanks": ("t.csv", "\n\na,b\n\n1,2\n\n3\n", ("line 7", "1", "field", "header", "3", "2")),
    "ragged past quotes": ("t.csv", 'a,b\n"1\n\n",2\n3\n', ("line 5", "1", "field", "header", "2")),
    "ragged past sep=": ("t.csv", "sep=,\na,b\n1\n", ("line 3", "1", "field", "header", "2")),
    "title above": (
        "t.csv",
        "Report\na,b\n1,2\n",
        ("2", "fields", "header", "(1 line more like it)"),
    ),
    "title above semicolons": ("t.csv", "Report\na;b\n", ("line 2", "fields", "header", "1")),
    "row names of R": ("t.csv", "a,b\nx,1,2\ny,3,4\n", ("line 2", "3", "fields", "header", "1 line more")),
    "UTF-16, cut": ("t.csv", "a,b\n1,2\n".encode("utf-16")[:-1], ("begins", "text", "UTF-16", "damaged")),
    "UTF-32, cut": ("t.csv", "a,b\n1,2\n".encode("utf-32")[:-1], ("begins", "text", "UTF-32", "damaged")),
    "Latin-1 in UTF-8": ("t.csv", "a,é\n1,x\n2,".encode() + b"\xe9\n", ("line 3", "byte", "0xE9", "UTF-8")),
    "cut in a letter": ("t.csv", "a,b\n1,é".encode()[:-1], ("line 2", "byte", "0xC3", "UTF-8")),
    "duplicated": ("t.csv", "a,b,a\n1,2,3\n", ("line 1", "'a'", "once", "give", "column")),
    "duplicated by blanks": ("t.csv", "a, a\n1,2\n", ("line 1", "'a'", "once", "give", "column")),
    "no header": ("t.csv", "5.1,3.5\n4.9,3.0\n", ("line", "numbers", "('5.1', '3.5')")),
    "open quote": (
        "t.csv",
        'a,b\n1,x\n2,"y\n3,z\n',
        ("quote", "line 3", "close"),
    ),
    "stray quote": ("t.csv", 'a,b\n1,"x"\n2,y"z"\n', ("line 3", "quote", "field")),
    "image": ("t.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", ("binary data", "text table", "give")),
    "controls": ("t.csv", bytes(range(1, 32)) * 9, ("binary data", "text table", "give")),
    "late zero": ("t.csv", b"a,b\n" + b"1,2\n" * 2000 + b"3,\0\n", ("binary data", "text table", "give")),
    "workbook": ("t.csv", archive(**{"xl/workbook.xml": "", "docProps": ""}), ("Excel workbook", ".xlsx")),
    "gzip, cut": ("t.csv.gz", gzip.compress(b"a,b\n1,2\n")[:-6], ("compressed", "cut")),
    "gzip, damaged": ("t.csv", b"\x1f\x8b" + bytes(20), ("compressed", "damaged")),
    "zip of two": ("t.zip", archive(a="x", b="y"), ("2 files", "'a'")),
    "Parquet as CSV": ("t.csv", GOOD, ("Parquet", ".parquet")),
    "suffix": ("t.doc", "a,b\n1,2\n", ("ends", "'.doc'", "format", "give", "CSV")),
    "no suffix": ("table", "a,b\n1,2\n", ("suffix", "format", "give", "CSV")),
    "Parquet, empty": ("t.parquet", "", ("empty", "(0 bytes)")),
    "Parquet, cut": ("t.parquet", GOOD[:-20], ("Parquet", "file", "cut", "short", "(its end is missing)", "copy")),
    "Parquet, damaged": ("t.parquet", b"PAR1" + b"\xff" * 90 + b"PAR1", ("damaged", "Parquet", "file")),
    "CSV as Parquet": ("t.parquet", "a,b\n1,2\n", ("not a Parquet file", "give")),
    "Parquet, no rows": ("t.parquet", parquet(pl.DataFrame({"a": []})), ("1", "column", "rows", "add")),
    "Parquet, no columns": ("t.parquet", parquet(pl.DataFrame()), ("columns", "besides", "row", "labels", "give")),
    "JSON, broken": (
        "t.jsonl",
        '{"a": 1}\n{"a": }\n',
        ("line 2", "column", "7", "JSON", "(Expecting value)", "mend"),
    ),
    "JSON, cut": (
        "t.jsonl",
        '{"a": 1}\n\n{"a": 2',
        ("line 3", "column", "8", "JSON", "(Expecting ',' delimiter)", "mend"),
    ),
    "JSON, two a line": (
        "t.jsonl",
        '{"a": 1} {"a": 2}\n',
        ("line 1", "column", "10", "JSON", "(Extra data)", "mend"),
    ),
    "JSON array": (
        "t.jsonl",
        '[\n{"a": 1}\n]\n',
        ("line 1", "column", "2", "JSON array", "JSON lines"),
    ),
    "JSON lists": ("t.jsonl", "[1, 2]\n[3, 4]\n", ("line 1", "list", "object", "write")),
    "JSON, mixed": ("t.jsonl", '{"a": 1}\n{"a": true}\n', ("line 2", "true", "false", "'a'", "1", "number")),
    "JSON, NaN": ("t.jsonl", '{"a": 1.5}\n{"a": NaN}\n', ("line 2", "NaN", "JSON", "write", "null")),
    "JSON, blank": ("t.jsonl", "\n\n", ("empty", "JSON", "lines", "object", "line")),
    "JSON, no keys": ("t.jsonl", "{}\n{}\n", ("objects", "empty", "columns")),
}


@pytest.mark.parametrize(("name", "content", "says"), BAD.values(), ids=BAD)
def test_one_line_says_it_all(table_file, name, content, says):
    path = table_file(content, name)
    with raises_naming(TableError, *says) as caught:
        read_table(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert ": " in message.removeprefix(f"{path}: "), "no remedy"


def test_rows_that_polars_lost_are_told(table_file, monkeypatch):
    """No file is known that does this; should there be one, it must not pass for a shorter table."""
    path, read_csv = table_file("a,b\n1,2\n3,4\n"), pl.read_csv
    monkeypatch.setattr(pl, "read_csv", lambda *args, **options: read_csv(*args, **options).head(1))
    with raises_naming(TableError, "table.csv", "1", "2", "rows", "read", "check", "quotes", "save", "Parquet"):
        read_table(path)


def test_a_missing_file_is_looked_for(table_file):
    path = table_file("a,b\n1,2\n", "penguins.csv")
    with raises_naming(TableError, "penguin.csv", "exist", "check", "'penguins.csv'"):
        read_table(path.with_name("penguin.csv"))


def test_a_missing_folder_is_named(tmp_path):
    with raises_naming(TableError, "folder", "nowhere", "exist", "check", "path"):
        read_table(tmp_path / "nowhere" / "t.csv")


@pytest.mark.parametrize("name", ["folder", "folder.csv"])
def test_a_folder_is_not_a_file(tmp_path, name):
    (tmp_path / name).mkdir()
    with raises_naming(TableError, name, "folder", "give", "file"):
        read_table(tmp_path / name)


def test_a_forbidden_file_is_named(table_file):
    path = table_file("a,b\n1,2\n")
    path.chmod(0)
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)  # a superuser may read anything
    try:
        with raises_naming(TableError, "table.csv", "reading", "allowed", "ask"):
            read_table(path)
    finally:
        os.seteuid(before)


@pytest.mark.parametrize("step", range(1, 40))
def test_parquet_damaged_anywhere_is_read_or_refused(table_file, step):
    damaged = bytearray(GOOD)
    damaged[step * len(GOOD) // 40] ^= 0xFF
    path = table_file(bytes(damaged), "t.parquet")
    try:
        outcome = read_table(path).height
    except TableError as error:
        outcome = str(error).count("\n")
    assert outcome in (0, 1000)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("big.csv", 'polars.scan_csv("big.csv").sink_parquet("big.parquet"), and train on that with --stream'),
        ("big.jsonl", 'polars.scan_ndjson("big.jsonl")'),
        ("big.parquet", "leave its rows on the disk: --stream"),
    ],
)
def test_a_file_that_memory_cannot_hold_is_not_tried(monkeypatch, tmp_path, name, says):
    monkeypatch.setattr(bounded_reading, "machine_memory", lambda: 1000.0)
    (tmp_path / name).write_bytes(b"x" * 500)
    with raises_naming(TableError, "machine", "room") as caught:
        read_table(tmp_path / name)
    assert says in str(caught.value)
