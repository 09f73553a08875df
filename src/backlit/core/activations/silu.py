"""u weighted by its sigmoid, also called swish."""

from backlit.core.activations._record import INF, Activation, register_activation
from backlit.core.activations.sigmoid import sigmoid

SILU = register_activation(
    Activation(
        "silu",
        lambda u: u * sigmoid(u),
        lambda u: sigmoid(u) * (1 + u * sigmoid(-u)),
        range=(-0.27846454276107379, INF),
        formula=lambda u, f: u * f.sigmoid(u),
        derivative_formula=lambda u, f: f.sigmoid(u) * (1 + u * (1 - f.sigmoid(u))),
        source="Elfwing, Uchibe & Doya 2018",
    )
)
