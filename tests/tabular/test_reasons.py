"""Reasons are integrated gradients in the table's own columns, and sum to the difference of the predictions."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from scipy.integrate import quad
from tests.commands import run_command
from tests.helpers import raises_naming
from tests.tabular.test_train_predict import mixed

from backlit import load_model, predict, train
from backlit.errors import ModelError, ProblemError
from backlit.formats.ensembles import Ensemble, Member
from backlit.formats.models import save_model
from backlit.tabular.reasons import explain_rows, members_of, of_class, typical_row
from backlit.tabular.remarks import describe_typical
from backlit.tabular.scoring import outputs_of

QUICK = {"epochs": 8, "compare": False}
ROWS = mixed(12, seed=5)
COLUMNS = ("size", "color", "used", "day")


@pytest.fixture(scope="module")
def models():
    table = mixed()
    return {
        "number": train(table, "price", drop=["grade"], hidden=(12, 8), activation="gelu", norm="batch", **QUICK).model,
        "three classes": train(table, "grade", drop=["price"], hidden=(12,), activation="tanh", **QUICK).model,
        "two classes": train(table, "used", drop=["price", "grade"], hidden=(12, 8), **QUICK).model,  # of ReLU
    }


@pytest.mark.parametrize("name", ["number", "three classes", "two classes"])
def test_effects_sum_to_the_difference_of_the_predictions(models, name):
    model = models[name]
    found = explain_rows(model, ROWS)
    np.testing.assert_allclose(found.effects.sum(axis=1), found.value - found.base, atol=1e-9)
    outputs = outputs_of(model, model.encoder.transform(ROWS, np.float32)).astype(np.float64)
    base = outputs_of(model, model.encoder.transform(typical_row(model), np.float32)).astype(np.float64)
    if name == "number":
        np.testing.assert_allclose(found.value, outputs, rtol=1e-5)
        np.testing.assert_allclose(found.base, np.repeat(base, len(ROWS)), rtol=1e-5)
        return
    chosen = outputs.argmax(axis=1)
    for k, row in enumerate(outputs):
        c = chosen[k]
        assert found.value[k] == pytest.approx(np.log(row[c] / (row.sum() - row[c])), abs=1e-4)
        assert found.base[k] == pytest.approx(np.log(base[0, c] / (base[0].sum() - base[0, c])), abs=1e-4)


def test_a_linear_model_says_its_weights():
    draw = np.random.default_rng(0)
    table = pl.DataFrame({"a": draw.normal(5, 2, 200), "b": draw.normal(-1, 3, 200)})
    table = table.with_columns(y=3 * pl.col("a") - 2 * pl.col("b"))
    model = train(table, "y", hidden=(), **QUICK).model
    found = explain_rows(model, table[:5])
    scale = [column.scale for column in model.encoder.columns]
    weights = model.params.W[1][0] / scale
    typical = np.array([[found.typical["a"], found.typical["b"]]])
    np.testing.assert_allclose(found.effects, weights * (table[:5, :2].to_numpy() - typical), rtol=1e-5)


def test_effects_are_the_integral_of_the_gradient(models):
    """Each feature's by quadrature of its own, with the gradient by differences."""
    model = models["three classes"]
    (walker,) = members_of(model)
    x, x0 = (model.encoder.transform(rows, np.float64)[0] for rows in (ROWS[:1], typical_row(model)))
    chosen = explain_scores(walker, x).argmax()

    def slope(t, j, step=1e-5):
        at = x0 + t * (x - x0)
        up, down = (at + sign * step * np.eye(len(x))[j] for sign in (1, -1))
        values = [of_class(explain_scores(walker, point), np.array([chosen]))[0][0] for point in (up, down)]
        return (values[0] - values[1]) / (2 * step)

    by_feature = [(x[j] - x0[j]) * quad(slope, 0, 1, args=(j,), epsabs=1e-8)[0] if x[j] != x0[j] else 0.0
                  for j in range(len(x))]  # fmt: skip
    edges = np.cumsum([0] + [len(column.features) for column in model.encoder.columns])
    expected = [sum(by_feature[start:stop]) for start, stop in pairwise(edges)]
    np.testing.assert_allclose(explain_rows(model, ROWS[:1]).effects[0], expected, atol=1e-6)


def explain_scores(walker, x):
    """Scores (1, K) of one row of features."""
    return walker.outputs(x[None]).a[-1]


def test_an_ensemble_is_the_weighted_sum_of_its_members(models):
    model = models["number"]
    other = train(mixed(seed=3), "price", drop=["grade"], hidden=(6,), activation="tanh", **QUICK).model
    members = [Member(m, "", k, w, 1, 0.0) for k, (m, w) in enumerate([(model, 0.25), (other, 0.75)])]
    ensemble = Ensemble(tuple(members), model.target, training=model.training)
    other = replace(other, training=model.training)
    found, parts = explain_rows(ensemble, ROWS), [explain_rows(each, ROWS) for each in (model, other)]
    np.testing.assert_allclose(found.effects, 0.25 * parts[0].effects + 0.75 * parts[1].effects, atol=1e-6)
    np.testing.assert_allclose(found.effects.sum(axis=1), found.value - found.base, atol=1e-9)


