"""u cut off at −1 and 1."""

import numpy as np

from backlit.core.activations._record import Activation, register_activation, step

HARD_TANH = register_activation(
    Activation(
        "hard_tanh",
        lambda u: np.where(np.abs(u.real) < 1, u, np.sign(u.real)),
        lambda u: step(1 - np.abs(u)),
        range=(-1, 1),
        kinks=(-1.0, 1.0),
        formula=lambda u, f: f.min(f.max(u, -1), 1),
        derivative_formula=lambda u, f: f.holds(f.abs(u), "<", 1),
        source="Collobert 2004",
    )
)
