"""A table's model as ONNX from the columns to the prediction: encoding, every network of an ensemble, and their blend.

The graph has an input (n, 1) for each column that the model uses, under the column's name: words as strings, "" where
missing; all else as float64, NaN where missing: true and false as 1 and 0, dates as days since 1970-01-01, instants as
seconds since then in UTC, durations and times of day in seconds.  It gives `prediction` (n,) for numbers, and for
classes `probabilities` (n, K) and `label` (n,).
"""

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from backlit.errors import ModelError
from backlit.formats.ensembles import Ensemble
from backlit.formats.models import Model
from backlit.formats.onnx import Graph, choose, file_of, network_output, require_onnx, value, write
from backlit.tables import TableEncoder
from backlit.tables.columns import Calendar, Category, Column, Flag, Piecewise, Presence, Scaled, Weighted
from backlit.tables.columns.calendar import DAY, YEAR_WAVES
from backlit.tables.columns.scaled import CLIP, UNITS
from backlit.tables.messages import shown

Encode = Callable[[Graph, str, Any], list[str]]
OUTPUTS = ("prediction", "probabilities", "label")
LEAST = 1e-7  # no probability counts as less, as in the ensemble's own blend
ML_OPSET = 2  # of the operators that look words up
MONTH_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
LARGEST = 1e100  # beyond which a number is clipped all the same, and its square is finite


def export_table_onnx(model: Model | Ensemble, path: str | Path) -> None:
    """Write a model that `train` made of a table as ONNX, from the table's columns to the prediction.

    Parameters
    ----------
    model : Model or Ensemble
        The model; of an ensemble all networks are in the graph.
    path : str or Path
        The file; one that is there is replaced.

    Raises
    ------
    ModelError
        If the model was not made of a table, or a column has no form in ONNX; the error names it.
    BacklitError
        If the package `onnx` is not installed, or the file cannot be written.

    Examples
    --------
    >>> import onnx, tempfile
    >>> from backlit.tabular import train
    >>> model = train(dataset="iris", hidden=(4,), epochs=1).model
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export_table_onnx(model, f"{folder}/iris.onnx")
    ...     [output.name for output in onnx.load(f"{folder}/iris.onnx").graph.output]
    ['probabilities', 'label']
    """
    require_onnx()
    write(build_table(model), path)


def build_table(model: Model | Ensemble) -> Any:
    """The ONNX model; see `export_table_onnx`."""
    from onnx import helper

    if model.encoder is None or model.target is None:
        raise ModelError("the model was not made of a table: export its --features, or train one of a table")
    members = (
        [(member.model, member.weight) for member in model.members] if isinstance(model, Ensemble) else [(model, 1.0)]
    )
    graph, features, shares = Graph(np.float64, "·"), dict[TableEncoder, str](), list[str]()
    for k, (each, weight) in enumerate(members):
        assert each.encoder is not None
        if each.encoder not in features:
            features[each.encoder] = encode(graph.part(f"·encoder{len(features)}.", np.float64), each.encoder, each)
        a = network_output(graph.part(f"·{k}.", each.params.theta.dtype), each, features[each.encoder])
        shares.append(spoken(graph.part(f"·{k}.said.", np.float64), model, a, weight))
    outputs = conclude(graph, model, graph.between("Sum", *shares))
    inputs, units = inputs_of(model.encoder)
    content = file_of(graph, inputs, outputs, helper.make_opsetid("ai.onnx.ml", ML_OPSET))
    helper.set_model_props(content, {"columns": json.dumps(units)})
    return content


def inputs_of(encoder: TableEncoder) -> tuple[list[Any], dict[str, str]]:
    """The graph's inputs, and what each is given in."""
    from onnx import TensorProto

    used = [column for column in encoder.columns if column.features]
    taken = next((column.name for column in used if column.name in OUTPUTS or column.name.startswith("·")), None)
    if taken is not None:
        raise ModelError(
            f"column {shown(taken)} has the name of an output of the ONNX graph: rename it, or export --features"
        )
    kinds = {c.name: TensorProto.STRING if c.kind == "category" else TensorProto.DOUBLE for c in used}
    said = {c.name: "words" if c.kind == "category" else UNITS.get(c.kind) or "numbers" for c in used}
    return [value(name, kind, 1) for name, kind in kinds.items()], said


def encode(graph: Graph, encoder: TableEncoder, model: Model) -> str:
    """The features (n, n_0) of the columns, in the network's dtype.  Raises ModelError that names a column."""
    from onnx import helper

    parts: list[str] = []
    for column in encoder.columns:
        if not column.features:
            continue
        form = FORMS.get(type(column))
        if form is None:
            raise ModelError(
                f"column {shown(column.name)} is encoded as {column.form}, which has no form in ONNX: export --features"
            )
        parts += form(graph, column.name, column)
    X = graph.add("Concat", parts, "X64", axis=1)
    return graph.add("Cast", [X], "X", to=helper.np_dtype_to_tensor_dtype(model.params.theta.dtype))


