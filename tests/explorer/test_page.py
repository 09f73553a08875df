"""The page in Chromium, with the network off: its handles, its controls, its access, its size, and odd states."""

import json
from typing import Any

import numpy as np
import pytest
from tests.explorer import drawn
from tests.scripts import load_script

from backlit import explain, explore
from backlit.derivation.examples import EXAMPLES, read_example
from backlit.formats.problems import read_problem
from backlit.render.explanation import finite

check = load_script("explorer_check")
STATES = 400  # changed at random; `make explorer-check` tries 10,000


@pytest.fixture(scope="module")
def browser():
    pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if check.chromium() is None:
        pytest.skip("no Chromium here")
    with check.started() as started:
        yield started


@pytest.fixture
def worked(browser):
    with check.Opened(browser, read_example("worked")) as opened:
        yield opened
        assert opened.faults == []


def step_of(opened: Any) -> str:
    return opened.page.locator(".bar .count").first.inner_text()


def test_the_page_is_small():
    size = check.sizes()
    assert size["script"] <= check.SCRIPT_LIMIT
    assert size["file"] <= check.FILE_LIMIT


@pytest.mark.slow
def test_quantities_are_explains(browser):
    """Of the page's problem and of one that is loaded, after numbers were changed in it too.

    Not by Adam, which divides the gradient of a bias below batch norm, rounding alone, by its own size.
    """
    momentum = {"name": "sgd", "learning_rate": 0.05, "momentum": 0.9}
    with check.Opened(browser, {**check.rich(), "optimizer": momentum}) as opened:
        page = opened.page
        same_as_explain(page)
        page.get_by_role("button", name="Train", exact=True).click()
        page.wait_for_timeout(400)
        page.get_by_role("button", name="Pause", exact=True).click()
        same_as_explain(page)
        page.evaluate("(problem) => window.backlit.load(problem)", read_example("residual"))
        same_as_explain(page)
        assert opened.faults == []


def same_as_explain(page: Any) -> None:
    """The round trip: page → problem file → explain gives the page's numbers."""
    problem = json.loads(page.evaluate("JSON.stringify(window.backlit.problem())"))
    given = json.loads(page.evaluate("JSON.stringify(window.backlit.quantities())"))
    right = finite(explain(problem).derivation.quantities)
    close(given, right, "")


def close(given: Any, right: Any, where: str) -> None:
    if isinstance(right, dict):
        assert given.keys() == right.keys(), where
        for key in right:
            close(given[key], right[key], f"{where}.{key}")
    elif isinstance(right, list):
        assert len(given) == len(right), where
        for k, (one, other) in enumerate(zip(given, right, strict=True)):
            close(one, other, f"{where}[{k}]")
    else:
        assert given == pytest.approx(right, rel=1e-9, abs=1e-12), where


@pytest.mark.slow
def test_a_problem_that_cannot_be_opened_is_an_error_of_one_sentence(worked):
    for problem in (
        {},
        {"inputs": 2},
        None,
        {"inputs": 1, "layers": [{"units": 1, "W": [[1, 2]]}], "x": [[1]], "y": [1]},
    ):
        message = worked.page.evaluate(
            """(problem) => {
              try { window.backlit.load(problem); } catch (error) { return [error instanceof Error, error.message]; }
            }""",
            problem,
        )
        assert message is not None
        assert message[0]
        assert "\n" not in message[1]
    assert worked.page.evaluate("window.backlit.problem().inputs") == 2


@pytest.mark.slow
def test_steps_go_on_and_back_and_are_read_out(worked):
    page = worked.page
    live = page.locator("[aria-live=polite]")
    assert live.inner_text() == "Going back through the activation multiplies, unit by unit, by its slope."
    first = step_of(worked)
    page.get_by_role("button", name="Next step").click()
    assert step_of(worked) != first
    assert "A bias adds 1" in live.inner_text()
    page.get_by_role("button", name="Previous step").click()
    assert step_of(worked) == first
    page.keyboard.press("ArrowRight")
    assert step_of(worked) != first


@pytest.mark.slow
def test_reset_gives_the_loaded_numbers_to_the_bit(worked):
    page = worked.page
    before = page.evaluate("JSON.stringify(window.backlit.problem())")
    page.get_by_role("button", name="+1 epoch").click()
    assert page.evaluate("JSON.stringify(window.backlit.problem())") != before
    page.get_by_role("button", name="Reset").click()
    assert page.evaluate("JSON.stringify(window.backlit.problem())") == before
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Undo").click()
    assert page.evaluate("JSON.stringify(window.backlit.problem())") == before


