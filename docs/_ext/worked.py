"""The directive `worked`: steps of a derivation, computed when the site is built.

    ```{worked} delta[2] grad_W[1]
    :example: worked
    ```

shows each step's sentence, its formula and the same formula with the numbers in it.  `:problem:` names a file in place
of a built-in example; `:drawing:` shows the network with its numbers.
"""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

from backlit import explain
from backlit.derivation.expressions import Chain
from backlit.drawing import svg
from backlit.render.derivation_latex import aligned, latex
from backlit.render.diagrams import drawn


@lru_cache
def derivation(example: str | None, problem: str | None) -> Any:
    """The derivation, made once for all pages."""
    return explain(problem, example=example).derivation


class Worked(SphinxDirective):
    """Steps by their ids."""

    optional_arguments = 1
    final_argument_whitespace = True
    option_spec: ClassVar[dict[str, Any]] = {
        "example": directives.unchanged,
        "problem": directives.path,
        "drawing": directives.flag,
    }

    def run(self) -> list[nodes.Node]:
        """The nodes of each step."""
        self.env.note_reread()  # its numbers are the code's, of today
        problem = self.options.get("problem")
        if problem is not None:
            problem = str(Path(self.env.srcdir) / problem)
        made = derivation(self.options.get("example", "worked") if problem is None else None, problem)
        found: list[nodes.Node] = drawing(made) if "drawing" in self.options else []
        for id in self.arguments[0].split() if self.arguments else ():
            found += self.step(made.step(id))
        return [nodes.container("", *found, classes=["worked"])]

    def step(self, step: Any) -> list[nodes.Node]:
        """One step: what it is, in symbols, in numbers."""
        head = nodes.paragraph("", "", nodes.strong("", step.title), nodes.Text(f" ({step.equation}). {step.sentence}"))
        lines = [line.chain for line in (step.lines or step.entries)]
        return [head, *(display(aligned(c) if isinstance(c, Chain) else latex(c)) for c in lines)]


def display(formula: str) -> nodes.Node:
    """A formula on a line of its own."""
    return nodes.math_block(formula, formula, nowrap=False, number=None, label=None)


def drawing(made: Any) -> list[nodes.Node]:
    """The network, with activations in its units and δ below them."""
    from backlit.derivation.document import Diagram

    block = next(b for section in made.sections for b in section.blocks if isinstance(b, Diagram))
    parts = {kind: tuple(replace(one, link="") for one in getattr(block, kind)) for kind in ("nodes", "edges")}
    unlinked = replace(block, **parts)  # its steps are elsewhere
    caption = f"<figcaption>{block.caption}</figcaption>"
    return [nodes.raw("", f"<figure>{svg(drawn(unlinked), 'network')}{caption}</figure>", format="html")]


def setup(app: Any) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("worked", Worked)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
