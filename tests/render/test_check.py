"""A check in a terminal and in a notebook, whole, from results whose numbers are known."""

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from backlit.core import Dense, Network
from backlit.core.problem import Problem
from backlit.render.check import check_page, hidden, show_check, sides, to_html, to_markdown
from backlit.verification import check, check_function


@pytest.fixture(scope="module")
def problem():
    net = Network(2, [Dense(2, "sigmoid"), Dense(1)])
    return Problem(net, net.init(seed=0), np.array([[1.0, 2.0], [0.5, -1.0], [2.0, 0.0]]), np.ones((3, 1)))


@pytest.fixture(scope="module")
def wrong(problem):
    grad = problem.passes()[1]
    return check(problem, {"grad_b": [None, *grad.b[1:]], "grad_W": [None, *(3 * W for W in grad.W[1:])]})


def printed(result):
    out = io.StringIO()
    show_check(result, Console(file=out, width=120))
    return out.getvalue().splitlines()


def test_a_failed_check_says_where_it_starts_and_which_mistake_it_is(wrong):
    lines = printed(wrong)
    assert lines[0] == "FAIL  Something is wrong.  (4 quantities compared, 2 wrong, tolerance 1e-08)"
    one = wrong.quantities[wrong.first_wrong]
    at = f"[{one.worst.index[0]}, {one.worst.index[1]}]"
    assert lines[1] == (
        f"First wrong: {wrong.first_wrong} ({one.wrong_entries} of {one.entries} numbers). Worst at {at}: claimed "
        f"{one.worst.claimed:.10g}, right {one.worst.right:.10g}."
    )
    (found,) = wrong.diagnoses
    (bug,) = found.bugs
    assert lines[2].startswith(f"╭─ {found.name} ─")
    text = " ".join(line.strip("│ ") for line in lines)
    for part in (bug.words, f"right  [{bug.equation}]", bug.wrong, bug.right, f"Where to look: {bug.fix}"):
        assert " ".join(part.split()) in " ".join(text.split())
    rows = [line.split() for line in lines if line.startswith("grad_")]
    assert rows == [
        [name, "ok" if q.ok else "wrong", f"{q.max_relative_error:.1e}"] for name, q in wrong.quantities.items()
    ]
    assert {name: said for name, said, _ in rows} == {
        "grad_W[1]": "wrong", "grad_W[2]": "wrong", "grad_b[1]": "ok", "grad_b[2]": "ok",
    }  # fmt: skip


def test_a_mistake_that_is_unknown_is_said_to_be(wrong):
    text = "The mistake is none that the catalogue knows, alone or in pairs."
    unknown = replace(wrong, diagnoses=[])
    assert text in printed(unknown)
    assert text in to_markdown(unknown)
    assert text in to_html(unknown)
    assert text not in " ".join(printed(wrong)) + to_markdown(wrong)


def test_a_number_without_an_index_is_its_only_one(problem):
    result = check(problem, {"loss": 2.0})
    assert "Worst at its only number: claimed 2, right " in " ".join(printed(result))
    assert "First wrong: `loss`, its only number: claimed 2, right " in to_markdown(result)


def test_a_check_that_passes_has_no_place_where_it_starts(problem):
    result = check(problem, {"grad_b": [None, *problem.passes()[1].b[1:]]})
    assert printed(result)[0] == "PASS  All claims are right.  (2 quantities compared, 0 wrong, tolerance 1e-08)"
    assert not any("First wrong" in line for line in printed(result))
    assert to_markdown(result).startswith("**Pass: all claims are right.**\n")
    assert "First wrong" not in to_markdown(result)


def test_markdown_has_the_mistake_and_the_table(wrong):
    text = to_markdown(wrong).splitlines()
    assert text[0] == "**Fail: something is wrong.**"
    (found,) = wrong.diagnoses
    (bug,) = found.bugs
    at = text.index(f"**{found.name}** ({found.kind})")
    assert text[at + 1 : at + 5] == [
        f"- {bug.words}", f"  - used `{bug.wrong}`", f"  - right `{bug.right}` ({bug.equation})",
        f"  - where to look: {bug.fix}",
    ]  # fmt: skip
    table = text[text.index("|---|---|---:|") + 1 :]
    assert table == [
        f"| `{name}` | {'ok' if q.ok else 'wrong'} | {q.max_relative_error:.1e} |"
        for name, q in wrong.quantities.items()
    ]


def test_a_function_s_parts_are_measured_and_not_judged():
    result = check_function(np.sum, lambda t: np.array([1.0, 3.0]), [1.0, 2.0])
    index, claimed, right = result.worst
    text = to_markdown(result)
    assert f"Worst is entry {index}: claimed {claimed:.10g}, right {right:.10g}, by {result.method}.  " in text
    (name, error), *_ = result.by_name.items()
    assert text.rstrip().endswith(f"| `{name}` |  | {error:.1e} |")


def test_what_could_not_be_shown_is_named_as_far_as_there_is_room():
    assert hidden(list("abcdefgh")).plain == (
        "These claims and inputs could not show: a, b, c, d, e, f, g, h. "
        "suggest_inputs (--suggest-inputs) proposes better ones."
    )
    assert "a, b, c, d, e, f, g, h and 2 more. suggest_inputs" in hidden(list("abcdefghij")).plain


def test_the_page_shows_the_claimed_matrix_beside_the_right_one(wrong):
    one = wrong.quantities["grad_W[2]"]
    for name, rows in sides(one):
        shown = [[float(text.replace("−", "-")) for text, _ in row] for row in rows]
        assert np.allclose(shown, getattr(one, name), rtol=1e-5)
        assert [[off for _, off in row] for row in rows] == one.wrong.tolist()
    page = check_page(wrong, title="it")
    assert f"{wrong.first_wrong}, claimed" in page
    assert page.count(" off") == 2 * wrong.quantities[wrong.first_wrong].wrong_entries


def test_one_number_and_large_matrices_are_not_shown(wrong):
    one = wrong.quantities["grad_W[2]"]
    large = np.zeros((11, 2))
    assert sides(replace(one, claimed=large, right=large, wrong=large > 0)) == []
    assert sides(replace(one, claimed=large[:1, :1], right=large[:1, :1], wrong=large[:1, :1] > 0)) == []
    assert sides(replace(one, claimed=None)) == []
