"""A short run of scripts/fuzz.py over every parser; `make fuzz` is the long one."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_mutated_files_are_refused_in_one_line_or_whole(tmp_path):
    script = Path(__file__).parents[2] / "scripts" / "fuzz.py"
    short = ["--files", "600", "--commands", "2", "--workers", "2"]
    done = subprocess.run([sys.executable, script, *short], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "600 mutated files" in done.stdout
    assert "2 of them as whole commands" in done.stdout
    assert not list(tmp_path.iterdir())
