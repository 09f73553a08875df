"""Folders surveyed, scored and predicted in pieces, by whoever: the same models, scores and files to the byte."""

import hashlib
import json
import pickle
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from shlex import quote

import polars as pl
import pytest
from tests.helpers import quick_first, raises_naming
from tests.jobs.clusters import KINDS, Cluster, two_workers
from tests.tabular.test_train_predict import mixed

from backlit import diagnose, load_model, predict, train
from backlit.cli import main
from backlit.errors import BacklitError, ProblemError, TableError
from backlit.formats.ensembles import save_ensemble
from backlit.tables import parquet, scan
from backlit.tables.parquet import ParquetTable
from backlit.tables.scan import Parts, survey
from backlit.tabular import streamed_prediction
from backlit.tabular.members import Limit

pytestmark = pytest.mark.usefixtures("collected", "small_presets")
QUICK = {"hidden": (8,), "epochs": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables") / "sales"
    folder.mkdir()
    table = mixed(6_000)
    for k in range(4):
        table[k * 1750 : (k + 1) * 1750].write_parquet(folder / f"{k}.parquet")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory, folder):
    path = tmp_path_factory.mktemp("model") / "grade.safetensors"
    train(folder, "grade", drop=["price"], out=path, **QUICK)
    return path


@pytest.fixture(scope="module", params=KINDS)
def two(request, tmp_path_factory):
    with two_workers(request.param, tmp_path_factory.mktemp("cluster")) as address:
        yield address


@pytest.fixture
def whoever(request, two):
    """This thread, the cluster, and among the slow tests processes as well."""
    return (0, two, 2) if request.node.get_closest_marker("slow") else (0, two)


@pytest.fixture
def small_pieces(monkeypatch):
    """Pieces of one chunk of 1,024 rows, so that a file has several."""
    monkeypatch.setattr(parquet, "CHUNKS", 1)
    monkeypatch.setattr(scan, "BYTES_AT_ONCE", 1)


def sums(output):
    files = sorted(output.glob("*.parquet")) if output.is_dir() else [output]
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]


@pytest.mark.parametrize("target", ["price", "grade"])
def test_a_survey_in_pieces_is_that_of_one_pass(folder, target, monkeypatch):
    table = ParquetTable.open(folder)
    whole = survey(table, target, None, Parts(0, 0.2, 0.1))
    monkeypatch.setattr(parquet, "CHUNKS", 1)
    monkeypatch.setattr(scan, "BYTES_AT_ONCE", 1)
    small = survey(table, target, None, Parts(0, 0.2, 0.1))
    monkeypatch.setattr(parquet, "CHUNKS", 10**6)
    again = survey(table, target, None, Parts(0, 0.2, 0.1))
    for other in (small, again):
        assert (other.encoder, other.codec, other.notes, other.n) == (whole.encoder, whole.codec, whole.notes, whole.n)
        assert (other.shift, other.scale) == (whole.shift, whole.scale)
        assert other.validation.equals(whole.validation)
        assert [cells.tolist() for cells in other.cells] == [cells.tolist() for cells in whole.cells]
    assert small.checksum == again.checksum, "how many chunks a piece has changes nothing"


def test_rows_that_ascend_do_so_over_pieces_too(tmp_path, small_pieces):
    for name, last in (("up", range(4000, 5000)), ("not", range(3000, 4000))):
        (tmp_path / name).mkdir()
        for k, rows in enumerate([range(3500), last]):
            pl.DataFrame({"id": rows, "y": [row % 7 / 3 for row in rows]}).write_parquet(
                tmp_path / name / f"{k}.parquet"
            )
    up, down = (survey(ParquetTable.open(tmp_path / name), "y", None, Parts(0, 0.2, 0.1)) for name in ("up", "not"))
    assert "every row has another whole number" in up.encoder.columns[0].note
    assert not down.encoder.columns[0].note


