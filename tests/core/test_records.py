"""What the records that Backlit ships leave out, by service: a new gap shows here, and so does one that was closed."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from tests.core.test_activations import DEFINITIONS
from tests.core.test_losses import DEFINITIONS as LOSS_DEFINITIONS

from backlit.core import ACTIVATIONS, LOSSES, Activation, get_activation, get_loss
from backlit.core.formulas import NUMPY, Unsupported
from backlit.derivation.exact import FRACTIONS, written
from backlit.engine.native_support import extension
from backlit.errors import ProblemError
from backlit.gradcheck.reference_cost import ACTIVATIONS as PLAIN
from backlit.gradcheck.reference_cost import LOSSES as PLAIN_LOSSES
from backlit.registry import Registry

SHIPPED = [ACTIVATIONS[name] for name in ACTIVATIONS.shipped]


def is_exact(formula, *args):
    try:
        return formula is not None and formula(*args, FRACTIONS) is not None
    except Unsupported:
        return False


SERVICES = {
    "formula": lambda phi: phi.formula and phi.derivative_formula,
    "exact": lambda phi: is_exact(phi.formula, written(0.3)) and is_exact(phi.derivative_formula, written(0.3)),
    "derivative of the output": lambda phi: phi.derivative_of_output,
    "one ONNX operator": lambda phi: phi.onnx,
    "ONNX": lambda phi: phi.onnx or phi.formula,
    "second cost": lambda phi: phi.name in PLAIN,
    "native": lambda phi: extension() is None or phi.name in extension().activations(),
    "source": lambda phi: phi.source,
    "definition in the tests": lambda phi: phi.name in DEFINITIONS,
}
SMOOTH = {"sigmoid", "tanh", "elu", "selu", "gelu", "silu", "softplus", "mish", "exp", "softmax"}
GAPS = {
    "formula": {"softmax"},  # it mixes units; the derivation works it out by itself
    "exact": SMOOTH,
    "derivative of the output": {
        *("identity", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "hard_tanh"),
    },
    "one ONNX operator": {"identity", "silu", "hard_tanh"},
    "ONNX": set(),
    "second cost": set(),
    "native": set(),
    "source": {"identity", "sigmoid", "tanh", "exp"},
    "definition in the tests": {"softmax"},
}
LOSS_SERVICES = {
    "formula": lambda loss: loss.formula and loss.gradient_formula,
    "exact": lambda loss: is_exact(loss.formula, written(0.3), written(0.5)),
    "exact gradient": lambda loss: is_exact(loss.gradient_formula, written(0.3), written(0.5), 2),
    "second cost": lambda loss: loss.name in PLAIN_LOSSES,
    "native": lambda loss: extension() is None or loss.name in extension().losses(),
    "definition in the tests": lambda loss: loss.name in LOSS_DEFINITIONS,
}
LOSS_GAPS = {"exact": {"cross_entropy", "binary_cross_entropy", "poisson"}}


@pytest.mark.parametrize("service", SERVICES)
def test_gaps_of_activations(service):
    assert {phi.name for phi in SHIPPED if not SERVICES[service](phi)} == GAPS[service]


@pytest.mark.parametrize("service", LOSS_SERVICES)
def test_gaps_of_losses(service):
    shipped = [LOSSES[name] for name in LOSSES.shipped]
    assert {loss.name for loss in shipped if not LOSS_SERVICES[service](loss)} == LOSS_GAPS.get(service, set())


# --- each statement of a record holds -----------------------------------------------------------------------------

U = np.array([-3.1, -1.0, -0.7, -0.2, 0.0, 0.1, 0.6, 1.0, 2.3])
WITH_PARAMETERS = [get_activation({"name": "leaky_relu", "alpha": 0.3}), get_activation({"name": "elu", "alpha": 1.5})]
every = pytest.mark.parametrize("phi", [*ACTIVATIONS.values(), *WITH_PARAMETERS], ids=lambda phi: str(phi.spec))
every_loss = pytest.mark.parametrize(
    "loss", [*LOSSES.values(), get_loss({"name": "huber", "delta": 0.3})], ids=lambda loss: str(loss.spec)
)


@every
def test_formulas_are_the_functions(phi):
    if phi.formula:
        assert_allclose(phi.formula(U, NUMPY) + 0 * U, phi.function(U), rtol=1e-13, atol=1e-15)
        assert_allclose(phi.derivative_formula(U, NUMPY) + 0 * U, phi.derivative(U), rtol=1e-13, atol=1e-15)
    if phi.meaning:
        assert_allclose(phi.meaning(U, NUMPY), phi.function(U), rtol=1e-13, atol=1e-15)
    if phi.derivative_of_output and phi.elementwise:
        assert_allclose(phi.derivative_of_output(phi.function(U), NUMPY), phi.derivative(U), rtol=1e-12)


@every
def test_creases_are_where_the_second_derivative_jumps(phi):
    if not phi.elementwise:
        return
    u, h = np.linspace(-3, 3, 61).round(2), 1e-5
    after, before = (np.diff([phi.derivative(u + s * k * h) for k in (1, 2)], axis=0)[0] / (s * h) for s in (1, -1))
    jumps = {float(x) for x in u[np.abs(after - before) > 1e-2 * (1 + np.abs(after))]}
    assert jumps == set(phi.creases)


@every
def test_kinds_are_what_they_say(phi):
    if phi.elementwise:
        assert phi.homogeneous == np.allclose(phi.function(3 * U), 3 * phi.function(U), rtol=1e-12)
        assert phi.exponential == np.allclose(phi.function(U + 30), np.exp(30) * phi.function(U), rtol=1e-9)
    if phi.rectifier:
        far, below = phi.derivative(np.array([2.0, 3.0])), phi.derivative(np.array([-3.0]))
        assert far[0] == far[1] >= 1 > below[0]


@every_loss
def test_formulas_of_losses_are_the_functions(loss):
    a, y = np.array([[0.6, 0.3, 0.9], [0.1, 0.5, 0.2]]), np.array([[1.0, 0.0, 0.25], [0.5, 0.5, 0.0]])
    if loss.formula:
        terms = loss.formula(a, y, NUMPY).sum(axis=1)
        assert_allclose(loss.total(terms, 3, NUMPY) if loss.total else terms, loss.value(a, y), rtol=1e-13)
        assert_allclose(loss.gradient_formula(a, y, 3, NUMPY), loss.gradient(a, y), rtol=1e-13)


@pytest.mark.parametrize("phi", [phi for phi in SHIPPED if SERVICES["exact"](phi)], ids=lambda phi: phi.name)
def test_fractions_are_the_numbers(phi):
    for u in map(written, U):
        at = np.array([float(u)])
        assert float(phi.formula(u, FRACTIONS)) == pytest.approx(phi.function(at)[0], rel=1e-14)
        assert float(phi.derivative_formula(u, FRACTIONS)) == pytest.approx(phi.derivative(at)[0], rel=1e-14)


@every_loss
@pytest.mark.parametrize(("a", "y"), [(0.5, 0.25), (0.25, 0.5), (0.5, 0.5), (0.0, 0.0), (0.0, 1.0), (0.75, 1.0)])
def test_fractions_of_losses_are_the_numbers(loss, a, y):
    """At a kink too, and where core takes the slope of a logarithm for 0."""
    at = np.array([[a]]), np.array([[y]])
    if LOSS_SERVICES["exact gradient"](loss):
        found = loss.gradient_formula(written(a), written(y), 1, FRACTIONS)
        assert float(found) == pytest.approx(loss.gradient(*at)[0, 0], rel=1e-14)
    if LOSS_SERVICES["exact"](loss):
        value = loss.formula(written(a), written(y), FRACTIONS)
        value = loss.total(value, 1, FRACTIONS) if loss.total else value
        assert float(value) == pytest.approx(loss.value(*at)[0], rel=1e-14)


@every_loss
def test_creases_of_losses_are_where_the_second_derivative_jumps(loss):
    for at in loss.creases:
        r, h = at + np.array([-2, -1, 1, 2]) * 1e-5, 1e-5
        slopes = loss.gradient(r[:, None], 0 * r[:, None])[:, 0]
        assert abs((slopes[3] - slopes[2]) - (slopes[1] - slopes[0])) > 0.5 * h


# --- the table ----------------------------------------------------------------------------------------------------


def test_a_built_in_name_is_not_given_away():
    with pytest.raises(ProblemError, match="activation relu is built in: give yours another name"):
        ACTIVATIONS.register(Activation("relu", np.sin, np.cos))


def test_an_activation_that_has_a_built_ins_name_is_not_taken_for_it():
    lying = Activation("tanh", np.sin, np.cos)
    assert not ACTIVATIONS.has(lying)
    assert ACTIVATIONS.has(get_activation("tanh"))
    assert not ACTIVATIONS.has(Activation("elu", np.sin, np.cos, parameters={"beta": 1.0}))


def test_a_family_of_functions_that_call_each_other_is_built_in_with_any_parameter():
    def bent(b: float = 4.0) -> Activation:
        def root(u):
            return np.sqrt(u * u + b)

        return Activation("bent", lambda u: u + root(u), lambda u: 1 + u / root(u), parameters={"b": b})

    table: Registry[Activation] = Registry("activation", computed=("function", "derivative"))
    table.register(bent)
    table.built_in = dict(table)
    one = table.find({"name": "bent", "b": 1.0})
    assert table.is_built_in(one)
    assert not table.is_built_in(replace(one, parameters={"b": 2.0}))  # its functions' functions have 1
    assert not table.is_built_in(replace(one, function=(lambda root: lambda u: u + root(u))(np.sqrt)))


def test_a_file_that_is_put_into_the_folder_is_in_the_table(tmp_path, monkeypatch):
    folder = tmp_path / "dropped"
    folder.mkdir()
    (folder / "__init__.py").write_text("from tests.core.test_records import DROPPED\n")
    (folder / "_shared.py").write_text("raise AssertionError('a file with an underscore is no record')\n")
    for name in ("zero", "alpha", "first"):
        body = f"DROPPED.register(Activation({name!r}, np.sin, np.cos))\n"
        (folder / f"{name}.py").write_text(
            f"import numpy as np\nfrom dropped import DROPPED\nfrom backlit.core import Activation\n{body}"
        )
    monkeypatch.syspath_prepend(tmp_path)
    DROPPED.load("dropped", ("first",))
    assert list(DROPPED) == ["first", "alpha", "zero"]
    assert set(DROPPED.built_in) == {"first", "alpha", "zero"}
    assert DROPPED.shipped == ("first",)


DROPPED: Registry[Activation] = Registry("activation")
