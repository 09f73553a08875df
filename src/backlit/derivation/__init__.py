"""Where every number of a gradient comes from: a network with its numbers in, a worked derivation out.

`expressions` is the tree that formulas are made of, `numbers` decides how a number is printed, `sections` holds one
file for each section of the document, `derive` puts them together.  Nothing here knows of LaTeX, HTML or a terminal:
see `backlit.render`.
"""

from backlit.derivation.derive import derive
from backlit.derivation.document import Derivation, Section, Step

__all__ = ["Derivation", "Section", "Step", "derive"]
