"""Optimizers and schedules by name, with the other names by which the field knows their hyperparameters."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from backlit.errors import ProblemError
from backlit.optim.checks import known, spec_of
from backlit.optim.optimizers import Adagrad, Adam, AdamW, Optimizer, RmsProp, Sgd
from backlit.optim.schedules import (
    Constant,
    Cosine,
    Exponential,
    InverseScaling,
    OneCycle,
    ReduceOnPlateau,
    Schedule,
    Step,
    WarmUp,
)

OPTIMIZERS: dict[str, type[Optimizer]] = {cls.name: cls for cls in (Sgd, Adagrad, RmsProp, Adam, AdamW)}
SCHEDULES: dict[str, type[Any]] = {
    cls.name: cls for cls in (Constant, Step, Exponential, Cosine, OneCycle, WarmUp, InverseScaling, ReduceOnPlateau)
}
ALIASES = {
    "beta_1": "beta1",
    "beta_2": "beta2",
    "epsilon": "eps",
    "lr": "learning_rate",
    "nesterovs_momentum": "nesterov",
}


def get_optimizer(spec: str | Mapping[str, Any] | Optimizer) -> Optimizer:
    """An optimizer by name, by `{"name": ..., "learning_rate": ...}`, or one as it is.

    "amsgrad" is adam with amsgrad; beta_1, betas, epsilon, lr and nesterovs_momentum are understood.
    Raises ProblemError for an unknown name or key, with the nearest, and for a number out of range.

    >>> get_optimizer({"name": "adam", "lr": 0.01}).learning_rate
    0.01
    >>> get_optimizer("sgd").to_dict()
    {'name': 'sgd', 'learning_rate': 0.01, 'momentum': 0.0, 'nesterov': False}
    """
    if isinstance(spec, Optimizer):
        return spec
    options = spec_of(spec, "optimizer")
    name = options.pop("name")
    if name == "amsgrad":
        name, options = "adam", {"amsgrad": True, **options}
    if "betas" in options:
        betas = options.pop("betas")
        options = {**options, **both(betas, options)}
    cls = OPTIMIZERS[known(name, [*OPTIMIZERS, "amsgrad"], "optimizer")]
    return build(cls, options, f"optimizer {name}")


def both(betas: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """PyTorch's `betas` under our two names."""
    if not isinstance(betas, list | tuple) or len(betas) != 2:
        raise ProblemError(f"optimizer adam: betas must be two numbers, not {betas!r}")
    twice = [key for key in options if ALIASES.get(key, key) in ("beta1", "beta2")]
    if twice:
        raise ProblemError(f"optimizer adam: {twice[0]} is given twice, once in betas")
    return dict(zip(("beta1", "beta2"), betas, strict=True))


def get_schedule(spec: str | Mapping[str, Any] | Schedule) -> Schedule:
    """A schedule by name, by `{"name": "step", "every": 10, ...}`, or one as it is.  Raises as `get_optimizer` does.

    >>> float(get_schedule({"name": "exponential", "rate": 0.5}).factor(2))
    0.25
    """
    if isinstance(spec, Schedule):
        return spec
    options = spec_of(spec, "schedule")
    name = options.pop("name")
    cls = SCHEDULES[known(name, list(SCHEDULES), "schedule")]
    if "after" in options:
        options["after"] = get_schedule(options["after"])
    return build(cls, options, f"schedule {name}")


def build(cls: type[Any], options: Mapping[str, Any], what: str) -> Any:
    """Make `cls` from options, each known by its own name or an alias."""
    allowed = [f.name for f in fields(cls)]
    chosen: dict[str, Any] = {}
    for key, value in options.items():
        name = known(ALIASES.get(key, key), allowed, f"key of {what}")
        if name in chosen:
            raise ProblemError(f"{what}: {name} is given twice, once as {key}")
        chosen[name] = value
        if isinstance(getattr(cls, name, None), bool) and not isinstance(value, bool):
            raise ProblemError(f"{what}: {name} must be true or false, not {value!r}")
    return cls(**chosen)
