"""The report: whole, escaped, self-contained, and with the numbers of the result."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from backlit import train
from backlit.core import Dense, Network
from backlit.render import report
from backlit.render.report import confusion, duration, layers, render_report, settings_of, shown_layers
from backlit.tables.messages import figure
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


@pytest.fixture
def unplotted(monkeypatch):
    """Pages whose plots are empty, for they take most of the time."""
    for name in ("curves", "class_curves", "against", "histogram"):
        monkeypatch.setattr(report, name, lambda *args, **more: "<svg></svg>")


@pytest.fixture(scope="module")
def digits():
    return train(load_dataset("digits")[:600], "target", epochs=3)


@pytest.fixture(scope="module")
def diabetes():
    return train(dataset="diabetes", epochs=3)


@pytest.fixture(scope="module")
def page(digits):
    return render_report(digits)


def test_the_page_is_whole_and_fetches_nothing(page, diabetes):
    check(page)
    check(render_report(diabetes))


def test_the_page_has_the_numbers_of_the_result(digits, page):
    assert f"{digits.metrics['test']['accuracy']:.4g}" in page
    assert f"{digits.gradient_check.max_relative_error:.1e}" in page
    assert f"{digits.model.net.n_parameters:,} parameters" in page
    assert "128 × 59" in page
    for column in digits.model.encoder.summary():
        assert f">{column.name}</th>" in page


def test_the_confusion_matrix_counts_every_held_out_row(digits, page):
    cells = re.findall(r'<td style="--share: [\d.]+" class="[^"]*">(\d+)</td>', page)
    assert len(cells) == 100
    assert sum(map(int, cells)) == digits.n_test


def test_plots_take_their_colors_from_the_page(page):
    svgs = re.findall(r"<svg role.*?</svg>", page, flags=re.DOTALL)
    assert len(svgs) == 5  # ROC, precision, calibration, loss, norms
    for svg in svgs:
        assert "var(--series-1)" in svg
        assert not re.findall(r"#0[1-8]0[1-8]0[1-8]", svg)
        assert 'role="img"' in svg


def test_names_from_the_table_are_escaped():
    table = load_dataset("iris").rename({"target": "<script>alert(1)</script>", "petal_width_cm": "a & b"})
    html = render_report(train(table, "<script>alert(1)</script>", epochs=2, compare=False))
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "a &amp; b" in html
    check(html)


@pytest.mark.usefixtures("unplotted")
def test_many_classes_show_the_worst_confusions():
    table = pl.DataFrame(
        {
            "x": [float(k % 25) for k in range(250)],
            "z": [float(k) for k in range(250)],
            "y": [f"c{k % 25:02}" for k in range(250)],
        }
    )
    html = render_report(train(table, "y", epochs=2, compare=False))
    assert "The most frequent confusions" in html
    assert "true \\ predicted" not in html
    check(html)


def test_deep_networks_show_some_layers():
    assert shown_layers(2) == [1, 2]
    assert len(shown_layers(200)) == 6
    assert shown_layers(200)[0] == 1
    assert shown_layers(200)[-1] == 200


def classified(y, predicted, labels):
    target = SimpleNamespace(classes=labels)
    return SimpleNamespace(model=SimpleNamespace(target=target), y_test=np.array(y),
                           test_outputs=np.eye(len(labels))[predicted])  # fmt: skip


def test_confusions_are_counted_by_true_and_predicted_class():
    matrix = confusion(classified([0, 0, 0, 1, 2, 2], [0, 1, 1, 1, 0, 2], ["a", "b", "c"]))
    assert matrix["labels"] == ["a", "b", "c"]
    assert [(name, [n for n, _, _ in row]) for name, row in matrix["rows"]] == [
        ("a", [1, 2, 0]), ("b", [0, 1, 0]), ("c", [1, 0, 1]),
    ]  # fmt: skip
    assert [share for _, share, _ in matrix["rows"][0][1]] == pytest.approx([1 / 3, 2 / 3, 0])
    assert [[right for _, _, right in row] for _, row in matrix["rows"]] == np.eye(3, dtype=bool).tolist()
    assert matrix["worst"] == [("a", "b", 2), ("c", "a", 1)]


@pytest.mark.parametrize(("K", "whole"), [(20, True), (21, False)])
def test_many_classes_have_no_matrix_but_their_ten_worst_confusions(K, whole):
    y = [k for k in range(K) for _ in range(k + 1)]
    matrix = confusion(classified(y, [(k + 1) % K for k in y], [f"c{k}" for k in range(K)]))
    assert (matrix["rows"] is not None) == whole
    assert matrix["worst"] == [(f"c{k}", f"c{(k + 1) % K}", k + 1) for k in range(K - 1, K - 11, -1)]


def test_a_class_that_is_not_among_the_rows_has_no_shares():
    matrix = confusion(classified([0, 0], [0, 1], ["a", "b"]))
    assert matrix["rows"][1] == ("b", [(0, 0.0, False), (0, 0.0, True)])


def test_the_table_of_the_layers():
    net = Network(3, [Dense(4, "relu", norm="batch", dropout=0.25), Dense(2, "tanh", dropout=0.5), Dense(1)])
    assert layers(SimpleNamespace(net=net, params=net.init())) == [
        {
            "l": 1,
            "activation": "relu",
            "W": "4 × 3",
            "extras": "batch norm, dropout 0.25",
            "parameters": 12 + 4 + 4 + 4,
        },
        {"l": 2, "activation": "tanh", "W": "2 × 4", "extras": "dropout 0.5", "parameters": 10},
        {"l": 3, "activation": "identity", "W": "1 × 2", "extras": "–", "parameters": 3},
    ]


def test_settings_in_a_line():
    assert (
        settings_of({"name": "adam", "learning_rate": 0.01, "beta1": None, "eps": 0})
        == "adam (learning_rate 0.01, eps 0)"
    )
    assert settings_of({"name": "constant"}) == "constant"
    assert (duration(0.999), duration(1.0)) == ("1", "1.0")


def test_the_plots_show_the_history_and_the_held_out_rows(monkeypatch, diabetes):
    shown = {}
    for name in ("curves", "against", "histogram"):
        monkeypatch.setattr(
            report, name, lambda *args, name=name, **more: shown.setdefault(name, []).append((args, more))
        )
    assert set(report.figures(diabetes)) == {"loss", "norms", "against", "residuals"}
    (losses, norms), history = shown["curves"], diabetes.history
    training = [loss - l2 for loss, l2 in zip(history.column("loss"), diabetes.penalties, strict=True)]
    assert losses[0][0] == {"training": training, "validation": history.column("validation_loss")}
    assert losses[1]["mark"] == (history.best_epoch, f"best: {history.best_epoch}")
    assert norms[0][0] == {f"layer {l}": [row[l - 1] for row in history.column("gradient_norms")] for l in (1, 2, 3)}
    assert norms[1]["log"] is True
    (((truth, predicted, _), _),) = shown["against"]
    assert truth == diabetes.y_test.tolist()
    assert predicted == diabetes.test_outputs.tolist()
    (((residuals, _), _),) = shown["histogram"]
    assert residuals == [p - t for p, t in zip(predicted, truth, strict=True)]
    many = replace(diabetes, y_test=np.arange(5001.0), test_outputs=np.arange(5001.0))
    report.figures(many)
    (truth, *_), _ = shown["against"][-1]
    assert (len(truth), truth[0], truth[-1]) == (2000, 0.0, 5000.0)


@pytest.mark.usefixtures("unplotted")
def test_training_loss_is_shown_without_the_l2_term(diabetes):
    """As the validation loss is; the last epoch's, at the parameters that it left behind."""
    assert len(diabetes.penalties) == 3
    assert report.training_losses(diabetes) == [
        loss - l2 for loss, l2 in zip(diabetes.history.column("loss"), diabetes.penalties, strict=True)
    ]
    without = replace(diabetes, penalties=())
    assert report.training_losses(without) == diabetes.history.column("loss")
    assert "without the L2 term" in render_report(diabetes)
    assert "with the L2 term" in render_report(without)


