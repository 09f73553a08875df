"""Threads that the system refuses, for want of memory or by a limit, cost speed: the process goes on, the bits stay."""

import subprocess
import sys

import pytest
from tests.helpers import HANGS

pytest.importorskip("backlit._native")
resource = pytest.importorskip("resource")  # not on Windows

RUN = """
import resource, sys
import numpy as np
from backlit.core import Dense, Network
from backlit.engine import Data, TrainConfig, State, get_engine
from backlit.engine.plan import useful_threads
from backlit.optim import Sgd

net = Network(64, [Dense(128, "tanh"), Dense(1)])
X = np.random.default_rng(0).standard_normal((2048, 64))
data, recipe = Data(X, X[:, :1].copy()), TrainConfig(net, Sgd(learning_rate=0.1), 2048, n_threads=32)
assert useful_threads(net, 2048, 32) == 32

def trained():
    state = State.start(net, net.init(seed=0), recipe.optimizer)
    engine = get_engine("native", recipe)
    engine.run(state, data, np.arange(2048), np.array([0.1]), lambda: False)
    return state.params.theta, engine.predict(state.params, state.statistics, X)

before = trained()
if sys.platform == "linux":
    pages = int(open("/proc/self/statm").read().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**26,) * 2)
after = trained()
print(all((a == b).all() for a, b in zip(before, after)))
"""


def test_a_team_without_all_its_threads_gives_the_same_bits():
    run = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, timeout=HANGS)
    assert run.returncode == 0, run.stderr
    assert run.stdout == "True\n"