@pytest.mark.slow
def test_an_edit_changes_every_number_and_is_taken_back(worked):
    page = worked.page
    line = page.locator(".formula").nth(1)
    before = line.inner_text()
    value = page.locator(".edit input.number")
    value.fill("0.9")
    value.press("Enter")
    assert line.inner_text() != before
    problem = json.loads(page.evaluate("JSON.stringify(window.backlit.problem())"))
    assert problem["layers"][0]["W"][0][0] == 0.9
    page.get_by_role("button", name="Undo").click()
    assert line.inner_text() == before


@pytest.mark.slow
def test_one_epoch_is_explains_step(worked):
    page = worked.page
    update = page.evaluate("window.backlit.quantities().update")
    page.get_by_role("button", name="+1 epoch").click()
    layers = page.evaluate("window.backlit.problem().layers")
    assert [layer["W"] for layer in layers] == [update["W"]["1"], update["W"]["2"]]


@pytest.mark.slow
def test_a_wrong_guess_is_told_apart_by_its_mistake(worked):
    page = worked.page
    page.get_by_role("button", name="Predict").click()
    assert "0.063071" not in page.locator(".step").inner_text()
    answer = page.get_by_label("Your number, or its sign")
    for typed, said in (("-0.258", "activation slope missing"), ("+", "The other sign"), ("-0.0631", "Right"),
                        ("0.063071", "wrong sign"), ("x", "Type a number")):  # fmt: skip
        answer.fill(typed)
        page.get_by_role("button", name="Check").click()
        assert said in page.locator(".question").inner_text(), typed


@pytest.mark.slow
def test_divergence_stops_and_says_where(browser):
    problem = check.drawn_network([1, 4, 1], 12)
    problem["layers"][0]["activation"] = "relu"
    problem["layers"][1]["activation"] = "identity"
    problem["optimizer"] = {"name": "sgd", "learning_rate": 1e6}
    with check.Opened(browser, problem) as opened:
        opened.page.get_by_role("button", name="Train", exact=True).click()
        notice = opened.page.get_by_role("alert")
        notice.get_by_text("Training stopped").wait_for()
        assert "of layer" in notice.inner_text()
        opened.page.get_by_role("button", name="Take it back").click()
        assert notice.inner_text() == ""
        assert opened.faults == []


@pytest.mark.slow
def test_a_link_holds_the_state(browser):
    with check.Opened(browser, read_example("residual")) as opened:
        page = opened.page
        page.get_by_role("button", name="+1 epoch").click()
        link = page.evaluate("window.backlit.share()")
        problem = page.evaluate("JSON.stringify(window.backlit.problem())")
        assert link.startswith("#v1:")
        page.goto("about:blank")
        page.goto(opened.path.as_uri() + link)
        page.wait_for_function("JSON.stringify(window.backlit.problem()) === " + json.dumps(problem))
        page.goto("about:blank")
        page.goto(opened.path.as_uri() + link[:60])
        page.get_by_role("alert").get_by_text("cut short").wait_for()
        assert opened.faults == []


@pytest.mark.slow
def test_comparing_says_in_what_they_differ(worked):
    page = worked.page
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("tab", name="Settings").click()
    page.get_by_label("Activation of layer 1").nth(1).select_option("relu")
    page.get_by_role("tab", name="Loss").click()
    assert "layer 1 activation: sigmoid against relu" in page.locator(".differs").inner_text()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_access(browser, scheme):
    if not check.AXE.exists():
        pytest.skip("axe-core is not installed: npm ci in web/")
    with check.Opened(browser, check.rich(), color_scheme=scheme) as opened:
        for mode in check.modes(opened):
            assert check.access(opened) == [], mode
            assert check.small_targets(opened) == [], mode
        assert opened.faults == []


@pytest.mark.slow
def test_access_finds_what_is_planted(browser):
    if not check.AXE.exists():
        pytest.skip("axe-core is not installed: npm ci in web/")
    with check.Opened(browser, read_example("worked")) as opened:
        opened.page.evaluate("document.querySelector('.explorer').insertAdjacentHTML('beforeend', '<button></button>')")
        assert any("button-name" in fault for fault in check.access(opened))
        assert len(check.small_targets(opened)) == 0
        opened.page.evaluate("document.querySelector('.explorer button').style.cssText = 'height: 9px; min-height: 0'")
        assert len(check.small_targets(opened)) == 1


