"""The identity: a layer of sums alone."""

import numpy as np

from backlit.core.activations._record import Activation, register_activation

IDENTITY = register_activation(
    Activation(
        "identity",
        lambda u: u,
        np.ones_like,
        formula=lambda u, f: u,
        derivative_formula=lambda u, f: f(1),
        symbol=("id", r"\operatorname{id}", '"id"'),
        homogeneous=True,
    )
)
