"""The page in a real browser: requests, errors, keys, entries, deep links, both schemes (scripts/explain_pages.py)."""

import pytest
from tests.scripts import load_script

from backlit.render.explanation import explain


@pytest.fixture(scope="module")
def pages():
    return load_script("explain_pages")


@pytest.fixture(scope="module")
def browser(pages):
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if pages.chromium() is None:
        pytest.skip("no Chromium here")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=pages.chromium(), args=pages.FLAGS, timeout=pages.PATIENCE)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def html():
    return explain(example="worked").to_html()


@pytest.mark.slow
def test_a_page_has_no_fault(pages, browser, html, tmp_path):
    (tmp_path / "it.html").write_text(html, encoding="utf-8")
    assert pages.faults(browser, tmp_path / "it.html", pages.axe_here()) == []


PLANTED = [
    ("</main>", '<img alt="" src="https://example.org/x.png"></main>', "asks for"),
    ("</main>", "<script>throw Error('planted')</script></main>", "planted"),
    ("</main>", '<p style="width: 900px">wide</p></main>', "px wide"),
    ("--paper: #14171b", "--paper: #ffffff", "dark: the paper"),
    ('view.classList.add("one")', 'view.classList.add("two")', "shows"),
    ("walk(right || down)", "walk(-right)", "ArrowRight leads"),
    (".side { position: sticky;", ".side { position: static;", "the network scrolls away"),
    ('classList.toggle("lit", of === l', 'classList.toggle("lit", of !== l', "delta[1] lights"),
    ("moveInMatrix(on, right, down)", "moveInMatrix(on, down, right)", "ArrowRight in a matrix"),
]


@pytest.mark.slow
def test_of_several_examples_one_is_shown(pages, browser, tmp_path):
    html = explain(example="residual").to_html()
    (tmp_path / "it.html").write_text(html, encoding="utf-8")
    assert pages.faults(browser, tmp_path / "it.html") == []
    planted = html.replace("showExample(one.value))", 'showExample("1"))')
    assert planted != html
    (tmp_path / "it.html").write_text(planted, encoding="utf-8")
    assert any("of example 2 are shown" in fault for fault in pages.faults(browser, tmp_path / "it.html"))


@pytest.mark.slow
def test_planted_faults_are_found(pages, browser, html, tmp_path):
    """Test the tester."""
    for old, new, _ in PLANTED:
        assert old in html
        html = html.replace(old, new, 1)
    (tmp_path / "it.html").write_text(html, encoding="utf-8")
    found = pages.faults(browser, tmp_path / "it.html")
    assert [word for *_, word in PLANTED if not any(word in fault for fault in found)] == [], found
