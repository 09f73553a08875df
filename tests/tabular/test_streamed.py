"""train and predict on folders: as good as in memory, the same again when resumed, one line for each fault."""

import json
import signal
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from tests.commands import KILLED
from tests.helpers import quick_first, raises_naming
from tests.tabular.test_train_predict import mixed
from tests.training.runs import killed_at

from backlit import load_model, predict, train
from backlit.cli import main
from backlit.errors import BacklitError, Divergence
from backlit.tables.parquet import ParquetTable
from backlit.tables.scan import TRAINING, Parts, survey
from backlit.tabular.scoring import score
from backlit.tabular.streamed import CHUNKS_IN_A_BUFFER, TableStream, columns_of, validation_share
from backlit.tabular.streamed_prediction import predict_streamed
from backlit.tabular.streamed_scores import Scores
from backlit.training import checkpoint

QUICK = {"hidden": (16,), "epochs": 12, "buffer_mb": 0.1}


@pytest.fixture(scope="module")
def table():
    return mixed(6_000)


def three_files(folder, table):
    folder.mkdir()
    n = 3 * len(table) // 8  # so that the last has fewer
    for k in range(3):
        table[k * n : (k + 1) * n].write_parquet(folder / f"{k}.parquet", row_group_size=n // 3)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory, table):
    return three_files(tmp_path_factory.mktemp("tables") / "sales", table)


@pytest.mark.parametrize(
    ("target", "drop", "metric"), quick_first([("price", "grade", "r2"), ("grade", "price", "accuracy")])
)
def test_a_folder_is_learned_as_well_as_the_table_in_memory(tmp_path, target, drop, metric):
    table = mixed(12_000)  # of fewer the test rows alone would differ by more
    folder = three_files(tmp_path / "sales", table)
    streamed = train(folder, target, drop=[drop], **QUICK)
    memory = train(table, target, drop=[drop], compare=False, **QUICK)
    assert abs(streamed.metrics["test"][metric] - memory.metrics["test"][metric]) < 0.03
    assert streamed.n_train + streamed.n_test == table.height
    assert any("streamed: 12,000 rows of 3 files, shuffled in" in note for note in streamed.notes)
    assert streamed.gradient_check.max_relative_error < 1e-7
    assert set(streamed.to_dict()) == set(memory.to_dict())
    assert any("not compared with other models" in note for note in streamed.notes)
    why = predict(streamed.model, table[:5], reasons=2).reasons
    assert_allclose(why.base + why.effects.sum(axis=1), why.value, atol=1e-6)
    typical, known = streamed.model.training["typical_row"], memory.model.training["typical_row"]
    assert typical.keys() == known.keys()
    numbers = [name for name, value in known.items() if isinstance(value, float)]
    assert numbers
    for name in numbers:  # of the rows that it stops by, a tenth
        assert abs(typical[name] - known[name]) < 0.1 * table[name].std()


def test_one_file_and_a_folder_are_the_same_table(tmp_path, table, folder):
    table.write_parquet(tmp_path / "one.parquet")
    one = train(tmp_path / "one.parquet", "price", drop=["grade"], stream=True, hidden=(8,), epochs=1)
    many = train(folder, "price", drop=["grade"], hidden=(8,), epochs=1)
    assert one.model.encoder == many.model.encoder
    assert (one.n_train, one.n_test) == (many.n_train, many.n_test)


def test_a_resumed_run_ends_with_the_same_bits(monkeypatch, tmp_path, folder):
    told = {"drop": ["grade"], "hidden": (8,), "epochs": 2, "buffer_mb": 0.05, "checkpoint_every": 25}
    killed_at(monkeypatch, 7, lambda: train(folder, "price", checkpoint=tmp_path / "run", **told))
    resumed = train(folder, "price", checkpoint=tmp_path / "run", **told)
    whole = train(folder, "price", checkpoint=tmp_path / "whole", **told)
    np.testing.assert_array_equal(resumed.model.params.theta, whole.model.params.theta)
    assert resumed.history.column("loss") == whole.history.column("loss")


@pytest.mark.slow
def test_a_command_killed_in_an_epoch_goes_on_to_the_same_bits(capsys, tmp_path, folder):
    told = ["train", str(folder), "--target", "price", "--drop", "grade", "--hidden", "8", "--epochs", "2",
            "--buffer-mb", "0.05", "--checkpoint-every", "25"]  # fmt: skip
    run, whole = ([*told, "--checkpoint", str(tmp_path / name), "--out", str(tmp_path / f"{name}.safetensors")]
                  for name in ("run", "whole"))  # fmt: skip
    assert subprocess.run([sys.executable, "-c", KILLED, *run], check=False).returncode == -signal.SIGKILL
    assert not (tmp_path / "run.safetensors").exists()
    _, found = checkpoint.read(tmp_path / "run" / checkpoint.FILE)
    assert (len(found["history"]), found["position"]["batches"]) == (0, 125)
    assert main(run) == main(whole) == 0
    one, other = (load_model(tmp_path / f"{name}.safetensors").params.theta for name in ("run", "whole"))
    assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("column", ["size", "color", "price"])
def test_a_table_whose_values_have_moved_is_another_run(capsys, tmp_path, table, column):
    path = tmp_path / "t"
    path.mkdir()
    table = table[:3000]
    table.write_parquet(path / "0.parquet", compression="uncompressed")
    told = [
        "train",
        str(path),
        "--target",
        "price",
        "--hidden",
        "4",
        "--epochs",
        "1",
        "--checkpoint",
        str(tmp_path / "r"),
    ]
    assert main(told) == 0
    values = table[column].to_list()
    learned = np.flatnonzero(Parts(0, 0.2, 0.08).of(0, 3000) == TRAINING)
    one, *others = (k for k in learned if values[k] is not None)
    other = next(k for k in others if values[k] != values[one])
    values[one], values[other] = values[other], values[one]  # the encoder and all sums stay as they are
    moved = table.with_columns(pl.Series(column, values, table.schema[column]))
    moved.write_parquet(path / "0.parquet", compression="uncompressed")
    assert main(told) == 2
    assert "belongs to another run: its data was" in capsys.readouterr().err


@pytest.mark.parametrize("report", quick_first([False, True]))
def test_a_prediction_of_a_folder_is_that_of_the_table(capsys, tmp_path, table, folder, report):
    model, more = tmp_path / "m.safetensors", ["--report", str(tmp_path / "r.html")] if report else []
    code = main(["train", str(folder), "--target", "grade", "--drop", "price", "--epochs", "3", "--hidden", "8",
                 "--out", str(model), "--format", "json", *more])  # fmt: skip
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert code == 0
    assert result["task"] == "classification"
    assert err.startswith(f"{folder}: 6,000 rows in 3 Parquet files, streamed from the disk\n")
    held = predict(load_model(model), table)
    for suffix in ("csv", "parquet", "jsonl"):
        assert main(["predict", str(model), str(folder), "-o", str(tmp_path / f"p.{suffix}")]) == 0
        assert "6,000 predictions" in capsys.readouterr().out
    written = pl.read_parquet(tmp_path / "p.parquet")
    assert written["grade"].equals(held.table["grade"])
    np.testing.assert_allclose(written[:, 1].to_numpy(), held.table[:, 1].to_numpy(), rtol=1e-5)
    assert pl.read_csv(tmp_path / "p.csv").height == pl.read_ndjson(tmp_path / "p.jsonl").height == table.height
    assert main(["predict", str(model), str(folder)]) == 0
    out = capsys.readouterr().out
    assert out == (tmp_path / "p.csv").read_text()


@pytest.fixture(scope="module")
def models(table):
    return {
        "price": train(table[:600].drop("grade"), "price", hidden=(4,), epochs=2, compare=False).model,
        "grade": train(table[:600].drop("price"), "grade", hidden=(4,), epochs=2, compare=False).model,
    }


def in_files(folder, table):
    folder.mkdir()
    for k in range(3):
        table[k * 40 : (k + 1) * 40].write_parquet(folder / f"{k}.parquet")
    return folder


@pytest.mark.parametrize("target", ["price", "grade"])
@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "jsonl"])
def test_a_streamed_prediction_is_scored_as_one_in_memory(tmp_path, table, models, target, suffix):
    rows, output = table[:120], tmp_path / f"p.{suffix}"
    held = predict(models[target], rows)
    done = predict_streamed(models[target], in_files(tmp_path / "t", rows), output)
    assert (done.n, done.task, done.output) == (120, held.task, str(output))
    assert done.metrics == pytest.approx(held.metrics, rel=1e-5)
    separator = "\t" if suffix == "tsv" else ","
    read = {"parquet": pl.read_parquet, "jsonl": pl.read_ndjson}.get(
        suffix, lambda path: pl.read_csv(path, separator=separator)
    )(output)
    assert read.columns == held.table.columns
    for name in read.columns:
        if read[name].dtype.is_float():
            np.testing.assert_allclose(read[name].to_numpy(), held.table[name].to_numpy(), rtol=1e-4)
        else:
            assert read[name].to_list() == held.table[name].to_list()


