"""The forward pass with a knob turned: a bias, a skip or a scale left out, or another variance.

The backward pass that follows is right for what the forward pass left, so that loss and gradient belong together.
"""

from dataclasses import replace

import numpy as np

from backlit.core import norms
from backlit.core.network import Dense
from backlit.core.norms import Normalized
from backlit.core.passes import Trace, empty
from backlit.verification.mutations import Mutations, ReplayContext
from backlit.verification.quantities import Array


def with_forward(setting: ReplayContext, knobs: Mutations) -> ReplayContext:
    """The setting whose trace a mistaken forward pass left; itself where no such knob is turned."""
    if not any(knob == "forward" for knob, _ in knobs.turned):
        return setting
    old, net, params = setting.trace, setting.net, setting.params
    z, u, h, a, norm, mask = (empty(net) for _ in range(6))
    a[0] = old.a[0]
    for l, layer in net.numbered():
        turned = knobs.all("forward", l)
        z[l] = a[l - 1] @ params.W[l].T + (0 if "bias_missing" in turned else params.b[l])
        u[l] = z[l]
        if layer.norm:
            norm[l] = unbiased(layer, z[l]) if "ddof" in turned else norms.normalize(layer, z[l])
            u[l] = norms.scale_and_shift(norm[l], params.gamma[l], params.beta[l])
        h[l] = layer.activation.function(u[l])
        a[l] = h[l]
        if old.mask[l] is not None:
            mask[l] = old.mask[l] * (1 - layer.dropout) if "mask_unscaled" in turned else old.mask[l]
            a[l] = h[l] * mask[l]
        if layer.skip_from is not None and "skip_missing" not in turned:
            a[l] = a[l] + layer.skip_scale * a[layer.skip_from]
    return replace(setting, trace=Trace(z, u, h, a, norm, mask))


def unbiased(layer: Dense, z: Array) -> Normalized:
    """z with mean 0 and unbiased variance 1 along the norm's axis."""
    axis = norms.AXIS[str(layer.norm)]
    mean, variance = z.mean(axis=axis, keepdims=True), z.var(axis=axis, keepdims=True, ddof=1)
    inverse_std = 1 / np.sqrt(variance + layer.eps)
    return Normalized((z - mean) * inverse_std, inverse_std, mean, variance, axis)
