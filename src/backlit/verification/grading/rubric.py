"""The rubric: which function to call, on which networks, for how many points, within which limits.  A TOML file.

title = "Backpropagation"
function = "backprop"          # f(W, b, X, y) -> {"loss": ..., "grad_W": [...], "grad_b": [...]}
weights = "out_in"             # or "in_out": W is (n_in, n_out)
examples = "rows"              # or "columns"
labels = "one_hot"             # or "integers": y holds class indices
seconds = 10
memory_mb = 1024

# a submission that does not fit weights, examples and labels is run in the other conventions, and its row says which

[points]                       # given for each quantity that is right in every layer and on every network
loss = 1
grad_b = 2
grad_W = 3

[[networks]]
shapes = [4, 5, 3]
activations = ["sigmoid", "softmax"]
loss = "cross_entropy"         # and l2, and seed: without one a secret seed draws the numbers, and is recorded
"""

import hashlib
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from backlit.bounded_reading import MOST_BYTES, from_toml, read_bytes
from backlit.errors import BacklitError, ProblemError
from backlit.registry import near
from backlit.verification.network_check import RETURNED, Convention, View
from backlit.verification.telling_numbers import telling_problem

CHOICES = {"weights": ("out_in", "in_out"), "examples": ("rows", "columns"), "labels": ("one_hot", "integers")}
BOUNDS = {"seconds": (0.1, 3600), "memory_mb": (128, 2**20)}  # Python and NumPy alone take about 100 MB
NETWORK_KEYS = ("shapes", "activations", "loss", "l2", "seed")


@dataclass(frozen=True)
class Rubric:
    """A rubric, read and checked.

    Parameters
    ----------
    views : tuple of View
        The networks, as the submissions hold their numbers.
    title : str, default 'Submissions'
        Heads the table.
    function : str, default 'backprop'
        Name of the function that a submission defines.
    points : mapping of str to float
        Points of each quantity; one is given for it if it is right in every layer and on every network.
    seconds : float, default 10.0
        Time that a submission may take, without that in which it waits for a processor that others have.
    memory_mb : float, default 1024
        Memory that it may take, in MB.
    seed : int, default 0
        Draws the networks that have no seed of their own; nobody knows it before the run.
    source : bytes, default b""
        The rubric as it was read, by which a grade knows whether it is still good.
    """

    views: tuple[View, ...]
    title: str = "Submissions"
    function: str = "backprop"
    points: Mapping[str, float] = field(default_factory=lambda: {"loss": 1.0, "grad_b": 1.0, "grad_W": 1.0})
    seconds: float = 10.0
    memory_mb: float = 1024
    seed: int = 0
    source: bytes = b""

    @property
    def out_of(self) -> float:
        """All points."""
        return sum(self.points.values())


def read_rubric(path: str | Path, seed: int | None = None) -> Rubric:
    """Read a rubric from a TOML file; ProblemError in one line if it says something impossible.

    seed : draws the networks that have none of their own; a secret one unless told.
    """
    try:
        source = read_bytes(path, MOST_BYTES[".toml"])
        content = from_toml(source.decode("utf-8-sig"))
    except FileNotFoundError:
        raise ProblemError(f"{path}: no such file: check the name and the folder") from None
    except OSError as error:
        raise ProblemError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ProblemError(f"{path}: not valid TOML: {' '.join(str(error).split())}") from None
    try:
        return replace(rubric_of(content, seed), source=source)
    except BacklitError as error:
        raise ProblemError(f"{path}: {error}") from None


def rubric_of(content: Mapping[str, Any], seed: int | None = None) -> Rubric:
    """A rubric from a mapping; `seed` as in `read_rubric`."""
    known = ("title", "function", *CHOICES, "seconds", "memory_mb", "points", "networks")
    refuse_unknown(content, known, "")
    for key, choices in CHOICES.items():
        if content.get(key, choices[0]) not in choices:
            raise ProblemError(f"{key} must be {' or '.join(choices)}, not {content[key]!r}")
    options: dict[str, Any] = {key: text(content[key], key) for key in ("title", "function") if key in content}
    options |= {key: within(content[key], key, *BOUNDS[key]) for key in BOUNDS if key in content}
    if "points" in content:
        refuse_unknown(content["points"], RETURNED, "points.")
        options["points"] = {key: positive(value, f"points.{key}") for key, value in content["points"].items()}
    seed = secrets.randbits(63) if seed is None else seed
    views = tuple(view_of(content, i, one, seed) for i, one in enumerate(networks_of(content)))
    return Rubric(views, seed=seed, **options)


def networks_of(content: Mapping[str, Any]) -> list[Any]:
    """The networks, of which there must be one."""
    networks = content.get("networks")
    if not isinstance(networks, list) or not networks:
        raise ProblemError("give at least one network: [[networks]] with shapes = [4, 5, 3]")
    return networks


def view_of(content: Mapping[str, Any], i: int, one: Any, secret: int) -> View:
    """One network, drawn so that mistakes show, as the submissions hold it."""
    where = f"networks[{i}]"
    if not isinstance(one, Mapping) or not isinstance(one.get("shapes"), list):
        raise ProblemError(f"{where}: give shapes, units a layer with the inputs first, such as [4, 5, 3]")
    refuse_unknown(one, NETWORK_KEYS, f"{where}.")
    drawn = int.from_bytes(hashlib.sha256(f"{secret} {i}".encode()).digest()[:8], "little")
    seed, activations = one.get("seed", drawn), one.get("activations")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ProblemError(f"{where}.seed must be a whole number, 0 or more, not {seed!r}")
    if activations is not None and not isinstance(activations, list):
        raise ProblemError(f'{where}.activations must be a list, one a layer, such as ["sigmoid"], not {activations!r}')
    try:
        problem = telling_problem(
            one["shapes"],
            activations,
            one.get("loss", "half_squared_error"),
            one.get("l2", 0.0),
            seed,
        )
    except BacklitError as error:
        raise ProblemError(f"{where}: {error}") from None
    convention = Convention(*(content.get(key) == choices[1] for key, choices in CHOICES.items()))
    return View(problem, convention, content.get("function", Rubric.function))


def refuse_unknown(table: Any, known: tuple[str, ...], where: str) -> None:
    """Raise for a key that is not known."""
    if not isinstance(table, Mapping):
        raise ProblemError(f"{where.rstrip('.')} must be a table")
    for key in table:
        if key not in known:
            raise ProblemError(f"{where}{key}: unknown key: {near(key, known)}")


def text(value: Any, what: str) -> str:
    """Some words."""
    if not isinstance(value, str) or not value:
        raise ProblemError(f"{what} must be a text, not {value!r}")
    return value


def positive(value: Any, what: str) -> float:
    """A number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ProblemError(f"{what} must be a number above 0, not {value!r}")
    return float(value)


def within(value: Any, what: str, least: float, most: float) -> float:
    """A number between two others."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ProblemError(f"{what} must be a number above 0, from {least:g} to {most:g}, not {value!r}")
    return float(value)
