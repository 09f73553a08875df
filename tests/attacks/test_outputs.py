"""What a command prints: nothing that steers a terminal, whole or with an exit code that says so, in any encoding."""

import json
import os
import pty
import re
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from io import FileIO

import polars as pl
import pytest
from tests.commands import left_pipe, on_a_terminal, run_command
from tests.helpers import quick_first

from backlit.cli import main

BACKLIT = [sys.executable, "-m", "backlit"]
NASTY = "\x1b[2J\x1b]0;owned\x07\u202e\x9b31m:bomb:[bold]\\[x]"
ESCAPED = r"\x1b[2J\x1b]0;owned\x07\u202e\x9b31m:bomb:[bold]\[x]"
COLOR = re.compile(r"\x1b\[[0-9;]*m")  # Rich's own


@pytest.fixture
def table(tmp_path):
    size = [float(k) for k in range(60)]
    label = [f"{'ab'[k % 2]}{NASTY}" for k in range(60)]
    path = tmp_path / "t.parquet"
    pl.DataFrame({"size": size, f"y{NASTY}": label, f"odd{NASTY}": ["x"] * 60}).write_parquet(path)
    return path


def steers(text: str) -> bool:
    """Whether there is anything in a text that a terminal obeys, besides colors and a new line."""
    return any(not c.isprintable() for c in COLOR.sub("", text).replace("\r\n", "").replace("\n", ""))


def test_names_of_columns_do_not_reach_the_terminal_raw(capsys, table, tmp_path):
    model = tmp_path / f"m{NASTY[:5]}.safetensors"
    code, out, err = run_command(capsys, "train", table, "--target", f"y{NASTY}", "--epochs", 2, "--out", model)
    assert (code, steers(out), steers(err)) == (0, False, False)
    assert ESCAPED[:17] in out
    code, out, err = run_command(capsys, "predict", model, table, "-o", tmp_path / f"p{NASTY[:5]}.csv")
    assert (code, steers(out), steers(err)) == (0, False, False)


def in_this_process(arguments: list[str]) -> str:
    """What a command writes to a terminal, without a process of its own."""
    leader, follower = pty.openpty()
    with (
        ThreadPoolExecutor(1) as reader,
        open(leader, "rb", buffering=0) as shown,
        pytest.MonkeyPatch.context() as patch,
    ):
        parts = reader.submit(lambda: list(iter(lambda: read_some(shown), b"")))
        with open(follower, "w", encoding="utf-8") as terminal:
            patch.setattr(sys, "stdout", terminal)
            patch.setenv("TERM", "xterm-256color")
            code = main(arguments)
        assert code == 0
        return b"".join(parts.result()).decode()


def read_some(file: FileIO) -> bytes:
    """A part of what a terminal shows; b"" where the other end was closed, which Linux calls an error."""
    try:
        return file.read(65536) or b""
    except OSError:
        return b""


def in_its_own(arguments: list[str]) -> str:
    """What a command in a process of its own writes to a terminal."""
    return on_a_terminal([*BACKLIT, *arguments], "stdout")[0]


@pytest.mark.parametrize("written", quick_first([in_this_process, in_its_own]))
def test_a_terminal_gets_colors_and_nothing_else(table, tmp_path, written):
    model = tmp_path / "m.safetensors"
    run = ["--epochs", "2", "--no-compare", "--out", str(model)]
    shown = written(["train", str(table), "--target", f"y{NASTY}", *run])
    assert COLOR.search(shown)
    assert not steers(shown)
    shown = written(["predict", str(model), str(table)])
    assert not steers(shown)
    assert ESCAPED[:20] in shown


def test_what_is_no_terminal_gets_the_data_as_they_are(capsysbinary, table, tmp_path):
    model = tmp_path / "m.safetensors"
    assert (
        main(["train", str(table), "--target", f"y{NASTY}", "--hidden", "2", "--epochs", "1", "--out", str(model)]) == 0
    )
    assert main(["predict", str(model), str(table), "-o", str(tmp_path / "p.csv")]) == 0
    capsysbinary.readouterr()
    assert main(["predict", str(model), str(table)]) == 0
    written = capsysbinary.readouterr().out
    assert written == (tmp_path / "p.csv").read_bytes()
    assert NASTY.encode() in written


