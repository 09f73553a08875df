"""Problems that come with the package: `backlit example NAME`, `backlit explain --example NAME`."""

import json
from importlib.resources import files
from typing import Any

from backlit.errors import ProblemError, near

EXAMPLES = {
    "worked": "2-2-1, sigmoid and identity, one example: every number by hand",
    "mazur": "2-2-2, the numbers of a widely copied tutorial",
    "softmax": "2-3-3 with ReLU, softmax and cross-entropy, L2, two examples",
    "batch-norm": "2-2-1 with batch norm, three examples that depend on one another, Adam",
    "residual": "a skip, dropout, sample weights, Huber's loss, clipping and momentum",
    "deep-sigmoid": "six sigmoid layers: watch the gradient shrink",
}


def example_text(name: str) -> str:
    """A built-in problem as the text of its problem file, with every weight written out.

    Raises ProblemError for an unknown name.
    """
    if name not in EXAMPLES:
        raise ProblemError(f"no example is called {name!r}: {near(name, EXAMPLES)}")
    return files("backlit.derivation.examples").joinpath(f"{name}.json").read_text(encoding="utf-8")


def read_example(name: str) -> dict[str, Any]:
    """A built-in problem as the mapping that its file holds; ProblemError for an unknown name.

    >>> read_example("worked")["inputs"]
    2
    """
    found: dict[str, Any] = json.loads(example_text(name))
    return found
