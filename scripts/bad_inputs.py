"""Give the estimators what they cannot use: each is a typed error that names the argument, and changes nothing.

One table: for each case a call on a fitted (or new) estimator and a word that the error must hold.  An error must be a
ValueError, a TypeError or an AttributeError of one call, come before long, and leave the estimator as it was, to
the bit.  What must work (arrays that are read-only or not contiguous, sparse matrices of every format) stands in a
second table.  Prints how many cases there are; exits with 1 and the list where one fails.
"""

import pickle
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import sparse

from backlit.estimators import MLPClassifier, MLPRegressor

MOST_SECONDS = 60.0  # a bound against hanging
DRAW = np.random.default_rng(0)
X = DRAW.standard_normal((24, 3))
LABELS, NUMBERS = np.arange(24) % 3, X[:, 0] - X[:, 1]
Y = {"classifier": LABELS, "regressor": NUMBERS}
QUICK = {"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0}
CLASSES = {"classifier": MLPClassifier, "regressor": MLPRegressor}
INF, NAN = float("inf"), float("nan")


@dataclass(frozen=True)
class Case:
    """`call(model)` must fail with one of `words` in its line; `kind` says which estimator."""

    name: str
    kind: str
    call: Callable[[Any], Any]
    words: tuple[str, ...]


@lru_cache
def fitted(kind: str) -> bytes:
    """A fitted estimator, pickled, so that each case has one of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pickle.dumps(CLASSES[kind](**QUICK).fit(X, Y[kind]))


def spoiled(value: Any, at: tuple[int, ...] = (3, 1), dtype: Any = float) -> np.ndarray:
    array = X.astype(dtype)
    array[at] = value
    return array


BAD_X: dict[str, tuple[Any, tuple[str, ...]]] = {
    "nan": (spoiled(NAN), ("X", "NaN")),
    "inf": (spoiled(INF), ("X", "infinity")),
    "minus inf": (spoiled(-INF), ("X", "infinity")),
    "nan float32": (spoiled(NAN, dtype="f4"), ("X",)),
    "inf float32": (spoiled(INF, dtype="f4"), ("X",)),
    "inf from longdouble": (X.astype(np.longdouble) * np.longdouble("1e400"), ("X", "infinity")),
    "float16 inf": (spoiled(INF, dtype="f2"), ("X",)),
    "complex": (X * 1j, ("Complex",)),
    "texts": (np.full((24, 3), "red"), ("X", "string", "convert")),
    "bytes": (np.full((24, 3), b"red"), ("X", "convert", "bytes")),
    "objects": (np.full((24, 3), object()), ("X", "argument", "number")),
    "object none": (spoiled(None, dtype=object), ("X",)),
    "object nested": (np.array([[[1], [2], [3]]] * 24, dtype=object), ("X", "dim")),
    "dates": (np.full((24, 3), np.datetime64("2020-01-01")), ("X", "date", "dtype", "convert")),
    "spans": (np.full((24, 3), np.timedelta64(1, "D")), ("X", "timedelta", "dtype", "convert")),
    "record": (np.zeros((24, 3), dtype=[("a", float)]), ("X", "dtype", "convert", "setting")),
    "ragged": ([[1.0, 2.0, 3.0]] * 23 + [[1.0]], ("X", "inhomogeneous")),
    "flat": (X[:, 0], ("2D array", "X")),
    "scalar": (3.0, ("2D array", "scalar")),
    "three-dimensional": (X[:, :, None], ("dim 3", "X")),
    "four-dimensional": (X[:, :, None, None], ("dim 4", "X")),
    "no rows": (X[:0], ("0 sample", "minimum")),
    "no columns": (X[:, :0], ("0 feature", "features")),
    "nothing": (None, ("None", "X")),
    "a text": ("table.csv", ("X", "scalar", "2D", "convert", "string")),
    "a dict": ({"a": [1.0, 2.0]}, ("X", "dict", "scalar", "2D")),
    "a set": ({1.0, 2.0}, ("X", "set", "2D", "argument")),
    "a function": (np.sin, ("X", "2D", "argument", "scalar")),
    "a generator": ((row for row in X), ("X", "generator", "2D", "argument")),
    "a class": (np.ndarray, ("X", "2D", "argument", "type")),
    "an empty list": ([], ("X", "2D", "0 sample")),
    "a list of nothing": ([[]] * 24, ("0 feature",)),
    "more rows than y": (np.vstack([X, X]), ("inconsistent",)),
    "fewer rows than y": (X[:-1], ("inconsistent",)),
    "masked nan": (np.ma.masked_invalid(spoiled(NAN)), ("X", "NaN")),
    "sparse nan": (sparse.csr_array(spoiled(NAN)), ("X",)),
    "sparse inf": (sparse.csr_array(spoiled(INF)), ("X",)),
    "sparse complex": (sparse.csr_array(X * 1j), ("Complex",)),
    "sparse flat": (sparse.coo_array(X[:, 0]), ("X", "2D", "dim", "sparse", "Sparse", "shape")),
    "sparse no rows": (sparse.csr_array((0, 3)), ("0 sample", "Sparse data was passed for X")),
}
WIDTHS = {
    "one column": X[:, :1],
    "two columns": X[:, :2],
    "four columns": np.hstack([X, X[:, :1]]),
    "a thousand columns": np.zeros((24, 1000)),
    "sparse two columns": sparse.csr_array(X[:, :2]),
}
BAD_Y: dict[str, dict[str, tuple[Any, tuple[str, ...]]]] = {
    "classifier": {
        "nothing": (None, ("y",)),
        "nan": (np.where(LABELS == 1, NAN, LABELS), ("y", "NaN", "label")),
        "inf": (np.where(LABELS == 1, INF, LABELS), ("y", "infinity", "label")),
        "numbers": (NUMBERS, ("continuous", "label")),
        "one class": (np.zeros(24, int), ("class", "y")),
        "one text": (np.full(24, "a"), ("class", "y")),
        "no rows": (LABELS[:0], ("0 sample", "inconsistent", "y")),
        "fewer rows": (LABELS[:-1], ("inconsistent",)),
        "more rows": (np.tile(LABELS, 2), ("inconsistent",)),
        "three-dimensional": (np.zeros((24, 2, 2)), ("y", "dim", "label", "Unknown")),
        "ragged": ([[1]] * 23 + [[1, 2]], ("y", "inhomogeneous", "sequence", "multilabel")),
        "mixed": (np.array(["a", 1] * 12, dtype=object), ("y", "type", "label", "string")),
        "none inside": (np.array([None, "a"] * 12, dtype=object), ("y", "None", "type", "NoneType", "label")),
        "complex": (LABELS * 1j, ("Complex", "y", "label")),
        "scalar": (3, ("y", "scalar", "shape", "array")),
        "a dict": ({"a": 1}, ("y", "shape", "array")),
        "a function": (len, ("y", "shape", "array", "argument")),
        "sets": ([{1}] * 24, ("y", "type", "set", "label")),
        "texts for a row": ("red", ("y", "shape", "array")),
    },
    "regressor": {
        "nothing": (None, ("y",)),
        "nan": (np.where(LABELS == 1, NAN, NUMBERS), ("y", "NaN")),
        "inf": (np.where(LABELS == 1, INF, NUMBERS), ("y", "infinity")),
        "texts": (np.full(24, "red"), ("y", "string", "convert")),
        "objects": (np.full(24, object()), ("y", "argument", "number")),
        "no rows": (NUMBERS[:0], ("0 sample", "inconsistent", "y")),
        "fewer rows": (NUMBERS[:-1], ("inconsistent",)),
        "more rows": (np.tile(NUMBERS, 2), ("inconsistent",)),
        "three-dimensional": (np.zeros((24, 2, 2)), ("y", "dim")),
        "ragged": ([[1.0]] * 23 + [[1.0, 2.0]], ("y", "inhomogeneous")),
        "complex": (NUMBERS * 1j, ("Complex", "y")),
        "scalar": (3.0, ("y", "scalar", "shape", "array")),
        "a dict": ({"a": 1}, ("y", "shape", "array", "dict")),
        "a function": (len, ("y", "shape", "array", "argument")),
        "no columns": (np.zeros((24, 0)), ("y", "output", "feature")),
        "dates": (np.full(24, np.datetime64("2020-01-01")), ("y", "date", "dtype", "convert")),
    },
}
BAD_WEIGHT: dict[str, tuple[Any, tuple[str, ...]]] = {
    "negative": (np.r_[-1.0, np.ones(23)], ("sample_weight", "weight", "egative")),
    "nan": (np.r_[NAN, np.ones(23)], ("sample_weight", "NaN", "weight")),
    "inf": (np.r_[INF, np.ones(23)], ("sample_weight", "infinity", "weight")),
    "zero": (np.zeros(24), ("sample_weight", "Sample weights")),
    "fewer": (np.ones(23), ("sample_weight", "weight")),
    "more": (np.ones(25), ("sample_weight", "weight")),
    "a matrix": (np.ones((24, 2)), ("sample_weight", "weights", "1D")),
    "texts": (np.full(24, "a"), ("sample_weight", "convert", "string")),
    "objects": (np.full(24, object()), ("sample_weight", "argument", "number")),
    "complex": (np.ones(24) * 1j, ("sample_weight", "Complex", "complex")),
    "a text": ("balanced", ("sample_weight", "convert", "string", "weight")),
}
NOT_COUNTS: tuple[Any, ...] = (0, -1, 2.5, NAN, "many", None, [3], 1 + 1j)
NOT_SHARES: tuple[Any, ...] = (-0.1, 1.0, 2, NAN, INF, "half", None, [0.1])
NOT_POSITIVE: tuple[Any, ...] = (0, -1, NAN, "small", None, [0.1])
BAD_PARAMETERS: dict[str, tuple[Any, ...]] = {
    "hidden_layer_sizes": (0, -3, 2.5, (3, 0), (3, -1), (3.5,), ("3",), (None,), "100", None, ((3, 3), 3), (NAN,)),
    "activation": (
        "relo",
        "softmax",
        None,
        3,
        ("relu", "tanh"),
        {},
        {"name": "relu", "alpha": 1},
        {"name": "elu", "alpha": NAN},
        [],
        [[]],
        b"relu",
    ),
    "solver": ("newton", None, 3, "", ["adam"]),
    "alpha": (-1, NAN, INF, "small", None, [0.1], 1j),
    "batch_size": (0, -1, 2.5, "all", None, NAN),
    "learning_rate": ("fast", None, 0.1, "", ["constant"]),
    "learning_rate_init": (*NOT_POSITIVE, INF),
    "power_t": (-1, NAN, "half", None),
    "max_iter": NOT_COUNTS,
    "shuffle": ("yes", None, 2, 0.5),
    "random_state": ("seed", 1.5, -1, 2**33, [], {}),
    "tol": (-1, NAN, "small", None),
    "verbose": ("loud", None, 1.5),
    "warm_start": ("yes", None, 3),
    "momentum": (-0.1, 1.1, NAN, "high", None),
    "nesterovs_momentum": ("yes", None, 3),
    "early_stopping": ("yes", None, 3),
    "validation_fraction": NOT_SHARES,
    "beta_1": NOT_SHARES,
    "beta_2": NOT_SHARES,
    "epsilon": NOT_POSITIVE,
    "n_iter_no_change": NOT_COUNTS,
    "max_fun": NOT_COUNTS,
    "norm": ("group", 3, "", True),
    "dropout": NOT_SHARES,
    "init": ("he", None, 3, {}, {"scheme": "he"}, {"scheme": "gaussian", "sigma_w": -1}),
    "clip_norm": (0, -1, NAN, "all", [1]),
    "skip": ("dense", 0, -1, NAN, [1]),
    "optimizer": ("adma", 3, {}, {"name": "adam", "lr": -1}, {"name": "adam", "speed": 1}, ["adam"]),
    "schedule": ("cosin", 3, {}, {"name": "step", "every": 0}, ["cosine"]),
    "callbacks": (3, "print", [3], [None], len),
    "monitor": ("accuracy", None, 3, "validation_loss", "validation_score"),
    "scoring": ("accurate", 3, ["accuracy"]),
    "restore_best": ("yes", 3),
    "engine": ("cuda", None, 3),
    "n_threads": (0, -1, 1.5, "all"),
}
CLASSIFIER_PARAMETERS: dict[str, tuple[Any, ...]] = {
    "loss": ("hinge", None, 3, "", ["cross_entropy"], "poisson"),
    "class_weight": ("even", 3, [1, 2], {0: -1.0}, {0: NAN}, {"x": 1.0}),
    "label_smoothing": NOT_SHARES,
}
VALIDATION: dict[str, Callable[[Any], Any]] = {
    "a number": lambda y: 3,
    "one part": lambda y: (X,),
    "four parts": lambda y: (X, y, y, y),
    "fewer columns": lambda y: (X[:, :2], y),
    "fewer rows": lambda y: (X[:-1], y),
    "no rows": lambda y: (X[:0], y[:0]),
    "nan": lambda y: (spoiled(NAN), y),
    "dates": lambda y: (np.full((24, 3), np.datetime64("2020-01-01")), y),
    "words": lambda y: (X, np.full(24, "red")),
}
SOLVER_OF = {"power_t": "sgd", "momentum": "sgd"}
PARTIAL: list[tuple[str, Callable[[Any], Any], tuple[str, ...]]] = [
    ("no classes", lambda m: type(m)(**QUICK).partial_fit(X, LABELS), ("classes",)),
    ("one class", lambda m: type(m)(**QUICK).partial_fit(X, LABELS, classes=[0]), ("class",)),
    (
        "classes of nan",
        lambda m: type(m)(**QUICK).partial_fit(X, LABELS, classes=[0, 1, NAN]),
        ("class", "label", "NaN"),
    ),
    (
        "classes of numbers",
        lambda m: type(m)(**QUICK).partial_fit(X, LABELS, classes=[0.5, 1.2, 2.2]),
        ("class", "label"),
    ),
    ("too few classes", lambda m: type(m)(**QUICK).partial_fit(X, LABELS, classes=[0, 1]), ("class",)),
    ("other classes", lambda m: m.partial_fit(X, LABELS, classes=[0, 1, 3]), ("classes",)),
    ("a new class", lambda m: m.partial_fit(X, LABELS + 1), ("class", "y")),
    ("words for numbers", lambda m: m.partial_fit(X, np.full(24, "a")), ("class", "y", "label")),
    ("a huge label", lambda m: m.partial_fit(X, LABELS + 2**62), ("class", "y")),
    ("a negative label", lambda m: m.partial_fit(X, -1 - LABELS), ("class", "y")),
    ("a matrix of labels", lambda m: m.partial_fit(X, np.eye(3, dtype=int)[LABELS]), ("class", "y", "output", "label")),
]


def cases() -> Iterator[Case]:
    """Every case of the table."""
    for kind in CLASSES:
        y = Y[kind]
        for name, (bad, words) in BAD_X.items():
            yield Case(f"fit X: {name}", kind, lambda m, bad=bad, y=y: m.fit(bad, y), words)
            yield Case(f"partial_fit X: {name}", kind, lambda m, bad=bad, y=y: m.partial_fit(bad, y), words)
            if "rows than" not in name:
                yield Case(f"predict X: {name}", kind, lambda m, bad=bad: m.predict(bad), words)
        for name, bad in WIDTHS.items():
            for method in ("predict", "partial_fit", "score", "example_gradient_norms"):
                more = () if method == "predict" else (y,)
                yield Case(
                    f"{method}: {name}",
                    kind,
                    lambda m, a=(bad, *more), f=method: getattr(m, f)(*a),
                    ("features", "Sparse data was passed for X"),
                )
        for name, (bad, words) in BAD_Y[kind].items():
            for method in ("fit", "partial_fit"):
                if method == "partial_fit" and name.startswith("one "):
                    continue  # a part of the data may hold one class
                yield Case(f"{method} y: {name}", kind, lambda m, b=bad, f=method: getattr(m, f)(X, b), words)
        for name, (bad, words) in BAD_WEIGHT.items():
            for method in ("fit", "partial_fit"):
                yield Case(
                    f"{method} weight: {name}", kind, lambda m, b=bad, f=method, y=y: getattr(m, f)(X, y, b), words
                )
        for name, values in BAD_PARAMETERS.items():
            for bad in values:
                yield Case(
                    f"{name}={bad!r}", kind, lambda m, n=name, b=bad, y=y: refit(m, n, b, y), parameter_words(name)
                )
    for name, call, words in PARTIAL:
        yield Case(f"partial_fit: {name}", "classifier", call, words)
    yield Case("too many for X", "classifier", lambda m: m.predict(X, X), ("argument",))
    for name, values in CLASSIFIER_PARAMETERS.items():
        for bad in values:
            yield Case(f"{name}={bad!r}", "classifier", lambda m, n=name, b=bad: refit(m, n, b, LABELS), (name,))
    for kind in CLASSES:
        for name, bad in VALIDATION.items():
            yield Case(f"validation_data: {name}", kind, lambda m, b=bad, y=Y[kind]: validated(m, b(y), y),
                       ("validation_data", "X", "y", "inconsistent"))  # fmt: skip
    for loss in ("hinge", None, 3, "", ["squared_error"]):
        yield Case(f"loss={loss!r}", "regressor", lambda m, b=loss: refit(m, "loss", b, NUMBERS), ("loss",))
    yield Case("poisson below 0", "regressor", lambda m: refit(m, "loss", "poisson", NUMBERS), ("y",))


def parameter_words(name: str) -> tuple[str, ...]:
    """The parameter's own name, and what it is called where numpy or the network speaks of it."""
    return {
        "random_state": ("random_state", "seed"),
        "activation": ("activation", "softmax"),
        "init": ("init", "sigma_w"),
    }.get(name, (name,))


def refit(model: Any, name: str, value: Any, y: Any) -> Any:
    """Fit the model with one parameter changed, which the caller did and a bad fit leaves, and then put it back."""
    before = model.get_params(deep=False)
    model.set_params(**{"solver": SOLVER_OF.get(name, "adam"), name: value})
    if name == "validation_fraction":
        model.set_params(early_stopping=True)
    try:
        return model.fit(X, y)
    finally:
        for parameter, old in before.items():
            setattr(model, parameter, old)


def validated(model: Any, given: Any, y: Any) -> Any:
    """Fit with validation data."""
    return model.fit(X, y, validation_data=given)


def snapshot(model: Any) -> bytes:
    """Everything that the estimator holds, by value."""
    return pickle.dumps(vars(model))


def fault(case: Case) -> str:
    """What is wrong with how a case ends; nothing where all is right."""
    model = pickle.loads(fitted(case.kind))
    before, started = snapshot(model), (time.perf_counter(), time.process_time())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            case.call(model)
        except (ValueError, TypeError, AttributeError) as error:
            said = str(error)
        except Exception as error:
            return f"an error of the wrong kind: {error!r}"
        else:
            return "no error"
    # of the two clocks the lesser: others may hold the machine, and several threads may spin
    seconds = min(time.perf_counter() - started[0], time.process_time() - started[1])
    if seconds > MOST_SECONDS:
        return f"took {seconds:.1f} s"
    if not any(word in said for word in case.words):
        return f"does not name {' or '.join(case.words)}: {said[:200]!r}"
    return "the fitted state changed" if snapshot(model) != before else ""


def usable() -> Iterator[tuple[str, Any]]:
    """Inputs that are odd and must work as X does."""
    read_only = X.copy()
    read_only.flags.writeable = False
    yield from {
        "read-only": read_only,
        "column-major": np.asfortranarray(X),
        "every second column": np.repeat(X, 2, axis=1)[:, ::2],
        "backwards": X[::-1].copy()[::-1],
        "big-endian": X.astype(">f8"),
        "lists": X.tolist(),
        "tuples": tuple(map(tuple, X)),
        "objects": X.astype(object),
        "longdouble": X.astype(np.longdouble),
        "a matrix view": X.T.copy().T,
        "memoryview": memoryview(X),
    }.items()
    if not MLPClassifier().__sklearn_tags__().input_tags.sparse:
        return
    for name in ("csr", "csc", "coo", "lil", "dok", "bsr", "dia"):
        yield f"sparse array {name}", getattr(sparse, f"{name}_array")(X)
        yield f"sparse matrix {name}", getattr(sparse, f"{name}_matrix")(X)


def unusable(name: str, value: Any) -> str:
    """What is wrong with how an odd input that must work ends."""
    model = pickle.loads(fitted("classifier"))
    wanted = model.predict_proba(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = model.predict_proba(value)
            again = MLPClassifier(**QUICK).fit(value, LABELS).predict_proba(X)
        except Exception as error:
            return f"{name}: {error!r}"
    return "" if np.allclose(found, wanted, 1e-9) and np.allclose(again, wanted, 1e-9) else f"{name}: other numbers"


def main() -> None:
    table = list(cases())
    slowest, faults = 0.0, []
    for number, case in enumerate(table, start=1):
        started = time.perf_counter()
        if said := fault(case):
            faults.append(f"{case.kind}, {case.name}: {said}")
        slowest = max(slowest, time.perf_counter() - started)
        if sys.stderr.isatty():
            print(f"\r{number} of {len(table)}", end="", file=sys.stderr)
    working = list(usable())
    faults += [said for name, value in working if (said := unusable(name, value))]
    if faults:
        sys.exit("\n".join([*faults, f"{len(faults)} of {len(table) + len(working)} cases fail"]))
    print(f"{len(table)} bad inputs: each a typed error that names the argument, the fitted state untouched to the bit")
    print(f"  slowest {slowest:.2f} s; {len(working)} odd inputs that must work do")


if __name__ == "__main__":
    main()
