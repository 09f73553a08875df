"""Every result shows itself: a short repr, text that says the numbers, HTML for a notebook."""

import inspect
from functools import cache
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest
from sklearn.base import BaseEstimator
from tests.test_public_docs import public_things

from backlit import (
    DISPLAYS,
    Dense,
    GradientFlow,
    MLPClassifier,
    MLPRegressor,
    Network,
    Problem,
    TabularClassifier,
    TabularRegressor,
    check,
    check_function,
    check_network,
    cost,
    diagnose,
    explain,
    explore,
    predict,
    train,
)
from backlit.core.parameters import Statistics
from backlit.engine import Data
from backlit.formats.models import Model
from backlit.tabular import SearchResult
from backlit.tabular.streamed_prediction import StreamedPredictions
from backlit.training import Settings, fit

NET = Network(2, [*[Dense(3, "tanh", norm="batch", dropout=0.1, skip_from=None)] * 2, Dense(1)], l2=0.1)
PLAIN = Network(2, [Dense(3, "tanh"), Dense(1)])
PROBLEM = Problem(PLAIN, PLAIN.init(seed=0), X=np.array([[1.0, 2.0], [0.5, -1.0]]), y=np.array([[1.0], [0.0]]))
TRACE, GRAD = PROBLEM.passes()
WAVES = np.random.default_rng(0).standard_normal((60, 2))
TABLE = pl.DataFrame({"size": WAVES[:, 0], "<b>age</b>": WAVES[:, 1], "y": WAVES @ [2.0, -1.0]})
DEEP = Network(4, [*[Dense(8, "relu")] * 200, Dense(3, "softmax")], loss="cross_entropy")


def step(W, b, X, y):
    """A student's network of one layer."""
    a = X @ W[0].T + b[0]
    return 0.5 * ((a - y) ** 2).sum() / len(X), [(a - y).T @ X / len(X)], [(a - y).mean(axis=0)]


def results():
    """One of each."""
    yield from (NET, DEEP, NET.layers[0], PROBLEM, PROBLEM.params, DEEP.init(), TRACE, GRAD)
    yield Model(PROBLEM.params, Statistics(PLAIN))
    yield check(PROBLEM, {"grad_W": GRAD.W})
    yield check(PROBLEM, {"grad_W": [None, -GRAD.W[1], GRAD.W[2]]})
    yield check_function(lambda theta: theta @ theta, lambda theta: 2 * theta, np.arange(3.0))
    yield check_network(step, (2, 1), activations=("identity",))
    yield cost(PLAIN, batch=8)
    yield diagnose(depth=4, width=8, seeds=1, remedies=False)
    yield explain(PROBLEM)
    yield train(dataset="iris", epochs=2, hidden=[4], compare=False)
    flow = GradientFlow(every=1, warn=False)
    outcome = fit(PLAIN, PLAIN.init(seed=0), Data(PROBLEM.X, PROBLEM.y), Settings(epochs=30), callbacks=[flow])
    yield from (flow, outcome, outcome.history, explore(PROBLEM))
    yield StreamedPredictions(3, "regression", {"r2": 0.5}, "p/")
    options = {"hidden": [8, 8], "activation": "gelu", "optimizer": {"name": "adamw", "learning_rate": 0.001}}
    trials = [{"options": options, "score": score} for score in (None, 0.5)]  # the first one diverged
    yield SearchResult(options, 0.5, trials, "finished", "backlit train t.csv --target y --hidden 8,8")
    for cls, y in ((MLPClassifier, TABLE["y"] > 0), (MLPRegressor, TABLE["y"])):
        yield cls(hidden_layer_sizes=(4,), max_iter=30, tol=9.0, n_iter_no_change=2).fit(TABLE.drop("y"), y.to_numpy())
    yield TabularClassifier("fast").fit(TABLE.drop("y"), (TABLE["y"] > 0).to_numpy())
    tabular = TabularRegressor("fast").fit(TABLE.drop("y"), TABLE["y"].to_numpy())
    yield from (tabular, tabular.ensemble_, predict(tabular.ensemble_, TABLE))


