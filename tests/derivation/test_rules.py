"""Each optimizer's update written out as formulas is the function of `optim`, by value, over several steps."""

import dataclasses

import numpy as np
import pytest

from backlit.derivation.numbers import Numbers, evaluate
from backlit.derivation.update import Symbols, rules
from backlit.optim import Optimizer, get_optimizer
from backlit.optim.optimizers import OPTIMIZERS
from backlit.render.explanation import explain

OPTIONS = [
    {"name": "sgd"},
    {"name": "sgd", "momentum": 0.9},
    {"name": "sgd", "momentum": 0.8, "nesterov": True},
    {"name": "adagrad", "eps": 1e-3},
    {"name": "rmsprop", "rho": 0.9},
    {"name": "rmsprop", "momentum": 0.7},
    {"name": "adam", "beta1": 0.8},
    {"name": "adam", "amsgrad": True, "beta2": 0.5},
    {"name": "adamw", "weight_decay": 0.1},
    {"name": "adamw", "weight_decay": 0.0, "amsgrad": True},
]
WRITTEN = [cls for cls in OPTIMIZERS.values() if cls.formulas is not Optimizer.formulas]  # others show numbers alone
OPTIONS += [{"name": cls.name} for cls in WRITTEN if cls.name not in OPTIMIZERS.shipped]
NUM = Numbers(15)


def test_all_that_are_shipped_are_written_out():
    assert {OPTIMIZERS[name] for name in OPTIMIZERS.shipped} <= set(WRITTEN)


@pytest.mark.parametrize("cls", WRITTEN, ids=lambda cls: cls.name)
def test_every_optimizer_is_written_out(cls):
    assert list(rules(cls(), Symbols(cls())))[-1].name == "step"
    settings = {field.name: field.type for field in dataclasses.fields(cls)}
    assert set(cls.symbols) == {name for name, kind in settings.items() if kind is float}  # a flag chooses the rule


@pytest.mark.parametrize("spec", OPTIONS, ids=str)
def test_rules_give_the_step_and_the_state(spec):
    optimizer = get_optimizer({"learning_rate": 0.3, **spec})
    theta, state = np.array([0.7]), optimizer.init(np.zeros(1))
    for t, g in enumerate((0.4, -0.05, 2.0), start=1):
        step, after = optimizer.update(np.array([g]), state, t, lr=0.3, theta=theta)
        operands = {key: NUM(value) for key, value in optimizer.to_dict().items() if key in optimizer.symbols}
        operands |= {"g": NUM(g), "theta": NUM(theta[0]), "t": NUM(t)}
        operands |= {f"old {name}": NUM(v[0]) for name, v in zip(optimizer.slots, state, strict=True)}
        expected = dict(zip(optimizer.slots, (v[0] for v in after), strict=True)) | {"step": step[0]}
        operands |= {name: NUM(value) for name, value in expected.items()}
        made = {}
        for rule in rules(optimizer, operands):
            made[rule.name] = evaluate(rule.made)
            if rule.name not in operands:  # on the way to the step
                operands[rule.name] = NUM(made[rule.name])
                expected[rule.name] = made[rule.name]
        assert made == pytest.approx(expected, rel=1e-12)
        theta, state = theta + step, after


@pytest.mark.parametrize("spec", OPTIONS, ids=str)
def test_the_document_shows_state_and_later_steps(spec):
    problem = {
        "inputs": 1,
        "layers": [{"units": 2, "activation": "tanh", "W": [[0.5], [-1]]}, {"units": 1, "W": [[1, 2]]}],
        "x": [[1], [0.5]],
        "y": [[1], [0]],
        "optimizer": {"learning_rate": 0.1, **spec},
    }
    made = explain(problem, steps=3)
    optimizer = get_optimizer(problem["optimizer"])
    for suffix in ("", "@3"):
        step = made.derivation.step(f"update_W[1]{suffix}")
        ids = [line.id for line in step.entries]
        assert f"update_W[1][1,0]{suffix}" in ids
        assert all(f"update_W[1][1,0]{suffix}.{name}" in ids for name in optimizer.slots)
    losses = [line.chain.parts[-1].value for line in made.derivation.step("update_loss").lines]
    assert len(losses) == 3
    assert losses[-1] == made.derivation.quantities["update"]["loss"]
    last = made.derivation.step("update_W[1]@3").lines[-1].chain.parts[-1]
    shown = [[cell.value for cell in row] for row in last.rows]
    assert shown == made.derivation.quantities["update"]["W"]["1"]
