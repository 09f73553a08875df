"""Text in a terminal: colors that say the way, plain text elsewhere, lines no wider than asked."""

import io
import subprocess
import sys

import pytest
from rich.console import Console
from tests.commands import on_a_terminal
from tests.derivation.worked import explained

from backlit.derivation.examples import EXAMPLES
from backlit.render.derivation_text import Writer, show, to_text
from backlit.render.unicode_math import MARKS, OPEN, plain, way_of, width_of

WORKED = [sys.executable, "-m", "backlit", "explain", "--example", "worked", "--entry", "grad_W[1][1,0]"]


@pytest.fixture(scope="module", params=EXAMPLES)
def derivation(request):
    return explained(example=request.param).derivation


def test_plain_text_has_no_marks(derivation):
    assert not any(ord(c) in MARKS for c in to_text(derivation))
    assert "\x1b" not in to_text(derivation)


@pytest.mark.parametrize("width", [80, 110])
def test_lines_fit(derivation, width):
    for line in Writer(width, tight=True).lines(derivation):
        assert width_of(line) <= width, plain(line)


def test_a_narrow_terminal_loses_no_number(derivation):
    """What is broken differently has the same characters, spaces and signs of breaking aside."""
    wide, narrow = (characters(derivation, width) for width in (10_000, 80))
    assert wide == narrow


def characters(derivation, width):
    lines = [plain(line) for step in derivation.steps() for line in Writer(width, tight=True).step(step)]
    return sorted(c for c in "".join(lines) if c.isdigit() or c in "−·⊙")


def test_the_way_of_a_number_is_that_of_its_step(derivation):
    for step in derivation.steps():
        assert way_of(step.id) == step.way


def test_forward_and_backward_differ_in_color_and_sign():
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system="256", width=110)
    step = explained(example="worked").derivation.step("delta[1]")
    show(Writer(110).step(step), console)
    assert "\x1b[38;5;166m▼ delta[1]" in out.getvalue()
    assert OPEN["forward"] not in out.getvalue()


def test_a_terminal_has_colors_and_a_pipe_has_none():
    assert "\x1b[38;5;" in on_a_terminal(WORKED, "stdout", NO_COLOR="")[0]
    assert "38;5" not in on_a_terminal(WORKED, "stdout", NO_COLOR="1")[0]
    piped = subprocess.run(WORKED, capture_output=True, check=True).stdout.decode()
    assert "▼ grad_W[1][1,0]" in piped
    assert "\x1b" not in piped


def test_piped_text_is_as_wide_as_columns_say(monkeypatch, capsys):
    from backlit.cli import main

    lengths = {}
    for columns in ("80", "100"):
        monkeypatch.setenv("COLUMNS", columns)
        assert main(["explain", "--example", "softmax"]) == 0
        lengths[columns] = max(map(width_of, capsys.readouterr().out.splitlines()))
    assert lengths["80"] <= 80 < lengths["100"] <= 100
