"""The explorer: one static page in which a network is stepped forward and backward, edited, trained and compared.

The page computes by itself; Python writes the problem, the catalogue's words and the networks to open by name into it.
Its code is built from `web/` by `make web`.
"""

import json
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.core import ACTIVATIONS, LOSSES, Network
from backlit.core.parameters import Parameters
from backlit.core.problem import Problem
from backlit.derivation.examples import given
from backlit.errors import ProblemError
from backlit.files import atomic_write
from backlit.formats.ensembles import Ensemble, load_ensemble
from backlit.formats.models import Model
from backlit.formats.sources import in_float64, table_problem, tabular_model
from backlit.optim import OPTIMIZERS, get_optimizer
from backlit.registry import Registry
from backlit.render.pages import font, font_face, frame, page
from backlit.tables.messages import count
from backlit.verification.catalogue import CATALOGUE

if TYPE_CHECKING:
    import polars as pl

FIRST = "worked"  # the example that opens where nothing is given
ROWS = 500  # of a table that the page takes: enough to train on in a page, few enough to draw
LARGEST_SEED = 2**53  # from where on JavaScript's numbers leave whole ones out


@dataclass(frozen=True)
class Exploration:
    """A problem in the explorer's page; in a notebook it shows itself.

    Parameters
    ----------
    problem : Problem
        What the page opens with, with examples.
    name : str
        What the page calls it.

    Examples
    --------
    >>> explore(example="worked").to_html()[:15]
    '<!doctype html>'
    """

    problem: Problem
    name: str

    @cached_property
    def opened(self) -> dict[str, Any]:
        """What the page is given: problem, name, the networks to open by name, the catalogue's words on mistakes."""
        return {
            "problem": self.problem.to_dict(),
            "name": self.name,
            "presets": json.loads(asset("presets.json")),
            "mistakes": {
                bug.name: [bug.words, bug.fix] for bug in CATALOGUE.values() if f'"{bug.name}"' in asset("explorer.js")
            },
        }

    def to_html(self) -> str:
        """The page: one file that asks for nothing."""
        data = json.dumps(self.opened, ensure_ascii=False, separators=(",", ":"))
        return page(
            "explorer.html.j2",
            title=self.name,
            data=data.replace("<", "\\u003c"),
            script=asset("explorer.js"),
            font=font(),
        )

    def write(self, path: str | Path) -> None:
        """Write the page to a file, whole or not at all."""
        with atomic_write(path) as temporary:
            temporary.write_text(self.to_html(), encoding="utf-8")

    def widget(self) -> Any:
        """The explorer as a Jupyter widget, whose `current` is the problem as it stands in the page.

        Raises ImportError where the extra `notebook` (anywidget) is not installed.
        """
        import anywidget
        import traitlets

        class Explorer(anywidget.AnyWidget):
            """The page in a notebook."""

            _esm = asset("explorer.js")
            _css = font_face()
            opened = traitlets.Dict().tag(sync=True)
            current = traitlets.Dict().tag(sync=True)

        return Explorer(opened=self.opened)

    def to_text(self) -> str:
        """What it holds, and how to see it: a page is no text."""
        return f"{self!r}\n\nA page: .write('page.html') writes it, and a notebook shows it."

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return frame(self.to_html(), f"Backlit explorer: {self.name}").replace("height:40rem", "height:56rem")

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """The widget where anywidget is installed, and a frame that outlives an export beside it."""
        shown = {"text/html": self._repr_html_(), "text/plain": repr(self)}
        try:
            made = self.widget()._repr_mimebundle_(**options)
        except ImportError:
            return shown
        return {**(made[0] if isinstance(made, tuple) else made), **shown}

    def __repr__(self) -> str:
        net, examples = self.problem.net, count(len(self.problem.data()[0]), "example")
        return f"Exploration({self.name!r}, {'-'.join(map(str, net.n))}, {examples})"


