"""Tables that are read in pieces: what is learned does not depend on the pieces, and each fault names its file."""

from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers import raises_naming

from backlit.errors import TableError
from backlit.tables import TableEncoder, scan
from backlit.tables.accumulators import ExactMoments
from backlit.tables.parquet import ParquetTable
from backlit.tables.scan import TEST, Parts, survey
from backlit.tables.splitting import drawn

NUMBERS = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e150, max_value=1e150)


def mixed(rows=5000, seed=0):
    draw = np.random.default_rng(seed)
    return pl.DataFrame({
        "id": np.arange(rows),
        "size": [None if k % 17 == 0 else float(v) for k, v in enumerate(draw.normal(1e6, 3, rows))],
        "color": [None if k % 23 == 0 else str(v) for k, v in enumerate(draw.choice(["red", "green", "blue"], rows))],
        "code": draw.integers(0, 150, rows).astype(str),
        "used": draw.random(rows) < 0.5,
        "day": pl.Series(draw.integers(0, 1000, rows)).cast(pl.Int32).cast(pl.Date),
        "same": ["x"] * rows,
        "none": pl.Series([None] * rows, dtype=pl.Float64),
        "won": [None if k % 31 == 0 else int(v) for k, v in enumerate(draw.integers(0, 3, rows))],
    })  # fmt: skip


def write(folder, table, edges):
    folder.mkdir()
    for k, (start, stop) in enumerate(zip([0, *edges], [*edges, table.height], strict=True)):
        table[start:stop].write_parquet(folder / f"part-{k:02}.parquet", row_group_size=700)
    return folder


def look(path, seed=0, **options):
    return survey(ParquetTable.open(path), "won", None, Parts(seed, 0.2, 0.05), **options)


@given(values=st.lists(NUMBERS, min_size=1, max_size=60), cut=st.integers(0, 60))
def test_moments_are_the_right_fractions_rounded_once(values, cut):
    one, parts = ExactMoments(), ExactMoments()
    one.add(np.array(values[::-1]))
    parts.add(np.array(values[:cut])), parts.add(np.array(values[cut:]))
    mean, scale = one.mean_and_scale()
    assert parts.mean_and_scale() == (mean, scale)
    exact = [Fraction(value) for value in values]
    assert mean == float(sum(exact) / len(exact))
    variance = sum((value - sum(exact) / len(exact)) ** 2 for value in exact) / len(exact)
    assert abs(Fraction(scale) ** 2 - variance) <= variance * Fraction(1, 2**51)


def test_values_far_from_zero_keep_their_spread():
    moments = ExactMoments()
    moments.add(1e12 + np.array([-1.0, 1.0] * 50_000))
    assert moments.mean_and_scale() == (1e12, 1.0)


def test_an_encoder_does_not_depend_on_files_or_chunks(tmp_path, monkeypatch):
    table = mixed()
    whole = look(write(tmp_path / "one", table, []))
    monkeypatch.setattr(scan, "BYTES_AT_ONCE", 1)
    pieces = look(write(tmp_path / "many", table, [1, 777, 778, 3000]))
    assert whole.encoder == pieces.encoder
    assert (whole.codec, whole.n) == (pieces.codec, pieces.n)
    assert whole.validation.equals(pieces.validation)


def test_an_encoder_is_that_of_the_same_rows_in_memory(tmp_path):
    table = mixed()
    found = look(write(tmp_path / "t", table, [2500]))
    kept = table.filter((found.parts.of(0, table.height) != TEST) & table["won"].is_not_null().to_numpy())
    memory = TableEncoder.fit(kept, drop=["won"])
    assert found.encoder.rows == memory.rows == kept.height
    for streamed, held in zip(found.encoder.columns, memory.columns, strict=True):
        one, other = streamed.to_dict(), held.to_dict()
        for name in ("mean", "scale"):
            assert one.pop(name, 0.0) == pytest.approx(other.pop(name, 0.0), rel=1e-12)
        assert one == other


