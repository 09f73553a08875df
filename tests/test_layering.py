"""The floors of the house, read from the imports: they run downhill, and rooms on one floor do not know each other.

Floor 2, `tabular`, is where a table goes in and a model comes out; it stands above the estimators that it uses.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import backlit.errors

SOURCE = Path(backlit.errors.__file__).parent
FLOORS = [
    ("__init__", "__main__"),
    ("cli",),
    ("tabular", "verbs"),
    ("estimators",),
    ("render",),
    ("training", "costs"),
    ("verification", "derivation", "diagnosis", "engine", "io"),
    ("gradcheck",),
    ("core",),
    ("equations", "autodiff", "optim"),
    ("errors", "display", "_version", "deprecation", "signatures"),
]
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
MODULES = sorted(SOURCE.rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def room_of(path: Path) -> str:
    """The package under backlit, or the module's own name at the top."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(tree: ast.AST, package: tuple[str, ...]) -> Iterator[str]:
    """Every module that is imported anywhere in the tree, as a dotted name; `package` resolves relative ones."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*above, *filter(None, [node.module])))
            if base == "backlit":  # from backlit import core
                yield from (f"backlit.{alias.name}" for alias in node.names)
            else:
                yield base


def rooms_imported(tree: ast.AST, package: tuple[str, ...] = ("backlit",)) -> set[str]:
    """The rooms of backlit that the tree imports; a name of the top-level package counts as `__init__`."""
    names = [name.split(".") for name in imports(tree, package) if name.split(".")[0] == "backlit"]
    return {parts[1] if len(parts) > 1 and parts[1] in FLOOR_OF else "__init__" for parts in names}


def uphill(room: str, imported: set[str]) -> set[str]:
    """Those of the imported rooms that `room` must not know."""
    return {other for other in imported if other != room and FLOOR_OF[other] <= FLOOR_OF[room]}


def packages_at_module_level(tree: ast.Module) -> set[str]:
    """Top-level names of what is imported when the module is, outside functions and `if TYPE_CHECKING`."""
    outside = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return {name.split(".")[0] for name in imports(ast.Module(outside, []), ("backlit",))}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_run_downhill(path):
    room = room_of(path)
    package = ("backlit", *path.relative_to(SOURCE).parts[:-1])
    wrong = uphill(room, rooms_imported(ast.parse(path.read_text()), package))
    assert not wrong, f"{name_of(path)} is in {room}, on floor {FLOOR_OF[room]}, and must not know {sorted(wrong)}"


def test_every_room_has_a_floor():
    rooms = {room_of(path) for path in MODULES}
    assert rooms <= set(FLOOR_OF), f"give {sorted(rooms - set(FLOOR_OF))} a floor in FLOORS"


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path) == "core"], ids=name_of)
def test_core_needs_numpy_alone(path):
    """SciPy comes in inside a function, when it is first needed."""
    tree = ast.parse(path.read_text())
    standard = set(sys.stdlib_module_names) | {"backlit"}
    assert packages_at_module_level(tree) - standard <= {"numpy"}
    assert {name.split(".")[0] for name in imports(tree, ("backlit", "core"))} - standard <= {"numpy", "scipy"}


@pytest.mark.parametrize(("room", "line", "wrong"), [
    ("core", "from backlit.engine import plan", {"engine"}),
    ("core", "import backlit.training.trainer", {"training"}),
    ("optim", "from backlit import core", {"core"}),
    ("io", "def f():\n    from backlit.engine import plan", {"engine"}),
    ("errors", "from backlit.core import Dense", {"core"}),
    ("core", "from backlit import Dense", {"__init__"}),
    ("core", "from ..io import problems", {"io"}),
    ("core", "from ..errors import ShapeError\nfrom .network import Dense\nimport numpy", set()),
    ("cli", "from backlit.core import Dense\nfrom backlit.optim import adam", set()),
])  # fmt: skip
def test_the_rule_sees_a_planted_import(room, line, wrong):
    """Test the tester."""
    assert uphill(room, rooms_imported(ast.parse(line), ("backlit", room))) == wrong
