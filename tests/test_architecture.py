"""ARCHITECTURE.md says what is so: its table is what is measured, its packages and links are there."""

import re
from pathlib import Path

import pytest
from tests.scripts import load_script
from tests.test_layering import FLOORS

import backlit

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
architecture = load_script("architecture")


def rows(text):
    """{call: [files, functions, depth]} of a table."""
    found = re.findall(r"^\| (.+?) \| (\d+) \| (\d+) \| (\d+) \|$", text, flags=re.M)
    return {name: [int(number) for number in numbers] for name, *numbers in found}


def size(text):
    """(modules, lines)."""
    said = re.search(r"The package has ([\d,]+) modules and ([\d,]+) lines", text)
    return tuple(int(number.replace(",", "")) for number in said.groups())


@pytest.fixture(scope="module")
def measured():
    return architecture.table()


def test_the_table_is_what_is_measured(measured):
    said, found = rows(TEXT), rows(measured)
    assert said.keys() == found.keys() == architecture.CALLS.keys()
    for name, (files, functions, depth) in found.items():
        assert [files, depth] == [said[name][0], said[name][2]], f"{name}: make architecture"
        assert functions == pytest.approx(said[name][1], rel=0.1), f"{name}: make architecture"


def test_who_follows_a_training_step_opens_eight_files_at_most(measured):
    (files, _, depth), *_ = rows(measured).values()
    assert files <= 8
    assert depth <= 6


def test_who_follows_explain_opens_forty_files_at_most(measured):
    *_, (files, _, depth) = rows(measured).values()
    assert files <= 40
    assert depth <= 20


def test_what_is_to_be_changed_for_an_extension_is_what_the_guide_and_the_sources_say(measured):
    row = re.compile(r"^\| (an? \w+) \| (\d+) \| (\d+|–) \|$", flags=re.M)
    assert row.findall(TEXT) == row.findall(measured), "make architecture"
    ones = ("an activation", "a loss", "an optimizer", "a schedule", "an initializer")
    assert {kind: files for kind, files, _ in row.findall(measured)} == {**dict.fromkeys(ones, "1"), "a command": "2"}


def test_a_second_file_is_counted():
    guide = "## Add a loss\n```python\n# src/backlit/a.py\n```\n`b/c.py` names it.\n## Other\n# src/backlit/d.py\n"
    assert architecture.extensions(guide)["a loss"][0] == 2


def test_the_size_is_what_is_measured(measured):
    assert size(TEXT) == pytest.approx(size(measured), rel=0.03), "make architecture"  # one more file changes no table


def test_a_call_is_followed_into_its_files():
    files, depth = architecture.followed(lambda: backlit.Dense(2, "tanh"))
    assert {"core/network.py", "registry.py"} <= set(files)
    assert "core/passes.py" not in files
    assert depth >= 3


def test_every_package_is_named_with_its_floor():
    said = re.findall(r"^\| (\d+) \| (`.+?`) \|", TEXT, flags=re.M)
    named = {name: int(floor) for floor, names in said for name in re.findall(r"`(\w+)`", names)}
    held = {name: floor for floor, names in enumerate(FLOORS, start=1) for name in names if name[0] != "_"}
    assert named == held


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!http)([^)#]+)", TEXT))))
def test_links_lead_somewhere(link):
    assert (ROOT / link).exists()
