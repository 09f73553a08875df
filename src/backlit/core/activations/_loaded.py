"""The table, filled: every file of this folder is imported before the package's functions take their names."""

from backlit.core.activations._record import ACTIVATIONS
from backlit.core.registry import load

load(ACTIVATIONS, __package__, first=(
    *("identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu"),
    *("softplus", "mish", "hard_tanh", "softsign", "exp", "softmax"),
))  # fmt: skip
