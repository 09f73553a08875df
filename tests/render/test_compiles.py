"""LaTeX and Typst of drawn networks, and of one that is drawn in part, compile; no line runs off the page."""

import re
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from tests.helpers import HANGS
from tests.needs import needs_latex
from tests.strategies import Dense, Network, problems

from backlit.core.problem import Problem
from backlit.derivation import derive
from backlit.render.derivation_latex import escaped as latex_words
from backlit.render.explanation import Explanation, explain

FEW = settings(
    max_examples=3,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def explained(drawn):
    seed = None if drawn.dropout is None else drawn.dropout.seed
    data = (drawn.X, np.asarray(drawn.y), drawn.sample_weight)
    return Explanation(derive(Problem(drawn.net, drawn.params, *data, seed=seed)))


def elided():
    net = Network(12, [Dense(12, "tanh"), Dense(12, "relu", norm="batch"), Dense(5, "softmax")], loss="cross_entropy")
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((12, 12)), rng.integers(0, 5, 12)
    return Explanation(derive(Problem(net, net.init("xavier_uniform", seed=0), X=x, y=y)))


def overfull(made, folder):
    """Compile, and tell by how many points lines are too wide."""
    (folder / "it.tex").write_text(made.to_latex(), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "it.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=HANGS, check=False)
    assert done.returncode == 0, done.stdout[-600:]
    log = (folder / "it.log").read_text(encoding="utf-8", errors="replace")
    assert "Missing character" not in log
    return [float(pt) for pt in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)]


@pytest.mark.slow
@needs_latex
@FEW
@given(problems(running=False, depths=(1, 2, 3), rows=(1, 2, 3)))
def test_latex_of_drawn_networks(tmp_path, drawn):
    assert max(overfull(explained(drawn), tmp_path), default=0) < 20


@pytest.mark.slow
@needs_latex
def test_latex_of_a_network_in_part(tmp_path):
    assert max(overfull(elided(), tmp_path), default=0) < 20


@pytest.mark.slow
@FEW
@given(problems(running=False))
def test_typst_of_drawn_networks(drawn):
    pytest.importorskip("typst")
    assert explained(drawn).to_pdf().startswith(b"%PDF")


@pytest.mark.slow
def test_typst_of_a_network_in_part():
    pytest.importorskip("typst")
    assert elided().to_pdf().startswith(b"%PDF")


AWKWARD = 'a<b>c|d "e" --f – #$%&_{}~^\\ x̂ [g]@h*i`j`=k'


def titled():
    return Explanation(replace(explain(example="worked").derivation, title=AWKWARD, subtitle=AWKWARD))


@needs_latex
def test_latex_of_words_with_awkward_signs(tmp_path):
    overfull(titled(), tmp_path)


def test_typst_of_words_with_awkward_signs():
    pytest.importorskip("typst")
    assert titled().to_pdf().startswith(b"%PDF")


def test_signs_that_latex_sets_as_others_are_themselves():
    """Of its text fonts < > | are ¡ ¿ and a dash, a straight quote is a closing one, and two hyphens are a dash."""
    assert latex_words('a<b>c|d "e" --f -g –') == (r"a$<$b$>$c$|$d {\ttfamily\char34}e{\ttfamily\char34} -{}-f -g --")


def test_a_small_network_takes_five_pages_of_pdf():
    """2-2-1: what repeats itself is folded, and short formulas stand side by side."""
    typst = pytest.importorskip("typst")
    pages = typst.compile(explain(example="worked").to_typst().encode(), format="png", ppi=20)
    assert len(pages) <= 5
