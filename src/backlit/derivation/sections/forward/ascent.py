"""The worked numbers on the way up: z, norm, activation, dropout, skip of every layer, and the loss."""

from backlit.derivation.document import Section, Step
from backlit.derivation.scene import Scene
from backlit.derivation.sections.forward.activation import activation, dropout, skip
from backlit.derivation.sections.forward.losses import losses
from backlit.derivation.sections.forward.norms import normalization
from backlit.derivation.sections.forward.sums import pre_activation


def section(s: Scene) -> Section:
    """Forward, layer by layer."""
    return Section("forward", "Forward: from the inputs to the loss", (*layer_steps(s), *losses(s)))


def layer_steps(s: Scene) -> list[Step]:
    """The steps of every layer, up to the output."""
    return [step for l in range(1, s.net.L + 1) for step in one_layer(s, l)]


def one_layer(s: Scene, l: int) -> list[Step]:
    """The steps of one layer."""
    layer = s.layer(l)
    steps = [pre_activation(s, l)]
    if layer.norm:
        steps += normalization(s, l)
    steps.append(activation(s, l))
    if s.trace.mask[l] is not None:
        steps.append(dropout(s, l))
    if layer.skip_from is not None:
        steps.append(skip(s, l))
    return steps
