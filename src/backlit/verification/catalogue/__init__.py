"""The catalogue of backpropagation's mistakes: one frozen row each, and a knob of the replay that makes it."""

from backlit.verification.catalogue.blocks import BLOCKS, STEPS
from backlit.verification.catalogue.conventions import CONVENTIONS, FORWARDS
from backlit.verification.catalogue.output import OUTPUT
from backlit.verification.catalogue.scaling import SCALING
from backlit.verification.catalogue.slopes import SLOPES
from backlit.verification.catalogue.tensors import TENSORS
from backlit.verification.mutations import Bug, Instance

CATALOGUE: dict[str, Bug] = {
    bug.name: bug for bug in (*OUTPUT, *SLOPES, *TENSORS, *BLOCKS, *SCALING, *STEPS, *FORWARDS, *CONVENTIONS)
}

__all__ = ["CATALOGUE", "Bug", "Instance"]
