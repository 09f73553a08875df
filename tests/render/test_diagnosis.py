"""A diagnosis in a terminal and as a page: every number that is shown is the result's own, in its place."""

import math
import re
from dataclasses import replace
from html import unescape
from itertools import pairwise

import numpy as np
import pytest

from backlit.diagnosis import diagnose
from backlit.diagnosis.remedies import Probe, Trial
from backlit.diagnosis.spectrum import Spectrum
from backlit.render import diagnosis as plots
from backlit.render.diagnosis import (
    band_line,
    bar,
    diagnosis_page,
    number,
    remedy_title,
    show_diagnosis,
    shown,
    shown_rows,
    sparkline,
    spectrum_line,
    theory_line,
)


@pytest.fixture(scope="module")
def deep():
    """62 layers: two more than the page has rows."""
    found = diagnose(depth=62, width=4, activation="sigmoid", seeds=2)
    found.ensemble.draws = 10
    return found


@pytest.fixture(scope="module")
def trained(deep):
    """With a training of each, whose losses are known; the second remedy diverged."""
    tries = [Trial([2.0, 1.0, 0.5], 0.25), Trial([2.0, math.inf], math.inf), *[Trial([3.0], 0.75)] * 9]
    remedies = [replace(one, trial=trial) for one, trial in zip(deep.remedies, tries, strict=False)]
    return replace(deep, remedies=remedies, trial=Trial([4.0, 2.0, 3.0], 0.875))


@pytest.fixture(scope="module")
def probed(deep):
    remedies = [replace(one, probe=Probe(12 - k, 0.125 * k) if k < 2 else None) for k, one in enumerate(deep.remedies)]
    return replace(deep, remedies=remedies[:4], probe=Probe(30, math.inf))


def cells(page, caption):
    """The rows of the first table after some words."""
    body = page[page.index(caption) :].partition("<tbody>")[2].partition("</tbody>")[0]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in body.split("</tr>")[:-1]]
    return [[cell.strip() for cell in row] for row in rows]


def terminal(diagnosis, capsys, monkeypatch, columns=170):
    monkeypatch.setenv("COLUMNS", str(columns))
    show_diagnosis(diagnosis)
    return capsys.readouterr().out


@pytest.fixture
def unplotted(monkeypatch):
    """Pages whose plots are empty, for they take most of the time."""
    monkeypatch.setattr(plots, "svg", lambda draw, title, **size: "<svg></svg>")


@pytest.mark.usefixtures("unplotted")
def test_the_page_has_a_row_for_each_layer_with_its_numbers(deep):
    page = diagnosis_page(deep)
    rows = cells(page, '<table class="layers">')
    assert [int(row[0]) for row in rows] == [*range(1, 31), *range(33, 63)]
    assert "2 layers in the middle are left out" in page
    names = ["q_measured", "q_predicted", "grad_ratio_measured", "grad_ratio_predicted", "weight_term",
             "derivative_term", "update_to_weight", "noise_scale", "correlation"]  # fmt: skip
    for row in rows:
        found = deep.row(int(row[0]))
        shares = [f"{found['dead_fraction']:.0%}", f"{found['saturated_fraction']:.0%}"]
        assert row[1:] == [number(found[name]) for name in names] + shares


@pytest.mark.usefixtures("unplotted")
def test_the_page_has_the_findings_the_theory_and_the_spectrum(deep):
    page, spectrum = unescape(diagnosis_page(deep)), deep.spectrum
    assert all(f"<li>{finding.message}.</li>" in page for finding in deep.findings)
    assert '<p class="verdict vanishing">Vanishing: the gradient fades on its way down.</p>' in page
    assert f"Theory of layer {deep.layer}, repeated" in page
    assert f"over {deep.seeds} draws;" in page
    assert cells(page, 'id="spectrum"') == [
        ["mean of the squares", number(spectrum.mean), number(spectrum.predicted_mean)],
        [f"the same over {spectrum.cases} draws and examples",
         f"{number(spectrum.level)} ± {number(spectrum.deviation, 2)}", number(spectrum.predicted_mean)],
        ["their variance over mean²", number(spectrum.variance), number(spectrum.predicted_variance)],
        ["largest", number(spectrum.values[0]), "–"], ["smallest", number(spectrum.values[-1]), "–"],
    ]  # fmt: skip
    one = replace(deep, spectrum=replace(spectrum, cases=1, values=spectrum.values[:1], complete=False))
    assert len(cells(diagnosis_page(one), 'id="spectrum"')) == 4
    assert "Singular values found" not in diagnosis_page(one)  # of one there is no plot


