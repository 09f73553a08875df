"""A table's model as ONNX from the columns to the prediction: onnxruntime says what `predict` says."""

import json
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from tests.commands import run_command
from tests.helpers import quick_first, raises_naming

pytest.importorskip("onnxruntime")

from backlit import predict, train  # they need onnx
from backlit.errors import ModelError
from backlit.formats.ensembles import Ensemble
from backlit.formats.models import load_model
from backlit.formats.onnx_tables import FORMS, build_table, export_table_onnx
from backlit.tables import TableEncoder
from backlit.tables.columns import FORMS as COLUMN_FORMS
from backlit.tables.columns import Calendar, Dropped, as_numbers, settle

pytestmark = pytest.mark.usefixtures("checked_once")
EPOCH = datetime(1970, 1, 1)


def everything(rows=300, seed=0):
    """A table with a column of each kind, with gaps, and with three targets."""
    draw = np.random.default_rng(seed)
    days = draw.integers(-40_000, 30_000, rows)
    seconds, gaps = draw.integers(0, 86_400, rows), draw.random(rows) < 0.1
    x = draw.normal(size=rows)
    table = pl.DataFrame(
        {
            "number": x,
            "whole": draw.integers(0, 5, rows),
            "heavy tail": np.exp(4 * draw.normal(size=rows)),
            "day": [date(1970, 1, 1) + timedelta(int(d)) for d in days],
            "instant": [EPOCH + timedelta(int(d), int(s)) for d, s in zip(days, seconds, strict=True)],
            "length": [timedelta(seconds=float(s)) for s in draw.exponential(1000, rows).round()],
            "o'clock": [time(int(h), 30) for h in draw.integers(0, 24, rows)],
            "word": draw.choice(["a", "b", "=c", "d e"], rows),
            "flag": draw.random(rows) < 0.4,
            "there or not": [None if gap else 1.0 for gap in gaps],
            "said or not": [None if gap else "yes" for gap in gaps],
            "with gaps": [None if gap else v for gap, v in zip(gaps, x, strict=True)],
            "word with gaps": [None if gap else w for gap, w in zip(gaps, draw.choice(["u", "v"], rows), strict=True)],
            "flag with gaps": [None if gap else bool(f) for gap, f in zip(gaps, draw.random(rows) < 0.5, strict=True)],
        }
    )  # fmt: skip
    y = x + (days % 7 > 4) + (table["word"] == "b").to_numpy()
    kinds = np.where(y > 1.5, "high", np.where(y > 0, "mid", "low"))
    return table.with_columns(
        y=pl.Series(y), kind=pl.Series(kinds), yes=pl.Series(y > 0.5), count=pl.Series((y > 0) + 2)
    )


TABLE = everything(150)
TARGETS = ("y", "kind", "yes", "count")


def inputs_of(encoder, table):
    """What the graph takes for the rows of a table."""
    given = {}
    for column in encoder.columns:
        if not column.features:
            continue
        values = settle(table[column.name])
        if column.kind == "category":
            array = np.array([value or "" for value in values.to_list()], dtype=object)
        elif values.dtype == pl.Boolean or values.dtype == pl.Null:
            array = values.cast(pl.Float64).to_numpy()
        else:
            array = as_numbers(values, column.kind)
        given[column.name] = array[:, None]
    return given


