"""What keeps a recipe from the native engine: names that C++ does not have, and functions that are a user's own.

C++ owns the names (native/src/names.hpp) and says which it has, with the parameters of each.
"""

import importlib
from collections.abc import Iterator
from dataclasses import fields
from functools import lru_cache
from typing import Any

from backlit.core.activations import Activation
from backlit.core.built_in import is_built_in, is_built_in_pair
from backlit.core.groups import groups_of
from backlit.core.losses import Loss
from backlit.core.network import Network
from backlit.engine.base import TrainConfig
from backlit.optim import Adagrad, Adam, AdamW, Optimizer, RmsProp, Sgd

OPTIMIZERS = (Sgd, Adagrad, RmsProp, Adam, AdamW)  # a subclass may have another rule
REDUCTIONS = ("mean", "sum")


@lru_cache(maxsize=1)
def extension() -> Any:
    """The compiled module, None where it was not built."""
    try:
        return importlib.import_module("backlit._native")
    except ImportError:
        return None


def unsupported_reason(recipe: TrainConfig) -> str | None:
    """What keeps a recipe from the native engine, as the end of a sentence; None where nothing does."""
    if extension() is None:
        return (
            "the native engine was not built when Backlit was installed; with GCC 12 or Clang there, "
            "`pip install --force-reinstall --no-deps --no-binary backlit backlit` builds it"
        )
    return next(reasons(extension(), recipe), None)


def reasons(module: Any, recipe: TrainConfig) -> Iterator[str]:
    """Each thing of a recipe that the module has no kernel for."""
    net, optimizer = recipe.net, recipe.optimizer
    for l, layer in net.numbered():
        phi = layer.activation
        if groups_of(phi) is not None:
            yield f"layer {l} has a softmax for each of several labels, {phi.name}"
        elif not is_built_in(phi):
            yield f"layer {l} has an activation of your own, {phi.name}"
        elif not knows(module.activations(), phi):
            yield f"it has no activation {phi.name}, which layer {l} has"
        if layer.norm is not None and layer.norm not in module.norms():
            yield f"it has no norm {layer.norm}, which layer {l} has"
    if not is_built_in(net.loss):
        yield f"the loss {net.loss.name} is your own"
    elif not knows(module.losses(), net.loss):
        yield f"it has no loss {net.loss.name}"
    if not has_short_form(module, net):
        yield f"the short form of {net.layers[-1].activation.name} with {net.loss.name} is your own"
    if net.reduction not in REDUCTIONS:
        yield f"it has no reduction {net.reduction}"
    if type(optimizer) not in OPTIMIZERS:
        yield f"the optimizer {type(optimizer).__name__} is your own"
    elif hyperparameters(optimizer).keys() != set(module.optimizers().get(optimizer.name, ())):
        yield f"it does not have all options of the optimizer {optimizer.name}"


def knows(names: dict[str, tuple[str, ...]], record: Activation | Loss) -> bool:
    """Whether a record's name is among C++'s, with the same parameters."""
    return record.name in names and set(names[record.name]) == record.parameters.keys()


def has_short_form(module: Any, net: Network) -> bool:
    """Whether the output's short form, where it has one, is one of C++'s."""
    form, phi = net.short_form, net.layers[-1].activation
    if form is None or groups_of(phi) is not None:  # groups have been named already
        return True
    return (phi.name, net.loss.name) in module.short_forms() and is_built_in_pair(phi, net.loss, form)


def hyperparameters(optimizer: Optimizer) -> dict[str, float]:
    """An optimizer's numbers by name, without the learning rate, which the steps bring."""
    names = (field.name for field in fields(optimizer) if field.name != "learning_rate")
    return {name: float(getattr(optimizer, name)) for name in names}
