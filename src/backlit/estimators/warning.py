"""Warnings that point at the user's line, however deep in Backlit they arise."""

import sys
import warnings
from pathlib import Path

HERE = str(Path(__file__).parents[1])


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn, as of the innermost line that is not Backlit's."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(HERE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
