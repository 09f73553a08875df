"""An ensemble that was stopped goes on from the networks that its folder keeps, and ends with the same bits."""

import pytest
from numpy.testing import assert_array_equal
from tests.helpers import quick_first, raises_naming
from tests.tabular.test_ensemble import TABLE, learn

from backlit import train
from backlit.errors import ModelError, ProblemError
from backlit.tabular import ensemble, presets
from backlit.tabular.blend import predict_rows

pytestmark = pytest.mark.usefixtures("small_presets")


class Dies(Exception):
    """What kills a run here."""


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Short runs: what is kept of them is the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(presets, "MOST", {"constant": 12, "cosine": 12})
        yield


@pytest.fixture(scope="module", params=quick_first(["kind", "y"]))
def whole(request):
    """The target's name, and what an unbroken run learns of it."""
    return request.param, learn(request.param)[0]


def run_that_dies(monkeypatch, folder, n, target="y"):
    """A run of which nothing is left but the n networks that it has kept."""
    save, kept = ensemble.save_model, []

    def dying(model, path):
        if len(kept) == n:
            raise Dies("killed")
        kept.append(path)
        save(model, path)

    with monkeypatch.context() as patch:
        patch.setattr(ensemble, "save_model", dying)
        with pytest.raises(Dies, match="killed"):
            learn(target, checkpoint=folder)


def trained_networks(monkeypatch):
    """A list that grows by each (preset, fold) that is trained from here on."""
    train_fold, names = ensemble.train_fold, []

    def counted(lesson, bins, fold, presets, must):
        names.extend((preset.name, fold) for preset in presets)
        return train_fold(lesson, bins, fold, presets, must)

    monkeypatch.setattr(ensemble, "train_fold", counted)
    return names


def assert_same(found, wanted):
    """That two ensembles are the same to the bit."""
    assert [member.to_dict() for member in found.ensemble.members] == [m.to_dict() for m in wanted.ensemble.members]
    assert_array_equal(predict_rows(found.ensemble, TABLE), predict_rows(wanted.ensemble, TABLE))
    assert_array_equal(found.outputs, wanted.outputs)
    assert found.ensemble.temperature == wanted.ensemble.temperature
    assert found.trained[0].history.column("loss") == wanted.trained[0].history.column("loss")
    assert [check.to_dict() for check in found.checks] == [check.to_dict() for check in wanted.checks]


@pytest.mark.parametrize("kept", quick_first([4, 1]))
def test_a_run_that_died_goes_on_and_ends_with_the_same_bits(whole, tmp_path, monkeypatch, kept):
    target, wanted = whole
    run_that_dies(monkeypatch, tmp_path / "run", kept, target)
    there = {path.stem for path in (tmp_path / "run").iterdir()}
    assert len(there) == kept
    trained = trained_networks(monkeypatch)
    assert_same(learn(target, checkpoint=tmp_path / "run")[0], wanted)
    assert trained
    assert there.isdisjoint(f"{name}, fold {fold}" for name, fold in trained)
    trained.clear()
    assert_same(learn(target, checkpoint=tmp_path / "run")[0], wanted)
    assert trained == []  # all of it is there


def test_a_folder_of_the_version_that_knew_no_steps_goes_on(tmp_path, whole, monkeypatch):
    target, wanted = whole
    as_json = ensemble.asdict

    def before(preset):
        told = as_json(preset)
        del told["bins"]["steps"]
        return told

    with monkeypatch.context() as patch:
        patch.setattr(ensemble, "asdict", before)
        learn(target, checkpoint=tmp_path / "run")
    trained = trained_networks(monkeypatch)
    assert_same(learn(target, checkpoint=tmp_path / "run")[0], wanted)
    assert trained == []


def test_a_network_that_a_limit_cut_short_is_trained_again(tmp_path, whole):
    target, wanted = whole
    cut, _ = learn(target, checkpoint=tmp_path / "run", time_limit=1e-6)
    assert (cut.stopped, len(cut.ensemble.members)) == ("time limit", 1)
    assert list((tmp_path / "run").iterdir()) == []
    assert_same(learn(target, checkpoint=tmp_path / "run")[0], wanted)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"seed": 1}, ("seed was 0", "1")), ({"metric": "mae"}, ("metric was None", "mae")),
     ({"table": TABLE.with_columns(TABLE["x"] + 1)}, ("data.checksum was", "now"))],
)  # fmt: skip
def test_a_folder_of_another_run_is_refused(tmp_path, monkeypatch, options, words):
    run_that_dies(monkeypatch, tmp_path, 1)
    with raises_naming(ProblemError, "another run", "another folder", *words):
        learn("y", checkpoint=tmp_path, **options)


def test_a_damaged_file_is_named(tmp_path, monkeypatch):
    run_that_dies(monkeypatch, tmp_path, 1)
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    file.write_bytes(content[:-3])
    with raises_naming(ModelError, file.name):
        learn("y", checkpoint=tmp_path)
    file.write_bytes(content.replace(b"best_epoch", b"wurst_wert"))
    with raises_naming(ModelError, file.name, "remove it"):
        learn("y", checkpoint=tmp_path)


def test_train_keeps_an_ensemble_unless_a_network_is_asked_for(tmp_path):
    told = {"drop": ["kind"], "compare": False, "quality": "fast"}
    first = train(TABLE, "y", checkpoint=tmp_path / "many", **told)
    again = train(TABLE, "y", checkpoint=tmp_path / "many", **told)
    assert len(first.members) > 1
    assert_array_equal(first.test_outputs, again.test_outputs)
    train(TABLE, "y", drop=["kind"], hidden=(4,), epochs=1, checkpoint=tmp_path / "one")
    with raises_naming(ProblemError, "one network", "another folder"):
        train(TABLE, "y", checkpoint=tmp_path / "one", **told)
