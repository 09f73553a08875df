"""Open `explain`'s pages in headless Chromium with the network shut off, use them by keyboard, and look for faults.

    python scripts/explain_pages.py [--axe PATH/axe.min.js] [--shots FOLDER]

Checked for each built-in example and for a 20-20-20-5 network with 16 examples: no request, no error on the console,
no sideways scroll at 360 px, arrow keys, deep links, the entries of a matrix, both color schemes, size and time.
With axe-core, an accessibility checker, its rules too: `npm install axe-core` and give the path of its axe.min.js (a
node_modules folder here is found by itself).  Needs Playwright and a Chromium: CHROMIUM names one, else the one on the
path is taken.  Screenshots go to --shots.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from backlit.derivation.examples import EXAMPLES
from backlit.render.explanation import explain

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run"]  # fmt: skip
TALLEST = 30_000  # px of a screenshot
PATIENCE = 300_000  # ms for anything that a page does, on a busy machine
FOLLOWED = """(id) => new Promise((done) => {
  location.hash = "";
  addEventListener("hashchange", () => { if (location.hash.length > 1) setTimeout(done); });
  setTimeout(() => { location.hash = id; });
})"""  # a link within the page is clicked, and the page's own listener has run
LARGEST, SLOWEST = 5e6, 5.0  # bytes and seconds of the elided network's page


def elided() -> dict[str, Any]:
    """A 20-20-20-5 network with 16 examples."""
    rng = np.random.default_rng(0)
    layers = [{"units": 20, "activation": "tanh"}, {"units": 20, "activation": "relu"},
              {"units": 5, "activation": "softmax"}]  # fmt: skip
    x, y = rng.standard_normal((16, 20)).tolist(), rng.integers(0, 5, 16).tolist()
    init = {"scheme": "xavier_uniform", "seed": 0}
    return {"inputs": 20, "layers": layers, "loss": "cross_entropy", "x": x, "y": y, "init": init}


def chromium() -> str | None:
    """The path of a Chromium."""
    found = os.environ.get("CHROMIUM")
    return found or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def axe_here() -> Path | None:
    """axe-core of a node_modules folder, here or above."""
    places = [folder / "node_modules/axe-core/axe.min.js" for folder in (Path.cwd(), *Path.cwd().parents)]
    return next((place for place in places if place.exists()), None)


def faults(browser: Any, path: Path, axe: Path | None = None, shots: Path | None = None) -> list[str]:
    """What is wrong with a page, in words; nothing is, where the list is empty."""
    context = browser.new_context(viewport={"width": 1100, "height": 900}, offline=True)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    found: list[str] = []
    page.on("console", lambda m: found.append(f"console: {m.text}") if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: found.append(f"error: {error}"))
    page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else found.append(f"asks for {r.url}"))
    page.goto(path.as_uri())
    found += in_view(page) + one_example(page) + keyboard(page) + matrix(page) + deep_links(page, path.as_uri())
    page.goto("about:blank")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto(path.as_uri())
        found += look(page, scheme, axe)
        if shots:
            picture(page, shots / f"{path.stem}-{scheme}.png")
    found += phone(page, path, shots)
    if shots:
        page.emulate_media(media="print", color_scheme="light")
        page.set_viewport_size({"width": 760, "height": 1000})
        picture(page, shots / f"{path.stem}-print.png")
    context.close()
    return found


def picture(page: Any, path: Path) -> None:
    """A screenshot of the whole page, or of its beginning where it is too long for one."""
    page.screenshot(path=path, full_page=page.evaluate("document.documentElement.scrollHeight") < TALLEST)


def in_view(page: Any) -> list[str]:
    """Wherever the reader is, the network is seen, and in it what the open step is about."""
    page.evaluate("document.querySelector('details.step:last-of-type summary').focus()")
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    box = page.locator(".network").bounding_box()
    found = [] if box and -5 <= box["y"] < 700 else [f"the network scrolls away: {box}"]
    page.evaluate("document.querySelector('[id=\"delta[1]\"] summary').focus()")
    lit = page.evaluate("[...document.querySelectorAll('.network .lit')].map((one) => one.getAttribute('href'))")
    if not lit or not all("[1]" in link for link in lit):
        found.append(f"delta[1] lights {lit}")
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    return found


def one_example(page: Any) -> list[str]:
    """Of several examples the chosen one is shown, beside all, with its own drawing."""
    if page.locator("[name=example]").count() == 0:
        return []
    page.check("[name=example][value='2']")
    shown = page.evaluate(
        """[...document.querySelectorAll(".step[open] .line:not(.entry)[data-of], .network [data-of]")]
        .filter((one) => one.checkVisibility()).map((one) => one.dataset.of)"""
    )
    page.check("[name=example][value='1']")
    return [] if set(shown) == {"2", "all"} else [f"of example 2 are shown {sorted(set(shown))}"]


def keyboard(page: Any) -> list[str]:
    """Right and left walk the steps; Enter closes and opens one."""
    steps = page.evaluate("[...document.querySelectorAll('details.step')].map((step) => step.id)")
    focused = "document.activeElement.closest('details.step')?.id"
    found = []
    for key, wanted in (("ArrowRight", steps[0]), ("ArrowRight", steps[1]), ("ArrowLeft", steps[0])):
        page.keyboard.press(key)
        if page.evaluate(focused) != wanted:
            found.append(f"{key} leads to {page.evaluate(focused)}, not to {wanted}")
    page.keyboard.press("Enter")
    if page.evaluate("document.activeElement.parentElement.open"):
        found.append("Enter does not close a step")
    return found


def matrix(page: Any) -> list[str]:
    """Each number of a step's last result shows its own line, by click and by arrow keys."""
    made = page.evaluate(
        """() => {
        const found = [];
        let seen = 0;
        document.querySelectorAll("details").forEach((one) => (one.open = true));
        for (const step of document.querySelectorAll("details.step")) {
          for (const cell of step.querySelectorAll(".line:not(.entry) table.m a")) {
            const line = document.getElementById(decodeURIComponent(cell.hash.slice(1)));
            if (!line || !line.matches(".entry") || !step.contains(line)) continue;
            cell.click();
            seen += 1;
            const shown = [...step.querySelectorAll(".entry")].filter((one) => one.checkVisibility());
            if (shown.length !== 1 || shown[0] !== line) found.push(`${cell.hash} shows ${shown.length} lines`);
            const number = cell.querySelector("mn").textContent;
            if (![...line.querySelectorAll("mn")].some((one) => one.textContent === number))
              found.push(`${cell.hash} is ${number}, which its line does not give`);
          }
        }
        return seen ? found : ["no matrix has entries to choose"];
        }"""
    )
    return list(made) + arrows(page)