def ratios(diagnosis):
    return [[r.remedy, number(r.predicted_ratio), number(r.measured_ratio)] for r in diagnosis.remedies]


@pytest.mark.usefixtures("unplotted")
def test_remedies_are_in_the_page_by_what_ranks_them(deep, trained, probed):
    assert cells(diagnosis_page(deep), 'id="remedies"') == ratios(deep)
    assert "Ranked by how near" in diagnosis_page(deep)
    left = ["0.25", "diverged", *["0.75"] * 9]
    page = diagnosis_page(trained)
    assert cells(page, 'id="remedies"') == [[*row, l] for row, l in zip(ratios(trained), left, strict=False)]
    assert "Short trainings of 3 epochs" in page
    assert "at the end; as it is: 0.875." in page
    page = diagnosis_page(probed)
    assert cells(page, 'id="remedies"') == [
        [*row, l] for row, l in zip(ratios(probed), ["0", "0.125", "", ""], strict=True)
    ]
    assert "30 for the first ones" in page
    assert "As it is: diverged." in page
    assert 'id="remedies"' not in diagnosis_page(replace(deep, remedies=[]))


def test_the_terminal_has_the_same_numbers(deep, capsys, monkeypatch):
    shown_text = terminal(deep, capsys, monkeypatch)
    table = shown_text.partition("derivative term\n")[2].partition("Top to bottom")[0].splitlines()[1:]
    rows = [line.split() for line in table if line.strip()]
    assert [int(row[0]) for row in rows] == shown_rows(62)
    names = [
        "q_measured",
        "q_predicted",
        "grad_ratio_measured",
        "grad_ratio_predicted",
        "weight_term",
        "derivative_term",
    ]
    deltas = [layer.delta for layer in deep.measured.layers[1:]]
    for row in rows:
        found = deep.row(int(row[0]))
        shares = [f"{found['dead_fraction']:.0%}", f"{found['saturated_fraction']:.0%}"]
        drawn = bar(found["delta_norm"] ** 2, min(deltas) / 2, max(deltas))
        assert row[1:] == [*(number(found[name]) for name in names), *shares, *([drawn] if drawn else [])]
    assert rows[-1][-1] == "━" * 12  # at the top
    words = " ".join(shown_text.split())
    assert f"Theory of layer {deep.layer} repeated: {theory_line(deep.theory)}" in words
    assert band_line(deep) in words
    assert spectrum_line(deep.spectrum) in words
    narrow = terminal(deep, capsys, monkeypatch, columns=80)
    assert "━" not in narrow
    assert f"{deep.row(62)['q_measured']:.3g}" in narrow


@pytest.mark.parametrize(("which", "own", "first", "second"), [
    ("trained", ["0.875", "█▁▄"], ["0.25", "█▃▁"], ["diverged", "▁×"]),
    ("probed", ["diverged", "30"], ["0", "12"], ["0.125", "11"]),
])  # fmt: skip
def test_the_terminal_ranks_as_it_says(request, capsys, monkeypatch, which, own, first, second):
    diagnosis = request.getfixturevalue(which)
    text = terminal(diagnosis, capsys, monkeypatch)
    title, _, *lines = text[text.index("Remedies by") :].splitlines()
    assert title == remedy_title(diagnosis)
    assert lines[0].startswith("as it is ")
    found = [re.split(r"  +", line.strip())[-4:] for line in lines[:3]]
    top = [diagnosis.predicted.top_to_bottom, diagnosis.measured.top_to_bottom]
    assert found == [
        [number(top[0]), number(top[1]), *own],
        *([number(r.predicted_ratio), number(r.measured_ratio), *more]
          for r, more in zip(diagnosis.remedies, (first, second), strict=False)),
    ]  # fmt: skip


