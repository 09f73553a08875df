"""The page on which a network can be touched: `backlit.explore` writes it, and the directive `explorer` shows it."""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

import backlit

PAGE = "explorer-live.html"


class Explorer(SphinxDirective):
    """The explorer in a frame, with a built-in problem."""

    def run(self) -> list[nodes.Node]:
        """A frame, and a link to the page by itself."""
        depth = self.env.docname.count("/")
        href = "../" * depth + PAGE
        frame = (
            f'<p><a href="{href}">Open it on a page of its own.</a></p>'
            f'<iframe class="explorer" src="{href}" title="A network to touch"></iframe>'
        )
        return [nodes.raw("", frame, format="html")]


def on_finish(app: Any, exception: Exception | None) -> None:
    """Write the page beside the others."""
    if exception is None and app.builder.format == "html":
        backlit.explore(example="worked").write(Path(app.outdir) / PAGE)


def setup(app: Any) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("explorer", Explorer)
    app.connect("build-finished", on_finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
