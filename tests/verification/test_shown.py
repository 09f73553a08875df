"""Results show themselves in a notebook: self-contained, escaped, with the mistake in words."""

import numpy as np
import pytest

from backlit.core import Dense, Network
from backlit.core.problem import Problem
from backlit.verification import check, check_function, check_network


def wrong_check():
    net = Network(2, [Dense(2, "sigmoid"), Dense(1)])
    problem = Problem(net, net.init(seed=0), np.array([[1.0, 2.0], [0.5, -1.0], [2.0, 0.0]]), np.ones((3, 1)))
    return check(problem, {"grad_W": [None, *(3 * W for W in problem.passes()[1].W[1:])]})


def half(W, b, X, y):
    delta = X @ W[0].T + b[0] - y
    return {"loss": np.sum(delta**2) / len(X), "grad_W": [delta.T @ X / len(X)], "grad_b": [delta.mean(axis=0)]}


def doubled():
    return check_function(np.sum, lambda t: 2 * np.ones_like(t), [1.0, 2.0])


def half_network():
    return check_network(half, (3, 2))


MADE = {"check": wrong_check, "function": doubled, "network": half_network}
WORDS = {
    "check": ("Fail", "missing_batch_mean", "here to look", "grad_W[2]"),
    "function": ("Fail", "2 times", "theta"),
    "network": ("Fail", "is not the gradient of your own loss", "grad_W[1]"),
}


@pytest.mark.parametrize("kind", MADE)
def test_html_and_markdown_say_what_is_wrong(kind):
    result = MADE[kind]()
    for text in (result._repr_html_(), result._repr_markdown_()):
        for word in WORDS[kind]:
            assert word in text
    html = result._repr_html_()
    assert "http" not in html
    assert "<script" not in html
    assert html.count("<div") == html.count("</div>")


def test_names_are_escaped():
    names = {"<b>": slice(0, 2)}
    html = check_function(np.sum, np.ones_like, [1.0, 2.0], names=names)._repr_html_()
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