@lru_cache
def asset(name: str) -> str:
    """A file that lies beside this one."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def explore(
    problem: Any = None,
    *,
    X: Any = None,
    y: Any = None,
    loss: Any = None,
    example: str | None = None,
    model: str | Path | Model | Ensemble | None = None,
    table: "str | Path | pl.DataFrame | None" = None,
    member: int | None = None,
) -> Exploration:
    """Open a problem in the explorer, a page in which every number of the backward pass can be touched.

    Give a problem, or an example, or a model with a table; without any, the page opens with the example "worked".

    Parameters
    ----------
    problem : str, Path, mapping, Problem, Model, or a network of another program, optional
        A problem file, its content, or what `explain` takes; a network that predicts opens without dropout, and with
        batch norm folded into the weights before it.
    X, y : arrays, optional
        Examples (m, n_0) and their targets, where the problem has none.
    loss : str or mapping, optional
        The loss, where the problem has none, or another is wanted.
    example : str, optional
        Name of a built-in problem, such as "worked".
    model : str, Path, Model or Ensemble, optional
        A trained model, or its file.  It opens as it predicts.
    table : str, Path or polars.DataFrame, optional
        With a model: a table with the columns of its training; the first 500 rows that have a target are taken.
    member : int, optional
        Of an ensemble: which network, counted from 0; the heaviest if not given.

    Returns
    -------
    Exploration
        The page: `write` writes it, and a notebook shows it.

    Raises
    ------
    BacklitError
        If a network of another program has a part that Backlit cannot express.
    ProblemError
        If more than one of these is given, or the page does not know what the problem is made of.
    ModelError
        If the model cannot be read, or is not of a table.
    TableError
        If the table cannot be read, or does not fit the model.

    Examples
    --------
    >>> explore(example="worked")
    Exploration('worked', 2-2-1, 1 example)
    >>> explore({"inputs": 1, "layers": [{"units": 1}], "x": [[2.0]], "y": [[1.0]]}).problem.net.n
    (1, 1)
    """
    if problem is None and example is None and model is None:
        example = FIRST
    found, model = given(problem, example, model, X=X, y=y, loss=loss, member=member, table=table)
    if found is None:
        assert table is not None
        found, name = of_model(model, table, member), named(model, member)
    else:
        name = Path(found.name).stem if example is None else example
    return Exploration(checked(as_it_predicts(found)), name)


def checked(problem: Problem) -> Problem:
    """The problem, where the page can hold it; ProblemError says what it cannot."""
    problem.data()
    net, phis = problem.net, [layer.activation for layer in problem.net.layers]
    found: list[tuple[Registry[Any], str, bool]] = [
        *((ACTIVATIONS, phi.name, ACTIVATIONS.is_built_in(phi)) for phi in phis if phi.groups is None),
        (LOSSES, net.loss.name, LOSSES.is_built_in(net.loss)),
    ]
    if problem.optimizer is not None:
        found.append((OPTIMIZERS, problem.optimizer.name, type(problem.optimizer) in OPTIMIZERS.built_in.values()))
    for table, name, brought in found:
        if not (brought and name in table.shipped):
            has = ", ".join(table.shipped)
            raise ProblemError(f"the page has not got this {table.kind}, {name}; it has Backlit's {has}: use `explain`")
    if problem.seed is not None and problem.seed >= LARGEST_SEED:
        raise ProblemError(
            f"seed {problem.seed} is above 2^53, where a page's numbers are not whole: give a smaller one"
        )
    problem.dropout_key()
    return problem


def of_model(model: Any, table: "str | Path | pl.DataFrame", member: int | None) -> Problem:
    """A trained network on rows of a table, as it predicts."""
    trained = tabular_model(model, member)[1]
    found = table_problem(trained, table)
    X, y = found.data()
    adam = get_optimizer("adam")  # by which `train` learns: no step of it hangs on the target's unit
    return replace(found, X=X[:ROWS], y=y[:ROWS], statistics=in_float64(trained), optimizer=adam)


def named(model: Any, member: int | None) -> str:
    """What the page calls a trained model, and which network of an ensemble it is."""
    name = Path(model).stem if isinstance(model, str | Path) else "the model"
    whole = load_ensemble(model) if isinstance(model, str | Path) else model
    if not isinstance(whole, Ensemble):
        return name
    n = len(whole.members)
    return f"{name}, the heaviest of {count(n, 'network')}" if member is None else f"{name}, network {member} of {n}"


def as_it_predicts(problem: Problem) -> Problem:
    """A problem that predicts by running moments, as one that needs none; any other as it is."""
    if problem.statistics is None:
        return problem
    net, params = folded(problem.net, problem.params, problem.statistics)
    return replace(problem, net=net, params=params, statistics=None)


def folded(net: Network, params: Parameters, statistics: Any) -> tuple[Network, Parameters]:
    """The same function of an input, without dropout and with each batch norm put into W and b.

    u = γ (W a + b − μ)/√(σ² + ε) + β is a weighted sum of a again.
    """
    layers, arrays = [], {name: [None] for name in ("W", "b", "gamma", "beta")}
    for l, layer in net.numbered():
        W, b, norm = params.W[l], params.b[l], layer.norm
        if layer.keeps_moments:
            mean, variance = statistics.of(l)
            scale = params.gamma[l] / np.sqrt(variance + layer.eps)
            W, b, norm = scale[:, None] * W, scale * (b - mean) + params.beta[l], None
        layers.append(replace(layer, norm=norm, dropout=0.0))
        own = (W, b, params.gamma[l] if norm else None, params.beta[l] if norm else None)
        for name, value in zip(arrays, own, strict=True):
            arrays[name].append(value)
    plain = replace(net, layers=tuple(layers))
    return plain, Parameters.from_arrays(plain, arrays)
