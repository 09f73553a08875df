"""Scripts as modules, so that a test runs a short form of what a script runs at length."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

SCRIPTS = Path(__file__).parent.parent / "scripts"


def load_script(name: str) -> ModuleType:
    """scripts/NAME.py as a module."""
    spec = importlib.util.spec_from_file_location(f"scripts_{name}", SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses and pickle look for it
    with patch.object(sys, "path", [*sys.path, str(SCRIPTS)]):  # a script may import another
        spec.loader.exec_module(module)
    return module