def test_what_ranks_is_named(deep, trained, probed):
    assert [one.ranked_by for one in (deep, trained, probed)] == ["gradient ratio", "training loss", "probe loss"]
    assert remedy_title(deep) == "Remedies by E‖δ_1‖²/E‖δ_L‖² (--train N ranks by a training's loss), best first"
    assert remedy_title(trained) == "Remedies by the loss that a short training leaves, best first"


def test_top_to_bottom_is_said_with_its_bands(deep):
    single, mean = deep.ensemble.total_interval(1), deep.ensemble.total_interval(2)
    said = band_line(deep)
    assert said.startswith(f"Top to bottom: ratio {number(deep.measured.top_to_bottom)}, predicted ")
    assert f"95 % of networks of this width: {number(single[0], 3)} to {number(single[1], 3)}, of means over 2" in said
    assert f"of means over 2: {number(mean[0], 3)} to {number(mean[1], 3)}" in said
    assert " (a guess: single ones differ too much)" in said  # 62 layers of 4
    assert "means over" not in band_line(replace(deep, seeds=1))
    wide = diagnose(depth=2, width=64, seeds=1, remedies=False)
    assert "guess" not in band_line(wide)
    assert "far from it" not in band_line(wide)
    beside = replace(wide, predicted=replace(wide.predicted, top_to_bottom=1e9))
    assert band_line(beside).endswith(". The prediction, of endless width, is far from it")


def test_the_theory_in_one_line():
    def line(**told):
        return theory_line(diagnose(depth=3, width=4, seeds=1, remedies=False, **told).theory)

    assert line(activation="relu", init="he_normal").startswith("q* = 2, χ₁ = 1, c* = 1 (as a power of depth), ")
    assert line(activation="relu", sigma_w=2.0).startswith("q* = –, q_{l+1}/q_l = 2, χ₁ = 2, ")
    assert ", c* = – (every c is kept), " in line(activation="identity", sigma_w=1.0)
    assert ", batch = 16, its unevenness × a layer = " in line(activation="relu", norm="batch", batch=16)
    assert ", batch = 2" in line(activation="relu", norm="batch", batch=2)
    assert "unevenness" not in line(activation="relu", norm="batch", batch=2)


def test_the_spectrum_in_one_line():
    spectrum = Spectrum(np.array([3.0, 1.0]), True, 5.0, 0.64, 4.0, 0.5, level=4.5, deviation=0.123, cases=8)
    assert spectrum_line(spectrum) == (
        "singular values 1 … 3, mean square 5 (4.5 ± 0.12 over 8 draws and examples) (predicted 4), "
        "variance/mean² 0.64 (predicted 0.5)"
    )
    assert "draws" not in spectrum_line(replace(spectrum, cases=1))


@pytest.mark.parametrize(("L", "rows"), [(1, [1]), (3, [1, 2, 3]), (24, list(range(1, 25)))])
def test_a_network_that_is_not_deep_is_shown_whole(L, rows):
    assert shown_rows(L) == shown(L) == rows


def test_of_a_deep_network_some_layers_are_shown_from_first_to_last():
    rows = shown_rows(100)
    assert (rows[0], rows[-1], len(set(rows))) == (1, 100, 24)
    assert {b - a for a, b in pairwise(rows)} == {4, 5}
    assert (shown(60), shown(61)) == (list(range(1, 61)), [*range(1, 31), *range(32, 62)])


def test_bars_and_lines_at_their_ends():
    assert [bar(v, 1.0, 100.0, width=10) for v in (0.5, 1.0, 10.0, 100.0, 1e9)] == ["", "", "━" * 5, "━" * 10, "━" * 10]
    without = [(None, 1, 2), (math.nan, 1, 2), (-1.0, 1, 2), (2.0, 2, 2), (2.0, 0, 2)]
    assert [bar(v, *ends) for v, *ends in without] == [""] * 5
    assert [sparkline(losses) for losses in ([], [math.inf], [2.0, 2.0], [0.0, 7.0, 3.0])] == ["", "×", "▁▁", "▁█▄"]


class Axes:
    """Notes what is drawn."""

    def __init__(self):
        self.calls = {}

    def __getattr__(self, name):
        return lambda *arguments, **options: self.calls.setdefault(name, []).append((arguments, options))


