"""The worked examples of CONTRIBUTING.md, one file a block: `add` runs it, `copy_of_the_house` puts it in place."""

import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from backlit.engine.native_support import extension

ROOT = Path(__file__).resolve().parent.parent
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FILES: dict[str, str] = dict(re.findall(r"```python\n# (src/backlit/\S+)\n(.*?)```", GUIDE, re.DOTALL))
MADE = shutil.ignore_patterns(
    ".*cache", ".git", ".hypothesis", ".venv", "__pycache__", "build", "demo", "dist", "node_modules", "site"
)
COMMANDS = "src/backlit/cli/commands.py"


def add(*names: str) -> dict[str, Any]:
    """Run the files of these names, without `.py`; what they define."""
    made: dict[str, Any] = {"__name__": "contributed"}
    for path, code in FILES.items():
        if Path(path).stem in names:
            exec(compile(code, path, "exec"), made)
    return made


def commands_with_the_guides() -> str:
    """`cli/commands.py` after what the guide says of it: the command among the imports, its line in EXAMPLES."""
    line, name = re.search(r"```python\n(    (\w+): \(.*\),\n)```", GUIDE).groups()
    text = (ROOT / COMMANDS).read_text(encoding="utf-8")
    if line in text:  # in a copy of the house
        return text
    imported = re.search(r"from backlit\.cli import \(\n(.*?)\)", text, re.DOTALL)[1]
    text = text.replace(imported, "".join(sorted([*imported.splitlines(keepends=True), f"    {name},\n"])))
    return text.replace("\n}\nPANELS", f"\n{line}}}\nPANELS")


def copy_of_the_house(folder: Path) -> dict[str, str]:
    """Copy sources and tests, with every file of the guide in its place; the environment in which Python finds them.

    Python has to run there without `site`, which would find the sources that are installed.
    """
    shutil.copytree(ROOT, folder, ignore=MADE)
    for path, text in {**FILES, COMMANDS: commands_with_the_guides()}.items():
        (folder / path).write_text(text, encoding="utf-8")
    if extension() is not None:
        shutil.copy(extension().__file__, folder / "src/backlit")
    others = [path for path in sys.path if path and not Path(path).is_relative_to(ROOT / "src") and Path(path) != ROOT]
    return {"PYTHONPATH": os.pathsep.join([str(folder / "src"), *others])}
