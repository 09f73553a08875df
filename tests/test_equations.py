"""The registry of equations and the code agree: each number stands in exactly one line, and each tag has a number."""

import ast
import re
import tokenize
from collections import defaultdict
from pathlib import Path

import pytest

import backlit.equations
from backlit.equations import EQUATIONS

SOURCE = Path(backlit.equations.__file__).parent
ROOMS = [room for room in (SOURCE / "core", SOURCE / "optim") if room.is_dir()]
TAG = re.compile(r"\[([A-Z][A-Z0-9-]*)\]")


def tagged_lines() -> dict[str, list[str]]:
    """Where each tag stands, as "core/passes.py:120"; a tag is in a comment that begins with one."""
    found = defaultdict(list)
    for path in sorted(path for room in ROOMS for path in room.rglob("*.py")):
        with path.open("rb") as file:
            for token in tokenize.tokenize(file.readline):
                if token.type == tokenize.COMMENT and token.string.startswith("# ["):
                    for tag in TAG.findall(token.string):
                        found[tag].append(f"{path.relative_to(SOURCE).as_posix()}:{token.start[0]}")
    return dict(found)


LINES = tagged_lines()


@pytest.mark.parametrize("tag", LINES)
def test_every_tag_is_an_equation(tag):
    assert tag in EQUATIONS, f"{LINES[tag]} say [{tag}], which equations.py does not know"


@pytest.mark.parametrize("number", EQUATIONS)
def test_every_equation_stands_in_exactly_one_line(number):
    room = "optim" if number.startswith(("OPT-", "SCH-")) else "core"
    assert len(LINES.get(number, ())) == 1, f"[{number}] stands in {LINES.get(number, 'no line')}"
    assert LINES[number][0].startswith(f"{room}/")


def test_a_tag_ends_a_line_of_code():
    """Not a line of its own: the equation and its code are one line."""
    for places in LINES.values():
        for place in places:
            name, line = place.split(":")
            text = (SOURCE / name).read_text().splitlines()[int(line) - 1]
            assert not text.lstrip().startswith("#"), place
            assert re.search(r"# (\[[A-Z0-9-]+\] ?)+$", text), place


def test_numbers_are_unique():
    """A dict would hide a second equation of the same number, so count them in the source."""
    tree = ast.parse(Path(backlit.equations.__file__).read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    numbers = [ast.literal_eval(call.args[0]) for call in calls if call.func.id == "Equation"]
    assert sorted(numbers) == sorted(EQUATIONS)
    assert all(number == equation.id for number, equation in EQUATIONS.items())


@pytest.mark.parametrize("equation", EQUATIONS.values(), ids=lambda equation: equation.id)
def test_latex_is_balanced(equation):
    bare = re.sub(r"\\[{}]", "", equation.latex)
    depth = 0
    for sign in bare:
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0
    assert depth == 0
    commands = re.findall(r"\\[a-zA-Z]+", bare)
    for opening, closing in ((r"\left", r"\right"), (r"\lfloor", r"\rfloor"), (r"\begin", r"\end")):
        assert commands.count(opening) == commands.count(closing)
    assert bare.count("(") == bare.count(")")
    assert "$" not in bare


@pytest.mark.parametrize("equation", EQUATIONS.values(), ids=lambda equation: equation.id)
def test_sentence_and_source(equation):
    assert equation.sentence[0].isupper()
    assert equation.sentence.endswith(".")
    assert "\n" not in equation.sentence
    assert equation.source


def test_the_tests_reader_sees_tags():
    """Test the tester: a file with a planted tag and a tag in a string."""
    assert TAG.findall("# [BN1] [LN1]") == ["BN1", "LN1"]
    assert {"BP1", "BP2", "BP3", "BP4"} <= set(LINES)