def test_the_page_says_what_the_score_is_worth(digits, page):
    assessed = digits.assessment
    assert f'<p class="verdict">{report.sentence(assessed.verdict)}.</p>' in page
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))
    for scores in assessed.baselines.values():
        assert f" {figure(scores['log_loss'])} " in text
    assert f"95 % interval {report.interval(assessed.intervals['accuracy'])}" in text
    assert f"Mean gap {figure(assessed.calibration.error)}" in text
    for one in assessed.classes:
        assert f" {one.label} {one.rows} {figure(one.recall)} {figure(one.precision)} {figure(one.auc)} " in text


@pytest.mark.usefixtures("unplotted")
def test_the_page_shows_what_matters_and_what_went_wrong(digits, diabetes, page):
    most = next(iter(digits.assessment.importances))
    first = rf'<th scope="row">{most}</th><td class="num">[\d.]+</td><td><span class="bar" style="--share: 1.000">'
    assert re.search(first, page)
    for row in digits.assessment.worst:
        assert (
            f'<th scope="row" class="num">{row["row"]:,}</th><td>{row["true"]}</td><td>{row["predicted"]}</td>' in page
        )
    numbers = render_report(diabetes)
    assert "Largest errors" in numbers
    assert "Probability of the true class" not in numbers
    assert numbers.count('<svg class="bars"') == len(diabetes.columns)


