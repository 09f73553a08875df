"""An ensemble of a table: what it is made of, the same bits on any number of processors, and an honest score."""

import json
import signal
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tests.helpers import quick_first, raises_naming

from backlit import diagnose, explain, predict, train
from backlit.errors import BacklitError, Divergence, ModelError, ProblemError, TableError
from backlit.formats.ensembles import Ensemble, load_ensemble, save_ensemble
from backlit.formats.models import load_model
from backlit.tables import TableEncoder, read_target
from backlit.tabular import ensemble as recipe
from backlit.tabular.blend import predict_rows, weighted_outputs
from backlit.tabular.presets import PRESETS, Preset, Quality, quality_of
from backlit.tabular.scoring import score
from backlit.tabular.table_rows import Folds, plain_folds

pytestmark = pytest.mark.usefixtures("small_presets")
SMALL = Quality(presets=3, folds=3, trial_folds=1, finalists=2)


def wavy(rows=400, seed=0):
    """A number that hangs on two numbers, a word and a flag, and a class made of it."""
    draw = np.random.default_rng(seed)
    x, z, word = draw.normal(size=rows), draw.random(rows), draw.choice(["a", "b", "c"], rows)
    y = np.sin(3 * x) + 2 * (z > 0.4) * (word == "b") + 0.2 * draw.normal(size=rows)
    kind = np.where(y > 1, "high", np.where(y > 0, "mid", "low"))
    return pl.DataFrame({"x": x, "z": z, "word": word, "flag": z > 0.7, "y": y, "kind": kind})


TABLE = wavy()


def learn(target, *, table=TABLE, folds=None, **options):
    """Train on a table's rows by a small recipe."""
    read = read_target(table, target)
    encoder = TableEncoder.fit(table, drop=["y", "kind"])
    folds = plain_folds(read.y, SMALL.folds, 0) if folds is None else folds
    return recipe.train_ensemble(table, read.y, read.codec, encoder, folds, SMALL, **options), read


@pytest.fixture(scope="module", params=["y", "kind"])
def both(request):
    """What a small recipe learns of a number, and of a class."""
    return learn(request.param)


def test_members_are_of_the_finalists_on_each_fold_and_weights_sum_to_one(both):
    members = both[0].ensemble.members
    names = {member.recipe for member in members}
    assert len(names) <= SMALL.finalists
    assert sorted({member.fold for member in members}) == [0, 1, 2]
    assert sum(member.weight for member in members) == pytest.approx(1)
    assert both[0].stopped == "finished"
    assert both[0].notes == ()


def test_presets_drop_out_from_trial_to_trial(monkeypatch):
    real, tried = recipe.train_fold, {}

    def counted(lesson, bins, fold, presets, must):
        tried.setdefault(fold, set()).update(preset.name for preset in presets)
        return real(lesson, bins, fold, presets, must)

    monkeypatch.setattr(recipe, "train_fold", counted)
    read = read_target(TABLE, "y")
    quality = Quality(presets=5, folds=4, trial_folds=3, finalists=1)
    encoder = TableEncoder.fit(TABLE, drop=["y", "kind"])
    learned = recipe.train_ensemble(TABLE, read.y, read.codec, encoder, plain_folds(read.y, 4, 0), quality)
    assert [len(tried[fold]) for fold in range(4)] == [5, 3, 2, 1]
    assert tried[3] < tried[2] < tried[1] < tried[0]
    assert {member.recipe for member in learned.ensemble.members} == tried[3]
    assert len(learned.ensemble.members) == 4  # of the finalist on every fold, those of the trials among them
    assert len(learned.checks) == len({(p.hidden, p.activation, p.norm) for p in PRESETS[:5]})


