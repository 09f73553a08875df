"""Short forms of scripts/stop_points.py and scripts/checkpoint_syscalls.py."""

import random
import shutil
import subprocess
import sys

import pytest
from tests.helpers import quick_first
from tests.scripts import SCRIPTS, load_script

from backlit.training.checkpoint import save_checkpoint

stop_points = load_script("stop_points")


EACH = sorted(range(16), key=lambda number: (number + number // 8) % 2)  # of 8 optimizers and 2 engines


@pytest.mark.parametrize("number", quick_first(EACH, 8))  # each optimizer, with the engines in turn
def test_a_run_that_was_stopped_ends_with_the_same_bits(number):
    told, _, said = stop_points.stop_and_go_on(number, random.Random(number))
    assert not said, told


def test_a_checkpoint_that_forgets_is_seen(monkeypatch):
    """Test the tester: without the optimizer's vectors a resumed run ends with other bits."""

    def forgetful(folder, run):
        kept = [slot.copy() for slot in run.state.slots]
        for slot in run.state.slots:
            slot[:] = 0
        save_checkpoint(folder, run)
        for slot, old in zip(run.state.slots, kept, strict=True):
            slot[:] = old

    monkeypatch.setattr(stop_points, "save_checkpoint", forgetful)
    adam = stop_points.OPTIMIZERS.index("adam")
    assert stop_points.stop_and_go_on(adam, random.Random(1))[2]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace, which injects the kills, is not installed")
def test_a_kill_at_system_calls_leaves_a_whole_checkpoint():
    script = SCRIPTS / "checkpoint_syscalls.py"
    done = subprocess.run([sys.executable, script, "--most", "5"], capture_output=True, text=True, check=False)
    if "cannot trace" in done.stderr:
        pytest.skip("strace may not trace a child here")
    assert done.returncode == 0, done.stderr
    assert "killed at 5 of the" in done.stdout
