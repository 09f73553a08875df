"""How a command ends when the one who called it, or the place that it writes to, has had enough."""

import errno
import io
import sys

import pytest

from backlit.cli import main


class Full(io.StringIO):
    """A standard output that takes nothing."""

    def __init__(self, number, file):
        super().__init__()
        self.number, self.file = number, file

    def write(self, text):
        raise OSError(self.number, "No space left on device" if self.number == errno.ENOSPC else "Broken pipe")

    def fileno(self):
        return self.file.fileno()


@pytest.fixture
def elsewhere(tmp_path):
    with open(tmp_path / "output", "w") as file:
        yield file


COMMANDS = ["cost --sizes 3,2", "diagnose --depth 2 --width 8 --no-remedies", "cost --sizes 3,2 --format json"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_behind_standard_output_is_one_line(command, elsewhere, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", Full(errno.ENOSPC, elsewhere))
    assert main(command.split()) == 2
    assert capsys.readouterr().err == (
        "backlit: standard output: could not be written (no space left on device): make room there, or write elsewhere "
        "(-o, or > FILE)\n"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reader_that_leaves_ends_the_command_without_a_word(command, elsewhere, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", Full(errno.EPIPE, elsewhere))
    assert main(command.split()) == 141
    assert capsys.readouterr().err == ""


def test_ctrl_c_says_so(monkeypatch, capsys):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("backlit.costs.cost", interrupted)
    assert main(["cost", "--sizes", "3,2"]) == 130
    assert capsys.readouterr().err == "backlit: interrupted\n"


def test_an_unknown_format_is_told_plainly(capsys):
    assert main(["cost", "--sizes", "3,2", "--format", "xml"]) == 2
    assert "Value error" not in (err := capsys.readouterr().err)
    assert "'xml' is not one of 'text', 'json'" in err
