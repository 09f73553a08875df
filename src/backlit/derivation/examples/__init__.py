"""Problems that come with the package: `backlit explain --example NAME`."""

import json
from importlib.resources import files
from typing import Any

from backlit.errors import ProblemError

EXAMPLES = {
    "worked": "2-2-1, sigmoid and identity, one example: every number by hand",
    "mazur": "2-2-2, the numbers of a widely copied tutorial",
    "softmax": "2-3-3 with ReLU, softmax and cross-entropy, L2, two examples",
    "batch-norm": "2-2-1 with batch norm, three examples that depend on one another, Adam",
    "residual": "a skip, dropout, sample weights, Huber's loss, clipping and momentum",
    "deep-sigmoid": "six sigmoid layers: watch the gradient shrink",
}


def read_example(name: str) -> dict[str, Any]:
    """A built-in problem as the mapping that its file holds; ProblemError for an unknown name.

    >>> read_example("worked")["inputs"]
    2
    """
    if name not in EXAMPLES:
        raise ProblemError(f"no example is called {name!r}: choose one of {', '.join(EXAMPLES)}")
    content = files("backlit.derivation.examples").joinpath(f"{name}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(content)
    return found
