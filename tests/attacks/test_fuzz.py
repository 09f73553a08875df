"""A short run of scripts/fuzz.py over every parser; `make fuzz` is the long one."""

import os
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


PLANTED = """
import os, sys
import fuzz

def reads(path):
    byte = path.read_bytes()[:1]
    if byte == b"h":
        sum(iter(int, 1))  # without end, in C, where no handler of Python's runs
    if byte == b"c":
        os.abort()

fuzz.MOST_SECONDS = 0.4
fuzz.sources = lambda folder: [(".json", b"{}", reads, [])]
fuzz.mutated = lambda draw, content: {7: b"hang", 8: b"crash"}.get(next(numbers), b"{}")
numbers = iter(range(12))
real = fuzz.work
fuzz.work = lambda number, tally, *rest: ([next(numbers) for _ in range(tally["begun"])], real(number, tally, *rest))
sys.argv[1:] = ["--files", "12", "--commands", "0", "--workers", "1"]
fuzz.main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_a_file_that_hangs_and_one_that_crashes_are_found_and_passed(tmp_path):
    scripts = Path(__file__).parents[2] / "scripts"
    done = subprocess.run(
        [sys.executable, "-c", PLANTED], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=300,
        env=os.environ | {"PYTHONPATH": str(scripts)},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines() == ["fuzzed/0-7.json: ended by SIGXCPU", "fuzzed/0-8.json: ended by SIGABRT"]
    assert (tmp_path / "fuzzed/0-7.json").read_bytes() == b"hang"
    assert "2 files break a rule; workers ended with [0]" in done.stderr