def test_without_true_values_nothing_is_scored(tmp_path, table, models):
    bare = in_files(tmp_path / "bare", table[:120].drop("price"))
    assert predict_streamed(models["price"], bare, tmp_path / "p.csv").metrics is None
    empty = in_files(tmp_path / "empty", table[:120].with_columns(price=pl.lit(None, pl.Float64)))
    assert predict_streamed(models["price"], empty, tmp_path / "p.csv").metrics is None


def test_a_fault_of_one_file_names_it_and_leaves_nothing(tmp_path, table, models):
    rows = table[:120].with_columns(size=pl.when(pl.int_range(120) == 50).then(float("inf")).otherwise(pl.col("size")))
    with raises_naming(BacklitError, "1.parquet", "'size'", "infinite"):
        predict_streamed(models["price"], in_files(tmp_path / "t", rows), tmp_path / "p.csv")
    with raises_naming(BacklitError, "'size'"):
        predict_streamed(models["price"], in_files(tmp_path / "u", table[:120].drop("size")), tmp_path / "p.csv")
    assert not (tmp_path / "p.csv").exists()


@pytest.mark.parametrize("weighed", [False, True])
@pytest.mark.parametrize(("task", "K"), [("classification", 3), ("regression", 0)])
def test_scores_of_chunks_are_those_of_all_rows(task, K, weighed):
    draw = np.random.default_rng(0)
    if K:
        y, outputs = draw.integers(0, K, 999), draw.dirichlet(np.ones(K), 999)
    else:
        y = 1e6 + draw.standard_normal(999)
        outputs = y + 0.1 * draw.standard_normal(999)
    weight = draw.integers(0, 4, 999).astype(float) if weighed else None
    scores = Scores(task, K, weighed=weighed)
    for rows in np.array_split(np.arange(999), 7):
        scores.add(y[rows], outputs[rows], None if weight is None else weight[rows])
    assert scores.metrics() == pytest.approx(score(task, y, outputs, weight), rel=1e-9)
    scores.add(y[:1], outputs[:1])  # without a weight
    assert not scores.goes_by_weight


