"""Where the optional packages are missing, tests and doctests that need one are skipped, and none errors.

That no module imports one of them at its top, which would end the collection, is ruff's to see (TID253).
"""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tests.helpers import HANGS

ROOT = Path(__file__).parents[1]
RULES = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]["lint"]
OPTIONAL = RULES["flake8-tidy-imports"]["banned-module-level-imports"]
ASKED = (  # those that may need one, and take a second or so
    *("src/backlit/formats", "src/backlit/tables/frames.py", "src/backlit/tabular/estimators.py"),
    *("src/backlit/tabular/search.py", "tests/tabular/test_search.py", "tests/tables/test_sources.py"),
    *("tests/derivation/test_worksheet.py::test_every_format_has_it", "tests/cli/test_help.py", "tests/test_race.py"),
    "tests/tabular/test_on_a_cluster.py::test_the_command_says_what_it_did",
)
WITHOUT = """
import sys
from importlib.machinery import PathFinder

import pytest

missing, find = sys.argv[1].split(","), PathFinder.find_spec
PathFinder.find_spec = lambda name, *rest: None if name.partition(".")[0] in missing else find(name, *rest)
sys.exit(pytest.main(sys.argv[2:]))
"""


@pytest.mark.slow
def test_what_needs_an_optional_package_is_skipped_where_none_is_found():
    options = ("-q", "-p", "no:cacheprovider", "-m", "not interop and not slow")
    command = [sys.executable, "-c", WITHOUT, ",".join(OPTIONAL), *options, *ASKED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANGS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
