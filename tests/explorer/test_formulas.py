"""What the page says of each step is what `explain` says, and its tables are what Python writes."""

import json
import re
import xml.etree.ElementTree as ElementTree
from itertools import takewhile
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from tests.explorer import drawn
from tests.scripts import load_script

from backlit.derivation import context
from backlit.derivation.context import Context
from backlit.derivation.document import Step
from backlit.derivation.examples import EXAMPLES, read_example
from backlit.derivation.expressions import Chain
from backlit.derivation.numbers import Numbers
from backlit.derivation.sections import backward_pass, forward_pass
from backlit.formats.problems import read_problem
from backlit.render.mathml import mathml
from backlit.verification.catalogue import CATALOGUE

explorer_tables = load_script("explorer_tables")
SOME = max(10, settings().max_examples * 2 // 3)  # drawn networks whose every step is compared
# few specimens that show every step
FIRST = [46, 180, 149, 23, 162, 26, 44, 98, 37, 65, 75, 83, 9, 206, 27, 85, 196, 55, 73, 91, 124, 152, 181, 39, 115,
         187, 212]  # fmt: skip
WAY_OF_ITS_OWN = {"ell"}  # the page writes ℓ of one output, explain of all of them


def said_by_explain(problem: dict[str, Any]) -> dict[str, tuple[str, str, str, str]]:
    """The steps of the two passes: equation, title, sentence, formula."""
    read = read_problem(problem)
    s = Context(read, *read.passes(), Numbers(5))
    steps = [*forward_pass.section(s).blocks, *backward_pass.steps(s)]
    return {step.id: (step.equation, step.title, step.sentence, mathml(step.formula)) for step in steps
            if isinstance(step, Step)}  # fmt: skip


@pytest.fixture
def unworked(monkeypatch):
    """Python works no entry, for most of its time: what is compared is how a step is said, and its formula."""
    monkeypatch.setattr(context, "worked", lambda symbols, numbers: Chain((), ()))


@pytest.fixture(scope="module")
def networks() -> list[dict[str, Any]]:
    return [drawn.problem_file(seed) for seed in range(SOME)]


@pytest.fixture(scope="module")
def steps_of_networks(networks) -> list[list[dict[str, Any]]]:
    return drawn.described(networks)


@drawn.needs_node
@pytest.mark.usefixtures("unworked")
def test_each_step_of_the_examples_is_explains():
    examples = [read_example(name) for name in EXAMPLES]
    demand_explains(examples, drawn.described(examples))


@drawn.needs_node
@pytest.mark.usefixtures("unworked")
def test_each_step_of_drawn_networks_is_explains(networks, steps_of_networks):
    demand_explains(networks, steps_of_networks)


def demand_explains(problems: list[dict[str, Any]], said: list[list[dict[str, Any]]]) -> None:
    for problem, steps in zip(problems, said, strict=True):
        wanted = said_by_explain(problem)
        found = {step["id"]: step for step in steps if step["way"] != "update"}
        assert list(found) == list(wanted)
        for id, (equation, title, sentence, formula) in wanted.items():
            step = found[id]
            assert [step["equation"], step["title"], step["sentence"]] == [equation, title, sentence], id
            if id not in WAY_OF_ITS_OWN:
                assert f"<math>{step['formula']}</math>" == formula, id


@drawn.needs_node
def test_every_entry_is_the_value_that_it_shows(steps_of_networks):
    for steps in steps_of_networks:
        for step in steps:
            assert len(step["entries"]) == len(step["values"])
            for entry, value in zip(step["entries"], step["values"], strict=True):
                assert entry["value"] == value
                assert "⟦" not in entry["line"]
                ElementTree.fromstring(f"<math>{re.sub('&#x2061;', '', entry['line'])}</math>")


@drawn.needs_node
def test_worked_lines_compute_to_their_result(steps_of_networks):
    """Numbers, signs and brackets of lines that have no function in them, read back and computed."""
    counted = 0
    for steps in steps_of_networks:
        for step in steps:
            for entry in step["entries"]:
                made = computed(entry["line"])
                if made is None or not np.isfinite(entry["value"]):
                    continue
                value, size = made
                counted += 1
                assert abs(value - entry["value"]) <= 2e-4 * size + 1e-12, (step["id"], entry["line"])
    assert counted > 100 * len(steps_of_networks)


def computed(line: str) -> tuple[float, float] | None:
    """The middle part of left = middle ≈ result as a number, and the size of its terms; None where it has words."""
    whole = ElementTree.fromstring(f"<math>{line.replace('&#x2061;', '')}</math>")
    relations = [k for k, node in enumerate(whole) if node.text in ("=", "≈") and node.get("form") == "infix"]
    middle = whole[relations[0] + 1 : relations[-1]] if len(relations) == 2 else []
    if not middle or any(node.tag in ("mi", "msqrt") or node.text in DOTS for one in middle for node in one.iter()):
        return None
    text = "".join(map(python, middle)).replace("−", "-").replace("·", "*").replace("×", "*")
    try:
        return eval(text), max(abs(eval(text.replace("-", "+"))), 1e-3)  # digits, signs and brackets alone
    except ZeroDivisionError:  # an output that is printed as 1
        return None


DOTS = ("⋯", "[", "|", "→")


def python(node: ElementTree.Element) -> str:
    """MathML of numbers as Python writes it."""
    parts = [python(child) for child in node]
    match node.tag:
        case "mfrac":
            return "(({})/({}))".format(*parts)
        case "msup":
            return "({})**({})".format(*parts)
    return "".join(parts) or node.text or ""


@drawn.needs_node
def test_mistakes_have_names_of_the_catalogue(steps_of_networks):
    names = {
        mistake[0]
        for steps in steps_of_networks
        for step in steps
        for entry in step["entries"]
        for mistake in entry["mistakes"]
    }
    assert names <= set(CATALOGUE)
    assert len(names) > 20


@pytest.mark.usefixtures("unworked")
def test_tables_are_what_python_writes(monkeypatch):
    """From as many specimens as show each step once; `make web-check` demands that all others show the same.

    Those of FIRST show all steps; should one be missing, the others follow.
    """
    written = explorer_tables.OUT.read_text(encoding="utf-8")
    wanted, seen = set(json.loads(written)["steps"]), set()
    key, all_specimens = explorer_tables.key, list(explorer_tables.specimens())
    ordered = [*(all_specimens[k] for k in FIRST), *all_specimens]

    def noted(*step):
        seen.add(key(*step))
        return key(*step)

    monkeypatch.setattr(explorer_tables, "key", noted)
    monkeypatch.setattr(explorer_tables, "specimens", lambda: takewhile(lambda _: seen != wanted, ordered))
    assert written == explorer_tables.text(), "run make web"


def test_a_stale_table_is_told(tmp_path, monkeypatch, capsys):
    stale = tmp_path / "tables.json"
    stale.write_text("{}", encoding="utf-8")
    monkeypatch.setattr(explorer_tables, "OUT", stale)
    monkeypatch.setattr(explorer_tables, "text", lambda: "{ }")
    assert explorer_tables.main(["--check"]) == 1
    assert "make web" in capsys.readouterr().err
