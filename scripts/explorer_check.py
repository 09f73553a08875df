"""Try the explorer's page in headless Chromium with the network off: what it must reach, measured row by row.

    python scripts/explorer_check.py [--quick] [--networks 1000] [--states 10000] [--shots FOLDER]

Needs Playwright, Chromium (CHROMIUM names one, else the one on the path), and for accessibility `npm ci` in web/, which
brings axe-core.  Exits with 1 if a row is not reached.  Times are of this machine; tests look at the other rows only.
"""

import argparse
import gzip
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from backlit.derivation.examples import EXAMPLES, read_example
from backlit.render.explorer import asset, explore

ROOT = Path(__file__).parent.parent
AXE = ROOT / "web/node_modules/axe-core/axe.min.js"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run"]  # fmt: skip
SCRIPT_LIMIT, FILE_LIMIT = 60_000, 250_000  # bytes: JS and CSS after gzip, the whole page
NARROW = 360
NAMELESS = re.compile(r"\s*- (button|textbox|combobox|slider|spinbutton|checkbox|link|tab|img)( \[|:|$)")
PATIENCE = 300_000  # ms for anything that a page does, on a busy machine
TABS = ("Loss", "Gradient flow", "Units", "Path", "Settings")


def chromium() -> str | None:
    """The path of a Chromium."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def started() -> Iterator[Any]:
    """A browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS, timeout=PATIENCE)
        yield browser
        browser.close()


