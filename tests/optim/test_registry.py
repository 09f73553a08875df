"""Names, other names, round trips through plain data, and the one-line errors of what cannot be."""

import json
import re

import pytest
from tests.optim.runs import CASES

from backlit.errors import ProblemError
from backlit.optim import OPTIMIZERS, SCHEDULES, Adam, Sgd, get_optimizer, get_schedule
from backlit.optim.schedules import (
    Constant,
    Cosine,
    Exponential,
    InverseScaling,
    OneCycle,
    ReduceOnPlateau,
    Step,
    WarmUp,
)

SCHEDULES_TOLD = [
    Constant(per="step"),
    Step(every=7, rate=0.5),
    Exponential(rate=0.9, per="step"),
    InverseScaling(power=0.25),
    Cosine(floor=0.1, total=30),
    Cosine(),
    OneCycle(start=0.1, end=0.01, rise=0.4, total=50),
    WarmUp(length=5, after=Cosine(per="step", total=20)),
    WarmUp(length=3, per="epoch", after=WarmUp(length=4, per="epoch", after=Step(every=2))),
    ReduceOnPlateau(rate=0.5, patience=3, threshold=0.01, floor=0.05),
]


@pytest.mark.parametrize("optimizer", CASES.values(), ids=list(CASES))
def test_optimizer_through_json_and_back(optimizer):
    assert get_optimizer(json.loads(json.dumps(optimizer.to_dict()))) == optimizer
    assert get_optimizer(optimizer) is optimizer


@pytest.mark.parametrize("schedule", SCHEDULES_TOLD, ids=lambda s: s.name)
def test_schedule_through_json_and_back(schedule):
    assert get_schedule(json.loads(json.dumps(schedule.to_dict()))) == schedule
    assert get_schedule(schedule) is schedule


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_by_name(name):
    assert get_optimizer(name) == get_optimizer({"name": name}) == OPTIMIZERS[name]()


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule_by_name(name):
    assert get_schedule(name) == get_schedule({"name": name}) == SCHEDULES[name]()
    assert {type(schedule) for schedule in SCHEDULES_TOLD} == set(SCHEDULES.values())


@pytest.mark.parametrize(("spec", "expected"), [
    ({"name": "adam", "lr": 0.5}, Adam(learning_rate=0.5)),
    ({"name": "adam", "beta_1": 0.5, "beta_2": 0.6, "epsilon": 0.1}, Adam(beta1=0.5, beta2=0.6, eps=0.1)),
    ({"name": "adam", "betas": [0.5, 0.6]}, Adam(beta1=0.5, beta2=0.6)),
    ("amsgrad", Adam(amsgrad=True)),
    ({"name": "amsgrad", "beta1": 0.5}, Adam(beta1=0.5, amsgrad=True)),
    ({"name": "sgd", "momentum": 0.9, "nesterovs_momentum": True}, Sgd(momentum=0.9, nesterov=True)),
    ({"name": "sgd", "learning_rate": 1}, Sgd(learning_rate=1.0)),
])  # fmt: skip
def test_other_names(spec, expected):
    assert get_optimizer(spec) == expected


def test_reading_leaves_the_spec_as_it_is():
    spec = {"name": "adam", "betas": [0.5, 0.6]}
    get_optimizer(spec)
    after = {"name": "warm_up", "after": {"name": "cosine", "per": "step"}}
    get_schedule(after)
    assert spec == {"name": "adam", "betas": [0.5, 0.6]}
    assert after == {"name": "warm_up", "after": {"name": "cosine", "per": "step"}}


