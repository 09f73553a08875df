"""A sigmoid that comes to its ends slowly, and is a fraction where u is one."""

from backlit.core.activations._record import Activation, magnitude, register_activation

SOFTSIGN = register_activation(
    Activation(
        "softsign",
        lambda u: u / (1 + magnitude(u)),
        lambda u: 1 / (1 + magnitude(u)) ** 2,
        range=(-1, 1),
        creases=(0.0,),
        formula=lambda u, f: u / (1 + f.abs(u)),
        derivative_formula=lambda u, f: 1 / (1 + f.abs(u)) ** 2,
        derivative_of_output=lambda h, f: (1 - f.abs(h)) ** 2,
        onnx=("Softsign", {}),
        source="Bergstra, Desjardins, Lamblin & Bengio 2009",
    )
)
