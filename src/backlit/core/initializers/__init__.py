"""Initializers: how W is drawn so that lengths neither shrink nor grow on their way through the layers.

`{"scheme": "he_normal", "gain": 1.0}` or the scheme's name.  Draws are made in float64, layer by layer, and then cast,
so that float32 and float64 networks of one seed start alike.  b and beta are 0 and gamma is 1, except where said.

A file that is put into this folder is an initializer more; `register_initializer` adds one from anywhere else.

>>> from backlit.core.network import Dense, Network
>>> initialize(Network(1, [Dense(2)]), "zeros").theta
array([0., 0., 0., 0.])
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.core.losses import get_loss
from backlit.core.parameters import Parameters, layout
from backlit.core.passes import forward
from backlit.errors import ProblemError
from backlit.registry import Registry, finite_number, read_spec, whole_number

if TYPE_CHECKING:
    from backlit.core.network import Network  # which knows all that stands here

Array = np.ndarray
Rng = np.random.Generator
Variance = Callable[[int, int], float]  # of one weight, from n_in and n_out


@dataclass(frozen=True)
class Initializer:
    """A scheme: `draw` gives W (n_out, n_in), of variance `variance(n_in, n_out)` where that is known.

    options : the parameters that it takes.
    """

    name: str
    draw: Callable[[Rng, int, int], Array]
    variance: Variance | None = None
    options: tuple[str, ...] = ("gain",)
    source: str = ""


INITIALIZERS: Registry[Initializer] = Registry("init scheme")
register_initializer = INITIALIZERS.register


def uniform(name: str, variance: Variance, source: str) -> Initializer:
    """W uniform on ±√(3 v), which has variance v."""

    def draw(rng: Rng, n_out: int, n_in: int) -> Array:
        bound = np.sqrt(3 * variance(n_in, n_out))
        return rng.uniform(-bound, bound, (n_out, n_in))

    return Initializer(name, draw, variance, source=source)


def normal(name: str, variance: Variance, source: str, **more: Any) -> Initializer:
    """W normal with mean 0 and variance v."""

    def draw(rng: Rng, n_out: int, n_in: int) -> Array:
        return rng.standard_normal((n_out, n_in)) * np.sqrt(variance(n_in, n_out))

    return Initializer(name, draw, variance, source=source, **more)


def orthogonal(rng: Rng, n_out: int, n_in: int) -> Array:
    """Rows, or columns where there are fewer, orthonormal, and uniform over such W."""
    tall = rng.standard_normal((max(n_out, n_in), min(n_out, n_in)))
    q, r = np.linalg.qr(tall)
    q *= np.sign(np.diag(r))  # makes the decomposition unique, and so the draw uniform
    return q if n_out >= n_in else q.T


def glorot(n_in: int, n_out: int) -> float:
    """2/(n_in + n_out): a compromise between forward and backward."""
    return 2 / (n_in + n_out)


def he(n_in: int, n_out: int) -> float:
    """2/n_in: half of a ReLU layer's units are 0."""
    return 2 / n_in


def lecun(n_in: int, n_out: int) -> float:
    """1/n_in: keeps the length of a linear layer."""
    return 1 / n_in


for made in (
    Initializer("zeros", lambda rng, n_out, n_in: np.zeros((n_out, n_in)), lambda n_in, n_out: 0.0, ()),
    uniform("xavier_uniform", glorot, "Glorot & Bengio 2010"),
    normal("xavier_normal", glorot, "Glorot & Bengio 2010"),
    uniform("he_uniform", he, "He et al. 2015"),
    normal("he_normal", he, "He et al. 2015"),
    uniform("lecun_uniform", lecun, "LeCun et al. 1998"),
    normal("lecun_normal", lecun, "LeCun et al. 1998"),
    Initializer(
        "orthogonal", orthogonal, lambda n_in, n_out: 1 / max(n_in, n_out), source="Saxe et al. 2014; Mezzadri 2007"
    ),
    normal("gaussian", lecun, "", options=("sigma_w", "sigma_b")),  # times σ_w, with b drawn too
    Initializer("lsuv", orthogonal, None, ("tolerance", "max_rounds"), "Mishkin & Matas 2016"),  # then scaled by data
):
    register_initializer(made)
