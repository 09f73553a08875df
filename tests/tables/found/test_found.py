"""Every file of files.toml is read as a person reads it, or refused in one line."""

import datetime as dt
import tomllib
from pathlib import Path

import pytest
from tests.helpers import raises_naming

from backlit.errors import TableError
from backlit.tables.table_files import read_cells

FILES = tomllib.loads(Path(__file__).with_name("files.toml").read_text(encoding="utf-8"))["file"]


def known(value):
    """A value as the list writes it: "" where it is missing, all times of one zone."""
    if value is None:
        return ""
    return value.astimezone(dt.UTC) if isinstance(value, dt.datetime) and value.tzinfo else value


def of_the_list(k, file):
    """Two of three are `slow`: each says something of its own, and all of one reader."""
    return pytest.param(file, marks=[pytest.mark.slow] if k % 3 else [], id=f"{k}-{file['source']}")


@pytest.mark.parametrize("file", [of_the_list(k, file) for k, file in enumerate(FILES)])
def test_a_file_is_read_as_a_person_reads_it(tmp_path, file):
    path = tmp_path / f"t{file.get('suffix', '.csv')}"
    path.write_bytes(file["text"].encode(file.get("encoding", "utf-8")))
    if "refused" in file:
        with raises_naming(TableError, *file["refused"]):
            read_cells(path).typed(file.get("types", {}), [])
        return
    table = read_cells(path).typed(file.get("types", {}), [])[1]
    for name, values in file["columns"].items():
        found = [known(value) for value in table[name].to_list()[: len(values)]]
        assert (found, [type(v) for v in found]) == (values, [type(v) for v in values]), name


def test_the_list_is_long_and_says_where_each_is_from():
    sources = [file["source"] for file in FILES]
    assert len(set(sources)) >= 60
    assert all("/" in source and source.partition("#")[2].isdigit() for source in sources)
    assert all(("refused" in file) != ("columns" in file) for file in FILES)