def arrows(page: Any) -> list[str]:
    """Within the gradient of W[1], right goes to the next column, and Escape to the step's head."""
    first = "[href='#grad_W[1][0,0]']"
    if page.locator(first).count() == 0:
        return []
    wanted = "#grad_W[1][0,1]" if page.locator("[href='#grad_W[1][0,1]']").count() else "#grad_W[1][0,0]"
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    page.locator(first).first.click()
    page.keyboard.press("ArrowRight")
    found = []
    if (at := page.evaluate("document.activeElement.getAttribute('href')")) != wanted:
        found.append(f"ArrowRight in a matrix leads to {at}, not to {wanted}")
    page.keyboard.press("Escape")
    if page.evaluate("document.activeElement.tagName") != "SUMMARY":
        found.append("Escape does not leave a matrix")
    return found


def deep_links(page: Any, address: str) -> list[str]:
    """#grad_W[1] opens that step, and #grad_W[1][0,0] its entry, and both are scrolled to."""
    found = []
    for id in ("grad_W[1]", "grad_W[1][0,0]"):
        page.goto("about:blank")
        page.goto(f"{address}#{id}")
        box = page.locator(f"[id='{id}']").bounding_box()
        if box is None or not -5 <= box["y"] <= 800:
            found.append(f"#{id} is not scrolled to: {box}")
        page.click("#close-all")
        page.evaluate(FOLLOWED, id)
        if not page.locator(f"[id='{id}']").is_visible():
            found.append(f"#{id} is not opened")
    return found


def look(page: Any, scheme: str, axe: Path | None) -> list[str]:
    """The scheme is taken up; axe-core finds nothing, with all open."""
    page.click("#open-all")
    color = page.evaluate("getComputedStyle(document.body).backgroundColor")
    found = [] if (color == "rgb(255, 255, 255)") == (scheme == "light") else [f"{scheme}: the paper is {color}"]
    if axe is None:
        return found
    page.evaluate(axe.read_text(encoding="utf-8"))
    rules = "" if scheme == "light" else "{runOnly: ['color-contrast']}"  # a scheme changes colors alone
    violations = page.evaluate(f"axe.run({rules}).then((result) => result.violations)")
    return found + [
        f"axe, {scheme}: {v['id']} ({len(v['nodes'])} times), as at {v['nodes'][0]['html'][:160]}" for v in violations
    ]


def phone(page: Any, path: Path, shots: Path | None) -> list[str]:
    """At 360 px nothing makes the page scroll sideways."""
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme="light")
    page.goto(path.as_uri())
    page.click("#open-all")
    wide = page.evaluate("document.documentElement.scrollWidth")
    if shots:
        picture(page, shots / f"{path.stem}-phone.png")
    return [] if wide <= 360 else [f"{wide} px wide on a phone of 360"]


def main() -> int:
    """Check every page, and print what was found with sizes and seconds."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--axe", type=Path, default=axe_here())
    parser.add_argument("--shots", type=Path)
    options = parser.parse_args()
    if options.shots:
        options.shots.mkdir(parents=True, exist_ok=True)
    wrong = 0
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS, timeout=PATIENCE)
        for name in (*EXAMPLES, "elided"):
            start = time.perf_counter()
            html = (explain(elided()) if name == "elided" else explain(example=name)).to_html()
            seconds = time.perf_counter() - start
            path = Path(folder) / f"{name}.html"
            path.write_text(html, encoding="utf-8")
            found = faults(browser, path, options.axe, options.shots)
            if len(html.encode()) > LARGEST or seconds > SLOWEST:
                found.append("too large or too slow")
            wrong += len(found)
            print(f"{name:13} {len(html.encode()) / 1e6:5.2f} MB  {seconds:5.2f} s  {len(found)} faults", flush=True)
            print("".join(f"  {fault}\n" for fault in found), end="")
        browser.close()
    print("with axe-core" if options.axe else "without axe-core: give --axe")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