@pytest.mark.parametrize(("spec", "line"), [
    ("adma", "unknown optimizer 'adma': did you mean adam?"),
    ("Adam", "unknown optimizer 'Adam': did you mean adam?"),
    ("zzz", "unknown optimizer 'zzz': one of sgd, adagrad, rmsprop, adam, adamw, amsgrad"),
    (7, 'optimizer must be a name or {"name": ...}, not 7'),
    ({"learning_rate": 1}, 'optimizer must be a name or {"name": ...}'),
    ({"name": ["adam"]}, "unknown optimizer ['adam']"),
    ({"name": "sgd", "momentun": 0.9}, "unknown key of optimizer sgd 'momentun': did you mean momentum?"),
    ({"name": "sgd", "beta1": 0.9}, "unknown key of optimizer sgd 'beta1': one of learning_rate, momentum, nesterov"),
    ({"name": "sgd", "lr": 0.1, "learning_rate": 0.1}, "optimizer sgd: learning_rate is given twice, once as"),
    ({"name": "sgd", "nesterov": 1}, "optimizer sgd: nesterov must be true or false, not 1"),
    ({"name": "amsgrad", "amsgrad": "yes"}, "amsgrad must be true or false, not 'yes'"),
    ({"name": "sgd", "momentum": 1.5}, "optimizer sgd: momentum must be in [0, 1], not 1.5"),
    ({"name": "sgd", "learning_rate": -1}, "optimizer sgd: learning_rate must be in [0, inf], not -1"),
    ({"name": "sgd", "learning_rate": float("nan")}, "learning_rate must be a finite number, not nan"),
    ({"name": "sgd", "learning_rate": "0.1"}, "learning_rate must be a finite number, not '0.1'"),
    ({"name": "sgd", "learning_rate": True}, "learning_rate must be a finite number, not True"),
    ({"name": "sgd", "learning_rate": 10**400}, "learning_rate must be a finite number"),
    ({"name": "adam", "beta1": 1}, "optimizer adam: beta1 must be in [0, 1)"),
    ({"name": "adam", "betas": [0.9]}, "optimizer adam: betas must be two numbers"),
    ({"name": "adam", "betas": [0.9, 0.99], "beta1": 0.9}, "optimizer adam: beta1 is given twice"),
    ({"name": "adam", "eps": -1e-8}, "optimizer adam: eps must be in [0, inf]"),
    ({"name": "rmsprop", "rho": 1.1}, "optimizer rmsprop: rho must be in [0, 1]"),
    ({"name": "adamw", "weight_decay": -0.1}, "optimizer adamw: weight_decay must be in [0, inf]"),
])  # fmt: skip
def test_optimizer_that_cannot_be(spec, line):
    with pytest.raises(ProblemError, match=re.escape(line)) as error:
        get_optimizer(spec)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("spec", "line"), [
    ("cosin", "unknown schedule 'cosin': did you mean cosine?"),
    (None, 'schedule must be a name or {"name": ...}, not None'),
    ({"name": "step", "evry": 3}, "unknown key of schedule step 'evry': did you mean every?"),
    ({"name": "step", "every": 0}, "schedule step: every must be in [1, inf], not 0"),
    ({"name": "step", "every": 2.5}, "schedule step: every must be a whole number, not 2.5"),
    ({"name": "cosine", "total": 10.5}, "schedule cosine: total must be a whole number, not 10.5"),
    ({"name": "warm_up", "length": 1.5}, "schedule warm_up: length must be a whole number, not 1.5"),
    ({"name": "step", "rate": "x"}, "schedule step: rate must be a finite number, not 'x'"),
    ({"name": "exponential", "rate": 2}, "schedule exponential: rate must be in [0, 1], not 2"),
    ({"name": "cosine", "per": "batch"}, 'schedule cosine: per must be "epoch" or "step", not \'batch\''),
    ({"name": "cosine", "floor": -0.1}, "schedule cosine: floor must be in [0, 1], not -0.1"),
    ({"name": "one_cycle", "total": 0}, "schedule one_cycle: total must be in [1, inf], not 0"),
    ({"name": "warm_up", "after": "cosine"}, 'after must be a schedule that counts the same unit, per "step"'),
    ({"name": "warm_up", "per": "epoch", "after": "reduce_on_plateau"}, "after cannot be reduce_on_plateau"),
    ({"name": "warm_up", "after": {"name": "nope"}}, "unknown schedule 'nope'"),
    ({"name": "reduce_on_plateau", "patience": -1}, "schedule reduce_on_plateau: patience must be in [0, inf]"),
    ({"name": "reduce_on_plateau", "per": "step"}, "reduce_on_plateau looks at the end of each epoch"),
])  # fmt: skip
def test_schedule_that_cannot_be(spec, line):
    with pytest.raises(ProblemError, match=re.escape(line)) as error:
        get_schedule(spec)
    assert "\n" not in str(error.value)
