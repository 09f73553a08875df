"""The backward pass, step by step."""

from backlit.derivation.sections.backward.descent import section, steps, through_layer
from backlit.derivation.sections.backward.output import output_slope

__all__ = ["output_slope", "section", "steps", "through_layer"]
