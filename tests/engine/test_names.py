"""The native engine knows functions by name, and by what Backlit brought: it never runs one in place of another."""

import copy
import json
import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from tests.engine.kernels import CASES, HAS
from tests.helpers import HANGS, quick_first
from tests.optim.cases import SCHEDULE_CASES

from backlit.core import ACTIVATIONS, LOSSES, SHORT_FORMS, Dense, Network
from backlit.core.activations import elu, get_activation, leaky_relu
from backlit.core.losses import ShortForm, get_loss, huber, quantile
from backlit.core.network import NORMS, REDUCTIONS
from backlit.engine import TrainConfig, get_engine
from backlit.engine.native import NativeEngine, extension, unsupported_reason
from backlit.errors import ProblemError
from backlit.optim import OPTIMIZERS, SCHEDULES, get_optimizer, get_schedule

OUTPUT = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid", "poisson": "exp"}


def recipe(*layers, loss="half_squared_error", optimizer="adam", **options):
    return TrainConfig(Network(4, layers, loss=loss, **options), get_optimizer(optimizer), 4)


def by_name():
    """(what, recipe) of everything that C++ has, by its name or by a name with its options."""
    for name in HAS["activation"]:
        yield f"activation {name}", recipe(Dense(3, name), loss="squared_error")
    for name in ("leaky_relu", "elu"):
        yield f"activation {name} 0.3", recipe(Dense(3, {"name": name, "alpha": 0.3}))
    yield "activation softmax[2,1]", recipe(Dense(3, "softmax[2,1]"), loss="cross_entropy")
    for name in HAS["loss"]:
        yield f"loss {name}", recipe(Dense(3, OUTPUT.get(name, "identity")), loss=name)
        yield f"loss {name}, no short form", recipe(Dense(3, "softplus"), loss=name)
    yield "loss huber 2", recipe(Dense(1), loss={"name": "huber", "delta": 2.0})
    yield "loss quantile 0.9", recipe(Dense(1), loss={"name": "quantile", "quantile": 0.9})
    for phi, loss in SHORT_FORMS:
        yield f"short form {phi}, {loss}", recipe(Dense(3, phi), loss=loss)
    for norm in (None, *NORMS):
        yield f"norm {norm}", recipe(Dense(3, "tanh", norm=norm), Dense(1))
    for reduction in REDUCTIONS:
        yield f"reduction {reduction}", recipe(Dense(1), reduction=reduction, l2=0.1)
    for name, optimizer in CASES.items():
        yield f"optimizer {name}", recipe(Dense(1), optimizer=optimizer)
    for name in [*HAS["optimizer"], "amsgrad"]:
        yield f"optimizer {name} by name", recipe(Dense(1), optimizer=name)
    layer = Dense(4, "tanh", dropout=0.2, skip_from=0, skip_scale=0.5, train_bias=False)
    yield "dropout, a skip, a bias that stays", recipe(layer, Dense(1))


def test_what_does_not_run_natively():
    assert [what for what, one in by_name() if unsupported_reason(one)] == ["activation softmax[2,1]"]


def test_everything_that_a_name_gives_is_asked_for():
    """New kernels come into the test above by themselves; options of optimizers come by their cases."""
    for optimizer in (OPTIMIZERS[name] for name in HAS["optimizer"]):
        cases = [case for case in CASES.values() if type(case) is optimizer]
        assert all(any(getattr(case, name) for case in cases) for name in optimizer.checks), optimizer
    assert {type(get_schedule(name)) for name in SCHEDULES} == {type(case) for case in SCHEDULE_CASES.values()}
    # a schedule is a factor for each step's rate, and rates are numbers to every engine: it cannot keep a recipe away


def test_cpp_has_the_names_that_python_has():
    """A name in C++ alone would be dead code; one that Backlit ships would fall to the slower engine in silence."""
    module = extension()
    for kind, table in (("activation", ACTIVATIONS), ("loss", LOSSES)):
        assert {name: set(names) for name, names in HAS[kind].items()} == {
            name: set(table[name].parameters) for name in HAS[kind]
        }
        assert set(table.shipped) <= set(HAS[kind])
    shipped = {(phi, loss) for phi, loss in SHORT_FORMS if phi in ACTIVATIONS.shipped and loss in LOSSES.shipped}
    assert shipped <= set(module.short_forms()) <= set(SHORT_FORMS)
    assert set(module.norms()) == set(NORMS)
    assert set(OPTIMIZERS.shipped) <= set(HAS["optimizer"]) <= set(OPTIMIZERS)


