"""The command that a result names makes it again; its hash is that of the data."""

import shlex
from hashlib import sha256
from pathlib import Path

import polars as pl
import pytest

from backlit import train
from backlit.tabular.result import command_of, data_sha256

DEFAULTS = {"table": "t.csv", "target": "y"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, ""),
        ({"hidden": [8, 4], "drop": ["a b", "c"]}, "--hidden 8,4 --drop 'a b' --drop c"),
        ({"hidden": ()}, "--hidden 0"),
        ({"optimizer": {"name": "adam"}}, "--optimizer adam"),
        ({"optimizer": {"name": "sgd", "learning_rate": 0.5}}, "--optimizer sgd --learning-rate 0.5"),
        ({"compare": False, "stream": True, "progress": True}, "--no-compare --stream"),
        ({"norm": "batch", "dropout": 0.1, "l2": 0.0}, "--norm batch --dropout 0.1 --l2 0.0"),
        ({"out": Path("m.safetensors"), "seed": 3}, "--out m.safetensors --seed 3"),
    ],
)
def test_what_is_not_a_default_is_told(given, words):
    told = command_of(train, {**DEFAULTS, **given})
    first, _, rest = told.partition(" --target y")
    assert first == "backlit train t.csv"
    assert sorted(shlex.split(rest)) == sorted(shlex.split(words))


def test_a_dataset_has_no_table():
    assert command_of(train, {"dataset": "iris", "epochs": 5}) == "backlit train --dataset iris --epochs 5"


@pytest.mark.parametrize(
    "given",
    [
        {"init": "he_normal"},
        {"optimizer": {"name": "sgd", "momentum": 0.9}},
        {"schedule": {"name": "step", "size": 3}},
    ],
)
def test_what_only_python_can_say_is_a_call(given):
    ((name, value),) = given.items()
    assert command_of(train, {**DEFAULTS, **given}) == f"backlit.train('t.csv', 'y', {name}={value!r})"


def test_a_data_frame_is_called_table():
    told = command_of(train, {"table": pl.DataFrame({"y": [1]}), "target": "y", "out": Path("m.safetensors")})
    assert told == "backlit.train(table, 'y', out='m.safetensors')"


def test_the_hash_is_of_bytes(tmp_path):
    one, two = tmp_path / "1.parquet", tmp_path / "2.parquet"
    one.write_bytes(b"one")
    two.write_bytes(b"two")
    assert data_sha256(one) == sha256(b"one").hexdigest()
    assert data_sha256(tmp_path) == sha256(b"onetwo").hexdigest()
    frame = pl.DataFrame({"a": [1, 2]})
    assert data_sha256(frame) == data_sha256(frame.clone()) != data_sha256(frame.reverse())
