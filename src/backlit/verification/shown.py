"""How a notebook shows a result of this room: it asks `render`, a floor above, looked up by name."""

from importlib import import_module


class Shown:
    """A result that shows itself in a notebook, as HTML or as Markdown."""

    def _repr_html_(self) -> str:
        return str(import_module("backlit.render.check_notebook").to_html(self))

    def _repr_markdown_(self) -> str:
        return str(import_module("backlit.render.check_notebook").to_markdown(self))
