"""Links of pages that are read in the repository too, made into links of the site.

A page of docs/ links to `../CHANGELOG.md` or to a folder of the source.  What has a page here leads to it; a file
becomes a download, as MyST does by itself; of a folder the words stay, without a link.
"""

import os
import re
from pathlib import Path
from typing import Any

PAGES = {
    "CHANGELOG.md": "about/changelog.md",
    "ARCHITECTURE.md": "about/architecture.md",
    "CONTRIBUTING.md": "about/contributing.md",
    "benchmarks/README.md": "about/benchmarks.md",
    "benchmarks/race/README.md": "about/race.md",
    "README.md": "index.md",
    "docs/problem-files.md": "problem-files.md",
    "src/backlit/core/activations": "generated/reference/activations.md",
    "src/backlit/core/losses": "generated/reference/losses.md",
    "src/backlit/equations.py": "generated/reference/equations.md",
}
LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\(((?!https?:|#)[^()\s]+?)(#[^()\s]*)?\)")


def rewritten(text: str, page: Path, docs: Path) -> str:
    """The page's text with its links out of docs/ led to pages of the site."""

    def one(match: re.Match[str]) -> str:
        words, target, anchor = match[1], match[2], match[3] or ""
        path = Path(os.path.normpath(page.parent / target))
        inside = path.is_relative_to(docs) and path.suffix == ".md"
        if inside or not path.is_relative_to(docs.parent):
            return match[0]
        name = path.relative_to(docs.parent).as_posix().rstrip("/")
        if name in PAGES:
            return f"[{words}]({os.path.relpath(docs / PAGES[name], page.parent)}{anchor})"
        return match[0] if path.is_file() and path.suffix != ".md" else words

    return LINK.sub(one, text)


def on_read(app: Any, docname: str, source: list[str]) -> None:
    """Sphinx's event before a page is parsed."""
    page = Path(app.env.doc2path(docname))
    if page.suffix == ".md":
        source[0] = rewritten(source[0], page, Path(app.srcdir))


def on_include(app: Any, path: Path, docname: str, source: list[str]) -> None:
    """Sphinx's event before a file of the repository is shown as a page of the site."""
    whole, docs = (Path(app.srcdir) / path).resolve(), Path(app.srcdir)
    if whole.suffix == ".md" and not whole.is_relative_to(docs):
        page = Path(app.env.doc2path(app.env.docname))  # MyST tells the last part of the name alone
        source[0] = moved(source[0], whole, page, docs)


def moved(text: str, file: Path, page: Path, docs: Path) -> str:
    """Links of a file outside of docs/, as they are seen from the page that shows it."""

    def one(match: re.Match[str]) -> str:
        words, target, anchor = match[1], match[2], match[3] or ""
        path = Path(os.path.normpath(file.parent / target))
        name = path.relative_to(docs.parent).as_posix().rstrip("/") if path.is_relative_to(docs.parent) else ""
        if name in PAGES:
            path = docs / PAGES[name]
        elif not path.is_file() or path.suffix == ".md":
            return words
        return f"[{words}]({os.path.relpath(path, page.parent)}{anchor})"

    return LINK.sub(one, text)


def setup(app: Any) -> dict[str, Any]:
    """Register the events."""
    app.connect("source-read", on_read)
    app.connect("include-read", on_include)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