def test_an_ensemble_of_classes_explains_its_own_log_odds(models):
    from backlit.core.activations.softmax import softmax
    from backlit.tabular.blend import log_probabilities

    first = models["three classes"]
    second = train(mixed(seed=3), "grade", drop=["price"], hidden=(6,), activation="tanh", **QUICK).model
    members = tuple(Member(m, "", k, w, 1, 0.0) for k, (m, w) in enumerate([(first, 0.4), (second, 0.6)]))
    found = explain_rows(Ensemble(members, first.target, temperature=1.7, training=first.training), ROWS)
    z = sum(m.weight * log_probabilities(outputs_of(m.model, m.model.encoder.transform(ROWS, np.float32)))
            for m in members)  # fmt: skip
    p = softmax(z / 1.7)
    k = p.argmax(axis=1)
    own = p[np.arange(len(p)), k]
    np.testing.assert_allclose(found.value, np.log(own / (1 - own)), atol=1e-4)
    np.testing.assert_allclose(found.effects.sum(axis=1), found.value - found.base, atol=1e-9)


def test_columns_of_predictions(models):
    predictions = predict(models["three classes"], ROWS, reasons=2)
    table, why = predictions.table, predictions.reasons
    assert table.columns[-3:] == ["reason 1", "reason 2", "reasons rest"]
    assert why.columns == COLUMNS
    for k, row in enumerate(table.iter_rows(named=True)):
        parts = [row["reason 1"].rsplit(": ", 1), row["reason 2"].rsplit(": ", 1)]
        effects = [float(effect) for _, effect in parts]
        assert abs(effects[0]) >= abs(effects[1]) - 1e-3
        assert sum(effects) + row["reasons rest"] == pytest.approx(why.value[k] - why.base[k], abs=1e-9)
        name, value = parts[0][0].split("=", 1)
        cell = ROWS[name][k]
        assert value == ("missing" if cell is None else f"{cell:.6g}" if isinstance(cell, float) else str(cell))
    plain = predict(models["three classes"], ROWS).table
    assert plain.equals(table[:, : plain.width])
    assert predict(models["number"], ROWS, reasons=99).table.columns[-2:] == ["reason 4", "reasons rest"]


def test_a_row_is_explained_alike_with_and_without_others(models):
    for model in models.values():
        whole, alone = explain_rows(model, ROWS).effects, explain_rows(model, ROWS[3:4]).effects
        np.testing.assert_allclose(whole[3:4], alone, rtol=1e-9, atol=1e-12)


def test_the_typical_row_is_named_and_comes_back_from_a_file(models, tmp_path):
    model = models["number"]
    save_model(model, tmp_path / "m.safetensors")
    again = load_model(tmp_path / "m.safetensors")
    assert typical_row(again).equals(typical_row(model))
    row = typical_row(model).row(0, named=True)
    assert set(row) == set(COLUMNS)
    assert row["color"] in ("red", "green", "blue")
    assert str(row["day"]).startswith("197")


def test_the_typical_row_of_moments():
    from datetime import datetime, time, timedelta

    table = pl.DataFrame({
        "at": pl.Series([datetime(2020, 1, 1), datetime(2020, 1, 3), datetime(2020, 1, 9)]).cast(pl.Datetime("ms")),
        "for": [timedelta(hours=1), timedelta(hours=2), timedelta(hours=30)],
        "clock": [time(6), time(7), time(20)],
        "y": [1.0, 2.0, 3.0],
    })  # fmt: skip
    model = train(pl.concat([table] * 5), "y", hidden=(2,), epochs=1, compare=False).model
    assert typical_row(model).row(0) == (datetime(2020, 1, 3), timedelta(hours=2), time(7))
    assert describe_typical(table, model.encoder)["clock"] == 7 * 3600 * 10**9


def test_a_model_without_a_typical_row_says_what_to_do(models):
    old = replace(models["number"], training={})
    with pytest.raises(ModelError, match="holds no typical row to compare with"):
        predict(old, ROWS, reasons=1)
    assert predict(old, ROWS).table.height == len(ROWS)
    with raises_naming(ProblemError, "reasons is 0"):
        predict(models["number"], ROWS, reasons=0)


def test_the_command_names_reasons(capsys, tmp_path, models):
    model, rows = tmp_path / "m.safetensors", tmp_path / "rows.csv"
    save_model(models["two classes"], model)
    ROWS.drop("used").write_csv(rows)
    code, out, err = run_command(capsys, "predict", model, rows, "--reasons", 2)
    assert code == 0
    assert pl.read_csv(out.encode()).columns[-3:] == ["reason 1", "reason 2", "reasons rest"]
    assert err.startswith(
        "reasons: what each column adds to the log-odds of the predicted class, beside a typical row: size="
    )
    code, out, _ = run_command(capsys, "predict", model, rows, "--reasons", 1, "--format", "json")
    told = json.loads(out)["reasons"]
    assert code == 0
    total = [sum(effects) for effects in zip(*told["effects"].values(), strict=True)]
    np.testing.assert_allclose(total, np.subtract(told["value"], told["base"]), atol=1e-9)
    assert set(told["baseline"]) == {"size", "color", "day"}
    code, out, err = run_command(capsys, "predict", model, rows, "--reasons", 0)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
