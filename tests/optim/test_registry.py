"""Specs: the names, the field's other words, the way there and back, and one line for each mistake."""

import json
import re
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers import raises_naming
from tests.optim.cases import OPTIMIZER_CASES

from backlit.errors import ProblemError
from backlit.optim import (
    OPTIMIZERS,
    SCHEDULES,
    Adagrad,
    Adam,
    AdamW,
    RmsProp,
    Sgd,
    get_optimizer,
    get_schedule,
    register_optimizer,
    register_schedule,
)  # fmt: skip
from backlit.optim.schedules import Constant, Cosine, Exponential, InverseScaling, OneCycle, Step, WarmUp

TABLES = {"optimizer": (OPTIMIZERS, get_optimizer), "schedule": (SCHEDULES, get_schedule)}
FIELDS = [
    (kind, name, field.name)
    for kind, (table, _) in TABLES.items()
    for name, cls in table.items()
    for field in fields(cls)
]
FLAGS, WORDS = {"amsgrad", "nesterov"}, {"per", "after"}
NUMBERS = [row for row in FIELDS if row[2] not in FLAGS | WORDS]
COUNTS = [row for row in NUMBERS if row[2] in {"every", "total", "length", "patience"}]


@pytest.mark.parametrize("optimizer", OPTIMIZER_CASES.values(), ids=OPTIMIZER_CASES)
def test_there_and_back(optimizer):
    assert get_optimizer(optimizer.to_dict()) == optimizer
    assert get_optimizer(json.loads(json.dumps(optimizer.to_dict()))) == optimizer
    assert get_optimizer(optimizer) is optimizer


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_name_is_the_defaults(name):
    assert get_optimizer(name) == get_optimizer({"name": name}) == OPTIMIZERS[name]()


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedules_name_is_the_defaults(name):
    assert get_schedule(name) == get_schedule({"name": name}) == SCHEDULES[name]()
    assert SCHEDULES[name]().to_dict()["name"] == name


@pytest.mark.parametrize("name", [*OPTIMIZERS, "amsgrad"])
@given(lr=st.floats(0, 1e6) | st.integers(0, 10))
def test_there_and_back_for_any_rate(name, lr):
    optimizer = get_optimizer({"name": name, "learning_rate": lr})
    assert optimizer.learning_rate == lr
    assert get_optimizer(optimizer.to_dict()) == optimizer


