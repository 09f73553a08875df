"""A file appears whole or not at all, and a failure says why in one line."""

import os
import resource
import stat
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from tests.helpers import raises_naming

from backlit.errors import BacklitError
from backlit.files import atomic_write, check_outputs, check_suffix, remove_unfinished


def with_nothing_written(path):
    with atomic_write(path):
        pytest.fail("the block must not run")


@pytest.fixture
def as_nobody():
    """Act without a superuser's rights, in a folder that others may enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        before = os.geteuid()
        if before == 0:
            os.seteuid(65534)
        yield Path(folder)
        os.seteuid(before)
        Path(folder).chmod(0o755)


def test_the_old_file_stands_until_the_block_ends(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_text("old")
    with atomic_write(path) as temporary:
        temporary.write_text("new")
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".safetensors"
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_who_has_the_old_file_open_keeps_it(tmp_path):
    path = tmp_path / "model"
    path.write_text("old")
    with path.open() as reader:
        with atomic_write(path) as temporary:
            temporary.write_text("new")
        assert reader.read() == "old"


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_everything_as_it_was(tmp_path, failure):
    path = tmp_path / "model"
    path.write_text("old")

    def write_half():
        with atomic_write(path) as temporary:
            temporary.write_text("half")
            raise failure("stop")

    with pytest.raises(failure, match="stop"):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_are_the_old_files_or_the_umasks(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("")
    old.chmod(0o640)
    umask = os.umask(0o027)
    try:
        for path in (old, new):
            with atomic_write(path) as temporary:
                temporary.write_text("x")
    finally:
        os.umask(umask)
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert stat.S_IMODE(new.stat().st_mode) == 0o640


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "file", tmp_path / "link"
    link.symlink_to(target)
    with atomic_write(link) as temporary:
        temporary.write_text("x")
    assert link.is_symlink()
    assert target.read_text() == "x"


def test_a_pipe_is_written_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with atomic_write(pipe) as path:
            path.write_text("through")
        assert os.read(reader, 99) == b"through"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_missing_folder_is_named(tmp_path):
    with raises_naming(BacklitError, "none/x.csv", "folder", "exist", "write", "elsewhere"):
        with_nothing_written(tmp_path / "none" / "x.csv")


def test_a_file_for_a_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with raises_naming(BacklitError, "folder", "file", "exist"), atomic_write(tmp_path / "file" / "x"):
        pytest.fail("the block must not run")


def test_a_folder_is_not_a_file(tmp_path):
    with raises_naming(BacklitError, "folder", "give", "file"), atomic_write(tmp_path):
        pytest.fail("the block must not run")
    assert tmp_path.is_dir()


def test_a_forbidden_folder_is_named(as_nobody):
    with raises_naming(BacklitError, "writing", "folder", "allowed", "write", "elsewhere"):
        with_nothing_written(as_nobody / "x.csv")
    assert list(as_nobody.iterdir()) == []


def test_a_full_disk_leaves_nothing(tmp_path):
    big, limit = tmp_path / "big", resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))  # the system refuses byte 1001, as a full disk does
    try:
        with (
            raises_naming(BacklitError, "written", "room"),
            atomic_write(big) as temporary,
        ):
            temporary.write_bytes(b"x" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert list(tmp_path.iterdir()) == []


def test_another_files_fault_is_not_ours(tmp_path):
    with pytest.raises(FileNotFoundError, match="elsewhere"), atomic_write(tmp_path / "out"):
        (tmp_path / "elsewhere").read_text()
    assert list(tmp_path.iterdir()) == []


def test_no_output_takes_the_place_of_an_input(tmp_path):
    table, link = tmp_path / "table.csv", tmp_path / "link.csv"
    table.write_text("a,b\n1,2\n", encoding="utf-8")
    link.symlink_to(table)
    for output in (table, link, tmp_path / "." / "table.csv"):
        with raises_naming(BacklitError, "place", "file", "read"):
            check_outputs(output, inputs=[None, {"inputs": 2}, str(table)])
    with raises_naming(BacklitError, "named", "outputs"):
        check_outputs(tmp_path / "x", None, str(tmp_path / "x"))
    check_outputs(tmp_path / "x", tmp_path / "y", inputs=[table])


def test_a_file_that_is_there_needs_the_suffix_and_a_pipe_needs_none(tmp_path):
    (tmp_path / "model.pkl").write_bytes(b"")
    for name in ("model.pkl", "none.pkl"):
        with raises_naming(BacklitError, "model", "written", ".safetensors", "give", "ends"):
            check_suffix(tmp_path / name, ".safetensors", what="a model")
    os.mkfifo(tmp_path / "pipe")
    check_suffix(tmp_path / "pipe", ".safetensors", what="a model")


def test_what_a_kill_left_is_removed_and_nothing_else(tmp_path):
    """A process that is ended inside `atomic_write` leaves its temporary file."""
    names = ["part[0].parquet", "x" * 80 + ".csv", "plain"]
    for name in names:
        code = "import os, sys; from backlit.files import atomic_write\nwith atomic_write(sys.argv[1]): os._exit(9)"
        assert subprocess.run([sys.executable, "-c", code, str(tmp_path / name)], check=False).returncode == 9
    assert len(list(tmp_path.iterdir())) == 3
    others = {".part[0].0123456789ab.csv", ".part[0].parquet", ".other.0123456789ab.parquet", "plain", ".plain.txt"}
    for other in others:
        (tmp_path / other).touch()
    with atomic_write(tmp_path / names[0]) as still_written:
        remove_unfinished(tmp_path, names)
        assert {path.name for path in tmp_path.iterdir()} == {*others, still_written.name}
    assert {path.name for path in tmp_path.iterdir()} == {*others, names[0]}


def test_a_file_that_was_removed_before_it_was_locked_is_made_again(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    lock, removed = fcntl.flock, []

    def late(descriptor, how):
        if not removed and how == fcntl.LOCK_EX:
            removed.extend(tmp_path.iterdir())
            remove_unfinished(tmp_path, ["x.csv"])
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with atomic_write(tmp_path / "x.csv") as temporary:
        temporary.write_text("whole")
    assert removed == [temporary]
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


def test_the_next_run_of_a_command_removes_what_a_killed_one_left(tmp_path):
    code = "import os, sys; from backlit.files import atomic_write\nwith atomic_write(sys.argv[1]): os._exit(9)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "report.html")], check=False)
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "other.html")], check=False)
    assert len(list(tmp_path.iterdir())) == 2
    check_outputs(tmp_path / "report.html")
    assert [path.name[:7] for path in tmp_path.iterdir()] == [".other."]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="only Linux lists what is open")
def test_no_file_is_left_open(tmp_path):
    for _ in range(3):
        with atomic_write(tmp_path / "x") as temporary:
            temporary.write_bytes(b"x")
            assert open_in(tmp_path) == {temporary}  # locked; the test would see it
    assert open_in(tmp_path) == set()


def open_in(folder):
    """The files of a folder that this process has open; other tests' threads may open and close others."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # which was closed meanwhile
            found.add(descriptor.readlink())
    return {path for path in found if path.is_relative_to(folder.resolve())}
