"""The textbook: NumPy only, one equation a line; slow is fine, unclear is not."""

from backlit.core import custom as custom  # reads activations and losses that are functions of a user's own
from backlit.core.activations import ACTIVATIONS, Activation, get_activation, register_activation
from backlit.core.dropout import DropoutKey
from backlit.core.initializers import initialize
from backlit.core.losses import LOSSES, SHORT_FORMS, Loss, get_loss, register_loss
from backlit.core.network import Dense, Network
from backlit.core.parameters import Parameters, Statistics
from backlit.core.passes import Gradients, Trace, backward, forward, total_loss

__all__ = [
    "ACTIVATIONS",
    "LOSSES",
    "SHORT_FORMS",
    "Activation",
    "Dense",
    "DropoutKey",
    "Gradients",
    "Loss",
    "Network",
    "Parameters",
    "Statistics",
    "Trace",
    "backward",
    "forward",
    "get_activation",
    "get_loss",
    "initialize",
    "register_activation",
    "register_loss",
    "total_loss",
]
