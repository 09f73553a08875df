"""Each output is the one that was recorded; on a machine that was never recorded: the same words, close numbers."""

import json

import pytest
from tests.golden.machine import everything, one_thread
from tests.golden.outputs import OUTPUTS, computed_once, lacking, tolerance
from tests.golden.store import AGAIN, FOLDER, TextStore

STORE = TextStore(FOLDER, "outputs", tolerance)
PROMISED = {  # keys on which other programs rely
    "explain worked.json": (
        "loss z u a delta grad_W grad_b grad_a update.W update.b update.loss steps.id steps.equation steps.latex "
        "steps.text steps.value"
    ),
    "explain batch-norm.json": "grad_gamma grad_beta",
    "check several, no 1 over m.json": (
        "verdict tolerance quantities.grad_W[1].max_relative_error quantities.grad_W[1].ok first_wrong diagnoses.bug "
        "diagnoses.layers diagnoses.residual diagnoses.equivalent diagnoses.explanation diagnoses.fix not_detectable"
    ),
    "diagnose tanh.json": (
        "predicted.q_star predicted.chi_1 predicted.c_star predicted.xi_q predicted.xi_c predicted.xi_grad "
        "layers.layer layers.q_predicted layers.q_measured layers.grad_ratio_predicted layers.grad_ratio_measured "
        "layers.weight_term layers.derivative_term layers.dead_fraction layers.saturated_fraction verdict findings "
        "remedies.remedy remedies.predicted_ratio remedies.measured_ratio"
    ),
    "cost of sizes.json": (
        "forward.matmul_flops forward.total_flops backward.matmul_flops backward.total_flops optimizer.total_flops "
        "memory.parameters memory.gradients memory.optimizer memory.activations memory.workspace memory.peak layers"
    ),
    "train iris.json": (
        "task n_train n_test metrics.train.accuracy metrics.test.accuracy epochs seconds samples_per_second engine "
        "gradient_check.max_relative_error model report"
    ),
    "train diabetes.json": "metrics.test.r2",
}


@pytest.fixture(scope="module")
def shared():
    """A result that several formats show is computed once; `make golden` computes it for each."""
    with computed_once():
        yield


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("item", OUTPUTS)
def test_the_output_is_the_one_that_was_recorded(item):
    if reason := lacking(item):
        pytest.skip(reason)
    with one_thread():
        found = STORE.compare(item, OUTPUTS[item](), everything())
    assert not found, f"{found}\n{AGAIN}"


def test_every_recorded_output_is_still_made():
    assert STORE.known == set(OUTPUTS)


@pytest.mark.parametrize("item", PROMISED)
def test_what_is_recorded_has_the_keys_that_other_programs_rely_on(item):
    """So that no new recording loses one."""
    for path in PROMISED[item].split():
        value = json.loads(STORE.of(item))
        for key in keys_of(path):
            value = value[0] if isinstance(value, list) else value
            assert key in value, f"{item} has no {path}"
            value = value[key]


def keys_of(path):
    """The keys of a path.

    >>> keys_of("quantities.grad_W[1].ok")
    ['quantities', 'grad_W[1]', 'ok']
    """
    return path.split(".")