INITIALIZERS.load(__package__, shipped=tuple(INITIALIZERS))  # those above, then those of the folder


def initialize(
    net: Network,
    scheme: str | Mapping[str, Any] = "xavier_uniform",
    *,
    seed: int = 0,
    X: Array | None = None,
    dtype: Any = np.float64,
) -> Parameters:
    """Draw the parameters of `net`.

    scheme : zeros; xavier_, he_ or lecun_ with uniform or normal; orthogonal; gaussian (W of variance sigma_w²/n_in, b
    of variance sigma_b²); lsuv, which needs X (m, n_0).  All but zeros, gaussian and lsuv take a `gain` that
    multiplies W.
    Raises ProblemError for an unknown scheme or option, or a sigma below 0.
    """
    takes = {name: record.options for name, record in INITIALIZERS.items()}
    name, options = read_spec(scheme, "init scheme", INITIALIZERS, takes, key="scheme")
    for option in ("sigma_w", "sigma_b"):
        finite_number(options.get(option, 0.0), f"init scheme {name}: {option}", low=0.0)
    rng = np.random.default_rng(checked_seed(seed))
    params = Parameters.zeros(net)
    sigma_b = options.get("sigma_b", 0.0)
    for l, layer in net.numbered():
        W = INITIALIZERS[name].draw(rng, layer.units, net.n[l - 1])
        params.W[l][:] = options.get("gain", options.get("sigma_w", 1.0)) * W
        if sigma_b:
            params.b[l][:] = sigma_b * rng.standard_normal(layer.units)
    if name == "lsuv":
        if X is None:
            raise ProblemError("init scheme lsuv scales layers by data: give X, or use orthogonal")
        scale_to_unit_variance(net, params, X, options.get("tolerance", 0.1), int(options.get("max_rounds", 10)))
    return params if params.theta.dtype == dtype else params.astype(dtype)


def scale_to_unit_variance(net: Network, params: Parameters, X: Array, tolerance: float, max_rounds: int) -> None:
    """Divide each W[l], from the input up, until z[l] has variance 1 ± tolerance over X."""
    below, a = 0, X  # up to layer `below` all is scaled, and a is what it gives
    for l in range(1, net.L + 1):
        if not skips_into(net, l - 1):
            a, below = (forward_of(net, params, below, l - 1, a).a[-1] if l > 1 else X), l - 1
        for _ in range(max_rounds):
            variance = forward_of(net, params, below, l, a).z[-1].var()
            if not np.isfinite(variance) or variance < 1e-30 or abs(variance - 1) < tolerance:
                break  # a layer that gives a constant cannot be scaled
            params.W[l] /= np.sqrt(variance)
            if not params.b[l].any():
                break  # without a bias z is linear in W, so its variance is now 1


def skips_into(net: Network, l: int) -> bool:
    """Whether a layer above l takes a skip from below l, so that what l gives is not all that it needs."""
    return any(layer.skip_from is not None and layer.skip_from < l < k for k, layer in net.numbered())


def forward_of(net: Network, params: Parameters, low: int, high: int, a: Array) -> Any:
    """The pass through layers low + 1 … high alone, for what layer `low` gives."""
    layers = tuple(
        layer if layer.skip_from is None else replace(layer, skip_from=layer.skip_from - low)
        for layer in net.layers[low:high]
    )
    part = replace(net, inputs=net.n[low], layers=layers, loss=get_loss("half_squared_error"))
    start = sum(slot.stop - slot.start for slot in layout(net) if slot.l <= low)
    return forward(part, Parameters(part, params.theta[start : start + part.n_parameters]), a)


def checked_seed(seed: object) -> int:
    """The seed as an int ≥ 0, else ProblemError."""
    number = whole_number(seed, "seed")
    if number < 0:
        raise ProblemError(f"seed must not be negative, not {number}")
    return number
