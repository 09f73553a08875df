"""Names that moved: the old import goes on working, and warns once with the new name."""

import sys
import warnings
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def deprecated_module(old: str, new: str, *, warns: bool = True) -> None:
    """Let `import old` give the module `new`, with a DeprecationWarning on its first import; submodules too.

    The old name is the very module, not a copy of it: its classes are the same classes, so that pickles which name the
    old module are read.  Nothing is imported, and nobody is warned, before the old name is asked for.

    Parameters
    ----------
    old, new : str
        Full names of the modules, such as "backlit.io" and "backlit.formats".

    Examples
    --------
    >>> import warnings
    >>> deprecated_module("backlit.blunders", "backlit.errors")
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     from backlit.blunders import ShapeError
    >>> str(caught[0].message)
    'backlit.blunders is now backlit.errors: import it from there; the next minor version drops the old name'
    """
    sys.meta_path.insert(0, Alias(old, new, warns))


class Alias(MetaPathFinder, Loader):
    """Finds the modules of an old name, and loads those of the new name in their place."""

    def __init__(self, old: str, new: str, warns: bool):
        self.old, self.new, self.warns = old, new, warns
        self.specs: dict[str, ModuleSpec | None] = {}  # of the new modules, which the import system writes over

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """The old name's spec; None for every other name."""
        if fullname != self.old and not fullname.startswith(f"{self.old}."):
            return None
        if fullname == self.old and self.warns:  # once: later imports find it in sys.modules
            warnings.warn(
                f"{self.old} is now {self.new}: import it from there; the next minor version drops the old name",
                DeprecationWarning,
                stacklevel=2,  # frames of the import system are not counted
            )
        return ModuleSpec(fullname, self)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The new module itself."""
        module = import_module(self.new + spec.name.removeprefix(self.old))
        self.specs[spec.name] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module as it is, with the spec by which it was made; it has run under its new name."""
        assert module.__spec__ is not None  # the import system has just set it
        module.__spec__ = self.specs[module.__spec__.name]
