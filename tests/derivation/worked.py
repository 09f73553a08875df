"""The built-in examples, each worked out once for all tests that only look at it."""

from functools import cache
from typing import Any

from backlit.render.explanation import Explanation, explain


@cache
def explained(**options: Any) -> Explanation:
    """What `explain` makes of an example."""
    return explain(**options)