def run(path, encoder, table):
    """The graph's outputs by name."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path))
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs_of(encoder, table)), strict=True))


def assert_says_the_same(path, model, table):
    """That onnxruntime says of rows what `predict` says of them."""
    told, ours = run(path, model.encoder, table), predict(model, table).table
    if model.target.task == "regression":
        assert_allclose(told["prediction"], ours.to_series().to_numpy(), rtol=1e-5, atol=1e-5)
        return
    p = ours[:, 1 : 1 + len(model.target.classes)].to_numpy()
    # of two classes an ensemble blends ln(1 − p) of shares in float32, whose last digit counts for much near 1
    coarse = isinstance(model, Ensemble) and p.shape[1] == 2
    assert_allclose(told["probabilities"], p, atol=5e-4 if coarse else 1e-5)
    clear = np.abs(p.max(axis=1) - 0.5) > 1e-3
    assert (np.array(told["label"].tolist())[clear] == ours.to_series().to_numpy()[clear]).all()


def odd(rows=200):
    """Rows as no training row was: gaps everywhere, words that are new, numbers far away."""
    table = everything(rows, seed=5)
    third = pl.int_range(rows) % 3 == 0
    return table.with_columns(
        [pl.when(third).then(None).otherwise(pl.col(name)).alias(name) for name in table.columns]
    ).with_columns(
        word=pl.when(pl.int_range(rows) % 5 == 1).then(pl.lit("new")).otherwise("word"),
        number=pl.when(pl.int_range(rows) % 7 == 1).then(1e290).otherwise("number"),
    )


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    """An ensemble of a target, trained once, and its file."""

    @cache
    def of(target):
        path = tmp_path_factory.mktemp("ensemble") / "m.safetensors"
        others = [name for name in TARGETS if name != target]
        return train(TABLE, target, drop=others, quality="fast", compare=False, out=path).model, path

    return of


@pytest.mark.parametrize("target", quick_first(TARGETS))
def test_an_ensemble_says_the_same(target, ensemble, tmp_path):
    model, _ = ensemble(target)
    path = tmp_path / "all.onnx"
    export_table_onnx(model, path)
    assert_says_the_same(path, model, everything(seed=3))
    assert_says_the_same(path, model, odd())


KINDS = [("y", "standard"), ("kind", "quantiles"), ("yes", "standard")]
REST = [("y", "quantiles"), ("kind", "standard"), ("yes", "quantiles")]


@pytest.mark.parametrize(("target", "encoding"), quick_first([*KINDS, *REST], len(KINDS)))
def test_one_network_says_the_same(target, encoding, tmp_path):
    others = [name for name in TARGETS if name != target]
    model = train(TABLE, target, drop=others, hidden=(8,), encoding=encoding, epochs=3, compare=False).model
    path = tmp_path / "one.onnx"
    export_table_onnx(model, path)
    assert_says_the_same(path, model, everything(seed=3))


def test_every_day_has_its_weekday_and_its_share_of_the_year(tmp_path):
    days = [date(1890, 1, 1) + timedelta(k) for k in range(0, 90_000, 13)]
    days += [
        date(year, month, day) for year in (1900, 1999, 2000, 2024, 2100) for month, day in ((1, 1), (2, 28), (12, 31))
    ]
    table = pl.DataFrame({"day": days, "y": np.random.default_rng(0).normal(size=len(days))})
    model = train(table, "y", hidden=(), encoding="quantiles", epochs=1, compare=False).model
    export_table_onnx(model, tmp_path / "days.onnx")
    assert_says_the_same(tmp_path / "days.onnx", model, table)


def test_every_kind_of_column_has_a_form_and_one_without_is_named(monkeypatch):
    assert set(FORMS) == set(COLUMN_FORMS.values()) - {Dropped}
    told = {"drop": ["kind", "yes", "count"], "encoding": "quantiles", "compare": False}
    model = train(TABLE, "y", hidden=(), epochs=1, **told).model
    monkeypatch.delitem(FORMS, Calendar)
    with raises_naming(ModelError, "'day'", "--features"):
        build_table(model)


def test_a_column_with_an_outputs_name_is_refused():
    table = TABLE.select("number", "y").rename({"number": "label"})
    with raises_naming(ModelError, "'label'", "rename"):
        build_table(train(table, "y", hidden=(), epochs=1, compare=False).model)
    model = train(table, "y", hidden=(), epochs=1, compare=False).model
    with raises_naming(ModelError, "not made of a table"):
        build_table(replace(model, encoder=None))


def test_a_wrong_encoding_would_be_seen(tmp_path):
    model = train(TABLE, "y", drop=["kind", "yes", "count"], hidden=(), epochs=3, compare=False).model
    first = model.encoder.columns[0]
    shifted = TableEncoder((replace(first, mean=first.mean + 0.01), *model.encoder.columns[1:]), model.encoder.rows)
    export_table_onnx(replace(model, encoder=shifted), tmp_path / "wrong.onnx")
    with pytest.raises(AssertionError, match="Mismatched"):
        assert_says_the_same(tmp_path / "wrong.onnx", model, everything(seed=3))


def test_the_command_exports_columns_or_features(ensemble, tmp_path, capsys):
    import onnx

    _, path = ensemble("y")
    code, out, _ = run_command(capsys, "export", path, tmp_path / "whole.onnx")
    assert (code, "columns" in out) == (0, True)
    graph = onnx.load(tmp_path / "whole.onnx")
    assert [given.name for given in graph.graph.input] == [name for name in TABLE.columns if name not in TARGETS]
    told = {entry.key: entry.value for entry in graph.metadata_props}
    units = json.loads(told["columns"])
    assert list(units) == [given.name for given in graph.graph.input]
    assert units | {"number": "numbers", "word": "words", "day": "days since 1970-01-01"} == units
    assert run_command(capsys, "export", path, tmp_path / "features.onnx", "--features")[0] == 0
    assert [given.name for given in onnx.load(tmp_path / "features.onnx").graph.input] == ["X"]
    assert run_command(capsys, "export", path, tmp_path / "one.onnx", "--member", 1)[0] == 0
    assert_says_the_same(tmp_path / "one.onnx", load_model(path, member=1), everything(seed=3))
