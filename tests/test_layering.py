"""The floors of ARCHITECTURE.md, read from the imports: they run downhill only, and no circle is left anywhere.

Imports inside functions count as all others do; those for annotations alone (`if TYPE_CHECKING`) do not, for nothing
runs by them.  Nobody imports by a string but those who must: the package's `__init__`, which loads names when they are
first used, and the few files that are named here.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import backlit.errors

SOURCE = Path(backlit.errors.__file__).parent
FLOORS = [  # from the ground up; packages on one floor do not know each other
    ("_version", "deprecation", "display", "drawing", "equations", "errors", "processors", "signatures", "terminal"),
    ("bounded_reading", "files", "registry"),
    ("autodiff", "optim", "tables"),
    ("core",),
    ("engine", "formats", "gradcheck"),
    ("costs", "derivation", "jobs", "training", "verification"),
    ("diagnosis", "distributed"),
    ("render",),
    ("estimators", "tabular"),
    ("api",),
    ("cli",),
    ("__init__", "__main__"),
]
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
MODULES = {
    ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(SOURCE.rglob("*.py"))
}
BY_STRING = {  # who imports by a string, and why
    "backlit": "names of the package are loaded when they are first used",
    "backlit.verification": "likewise",
    "backlit.deprecation": "an old name gives the module of the new one",
    "backlit.registry": "a folder's records are all that lie in it",
    "backlit.engine.native": "SciPy's BLAS is found by its capsule",
    "backlit.engine.native_support": "the extension may not have been built",
}


def room_of(module: str) -> str:
    """The package under backlit, or the module's own name at the top."""
    return "__init__" if module == "backlit" else module.split(".")[1]


def without_annotations(tree: ast.Module) -> ast.Module:
    """The tree less what stands under `if TYPE_CHECKING`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    return tree


def imports(tree: ast.AST, package: tuple[str, ...] = ("backlit",)) -> Iterator[str]:
    """Every module that is imported anywhere in the tree, as a dotted name; `package` resolves relative ones."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*above, *filter(None, [node.module])))
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield full if full in MODULES or base == "backlit" else base


@cache
def imported(module: str) -> set[str]:
    """The modules of backlit that a module imports."""
    path = MODULES[module]
    package = ("backlit", *path.relative_to(SOURCE).parts[:-1])
    tree = without_annotations(ast.parse(path.read_text()))
    return {name for name in imports(tree, package) if name.split(".")[0] == "backlit"}


def uphill(room: str, names: set[str]) -> set[str]:
    """The rooms among the imported names that `room` must not know."""
    rooms = {room_of(name) if room_of(name) in FLOOR_OF else "__init__" for name in names}
    return {other for other in rooms if other != room and FLOOR_OF[other] >= FLOOR_OF[room]}


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Sets of modules that lead back to themselves: strongly connected components of two or more (Tarjan 1972)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(node: str) -> None:
        number[node] = low[node] = len(number)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in number:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], number[other])
        if low[node] == number[node]:
            part = set(stack[stack.index(node) :])
            del stack[stack.index(node) :]
            if len(part) > 1:
                found.append(part)

    for node in graph:
        if node not in number:
            visit(node)
    return found


STRINGS = {"import_module", "__import__"}


def strings_imported(text: str) -> bool:
    """Whether a program names `import_module` or `__import__`, and not in its words alone."""
    if not any(name in text for name in STRINGS):
        return False
    tree = ast.parse(text)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return bool(names & STRINGS)


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_downhill(module):
    room = room_of(module)
    wrong = uphill(room, imported(module))
    assert not wrong, f"{module} is on floor {FLOOR_OF[room]}, and must not know {sorted(wrong)}"


def test_every_room_has_a_floor():
    rooms = {room_of(module) for module in MODULES}
    assert rooms == set(FLOOR_OF), "ARCHITECTURE.md and FLOORS name each package once"


def test_no_circle():
    found = circles({module: imported(module) & set(MODULES) for module in MODULES})
    assert not found, f"these import each other: {[sorted(part) for part in found]}"


def test_who_imports_by_a_string():
    found = {module for module, path in MODULES.items() if strings_imported(path.read_text())}
    assert found == set(BY_STRING)


@pytest.mark.parametrize("module", [module for module in MODULES if room_of(module) == "core"])
def test_core_needs_numpy_alone(module):
    """SciPy comes in inside a function, when it is first needed."""
    tree = ast.parse(MODULES[module].read_text())
    outside = ast.Module([node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], [])
    standard = set(sys.stdlib_module_names) | {"backlit"}
    assert {name.split(".")[0] for name in imports(outside)} - standard <= {"numpy"}
    assert {name.split(".")[0] for name in imports(tree)} - standard <= {"numpy", "scipy"}


# --- test the tester --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("room", "line", "wrong"), [
    ("core", "from backlit.engine import plan", {"engine"}),
    ("core", "import backlit.training.trainer", {"training"}),
    ("optim", "from backlit import core", {"core"}),
    ("tables", "def f():\n    from backlit.engine import plan", {"engine"}),
    ("errors", "from backlit.core import Dense", {"core"}),
    ("core", "from backlit import Dense", {"__init__"}),
    ("core", "from ..formats import problems", {"formats"}),
    ("training", "from backlit.costs import cost", {"costs"}),
    ("core", "from ..errors import ShapeError\nfrom .network import Dense\nimport numpy", set()),
    ("cli", "from backlit.core import Dense\nfrom backlit.optim import adam", set()),
])  # fmt: skip
def test_the_rule_sees_a_planted_import(room, line, wrong):
    assert uphill(room, set(imports(ast.parse(line), ("backlit", room))) - {"numpy"}) == wrong


def test_annotations_alone_are_no_import():
    tree = ast.parse("if TYPE_CHECKING:\n    from backlit.engine import plan\nelse:\n    import backlit.core")
    assert set(imports(without_annotations(tree))) == {"backlit.core"}


def test_a_planted_circle_is_seen():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set()}) == [{"a", "b", "c"}]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


@pytest.mark.parametrize("line", ["importlib.import_module('x')", "import_module('x')", "__import__('x')"])
def test_a_planted_string_is_seen(line):
    assert strings_imported(line)
    assert not strings_imported(f"print({line!r})")