@pytest.mark.parametrize(("task", "K"), [("classification", 3), ("regression", 0)])
def test_scores_need_no_row_in_the_sample(task, K):
    """Where few rows among very many have a true value, the sample may hold none of them."""
    y, outputs = np.arange(3.0), np.array([0.0, 1.0, 4.0])
    y, outputs = (y.astype(int), np.eye(3)[[0, 1, 1]]) if K else (y, outputs)
    scores = Scores(task, K, share=0.0)
    scores.add(y, outputs)
    found, expected = scores.metrics(), score(task, y, outputs)
    if K:
        assert found.pop("roc_auc") is None
        assert expected.pop("roc_auc") > 0.5
    assert found == pytest.approx(expected, rel=1e-9)


def test_faults_are_one_line_and_exit_code_2(capsys, tmp_path, folder):
    bad = tmp_path / "bad"
    bad.mkdir()
    assert main(["train", str(bad), "--target", "x"]) == 2
    for path in folder.iterdir():
        (bad / path.name).write_bytes(path.read_bytes())
    (bad / "1.parquet").write_bytes(b"PAR1" + b"\0" * 100 + b"PAR1")
    assert main(["train", str(bad), "--target", "price"]) == 2
    assert main(["train", str(folder), "--target", "prize"]) == 2
    assert main(["train", str(folder)]) == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert [line for line in errors if "holds no Parquet file" in line]
    assert [line for line in errors if "1.parquet: is a damaged Parquet file" in line]
    assert [line for line in errors if "did you mean 'price'" in line]
    assert errors[-1].startswith("backlit: a table needs the name of its target column")


