"""A short run of scripts/fuzz.py over every parser; `make fuzz` is the long one."""

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tests.scripts import load_script

from backlit.errors import BacklitError


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limits for a process")
@pytest.mark.filterwarnings("ignore")  # as the script does
def test_each_parser_refuses_a_mutated_file_in_one_line_or_reads_it_whole(tmp_path, monkeypatch):
    """In this process, without limits, and with files for each parser in turn."""
    monkeypatch.chdir(tmp_path)
    fuzz, seen = load_script("fuzz"), Counter()
    (tmp_path / "own").mkdir()
    all_sources = fuzz.sources(tmp_path / "own")
    for number in range(3 * len(all_sources)):
        source = all_sources[number % len(all_sources)]
        path = tmp_path / f"own/f{source.suffix}"
        path.write_bytes(fuzz.mutated(random.Random(f"here {number}"), source))
        try:
            source.parse(path)
            seen["whole"] += 1
        except BacklitError as error:
            seen["refused" if "\n" not in str(error) else f"{number}: {error}"] += 1
    assert set(seen) == {"whole", "refused"}, seen
    assert seen["refused"] >= 20
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
@pytest.mark.parametrize(("files", "commands", "workers"), [(60, 1, 1), (600, 2, 2)])
def test_mutated_files_are_refused_in_one_line_or_whole(tmp_path, files, commands, workers):
    script = Path(__file__).parents[2] / "scripts" / "fuzz.py"
    short = ["--files", str(files), "--commands", str(commands), "--workers", str(workers)]
    done = subprocess.run([sys.executable, script, *short], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{files} mutated files" in done.stdout
    assert f"{commands} of them as whole commands" in done.stdout
    assert not list(tmp_path.iterdir())


PLANTED = """
import os, socket, sys
import fuzz, fuzz_mutations

def reads(path):
    data = path.read_bytes()
    if data == b"hang":
        sum(iter(int, 1))  # without end, in C, where no handler of Python's runs
    if data == b"crash":
        os.abort()
    if data == b"elsewhere":
        open("elsewhere", "w").close()
    if data == b"plain":
        {}["key"]

number = -1

def mutated(draw, source):
    global number
    number += 1
    return {7: b"hang", 8: b"crash", 9: b"elsewhere", 10: b"plain"}.get(number, b"{}")

work = fuzz.work

def behind(shares, tally, *rest):
    global number
    number = int(tally["begun"]) - 1
    work(shares, tally, *rest)

fuzz.MOST_SECONDS, fuzz.mutated, fuzz.work = 0.4, mutated, behind
fuzz.sources = lambda folder: [fuzz_mutations.Source(".json", b"{}", reads, [["cost", "{}"]])]
fuzz.main()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_what_hangs_crashes_or_reaches_elsewhere_is_found_and_passed(tmp_path):
    scripts = Path(__file__).parents[2] / "scripts"
    short = ["--files", "12", "--commands", "0", "--workers", "1"]
    done = subprocess.run(
        [sys.executable, "-c", PLANTED, *short], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=300,
        env=os.environ | {"PYTHONPATH": str(scripts)},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ["fuzzed/7.json: ended by SIGXCPU", "fuzzed/8.json: ended by SIGABRT"]
    assert lines[2].startswith("fuzzed/9.json: ")
    assert "open ('elsewhere'" in lines[2]
    assert lines[3] == "fuzzed/10.json: KeyError: 'key'"
    assert lines[4].startswith("12 mutated files: 0 refused in one line, 9 still whole")
    assert (tmp_path / "fuzzed/7.json").read_bytes() == b"hang"
    assert "4 files break a rule; workers ended with [0]" in done.stderr


COMMANDS = """
import sys
from pathlib import Path
import fuzz

def command(name: str = ""):
    if name == "writes":
        open("elsewhere", "w").close()
    if name == "fails":
        raise SystemExit(3)

fuzz._loaded.app.command("planted")(command)
run = fuzz.command_runner(Path.cwd() / "own")
for words in (["--version"], ["nonsense"], ["planted"], *(["planted", "--name", name] for name in ("writes", "fails"))):
    print(fuzz.as_a_command(run, words)[0][:50])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_a_command_that_ends_oddly_or_writes_elsewhere_is_found(tmp_path):
    scripts = Path(__file__).parents[2] / "scripts"
    (tmp_path / "own").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=300,
        env=os.environ | {"PYTHONPATH": str(scripts)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *right, writes, fails = done.stdout.splitlines()
    assert right == ["", "", ""]
    assert writes.startswith("planted --name writes: exit code 0, ")
    assert "Traceback: t" in writes
    assert fails.startswith("planted --name fails: exit code 3")