@pytest.mark.usefixtures("unplotted")
def test_the_page_says_how_to_get_it_again(tmp_path):
    result = train(dataset="iris", epochs=2, compare=False, out=tmp_path / "m.safetensors", report=tmp_path / "r.html")
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert result.command in html
    assert f"backlit predict {tmp_path / 'm.safetensors'} TABLE -o PREDICTIONS.csv" in html
    assert result.data_sha256 in html
    assert f"Made on {result.model.training['made']} with seed 0" in html
    check(html)


def test_mistakes_are_shaded_unlike_hits(page):
    assert "--series-2" in re.search(r"\.matrix td \{[^}]*\}", page)[0]
    assert "--good" in re.search(r"\.matrix td\.right \{[^}]*\}", page)[0]


@pytest.mark.usefixtures("unplotted")
def test_a_result_that_nobody_assessed_has_a_page(digits, diabetes):
    for result in (digits, diabetes):
        html = render_report(replace(result, assessment=None, command="", data_sha256="", penalties=()))
        check(html)
        assert "Columns that matter" not in html
        assert "95 % interval" not in html


@pytest.mark.usefixtures("unplotted")
def test_an_ensemble_shows_its_members():
    result = train(dataset="iris", quality="fast", compare=False)
    html = render_report(result)
    check(html)
    weights = re.findall(r'<td class="num">([\d.]+)%</td>', html)
    assert [float(w) for w in weights] == [round(100 * member.weight, 1) for member in result.members]
    assert f"weighted mean of {len(result.members)} networks" in html
    assert ">Out of fold</th>" in html


def test_one_of_a_kind_is_no_plural():
    table = pl.DataFrame({"x": np.arange(6.0), "y": np.arange(6.0)})
    result = train(table, "y", hidden=(2,), epochs=1, compare=False)
    for words in ("1 epoch in", "1 held-out row\n", "1 column as 1 feature\n"):
        assert words in f"{result}\n"
    assert repr(result).endswith("1 held-out row>")
    whole = train(table, "y", quality="fast", compare=False, time_limit=1e-9)
    assert (len(whole.members), "ensemble of 1 network on" in str(whole)) == (1, True)


def test_what_the_area_under_the_curve_is_of_several_classes_is_said(digits, diabetes):
    assert "mean over all pairs of classes" in render_report(digits)
    assert "pairs of classes" not in render_report(diabetes)