@pytest.mark.parametrize(
    ("spec", "optimizer"),
    [
        ({"name": "sgd", "momentum": 0.9, "nesterovs_momentum": True}, Sgd(momentum=0.9, nesterov=True)),
        ({"name": "adagrad", "lr": 0.5}, Adagrad(learning_rate=0.5)),
        ({"name": "adam", "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-6}, Adam(beta1=0.8, beta2=0.9, eps=1e-6)),
        ({"name": "adamw", "betas": [0.8, 0.9], "weight_decay": 0}, AdamW(beta1=0.8, beta2=0.9, weight_decay=0.0)),
        ({"name": "adam", "learning_rate_init": 1, "betas": (0, 0.6)}, Adam(learning_rate=1, beta1=0, beta2=0.6)),
        ({"name": "rmsprop", "alpha": 0.9}, RmsProp(rho=0.9)),
        ("amsgrad", Adam(amsgrad=True)),
        ({"name": "amsgrad", "lr": 0.1, "amsgrad": True}, Adam(learning_rate=0.1, amsgrad=True)),
        ({"name": "adamw", "amsgrad": True}, AdamW(amsgrad=True)),
    ],
    ids=str,
)  # fmt: skip
def test_the_fields_other_words(spec, optimizer):
    assert get_optimizer(spec) == optimizer


@pytest.mark.parametrize(
    ("spec", "schedule"),
    [
        ({"name": "step", "step_size": 5, "gamma": 0.5}, Step(every=5, rate=0.5)),
        ({"name": "exponential", "gamma": 0.5, "per": "step"}, Exponential(rate=0.5, per="step")),
        ({"name": "inverse_scaling", "power_t": 0.3}, InverseScaling(power=0.3)),
        ({"name": "cosine", "T_max": 9}, Cosine(total=9)),
        ({"name": "one_cycle", "total_steps": 9, "pct_start": 0.5}, OneCycle(total=9, rise=0.5)),
        ({"name": "warm_up", "after": "cosine"}, WarmUp(after=Cosine(per="step"))),
        (
            {"name": "warm_up", "per": "epoch", "after": {"name": "one_cycle"}},
            WarmUp(per="epoch", after=OneCycle(per="epoch")),
        ),
        ({"name": "warm_up", "after": Constant(per="step")}, WarmUp()),
        ({"name": "warm_up", "after": None}, WarmUp()),
        (
            {"name": "warm_up", "after": {"name": "warm_up", "length": 2, "after": "step"}},
            WarmUp(after=WarmUp(length=2, after=Step(per="step"))),
        ),
    ],
    ids=str,
)  # fmt: skip
def test_the_fields_other_words_for_schedules(spec, schedule):
    assert get_schedule(spec) == schedule


def test_a_spec_is_not_written_to():
    spec = {"name": "amsgrad", "lr": 0.1, "betas": [0.5, 0.5]}
    kept = json.dumps(spec)
    get_optimizer(spec)
    assert json.dumps(spec) == kept
    spec = {"name": "warm_up", "after": {"name": "cosine"}}
    get_schedule(spec)
    assert spec == {"name": "warm_up", "after": {"name": "cosine"}}


def test_numpy_numbers_become_plain_ones():
    """So that a description can be written as JSON, and float32 vectors are not turned into float64."""
    adam = Adam(learning_rate=np.float32(0.5), beta1=np.float64(0.5))
    assert {type(value) for value in adam.to_dict().values()} == {str, float, bool}
    step = Step(every=np.int64(3), rate=np.float64(0.5), per="step")
    assert json.loads(json.dumps(step.to_dict())) == {"name": "step", "per": "step", "every": 3, "rate": 0.5}


# --- mistakes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ("adma", ("optimizer", "'adma'", "adam?", *OPTIMIZERS)),
        ("Adam", ("optimizer", "'Adam'", "adam?", *OPTIMIZERS)),
        ("lbfgs", ("optimizer", "'lbfgs'", *OPTIMIZERS)),
        ({"name": ["adam"]}, ("optimizer", "['adam']", *OPTIMIZERS)),
        (
            {"name": "sgd", "momentun": 0.9},
            ("optimizer", "sgd", "parameter", "'momentun'", "momentum?", "learning_rate", "nesterov"),
        ),
        (
            {"name": "sgd", "weight_decay": 0.1},
            ("optimizer", "sgd", "'weight_decay'", '"adamw"', "l2"),
        ),
        (
            {"name": "sgd", "betas": [0.9, 0.99]},
            ("optimizer", "sgd", "parameter", "'betas'", "learning_rate", "momentum", "nesterov"),
        ),
        ({"name": "sgd", 3: 0.9}, ("optimizer", "sgd", "parameter", "3", "learning_rate", "momentum", "nesterov")),
        (
            {"name": "sgd", "alpha": 1},
            ("optimizer", "sgd", "parameter", "'alpha'", "learning_rate", "momentum", "nesterov"),
        ),
        (
            {"name": "sgd", "lr": 1, "learning_rate": 1},
            ("optimizer", "sgd", "learning_rate", "twice", "leave one out"),
        ),
        (
            {"name": "adam", "betas": [0.9, 0.99], "beta_2": 0.9},
            ("optimizer", "adam", "betas", "beta_2", "leave one out"),
        ),
        ({"name": "adam", "betas": 0.9}, ("optimizer", "adam", "betas", "two numbers", "0.9")),
        ({"name": "adam", "betas": [0.9]}, ("optimizer", "adam", "betas", "two numbers", "[0.9]")),
        ({"name": "adam", "betas": [0.9, 1]}, ("optimizer", "adam", "beta2", "finite number", "[0, 1)")),
        (
            {"name": "amsgrad", "amsgrad": False},
            ("optimizer", "amsgrad", "False", "leave it out", '"adam"'),
        ),
        (3, ("optimizer", '{"name": ...}', "3")),
        (None, ("optimizer", '{"name": ...}', "None")),
        ({"learning_rate": 1}, ("optimizer", '{"name": ...}', "{'learning_rate': 1}")),
    ],
    ids=str,
)
def test_one_line_for_a_mistake(spec, line):
    with raises_naming(ProblemError, *line):
        get_optimizer(spec)


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ("cosin", ("schedule", "'cosin'", "cosine?", *SCHEDULES)),
        ({"name": "step", "evry": 3}, ("schedule", "step", "'evry'", "every?", "per", "rate")),
        ({"name": "constant", "after": "cosine"}, ("schedule", "constant", "'after'", "per")),
        ({"name": "step", "every": 2.5}, ("schedule", "step", "every", "whole number", "1", "2.5")),
        ({"name": "step", "per": "day"}, ("schedule", "step", "per", "'epoch'", "'step'", "'day'")),
        ({"name": "warm_up", "after": 3}, ("schedule", "warm_up", "after", '{"name": ...}', "3")),
        (3, ("schedule", '{"name": ...}', "3")),
    ],
    ids=str,
)  # fmt: skip
def test_one_line_for_a_schedules_mistake(spec, line):
    with raises_naming(ProblemError, *line):
        get_schedule(spec)


