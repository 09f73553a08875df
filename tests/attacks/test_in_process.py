"""Callbacks that leave in every way, estimators shared by threads, and two runs on one folder of checkpoints."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from tests.helpers import quick_first, raises_naming

from backlit.bounded_reading import check_address_space
from backlit.core import Dense, Network
from backlit.engine import Data
from backlit.errors import ProblemError, TableError
from backlit.estimators import MLPRegressor
from backlit.optim import get_optimizer
from backlit.training import Settings, fit
from backlit.training.checkpoint import claimed

X = np.random.default_rng(0).standard_normal((40, 3))
Y = X[:, 0] * X[:, 1]


def regressor(**options):
    return MLPRegressor(
        hidden_layer_sizes=(4,), solver="sgd", max_iter=3, tol=0, n_iter_no_change=100, random_state=0, **options
    )


@pytest.mark.filterwarnings("ignore:.*onverge")
@pytest.mark.parametrize("leaves", [KeyboardInterrupt, SystemExit, GeneratorExit, RuntimeError])
def test_a_callback_that_leaves_leaves_the_estimator_as_it_was(leaves):
    def leave(run):
        raise leaves("now")

    model = regressor().fit(X, Y)
    model.set_params(callbacks=[leave])
    before, predicted = dict(vars(model)), model.predict(X)
    with pytest.raises(leaves, match="now"):
        model.fit(X, -Y)
    assert vars(model).keys() == before.keys()
    np.testing.assert_array_equal(model.predict(X), predicted)


def test_no_update_of_four_threads_is_lost():
    model = regressor()
    model.partial_fit(X, Y)

    def work():
        for _ in range(25):
            model.partial_fit(X, Y)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert model.t_ == 101 * len(X)


def run(folder, callbacks=()):
    net = Network(3, [Dense(2, "tanh"), Dense(1)])
    settings = Settings(epochs=2, batch_size=10, optimizer=get_optimizer("sgd"))
    return fit(net, net.init(seed=0), Data(X, Y[:, None]), settings, checkpoint=folder, callbacks=callbacks)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows locks no folders")
def test_two_runs_do_not_share_a_folder_of_checkpoints(tmp_path):
    with raises_naming(ProblemError, str(tmp_path), "another run", "another folder"):
        run(tmp_path, [lambda outer: run(tmp_path)])
    run(tmp_path)  # the first is over: the folder is free again
    code = (
        "import sys, time; from pathlib import Path; from backlit.training.checkpoint import claimed\n"
        "with claimed(Path(sys.argv[1])): print('mine', flush=True); time.sleep(600)"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert other.stdout.readline() == b"mine\n"
    with raises_naming(ProblemError, "another run"), claimed(tmp_path):
        pass
    other.kill()
    other.wait()
    other.stdout.close()
    with claimed(tmp_path):  # a killed run keeps no folder
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds what a process may address")
@pytest.mark.parametrize(
    "command", quick_first(["train t.csv --target y", "train --dataset iris", "search t.csv --target y"])
)
def test_little_address_space_is_one_line_before_polars_aborts(tmp_path, command):
    (tmp_path / "t.csv").write_text("x,y\n1,2\n")
    call = 'ulimit -v 1000000; exec "$0" -m backlit "$@"'
    done = subprocess.run(
        ["sh", "-c", call, sys.executable, *command.split()],
        cwd=tmp_path,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done
    assert "address space" in done.stderr
    assert "ulimit -v" in done.stderr


def test_address_space_is_asked_for_before_polars_is_there(monkeypatch):
    resource = pytest.importorskip("resource")
    pytest.importorskip("polars")
    monkeypatch.setattr(resource, "getrlimit", lambda which: (2**30, 2**40))
    check_address_space()  # this process has Polars already
    monkeypatch.delitem(sys.modules, "polars")
    with raises_naming(TableError, "1.00 (ulimit -v)", "allow more"):
        check_address_space()
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY, 2**40))
    check_address_space()
