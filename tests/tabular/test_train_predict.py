"""From a table to a model and back, on real data and on tables that try to go wrong."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from sklearn import metrics as reference
from tests.helpers import quick_first, raises_naming

from backlit import load_model, predict, train
from backlit.core import Dense, Network, forward
from backlit.errors import BacklitError, Divergence, ProblemError
from backlit.tables import read_target
from backlit.tables.table_files import write_table
from backlit.tabular import ensemble
from backlit.tabular.datasets import DATASETS, load_dataset
from backlit.tabular.presets import target_scale, unscale
from backlit.tabular.scoring import classification_metrics, regression_metrics

QUICK = {"hidden": (16,), "epochs": 15, "compare": False}


def mixed(rows=240, seed=0):
    """Numbers, words, flags, dates and gaps, with a target that depends on each of them."""
    draw = np.random.default_rng(seed)
    size, color = draw.normal(10, 3, rows), draw.choice(["red", "green", "blue"], rows)
    used, day = draw.random(rows) < 0.5, draw.integers(0, 1000, rows)
    price = size + 5 * (color == "red") - 3 * used + day / 200 + draw.normal(0, 0.3, rows)
    return pl.DataFrame({
        "size": [None if k % 17 == 0 else v for k, v in enumerate(size)],
        "color": [None if k % 23 == 0 else str(v) for k, v in enumerate(color)],
        "used": used,
        "day": pl.Series(day).cast(pl.Int32).cast(pl.Date),
        "price": price,
        "grade": np.where(price > 14, "high", np.where(price > 10, "mid", "low")),
    })  # fmt: skip


@pytest.mark.parametrize("name", quick_first(sorted(DATASETS, key=lambda name: name in ("digits", "breast_cancer")), 3))
def test_every_dataset_trains_better_than_guessing(name):
    result = train(dataset=name, epochs=40, compare=False)
    test = result.metrics["test"]
    assert test.get("r2", test.get("balanced_accuracy")) > (0.3 if name == "diabetes" else 0.8)
    assert result.gradient_check.max_relative_error < 1e-7
    assert result.n_train + result.n_test == load_dataset(name).height


def test_digits_reach_what_the_readme_says():
    assert train(dataset="digits", hidden=(128, 64), compare=False).metrics["test"]["accuracy"] >= 0.97


@pytest.mark.parametrize(("target", "drop", "suffix"), [
    ("price", ["grade"], "csv"), ("grade", ["price"], "csv"), ("used", ["grade"], "csv"), ("used", ["grade"], "jsonl"),
    ("grade", ["price"], "parquet"),
])  # fmt: skip
def test_a_mixed_table_goes_through_train_and_predict_and_back(tmp_path, target, drop, suffix):
    table, path = mixed(), tmp_path / f"table.{suffix}"
    {"csv": table.write_csv, "parquet": table.write_parquet, "jsonl": table.write_ndjson}[suffix](path)
    result = train(path, target, drop=drop, out=tmp_path / "m.safetensors", epochs=60, compare=False)
    predictions = predict(tmp_path / "m.safetensors", path)
    assert predictions.table.height == table.height
    assert predictions.table.columns[0] == target
    assert predictions.table[target].dtype == table[target].dtype
    again = predict(result.model, table.drop(target))
    assert again.metrics is None
    np.testing.assert_allclose(
        again.table.select(pl.col(pl.Float64)).to_numpy(),
        predictions.table.select(pl.col(pl.Float64)).to_numpy(),
        rtol=1e-5,
    )
    known = predictions.metrics
    assert known is not None
    assert known.get("r2", known.get("accuracy")) > 0.7


def test_predictions_of_held_out_rows_are_what_was_scored(tmp_path):
    table = mixed().drop("grade")
    result = train(table, "price", **QUICK)
    outputs = predict(result.model, table).table["price"].to_numpy()
    errors = np.abs(outputs - table["price"].to_numpy())
    total = errors.mean() * table.height
    scored = result.metrics["train"]["mae"] * result.n_train + result.metrics["test"]["mae"] * result.n_test
    assert total == pytest.approx(scored, rel=1e-5)


def test_the_target_scale_does_not_matter_to_regression():
    table = mixed().drop("grade")
    plain = train(table, "price", **QUICK).metrics["test"]["r2"]
    scaled = train(table.with_columns(pl.col("price") * 1e6 + 1e8), "price", **QUICK).metrics["test"]["r2"]
    assert scaled == pytest.approx(plain, abs=0.02)


def test_the_same_seed_gives_the_same_model_and_another_seed_another():
    first, again, other = (train(dataset="iris", seed=seed, **QUICK).model.params.theta for seed in (1, 1, 2))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


def test_a_checkpointed_run_goes_on_and_ends_alike(tmp_path):
    whole = train(dataset="wine", **QUICK).model.params.theta
    stopped = train(dataset="wine", checkpoint=tmp_path / "run", **QUICK)
    assert stopped.model.params.theta.tolist() == whole.tolist()
    again = train(dataset="wine", checkpoint=tmp_path / "run", **QUICK)
    assert again.model.params.theta.tolist() == whole.tolist()
    assert len(again.history) == QUICK["epochs"]


def test_held_out_rows_do_not_reach_the_encoder():
    table = pl.DataFrame({"a": np.arange(100.0), "y": [0, 1] * 50})
    encoder = train(table, "y", **QUICK).model.encoder
    assert encoder.rows == 80


def test_a_word_that_training_never_saw_is_predicted():
    result = train(mixed().drop("grade"), "price", **QUICK)
    rows = mixed(8, seed=3).with_columns(color=pl.lit("purple"))
    assert np.isfinite(predict(result.model, rows).table["price"].to_numpy()).all()


@pytest.mark.parametrize("labels", [[0, 1, 2], ["a", "b", "c"], [False, True], ["no", "yes"], [3, 7]])
def test_labels_come_back_as_they_were(labels):
    y = np.array(labels)[np.arange(90) % len(labels)]
    table = pl.DataFrame({"x": np.arange(90) % len(labels) + 0.0, "y": y})
    predicted = predict(
        train(table, "y", task="classification", epochs=60, hidden=(8,), compare=False).model, table
    ).table
    assert set(predicted["y"].to_list()) <= set(labels)
    assert predicted["y"].dtype == table["y"].dtype
    np.testing.assert_allclose(predicted.drop("y").to_numpy().sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_labels_from_2_to_the_63_on_keep_every_digit(tmp_path, suffix):
    labels = [2**64 - 1, 2**64 - 2]  # one and the same number as Float64
    table = pl.DataFrame({"x": np.arange(40) % 2.0, "y": pl.Series(labels * 20, dtype=pl.UInt64)})
    write_table(table, tmp_path / f"table{suffix}")
    result = train(
        tmp_path / f"table{suffix}", "y", out=tmp_path / "m.safetensors", epochs=60, hidden=(8,), compare=False
    )
    predicted = predict(tmp_path / "m.safetensors", tmp_path / f"table{suffix}")
    assert result.model.target.classes == tuple(sorted(labels))
    assert predicted.metrics["accuracy"] == 1
    assert predicted.table["y"].to_list() == labels * 20


def test_options_reach_the_network_and_the_settings():
    result = train(
        dataset="wine", hidden=(8, 4), activation="tanh", norm="batch", dropout=0.1, optimizer="adamw",
        schedule="cosine", l2=0.01, clip_norm=1.0, epochs=3, batch_size=16, init="lsuv", compare=False,
    )  # fmt: skip
    net, settings = result.model.net, result.settings
    assert net.n == (13, 8, 4, 3)
    assert [layer.activation.name for layer in net.layers] == ["tanh", "tanh", "softmax"]
    assert [layer.norm for layer in net.layers] == ["batch", "batch", None]
    assert [layer.dropout for layer in net.layers] == [0.1, 0.1, 0.0]
    assert (net.l2, settings.clip_norm, settings.batch_size) == (0.01, 1.0, 16)
    assert (settings.optimizer.name, settings.schedule.name) == ("adamw", "cosine")
    assert len(result.history) == 3


def test_a_rate_for_small_batches_grows_with_them_and_is_warmed_up():
    told = {"hidden": (3,), "epochs": 1, "batch_size": 64, "compare": False}
    for name, grown in (("sgd", 4.0), ("adam", 2.0)):
        optimizer = {"name": name, "learning_rate": 0.001}
        settings = train(dataset="iris", optimizer=optimizer, rate_batch_size=16, **told).settings
        assert settings.optimizer.learning_rate == pytest.approx(0.001 * grown, rel=1e-12)
        assert settings.schedule.name == "warm_up"
    given = train(dataset="iris", rate_batch_size=16, schedule="cosine", **told).settings
    assert given.schedule.name == "cosine"
    assert train(dataset="iris", **told).settings.schedule.name == "constant"
    for wrong in (0, 1.5, "256"):
        with raises_naming(BacklitError, "rate_batch_size", repr(wrong)):
            train(dataset="iris", rate_batch_size=wrong, **told)


def test_a_result_says_what_was_done():
    result = train(dataset="iris", epochs=2, batch_size=10**6)
    assert result.settings.batch_size == result.n_train == 120
    assert result.n_validation == 12
    timed = replace(result, seconds=4.0)
    assert timed.samples_per_second == 2 * (120 - 12) / 4
    assert replace(result, seconds=0.0).samples_per_second == 0
    made = result.model.training
    assert (made["source"], made["seed"], made["epochs"], made["metrics"]) == ("iris", 0, 2, result.metrics)
    assert {"backlit", "python", "numpy", "scipy", "polars", "scikit-learn", "made"} <= set(made)
    described = result.to_dict()
    assert described["metrics"] is result.metrics
    assert (described["best_epoch"], described["stopped"]) == (result.history.best_epoch, "epochs")
    assert (described["seed"], described["notes"], described["model"]) == (0, list(result.notes), None)


def test_no_hidden_layer_is_logistic_regression():
    assert (
        train(dataset="iris", hidden=(), optimizer={"name": "adam", "learning_rate": 0.05}, compare=False).metrics[
            "test"
        ]["accuracy"]
        > 0.9
    )


BAD = [
    ({"table": None}, ("give", "table", "dataset")),
    ({"dataset": "iris", "table": "x.csv"}, ("one of the two",)),
    ({"target": None}, ("target", "column")),
    ({"target": "nope"}, ("'nope'", "column")),
    ({"table": pl.DataFrame({"x": [1.0] * 9, "y": [1] * 9}), "target": "y"}, ("one value only",)),
    ({"table": pl.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "y": [0, 1, 0, 1]}), "target": "y"}, ("at least 5",)),
    (
        {"table": pl.DataFrame({"x": [1.0, float("inf")] * 9, "y": [0, 1] * 9}), "target": "y"},
        ("'x'", "infinite"),
    ),
    ({"table": pl.DataFrame({"y": [0, 1] * 9}), "target": "y"}, ("no column is left",)),
    ({"seed": -1}, ("seed", "negative")),
    ({"test_size": 0.0}, ("test_size",)),
    ({"hidden": (0,)}, ("units", "at least 1")),
    ({"epochs": 0}, ("epochs", "at least 1")),
    ({"patience": 0}, ("patience", "at least 1")),
    ({"drop": ["none"]}, ("'none'",)),
    ({"engine": "warp"}, ("engine", "'warp'")),
    ({"out": "nowhere/m.safetensors"}, ("folder", "nowhere", "exist")),
    ({"report": "."}, ("is a folder",)),
]


@pytest.mark.parametrize(("change", "says"), BAD, ids=[" ".join(says) for _, says in BAD])
def test_a_bad_call_is_one_line_and_leaves_nothing(tmp_path, monkeypatch, change, says):
    monkeypatch.chdir(tmp_path)
    mixed().write_csv("x.csv")
    call = {"table": "x.csv", "target": "price", "out": "m.safetensors", "report": "r.html", "epochs": 2} | change
    with raises_naming(BacklitError, *says):
        train(**call)
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


def test_divergence_says_where(tmp_path):
    with raises_naming(Divergence, "diverged", "step", "lower", "learning rate"):
        train(dataset="iris", optimizer={"name": "sgd", "learning_rate": 1e20}, out=tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("target", ["price", "grade"])
@pytest.mark.parametrize("gap", ["null", "nan"])
def test_rows_without_a_true_value_are_predicted_and_not_scored(target, gap):
    table = mixed().drop("grade") if target == "price" else mixed().drop("price")
    model = train(table, target, **QUICK).model
    nothing = pl.lit(float("nan") if gap == "nan" and target == "price" else None)
    third = pl.int_range(pl.len()) % 3 == 0
    gaps = table.with_columns(pl.when(third).then(nothing).otherwise(pl.col(target)).alias(target))
    known = table.filter(~third)
    predicted = predict(model, gaps)
    assert predicted.table.height == table.height
    assert predicted.metrics == pytest.approx(predict(model, known).metrics, rel=1e-5)
    assert predict(model, gaps.head(1)).metrics is None


def test_the_scale_of_the_target_is_folded_into_the_output():
    table = pl.DataFrame({"y": [1.0, 5.0, 9.0, 500.0]})
    target = read_target(table, "y", "regression")
    assert target_scale(target.y[:3], None) == pytest.approx((5.0, (32 / 3) ** 0.5))
    assert target_scale(target.y[[1, 1]], None) == (5.0, 1.0)  # of a constant there is no scale
    net = Network(3, [Dense(4, "tanh"), Dense(1)])
    params, X = net.init({"scheme": "gaussian", "sigma_b": 1.0}, seed=0), np.eye(3)
    before = forward(net, params, X).a[-1]
    unscale(params, 5.0, 3.0)
    np.testing.assert_allclose(forward(net, params, X).a[-1], 5 + 3 * before)


def test_true_values_of_another_kind_are_not_scored():
    numbers = train(mixed().drop("grade"), "price", **QUICK).model
    assert predict(numbers, mixed(9).with_columns(price=pl.lit("dear"))).metrics is None
    words = train(mixed().drop("price"), "grade", **QUICK).model
    assert predict(words, mixed(9).with_columns(grade=pl.lit("huge"))).metrics is None
    some = mixed(90).with_columns(grade=pl.when(pl.int_range(90) < 50).then(pl.lit("huge")).otherwise(pl.col("grade")))
    assert predict(words, some).metrics == pytest.approx(predict(words, some[50:]).metrics, rel=1e-5)


def test_metrics_are_scikit_learns():
    draw = np.random.default_rng(0)
    y, p = draw.integers(0, 3, 60), draw.dirichlet([1, 1, 1], 60)
    ours = classification_metrics(y, p)
    assert ours["accuracy"] == pytest.approx(reference.accuracy_score(y, p.argmax(1)))
    assert ours["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(y, p.argmax(1)))
    assert ours["log_loss"] == pytest.approx(reference.log_loss(y, p))
    assert ours["roc_auc"] == pytest.approx(reference.roc_auc_score(y, p, multi_class="ovo"))
    t, q = draw.normal(size=40), draw.normal(size=40)
    numbers = regression_metrics(t, q)
    assert numbers["r2"] == pytest.approx(reference.r2_score(t, q))
    assert numbers["rmse"] == pytest.approx(reference.root_mean_squared_error(t, q))
    assert numbers["mae"] == pytest.approx(reference.mean_absolute_error(t, q))


def test_an_undefined_metric_is_none():
    assert classification_metrics(np.array([1, 1]), np.array([[0.2, 0.8], [0.6, 0.4]]))["roc_auc"] is None
    assert regression_metrics(np.array([2.0]), np.array([1.0]))["r2"] is None


def test_a_model_without_a_table_cannot_predict_one(tmp_path):
    result = train(dataset="iris", out=tmp_path / "m.safetensors", **QUICK)
    bare = load_model(tmp_path / "m.safetensors")
    with raises_naming(BacklitError, "table", "inputs"):
        predict(type(bare)(bare.params, bare.statistics), load_dataset("iris"))
    with raises_naming(BacklitError, "table", "rows", "predict"):
        predict(result.model, load_dataset("iris").head(0))


def test_shards_of_a_table_in_memory():
    told = {"dataset": "iris", "hidden": (8,), "epochs": 5, "compare": False, "seed": 1}
    one, again, three, same = (train(**told, **more) for more in ({}, {"shards": 1}, {"shards": 3}, {"shards": 3}))
    theta = [result.model.params.theta.tobytes() for result in (one, again, three, same)]
    assert theta[0] == theta[1] != theta[2] == theta[3]
    with pytest.raises(BacklitError, match="batches of 32 rows cannot have one of each of 40 shards"):
        train(**told, shards=40)
    alone = train(**told, cluster=2)
    assert set(alone.notes) - set(one.notes) == {note for note in alone.notes if "--shards" in note} != set()


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"drop": ["y"]}, "drop (--drop)"),
        ({"columns": {"y": "ignore"}}, "columns (--column)"),
        ({"weight": "y"}, "weight (--weight)"),
        ({"group": "y"}, "group (--group)"),
        ({"time": "y"}, "time (--time)"),
        ({"drop": ["y"], "stream": True}, "drop (--drop)"),
    ],
)
def test_a_target_has_no_second_role(tmp_path, told, says):
    path = tmp_path / "t.parquet"
    pl.DataFrame({"a": [1.0, 2.0], "y": [1.0, 2.0]}).write_parquet(path)
    with raises_naming(ProblemError, "'y' is the target", says):
        train(path, "y", **told)


def test_one_number_of_units_and_one_column_to_drop_need_no_list():
    short = train(mixed(), "price", hidden=8, drop="grade", epochs=2, compare=False)
    listed = train(mixed(), "price", hidden=(8,), drop=["grade"], epochs=2, compare=False)
    assert short.metrics == listed.metrics
    assert short.command == listed.command


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ({"target": 3}, ("3", "name of its column")),
        ({"columns": ["grade"]}, ("columns", "mapping")),
        ({"time_limit": "5"}, ("time_limit", "'5'", "seconds")),
    ],
)
def test_arguments_of_another_kind_are_one_sentence(told, named):
    with raises_naming(ProblemError, *named):
        train(mixed(), **{"target": "price", **told})


def test_an_interrupt_before_the_first_network_is_one(monkeypatch):
    def interrupted(lesson, *_, **__):
        lesson.limit.stop.asked = True
        return []

    monkeypatch.setattr(ensemble, "train_members", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        train(mixed(), "price", compare=False)