@pytest.fixture
def drawn(monkeypatch):
    def svg(draw, title, **size):
        axes = Axes()
        draw(axes)
        return axes.calls | {"title": title, **size}

    monkeypatch.setattr(plots, "svg", svg)


def test_the_flow_is_drawn_as_the_product_of_ratios_down_to_each_layer(drawn, deep):
    calls = plots.flow_plot(deep)
    (predicted, measured), theory = calls["plot"], deep.predicted
    assert predicted[0][0] == measured[0][0] == list(range(1, 63))
    np.testing.assert_allclose(
        predicted[0][1], [math.prod(theory.grad_ratio[k] for k in range(l, 62)) for l in range(1, 63)], rtol=1e-12
    )
    deltas = [layer.delta for layer in deep.measured.layers[1:]]
    np.testing.assert_allclose(measured[0][1], np.array(deltas) / deltas[-1], rtol=1e-12)
    assert [(p[1]["label"]) for p in calls["plot"]] == ["predicted", "measured"]
    single, mean = calls["fill_between"]
    for band, draws in ((single, 1), (mean, 2)):
        low, high = band[0][1:]
        assert [low[0], high[0]] == pytest.approx(deep.ensemble.total_interval(draws))
        assert (low[-1], high[-1]) == pytest.approx((1.0, 1.0), rel=1e-11)
    assert calls["set_yscale"] == [(("log",), {})]
    assert len(plots.flow_plot(replace(deep, seeds=1))["fill_between"]) == 1


def test_lengths_are_drawn_within_their_bands(drawn, deep):
    calls = plots.length_plot(deep)
    assert calls["plot"][0][0][1] == deep.predicted.q[1:]
    assert calls["plot"][1][0][1] == [layer.q for layer in deep.measured.layers[1:]]
    for band, draws in zip(calls["fill_between"], (1, 2), strict=True):
        assert [[low, high] for low, high in zip(*band[0][1:], strict=True)] == [
            deep.ensemble.q_interval(l, draws) for l in range(1, 63)
        ]


def test_remedies_that_leave_the_network_are_not_drawn(drawn, deep):
    calls = plots.remedy_plot(deep)
    (at, names), _ = calls["set_yticks"][0]
    assert names == ["as it is", *(r.remedy for r in deep.remedies if not r.recipe)]
    assert at == list(range(len(names)))
    measured, predicted = calls["plot"]
    assert measured[0][0][0] == deep.measured.top_to_bottom
    assert predicted[0][0][0] == deep.predicted.top_to_bottom
    assert measured[0][0][1:6] == [r.measured_ratio for r in deep.remedies if not r.recipe][:5]


def test_losses_are_drawn_of_the_network_and_the_first_five(drawn, trained):
    curves = plots.loss_plot(trained)["plot"]
    assert [options["label"] for _, options in curves] == ["as it is", *(r.remedy for r in trained.remedies[:5])]
    assert list(curves[0][0][0]) == [1, 2, 3]
    assert [arguments[1] for arguments, _ in curves[:2]] == [[4.0, 2.0, 3.0], [2.0, 1.0, 0.5]]
    assert math.isnan(curves[2][0][1][1])  # diverged: a gap
    assert len({(options["color"], options["linestyle"]) for _, options in curves}) == 6


def test_singular_values_are_drawn_in_order_beside_the_predicted_root(drawn, deep):
    calls = plots.spectrum_plot(deep.spectrum)
    assert calls["plot"][0][0][1] == plots.positive(deep.spectrum.values.tolist())
    assert calls["axhline"][0][0][0] == deep.spectrum.predicted_mean**0.5
    assert "axhline" not in plots.spectrum_plot(replace(deep.spectrum, predicted_mean=None))
    even = plots.spectrum_plot(Spectrum(np.array([2.0, 1.0]), True, 2.5, 0.36))
    assert "set_yscale" not in even
    wide = plots.spectrum_plot(Spectrum(np.array([4.0, 1e-30, 0.0]), True, 5.0, 1.0))
    assert wide["set_ylim"] == [((), {"bottom": 4.0 * 1e-17 / 2})]


def test_what_has_no_logarithm_is_a_gap():
    assert [math.isnan(v) for v in plots.positive([1.0, 0.0, -1.0, None, math.inf, math.nan])] == [False] + [True] * 5
