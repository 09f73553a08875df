"""A short form of scripts/table_mutations.py, and readers that are wrong on purpose, which it has to find."""

import numpy as np
import pytest
from tests.helpers import quick_first
from tests.scripts import load_script

from backlit.tables.column_formats import ColumnFormat
from backlit.tables.table_formats import TableFormat

mutations = load_script("table_mutations")


@pytest.mark.parametrize(("tables", "first"), quick_first([(30, 120), (300, 0)]))
def test_meanings_that_are_kept_are_read_the_same_and_broken_ones_are_told(tmp_path, tables, first):
    seen = mutations.main(tables, first, tmp_path)
    assert not seen["faults"], seen
    assert len(seen) == 4  # training and prediction, kept and broken
    assert min(seen.values()) > tables / 6


def deciding_anew(self, table, names=None, lenient=()):
    format = TableFormat.learn(table)
    return read(format, table, names, tuple(table.columns))


def silent(self, table, names=None, lenient=()):
    return read(self, table, names, tuple(table.columns))


read = TableFormat.read


@pytest.mark.parametrize(("wrong", "tables"), quick_first([(silent, 30), (deciding_anew, 60)]))
def test_a_reader_that_decides_anew_or_is_silent_is_found(tmp_path, monkeypatch, capsys, wrong, tables):
    monkeypatch.setattr(TableFormat, "read", wrong)
    mutations.known.cache_clear()
    assert mutations.main(tables, 0, tmp_path)["faults"] > 2
    mutations.known.cache_clear()


@pytest.mark.slow
def test_a_note_that_is_not_given_is_found(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ColumnFormat, "note", "")
    mutations.known.cache_clear()
    assert mutations.main(60, 0, tmp_path)["faults"] > 5
    mutations.known.cache_clear()


@pytest.mark.slow
def test_a_value_that_changes_in_its_last_bit_is_found(tmp_path, monkeypatch, capsys):
    later = mutations.later
    monkeypatch.setattr(mutations, "later", lambda model, path: np.nextafter(later(model, path), 9))
    assert mutations.main(60, 0, tmp_path)["faults"] > 5
