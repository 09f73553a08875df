"""Old names of modules that moved: they are the new modules themselves, and one warning names the new name."""

import pickle
import subprocess
import sys
import warnings
from importlib import import_module

import pytest
from tests.helpers import quick_first

import backlit.errors
import backlit.optim.schedules
from backlit.deprecation import OLD_NAMES, deprecated_module


@pytest.fixture
def moved():
    """Registers names that moved, and takes them back."""
    before = dict(OLD_NAMES.table)
    yield deprecated_module
    for old in OLD_NAMES.table.keys() - before.keys():
        for name in [name for name in sys.modules if name == old or name.startswith(f"{old}.")]:
            del sys.modules[name]
    OLD_NAMES.table = before


def test_the_old_name_is_the_new_module_and_warns_once_where_it_is_imported(moved):
    moved("backlit.faults", "backlit.errors")
    spec = backlit.errors.__spec__
    with pytest.warns(DeprecationWarning, match=r"backlit\.faults is now backlit\.errors") as caught:
        from backlit.faults import ShapeError
    assert caught[0].filename == __file__
    assert ShapeError is backlit.errors.ShapeError
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert import_module("backlit.faults") is backlit.errors
    assert backlit.errors.__spec__ is spec
    assert backlit.errors.__name__ == "backlit.errors"


def test_a_moved_package_brings_its_modules(moved):
    moved("backlit.rules", "backlit.optim")
    with pytest.warns(DeprecationWarning, match="import it from there") as caught:
        old = import_module("backlit.rules.schedules.cosine")
    assert len(caught) == 1
    assert old is sys.modules["backlit.optim.schedules.decay"]
    assert import_module("backlit.rules.schedules") is backlit.optim.schedules


def test_other_names_are_left_alone(moved):
    moved("backlit.rules", "backlit.optim")
    with pytest.raises(ModuleNotFoundError, match="rulesets"):
        import_module("backlit.rulesets")


def test_a_pickle_that_names_the_old_module_is_read(moved):
    moved("backlit.faults", "backlit.errors")
    written = pickle.dumps(backlit.errors.ShapeError).replace(b"\x0ebacklit.errors", b"\x0ebacklit.faults")
    assert b"faults" in written
    with pytest.warns(DeprecationWarning, match="faults"):
        assert pickle.loads(written) is backlit.errors.ShapeError


def test_registering_imports_nothing():
    code = (
        "import sys; from backlit.deprecation import deprecated_module; before = set(sys.modules)\n"
        "deprecated_module('backlit.rules', 'backlit.optim'); assert set(sys.modules) == before"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_the_nearest_entry_counts_and_one_finder_knows_all(moved):
    moved("backlit.rules", "backlit.optim")
    moved("backlit.rules.faults", "backlit.errors", warns=False)
    assert OLD_NAMES.new_name("backlit.rules.faults") == "backlit.errors"
    assert OLD_NAMES.new_name("backlit.rules.schedules.decay") == "backlit.optim.schedules.decay"
    assert OLD_NAMES.new_name("backlit.ruleset") is None
    assert sys.meta_path.count(OLD_NAMES) == 1


@pytest.mark.parametrize("old", OLD_NAMES.table)
def test_every_old_name_has_a_module(old):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert import_module(old) is import_module(OLD_NAMES.new_name(old))


FUNCTIONS = ["gelu normal_cdf", "elu elu", "leaky_relu leaky_relu", "sigmoid sigmoid", "softplus softplus",
             "tanh tanh_slope"]  # fmt: skip


@pytest.mark.parametrize("name", quick_first(FUNCTIONS, 2))
def test_a_pickle_finds_a_function_where_it_stood_in_a_file_of_its_own(name):
    """In a fresh process: a module that is loaded by an old name must not take the place of the function."""
    module, function = name.split()
    there = f"cbacklit.core.activations.{module}\n{function}\n.".encode()
    code = f"""import pickle
read = pickle.loads({there!r})
from backlit.core.activations import {function}
print(read is {function})
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"
