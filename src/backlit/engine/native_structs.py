"""A plan and an optimizer as the C++ engine reads them; it checks every number when it is made of them."""

from typing import Any

from backlit.core.parameters import layout
from backlit.engine.base import TrainConfig
from backlit.engine.native_support import hyperparameters
from backlit.engine.plan import Plan

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