RESULTS = (  # what they are: they take seconds to make, which only these tests should pay
    *(
        "Network",
        "Network",
        "Dense",
        "Problem",
        "Parameters",
        "Parameters",
        "Trace",
        "Gradients",
        "Model",
        "CheckResult",
    ),
    *(
        "CheckResult",
        "FunctionCheck",
        "NetworkCheck",
        "Cost",
        "Diagnosis",
        "Explanation",
        "TrainResult",
        "GradientFlow",
    ),
    *("Outcome", "History", "Exploration", "StreamedPredictions", "SearchResult", "MLPClassifier", "MLPRegressor"),
    *("TabularClassifier", "TabularRegressor", "Ensemble", "Predictions"),
)
NO_RESULTS = {  # public classes that nobody is given as an answer, or that are a part of one
    "Dense", "GradientFlowDisplay", "Entry", "Ledger", "Derivation", "Section", "Step", "LossCurveDisplay", "Epoch",
    "ManyWorkers", "Run", "Settings", "Shards", "Stream",
}  # fmt: skip


@cache
def made():
    """All of them, made once."""
    found = list(results())
    assert tuple(type(one).__name__ for one in found) == RESULTS
    return found


def each(keep=lambda name: True):
    """A parameter for each of them whose name is kept."""
    numbers = [k for k, name in enumerate(RESULTS) if keep(name)]
    return pytest.mark.parametrize("result", numbers, ids=[RESULTS[k] for k in numbers], indirect=True)


@pytest.fixture
def result(request):
    """One of them."""
    return made()[request.param]


def shown(name):
    """Whether it shows itself; a layer is a part of one that does."""
    return name != "Dense"


def as_grid(name):
    """Whether its HTML is a grid of numbers."""
    return shown(name) and DISPLAYS.get(name, {}).get("html") == "render.faces.html"


@each()
def test_a_repr_is_short_and_has_no_addresses(result):
    said = repr(result)
    assert type(result).__name__ in said
    assert len(said) < 250
    assert "\n" not in said
    assert "<function" not in said
    assert " at 0x" not in said


@each(shown)
def test_text_is_what_is_printed_and_fits_a_terminal(result):
    text = result.to_text()
    if not isinstance(result, BaseEstimator):  # which scikit-learn prints as they are made
        assert str(result) == text
    lines = text.splitlines()
    assert text.strip("\n") == text.rstrip()
    assert all(line == line.rstrip() for line in lines)
    if type(result).__name__ not in ("FunctionCheck", "Explanation"):  # a line by itself, and formulas of any width
        assert max(map(len, lines)) <= 80


class Balanced(HTMLParser):
    """Tags that are open."""

    VOID = ("br", "meta", "link", "input", "hr", "img", "col")

    def __init__(self):
        super().__init__()
        self.open, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.open += [] if tag in self.VOID else [tag]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@each(shown)
def test_html_is_there(result):
    assert "<" in result._repr_html_()


def test_every_public_result_is_among_these():
    """And so has all three: a short repr, text, HTML."""
    classes = {
        cls.__name__
        for name, cls in public_things().items()
        if inspect.isclass(cls) and not name.startswith("backlit.optim.")
    }
    assert classes - NO_RESULTS <= set(RESULTS)
    assert classes >= NO_RESULTS
    returned = {"Explanation", "Exploration", "CheckResult", "FunctionCheck", "NetworkCheck", "StreamedPredictions"}
    assert returned <= set(RESULTS)


@each(as_grid)
def test_html_is_whole_and_says_what_the_text_says(result):
    reader = Balanced()
    reader.feed(result._repr_html_())
    assert reader.open == []
    for word in result.to_text().split()[:6]:
        assert word in reader.text


def test_a_repr_can_be_read_back():
    for net in (PLAIN, DEEP, NET):
        assert eval(repr(net), {"Network": Network, "Dense": Dense}) == net


def test_the_tables_say_the_numbers():
    assert "2 → 3" in str(NET)
    assert "batch norm, dropout 0.1" in str(NET)
    assert f"{np.linalg.norm(GRAD.W[2]):.4g}" in str(GRAD)
    assert f"C = {GRAD.loss:.6g}" in str(GRAD)
    assert "2 examples" in str(TRACE)
    assert str(DEEP).count("\n") < 40
    assert "⋮" in str(DEEP)
    total = sum(int(line.split()[-1].replace(",", "")) for line in str(NET).splitlines()[3:])
    assert total == NET.n_parameters


def test_names_are_escaped_in_html():
    net = Network(1, [Dense(1, lambda u: u)])
    object.__setattr__(net.layers[0].activation, "name", "<b>")
    assert "<b>" not in net._repr_html_()