@pytest.mark.parametrize(
    ("quality", "rows", "presets", "folds", "trials", "finalists"),
    [
        ("fast", 300, 4, 4, 1, 2),
        ("good", 300, 7, 8, 2, 5),
        ("good", 8_000, 4, 5, 2, 2),
        ("good", 100_000, 4, 3, 1, 1),
        ("best", 8_000, 7, 6, 3, 4),
    ],
)
def test_the_more_rows_the_less_work(quality, rows, presets, folds, trials, finalists):
    found = quality_of(quality).for_rows(rows)
    assert (found.presets, found.folds, found.trial_folds, found.finalists) == (presets, folds, trials, finalists)


def test_each_row_is_scored_by_members_that_never_learned_from_it(both):
    learned, read = both
    ensemble, folds = learned.ensemble, plain_folds(read.y, SMALL.folds, 0)
    for fold in range(folds.K):
        rows = folds.parts(fold)[1]
        alone = weighted_outputs(
            ensemble, lambda encoder, rows=rows: encoder.transform(TABLE[rows], np.float32), folds=np.array([fold])
        )
        whole = predict_rows(replace(ensemble, members=ensemble.members), TABLE[rows])
        at = np.searchsorted(learned.rows, rows)
        ours = learned.outputs[at]
        if read.task == "regression":
            assert_allclose(ours, alone[:, 0], rtol=1e-5, atol=1e-5)
            assert_allclose(ensemble.residual[at], read.y[rows] - alone[:, 0], rtol=1e-4, atol=1e-5)
        assert np.abs(ours - whole).max() > 1e-3  # those who learned from the rows say something else


def test_what_it_says_of_itself_is_what_new_rows_find(both):
    learned, read = both
    test = wavy(2000, seed=9)
    y = read_target(test, read.codec.name).y
    honest = score(read.task, read.y[learned.rows], learned.outputs)
    found = score(read.task, y, predict_rows(learned.ensemble, test))
    name = "rmse" if read.task == "regression" else "log_loss"
    assert 0.7 < found[name] / honest[name] < 1.15


@pytest.mark.parametrize(("how", "workers"), quick_first([("threads", 2), ("serial", 1), ("processes", 2)]))
def test_the_bits_are_the_same_whoever_trains(both, how, workers):
    learned, read = both
    if how == "processes" and read.task == "regression":
        return  # once is enough, for each starts a Python of its own
    again, _ = learn(read.codec.name, how=how, workers=workers)
    assert [m.to_dict() for m in again.ensemble.members] == [m.to_dict() for m in learned.ensemble.members]
    assert_array_equal(predict_rows(again.ensemble, TABLE), predict_rows(learned.ensemble, TABLE))
    assert again.ensemble.temperature == learned.ensemble.temperature


def test_another_seed_is_another_ensemble(both):
    learned, read = both
    again, _ = learn(read.codec.name, seed=1)
    assert (predict_rows(again.ensemble, TABLE) != predict_rows(learned.ensemble, TABLE)).any()


def test_a_row_does_not_depend_on_the_others(both):
    ensemble = both[0].ensemble
    assert_allclose(predict_rows(ensemble, TABLE[7:8])[0], predict_rows(ensemble, TABLE)[7], rtol=1e-6)


def test_one_file_holds_it_to_the_bit(both, tmp_path):
    ensemble, path = both[0].ensemble, tmp_path / "e.safetensors"
    save_ensemble(ensemble, path)
    again = load_ensemble(path)
    assert_array_equal(predict_rows(again, TABLE), predict_rows(ensemble, TABLE))
    assert [m.to_dict() for m in again.members] == [m.to_dict() for m in ensemble.members]
    if ensemble.residual is not None:
        assert_array_equal(again.residual, ensemble.residual)
        assert_array_equal(again.residual_fold, ensemble.residual_fold)