@pytest.mark.slow
def test_a_phone_shows_all_of_it(browser):
    for problem in (check.rich(), read_example("deep-sigmoid")):
        with check.Opened(browser, problem, width=check.NARROW, height=740) as opened:
            for mode in check.modes(opened):
                assert check.narrow_faults(opened) == [], mode


@pytest.mark.slow
def test_odd_states_are_refused_in_a_sentence_or_opened(browser):
    with check.Opened(browser, check.rich()) as opened:
        assert check.mutated(opened, STATES) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("<main", '<img alt="" src="https://example.org/x.png"><main', "example.org"),
        ("</main>", "</main><script>throw Error('planted')</script>", "planted"),
    ],
)
def test_planted_faults_are_found(browser, old, new, word):
    html = explore(example="worked").to_html()
    assert old in html
    with check.Opened(browser, html.replace(old, new, 1)) as opened:
        assert any(word in fault for fault in opened.faults)


@pytest.mark.slow
def test_every_example_opens_in_every_step(browser):
    with check.Opened(browser, read_example("worked")) as opened:
        for name in EXAMPLES:
            opened.page.evaluate("(problem) => window.backlit.load(problem)", read_example(name))
            opened.page.get_by_role("button", name="First step").click()
            while opened.page.get_by_role("button", name="Next step").is_enabled():
                opened.page.get_by_role("button", name="Next step").click()
                assert opened.page.locator(".formula math").count() >= 2
        assert opened.faults == []


@pytest.mark.slow
def test_a_large_network_keeps_all_its_layers(browser):
    with check.Opened(browser, check.drawn_network([3, *[20] * 10, 2], 8)) as opened:
        assert opened.page.locator(".strip").count() == 12
        assert opened.faults == []


def without_weights() -> dict[str, Any]:
    worked = json.loads(json.dumps(read_example("worked")))
    del worked["layers"][0]["W"]
    return worked


LEFT_OUT = {  # each row of the page's table: a problem that it refuses, and by what words; None for what is no problem
    "weights by a scheme": (without_weights(), "W is missing"),
    "records of one's own": ({**read_example("worked"), "loss": "my_own"}, "unknown loss"),
    "seeds of 2^53 and more": ({**read_example("worked"), "seed": 2**60}, "2^53"),
    "large problems": ({"inputs": 2000, "layers": [{"units": 2000}]}, "more than 1000000 parameters"),
    "TOML and YAML": ("inputs: 2", "a problem is a table of fields"),
    "running moments": None,  # tests/cli/test_explore.py has a model with some
    "fractions and more digits": None,
    "batches": None,
}


@drawn.needs_node
def test_what_is_left_out_is_refused_in_words():
    assert list(LEFT_OUT) == [what for what, _ in drawn.exported("LEFT_OUT")]
    refused = [row for row in LEFT_OUT.values() if row is not None]
    for answer, (_, words) in zip(drawn.in_node([problem for problem, _ in refused]), refused, strict=True):
        assert words in answer["error"]


def test_python_draws_the_weights_that_the_page_does_not():
    made = explore(without_weights())
    assert made.problem.params.W[1].any()
    assert read_problem(made.opened["problem"]).to_dict() == made.problem.to_dict()


WIDGET = """
async (code) => {
  const module = await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  const model = { opened: window.opened, get: (key) => model[key], save_changes() {} };
  model.set = (key, value) => { model[key] = value; };
  window.model = model;
  window.stop = module.default.render({ model, el: document.body });
}
"""


@pytest.mark.slow
def test_the_widget_gives_back_the_problem_as_it_stands(browser):
    """As anywidget runs it in a notebook: the module's default export, a model, an element."""
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.set_default_timeout(check.PATIENCE)
    page.evaluate("(opened) => { window.opened = opened }", explore(example="worked").opened)
    page.evaluate(WIDGET, check.asset("explorer.js"))
    page.get_by_role("button", name="+1 epoch").click()
    page.wait_for_function("window.model.current && window.model.current.layers[0].W[0][0] !== 0.1")
    assert read_problem(page.evaluate("window.model.current")).net.n == (2, 2, 1)
    page.evaluate("window.stop()")
    assert page.locator(".explorer").count() == 0
    context.close()