@pytest.mark.slow
def test_a_pipe_gets_the_data_as_they_are(capsys, table, tmp_path):
    model = tmp_path / "m.safetensors"
    run_command(capsys, "train", table, "--target", f"y{NASTY}", "--epochs", 2, "--out", model)
    run_command(capsys, "predict", model, table, "-o", tmp_path / "p.csv")
    piped = subprocess.run([*BACKLIT, "predict", model, table], check=True, capture_output=True).stdout
    assert piped == (tmp_path / "p.csv").read_bytes()
    assert NASTY.encode() in piped


@pytest.mark.parametrize(
    "arguments", [["explain", "{}"], ["check", "{}", "{}"], ["cost", "{}"], ["predict", "{}", "{}"]]
)
def test_names_of_files_do_not_reach_the_terminal_raw(capsys, arguments, tmp_path):
    for exists in (False, True):
        path = tmp_path / f"a{NASTY[:20].replace('/', '')}.json"
        if exists:
            path.write_text(
                f'{{"{NASTY}": 1}}'.replace("\x1b", "\\u001b").replace("\x07", "\\u0007").replace("\\[", "[")
            )
        code, out, err = run_command(capsys, *[argument.format(path) for argument in arguments])
        assert (code, out, steers(err)) == (2, "", False)
        assert err.count("\n") == 1


def test_an_explained_file_keeps_its_odd_name_to_itself(capsysbinary, tmp_path):
    problem = {"inputs": 1, "layers": [{"units": 1}], "x": [[1.0]], "y": [[0.0]]}
    path = tmp_path / "a\x1b[2J\ue00f\ue001.json"
    path.write_text(json.dumps(problem))
    assert main(["explain", str(path)]) == 0
    out, _ = capsysbinary.readouterr()
    assert b"\x1b" not in out
    assert rb"a\x1b[2J" in out
    shown = in_this_process(["explain", str(path)])
    assert not steers(shown.replace("\ue00f", ""))


# --- cut output -----------------------------------------------------------------------------------------------------

WRITERS = {
    "cost": ["cost", "--sizes", "30,20,10"],
    "json": ["cost", "--sizes", "30,20,10", "--format", "json"],
    "explain": ["explain", "--example", "worked"],
    "html": ["explain", "--example", "worked", "--format", "html"],
    "example": ["example", "worked"],
    "examples": ["example"],
    "help": ["train", "--help"],
    "version": ["--version"],
    "check": ["check", "p.json", "c.json"],
    "diagnose": ["diagnose", "--depth", "2", "--width", "8", "--no-remedies"],
    "train": ["train", "--dataset", "iris", "--epochs", "1", "--hidden", "4"],
    "grade": ["grade", "s.py", "--rubric", "r.toml"],
}
PROBLEM = {"inputs": 1, "layers": [{"units": 1, "W": [[1.0]], "b": [0.0]}], "x": [[1.0]], "y": [[1.0]]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "p.json").write_text(json.dumps(PROBLEM))
    (folder / "c.json").write_text(json.dumps({"z": {"1": [[1.0]]}}))
    (folder / "s.py").write_text("")
    (folder / "r.toml").write_text("[[networks]]\nshapes = [2, 1]\n")
    return folder


def run_into(stdout, arguments, folder, *, limit=None, **environment):
    """(exit code, standard error) of a command with this standard output."""

    def bound():
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [*BACKLIT, *arguments], stdout=stdout, stderr=subprocess.PIPE, text=True, check=False, cwd=folder,
        env={**os.environ, **environment}, preexec_fn=bound,
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.fixture
def run_here(folder, monkeypatch):
    """The exit code of a command in this process, which finds the given standard streams."""

    def run(name, **streams):
        with monkeypatch.context() as patched:
            patched.chdir(folder)
            for stream, file in streams.items():
                patched.setattr(sys, stream, file)
            return main({**WRITERS, "missing": ["explain", "no.json"]}[name])

    return run