# --- every number of every class ------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [*OPTIMIZERS.values(), *SCHEDULES.values()], ids=lambda cls: cls.name)
def test_each_field_has_its_check(cls):
    assert set(cls.checks) == {f.name for f in fields(cls)}


@pytest.mark.parametrize(("kind", "name", "field"), NUMBERS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -0.5, True, np.True_, "0.5", [0.5], 1j, 10**400], ids=repr)
def test_what_is_no_number_in_range_is_refused(kind, name, field, bad):
    with raises_naming(ProblemError, kind, name, field, "number", "not"):
        TABLES[kind][1]({"name": name, field: bad})


@pytest.mark.parametrize(("kind", "name", "field"), NUMBERS)
def test_none_is_a_length_to_be_filled_in_and_nothing_else(kind, name, field):
    read = TABLES[kind][1]
    if field == "total":
        assert read({"name": name, field: None}).total is None
    else:
        with raises_naming(ProblemError, "None"):
            read({"name": name, field: None})


@pytest.mark.parametrize(("kind", "name", "field"), COUNTS)
def test_counts_are_whole(kind, name, field):
    read = TABLES[kind][1]
    assert getattr(read({"name": name, field: 3.0}), field) == 3
    assert isinstance(getattr(read({"name": name, field: 3.0}), field), int)
    with raises_naming(ProblemError, "whole number"):
        read({"name": name, field: 3.5})


@pytest.mark.parametrize(
    ("name", "field", "edge"),
    [
        ("sgd", "momentum", 1.0),
        ("rmsprop", "momentum", 1.0),
        ("rmsprop", "rho", 0.0),
        ("adam", "beta1", 0.0),
        ("adam", "beta2", 0.0),
        ("adam", "beta2", 1 - 2.0**-53),
        ("adamw", "weight_decay", 0.0),
        ("adagrad", "learning_rate", 0.0),
        ("adam", "eps", 1e-37),
    ],
)
def test_the_edges_that_are_in(name, field, edge):
    assert getattr(get_optimizer({"name": name, field: edge}), field) == edge