def missing(graph: Graph, x: str, column: Column) -> str:
    """Whether a value is missing, (n, 1) booleans."""
    if column.kind != "category":
        return graph.between("IsNaN", x)
    return graph.between("Equal", x, graph.constant(np.array([""], dtype=object), f"empty{len(graph.constants)}"))


def as_float(graph: Graph, x: str) -> str:
    """Booleans as 0 and 1."""
    from onnx import TensorProto

    return graph.between("Cast", x, to=TensorProto.DOUBLE)


def filled(graph: Graph, x: str, column: Any, by: float) -> tuple[str, list[str]]:
    """The values (n, 1) with a number in place of missing ones, and the feature that tells of them, if there is one."""
    gaps = missing(graph, x, column)
    known = graph.between("Where", gaps, graph.number(by), x)
    return known, [as_float(graph, gaps)] if column.indicator else []


def scaled(graph: Graph, x: str, column: Scaled) -> list[str]:
    """See `Scaled.encode`."""
    known, told = filled(graph, x, column, column.mean)
    apart = graph.between("Sub", known, graph.number(column.mean))
    return [graph.between("Div", apart, graph.number(column.scale)), *told]


def flag(graph: Graph, x: str, column: Flag) -> list[str]:
    """See `Flag.encode`."""
    known, told = filled(graph, x, column, column.mean)
    return [known, *told]


def presence(graph: Graph, x: str, column: Presence) -> list[str]:
    """See `Presence.encode`."""
    return [as_float(graph, missing(graph, x, column))]


def category(graph: Graph, x: str, column: Category) -> list[str]:
    """See `Category.encode`: the word's slot, then one-hot."""
    slots = {"": len(column.values), **{word: k for k, word in enumerate(column.values)}}
    n = len(column.features)
    at = graph.between(
        "LabelEncoder",
        x,
        domain="ai.onnx.ml",
        keys_strings=list(slots),
        values_int64s=list(slots.values()),
        default_int64=n - 1,
    )
    hot = one_hot(graph, at, np.arange(n))
    weight = column.weight if isinstance(column, Weighted) else 1.0
    return [hot if weight == 1.0 else graph.between("Mul", hot, graph.number(weight))]


def piecewise(graph: Graph, x: str, column: Piecewise) -> list[str]:
    """See `Piecewise.encode`."""
    known, told = filled(graph, x, column, column.center)
    number = graph.number
    t = graph.between("Div", graph.between("Sub", known, number(column.center)), number(column.scale))
    t = graph.between("Clip", t, number(-LARGEST), number(LARGEST))
    if column.log:
        size = graph.between("Log", graph.between("Add", graph.between("Abs", t), number(1.0)))
        t = graph.between("Mul", graph.between("Sign", t), size)
    third = graph.between("Div", t, number(CLIP))
    root = graph.between("Sqrt", graph.between("Add", graph.between("Mul", third, third), number(1.0)))
    bins = []
    if len(column.edges) > 1:
        low, width = (
            np.array([values]) for values in zip(*((a, b - a) for a, b in pairwise(column.edges)), strict=True)
        )
        passed = graph.between("Sub", known, graph.constant(low, f"edges{len(graph.constants)}"))
        passed = graph.between("Div", passed, graph.constant(width, f"widths{len(graph.constants)}"))
        bins = [graph.between("Clip", passed, number(0.0), number(1.0))]
    return [graph.between("Div", t, root), *bins, *told]


def calendar(graph: Graph, x: str, column: Calendar) -> list[str]:
    """See `Calendar.encode`."""
    number, between = graph.number, graph.between
    gaps = missing(graph, x, column)
    days = between("Where", gaps, number(0.0), x)
    days = days if column.kind == "date" else between("Div", days, number(DAY))
    whole = between("Floor", days)
    weekday = between("Mod", between("Add", whole, number(3.0)), number(7.0), fmod=1)
    weekday = between("Mod", between("Add", weekday, number(7.0)), number(7.0), fmod=1)  # before 1970 it was negative
    parts = [one_hot(graph, weekday, np.arange(7.0))]
    first, length = year_of(graph, whole)
    share = between("Div", between("Sub", days, first), length)
    turns = [between("Mul", share, number(2 * np.pi * k)) for k in range(1, YEAR_WAVES + 1)]
    if column.kind == "datetime":
        turns.append(between("Mul", between("Sub", days, whole), number(2 * np.pi)))
    parts += [wave for turn in turns for wave in (between("Sin", turn), between("Cos", turn))]
    month, day = month_and_day(graph, between("Sub", whole, first), length)
    told = (month, column.months), (day, column.days)
    parts += [one_hot(graph, at, np.array(slots, float)) for at, slots in told if slots]
    known = as_float(graph, between("Not", gaps))
    return [*piecewise(graph, x, column), between("Mul", between("Concat", *parts, axis=1), known)]