# Each command is tried in this process; what only a process of its own has, such as its end, by a few.

needs_full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a device that is always full")


def assert_full(code, err):
    assert code == 2
    assert "standard output: could not be written (no space left on device)" in err.splitlines()[-1]
    assert "Traceback" not in err
    assert "Exception ignored" not in err


FIRST = ["cost", "html", "examples", "help", "train", "grade"]  # of each kind one; the others are `slow`


@needs_full
@pytest.mark.parametrize("name", quick_first([*FIRST, *(name for name in WRITERS if name not in FIRST)], len(FIRST)))
def test_a_full_disk_is_never_exit_code_0(name, run_here, capsys):
    with open("/dev/full", "w") as full:
        code = run_here(name, stdout=full)
    assert_full(code, capsys.readouterr().err)


@pytest.mark.slow
@needs_full
@pytest.mark.parametrize(("name", "unbuffered"), [("cost", ""), ("cost", "1"), ("html", ""), ("html", "1")])
def test_a_full_disk_is_never_the_exit_code_0_of_a_process(name, unbuffered, folder):
    with open("/dev/full", "wb") as full:
        assert_full(*run_into(full, WRITERS[name], folder, PYTHONUNBUFFERED=unbuffered))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit for files")
@pytest.mark.parametrize(("name", "limit", "unbuffered"), [
    ("html", 0, ""), ("html", 9000, ""), ("html", 9000, "1"), ("cost", 100, "1"), ("help", 100, ""),
])  # fmt: skip
def test_a_limit_of_files_is_never_exit_code_0(name, limit, unbuffered, folder, tmp_path):
    with open(tmp_path / "out", "wb") as out:
        code, err = run_into(out, WRITERS[name], folder, limit=limit, PYTHONUNBUFFERED=unbuffered)
    size = (tmp_path / "out").stat().st_size
    if code == 0:  # it fitted
        assert size < limit
    else:
        assert (code, size) == (2, limit)
        assert "file too large" in err


@pytest.mark.parametrize("name", ["cost", "json", "html", "example", "help", "version", "grade"])
def test_a_closed_standard_output_is_never_exit_code_0(name, run_here, capsys):
    assert run_here(name, stdout=None) == 2
    assert "standard output" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["html", "grade"])
def test_a_closed_standard_output_is_never_the_exit_code_0_of_a_process(name, folder):
    """Whose files might get the number of the stream: the one reads and the other starts a process."""
    shell = f"{sys.executable} -m backlit {' '.join(WRITERS[name])} >&-"
    done = subprocess.run(shell, shell=True, stderr=subprocess.PIPE, text=True, check=False, cwd=folder)
    assert done.returncode == 2, done.stderr
    assert "standard output" in done.stderr.splitlines()[-1]


ERRORS = {"2>&-": ["cost", "train", "grade", "missing"], "2>/dev/full": ["cost", "train", "check", "missing"]}
ALL = [(how, name) for how, names in ERRORS.items() for name in names]
TRIED = [("2>&-", "train"), ("2>&-", "missing"), ("2>/dev/full", "train"), ("2>/dev/full", "missing"), ("2>&-", "cost")]


@pytest.mark.filterwarnings("ignore:Exception ignored in. <_io.FileIO name='/dev/null'")  # a process keeps it open
@pytest.mark.parametrize(
    ("how", "name"), quick_first([*TRIED, *(pair for pair in ALL if pair not in TRIED)], len(TRIED))
)
def test_a_closed_or_full_standard_error_changes_no_exit_code(name, how, run_here, capsys):
    code = 2 if name == "missing" else 0
    if how == "2>&-":
        assert run_here(name, stderr=None) == code
    elif os.path.exists("/dev/full"):
        with open("/dev/full", "w") as full:
            assert run_here(name, stderr=full) == code
    out = capsys.readouterr().out
    assert bool(out) == (code == 0)
    assert "backlit:" not in out


