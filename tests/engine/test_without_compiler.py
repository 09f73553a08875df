"""Where the engine cannot be compiled Backlit installs all the same, trains with the textbook and says so once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRAIN = """
import logging, numpy as np
logging.basicConfig(format="%(message)s")
from backlit.core import Dense, Network
from backlit.engine import TrainConfig, get_engine
from backlit.optim import get_optimizer
recipe = TrainConfig(Network(2, [Dense(1)]), get_optimizer("adam"), 4)
print(get_engine("auto", recipe).name, get_engine("auto", recipe).name)
"""


def installable() -> bool:
    """Whether the build requirements are here, so that nothing needs to be fetched."""
    return all(
        subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True).returncode == 0
        for name in ("scikit_build_core", "nanobind", "pip")
    )


@pytest.mark.slow
@pytest.mark.skipif(not installable(), reason="pip install scikit-build-core nanobind")
def test_an_install_without_a_compiler(tmp_path):
    environment = {**os.environ, "CXX": "/bin/false", "CC": "/bin/false"}
    install = [sys.executable, "-m", "pip", "install", "--no-build-isolation", "--no-deps", "--no-index"]
    subprocess.run(
        [*install, f"--config-settings=build-dir={tmp_path / 'build'}", "--target", str(tmp_path / "site"), str(ROOT)],
        env=environment,
        check=True,
        capture_output=True,
    )
    assert (tmp_path / "site" / "backlit" / "engine" / "native.py").exists()
    assert not list((tmp_path / "site" / "backlit").glob("_native*"))
    # an editable install beside it must not lend its own module
    start = (
        f"import sys; sys.modules['backlit._native'] = None; sys.path[:0] = {[str(tmp_path / 'site'), *packages()]!r}\n"
    )
    run = subprocess.run(
        [sys.executable, "-S", "-c", start + TRAIN],
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert run.stdout.split() == ["reference", "reference"]
    assert run.stderr.count("the reference engine") == 1
    assert "was not built" in run.stderr


def packages() -> list[str]:
    """Where NumPy and the rest are."""
    return [path for path in sys.path if path.endswith("site-packages")]