def test_a_member_is_a_model_of_its_own(both, tmp_path, caplog):
    ensemble, path = both[0].ensemble, tmp_path / "e.safetensors"
    save_ensemble(ensemble, path)
    weights = [member.weight for member in ensemble.members]
    heaviest = load_model(path)
    assert_array_equal(heaviest.params.theta, ensemble.members[int(np.argmax(weights))].model.params.theta)
    assert f"member {int(np.argmax(weights))}, the heaviest" in caplog.text
    assert "load_model's member=" in caplog.text
    assert_array_equal(load_model(path, member=2).params.theta, ensemble.members[2].model.params.theta)
    assert diagnose(model=path, member=1, remedies=False, seeds=1).verdict
    assert explain(model=ensemble, member=1, table=TABLE, row=3, steps=0, entry="grad_b[1][0]").to_dict()
    for wrong in (-1, len(weights)):
        with raises_naming(ModelError, f"member {wrong}", f"0 to {len(weights) - 1}"):
            load_model(path, member=wrong)
        with raises_naming(ModelError, f"member {wrong}"):
            diagnose(model=ensemble, member=wrong)


def test_a_file_of_one_network_has_no_members(tmp_path):
    path = tmp_path / "one.safetensors"
    train(TABLE, "y", drop=["kind"], hidden=(4,), epochs=1, out=path)
    assert load_model(path, member=0).net == load_ensemble(path).net
    with raises_naming(ModelError, "member 1", "one network"):
        load_model(path, member=1)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"members": []}, ["members"]),
        ({"temperature": 0}, ["temperature"]),
        ({"encoders": []}, ["member 0", "encoder"]),
        ({"weight": "much"}, ["member 0", "weight"]),
        ({"weight": -1.0}, ["member 0", "weight"]),
        ({"folds": [1, 2]}, ["member 0", "folds"]),
    ],
)
def test_a_damaged_file_is_named(both, tmp_path, damage, words):
    from safetensors import safe_open
    from safetensors.numpy import save_file

    path = tmp_path / "e.safetensors"
    save_ensemble(both[0].ensemble, path)
    with safe_open(str(path), framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  safe_open is no mapping
        described = json.loads(file.metadata()["backlit"])
    for key, value in damage.items():
        (described if key in described else described["members"][0])[key] = value
    save_file(arrays, path, metadata={"backlit": json.dumps(described)})
    with raises_naming(ModelError, path.name, *words):
        load_ensemble(path)


# --- through train ---


@pytest.mark.parametrize("report", quick_first([None, "r.html"]))
def test_train_makes_an_ensemble_and_says_what_was_done(tmp_path, report):
    report = report and tmp_path / report
    result = train(TABLE, "kind", drop=["y"], quality="fast", out=tmp_path / "m.safetensors", report=report)
    told = result.to_dict()
    assert told["stopped"] == "finished"
    assert told["epochs"] == sum(member["epochs"] for member in told["members"])
    assert {"recipe", "folds", "weight", "epochs", "score"} <= told["members"][0].keys()
    assert 0 < told["gradient_check"]["max_relative_error"] < 1e-7
    assert told["metrics"]["test"]["accuracy"] > 0.75
    assert {column["name"] for column in told["columns"]} == {"x", "z", "word", "flag"}
    again = predict(tmp_path / "m.safetensors", TABLE)
    assert again.metrics["accuracy"] > 0.8
    assert json.loads(json.dumps(told)) == told


def test_one_network_is_trained_where_one_is_asked_for():
    assert isinstance(train(TABLE, "y", drop=["kind"], quality="fast", compare=False).model, Ensemble)
    assert not train(TABLE, "y", drop=["kind"], epochs=1).members
    with raises_naming(ProblemError, "quality (--quality)", "hidden (--hidden)", "one of the two"):
        train(TABLE, "y", quality="best", hidden=(3,))


@pytest.mark.slow
@pytest.mark.usefixtures("full_presets")
def test_intervals_cover_what_they_say():
    test, shares = wavy(3000, seed=5), []
    y = test["y"].to_numpy()
    for seed in range(3):  # of one table's 320 rows the share alone has a standard error of 0.017
        result = train(wavy(seed=seed), "y", drop=["kind"], quality="fast", compare=False)
        found = predict(result.model, test, interval=0.9).table
        shares.append(((found["y low"].to_numpy() <= y) & (y <= found["y high"].to_numpy())).mean())
        wide = predict(result.model, test, interval=0.99).table
        assert (wide["y low"] <= found["y low"]).all()
        assert (wide["y high"] >= found["y high"]).all()
    assert 0.88 < np.mean(shares) < 0.95


@pytest.mark.parametrize(("interval", "error", "words"), [(1.5, BacklitError, ["1.5", "0.9"])])
def test_an_impossible_interval_is_named(interval, error, words):
    result = train(TABLE, "y", drop=["kind"], quality="fast", compare=False, time_limit=0.01)
    with raises_naming(error, *words):
        predict(result.model, TABLE, interval=interval)
    with raises_naming(ModelError, "residuals", "regression"):
        predict(train(TABLE, "y", drop=["kind"], hidden=(2,), epochs=1).model, TABLE, interval=0.9)


def test_a_time_limit_that_cuts_is_said_and_what_there_is_predicts():
    result = train(TABLE, "kind", drop=["y"], quality="best", time_limit=1e-6, compare=False)
    assert result.to_dict()["stopped"] == "time limit"
    assert len(result.members) == 1
    assert any("time limit" in note for note in result.notes)
    assert predict(result.model, TABLE).table.height == len(TABLE)
    with raises_naming(ProblemError, "time_limit", "-1"):
        train(TABLE, "kind", drop=["y"], time_limit=-1)


def test_ctrl_c_keeps_what_there_is(monkeypatch):
    real = recipe.train_fold

    def interrupted(lesson, bins, fold, presets, must):
        trained = real(lesson, bins, fold, presets, must)
        lesson.limit.stop.asked = True
        return trained

    monkeypatch.setattr(recipe, "train_fold", interrupted)
    result = train(TABLE, "kind", drop=["y"], quality="good", compare=False)
    assert result.stopped == "interrupted"
    assert any("interrupted" in note for note in result.notes)


class Interrupted:
    """Runs jobs in another place, as far as Ctrl-C goes, which comes while the caller waits for the next result."""

    workers = 1

    def __init__(self, after):
        self.after = after

    def submit(self, task, name):
        return SimpleNamespace(result=lambda: self.wait(task), cancel=lambda: None)

    def wait(self, task):
        if self.after == 0:
            signal.raise_signal(signal.SIGINT)
            raise AssertionError("Ctrl-C is no request to whom nobody elsewhere listens")
        self.after -= 1
        return task()


def test_ctrl_c_does_not_wait_for_jobs_that_run_elsewhere():
    result, _ = learn("y", how=Interrupted(after=2))
    assert result.stopped == "interrupted"
    assert any("interrupted" in note for note in result.notes)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        learn("y", how=Interrupted(after=0))


def test_a_network_that_diverges_is_left_out_and_said(monkeypatch):
    wild = Preset("wild", PRESETS[0].bins, learning_rate=1e30)
    monkeypatch.setattr(recipe, "PRESETS", (PRESETS[2], wild, PRESETS[3]))
    learned, _ = learn("y")
    assert {member.recipe for member in learned.ensemble.members} <= {PRESETS[2].name, PRESETS[3].name}
    monkeypatch.setattr(recipe, "PRESETS", (wild,))
    with raises_naming(Divergence, "diverged"):
        learn("y")


def test_a_fold_that_diverges_is_left_out_and_said(monkeypatch):
    real = recipe.train_fold

    def without(lesson, bins, fold, presets, must):
        return [] if fold == 2 else real(lesson, bins, fold, presets, must)

    monkeypatch.setattr(recipe, "train_fold", without)
    learned, read = learn("y")
    assert {member.fold for member in learned.ensemble.members} == {0, 1}
    assert len(learned.rows) < len(read.y)
    assert "diverged" in learned.notes[0]


@pytest.mark.parametrize("rows", quick_first([6, 9, 30]))
def test_fewer_rows_than_folds_still_train(rows):
    table = wavy(rows).with_columns(kind=pl.Series(["a", "b", "c"] * rows)[:rows])
    for target in ("y", "kind"):
        result = train(table, target, drop=[{"y": "kind", "kind": "y"}[target]], compare=False, quality="fast")
        assert predict(result.model, table).table.height == rows


def test_a_class_with_one_row_and_a_constant_fold_train():
    table = TABLE[:60].with_columns(kind=pl.Series(["a", "b"] * 29 + ["a", "rare"]))
    assert train(table, "kind", drop=["y"], quality="fast", compare=False).model.target.classes[-1] == "rare"
    lopsided = TABLE[:40].with_columns(y=pl.Series([0.0] * 36 + [1.0, 2.0, 3.0, 4.0]))
    assert np.isfinite(train(lopsided, "y", drop=["kind"], quality="fast", compare=False).metrics["test"]["rmse"])


def test_weights_count_as_copies_would():
    doubled = TABLE.with_columns(w=pl.Series([0.0 if k % 2 else 1.0 for k in range(len(TABLE))]))
    spoiled = doubled.with_columns(y=pl.when(pl.col("w") == 0).then(100.0).otherwise(pl.col("y")))
    result = train(spoiled, "y", drop=["kind"], weight="w", quality="fast", compare=False)
    clean = wavy(500, seed=3)
    found = predict(result.model, clean).table["y"].to_numpy()
    assert np.abs(found - clean["y"].to_numpy()).mean() < 1  # rows of weight 0 taught nothing
    assert "w" not in {column.name for column in result.columns}


def test_groups_and_time_hold_out_as_asked():
    table = TABLE.with_columns(who=pl.Series(np.arange(len(TABLE)) // 8), day=pl.Series(range(len(TABLE))))
    by_group = train(table, "y", drop=["kind", "day"], group="who", quality="fast", compare=False)
    assert by_group.n_test == 80
    assert "who" not in {column.name for column in by_group.columns}
    by_time = train(table, "y", drop=["kind", "who"], time="day", quality="fast", compare=False)
    assert by_time.n_test == 80
    assert_array_equal(by_time.y_test, TABLE["y"].to_numpy()[-80:])
    one = train(table, "y", drop=["kind", "who"], time="day", hidden=(4,), epochs=1, compare=False)
    assert one.n_test == 80


def test_a_test_table_scores_in_place_of_a_share(tmp_path):
    path = tmp_path / "test.csv"
    wavy(50, seed=4).write_csv(path)
    result = train(TABLE, "kind", drop=["y"], test=path, quality="fast", compare=False)
    assert (result.n_train, result.n_test) == (len(TABLE), 50)
    assert result.metrics["test"]["accuracy"] == predict(result.model, path).metrics["accuracy"]
    with raises_naming(TableError, "test table", "'kind'"):
        train(TABLE, "kind", drop=["y"], test=TABLE.drop("kind"))


def test_a_metric_chooses_and_stops():
    result = train(TABLE, "kind", drop=["y"], metric="balanced_accuracy", quality="fast", compare=False)
    assert all(-1 <= member.score <= 0 for member in result.members)  # as a loss
    with raises_naming(ProblemError, "'rmse'", "classification"):
        train(TABLE, "kind", drop=["y"], metric="rmse")


def test_the_log_of_a_skewed_target_may_be_learned():
    table = TABLE.with_columns(y=pl.col("y").exp() ** 2)
    learned, read = learn("y", table=table)
    names = [preset.name for preset in recipe.presets_for(read.y, read.codec, SMALL)]
    assert names[-1].endswith("log of the target")
    assert len(names) == SMALL.presets + 1
    assert predict_rows(learned.ensemble, table).min() > read.y.min() - read.y.std()


def test_unknown_words_are_named():
    with raises_naming(ProblemError, "'god'", "good"):
        quality_of("god")


def test_folds_of_the_past_leave_early_rows_without_a_prediction():
    read = read_target(TABLE, "y")
    of = np.where(np.arange(len(TABLE)) < 200, -1, (np.arange(len(TABLE)) - 200) // 67)
    learned, _ = learn("y", folds=Folds(of, 3, past=True))
    assert_array_equal(learned.rows, np.arange(200, len(read.y)))
