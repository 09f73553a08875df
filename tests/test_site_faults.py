"""scripts/site_pages.py finds faults planted in a site of two pages; `make site-check` looks at the real one."""

import pytest
from tests.scripts import load_script

PAGE = (
    '<!doctype html><html lang="en"><head><title>A page</title><link rel="icon" href="data:,"></head>'
    '<body><main><h1 id="top">Words</h1>{}</main></body></html>'
)


@pytest.fixture(scope="module")
def script():
    return load_script("site_pages")


@pytest.fixture
def site(tmp_path):
    (tmp_path / "a.html").write_text(PAGE.format('<a href="b.html#top">b</a>'), encoding="utf-8")
    (tmp_path / "b.html").write_text(
        PAGE.format('<a href="#top">up</a> <a href="https://example.org">away</a>'), "utf-8"
    )
    (tmp_path / "site.css").write_text("body { color: black }", encoding="utf-8")
    return tmp_path


def test_a_sound_site_has_no_fault(script, site):
    assert list(script.link_faults(site)) == []


@pytest.mark.parametrize(
    ("file", "planted", "found"),
    [
        ("c.html", PAGE.format('<a href="d.html">d</a>'), "d.html leads nowhere"),
        ("c.html", PAGE.format('<a href="b.html#deep">b</a>'), "b.html#deep leads nowhere"),
        ("c.html", PAGE.format('<a href="../outside.html">out</a>'), "../outside.html leads nowhere"),
        ("c.html", PAGE.format('<script src="https://example.org/x.js"></script>'), "loads https://example.org/x.js"),
        ("c.html", PAGE.format('<img alt="" src="//example.org/x.png">'), "loads //example.org/x.png"),
        ("c.css", '@import "https://example.org/x.css";', "loads https://example.org/x.css"),
        ("c.css", "body { background: url(https://example.org/x.png) }", "loads https://example.org/x.png"),
    ],
)
def test_a_planted_link_is_found(script, site, file, planted, found):
    (site / file).write_text(planted, encoding="utf-8")
    (fault,) = script.link_faults(site)
    assert fault.endswith(found)


@pytest.fixture(scope="module")
def browser(script):
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if script.chromium() is None:
        pytest.skip("no Chromium here")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=script.chromium(), args=script.FLAGS, timeout=script.PATIENCE)
        yield browser
        browser.close()


@pytest.mark.slow
def test_a_sound_page_has_no_fault_in_a_browser(script, site, browser):
    assert list(script.page_faults(browser, site, "a.html")) == []


@pytest.mark.slow
def test_planted_faults_of_a_page_are_found(script, site, browser):
    planted = (
        '<p style="width: 800px">wide</p><script>throw Error("planted")</script><img alt="" src="http://example.org/x">'
    )
    (site / "c.html").write_text(PAGE.format(planted), encoding="utf-8")
    found = " ".join(script.page_faults(browser, site, "c.html"))
    assert all(word in found for word in ("360 px: 8", "error: planted", "asks for http://example.org/x"))


@pytest.mark.slow
def test_what_axe_finds_is_told(script, site, browser):
    if script.axe() is None:
        pytest.skip("axe-core-python is not installed")
    (site / "c.html").write_text(PAGE.format('<img src="data:,"><p style="color: #eee">pale</p>'), encoding="utf-8")
    found = " ".join(script.page_faults(browser, site, "c.html"))
    assert "image-alt" in found
    assert "color-contrast" in found


@pytest.mark.slow
def test_a_search_that_finds_nothing_is_a_fault(script, site, browser, monkeypatch):
    (site / "search.html").write_text(PAGE.format('<div id="search-results"></div>'), encoding="utf-8")
    monkeypatch.setattr(script, "PATIENCE", 300)
    assert list(script.search_faults(browser, site)) == ["search.html: finds nothing for softmax"]
