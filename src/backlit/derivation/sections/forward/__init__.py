"""The forward pass, step by step."""

from backlit.derivation.sections.forward.ascent import layer_steps, one_layer, section
from backlit.derivation.sections.forward.losses import losses

__all__ = ["layer_steps", "losses", "one_layer", "section"]