def rebuilt(record):
    """A record like it, made field by field with the built-in functions."""
    return replace(record, parameters=dict(record.parameters))


SAME = {
    "by name": ("huber", lambda: get_loss("huber")),
    "by its maker": ("huber", huber),
    "with the default": ("huber", lambda: huber(1.0)),
    "as a whole number": ("huber", lambda: huber(2)),
    "by keyword": ("huber", lambda: huber(delta=1.0)),
    "as a mapping": ("huber", lambda: get_loss({"name": "huber", "delta": 1.0})),
    "pickled": ("huber", lambda: pickle.loads(pickle.dumps(huber(3.0)))),
    "copied": ("huber", lambda: copy.deepcopy(huber(3.0))),
    "field by field": ("huber", lambda: rebuilt(huber(0.7))),
    "a quantile": ("quantile", lambda: get_loss("quantile")),
    "the median": ("quantile", quantile),
    "a slope": ("leaky_relu", lambda: leaky_relu(0.3)),
    "a slope, pickled": ("leaky_relu", lambda: pickle.loads(pickle.dumps(leaky_relu(0.3)))),
    "a slope, field by field": ("leaky_relu", lambda: rebuilt(leaky_relu(0.3))),
    "a scale": ("elu", lambda: elu(1)),
    "tanh, field by field": ("tanh", lambda: rebuilt(get_activation("tanh"))),
}


@pytest.mark.parametrize("how", SAME)
def test_a_built_in_is_one_however_it_was_made(how):
    name, make = SAME[how]
    made = make()
    assert made.name == name
    assert (ACTIVATIONS if name in ACTIVATIONS else LOSSES).is_built_in(made)
    one = recipe(Dense(3, made), Dense(1)) if name in ACTIVATIONS else recipe(Dense(1), loss=made)
    assert get_engine("auto", one).name == "native"


def test_all_members_of_a_family_are_built_in():
    made = [huber(delta) for delta in np.linspace(0.5, 9, 300)]
    assert all(unsupported_reason(recipe(Dense(1), loss=loss)) is None for loss in made)


