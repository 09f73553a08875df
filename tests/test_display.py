"""Results show themselves through hooks, and know no renderer."""

import ast
import importlib
from pathlib import Path

import pytest

import backlit
from backlit.display import Displayed, register, written


class Answer(Displayed):
    pass


class Better(Answer):
    pass


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    monkeypatch.setattr("backlit.display.WRITERS", {})


def test_a_result_without_a_writer_is_its_repr():
    answer = Answer()
    assert str(answer) == repr(answer)
    assert answer._repr_html_() is None
    assert answer._repr_markdown_() is None


def test_a_subclass_shows_itself_as_its_class_does():
    register("Answer", html=lambda: lambda answer: f"<b>{type(answer).__name__}</b>")
    assert Better()._repr_html_() == "<b>Better</b>"
    register("Better", html=lambda: lambda answer: "better")
    assert (Better()._repr_html_(), Answer()._repr_html_()) == ("better", "<b>Answer</b>")


@pytest.mark.parametrize(("result", "format"), [(r, f) for r, formats in backlit.DISPLAYS.items() for f in formats])
def test_every_writer_is_there(result, format):
    module, function = backlit.DISPLAYS[result][format].rsplit(".", 1)
    assert callable(getattr(importlib.import_module(f"backlit.{module}"), function))


def test_every_displayed_result_has_a_writer():
    source = Path(backlit.__file__).parent
    displayed = {
        node.name
        for path in source.rglob("*.py")
        if "Displayed" in (text := path.read_text())
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ClassDef) and any(isinstance(b, ast.Name) and b.id == "Displayed" for b in node.bases)
    }
    estimators = {"BaseMLP", "BaseTabular"}  # which scikit-learn prints: they have `to_text` alone
    assert displayed | estimators == set(backlit.DISPLAYS)


def test_a_writer_is_loaded_when_it_is_needed():
    loads = []
    register("Late", text=lambda: loads.append(1) or (lambda result: "late"))
    late = type("Late", (Displayed,), {})()
    assert loads == []
    assert (written(late, "text"), loads) == ("late", [1])
