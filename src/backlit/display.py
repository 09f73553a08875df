"""How results show themselves: the registry that results ask, and that `backlit` fills.

A result is data and knows no renderer.  It is `Displayed`, and asks here who writes it in a format; the package's
`__init__`, above all floors, says who does.

>>> class DeepThought(Displayed):
...     pass
>>> register("DeepThought", text=lambda: lambda answer: "forty-two")
>>> print(DeepThought())
forty-two
"""

from collections.abc import Callable
from typing import Any

Writer = Callable[[Any], str]
WRITERS: dict[tuple[str, str], Callable[[], Writer]] = {}  # (class, format) → what loads the writer when it is needed


def register(result: str, **formats: Callable[[], Writer]) -> None:
    """Say who writes a class's results: its name, then text, html or markdown with what loads the writer."""
    WRITERS.update({(result, format): load for format, load in formats.items()})


def written(result: object, format: str) -> str | None:
    """A result in a format, by the writer of its nearest class; None where there is none."""
    for kind in type(result).__mro__:
        if (kind.__name__, format) in WRITERS:
            return WRITERS[kind.__name__, format]()(result)
    return None


class Displayed:
    """A result that shows itself: as text when it is printed, as HTML or Markdown in a notebook.

    Its `repr` is one short line that the class writes itself.
    """

    def to_text(self) -> str:
        """What is printed: all of it, as plain text."""
        text = written(self, "text")
        return repr(self) if text is None else text

    def _repr_html_(self) -> str | None:
        return written(self, "html")

    def _repr_markdown_(self) -> str | None:
        return written(self, "markdown")

    def __str__(self) -> str:
        return self.to_text()