TANH, POISSON = get_activation("tanh"), get_loss("poisson")
OTHERS = {
    "another function": recipe(Dense(3, replace(TANH, function=np.sinh)), Dense(1)),
    "another derivative": recipe(Dense(3, replace(TANH, derivative=np.cosh)), Dense(1)),
    "a pull-back": recipe(Dense(3, replace(TANH, pull_back=lambda u, g: g)), Dense(1)),
    "a slope that is not its functions'": recipe(
        Dense(3, replace(leaky_relu(0.3), parameters={"alpha": 0.4})), Dense(1)
    ),
    "the default's functions with another slope": recipe(
        Dense(3, replace(ACTIVATIONS["leaky_relu"], parameters={"alpha": 0.4})), Dense(1)
    ),
    "a parameter more": recipe(Dense(3, replace(TANH, parameters={"alpha": 1.0})), Dense(1)),
    "another name": recipe(Dense(3, replace(TANH, name="tanh2")), Dense(1)),
    "another value": recipe(Dense(3, "exp"), loss=replace(POISSON, value=lambda a, y: a.sum(axis=1))),
    "another gradient": recipe(Dense(3, "exp"), loss=replace(POISSON, gradient=lambda a, y: a)),
    "another domain": recipe(Dense(3, "identity"), loss=replace(POISSON, outputs=(-np.inf, np.inf))),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_name_with_other_functions_is_the_users_own(what):
    assert get_engine("auto", OTHERS[what]).name == "reference"
    with pytest.raises(ProblemError, match="cannot run this"):
        get_engine("native", OTHERS[what])


def test_an_engine_that_nobody_asked_refuses_too():
    """Who makes the native engine by hand gets no other function either."""
    one = OTHERS["another function"]
    with pytest.raises(ProblemError, match="an activation of your own, tanh"):
        NativeEngine(one).predict(one.net.init(), None, np.zeros((2, 4)))


def test_a_short_form_of_the_users_own():
    own = ShortForm(lambda u, y: u.sum(axis=1), "")
    loss, other = get_loss("binary_cross_entropy"), get_loss("squared_error")
    of_its_own = replace(loss, short_forms={"sigmoid": own})
    assert "short form" in unsupported_reason(recipe(Dense(1, "sigmoid"), loss=of_its_own))
    assert "short form" in unsupported_reason(recipe(Dense(1, "tanh"), loss=replace(other, short_forms={"tanh": own})))
    assert unsupported_reason(recipe(Dense(1, "sigmoid"), loss=replace(loss, short_forms=None))) is None  # general rule


REGISTERED = """
import json, logging, sys
import numpy as np
from backlit.core import ACTIVATIONS, LOSSES, Dense, Network
from backlit.core.activations import Activation
from backlit.core.losses import Loss
from backlit.engine import Data, TrainConfig, State, get_engine
from backlit.optim import OPTIMIZERS, Sgd, get_optimizer

place, kind = sys.argv[1:]
said = []
handler = logging.Handler()
handler.emit = lambda record: said.append(record.getMessage())
logging.getLogger("backlit").addHandler(handler)

def put(table, name, entry):
    items = [item for item in table.items() if item[0] != name]
    at = {"end": len(items), "middle": len(items) // 2, "start": 0, "in place of one": len(items)}[place]
    items.insert(at, (name, entry))
    table.clear()
    table.update(items)

square = (lambda u: np.sin(u) + u, lambda u: np.cos(u) + 1)
def quartic(a, y): return ((a - y) ** 4).sum(axis=1)
def slope(a, y): return 4 * (a - y) ** 3
class Half(Sgd):
    name = "half"
    def rule(self, g, state, t, lr, theta):
        return -0.5 * lr * g, state

names = {"activation": "tanh", "loss": "squared_error", "optimizer": "sgd"}
name = names[kind] if place == "in place of one" else "own"
if kind == "activation": put(ACTIVATIONS, name, Activation(name, *square, "u", "u", (-np.inf, np.inf)))
if kind == "loss": put(LOSSES, name, Loss(name, quartic, slope, "l", "l"))
if kind == "optimizer": put(OPTIMIZERS, name, Half)

rng = np.random.default_rng(0)
X = rng.standard_normal((40, 3))

def trained(engine, activation="gelu", loss="huber", optimizer="adam"):
    net = Network(3, [Dense(8, activation), Dense(2)], loss=loss)
    recipe = TrainConfig(net, get_optimizer(optimizer), 8)
    state = State.start(net, net.init(seed=0), recipe.optimizer)
    runner = get_engine(engine, recipe)
    result = runner.run(state, Data(X, X[:, :2].copy()), np.arange(40), np.full(5, 0.01), lambda: False)
    return runner.name, result.loss, state.params.theta

own = {kind: name}
one, other = trained("auto", **own), trained("reference", **own)
trained("auto", **own)
built_in = {}
for phi in ACTIVATIONS.shipped:
    if phi not in ("softmax", "own") and (phi, name) != ("tanh", "tanh"): built_in[phi] = dict(activation=phi)
for loss in ("half_squared_error", "squared_error", "mean_squared_error", "absolute_error", "huber", "quantile"):
    if loss != name: built_in[loss] = dict(loss=loss)
for rule in ("sgd", "adagrad", "rmsprop", "adam", "adamw"):
    if rule != name: built_in[rule] = dict(optimizer=rule)
wrong = []
for what, options in built_in.items():
    a, b = trained("auto", **options), trained("reference", **options)
    if a[0] != "native" or not np.allclose(a[2], b[2], rtol=1e-9, atol=1e-12) or not np.isclose(a[1], b[1], rtol=1e-9):
        wrong.append(what)
print(json.dumps({"engine": one[0], "equal": bool((one[2] == other[2]).all() and one[1] == other[1]),
                  "said": said, "wrong": wrong, "tried": len(built_in)}))
"""


@pytest.mark.parametrize("kind", ["activation", "loss", "optimizer"])
@pytest.mark.parametrize("place", quick_first(["end", "middle", "start", "in place of one"]))
def test_what_is_registered_at_run_time(kind, place):
    """It runs as what it is, wherever in the table it stands, and the built-in ones run as before."""
    run = subprocess.run([sys.executable, "-c", REGISTERED, place, kind], capture_output=True, text=True, timeout=HANGS)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert (told["engine"], told["equal"], told["wrong"]) == ("reference", True, [])
    assert told["tried"] > 20
    assert len(told["said"]) == 1, told["said"]
    assert "your own" in told["said"][0]