def test_a_streamed_training_that_diverges_leaves_no_model(tmp_path, folder):
    told = QUICK | {"optimizer": {"name": "sgd", "learning_rate": 1e20}}
    with raises_naming(Divergence, "diverged", "step"):
        train(folder, "price", drop=["grade"], out=tmp_path / "m.safetensors", **told)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("stream", [True, False])
def test_what_training_never_saw_weighs_nothing(folder, table, stream):
    model = train(folder if stream else table, "price", drop=["grade"], hidden=(4,), epochs=1).model
    silent = model.encoder.silent_features
    assert len(silent)
    np.testing.assert_array_equal(model.params.W[1][:, silent], 0)
    assert (np.delete(model.params.W[1], silent, axis=1) != 0).all()


@pytest.mark.parametrize(("schema", "rows", "megabytes", "held"), [
    ({"a": pl.Float64, "b": pl.Int8}, 10**6, 1000, 80_000), ({"a": pl.Float64, "b": pl.Int8}, 10**8, 1000, 100_000),
    ({"a": pl.Float64, "b": pl.Int8}, 10**6, 0.5, 2**19 // 8),
    ({"a": pl.Float64, "b": pl.String}, 10**6, 1, 2**20 // 412),
    ({"a": pl.String}, 10**6, 1e-5, 10),
])  # fmt: skip
def test_as_many_rows_validate_as_the_buffer_has_room_for(schema, rows, megabytes, held):
    class Table:
        def __init__(self):
            self.schema = {name: dtype() for name, dtype in schema.items()}

        def __len__(self):
            return rows

    assert round(validation_share(Table(), 0.2, int(megabytes * 2**20)) * rows) == held


@pytest.mark.parametrize(("target", "drop", "said"), [
    ("grade", "price", ["ROC AUC of train and test rows from a random sample of about 500"]), ("price", "grade", []),
])  # fmt: skip
def test_a_score_from_a_sample_is_said(monkeypatch, folder, target, drop, said):
    monkeypatch.setattr("backlit.tabular.streamed.SAMPLE", 500)
    result = train(folder, target, drop=[drop], hidden=(4,), epochs=1, buffer_mb=50)
    assert [note for note in result.notes if note.startswith("ROC AUC")] == said
    assert "streamed: 6,000 rows of 3 files, shuffled whole in each epoch" in result.notes
    assert 425 < len(result.y_test) == len(result.test_outputs) < 575  # drawn of 1,200; the plots' points


def test_a_batch_is_no_larger_than_the_rows(folder):
    result = train(folder, "price", drop=["grade"], hidden=(2,), epochs=1, batch_size=10**6)
    assert result.settings.batch_size == result.n_train - result.n_validation
    assert len(result.history) == 1


def test_a_buffer_is_filled_with_many_small_chunks_of_the_columns_that_count(tmp_path):
    path, rows = tmp_path / "t.parquet", 60_000
    draw = np.random.default_rng(0)
    columns = {name: draw.standard_normal(rows) for name in "abcy"}
    pl.DataFrame({**columns, "same": np.ones(rows)}).write_parquet(path, row_group_size=4000)
    found = survey(ParquetTable.open(path), "y", None, Parts(0, 0.2, 0.1), drop=["b"])
    stream = TableStream(found, 33_000, lambda y: y[:, None], 1)
    assert max(chunk.rows for chunk in stream.chunks) == 2048 <= 33_000 // CHUNKS_IN_A_BUFFER
    assert len(stream) == sum(stream.sizes(0, 1, shuffle=True)) == sum(stream.sizes(0, 1, shuffle=False))
    assert max(stream.sizes(3, 1, shuffle=True)) <= 33_000 < sum(stream.sizes(3, 1, shuffle=True)[:2])
    assert columns_of(found) == ["a", "c", "y"]
    whole = [load.X for load in stream.loads(0, 1, False, 0, [0] * len(stream.sizes(0, 1, False)))]
    later = [load.X for load in stream.loads(0, 1, False, 1, [2] * (len(whole) - 1))]
    for early, late in zip(whole[1:], later, strict=True):
        np.testing.assert_array_equal(early, late[2:])
    assert sum(map(len, whole)) == len(stream)


def test_checkpoints_every_0_batches_are_refused(folder, tmp_path):
    with raises_naming(BacklitError, "checkpoint_every"):
        train(folder, "price", checkpoint=tmp_path / "run", checkpoint_every=0, **QUICK)


def test_only_parquet_is_streamed(tmp_path, table):
    table.write_csv(tmp_path / "t.csv")
    with raises_naming(BacklitError, "Parquet", "streamed"):
        train(tmp_path / "t.csv", "price", stream=True)
    with raises_naming(BacklitError, "give", "path", "dataset"):
        train(table, "price", stream=True)


def test_shards_of_a_folder_hold_every_row_once(folder):
    parts = Parts(0, 0.2, 0.1)
    found = survey(ParquetTable.open(folder), "price", None, parts)
    stream = TableStream(found, 3000, lambda y: y[:, None], 1)
    shards = stream.shards(3)
    assert sum(map(len, shards)) == len(stream) == found.n[TRAINING]
    chunks = [(chunk.file, chunk.start) for shard in shards for chunk in shard.chunks]
    assert len(set(chunks)) == len(chunks)
    for shard in shards:
        loaded = shard.loads(0, 1, True, 0, [0] * len(shard.sizes(0, 1, True)))
        assert sum(len(data) for data in loaded) == len(shard) > 0


def test_shards_of_a_folder_learn_as_well_and_resume_to_the_bit(monkeypatch, tmp_path, folder):
    told = {"drop": ["grade"], "hidden": (16,), "epochs": 4, "buffer_mb": 0.05, "shards": 3, "batch_size": 128,
            "optimizer": {"name": "adam", "learning_rate": 0.01}}  # fmt: skip
    whole = train(folder, "price", **told)
    one = train(folder, "price", **{**told, "shards": 1})
    assert abs(whole.metrics["test"]["r2"] - one.metrics["test"]["r2"]) < 0.03
    assert "--shards 3" in whole.command
    run = {**told, "checkpoint": tmp_path / "run", "checkpoint_every": 10}
    killed_at(monkeypatch, 7, lambda: train(folder, "price", **run))
    resumed = train(folder, "price", **run)
    assert resumed.model.params.theta.tobytes() == whole.model.params.theta.tobytes()


def test_a_table_of_fewer_pieces_than_shards(tmp_path, table):
    table[:3000].write_parquet(tmp_path / "one.parquet")
    with raises_naming(BacklitError, "16 shards need 16 pieces of 1,024 rows, and the table has 3"):
        train(tmp_path / "one.parquet", "price", drop=["grade"], stream=True, shards=16, epochs=1)
