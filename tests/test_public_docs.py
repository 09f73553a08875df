"""What is public says what it takes, what it gives, what it raises, and shows an example; read from the docstrings.

numpydoc's validator reads the sections; what it doesn't know (defaults, errors in the code, the return's annotation) is
looked up in the signature and the source.  That the examples run is seen to by `--doctest-modules`.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from numpydoc import validate
from numpydoc.docscrape import FunctionDoc

import backlit

PACKAGES = (
    "backlit",
    "backlit.costs",
    "backlit.derivation",
    "backlit.diagnosis",
    "backlit.estimators",
    "backlit.formats.onnx",
    "backlit.formats.scikit_learn",
    "backlit.formats.state_dicts",
    "backlit.optim",
    "backlit.optim.schedules",
    "backlit.tabular",
    "backlit.training",
    "backlit.verification",
)
CHECKS = {
    "GL07": "sections stand where readers look for them",
    "GL08": "there is a docstring",
    "SS01": "it begins with a summary",
    "SS06": "which is one line, for lists of names",
    "PR01": "every parameter is described",
    "PR02": "and nothing that is no parameter",
    "PR03": "in the signature's order",
    "PR04": "with a type",
    "PR07": "and words",
    "PR10": "in the form that numpydoc reads",
    "RT03": "what is returned is described too",
}


def public(package: str) -> Iterator[str]:
    """The full names of its public functions and classes, each under the first package that has it."""
    module = import_module(package)
    for name in module.__all__:
        if inspect.isclass(getattr(module, name)) or inspect.isfunction(getattr(module, name)):
            yield f"{package}.{name}"


def public_things() -> dict[str, Any]:
    """Each once, under the first package that has it."""
    names = {id(named(name)): name for package in reversed(PACKAGES) for name in public(package)}
    return {name: named(name) for name in names.values()}


def named(name: str) -> Any:
    package, _, last = name.rpartition(".")
    return getattr(import_module(package), last)


NAMES = public_things()
METHODS = {
    f"backlit.{cls.__name__}.{name}": method
    for cls in (backlit.MLPClassifier, backlit.MLPRegressor)
    for name, method in inspect.getmembers(cls, callable)
    if not name.startswith("_") and method.__module__.startswith("backlit.")
}


def is_protocol(thing: Any) -> bool:
    """Whether it is a protocol, whose constructor nobody calls."""
    return getattr(thing, "_is_protocol", False)


def parameters(thing: Any) -> dict[str, inspect.Parameter]:
    """Its parameters by name, or those of its constructor."""
    if is_protocol(thing):
        return {}
    return {name: p for name, p in inspect.signature(thing).parameters.items() if name not in ("self", "cls")}


def sections(thing: Any) -> FunctionDoc:
    return FunctionDoc(thing, doc=inspect.getdoc(thing) or "")


def faults(name: str, thing: Any) -> list[str]:
    """What its docstring lacks."""
    found = [f"{code}: {text}" for code, text in validate.validate(name)["errors"] if code in CHECKS]
    if is_protocol(thing):  # numpydoc sees the *args of its constructor
        found = [fault for fault in found if not fault.startswith("PR01")]
    return [*found, *missing_sections(thing), *wrong_defaults(thing), *errors_left_out(thing)]


def missing_sections(thing: Any) -> Iterator[str]:
    """Returns, or Yields, unless it gives None; Raises in words alone."""
    doc = sections(thing)
    if not inspect.isclass(thing) and not (doc["Returns"] or doc["Yields"]):
        annotation = inspect.signature(thing).return_annotation
        if annotation not in (None, "None"):
            yield f"it gives {annotation}, and has no section Returns"
    if re.search(r"\bRaises? (\w+Error|Divergence)\b", inspect.getdoc(thing) or ""):
        yield "errors are told in a sentence: give them a section Raises"


def wrong_defaults(thing: Any) -> Iterator[str]:
    """Each default stands behind the type, as Python writes it; "optional" is None, or what a factory makes."""
    described = {name: p.type for p in sections(thing)["Parameters"] for name in p.name.split(", ")}
    for name, p in parameters(thing).items():
        told = described.get(name, "")
        default = p.default.__name__ if inspect.isclass(p.default) else repr(p.default)
        if p.default is p.empty:
            right = "default " not in told and not told.endswith("optional")
        elif p.default is None or "<" in default:  # a factory's, or a function's
            right = told.endswith(", optional")
        else:
            right = told.endswith((f"default {default}", f"default numpy.{default}"))
        if not right:
            yield f"{name}: its default is {p.default!r}, but it is described as {told!r}"


def errors_left_out(thing: Any) -> Iterator[str]:
    """Errors that its own code raises and its section Raises does not name, nor a class above them."""
    told = [getattr(import_module(module), raised.type, None) for raised in sections(thing)["Raises"]
            for module in ("backlit.errors", "builtins")]  # fmt: skip
    for error in set() if is_protocol(thing) else raised_by(thing.__init__ if inspect.isclass(thing) else thing):
        known = getattr(import_module("backlit.errors"), error, None) or getattr(import_module("builtins"), error, None)
        if known is not None and not any(isinstance(t, type) and issubclass(known, t) for t in told):
            yield f"it raises {error}, which its section Raises does not name"


def raised_by(function: Any) -> set[str]:
    """Names of what a function's own source raises."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    except (OSError, TypeError):  # one that dataclasses made, or C
        return set()
    raising = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise)]
    return {node.func.id for node in raising if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_described(name):
    assert faults(name, NAMES[name]) == []
    assert ">>> " in "\n".join(sections(NAMES[name])["Examples"]), "it shows no example that runs"


@pytest.mark.parametrize("name", METHODS)
def test_a_method_of_the_estimators_is_described(name):
    assert faults(name, METHODS[name]) == []


def test_the_page_on_versions_names_the_same_packages():
    page = (Path(__file__).parents[1] / "docs" / "versions.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"`(backlit[\w.]*)`", page.split("## What is public")[1].split("\n- The commands")[0]))
    assert listed == set(PACKAGES)


def test_the_changelog_has_this_version_as_its_newest_release():
    changelog = (Path(__file__).parents[1] / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(.*?)\](?: - (\d{4}-\d\d-\d\d))?$", changelog, flags=re.MULTILINE)
    assert headings[0] == ("Unreleased", "")
    assert headings[1][0] == backlit.__version__
    assert all(date for _, date in headings[1:])
    assert backlit.__version__ not in (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")


def test_names_and_methods_are_found():
    assert {"backlit.Network", "backlit.check", "backlit.MLPClassifier", "backlit.optim.Adam"} <= set(NAMES)
    assert len(NAMES) > 60
    assert {"backlit.MLPClassifier.fit", "backlit.MLPRegressor.predict", "backlit.MLPRegressor.load"} <= set(METHODS)


def scale(x, factor=2.0):
    """Multiply numbers.

    Parameters
    ----------
    x : float
        A number.
    factor : float, default 2.0
        What it is multiplied by.

    Returns
    -------
    float
        The product.

    Raises
    ------
    ValueError
        If the factor is 0.
    """
    if not factor:
        raise ValueError("factor is 0: give another")
    return x * factor


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("factor : float, default 2.0\n    What it is multiplied by.\n", "", "PR01"),
        ("x : float\n    A number", "w : float\n    A number", "PR02"),
        ("x : float\n    A number.\n", "x : float\n", "PR07"),
        ("default 2.0", "default 3.0", "default is 2.0"),
        (", default 2.0", "", "default is 2.0"),
        ("Returns\n-------\nfloat\n    The product.\n\n", "", "no section Returns"),
        ("ValueError\n    If", "TypeError\n    If", "raises ValueError"),
        ("Multiply numbers.\n", "Multiply numbers,\ntwo of them.\n", "SS06"),
        ("Multiply numbers.\n", "Multiply numbers.\n\nRaises ValueError for 0.\n", "section Raises"),
        ("", "", None),
    ],
)
def test_a_planted_fault_is_found(before, after, found, monkeypatch):
    doc = inspect.cleandoc(scale.__doc__)
    assert before in doc
    monkeypatch.setattr(scale, "__doc__", doc.replace(before, after, 1))
    name = f"{__name__}.scale"
    monkeypatch.setattr(validate.Validator, "_load_obj", staticmethod(lambda _: scale))
    told = faults(name, scale)
    assert (told == []) if found is None else any(found in fault for fault in told), told
