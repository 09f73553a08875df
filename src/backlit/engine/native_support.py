"""What the native engine needs to know before it runs: whether it can, the plan as C++ reads it, and how many threads.

C++ owns the names (native/src/names.hpp) and says which it has, with the parameters of each; functions that are a
user's own it never runs.  It checks every number of a plan and of an optimizer when it is made of them.  While its
threads call BLAS, BLAS has one of its own.
"""

import importlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import fields
from functools import lru_cache
from typing import Any

from backlit import processors
from backlit.core.activations import ACTIVATIONS, Activation
from backlit.core.losses import LOSSES, Loss
from backlit.core.network import Network
from backlit.core.parameters import layout
from backlit.engine.base import TrainConfig
from backlit.engine.plan import Plan
from backlit.optim import Adagrad, Adam, AdamW, Optimizer, RmsProp, Sgd
from backlit.processors import available_processors, loaded_blas, processors_are_given
from backlit.registry import positive_integer

# --- threads ----------------------------------------------------------------------------------------------------------


def allowed_threads(asked: int | None) -> int:
    """`asked` where it is given; else OMP_NUM_THREADS, within the processors that this work may use.

    A worker of a cluster is told what is its own, and OMP_NUM_THREADS, which Dask sets to 1, has no say there.
    Raises ProblemError for a number below 1.
    """
    if asked is not None:
        return positive_integer(asked, "n_threads")
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    here = available_processors()
    if processors_are_given():
        return here
    return min(int(first), here) if first.isdigit() and int(first) else here


@lru_cache(maxsize=1)
def blas_libraries() -> list[Any]:
    """Controllers of the BLAS that SciPy calls: its own if it brought one, else all that are loaded."""
    found = loaded_blas()
    scipys = [library for library in found if "scipy.libs" in (library.filepath or "")]
    return scipys or found


def one_blas_thread() -> AbstractContextManager[None]:
    """Hold the BLAS that SciPy calls to one thread; see `processors.one_blas_thread`."""
    return processors.one_blas_thread(blas_libraries())


# --- plans and optimizers as C++ reads them ---------------------------------------------------------------------------

SHARED = ("share", "losses", "gradient", "block", "scratch_g", "scratch_u", "panel")
OF_LAYER = ("z", "a", "delta", "grad_a", "kept", "moments", "norm_sums", "packed")


def plan_struct(module: Any, plan: Plan, alpha: float | None) -> Any:
    """The plan."""
    net, there = plan.net, module.Plan()
    there.set_loss(net.loss.name, dict(net.loss.parameters))
    fill(
        there,
        m=plan.m,
        n_0=net.inputs,
        parameters=net.n_parameters,
        threads=plan.threads,
        short_form=net.has_short_form,
        mean=net.reduction == "mean",
        l2=net.l2,
        alpha=-1.0 if alpha is None else alpha,
        input=plan.start("a[0]"),
        panel_numbers=plan.panel_numbers,
        block_numbers=plan.block_numbers,
        bytes=plan.bytes,
        **{name: plan.start(name) for name in SHARED},
    )
    for l in range(1, net.L + 1):
        there.add(layer_struct(module, plan, l))
    for step in plan.schedule:
        there.add_step(back=step.back, l=step.l, z=step.z, a=step.a, kept=step.kept)
    return there


def layer_struct(module: Any, plan: Plan, l: int) -> Any:
    """One layer of the plan."""
    net, layer, there = plan.net, plan.net.layer(l), module.LayerPlan()
    there.set_activation(layer.activation.name, dict(layer.activation.parameters))
    there.set_product(plan.products[l - 1])
    if layer.norm is not None:
        there.set_norm(layer.norm)
    fill(
        there,
        n=layer.units,
        eps=layer.eps,
        dropout=layer.dropout,
        skip_scale=layer.skip_scale,
        skip_from=-1 if layer.skip_from is None else layer.skip_from,
        train_bias=layer.train_bias,
        units_at_once=plan.units_at_once[l - 1],
        **{slot.name: slot.start for slot in layout(net) if slot.l == l},
        **{name: plan.start(f"{name}[{l}]") for name in OF_LAYER},
    )
    return there


def optimizer_struct(module: Any, recipe: TrainConfig) -> Any:
    """The optimizer and the clipping."""
    there = module.OptimizerPlan(recipe.optimizer.name, hyperparameters(recipe.optimizer))
    clip = {"clip_norm": recipe.clip_norm, "clip_value": recipe.clip_value}
    fill(there, **{name: value for name, value in clip.items() if value is not None})
    return there


def fill(there: Any, **values: Any) -> None:
    """Set the fields of a C++ struct."""
    for name, value in values.items():
        setattr(there, name, value)


# --- what it can run --------------------------------------------------------------------------------------------------

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
        if phi.groups is not None:
            yield f"layer {l} has a softmax for each of several labels, {phi.name}"
        elif not ACTIVATIONS.is_built_in(phi):
            yield f"layer {l} has an activation of your own, {phi.name}"
        elif not knows(module.activations(), phi):
            yield f"it has no activation {phi.name}, which layer {l} has"
        if layer.norm is not None and layer.norm not in module.norms():
            yield f"it has no norm {layer.norm}, which layer {l} has"
    if not LOSSES.is_built_in(net.loss):
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
    if form is None or phi.groups is not None:  # groups have been named already
        return True
    brought = LOSSES.built_in[net.loss.name].short_forms if net.loss.name in LOSSES.built_in else None
    return (phi.name, net.loss.name) in module.short_forms() and form is (brought or {}).get(phi.name)


def hyperparameters(optimizer: Optimizer) -> dict[str, float]:
    """An optimizer's numbers by name, without the learning rate, which the steps bring."""
    names = (field.name for field in fields(optimizer) if field.name != "learning_rate")
    return {name: float(getattr(optimizer, name)) for name in names}