class Opened:
    """A page of a problem, with what went wrong in it."""

    def __init__(self, browser: Any, problem: Any, **options: Any):
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "page.html"
        self.path.write_text(problem if isinstance(problem, str) else explore(problem).to_html(), encoding="utf-8")
        viewport = {"width": options.pop("width", 1280), "height": options.pop("height", 900)}
        self.context = browser.new_context(viewport=viewport, offline=True, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.faults: list[str] = []
        self.page.on("console", lambda m: self.faults.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("request", self.asked)
        self.page.goto(self.path.as_uri())
        self.page.wait_for_selector(".explorer")

    def asked(self, request: Any) -> None:
        """Note what is asked for that does not lie in the page."""
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.faults.append(f"asks for {request.url}")

    def __enter__(self) -> "Opened":
        return self

    def __exit__(self, *_: Any) -> None:
        self.context.close()
        self.folder.cleanup()


def rich() -> dict[str, Any]:
    """A network with norms, a skip, dropout, weights, L2, clipping and Adam."""
    rng = np.random.default_rng(5)

    def W(n: int, k: int) -> list[list[float]]:
        return rng.standard_normal((n, k)).round(3).tolist()

    layers = [
        {"units": 3, "activation": "tanh", "norm": "batch", "W": W(3, 3), "gamma": [1.2, 0.8, 1.0]},
        {"units": 3, "activation": "silu", "W": W(3, 3), "skip_from": 1, "skip_scale": 0.5, "dropout": 0.25},
        {"units": 3, "activation": {"name": "leaky_relu", "alpha": 0.1}, "norm": "layer", "W": W(3, 3), "b": [0.0] * 3},
        {"units": 2, "activation": "softmax", "W": W(2, 3), "b": [0.0, 0.0]},
    ]  # fmt: skip
    return {"inputs": 3, "layers": layers, "loss": "cross_entropy", "l2": 0.01, "seed": 3, "clip_norm": 1.0,
            "x": rng.standard_normal((5, 3)).round(2).tolist(), "y": [0, 1, 1, 0, 1],
            "sample_weight": [1, 2, 1, 1, 3], "optimizer": {"name": "adam", "learning_rate": 0.05}}  # fmt: skip


# --- rows that tests look at too --------------------------------------------------------------------------------------


def sizes() -> dict[str, int]:
    """Bytes: of JS and CSS after gzip, and of the largest example's page."""
    pages = [len(explore(example=name).to_html().encode()) for name in EXAMPLES]
    return {"script": len(gzip.compress(asset("explorer.js").encode(), mtime=0)), "file": max(pages)}


def access(opened: Opened) -> list[str]:
    """What axe-core finds wrong."""
    opened.page.evaluate(AXE.read_text(encoding="utf-8"))  # by evaluation, as the page lets no other script in
    rules = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}"
    found = opened.page.evaluate(f"axe.run(document, {rules})")
    return [f"{one['id']}: {one['nodes'][0]['html'][:160]} {one['nodes'][0]['failureSummary'][:200]}"
            for one in found["violations"]]  # fmt: skip


def modes(opened: Opened) -> Iterator[str]:
    """Put the page into each of its states, one after the other, and name it."""
    page = opened.page
    yield "first"
    for tab in TABS:
        page.get_by_role("tab", name=tab).click()
        yield tab
    page.get_by_text("Data as a table, CSV").click()
    yield "table"
    page.get_by_role("button", name="Predict").click()
    yield "predict"
    page.get_by_role("button", name="Predict").click()
    page.get_by_role("button", name="Share").click()
    page.wait_for_timeout(50)
    yield "share"
    page.get_by_role("button", name="Share").click()
    page.get_by_role("button", name="Compare").click()
    yield "compare"
    page.get_by_text("What this page leaves out").click()
    yield "left out"


def narrow_faults(opened: Opened) -> list[str]:
    """What does not fit a phone."""
    width = opened.page.evaluate("document.documentElement.scrollWidth")
    return [f"the page is {width} px wide on {NARROW}"] if width > NARROW else []


def spoken_faults(opened: Opened) -> list[str]:
    """What the accessibility tree, which a screen reader reads out, lacks or leaves without a name."""
    tree = opened.page.locator(".explorer").aria_snapshot()
    wanted = (
        "Next step",
        "Previous step",
        "Train",
        "Reset",
        "Share",
        "Compare",
        "Undo",
        "Network",
        "This step",
        "Data",
    )
    found = [f"nothing is called {name}" for name in wanted if f'"{name}"' not in tree]
    found += [f"no name: {line.strip()}" for line in tree.splitlines() if NAMELESS.match(line)]
    sentence = opened.page.locator(".sentence").inner_text()
    spoken = opened.page.locator("[role=status][aria-live=polite] .sentence").count()
    return found if sentence and spoken else [*found, "the step's sentence is in no live region"]


def small_targets(opened: Opened) -> list[str]:
    """Controls of less than 24 px."""
    return opened.page.evaluate(
        """() => [...document.querySelectorAll("button, select, input, summary, textarea")]
          .filter((one) => one.checkVisibility() && one.type !== "file")
          .map((one) => [one, one.getBoundingClientRect()])
          .filter(([, box]) => box.height < 23.5 || box.width < 23.5)
          .map(([one, box]) => `${one.outerHTML.slice(0, 90)} is ${box.width}x${box.height}`)"""
    )


def inside(opened: Opened, name: str, argument: Any = None) -> Any:
    """What a function of explorer_check.js gives."""
    functions = (Path(__file__).parent / "explorer_check.js").read_text(encoding="utf-8")
    return opened.page.evaluate(
        f"(argument) => ({functions.split('// ', 1)[1].split(chr(10), 1)[1]}).{name}(argument)", argument
    )


def mutated(opened: Opened, count: int, seed: int = 1) -> list[str]:
    """What goes wrong when states are changed at random: an error that is not one sentence, or HTML from data."""
    found = inside(opened, "mutate", {"seed": seed, "count": count})
    faults = [*found["wrong"], *opened.faults]
    if found["html"]:
        faults.append(f"{found['html']} elements or scripts from data")
    if not found["opened"]:
        faults.append("no changed state could be opened, so nothing was tried")
    return faults


# --- rows that are times ----------------------------------------------------------------------------------------------


def drawn_network(sizes: list[int], points: int) -> dict[str, Any]:
    """A tanh network with random weights and points."""
    rng = np.random.default_rng(0)
    layers = [{"units": n, "activation": "tanh", "W": (rng.standard_normal((n, k)) / np.sqrt(k)).round(4).tolist(),
               "b": [0.0] * n} for k, n in pairwise(sizes)]  # fmt: skip
    X = rng.uniform(-2, 2, (points, sizes[0])).round(3)
    y = np.sign(np.outer(X.prod(axis=1), np.ones(sizes[-1])))
    return {"inputs": sizes[0], "layers": layers, "loss": "half_squared_error", "x": X.tolist(), "y": y.tolist(),
            "optimizer": {"name": "adam", "learning_rate": 0.01}}  # fmt: skip


def frames(browser: Any) -> tuple[float, float]:
    """Median frames a second, and the 95th percentile of a frame in ms, of 2-8-8-2 with 500 points in training."""
    with Opened(browser, drawn_network([2, 8, 8, 2], 500)) as opened:
        opened.page.get_by_role("button", name="Train", exact=True).click()
        opened.page.wait_for_timeout(500)
        times = inside(opened, "frames", 150)
        return 1000 / statistics.median(times), float(np.percentile(times, 95))


def latency(browser: Any, sizes: list[int], points: int) -> float:
    """Median ms from an edit to all visible numbers."""
    with Opened(browser, drawn_network(sizes, points)) as opened:
        return statistics.median(inside(opened, "edits"))


def start(browser: Any) -> float:
    """Seconds from opening the file until its step can be read."""
    times = []
    for _ in range(5):
        with Opened(browser, read_example("worked")) as opened:
            before = time.perf_counter()
            opened.page.goto(opened.path.as_uri())
            opened.page.wait_for_selector(".formula math")
            times.append(time.perf_counter() - before)
    return statistics.median(times)


# --- all of it --------------------------------------------------------------------------------------------------------


def rows(browser: Any, states: int, shots: Path | None) -> Iterator[tuple[str, str, bool]]:
    """The rows: what, how much, and whether that is enough."""
    size = sizes()
    yield "JS and CSS, gzip", f"{size['script']:,} bytes", size["script"] <= SCRIPT_LIMIT
    yield "whole page", f"{size['file']:,} bytes", size["file"] <= FILE_LIMIT
    seconds = start(browser)
    yield "start", f"{seconds:.2f} s", seconds <= 1
    rate, worst = frames(browser)
    yield "frames, 2-8-8-2, 500 points", f"{rate:.0f}/s median, 95 % within {worst:.0f} ms", rate >= 50 and worst <= 33
    for shape, points, most in (([2, 16, 16, 2], 40, 50), ([2, 64, 64, 2], 40, 100)):
        took = latency(browser, shape, points)
        yield f"edit to numbers, {'-'.join(map(str, shape))}", f"{took:.0f} ms", took <= most
    with Opened(browser, rich()) as opened:
        faults = mutated(opened, states)
    yield f"{states:,} mutated states", said(faults), not faults
    seen = subprocess.run(
        [sys.executable, ROOT / "scripts/color_blindness.py"], capture_output=True, text=True, check=False
    )
    yield (
        "three kinds of color blindness",
        seen.stdout.splitlines()[0] if seen.stdout else seen.stderr,
        not seen.returncode,
    )
    with Opened(browser, rich()) as opened:
        found = spoken_faults(opened)
        yield "read aloud", said(found), not found
        if shots:
            (shots / "aloud.txt").write_text(opened.page.locator(".explorer").aria_snapshot(), encoding="utf-8")
    for scheme in ("light", "dark"):
        with Opened(browser, rich(), color_scheme=scheme) as opened:
            for mode in modes(opened):
                found = access(opened) if AXE.exists() else ["axe-core is not installed: npm ci in web/"]
                found += small_targets(opened) + opened.faults
                yield f"access, {scheme}, {mode}", said(found), not found
    with Opened(browser, rich(), width=NARROW, height=740) as opened:
        for mode in modes(opened):
            found = narrow_faults(opened)
            yield f"phone, {mode}", said(found), not found
    if shots:
        pictures(browser, shots)


def said(faults: list[str]) -> str:
    return "nothing" if not faults else f"{len(faults)}: {faults[0]}"


def pictures(browser: Any, folder: Path) -> None:
    """The page, and the tour, as pictures: light, dark, a phone, print."""
    folder.mkdir(parents=True, exist_ok=True)
    for scheme in ("light", "dark"):
        with Opened(browser, read_example("worked"), color_scheme=scheme) as opened:
            opened.page.screenshot(path=folder / f"first-{scheme}.png", full_page=True)
            buttons = opened.page.locator(".tour button")
            for k in range(buttons.count()):
                name = re.sub(r"\W+", "-", buttons.nth(k).inner_text().lower())
                buttons.nth(k).click()
                opened.page.wait_for_timeout(1500)
                opened.page.screenshot(path=folder / f"tour-{k + 1}-{name}-{scheme}.png", full_page=True)
    with Opened(browser, rich(), width=NARROW, height=740) as opened:
        opened.page.screenshot(path=folder / "phone.png", full_page=True)
    with Opened(browser, rich(), width=760, height=1000) as opened:
        opened.page.emulate_media(media="print")
        opened.page.screenshot(path=folder / "print.png", full_page=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--states", type=int, default=10_000)
    parser.add_argument("--shots", type=Path)
    options = parser.parse_args()
    if chromium() is None:
        print("no Chromium here: install one, or name it by CHROMIUM", file=sys.stderr)
        return 2
    reached = True
    if options.shots:
        options.shots.mkdir(parents=True, exist_ok=True)
    with started() as browser:
        for what, much, enough in rows(browser, options.states, options.shots):
            print(f"{'ok ' if enough else 'NOT'}  {what}: {much}", flush=True)
            reached &= enough
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
