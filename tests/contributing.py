"""The worked examples of CONTRIBUTING.md: each block is a file, and `add` runs it where it would be imported.

As a plugin of pytest (`-p tests.contributing`) it adds the records before tests are collected, so that every test over
a table runs for them too.
"""

import os
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"```python\n# (src/backlit/\S+)\n(.*?)```", re.DOTALL)
FILES: dict[str, str] = dict(BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))


def add(*names: str) -> dict[str, Any]:
    """Run the files of these names, without `.py`; what they define."""
    made: dict[str, Any] = {"__name__": "contributed"}
    for path, code in FILES.items():
        if Path(path).stem in names:
            exec(compile(code, path, "exec"), made)
    return made


if names := os.environ.get("BACKLIT_TEST_ADDS"):
    add(*names.split(","))