def test_models_and_scores_are_the_same_whoever_works(folder, whoever, small_pieces, tmp_path, monkeypatch):
    monkeypatch.setattr("time.strftime", lambda *_: "today")  # which a model file notes
    found = []
    for k, cluster in enumerate(whoever):
        result = train(folder, "grade", drop=["price"], out=tmp_path / f"{k}.safetensors", cluster=cluster, **QUICK)
        found.append((sums(tmp_path / f"{k}.safetensors"), result.metrics))
    assert found == found[:1] * len(found)


@pytest.mark.parametrize("suffix", quick_first(["csv", "parquet", "jsonl"]))
def test_predictions_are_the_same_to_the_byte_whoever_works(folder, model, whoever, small_pieces, tmp_path, suffix):
    found = []
    for who in whoever:
        done = predict(model, folder, out=tmp_path / f"{len(found)}.{suffix}", cluster=who)
        found.append((sums(tmp_path / f"{len(found)}.{suffix}"), done.metrics))
    assert found == found[:1] * len(found)
    assert done.n == 6_000
    assert done.metrics["accuracy"] > 0.4


@pytest.mark.parametrize("target", quick_first(["grade", "price"]))
def test_a_folder_of_predictions(folder, model, two, tmp_path, target):
    if target == "price":
        model = train(folder, "price", drop=["grade"], **QUICK).model
    one = predict(model, folder, out=tmp_path / "one", cluster=0) if (tmp_path / "one").mkdir() is None else None
    two_ = predict(model, folder, out=f"{tmp_path}/two/", cluster=two)
    assert sums(tmp_path / "one") == sums(tmp_path / "two")
    assert (one.metrics, one.n, one.kept) == (two_.metrics, two_.n, two_.kept)
    assert one.kept == 0
    parts = [pl.read_parquet(file) for file in sorted((tmp_path / "one").iterdir())]
    predict(model, folder, out=tmp_path / "all.parquet")
    assert pl.concat(parts).equals(pl.read_parquet(tmp_path / "all.parquet"))


