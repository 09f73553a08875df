"""Optimizers and schedules by name, with the other names by which the field knows them and their parameters."""

from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any

from backlit.errors import ProblemError, near
from backlit.optim.optimizers import OPTIMIZERS, Optimizer
from backlit.optim.schedules import SCHEDULES, Schedule

# scikit-learn's, PyTorch's and Keras' words; one that an optimizer has no use for is refused like any other
OPTIMIZER_WORDS = {
    "lr": "learning_rate",
    "learning_rate_init": "learning_rate",
    "beta_1": "beta1",
    "beta_2": "beta2",
    "epsilon": "eps",
    "nesterovs_momentum": "nesterov",
    "alpha": "rho",
}
SCHEDULE_WORDS = {
    "step_size": "every",
    "gamma": "rate",
    "power_t": "power",
    "T_max": "total",
    "total_steps": "total",
    "pct_start": "rise",
}


def get_optimizer(spec: str | Mapping[str, Any] | Optimizer) -> Optimizer:
    """An optimizer by name or by a description.

    Parameters
    ----------
    spec : str, mapping or Optimizer
        A name, `{"name": "adam", "learning_rate": 0.01}`, or an optimizer, which is returned as it is.  Names are sgd,
        adagrad, rmsprop, adam, adamw, and amsgrad, which is adam with amsgrad.  The words lr, beta_1, beta_2, betas,
        epsilon and nesterovs_momentum of other libraries are understood.

    Returns
    -------
    Optimizer
        A frozen description with the pure functions `init` and `update`.

    Raises
    ------
    ProblemError
        If a name or a key is unknown (the error gives the nearest), or a number is out of range.

    Examples
    --------
    >>> get_optimizer({"name": "adam", "lr": 0.01, "betas": (0.8, 0.99)})
    Adam(learning_rate=0.01, beta1=0.8, beta2=0.99, eps=1e-08, amsgrad=False)
    >>> get_optimizer("sgd").to_dict()
    {'name': 'sgd', 'learning_rate': 0.01, 'momentum': 0.0, 'nesterov': False}
    >>> get_optimizer("adma")
    Traceback (most recent call last):
    backlit.errors.ProblemError: unknown optimizer 'adma': did you mean adam? (one of sgd, adagrad, rmsprop, adam, ...)
    """
    if isinstance(spec, Optimizer):
        return spec
    name, options = read(spec, "optimizer", [*OPTIMIZERS, "amsgrad"])
    if name == "amsgrad":
        if options.setdefault("amsgrad", True) is not True:
            raise ProblemError(f'optimizer amsgrad: amsgrad is {options["amsgrad"]!r}: leave it out, or name "adam"')
        name = "adam"
    return build(OPTIMIZERS[name], pair_of_betas(options, name), f"optimizer {name}", OPTIMIZER_WORDS)


def get_schedule(spec: str | Mapping[str, Any] | Schedule) -> Schedule:
    """A schedule by name or by a description.

    Parameters
    ----------
    spec : str, mapping or Schedule
        A name, `{"name": "step", "every": 10}`, or a schedule, which is returned as it is.  Names are constant, step,
        exponential, cosine, one_cycle, warm_up, inverse_scaling, reduce_on_plateau and adaptive.  The `after` of
        warm_up is a description too, and counts warm_up's unit if it names none.

    Returns
    -------
    Schedule
        A frozen description with the pure function `factor`.

    Raises
    ------
    ProblemError
        If a name or a key is unknown (the error gives the nearest), or a number is out of range.

    Examples
    --------
    >>> get_schedule({"name": "exponential", "rate": 0.5}).factor([0, 1, 2])
    array([1.  , 0.5 , 0.25])
    >>> warm_up = get_schedule({"name": "warm_up", "length": 9, "after": "cosine"})
    >>> warm_up.bind(epochs=1, steps=109).factor([0, 9, 59])
    array([0.1, 1. , 0.5])
    """
    if isinstance(spec, Schedule):
        return spec
    name, options = read(spec, "schedule", list(SCHEDULES))
    cls = SCHEDULES[name]
    if "after" in options and "after" in cls.checks and not isinstance(options["after"], Schedule | None):
        _, after = split(options["after"], "schedule warm_up: after")
        options["after"] = get_schedule({"per": options.get("per", cls.per)} | after)
    return build(cls, options, f"schedule {name}", SCHEDULE_WORDS)


def split(spec: object, what: str) -> tuple[object, dict[str, Any]]:
    """The name in a spec, and the spec as a mapping of its own."""
    if isinstance(spec, str):
        return spec, {"name": spec}
    if isinstance(spec, Mapping) and "name" in spec:
        return spec["name"], dict(spec)
    raise ProblemError(f'{what} must be a name or {{"name": ...}}, not {spec!r}')


def read(spec: object, kind: str, names: Collection[str]) -> tuple[str, dict[str, Any]]:
    """A known name, and the options beside it."""
    name, options = split(spec, kind)
    if not isinstance(name, str) or name not in names:
        raise ProblemError(f"unknown {kind} {name!r}: {near(name, names)}")
    del options["name"]
    return name, options


def pair_of_betas(options: dict[str, Any], name: str) -> dict[str, Any]:
    """The options with PyTorch's betas = (beta1, beta2) as two."""
    if "betas" not in options or "beta1" not in OPTIMIZERS[name].checks:
        return options
    betas = options.pop("betas")
    if not isinstance(betas, list | tuple) or len(betas) != 2:
        raise ProblemError(f"optimizer {name}: betas must be two numbers, not {betas!r}")
    if both := {"beta1", "beta_1", "beta2", "beta_2"} & options.keys():
        raise ProblemError(f"optimizer {name}: betas and {min(both)} say the same: leave one out")
    return options | {"beta1": betas[0], "beta2": betas[1]}


def build(cls: type[Any], options: Mapping[str, Any], what: str, words: Mapping[str, str]) -> Any:
    """Make `cls` from options, each under its own name or one of the field's other words for it."""
    allowed = [field.name for field in fields(cls)]
    chosen: dict[str, Any] = {}
    for key, value in options.items():
        name = key if key in allowed else words.get(key, key)
        if name not in allowed:
            raise ProblemError(f"{what} has no parameter {key!r}: {remedy(key, allowed)}")
        if name in chosen:
            raise ProblemError(f"{what}: {name} is given twice, once as {key}: leave one out")
        chosen[name] = value
    return cls(**chosen)


def remedy(key: object, allowed: Collection[str]) -> str:
    """What to write in place of a key that is not known."""
    if key == "weight_decay":
        return 'name "adamw" for weight decay, or give the network l2'
    return near(key, allowed)