@pytest.mark.slow
@pytest.mark.parametrize("how", ERRORS)
@pytest.mark.parametrize("name", ["grade", "missing"])
def test_a_closed_or_full_standard_error_changes_no_exit_code_of_a_process(name, how, folder):
    arguments = WRITERS.get(name, ["explain", "no.json"])
    shell = f"{sys.executable} -m backlit {' '.join(arguments)} {how}"
    done = subprocess.run(shell, shell=True, stdout=subprocess.PIPE, text=True, check=False, cwd=folder)
    assert done.returncode == (2 if name == "missing" else 0)
    assert bool(done.stdout) == (name == "grade")
    assert "backlit:" not in done.stdout


def assert_whole(name, out, encoding):
    text = out.decode("utf-8" if name == "html" else encoding)
    assert len(text) > 100
    if name == "json":
        assert json.loads(text)["forward"]["matmul_flops"] == 1600


ENCODED = [("explain", "ascii"), ("html", "ascii"), ("json", "utf-16"), ("help", "ascii"), ("train", "cp1252")]
OTHERS = [("explain", "utf-16"), ("explain", "cp1252"), ("html", "utf-16"), ("json", "ascii"), ("help", "utf-16"),
          ("cost", "ascii"), ("cost", "utf-16")]  # fmt: skip


@pytest.mark.parametrize(("name", "encoding"), quick_first([*ENCODED, *OTHERS], len(ENCODED)))
def test_any_encoding_is_written_in_whole(name, encoding, run_here, tmp_path):
    with open(tmp_path / "out", "w", encoding=encoding) as out:
        assert run_here(name, stdout=out) == 0
    assert_whole(name, (tmp_path / "out").read_bytes(), encoding)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "encoding"), [("explain", "ascii"), ("json", "utf-16")])
def test_any_encoding_of_a_process_is_written_in_whole(name, encoding, folder):
    done = subprocess.run(
        [*BACKLIT, *WRITERS[name]], capture_output=True, check=False, cwd=folder,
        env={**os.environ, "PYTHONIOENCODING": f"{encoding}:strict", "PYTHONUTF8": "0"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert_whole(name, done.stdout, encoding)


@pytest.mark.parametrize("unbuffered", quick_first(["1", ""]))
def test_a_reader_that_leaves_ends_a_command_unbuffered_too(folder, unbuffered):
    with left_pipe() as pipe:
        assert run_into(pipe, WRITERS["html"], folder, PYTHONUNBUFFERED=unbuffered) == (141, "")


# --- the unexpected -------------------------------------------------------------------------------------------------


class Surprise(Exception):
    pass


@pytest.mark.parametrize("asked", ["", "0", "1"])
def test_the_unexpected_is_one_line_and_the_rest_on_demand(capsys, monkeypatch, asked):
    def surprise(*arguments, **options):
        raise Surprise("two\nlines \x1b[2J" + "x" * 10_000)

    monkeypatch.setattr("backlit.costs.cost", surprise)
    monkeypatch.setenv("BACKLIT_TRACEBACK", asked)
    code, out, err = run_command(capsys, "cost", "--sizes", "3,2")
    assert (code, out) == (2, "")
    line, *rest = err.splitlines()
    assert line.startswith("backlit: an error that Backlit didn't foresee (Surprise: two lines \\x1b[2J")
    assert "BACKLIT_TRACEBACK=1" in line
    assert len(line) < 3000
    assert bool(rest) == (asked == "1")
    assert not steers(err)
    assert ("in surprise" in err) == (asked == "1")


def test_a_part_that_cannot_be_loaded_is_one_line(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "backlit.costs", None)
    code, _, err = run_command(capsys, "cost", "--sizes", "3,2")
    assert (code, err.count("\n")) == (2, 1)
    assert "cannot be loaded" in err
