"""Specimen problems for `explorer_tables`: each way a step can look, in layers whose numbers are markers."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from backlit.core import get_loss
from backlit.core.parameters import layout
from backlit.core.problem import Problem
from backlit.derivation.context import Context
from backlit.derivation.document import Step
from backlit.derivation.numbers import Numbers
from backlit.derivation.sections import backward_pass, forward_pass, losses
from backlit.derivation.sections import update as update_section
from backlit.derivation.sections.helpers import averaged, even
from backlit.derivation.update import run
from backlit.formats.problems import read_problem

OWN, BELOW, SKIPPED, DEPTH = 5, 4, 2, 6  # the layers of a specimen: a step's own, the one below, where a skip begins
UNITS, SCALE, ALPHA, EPS, RATE, LIMIT = 3, 0.4375, 0.4625, 0.0625, 0.3125, 0.6875  # markers: numbers that stand out


def specimens() -> Iterator[Problem]:
    """Problems of which each has a layer 5 and an output of other options."""
    options = {
        "activation": ["identity", "tanh", "exp", {"name": "leaky_relu", "alpha": ALPHA}],
        "norm": [None, "batch", "layer"],
        "dropout": [0.0, 0.25],
        "skip_scale": [None, 1.0, SCALE],
    }
    outputs = [("identity", "half_squared_error"), ("tanh", "squared_error"), ("softmax", "cross_entropy"),
               ("softmax[2,1]", "cross_entropy"), ("sigmoid", "binary_cross_entropy"),
               ("softmax", "squared_error"), ("softmax[2,1]", "squared_error"),
               ({"name": "leaky_relu", "alpha": ALPHA}, "squared_error")]  # fmt: skip
    batches = [
        (1, None, "mean"),
        (3, None, "mean"),
        (3, None, "sum"),
        (3, "uneven", "mean"),
        (1, "uneven", "sum"),
        (3, "uneven", "sum"),
        (3, "even", "sum"),
    ]
    seen: set[Any] = set()
    for top, bottom, batch, l2, output, whole in shuffled(
        [choices(options), [None, "batch"], batches, [0.0, RATE], outputs, [False, True]]
    ):
        coupled = "batch" in (bottom, top["norm"])
        looks = {  # what a step looks like is decided by one of these at a time
            (str(top), coupled),
            (str(output), whole, top["norm"], top["dropout"], coupled),
            (batch, l2, top["norm"], coupled),
        }
        if not looks <= seen:
            seen |= looks
            yield specimen(top, bottom, *batch, l2, *output, whole=whole)


def shuffled(options: Sequence[Any]) -> list[Any]:
    """Each way to choose, in an order in which neighbors differ in all."""
    whole = list(itertools.product(*options))
    np.random.default_rng(0).shuffle(order := np.arange(len(whole)))
    return [whole[k] for k in order]


def choices(options: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """Each way to choose."""
    for chosen in itertools.product(*options.values()):
        yield dict(zip(options, chosen, strict=True))


def specimen(
    top: dict[str, Any], bottom: Any, m: int, weights: Any, reduction: str, l2: float, phi: Any, loss: Any, whole: bool
) -> Problem:
    """One problem.  whole : whether the output has the options of `top` as well."""
    plain = [{"units": UNITS, "activation": "sigmoid"} for _ in range(DEPTH)]
    skip = {} if top["skip_scale"] is None else {"skip_from": SKIPPED, "skip_scale": top["skip_scale"]}
    rich = {"activation": top["activation"], "norm": top["norm"], "eps": EPS, "dropout": top["dropout"], **skip}
    plain[OWN - 1] |= rich
    plain[BELOW - 1]["norm"] = bottom
    plain[DEPTH - 1] |= {"activation": phi, "train_bias": not whole}
    if whole:
        plain[DEPTH - 1] |= {"norm": top["norm"], "eps": EPS}
        if get_loss(loss).outputs[0] < 0:
            plain[DEPTH - 1] |= {"dropout": top["dropout"], **skip}
    y = np.tile([[1.0, 0.0, 1.0]] if "[" in str(phi) else [[0.0, 1.0, 0.0]], (m, 1))
    file = {"inputs": UNITS, "layers": plain, "loss": loss, "reduction": reduction, "l2": l2, "seed": 7,
            "x": np.linspace(-1, 1, m * UNITS).reshape(m, UNITS).tolist(), "y": y.tolist(),
            "optimizer": {"name": "sgd", "momentum": 0.5 if whole else 0.0}}  # fmt: skip
    if weights:
        file["sample_weight"] = np.arange(2.0, 2 + m).tolist() if weights == "uneven" else [2.0] * m
    return read_problem(file)


def steps_of(problem: Problem) -> Iterator[tuple[Context, Step]]:
    """The steps of the two passes and the update, as `explain` has them, each with its context; of layers 5 and 6."""
    trace, grad = problem.passes()
    s, (update, *_) = Context(problem, trace, grad, Numbers(5)), run(problem, 1)
    made = [backward_pass.output_slope(s), *losses.losses(s), backward_pass.down(s, 1)]
    for l in (OWN, DEPTH):
        made += [*forward_pass.one_layer(s, l), *backward_pass.through_layer(s, l)]
    made += [update_section.parameter_step(s, update, slot) for slot in layout(s.net) if slot.l in (OWN, DEPTH)]
    return ((s, step) for step in made)


def key(s: Context, step: Step) -> str:
    """What of a problem decides how a step looks; `web/src/steps.ts` says the same."""
    name, _, rest = step.id.partition("[")
    l = int(rest[:-1]) if rest else 0
    layer = s.layer(l) if l else s.layer(s.net.L)
    under, coupled = "u" if layer.norm else "z", "S" if s.coupled else "ell"
    phi = layer.activation
    kind = "identity" if phi.name == "identity" else "phi" if phi.elementwise else "softmax"
    kind = "exp" if phi.name == "exp" else "groups" if phi.groups else f"{kind}{len(phi.parameters)}"
    dropped, skips = s.trace.mask[l or s.net.L] is not None, layer.skip_from is not None
    one = even(s) and s.delta_shares[0] == 1
    same = "one" if one else "mean" if averaged(s) else "uneven"
    over = f"{same} {'many' if s.m > 1 else 'single'}"
    regular = "l2" if s.net.l2 else "plain"
    by_equation = {
        "F2": f"{name} {under} {kind}",
        "SK1": f"skip {'r' if dropped else 'h'} {scaled(layer.skip_scale)}",
        "DO1": f"dropout {'r' if skips else 'a'}",
        "BP1": "slope of loss",
        "BP1S": f"short {under}{' weighted' if s.output_weights is not None else ''}",
        "BP2": f"delta {'h' if dropped else 'a'} {under} {kind} {coupled}",
        "BP2S": f"softmax {'h' if dropped else 'a'} {under} {coupled}",
    }
    if step.equation in by_equation:
        return by_equation[step.equation]
    if name in ("delta", "grad_u") and not step.equation:
        return f"groups {under} {coupled}"
    by_name = {
        "slope": f"slope {under} {kind}",
        "ell": f"ell {'scores' if 'scores' in step.sentence else 'plain'}",
        "loss": f"loss {'mean' if s.net.reduction == 'mean' else 'sum'} {regular}"
        if s.problem.sample_weight is None
        else f"loss uneven {regular}",
        "grad_h": f"grad_h {coupled}",
        "grad_b": f"grad_b {over} {s.net.reduction if s.m > 1 else 'itself'}",
        "grad_W": f"grad_W {over} {regular}",
        "grad_a": f"grad_a {'inputs' if l == 0 else 'layer'}",
        "grad_gamma": f"grad_gamma {layer.norm} {over} {coupled}",
        "grad_beta": f"grad_beta {layer.norm} {over} {coupled}",
    }
    if name.startswith("update_"):
        frozen = name == "update_b" and not layer.train_bias
        return f"{name} {'frozen' if frozen else 'state' if s.problem.optimizer.slots else 'plain'}"
    if name in ("mu", "sigma2", "x_hat", "u"):
        return f"{name} {layer.norm}"
    if name in ("grad_x_hat", "delta"):
        return f"{name} {layer.norm} {coupled}"
    return by_name.get(name, name)


def scaled(scale: float) -> str:
    return "plain" if scale == 1 else "scaled"