def one_hot(graph: Graph, values: str, slots: np.ndarray) -> str:
    """1 where the values (n, 1) are each of the slots, which are of their type, else 0; (n, slots)."""
    return as_float(graph, graph.between("Equal", values, graph.constant(slots[None], f"slots{len(graph.constants)}")))


def month_and_day(graph: Graph, day: str, length: str) -> tuple[str, str]:
    """Month, 1 to 12, and day of the month, 1 to 31, for whole days since the first of a year of that length."""
    number, between = graph.number, graph.between

    def row(values: Sequence[float]) -> str:
        return graph.constant(np.array([values], float), f"months{len(graph.constants)}")

    def column(values: Sequence[float]) -> str:
        return graph.constant(np.array([values], float).T, f"months{len(graph.constants)}")

    before = [0, *MONTH_LENGTHS[:-1]]  # the length of the month before each, of February in a common year
    leap = between("Sub", length, number(365.0))
    first = between("Add", row(np.cumsum(before).tolist()), between("Mul", leap, row([0] * 2 + [1] * 10)))
    begun = as_float(graph, between("GreaterOrEqual", day, first))  # (n, 12)
    leap_day = between("Mul", leap, between("MatMul", begun, column([0] * 2 + [1] + [0] * 9)))
    passed = between("Add", between("MatMul", begun, column(before)), leap_day)
    return between("MatMul", begun, column([1] * 12)), between("Add", between("Sub", day, passed), number(1.0))


def year_of(graph: Graph, whole: str) -> tuple[str, str]:
    """The day since 1970-01-01 on which a day's year begins, and how many days that year has."""
    number, between = graph.number, graph.between

    def start(year: str) -> str:
        """The day on which a year of the Gregorian calendar begins."""
        before = between("Sub", year, number(1.0))
        leap = [between("Floor", between("Div", before, number(n))) for n in (4.0, 100.0, 400.0)]
        leaps = between("Add", between("Sub", leap[0], leap[1]), leap[2])
        plain = between("Mul", between("Sub", year, number(1970.0)), number(365.0))
        return between("Add", plain, between("Sub", leaps, number(477.0)))  # leap years before 1970

    def later(year: str) -> str:
        return between("Add", year, number(1.0))

    guess = between("Floor", between("Add", between("Div", whole, number(365.2425)), number(1970.0)))
    too_late = as_float(graph, between("Less", whole, start(guess)))
    year = between("Sub", guess, too_late)
    too_early = as_float(graph, between("GreaterOrEqual", whole, start(later(year))))
    year = between("Add", year, too_early)
    first = start(year)
    return first, between("Sub", start(later(year)), first)


FORMS: dict[type[Column], Encode] = {
    Scaled: scaled,
    Flag: flag,
    Presence: presence,
    Category: category,
    Weighted: category,
    Piecewise: piecewise,
    Calendar: calendar,
}


def spoken(graph: Graph, model: Model | Ensemble, a: str, weight: float) -> str:
    """What a network adds to the blend: its weight times its log probabilities (n, K), or its numbers (n, 1).

    A single network's probabilities stay as they are.
    """
    said = as_float(graph, a)
    assert model.target is not None
    if model.target.task == "classification":
        if len(model.target.classes) == 2 and model.net.outputs == 1:
            said = graph.between("Concat", graph.between("Sub", graph.number(1.0), said), said, axis=1)
        if isinstance(model, Ensemble):
            said = graph.between("Log", graph.between("Clip", said, graph.number(LEAST), graph.number(1.0)))
    return said if weight == 1.0 else graph.between("Mul", said, graph.number(weight))


def conclude(graph: Graph, model: Model | Ensemble, total: str) -> list[Any]:
    """The graph's outputs from the blend."""
    from onnx import TensorProto

    assert model.target is not None
    bare = Graph(np.float64)
    bare.nodes, bare.constants = graph.nodes, graph.constants
    if model.target.task == "regression":
        bare.add("Squeeze", [total, graph.constant(np.array([1]), "axis")], "prediction")
        return [value("prediction", TensorProto.DOUBLE, None)]
    if isinstance(model, Ensemble):
        total = graph.between("Softmax", graph.between("Div", total, graph.number(model.temperature)), axis=1)
    p = bare.add("Identity", [total], "probabilities")
    return [value(p, TensorProto.DOUBLE, len(model.target.classes)), choose(bare, p, model.target.classes, "label")]
