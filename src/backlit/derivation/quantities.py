"""The numbers of a derivation by plain names, as `--format json` prints them and `check` reads them."""

from typing import Any

import numpy as np

from backlit.core.parameters import NAMES
from backlit.core.passes import Gradients, Trace
from backlit.derivation.update import Updated

Plain = dict[str, Any]


def by_layer(arrays: list[Any]) -> Plain:
    """{"1": rows, …}; layers that have none are left out."""
    return {str(l): np.asarray(array, float).tolist() for l, array in enumerate(arrays) if array is not None}


def quantities(trace: Trace, grad: Gradients | None, updates: list[Updated]) -> Plain:
    """The plain numbers by name, as `--format json` prints them: loss, z, u, a, delta, grad_*, update."""
    found: Plain = {"loss": grad.loss if grad else None}
    found |= {name: by_layer(getattr(trace, name)) for name in ("z", "u", "a")}
    if grad is not None:
        found["delta"] = by_layer(grad.delta)
        found |= {f"grad_{name}": by_layer(getattr(grad, name)) for name in (*NAMES, "a")}
    if updates:
        last = updates[-1]
        moved = {name: by_layer(getattr(last.after, name)) for name in NAMES}
        found["update"] = {name: layers for name, layers in moved.items() if layers or name in ("W", "b")}
        found["update"]["loss"] = float(last.loss_after)
    return found