@pytest.mark.slow
def test_the_keyboard_alone_reaches_every_control(worked):
    """Tab goes through all that can be used, in an order that begins in the bar, and shows where it is."""
    page = worked.page
    wanted = page.evaluate(
        """() => [...document.querySelectorAll("button, select, input, textarea, summary")]
          .filter((one) => !one.disabled && one.checkVisibility() && one.tabIndex >= 0).length"""
    )
    seen, marked = [], 0
    for _ in range(wanted + 40):
        page.keyboard.press("Tab")
        found = page.evaluate(
            """() => { const one = document.activeElement, style = getComputedStyle(one);
              return [[...document.querySelectorAll("*")].indexOf(one),
                one.matches("button, select, input, textarea, summary"), parseFloat(style.outlineWidth) >= 2]; }"""
        )
        if found[1]:
            seen.append(found[0])
            marked += found[2]
    assert len(set(seen)) == wanted
    assert marked == len(seen)


@pytest.mark.slow
def test_the_page_is_read_aloud_with_names(worked):
    assert check.spoken_faults(worked) == []
    worked.page.evaluate("""() => {
      const next = document.querySelector('[aria-label="Next step"]');
      next.removeAttribute("aria-label");
      next.removeAttribute("title");
      document.querySelector(".live").removeAttribute("role");
    }""")
    found = "\n".join(check.spoken_faults(worked))  # test the tester
    assert all(said in found for said in ("nothing is called Next step", "no name: - button", "in no live region"))


def until(page: Any, holds: str) -> None:
    """Wait for it; the page lets no script be evaluated in it by itself."""
    for _ in range(1200):
        if page.evaluate(holds):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never so: {holds}")


@pytest.mark.slow
def test_a_large_network_trains_beside_the_page_and_gives_the_same_numbers(browser):
    """Above 2,000 parameters a worker takes the steps; they are those that the textbook takes."""
    problem = check.drawn_network([2, 48, 48, 2], 12)
    with check.Opened(browser, problem) as opened:
        page = opened.page
        page.get_by_role("button", name="Train", exact=True).click()
        until(page, "Number(document.querySelector('[aria-label=Training] .count').innerText.slice(6)) >= 5")
        page.get_by_role("button", name="Pause", exact=True).click()
        assert len(page.workers) == 1
        said, got = page.evaluate(  # at once, as the worker may still send a step
            "[document.querySelector('[aria-label=Training] .count').innerText, window.backlit.problem()]"
        )
        assert opened.faults == []
    taken = int(said.split()[1])
    wanted = explain(problem, steps=taken).derivation.quantities["update"]["W"]
    for l, layer in enumerate(got["layers"], start=1):
        np.testing.assert_allclose(layer["W"], wanted[str(l)], rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_an_edit_draws_a_rough_map_at_once_and_a_fine_one_after_it(browser):
    """The numbers do not wait for 10,000 pixels, nor for a worker."""
    with check.Opened(browser, check.drawn_network([2, 48, 48, 2], 12)) as opened:
        page = opened.page
        until(page, "document.querySelector('.map canvas').width === 100")
        page.evaluate("""() => {
          const canvas = document.querySelector(".map canvas");
          window.widths = [];
          new MutationObserver(() => window.widths.push(canvas.width)).observe(canvas, { attributeFilter: ["width"] });
          const input = document.querySelector(".edit input.number");
          input.value = "0.5";
          input.dispatchEvent(new Event("change", { bubbles: true }));
        }""")
        until(page, "window.widths.includes(100)")
        assert page.evaluate("window.widths") == [40, 100]
        assert opened.faults == []


def test_colors_are_told_apart_by_color_blind_readers():
    colors = load_script("color_blindness")
    found = [palette for page in colors.PAGES for palette in colors.palettes((colors.ROOT / page).read_text("utf-8"))]
    assert len(found) == 6
    assert [fault for palette in found for fault in colors.faults(palette)] == []
    planted = {**found[0], "series-2": "#5a7d00"}  # a green that protanopes take for the others
    assert any("series-2" in fault and "differ" in fault for fault in colors.faults({**planted, "series-3": "#7d7000"}))
    assert any("to 1 on paper" in fault for fault in colors.faults({**found[0], "series-1": "#b0c4de"}))
