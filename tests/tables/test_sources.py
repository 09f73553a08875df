"""Where a table may come from: compressed files, workbooks, other encodings, several files in one call."""

import bz2
import datetime as dt
import gzip
import io
import lzma
import sys
import zipfile

import polars as pl
import pytest
from tests.helpers import raises_naming

from backlit.errors import TableError
from backlit.tables import read_table, text_encoding
from backlit.tables.table_files import read_cells

CSV = "size;color\n1,5;red\n2;blü\n"
ROWS = [(1.5, "red"), (2.0, "blü")]


def zipped(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("inside.csv", data)
    return buffer.getvalue()


def zstd(data: bytes) -> bytes:
    return pytest.importorskip("zstandard").ZstdCompressor().compress(data)


PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zip": zipped, ".zst": zstd}


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_compressed_table_is_read(table_file, suffix):
    packed = PACKERS[suffix](CSV.encode())
    assert read_table(table_file(packed, f"t.csv{suffix}")).rows() == ROWS
    assert read_table(table_file(packed, "t.csv")).rows() == ROWS  # by its content, whatever its name


def test_several_frames_of_one_file_are_all_read(table_file):
    head, tail = CSV.encode()[:20], CSV.encode()[20:]
    assert read_table(table_file(gzip.compress(head) + gzip.compress(tail), "t.csv.gz")).rows() == ROWS
    assert read_table(table_file(zstd(head) + zstd(tail), "t.csv.zst")).rows() == ROWS


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_cut_file_is_refused(table_file, suffix):
    packed = PACKERS[suffix](CSV.encode() * 999)
    with raises_naming(TableError, "compressed", "cut", "copy"):
        read_table(table_file(packed[: len(packed) // 2], f"t.csv{suffix}"))


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_file_that_unpacks_beyond_memory_is_refused(suffix):
    bomb = PACKERS[suffix](bytes(10**6))
    assert len(text_encoding.unpacked(bomb, "t", 10**6)) == 10**6
    with raises_naming(TableError, "unpacks", "GiB", "Parquet"):
        text_encoding.unpacked(bomb, "t", 10**6 - 1)


@pytest.mark.parametrize(
    ("library", "name", "content"),
    [("fastexcel", "t.xlsx", b"PK\3\4"), ("zstandard", "t.csv.zst", b"\x28\xb5\x2f\xfd")],
)
def test_a_library_that_is_not_there_is_named(table_file, monkeypatch, library, name, content):
    monkeypatch.setitem(sys.modules, library, None)
    with raises_naming(TableError, name, library, "pip install"):
        read_table(table_file(content, name))


@pytest.fixture
def workbook(tmp_path):
    pytest.importorskip("fastexcel")
    writer = pytest.importorskip("xlsxwriter")
    path = tmp_path / "book.xlsx"
    with writer.Workbook(str(path)) as book:
        first, second, _ = (book.add_worksheet(name) for name in ("Prices", "More prices", "Empty"))
        day = book.add_format({"num_format": "dd.mm.yyyy"})
        for sheet, factor in ((first, 1), (second, 2)):
            sheet.write_row(0, 0, ["size", "color", "day", "text"])
            for row in range(1, 4):
                sheet.write_row(row, 0, [row * factor / 2, "red" if row < 3 else ""])
                sheet.write_datetime(row, 2, dt.datetime(2024, 1, row), day)
                sheet.write_string(row, 3, f"{row}.234,5")
    return path


def test_a_sheet_is_read_by_its_name(workbook):
    table = read_table(f"{workbook}:More prices")
    assert table.rows() == [
        (1, "red", dt.datetime(2024, 1, 1), 1234.5),
        (2, "red", dt.datetime(2024, 1, 2), 2234.5),
        (3, None, dt.datetime(2024, 1, 3), 3234.5),
    ]


def test_several_sheets_are_named(workbook):
    with raises_naming(TableError, "'Prices', 'More prices'", "book.xlsx:Prices"):
        read_table(workbook)
    with raises_naming(TableError, "'Price'", "'Prices'"):
        read_table(f"{workbook}:Price")


def test_the_only_sheet_with_cells_needs_no_name(tmp_path):
    pytest.importorskip("fastexcel")
    pytest.importorskip("xlsxwriter")
    path = tmp_path / "one.xlsx"
    pl.DataFrame({"a": [1, 2]}).write_excel(path)
    assert read_table(path)["a"].to_list() == [1, 2]


def test_a_damaged_workbook_is_refused(table_file):
    pytest.importorskip("fastexcel")
    with raises_naming(TableError, "t.xlsx", "workbook"):
        read_table(table_file("a,b\n1,2\n", "t.xlsx"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252"])
def test_encodings(table_file, encoding):
    raw = read_cells(table_file(CSV.encode(encoding)))
    assert raw.typed({}, [])[1].rows() == ROWS
    assert bool(raw.notes) == (not encoding.startswith("utf-8"))


def test_several_files_are_one_table(table_file):
    paths = [table_file("a,b\n1,x\n", "1.csv"), table_file("b;a\ny;2,5\n", "2.csv")]
    raw = read_cells(paths)
    assert raw.name == f"{paths[0]} and 1 more file"
    assert raw.frame.rows() == [("1", "x"), ("2,5", "y")]
    assert raw.typed({}, [])[1].rows() == [(1, "x"), (2.5, "y")]
    typed = [table_file("", f"{k}.parquet") for k in range(2)]
    pl.DataFrame({"a": [1], "b": ["x"]}).write_parquet(typed[0])
    pl.DataFrame({"a": [2.5], "b": ["y"]}).write_parquet(typed[1])
    assert read_cells(typed).frame.rows() == [(1, "x"), (2.5, "y")]


def test_files_that_do_not_fit_are_named(table_file):
    first = table_file("a,b\n1,x\n", "1.csv")
    with raises_naming(TableError, "2.csv", "'b'", "1.csv", "same columns"):
        read_cells([first, table_file("a\n1\n", "2.csv")])
    with raises_naming(TableError, "2.jsonl", "'a'", "one type"):
        read_cells([first, table_file('{"a": true, "b": "x"}\n', "2.jsonl")])
    with raises_naming(TableError, "no file", "table"):
        read_cells([])
