"""Content that a parser would nest, repeat or expand without end, and files that aren't files."""

import os
import socket

import pytest
from tests.helpers import lines_run

from backlit import bounded_reading
from backlit.bounded_reading import MOST_TABLES, from_json, from_toml, from_yaml, read_bytes


def laughs(last: str) -> str:
    """A kilobyte of YAML whose aliases stand for more values than there are atoms in a hand."""
    lines = [f"a{k}: &a{k} {last.format(', '.join([f'*a{k - 1}'] * 9))}" for k in range(1, 24)]
    return "\n".join(["a0: &a0 {x: 1}", *lines])


REFUSED = {
    "deep json": (from_json, "[" * 100_000 + "]" * 100_000, "too deep"),
    "just too deep json": (from_json, "[" * 66 + "]" * 66, "too deep"),
    "key twice": (from_json, '{"a": {"b": 1, "b": 2}}', "'b' is given twice"),
    "half a character": (from_json, r'{"a": "\ud800"}', "half a character"),
    "half a character in a key": (from_json, r'{"\udfff": 1}', "half a character"),
    "huge number": (from_json, "[-1" + "0" * 400 + "]", "401 digits"),
    "huger number": (from_json, "1" * 5000, "more than 4,300 digits"),
    "huger number in toml": (from_toml, "a = " + "1" * 5000, "more than 4,300 digits"),
    "huger number in yaml": (from_yaml, "1" * 5000, "more than 4,300 digits"),
    "many tables": (from_json, "[" + "[]," * MOST_TABLES + "[]]", "1,000,000"),
    "dotted key": (from_toml, ".".join("a" * 200_000) + " = 1", "64 parts"),
    "quoted dotted key": (from_toml, " . ".join(['"a"'] * 70) + " = 1", "64 parts"),
    "deep toml": (from_toml, "a = " + "[" * 5000 + "]" * 5000, "too deep"),
    "toml key twice": (from_toml, "a = 1\na = 2", "overwrite"),
    "aliases": (from_yaml, laughs("[{}]"), "aliases"),
    "merged aliases": (from_yaml, laughs("{{<<: [{}]}}"), "aliases"),
    "cyclic yaml": (from_yaml, "&a [*a]", "too deep"),
    "deep yaml": (from_yaml, "- " * 500_000, "too deep"),
    "yaml key twice": (from_yaml, "a: {b: 1, b: 2}", "'b' is given twice"),
    "yaml object": (from_yaml, "!!python/object/apply:os.getcwd []", "constructor"),
    "yaml key of no word": (from_yaml, "? [a]\n: 1", "unhashable"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_content_without_bound_is_refused_soon(name, monkeypatch):
    parse, text, words = REFUSED[name]
    most = 100_000 if "aliases" in name else MOST_TABLES
    monkeypatch.setattr(bounded_reading, "MOST_TABLES", most)
    with pytest.raises(ValueError, match=words):
        lines_run(lambda: parse(text), most=5 * most)


def test_ordinary_content_is_read():
    assert from_json("[" * 60 + "1e3" + "]" * 60)
    assert from_toml("a.b.c = 1\n[[d]]\ne = [1.5, 2.5]") == {"a": {"b": {"c": 1}}, "d": [{"e": [1.5, 2.5]}]}
    assert from_yaml("h: &h {units: 8}\nlayers: [*h, {<<: *h, units: 9}]") == {
        "h": {"units": 8}, "layers": [{"units": 8}, {"units": 9}],
    }  # fmt: skip


def test_yaml_takes_no_time_of_day_for_a_number():
    assert from_yaml("[1:30, 190:20:30.15, 1.5, -3, yes]") == ["1:30", "190:20:30.15", 1.5, -3, True]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes in folders")
def test_what_is_no_file_is_refused_without_waiting(monkeypatch, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is a pipe"):
        read_bytes(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is a device"):
        read_bytes("/dev/zero")
    with socket.socket(socket.AF_UNIX) as opened:
        monkeypatch.chdir(tmp_path)  # a socket's path has at most 107 bytes
        opened.bind("socket")
        with pytest.raises(OSError, match=r"socket|No such device"):
            read_bytes(tmp_path / "socket")
    with pytest.raises(IsADirectoryError, match="directory"):
        read_bytes(tmp_path)


def test_a_file_is_read_up_to_its_bound(tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 100)
    assert read_bytes(tmp_path / "file", 100) == b"x" * 100
    with pytest.raises(OSError, match="larger than"):
        read_bytes(tmp_path / "file", 99)