def test_what_is_there_is_kept_if_it_is_of_this_model_and_these_rows(folder, model, tmp_path):
    rows, out = tmp_path / "rows", tmp_path / "out"
    rows.mkdir()
    for file in folder.iterdir():
        (rows / file.name).write_bytes(file.read_bytes())
    first = predict(model, rows, out=f"{out}/")
    before = sums(out)
    (out / "1.parquet").unlink()
    (out / "2.parquet").write_bytes(b"PAR1 cut short")
    (out / ".2.0123456789ab.parquet").write_bytes(b"PAR1 as a worker leaves it that is killed")
    again = predict(model, rows, out=out)
    assert (again.kept, again.metrics, sums(out)) == (2, first.metrics, before)
    pl.read_parquet(rows / "3.parquet")[:-1].write_parquet(rows / "3.parquet")
    assert predict(model, rows, out=out).kept == 3
    other = train(folder, "grade", drop=["price"], seed=1, **QUICK).model
    assert predict(other, rows, out=out).kept == 0
    assert sums(out) != before


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_where_it_was(folder, model, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    expected = predict(model, folder, out=f"{whole}/")
    process = subprocess.Popen(
        [sys.executable, "-c", SLOWLY, model, folder, f"{broken}/"], stdout=subprocess.PIPE, text=True
    )
    while not list(broken.glob("[0-9]*")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    there = len(list(broken.glob("[0-9]*")))
    assert 1 <= there < 4
    again = predict(model, folder, out=broken)
    assert (again.kept, again.metrics) == (there, expected.metrics)
    assert sums(broken) == sums(whole)


SLOWLY = """
import sys, time
from pathlib import Path
from backlit import predict

def show(share):
    while list(Path(sys.argv[3]).glob("[0-9]*")):  # from the first file on it stands still
        time.sleep(1)

predict(sys.argv[1], sys.argv[2], out=sys.argv[3], show=show)
"""


def test_the_remedies_are_the_same_whoever_tries_them(whoever):
    sick = {"depth": 6, "width": 4, "activation": "sigmoid", "seeds": 1, "train": 1}
    found = [diagnose(**sick, cluster=cluster).to_dict() for cluster in whoever]
    assert found == found[:1] * len(found)
    assert len(found[0]["remedies"]) > 3


# --- what can go wrong ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_worker_that_sees_other_files_or_none(folder, tmp_path):
    """The worker's own view of the disk, as a machine without the shared folder has it."""
    if not shutil.which("unshare") or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("mount namespaces are not allowed here")
    rows, other = tmp_path / "rows", tmp_path / "other"
    for place in (rows, other):
        place.mkdir()
        for file in folder.iterdir():
            (place / file.name).write_bytes(file.read_bytes())
    pl.read_parquet(other / "2.parquet").with_columns(price=pl.col("price") + 1).write_parquet(other / "2.parquet")
    for mount, names in (
        (f"mount -t tmpfs none {quote(str(rows))}", ["0.parquet", "cannot be seen", "share"]),
        (f"mount --bind {quote(str(other))} {quote(str(rows))}", ["2.parquet", "another file", "same files"]),
    ):
        place = tmp_path / mount.split()[1].strip("-")
        place.mkdir()
        with Cluster(place) as there:
            there.add(prefix=["unshare", "-m", "sh", "-c", f'{mount} && exec "$@"', "sh"])
            with raises_naming(TableError, *names) as caught:
                train(rows, "grade", cluster=there.address, **QUICK)
            assert "\n" not in str(caught.value)


def test_faults_are_one_line(folder, model, tmp_path, capsys):
    for arguments, names in (
        (["predict", model, folder, "-o", folder], ["holds the table"]),
        (["predict", model, folder, "--workers", "2", "--cluster", "tcp://127.0.0.1:9"], ["--workers", "--cluster"]),
        (["predict", model, folder, "-o", f"{tmp_path}/p/", "--cluster", "nowhere"], ["nowhere", "address"]),
        (["predict", model, tmp_path, "-o", f"{tmp_path}/p/", "--workers", "2"], ["no Parquet file"]),
    ):
        assert main(list(map(str, arguments))) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert all(name in error for name in names), error
    with raises_naming(ProblemError, "out="):
        predict(model, mixed(9), cluster=2)
    (tmp_path / "file").touch()
    with raises_naming(BacklitError, "file"):
        predict(model, folder, out=f"{tmp_path}/file/")


def test_the_command_says_what_it_did(folder, model, two, tmp_path, capsys):
    where = ["predict", str(model), str(folder), "-o", f"{tmp_path}/p/"]
    assert main([*where, "--cluster", two]) == 0
    assert main([*where, "--workers", "1", "--format", "json"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"6,000 predictions: {tmp_path}/p/"
    assert json.loads(out[1])["n"] == 6_000
    assert main(where) == 0
    assert "(4 files were there)" in capsys.readouterr().out


def test_a_models_digest_is_that_of_what_it_holds(model):
    first, second = (streamed_prediction.digest_of(load_model(model)) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("metric", quick_first(["accuracy", None]))
def test_an_ensemble_is_the_same_whoever_trains_its_networks(two, tmp_path, metric):
    table, found = mixed(300), []
    for k, who in enumerate((0, two)):
        result = train(table, "grade", drop=["price"], quality="fast", metric=metric, compare=False, cluster=who)
        save_ensemble(replace(result.model, training={}), tmp_path / f"{k}.safetensors")  # which notes the seconds
        found.append((result.metrics, sums(tmp_path / f"{k}.safetensors")))
    assert found[0] == found[1]


def test_a_limit_is_as_far_away_in_another_process():
    here, before = Limit(time.monotonic() + 100), time.monotonic()
    there = pickle.loads(pickle.dumps(here))
    assert -1e-6 < there.deadline - here.deadline < time.monotonic() - before + 1e-6
    assert not pickle.loads(pickle.dumps(Limit())).reached()
    assert pickle.loads(pickle.dumps(Limit(time.monotonic() - 1))).reached()
