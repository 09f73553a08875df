"""Look for faults in the built site: dead links, requests to elsewhere, pages that do not fit, and those axe finds.

    python scripts/site_pages.py [SITE] [--shots FOLDER]

Every page is read: each link within the site must lead somewhere, and what a page loads may not come from elsewhere.
One page of each kind is opened in headless Chromium with the network shut off, in light and dark and 360 px wide, and
axe-core goes over it (from the package axe-core-python); the search must find something.  Without Playwright or a
Chromium (CHROMIUM names one, else the one on the path is taken) that half is left out, and a line says so.
"""

import argparse
import os
import re
import shutil
import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run"]  # fmt: skip
KINDS = (
    "index.html",
    "start/explain.html",
    "backpropagation/vanishing.html",
    "generated/gallery/index.html",
    "generated/gallery/2_flow/by_depth.html",
    "problem-files.html",
    "generated/reference/activations.html",
    "generated/reference/mistakes.html",
    "generated/reference/commands.html",
    "generated/reference/python.html",
    "generated/api/backlit.MLPClassifier.html",
    "reference/glossary.html",
    "about/tested.html",
    "about/explorer.html",
    "explorer-live.html",
)
PATIENCE = 300_000  # ms for anything that a page does, on a busy machine
LOADED = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src"), ("object", "data")}


class Reader(HTMLParser):
    """The ids of a page, and what it refers to, as (tag, attribute, value, rel)."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.refers: list[tuple[str, str, str, str]] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """Collect."""
        given = dict(attrs)
        self.ids |= {given[key] for key in ("id", "name") if given.get(key)}
        for key in ("href", "src", "data"):
            if given.get(key) and (key != "data" or tag == "object"):
                self.refers.append((tag, key, given[key], given.get("rel") or ""))


@cache
def read(path: Path) -> Reader:
    """A page, read once."""
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader


def link_faults(site: Path) -> Iterator[str]:
    """What leads nowhere, and what is asked of elsewhere."""
    for path in sorted(site.rglob("*.html")):
        name = path.relative_to(site)
        if name.parts[0] == "_static":  # the theme's template, which is no page
            continue
        for tag, key, value, rel in read(path).refers:
            url = urlsplit(value)
            outside = bool(url.scheme or url.netloc) and url.scheme not in ("data", "mailto", "javascript")
            if outside and (tag, key) in LOADED and rel not in ("canonical", "license"):
                yield f"{name}: loads {value}"
            elif not outside and url.scheme == "" and not found(site, path, url):
                yield f"{name}: {value} leads nowhere"
    for path in sorted(site.rglob("*.css")):
        for value in re.findall(
            r"""(?:@import\s+|url\()\s*["']?(https?://[^"')\s]+|//[^"')\s]+)""", path.read_text("utf-8")
        ):
            yield f"{path.relative_to(site)}: loads {value}"


def found(site: Path, page: Path, url: Any) -> bool:
    """Whether a link within the site leads to a file and, where it names one, to an id of it."""
    target = page if not url.path else (page.parent / unquote(url.path)).resolve()
    if target.is_dir():
        target = target / "index.html"
    if not target.exists() or not target.is_relative_to(site):
        return False
    anchor = unquote(url.fragment)
    return not anchor or target.suffix != ".html" or anchor in read(target).ids


def chromium() -> str | None:
    """Where a Chromium is."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next((path for name in names if (path := shutil.which(name))), None)


def axe() -> Path | None:
    """axe-core's script, of the package axe-core-python."""
    spec = find_spec("axe_core_python")
    places = [] if spec is None else list(Path(spec.submodule_search_locations[0]).rglob("axe.min.js"))
    return places[0] if places else None


def page_faults(browser: Any, site: Path, name: str, shots: Path | None = None) -> Iterator[str]:
    """What is wrong with one page in a browser."""
    heard: list[str] = []
    for scheme, width in (("light", 1200), ("dark", 1200), ("light", 360)):
        context = browser.new_context(viewport={"width": width, "height": 900}, offline=True, color_scheme=scheme)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda m: heard.append(f"console: {m.text}") if m.type == "error" else None)
        page.on("pageerror", lambda error: heard.append(f"error: {error}"))
        page.on(
            "request",
            lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else heard.append(f"asks for {r.url}"),
        )
        page.goto((site / name).as_uri())
        page.wait_for_load_state("load")
        page.evaluate("window.MathJax?.startup?.promise")
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            yield f"{name}, {width} px: {wide} px wide"
        if axe():
            yield from (f"{name}, {scheme}, {width} px: {fault}" for fault in axe_faults(page))
        if shots:
            page.screenshot(path=shots / f"{name.replace('/', '-')[:-5]}-{scheme}-{width}.png")
        context.close()
    yield from (f"{name}: {what}" for what in dict.fromkeys(heard))


def axe_faults(page: Any) -> Iterator[str]:
    """What axe-core calls serious or critical."""
    page.add_script_tag(path=str(axe()))
    for rule in page.evaluate("axe.run({resultTypes: ['violations'], iframes: false})")["violations"]:
        if rule["impact"] in ("serious", "critical"):
            yield f"{rule['id']}: {len(rule['nodes'])} times, first {rule['nodes'][0]['html'][:160]}"


def search_faults(browser: Any, site: Path, word: str = "softmax") -> Iterator[str]:
    """Whether the search finds a word, from files alone."""
    page = browser.new_context(offline=True).new_page()
    page.set_default_timeout(PATIENCE)
    page.goto((site / "search.html").as_uri() + f"?q={word}")
    try:
        page.wait_for_selector("#search-results li a")
    except Exception:
        yield f"search.html: finds nothing for {word}"
    page.close()


def faults(site: Path, shots: Path | None = None, kinds: tuple[str, ...] = KINDS) -> Iterator[str]:
    """All of them."""
    site = site.resolve()
    yield from link_faults(site)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("no Playwright here: no page was opened in a browser", file=sys.stderr)
        return
    if chromium() is None:
        print("no Chromium here: no page was opened in a browser", file=sys.stderr)
        return
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium(), args=FLAGS, timeout=PATIENCE)
        for name in kinds:
            yield from page_faults(browser, site, name, shots)
        yield from search_faults(browser, site)
        browser.close()


def main() -> int:
    """Print each fault; 1 if there is one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", nargs="?", type=Path, default=Path("site"))
    parser.add_argument("--shots", type=Path)
    given = parser.parse_args()
    if given.shots:
        given.shots.mkdir(parents=True, exist_ok=True)
    seen = list(faults(given.site, given.shots))
    print(*seen, f"{len(seen)} faults", sep="\n")
    return bool(seen)


if __name__ == "__main__":
    sys.exit(main())
