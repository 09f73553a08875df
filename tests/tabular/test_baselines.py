"""Baselines are scikit-learn's own, on the same rows; the sentence on them says what the numbers say."""

import numpy as np
import polars as pl
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor

from backlit.tables import TableEncoder, read_target, split
from backlit.tabular.assessment import RIVALS, as_columns, baselines, gradient_boosting, verdict
from backlit.tabular.datasets import load_dataset
from backlit.tabular.scoring import score


def parts(name):
    table = load_dataset(name)
    target = read_target(table, "target")
    kept, held_out = split(target.y if target.classes else len(target.y), test_size=0.2)
    encoder = TableEncoder.fit(table[kept], drop=["target"])
    X = encoder.transform(table, np.float32)
    return target, encoder, X[kept], target.y[kept], X[held_out], target.y[held_out]


@pytest.mark.parametrize("name", ["iris", "breast_cancer", "diabetes"])
def test_the_constant_prediction_is_scikit_learns_dummy(name):
    target, *rows = parts(name)
    *training, X_test, y_test = rows
    made = baselines(target.task, *training[1:], X_test)
    assert set(made) == {"constant", "linear"}
    found = {rival: score(target.task, y_test, theirs) for rival, theirs in made.items()}
    _, X, y = training
    dummy = (DummyClassifier(strategy="prior") if target.classes else DummyRegressor()).fit(X, y)
    outputs = dummy.predict_proba(X_test) if target.classes else dummy.predict(X_test)
    assert found["constant"] == score(target.task, y_test, outputs)
    main = "accuracy" if target.classes else "r2"
    assert found["linear"][main] > found["constant"][main] + 0.2


def test_gradient_boosting_gets_a_column_as_it_is():
    draw = np.random.default_rng(0)
    words = draw.choice(["a", "b", "c", "d"], 300)
    frame = pl.DataFrame({
        "word": words,
        "x": pl.Series(draw.normal(size=300)).set(pl.Series(draw.random(300) < 0.2), None),
        "flag": draw.random(300) < 0.5,
    })  # fmt: skip
    y = np.array([{"a": 3.0, "b": -5.0, "c": 9.0, "d": 0.0}[w] for w in words]) + draw.normal(size=300)
    encoder = TableEncoder.fit(frame)
    X = encoder.transform(frame)
    columns, is_word = as_columns(encoder, X)
    assert is_word.tolist() == [True, False, False]
    assert columns[:, 0].tolist() == [sorted(set(words)).index(w) for w in words]
    np.testing.assert_array_equal(np.isnan(columns[:, 1]), frame["x"].is_null().to_numpy())
    boosted = gradient_boosting(encoder, X[:200], y[:200], X[200:], 0, 0)
    found = score("regression", y[200:], boosted)
    plain = np.column_stack([columns[:, 0], frame["x"].to_numpy(), frame["flag"].to_numpy()])
    model = HistGradientBoostingRegressor(categorical_features=[True, False, False], random_state=0)
    expected = score("regression", y[200:], model.fit(plain[:200], y[:200]).predict(plain[200:]))
    assert found["rmse"] == pytest.approx(expected["rmse"], rel=0.02)
    assert found["r2"] > 0.9


def test_a_class_of_one_row_and_many_rows_can_be_boosted():
    draw = np.random.default_rng(0)
    X, y = draw.normal(size=(11_000, 1)), draw.integers(0, 2, 11_000)
    y[0] = 2
    encoder = TableEncoder.fit(pl.DataFrame({"x": X[:, 0]}))
    assert gradient_boosting(encoder, X, y, X[:50], 3, 0).shape == (50, 3)


def test_gradient_boosting_of_very_many_classes_is_left_out():
    y = np.arange(120) % 60
    X = np.random.default_rng(0).normal(size=(120, 2))
    encoder = TableEncoder.fit(pl.DataFrame(X))
    assert gradient_boosting(encoder, X, y, X, 60, 0) is None


def scored(log_loss, accuracy=0.9):
    return {"log_loss": log_loss, "accuracy": accuracy}


OTHERS = {"constant": scored(0.6, 0.75), "linear": scored(0.4), "gradient_boosting": scored(0.3)}


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        (scored(0.6, 0.8), "the model adds nothing: log loss 0.6, and 0.6 by the constant prediction"),
        (
            scored(0.45),
            "a linear model and gradient boosting are better here: log loss 0.4 and 0.3, and 0.45 by the model",
        ),
        (
            scored(0.35, 0.75),
            "the model's answers add nothing: right in 75.0% of the held-out rows, and always 'no' in 75.0%",
        ),
        (scored(0.35), "gradient boosting is better here: log loss 0.3, and 0.35 by the model"),
        (
            scored(0.25),
            "better than the constant prediction, a linear model and gradient boosting: log loss 0.25, and theirs "
            "0.6, 0.4 and 0.3",
        ),
    ],
)
def test_the_sentence_says_what_a_score_is_worth(own, sentence):
    assert verdict("classification", own, OTHERS, "'no'") == sentence


def test_without_gradient_boosting_the_sentence_does_without():
    few = {name: OTHERS[name] for name in ("constant", "linear")}
    assert verdict("classification", scored(0.35), few, "'no'").startswith("better than the constant prediction and a ")


ALIKE = [  # what the model scores, which baselines the rows cannot tell it from, and what is said of them all
    (
        0.25,
        ["gradient_boosting"],
        "better than the constant prediction and a linear model: log loss 0.25, and theirs 0.6 and 0.4",
    ),
    (0.25, ["linear", "gradient_boosting"], "better than the constant prediction: log loss 0.25, and its 0.6"),
    (0.25, ["constant", "linear", "gradient_boosting"], "not shown to be better than any of the others: log loss 0.25"),
    (0.35, ["gradient_boosting", "linear"], "better than the constant prediction: log loss 0.35, and its 0.6"),
    (0.45, ["linear", "gradient_boosting"], "better than the constant prediction: log loss 0.45, and its 0.6"),
]


@pytest.mark.parametrize(("own", "alike", "plain"), ALIKE)
def test_no_baseline_is_beaten_that_the_rows_cannot_tell_the_model_from(own, alike, plain):
    said, _, few = verdict("classification", scored(own), OTHERS, "'no'", alike).partition("; ")
    assert said == plain
    named = [f"{RIVALS[rival]} ({OTHERS[rival]['log_loss']:g})" for rival in OTHERS if rival in alike]
    assert few.startswith("the held-out rows are too few to tell it from ")
    assert all(name in few for name in named)


def test_what_is_surely_better_comes_first():
    said = verdict("classification", scored(0.45), OTHERS, "'no'", ["linear"])
    assert said == "gradient boosting is better here: log loss 0.3, and 0.45 by the model"
