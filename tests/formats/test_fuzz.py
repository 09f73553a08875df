"""A short run of scripts/fuzz_models.py; `make fuzz` is the long one."""

import subprocess
import sys
from pathlib import Path


def test_mutated_model_files_are_errors_or_whole(tmp_path):
    script = Path(__file__).parents[2] / "scripts" / "fuzz_models.py"
    done = subprocess.run(
        [sys.executable, str(script), "--files", "600"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "600 mutated files" in done.stdout
    assert not list(tmp_path.iterdir())
