"""Slides: a step a frame or a picture, with its law and its numbers; wrong places to write to are one line."""

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import pytest
from tests.derivation.worked import explained

from backlit.cli import main
from backlit.derivation.examples import EXAMPLES
from backlit.render import derivation_typst
from backlit.render.derivation_latex import aligned

DRAWN = {}
needs_beamer = pytest.mark.skipif(
    not (shutil.which("pdflatex") and shutil.which("kpsewhich"))
    or subprocess.run(["kpsewhich", "beamer.cls"], capture_output=True, check=False).returncode != 0,
    reason="no beamer here",
)


@pytest.fixture
def drawn_once(monkeypatch):
    """Typst draws a derivation once for all tests."""

    def once(derivation):
        if derivation.title not in DRAWN:
            DRAWN[derivation.title] = compute(derivation)
        return DRAWN[derivation.title]

    compute = derivation_typst.svg_steps
    monkeypatch.setattr(derivation_typst, "svg_steps", once)


@pytest.mark.parametrize("example", EXAMPLES)
def test_beamer_has_a_frame_for_each_step_with_its_numbers(example):
    made = explained(example=example)
    frames = re.findall(r"\\begin\{frame\}\[shrink\](.*?)\\end\{frame\}", made.to_beamer(), re.DOTALL)
    steps = list(made.derivation.steps())
    assert len(frames) == len(steps) + 2  # at a glance, and the network
    for step, frame in zip(steps, frames[2:], strict=True):
        assert all(aligned(line.chain) in frame for line in step.in_brief)
        assert frame.count(r"\pause") >= 1
        assert frame.count("{") == frame.count("}")


@pytest.mark.slow
@needs_beamer
def test_beamer_compiles(tmp_path):
    (tmp_path / "it.tex").write_text(explained(example="residual").to_beamer(), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "it.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-600:]


@pytest.mark.usefixtures("drawn_once")
def test_an_svg_a_step(tmp_path, capsys):
    pytest.importorskip("typst")
    assert main(["explain", "--example", "worked", "--svg-steps", str(tmp_path / "slides")]) == 0
    steps = [step.id for step in explained(example="worked").derivation.steps()]
    assert f"{len(steps)} steps are in" in capsys.readouterr().out
    files = sorted((tmp_path / "slides").iterdir())
    assert [file.stem.split("-", 1)[1] for file in files] == [i.replace("[", "-").replace("]", "") for i in steps]
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert ET.fromstring(text).tag.endswith("svg")
        assert not re.search(r'(?:href|src)="(?!#)', text)  # drawn, not fetched


@pytest.mark.usefixtures("drawn_once")
def test_svgs_beside_another_format(tmp_path, capsys):
    pytest.importorskip("typst")
    assert main(["explain", "--example", "worked", "--svg-steps", str(tmp_path), "--format", "json"]) == 0
    assert capsys.readouterr().out.startswith("{")
    assert len(list(tmp_path.iterdir())) > 10


@pytest.mark.usefixtures("drawn_once")
def test_a_folder_that_cannot_be_is_one_line(tmp_path, capsys):
    pytest.importorskip("typst")
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert main(["explain", "--example", "worked", "--svg-steps", str(tmp_path / "file")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "cannot be a folder" in said


def test_a_tex_file_may_be_slides(tmp_path):
    assert main(["explain", "--example", "worked", "--format", "beamer", "-o", str(tmp_path / "talk.tex")]) == 0
    assert "{beamer}" in (tmp_path / "talk.tex").read_text(encoding="utf-8")
