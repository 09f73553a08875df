"""The report: whole, escaped, self-contained, and with the numbers of the result."""

import re
from html.parser import HTMLParser

import polars as pl
import pytest

from backlit import train
from backlit.render.report import render_report, shown_layers
from backlit.tabular.datasets import load_dataset

VOID = {"meta", "link", "br", "img", "hr", "input"}


class Balance(HTMLParser):
    """Collects tags that are closed out of order, and everything that would be fetched."""

    def __init__(self):
        super().__init__()
        self.open, self.faults, self.fetched = [], [], []

    def handle_starttag(self, tag, attrs):
        self.fetched += [v for k, v in attrs if k in ("src", "href", "xlink:href") and not v.startswith(("#", "data:"))]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)


def check(html):
    parser = Balance()
    parser.feed(html)
    assert parser.faults == []
    assert parser.open == []
    assert parser.fetched == []
    assert not re.findall(r"url\((?!#|var)", html)
    assert not re.findall(r"https?://(?!www\.w3\.org/)", html)


@pytest.fixture(scope="module")
def digits():
    return train(dataset="digits", epochs=3)


@pytest.fixture(scope="module")
def diabetes():
    return train(dataset="diabetes", epochs=3)


def test_the_page_is_whole_and_fetches_nothing(digits, diabetes):
    check(render_report(digits))
    check(render_report(diabetes))


def test_the_page_has_the_numbers_of_the_result(digits):
    html = render_report(digits)
    assert f"{digits.metrics['test']['accuracy']:.4g}" in html
    assert f"{digits.gradient_check.max_relative_error:.1e}" in html
    assert f"{digits.model.net.n_parameters:,} parameters" in html
    assert "128 × 61" in html
    for column in digits.model.encoder.summary():
        assert f">{column.name}</th>" in html


def test_the_confusion_matrix_counts_every_held_out_row(digits):
    cells = re.findall(r'<td style="--share: [\d.]+" class="[^"]*">(\d+)</td>', render_report(digits))
    assert len(cells) == 100
    assert sum(map(int, cells)) == digits.n_test


def test_plots_take_their_colors_from_the_page(digits):
    svgs = re.findall(r"<svg.*?</svg>", render_report(digits), flags=re.DOTALL)
    assert len(svgs) == 2
    for svg in svgs:
        assert "var(--series-1)" in svg
        assert not re.findall(r"#0[1-8]0[1-8]0[1-8]", svg)
        assert 'role="img"' in svg


def test_names_from_the_table_are_escaped():
    table = load_dataset("iris").rename({"target": "<script>alert(1)</script>", "petal_width_cm": "a & b"})
    html = render_report(train(table, "<script>alert(1)</script>", epochs=2))
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "a &amp; b" in html
    check(html)


def test_many_classes_show_the_worst_confusions():
    table = pl.DataFrame(
        {
            "x": [float(k % 25) for k in range(250)],
            "z": [float(k) for k in range(250)],
            "y": [f"c{k % 25:02}" for k in range(250)],
        }
    )
    html = render_report(train(table, "y", epochs=2))
    assert "The most frequent confusions" in html
    assert "true \\ predicted" not in html
    check(html)


def test_deep_networks_show_some_layers():
    assert shown_layers(2) == [1, 2]
    assert len(shown_layers(200)) == 6
    assert shown_layers(200)[0] == 1
    assert shown_layers(200)[-1] == 200
