"""Model files changed by hand, for tests of what reads them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file


def edited(path: Path, change: Callable[[dict[str, Any], dict[str, np.ndarray]], object]) -> Path:
    """Write the file again after `change(description, arrays)`, which changes them in place."""
    with safe_open(path, framework="numpy") as file:
        description = json.loads(file.metadata()["backlit"])
    arrays = load_file(path)
    change(description, arrays)
    save_file(arrays, path, metadata={"backlit": json.dumps(description)})
    return path
