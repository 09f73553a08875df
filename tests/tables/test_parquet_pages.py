"""Counts of Parquet's pages: a damaged one is found, a right file never refused, whatever it holds."""

import io
from contextlib import suppress

import numpy as np
import polars as pl
import pytest

from backlit.errors import TableError
from backlit.tables import read_table
from backlit.tables.binary_files import Compact, check_pages, headers

ROWS = 3000
FRAME = pl.DataFrame(
    {
        "number": np.arange(ROWS) / 7,
        "whole": np.arange(ROWS),
        "word": [None if k % 5 == 0 else f"w{k % 17}" for k in range(ROWS)],
        "text": [f"{k} {k * k}" for k in range(ROWS)],
        "truth": [k % 2 == 0 for k in range(ROWS)],
        "nothing": pl.Series([None] * ROWS, dtype=pl.Float64),
        "list": [[k] * (k % 4) for k in range(ROWS)],
        "pair": [{"a": k, "b": str(k)} for k in range(ROWS)],
        "class": pl.Series(["a", "b", "c"] * (ROWS // 3), dtype=pl.Categorical),
    }
)


def written(**options):
    made = io.BytesIO()
    FRAME.write_parquet(made, **options)
    return made.getvalue()


@pytest.mark.parametrize("compression", ["uncompressed", "snappy", "zstd", "gzip", "brotli", "lz4"])
@pytest.mark.parametrize("more", [{}, {"row_group_size": 700, "data_page_size": 500}, {"statistics": False}])
def test_a_right_file_has_right_counts(compression, more):
    data = written(compression=compression, **more)
    check_pages(data)
    counted = sum(header[5][1] if 5 in header else header[8][1] for header, _ in headers(data) if 7 not in header)
    assert counted >= ROWS * len(FRAME.columns)  # every page is found


def test_a_count_below_nothing_or_beyond_the_column_is_found(tmp_path):
    frame = pl.DataFrame({"a": [1.5, 2.5, 3.5], "b": ["x", None, "z"]})
    frame.write_parquet(tmp_path / "t.parquet", compression="uncompressed")
    data = (tmp_path / "t.parquet").read_bytes()
    starts = [at for at in range(len(data)) if data[at : at + 2] == bytes([0x15, 6])]  # a field of 3, zigzag
    refused = 0
    for at in starts:
        for bad in (7, 8):  # -4 and 4
            changed = bytearray(data)
            changed[at + 1] = bad
            if any(h.get(k, {1: 0})[1] in (-4, 4) for h, _ in headers(changed) for k in (5, 8)):
                (tmp_path / "t.parquet").write_bytes(changed)
                with pytest.raises(TableError, match=r"damaged Parquet file .a page of -?4 values"):
                    read_table(tmp_path / "t.parquet")
                refused += 1
    assert refused >= 2


def test_what_cannot_be_read_is_left_to_polars():
    data = written()
    for odd in (b"", b"PAR1", b"PAR1PAR1", data[:-9] + data[-8:], b"\xff" * 99, data[:4] + bytes(999) + data[-8:]):
        check_pages(odd)
    draw = np.random.default_rng(0)
    for _ in range(300):
        changed = bytearray(data)
        changed[-draw.integers(9, 2000)] = draw.integers(256)
        with suppress(ValueError):
            check_pages(bytes(changed))


def test_numbers_of_thrift():
    numbers = {b"\x00": 0, b"\x01": -1, b"\x02": 1, b"\xac\x04": 278, b"\xff\xff\xff\xff\x0f": -(2**31)}
    for text, number in numbers.items():
        assert Compact(text, 0).signed() == number
