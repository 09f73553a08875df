"""scripts/command_kills.py finds an output written in place, a 0 for a cut one, and what a kill leaves behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PLANTED = """
import sys
from pathlib import Path
from command_kills import Case, ends_as_a_page, fault_of, run, unfinished
from backlit.files import atomic_write, check_outputs

PAGE = "<html>" + "x" * 9000 + "</html>"

def in_place():
    with open("e.html", "w") as file:
        file.write(PAGE[:5000])
        file.flush()
        open("other", "w").close()
        file.write(PAGE[5000:])

def whole():
    check_outputs("e.html")
    with atomic_write("e.html") as temporary:
        temporary.write_text(PAGE)

def careless():
    try:
        whole()
    except Exception:
        pass

def said(function, **told):
    case = Case(function, {"e.html": ends_as_a_page})
    ended = run(case, folder, **told)
    print(ended.code, fault_of(case, folder, {"e.html": None}, ended)[:40], len(unfinished(case, folder)), sep="; ")

folder = Path.cwd()
said(in_place, at_event=2)
(folder / "e.html").unlink()
said(whole, at_event=2)
said(careless, most=100)
said(whole)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_what_is_cut_is_found_and_what_is_whole_is_not(tmp_path):
    scripts = Path(__file__).parents[2] / "scripts"
    done = subprocess.run(
        [sys.executable, "-c", PLANTED], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=300,
        env=os.environ | {"PYTHONPATH": str(scripts)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "-9; e.html is neither the old one nor whole:; 0",
        "-9; ; 1",  # killed as it wrote
        "0; e.html is neither the old one nor whole:; 0",  # a full disk, and nobody said so
        "0; ; 0",  # and what the kill had left is gone
    ]
