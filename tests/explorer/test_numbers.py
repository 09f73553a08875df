"""The page's core gives Python's numbers: every quantity, over all that a problem file can say."""

import os
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from tests.explorer import drawn

from backlit.derivation.examples import EXAMPLES, read_example
from backlit.derivation.update import quantities, run
from backlit.formats.problems import read_problem
from backlit.gradcheck.error_bounds import error_bounds
from backlit.optim import get_optimizer

pytestmark = drawn.needs_node
COUNT = int(os.environ.get("BACKLIT_EXPLORER_NETWORKS", 5 * settings().max_examples))
TOLERANCE = 1e-12
EXCUSED = 0.02  # of all tensors, at most: those in which rounding is larger than that


def flat(tree: Any, name: str = "") -> dict[str, np.ndarray]:
    """Arrays by name, such as "grad_W.1"."""
    if not isinstance(tree, dict):
        return {name: np.asarray(tree, float)}
    parts = [flat(value, f"{name}.{key}" if name else str(key)) for key, value in tree.items()]
    return {key: value for part in parts for key, value in part.items()}


def apart(ours: np.ndarray, theirs: np.ndarray) -> float:
    """‖difference‖ relative to both."""
    size = np.linalg.norm(ours) + np.linalg.norm(theirs)
    return float(np.linalg.norm(ours - theirs) / size) if size else 0.0


def textbook(problem: dict[str, Any], steps: int = 1) -> dict[str, np.ndarray]:
    """Python's quantities."""
    read = read_problem(problem)
    return flat(quantities(*read.passes(), run(read, steps)))


def excused(problem: dict[str, Any], name: str, difference: np.ndarray) -> bool:
    """Whether rounding alone can do that: what the measured bounds of the gradients allow."""
    bounds = error_bounds(read_problem(problem)).bounds
    *way, part, l = name.split(".") if "." in name else (name, "")
    own = bounds.get(f"grad_{part}[{l}]" if way else f"{part}[{l}]")
    if way and own is not None:  # optimizers divide a gradient by its size plus eps, be it rounding alone
        own = own / getattr(get_optimizer(problem["optimizer"]), "eps", 1)
    if own is not None:
        return bool((np.abs(difference) <= own).all())
    largest = max(float(np.max(bound)) for bound in bounds.values())
    return float(np.max(np.abs(difference))) <= 10 * largest


def faults(problems: list[dict[str, Any]], answers: list[dict[str, Any]]) -> tuple[list[str], int, int]:
    """What differs, how many tensors were excused, and how many were compared."""
    found, let_off, count = [], 0, 0
    for k, (problem, answer) in enumerate(zip(problems, answers, strict=True)):
        if "error" in answer:
            found.append(f"{k}: {answer['error']}")
            continue
        right, given = textbook(problem), flat(answer["quantities"])
        if right.keys() != given.keys():
            found.append(f"{k}: other names: {right.keys() ^ given.keys()}")
            continue
        for name, value in right.items():
            count += 1
            if apart(given[name], value) <= TOLERANCE:
                continue
            if excused(problem, name, given[name] - value):
                let_off += 1
            else:
                found.append(f"{k}: {name} differs by {apart(given[name], value):.1e}")
    return found, let_off, count


def test_the_page_gives_the_numbers_of_python_on_drawn_networks():
    problems = [drawn.problem_file(seed) for seed in range(COUNT)]
    found, let_off, count = faults(problems, drawn.in_node(problems))
    assert found == []
    assert let_off <= EXCUSED * count, f"{let_off} of {count} tensors excused by rounding"


def test_drawn_networks_hold_all_that_a_problem_file_can_say():
    problems = [drawn.problem_file(seed) for seed in range(COUNT)]
    layers = [layer for problem in problems for layer in problem["layers"]]
    for key in ("norm", "dropout", "skip_from", "skip_scale", "train_bias", "gamma", "eps"):
        assert any(layer.get(key) not in (None, 0) or key in layer for layer in layers), key
    assert {layer.get("norm") for layer in layers} == {None, "batch", "layer"}
    from backlit.core import ACTIVATIONS, LOSSES
    from backlit.optim import OPTIMIZERS

    def names(specs: Any) -> set[str]:
        return {(spec if isinstance(spec, str) else spec["name"]).split("[")[0] for spec in specs}

    assert names(layer["activation"] for layer in layers) == set(ACTIVATIONS.shipped)
    assert names(problem["loss"] for problem in problems) == set(LOSSES.shipped)
    assert names(problem["optimizer"] for problem in problems) == set(OPTIMIZERS.shipped)
    for key in ("sample_weight", "clip_norm", "clip_value", "seed"):
        assert any(key in problem for problem in problems), key
    assert {problem["reduction"] for problem in problems} == {"mean", "sum"}
    assert any(problem["l2"] for problem in problems)


def test_a_planted_error_is_found():
    problems = [drawn.problem_file(seed) for seed in range(3)]
    answers = drawn.in_node(problems)
    answers[1]["quantities"]["delta"]["1"][0][0] *= 1 + 1e-6
    answers[1]["quantities"]["delta"]["1"][0][0] += 1e-9
    found, _, _ = faults(problems, answers)
    assert len(found) == 1
    assert "delta.1" in found[0]


def rounding_alone(problem: dict[str, Any]) -> dict[str, float]:
    """Tensors that are rounding, and how large that may be: the mean takes b off again under batch norm, so its
    gradient is 0 but for rounding, which Adam divides by its own size."""
    normed = [l for l, layer in enumerate(problem["layers"], 1) if layer.get("norm") == "batch"]
    return {f"grad_b.{l}": 1e-14 for l in normed} | {f"update.b.{l}": np.inf for l in normed}


def test_examples_agree():
    problems = [read_example(name) for name in EXAMPLES]
    found, let_off, count = faults(problems, drawn.in_node(problems))
    assert (found, count) == ([], sum(len(textbook(problem)) for problem in problems))
    assert let_off <= sum(len(rounding_alone(problem)) for problem in problems)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_hundred_optimizer_steps_agree(name: str):
    problem = read_example(name)
    answer, noise = flat(drawn.in_node([problem], 100)[0]["quantities"]), rounding_alone(problem)
    for key, value in textbook(problem, 100).items():
        difference = np.max(np.abs(answer[key] - value))
        assert difference <= noise.get(key, 0) or apart(answer[key], value) <= 1e-10, key


def test_what_the_page_writes_is_the_problem_that_it_read():
    problems = [drawn.problem_file(seed) for seed in range(30)]
    for problem, answer in zip(problems, drawn.in_node(problems), strict=True):
        assert read_problem(answer["problem"]).to_dict() == read_problem(problem).to_dict()