def test_every_training_row_is_in_one_cell(tmp_path):
    found = look(write(tmp_path / "t", mixed(), [1100, 1101]))
    assert sum(map(found.training_rows, found.table.chunks(scan.CELL))) == found.n[0]
    assert sum(found.n) == mixed()["won"].is_not_null().sum()


def test_a_row_is_drawn_by_its_number_alone():
    whole = drawn(0, 100_000, seed=3)
    np.testing.assert_array_equal(whole[777:999], drawn(777, 222, seed=3))
    assert abs(whole.mean() - 0.5) < 0.005
    assert abs(np.corrcoef(whole[:-1], whole[1:])[0, 1]) < 0.01
    assert abs(np.corrcoef(whole, drawn(0, 100_000, seed=4))[0, 1]) < 0.01


def without(folder):
    table = mixed(100).drop("size")
    table.write_parquet(folder / "part-01.parquet")


def more(folder):
    mixed(100).with_columns(extra=1).write_parquet(folder / "part-01.parquet")


def other_type(folder):
    mixed(100).with_columns(pl.col("code").cast(pl.Int64)).write_parquet(folder / "part-01.parquet")


def cut_short(folder):
    path = folder / "part-01.parquet"
    path.write_bytes(path.read_bytes()[:-9])


def damaged(folder):
    path = folder / "part-01.parquet"
    content = bytearray(path.read_bytes())
    content[4:2000] = b"\xff" * 1996
    path.write_bytes(content)


def text(folder):
    (folder / "part-01.parquet").write_text("a,b\n1,2\n")


def infinite(folder):
    mixed(100).with_columns(size=pl.lit(float("inf"))).write_parquet(folder / "part-01.parquet")


FAULTS = {
    without: ("part-01.parquet", "column", "'size'", "part-00.parquet"),
    more: ("part-01.parquet", "column", "'extra'", "part-00.parquet"),
    other_type: ("part-01.parquet", "column", "'code'", "Int64", "part-00.parquet", "String"),
    cut_short: ("part-01.parquet", "Parquet", "file", "cut", "short"),
    damaged: ("part-01.parquet", "damaged", "Parquet", "file"),
    text: ("part-01.parquet", "Parquet", "file"),
    infinite: ("part-01.parquet", "column", "'size'", "infinite", "row 1"),
}


@pytest.mark.parametrize("spoil", FAULTS, ids=lambda f: f.__name__)
def test_a_fault_names_its_file(tmp_path, spoil):
    folder = write(tmp_path / "t", mixed(300), [100, 200])
    spoil(folder)
    with raises_naming(TableError, *FAULTS[spoil]):
        look(folder)


def test_a_folder_without_parquet_says_what_it_holds(tmp_path):
    with raises_naming(TableError, "folder", "empty"):
        ParquetTable.open(tmp_path)
    (tmp_path / "a.csv").write_text("a\n1\n")
    with raises_naming(TableError, "'a.csv'", "sink_parquet"):
        ParquetTable.open(tmp_path)
    write(tmp_path / "year=2020", mixed(10), [])
    with raises_naming(TableError, "folders", "below", "year=2020"):
        ParquetTable.open(tmp_path)


def test_a_target_that_is_infinite_or_gone_is_refused(tmp_path):
    table = mixed(300).with_columns(won=pl.when(pl.col("id") == 250).then(float("inf")).otherwise(1.5))
    with raises_naming(TableError, "part-01.parquet", "target", "'won'", "infinite", "1", "row 51"):
        look(write(tmp_path / "t", table, [200]))
    with raises_naming(TableError, "target", "'won'", "300", "rows"):
        look(write(tmp_path / "u", mixed(300).with_columns(won=pl.lit(None, pl.Int64)), [200]))


def test_too_many_different_words_are_refused_before_memory_is_gone(tmp_path, monkeypatch):
    monkeypatch.setattr("backlit.tables.accumulators.MOST_WORDS", 100)
    with raises_naming(TableError, "'code'", "text", "100", "different"):
        look(write(tmp_path / "t", mixed(), []))