@pytest.mark.parametrize(
    ("name", "field", "beyond"),
    [
        ("sgd", "momentum", 1.0000001),
        ("rmsprop", "rho", 1.0),
        ("adam", "beta1", 1.0),
        ("adam", "beta2", 1.0),
        ("adam", "eps", 0.0),
        ("adam", "eps", 1e-40),  # 0 in float32
        ("adagrad", "eps", 0),
        ("rmsprop", "eps", 0),
    ],
)
def test_the_edges_that_are_out(name, field, beyond):
    with raises_naming(ProblemError, "optimizer", name, field, "finite number"):
        get_optimizer({"name": name, field: beyond})


@pytest.mark.parametrize(("name", "field"), [("sgd", "nesterov"), ("adam", "amsgrad"), ("adamw", "amsgrad")])
@pytest.mark.parametrize("bad", [1, 0, "true", None])
def test_a_flag_is_true_or_false(name, field, bad):
    with raises_naming(ProblemError, "optimizer", name, field, "true", "false"):
        get_optimizer({"name": name, field: bad})


def test_a_class_registers_itself_by_a_name_of_its_own():
    before = dict(OPTIMIZERS), dict(SCHEDULES)

    class Crawl(Sgd):
        name = "crawl"
        also: ClassVar = {"snail": {"momentum": 0.5}}
        words: ClassVar = {"mu": "momentum"}

    try:
        assert register_optimizer(Crawl) is Crawl
        assert get_optimizer({"name": "crawl", "mu": 0.25}) == Crawl(momentum=0.25)
        assert get_optimizer("snail") == Crawl(momentum=0.5)
        with raises_naming(ProblemError, "snail", "momentum", "0.1", "crawl"):
            get_optimizer({"name": "snail", "momentum": 0.1})
        with raises_naming(ProblemError, "crawl", "lr"):  # its own words, in place of the field's
            get_optimizer({"name": "crawl", "lr": 0.1})
    finally:
        for table, content in zip((OPTIMIZERS, SCHEDULES), before, strict=True):
            table.clear()
            table.update(content)


@pytest.mark.parametrize(("register", "table"), [(register_optimizer, OPTIMIZERS), (register_schedule, SCHEDULES)])
def test_a_built_in_keeps_its_name(register, table):
    name, original = next(iter(table.items()))
    with raises_naming(ProblemError, name, "built in"):
        register(type("Another", (original,), {}))
    assert table[name] is original


@pytest.mark.parametrize("cls", [*OPTIMIZERS.values(), *SCHEDULES.values()])
def test_the_docstring_says_every_parameter_once_with_its_own_default(cls):
    for field in fields(cls):
        (said,) = re.findall(rf"^{field.name} : (.+)\n    \S", cls.__doc__, re.MULTILINE)
        assert said.endswith("optional" if field.default is None else f", default {field.default!r}")
    assert cls.__doc__.count("Raises\n------\nProblemError\n    ") == 1
    sections = re.findall(r"^(\w+)\n-+$", cls.__doc__, re.MULTILINE)
    order = ("Parameters", "Raises", "Notes", "References", "Examples")
    assert sections == [name for name in order if name in sections]


def test_a_class_of_ones_own_says_what_it_inherits_and_keeps_what_it_says_itself():
    @dataclass(frozen=True, kw_only=True)
    class Slow(Sgd):
        """Half a step.

        Parameters
        ----------
        momentum : float, default 0.5
            As always.

        Raises
        ------
        ValueError
            Never.
        """

        name = "slow"
        momentum: float = 0.5

    whole = [register_optimizer(Slow).__doc__ for _ in range(2)]  # the second time changes nothing
    OPTIMIZERS.pop("slow")
    assert whole[0] == whole[1]
    assert whole[0].startswith("Half a step.\n\nParameters\n----------\nlearning_rate : float, default 0.01\n    η ≥ 0")
    assert "momentum : float, default 0.5\n    As always.\nnesterov : bool, default False\n" in whole[0]
    assert whole[0].count("Raises") == 1
