"""The frozen description of a network: its layers, its loss, and the rules that their sizes obey.

A Network holds no numbers that are learned; those are `Parameters`.

>>> net = Network(2, [Dense(3, "tanh"), Dense(1, "identity")], loss="half_squared_error")
>>> net.L, net.n, net.n_parameters
(2, (2, 3, 1), 13)
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import groupby
from typing import Any, Literal

import numpy as np

from backlit.core.activations import ACTIVATIONS, Activation, get_activation
from backlit.core.initializers import initialize
from backlit.core.losses import LOSSES, Loss, ShortForm, get_loss
from backlit.core.norms import NORMS
from backlit.core.parameters import Parameters
from backlit.display import Displayed
from backlit.errors import ProblemError, ShapeError, near
from backlit.registry import finite_number, number, positive_integer, whole_number

EPS = 1e-5
REDUCTIONS = ("mean", "sum")


@dataclass(frozen=True)
class Dense:
    """One layer: z = W a + b, u = norm(z), h = φ(u), r = dropout(h), a = r + skip_scale · a[skip_from].

    Parameters
    ----------
    units : int
        Number of units n_l, at least 1.
    activation : str, mapping or Activation, default 'identity'
        φ: a name such as "tanh", `{"name": "leaky_relu", "alpha": 0.1}`, an Activation, or a NumPy function of u.
    norm : {"batch", "layer"}, optional
        Normalization between z and u.
    eps : float, default 1e-05
        What `norm` adds to the variance, at least 0.
    dropout : float, default 0.0
        Probability in [0, 1) that a unit is set to 0 in training; the others are divided by 1 − dropout.
    skip_from : int, optional
        Index k < l of an earlier layer of equal width, whose output is added; 0 is the input.
    skip_scale : float, default 1.0
        What the skipped output is multiplied by.
    train_bias : bool, default True
        Whether the optimizer moves b; False keeps it as it is.

    Raises
    ------
    ProblemError
        If a value is outside these.  The error names it, what was given, and what is allowed.

    Examples
    --------
    >>> Dense(3, "relu", dropout=0.2).to_dict()
    {'units': 3, 'activation': 'relu', 'dropout': 0.2}
    """

    units: int
    activation: Activation
    norm: Literal["batch", "layer"] | None = None
    eps: float = EPS
    dropout: float = 0.0
    skip_from: int | None = None
    skip_scale: float = 1.0
    train_bias: bool = True

    def __init__(
        self,
        units: int,
        activation: str | Mapping[str, Any] | Activation = "identity",
        *,
        norm: str | None = None,
        eps: float = EPS,
        dropout: float = 0.0,
        skip_from: int | None = None,
        skip_scale: float = 1.0,
        train_bias: bool = True,
    ):
        if norm is not None and norm not in NORMS:
            raise ProblemError(f"unknown norm {norm!r}: {near(norm, NORMS)}, or None")
        if not isinstance(train_bias, bool | np.bool_):
            raise ProblemError(f"train_bias must be true or false, not {train_bias!r}")
        values = {
            "units": positive_integer(units, "units"),
            "activation": get_activation(activation),
            "norm": norm,
            "eps": finite_number(eps, "eps", low=0.0),
            "dropout": number(0, 1, high_open=True)(dropout, "dropout"),
            "skip_from": None if skip_from is None else whole_number(skip_from, "skip_from"),
            "skip_scale": finite_number(skip_scale, "skip_scale"),
            "train_bias": bool(train_bias),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def keeps_moments(self) -> bool:
        """Whether its norm takes running moments for prediction, and so couples the examples of a batch in training."""
        return self.norm is not None and NORMS[self.norm].running

    def __repr__(self) -> str:
        described = self.to_dict()
        units, activation = described.pop("units"), described.pop("activation")
        given = [str(units), *([] if activation == "identity" else [repr(activation)])]
        return f"Dense({', '.join([*given, *(f'{name}={value!r}' for name, value in described.items())])})"

    def to_dict(self) -> dict[str, Any]:
        """The layer in plain names and numbers, as problem and model files hold it; defaults are left out."""
        described: dict[str, Any] = {"units": self.units, "activation": self.activation.spec}
        if self.norm:
            described["norm"] = self.norm
        if self.norm or self.eps != EPS:
            described["eps"] = self.eps
        if self.dropout:
            described["dropout"] = self.dropout
        if self.skip_from is not None:
            described["skip_from"] = self.skip_from
        if self.skip_from is not None or self.skip_scale != 1:
            described["skip_scale"] = self.skip_scale
        if not self.train_bias:
            described["train_bias"] = False
        return described


@dataclass(frozen=True)
class Network(Displayed):
    """A feed-forward network: `inputs` numbers in, the layers, and the loss at the end.

    Parameters
    ----------
    inputs : int
        Number of inputs n_0, at least 1.
    layers : sequence of Dense
        Layers 1 to L.  The last one gives the outputs.
    loss : str, mapping or Loss, default 'half_squared_error'
        ℓ of one example: a name such as "cross_entropy", `{"name": "huber", "delta": 2.0}`, a Loss, or a NumPy
        function of (a, y).
    reduction : {"mean", "sum"}, default 'mean'
        The cost C is Σ w_i ℓ_i / Σ w_i for "mean", and Σ w_i ℓ_i for "sum".
    l2 : float, default 0.0
        λ ≥ 0: C has (λ/2) Σ ‖W‖² more.  Biases are not in it.

    Raises
    ------
    ProblemError
        If there is no layer, a value is out of range, or softmax is not at the output.
    ShapeError
        If a layer skips from one of another width.

    Examples
    --------
    >>> net = Network(2, [Dense(3, "tanh"), Dense(1)], loss="half_squared_error")
    >>> net.L, net.n, net.n_parameters
    (2, (2, 3, 1), 13)
    >>> net.layer(1).activation.name
    'tanh'
    """

    inputs: int
    layers: tuple[Dense, ...]
    loss: Loss
    reduction: Literal["mean", "sum"] = "mean"
    l2: float = 0.0

    def __init__(
        self,
        inputs: int,
        layers: Sequence[Dense],
        *,
        loss: str | Mapping[str, Any] | Loss = "half_squared_error",
        reduction: str = "mean",
        l2: float = 0.0,
    ):
        if reduction not in REDUCTIONS:
            raise ProblemError(f"unknown reduction {reduction!r}: {near(reduction, REDUCTIONS)}")
        layers = tuple(layers)
        if not layers:
            raise ProblemError("a network needs at least one layer: layers is empty")
        for l, layer in enumerate(layers, start=1):
            if not isinstance(layer, Dense):
                raise ProblemError(f"layer {l} must be a Dense, not {type(layer).__name__}")
        object.__setattr__(self, "inputs", positive_integer(inputs, "inputs"))
        object.__setattr__(self, "layers", layers)
        object.__setattr__(self, "loss", get_loss(loss))
        object.__setattr__(self, "reduction", reduction)
        object.__setattr__(self, "l2", finite_number(l2, "l2", low=0.0))
        for l, layer in self.numbered():
            self._check_skip(l, layer)
            if layer.activation.name.startswith("softmax") and l < self.L:
                raise ProblemError(f"layer {l} is softmax, which is for the output: use it in layer {self.L} only")

    def _check_skip(self, l: int, layer: Dense) -> None:
        k = layer.skip_from
        if k is None:
            return
        if not 0 <= k < l:
            raise ProblemError(f"layer {l} skips from layer {k}: skip_from must be an earlier layer, 0 to {l - 1}")
        if self.n[k] != layer.units:
            raise ShapeError(
                f"layer {l} has {layer.units} units but skips from layer {k}, which has {self.n[k]}: "
                f"make the two widths equal, or leave skip_from out"
            )

    def __hash__(self) -> int:
        return self._hash

    @cached_property  # a deep one's takes long, and it is the key to what is kept by network
    def _hash(self) -> int:
        """The hash of the description."""
        return hash(tuple(getattr(self, field.name) for field in fields(self)))

    @property
    def L(self) -> int:
        """The number of layers."""
        return len(self.layers)

    @cached_property  # asked for many times in every pass
    def n(self) -> tuple[int, ...]:
        """Units a layer, (n_0, …, n_L); n_0 is the number of inputs."""
        return (self.inputs, *(layer.units for layer in self.layers))

    @property
    def outputs(self) -> int:
        """n_L."""
        return self.layers[-1].units

    @cached_property  # asked for by every pass too
    def n_parameters(self) -> int:
        """The length of theta."""
        return sum(
            layer.units * (n_in + 1 + 2 * bool(layer.norm)) for n_in, layer in zip(self.n, self.layers, strict=False)
        )

    @cached_property
    def couples_examples(self) -> bool:
        """Whether one example's output depends on the others of its batch (batch norm)."""
        return any(layer.keeps_moments for layer in self.layers)

    @cached_property
    def skip_sources(self) -> frozenset[int]:
        """The layers that a later layer skips from."""
        return frozenset(layer.skip_from for layer in self.layers if layer.skip_from is not None)

    @cached_property
    def short_form(self) -> ShortForm | None:
        """The output's short form, by which ∂ℓ/∂u is p − y; None if dropout or a skip stands between φ and the loss.

        >>> net = Network(2, [Dense(5, "softmax[2,3]")], loss="cross_entropy")
        >>> net.short_form.value(np.zeros((1, 5)), np.array([[0.0, 1.0, 1.0, 0.0, 0.0]])).round(4)  # ln 2 + ln 3
        array([1.7918])
        """
        last = self.layers[-1]
        if last.dropout or last.skip_from is not None or self.loss.name not in LOSSES:  # one made of another has none
            return None
        forms, name = self.loss.short_forms or {}, last.activation.name
        if name not in forms and "softmax" in forms and (groups := last.activation.groups) is not None:
            return forms["softmax"].by_groups(groups)
        return forms.get(name)

    @property
    def has_short_form(self) -> bool:
        """Whether ∂ℓ/∂u at the output is p − y."""
        return self.short_form is not None

    @property
    def custom_part(self) -> str | None:
        """What of it is a user's own, such as "layer 1's activation swirl"; None if nothing is."""
        for l, layer in self.numbered():
            if not ACTIVATIONS.has(layer.activation):
                return f"layer {l}'s activation {layer.activation.name}"
        return None if LOSSES.has(self.loss) else f"the loss {self.loss.name}"

    def layer(self, l: int) -> Dense:
        """Layer l, counted from 1 to L as in the equations."""
        return self.layers[l - 1]

    def numbered(self) -> Iterable[tuple[int, Dense]]:
        """Pairs (l, layer) for l = 1…L."""
        return enumerate(self.layers, start=1)

    def init(
        self,
        scheme: str | Mapping[str, Any] = "xavier_uniform",
        *,
        seed: int = 0,
        X: np.ndarray | None = None,
        dtype: Any = np.float64,
    ) -> Parameters:
        """Draw parameters.

        Parameters
        ----------
        scheme : str or mapping, default 'xavier_uniform'
            A name of `backlit.core.initializers`, or `{"scheme": "gaussian", "sigma_w": 1.0}`.
        seed : int, default 0
            Draws W, and b if the scheme draws it.
        X : (m, n_0) array, optional
            Inputs by which "lsuv" scales the layers; no other scheme takes them.
        dtype : dtype, default numpy.float64
            float32 or float64.  Both start from the same draw.

        Returns
        -------
        Parameters
            The drawn parameters of this network.

        Raises
        ------
        ProblemError
            If the scheme or an option of it is unknown, or "lsuv" has no X.

        Examples
        --------
        >>> Network(2, [Dense(1)]).init("lecun_normal", seed=1).W[1].shape
        (1, 2)
        """
        return initialize(self, scheme, seed=seed, X=X, dtype=dtype)

    def __getstate__(self) -> dict[str, Any]:
        """What is copied and pickled: the description, and nothing that was worked out from it."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __repr__(self) -> str:
        runs = [(len(list(run)), repr(layer)) for layer, run in groupby(self.layers)]
        layers = ", ".join(one if n == 1 else f"*[{one}] * {n}" for n, one in runs)
        options = "" if self.reduction == "mean" else f", reduction={self.reduction!r}"
        options += f", l2={self.l2:g}" if self.l2 else ""
        return f"Network({self.inputs}, [{layers}], loss={self.loss.spec!r}{options})"

    def to_dict(self) -> dict[str, Any]:
        """The description in plain names and numbers, as problem and model files hold it."""
        return {
            "inputs": self.inputs,
            "layers": [layer.to_dict() for layer in self.layers],
            "loss": self.loss.spec,
            "reduction": self.reduction,
            "l2": self.l2,
        }

    @classmethod
    def from_dict(cls, described: Mapping[str, Any]) -> "Network":
        """Build the network that `to_dict` described.

        >>> net = Network(2, [Dense(1, "sigmoid", norm="layer")])
        >>> Network.from_dict(net.to_dict()) == net
        True
        """
        layers = [Dense(**layer) for layer in described["layers"]]
        return cls(**{**described, "layers": layers})
