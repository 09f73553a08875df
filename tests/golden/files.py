"""Files as this version writes them: how each is made, and what is seen when it is opened.

They lie in `files/VERSION/`.  A version's files are written once; every later version opens them.
"""

import os
import pickle
import shutil
import warnings
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
from tests.golden.estimators import CLASSIFIERS, NUMBER, REGRESSORS, TARGETS, WORDS, X, quietly
from tests.golden.fits import ADAM, examples, missing
from tests.golden.library import SCHEDULES, Data, Dense, Network, Settings, fit, get_optimizer, get_schedule
from tests.golden.store import FOLDER

import backlit
from backlit import MLPClassifier, MLPRegressor

Array = np.ndarray
FILES_FOLDER = FOLDER / "files"
OPERATORS = "labels of operators"  # of an ONNX file that is written now
PROTOCOL = 4  # of the pickles: the newest that every supported Python has as its default or below it
SHORT = {"tol": 9.0, "n_iter_no_change": 2, "max_iter": 9}  # stops by itself, so that nothing is warned of


@dataclass(frozen=True)
class Kind:
    """A file: how it is written, what is seen when it is opened; needs : a package, or "native", that opening takes."""

    write: Callable[[Path], None]
    open: Callable[[Path], dict[str, Array]]
    needs: str = ""


def letters(labels: Any) -> Array:
    """Labels as an array of bytes."""
    return np.frombuffer("|".join(map(str, np.ravel(labels))).encode(), np.uint8)


# --- models of tables -------------------------------------------------------------------------------------------------


def table(rows: int = 90, first: int = 0) -> Any:
    """Numbers and words with gaps, a flag, days, moments, and two targets; the same values anywhere."""
    import datetime as dt

    import polars as pl

    k = range(first, first + rows)
    price = [(7 * i % 23) / 4 + 3 * (i % 3 == 0) - (i % 2) for i in k]
    return pl.DataFrame({
        "size": [None if i % 17 == 3 else (7 * i % 23) / 4 for i in k],
        "color": [None if i % 19 == 5 else ("red", "green", "blue", "ochre")[3 if i % 31 == 7 else i % 3] for i in k],
        "used": [i % 2 == 1 for i in k],
        "rooms": [i % 5 for i in k],
        "day": [dt.date(2024, 1, 1) + dt.timedelta(days=11 * i % 365) for i in k],
        "seen": [dt.datetime(2024, 1, 1) + dt.timedelta(minutes=37 * i) for i in k],
        "price": price,
        "grade": ["high" if p > 4 else "mid" if p > 2 else "low" for p in price],
    })  # fmt: skip


def train_table(path: Path, target: str, **options: Any) -> None:
    """A model of the table."""
    drop = [name for name in ("price", "grade") if name != target]
    backlit.train(table(), target, drop=drop, out=path, **{"epochs": 6, "hidden": (6,), "seed": 2, **options})


def train_streamed(path: Path) -> None:
    """A model of a folder of Parquet files."""
    train_folder(out=path)


def train_folder(**options: Any) -> Any:
    """Train on the table in two Parquet files, in a folder whose name says nothing of this machine."""
    told = {"drop": ["grade"], "epochs": 4, "hidden": (5,), "seed": 2, "batch_size": 16, "buffer_mb": 0.002}
    with TemporaryDirectory() as name, chdir(name):
        Path("sales").mkdir()
        for k in range(2):
            table(60, 60 * k).write_parquet(f"sales/{k}.parquet")
        return backlit.train("sales", "price", **told, **options)


def predict_table(path: Path) -> dict[str, Array]:
    """Predictions of rows like those of the training, some values missing or never seen."""
    import polars as pl

    color = pl.when(pl.col("rooms") == 4).then(pl.lit("pink")).otherwise("color").alias("color")
    new = table(40, 85).with_columns(color)
    found = backlit.predict(path, new.drop("price", "grade")).table
    made = {}
    for column in found:
        if column.dtype.is_numeric():
            made[f"predictions {column.name}"] = column.to_numpy().astype(np.float32)
        else:
            made[f"labels {column.name}"] = letters(column.to_list())
    return made


# --- estimators -------------------------------------------------------------------------------------------------------


def make(cls: Any, target: str, options: dict[str, Any]) -> Any:
    """A fitted estimator."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that four epochs do not converge
        return quietly(cls, options, "auto").fit(X, TARGETS[target])


def make_single(target: str) -> Any:
    """One in float32."""
    return quietly(MLPRegressor, SHORT, "auto").fit(X.astype(np.float32), TARGETS[target])


def make_named() -> Any:
    """One that knows its columns' names."""
    import polars as pl

    return quietly(MLPRegressor, SHORT, "auto").fit(pl.DataFrame(X, schema=list("abcd")), NUMBER)


def make_partial(options: dict[str, Any]) -> Any:
    """One in the middle of its partial_fit calls."""
    model = quietly(MLPClassifier, options, "auto")
    for k in range(3):
        model.partial_fit(X[k::3], WORDS[k::3], classes=["maybe", "no", "yes"])
    return model


ESTIMATORS: dict[str, Callable[[], Any]] = {
    **{
        f"classifier, {name}": partial(make, MLPClassifier, *CLASSIFIERS[name])
        for name in (
            "plain", "two classes", "labels", "columns of classes", "adaptive", "lbfgs", "early stopping",
            "early stopping of labels", "class weights", "binary cross-entropy of three", "batch norm and dropout",
            "layer norm", "residual", "an activation a layer", "own optimizer and schedule", "an optimizer object",
            "init gaussian", "scoring",
        )
    },
    **{
        f"regressor, {name}": partial(make, MLPRegressor, *REGRESSORS[name])
        for name in ("plain", "columns", "lbfgs", "early stopping", "quantile", "poisson", "batch norm")
    },
    "regressor, float32": partial(make_single, "number"),
    "regressor, names of columns": make_named,
    "classifier, partial_fit": partial(make_partial, {}),
    "classifier, partial_fit with early stopping": partial(make_partial, {"early_stopping": True}),
}  # fmt: skip
FUNCTIONS = {"regressor, a function as activation": partial(make, MLPRegressor, "number", {"activation": np.sin})}


def save(make: Callable[[], Any], path: Path) -> None:
    """By `save`."""
    make().save(path)


def dump(make: Callable[[], Any], path: Path) -> None:
    """As a pickle."""
    path.write_bytes(pickle.dumps(make(), protocol=PROTOCOL))


def seen(model: Any) -> dict[str, Array]:
    """What an estimator predicts, what it knows of its fit, and where one more call of partial_fit takes it."""
    x = X.astype(model.coefs_[0].dtype)
    if hasattr(model, "feature_names_in_"):
        import polars as pl

        x = pl.DataFrame(x, schema=list(model.feature_names_in_))
    found = model.predict(x)
    if isinstance(model, MLPClassifier):
        p = model.predict_proba(x)
        made = {"labels": letters(found), "predictions": np.concatenate(p, axis=1) if isinstance(p, list) else p}
    else:
        made = {"predictions": found}
    made["n_iter"] = np.array([model.n_iter_, len(getattr(model, "loss_curve_", []))])
    if model.solver != "lbfgs" and getattr(model, "class_weight", None) != "balanced":  # which take all rows at once
        exact = np.abs(NUMBER if found.ndim == 1 else TARGETS["numbers"])  # rows are held out by their bits
        model.partial_fit(x, found if isinstance(model, MLPClassifier) else exact)
        made["theta"] = np.concatenate([np.ravel(array) for array in (*model.coefs_, *model.intercepts_)])
    return made


def load_saved(path: Path) -> dict[str, Array]:
    """Of a file that `save` wrote."""
    cls = MLPClassifier if path.name.startswith("classifier") else MLPRegressor
    return seen(cls.load(path))


def load_pickled(path: Path) -> dict[str, Array]:
    """Of a pickle.  scikit-learn warns where another version of itself wrote it; all else must hold."""
    from sklearn.exceptions import InconsistentVersionWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        model = pickle.loads(path.read_bytes())
    return seen(model)


# --- other objects ----------------------------------------------------------------------------------------------------


def make_network() -> Any:
    """A network of many options with its parameters."""
    first = Dense(4, {"name": "elu", "alpha": 0.5}, norm="batch", dropout=0.1)
    second = Dense(4, "gelu", skip_from=1, skip_scale=0.5, norm="layer")
    net = Network(3, [first, second, Dense(2, "softmax")], loss="cross_entropy", l2=0.1)
    return net, net.init("he_normal", seed=4)


def see_network(made: Any) -> dict[str, Array]:
    """Both passes."""
    net, params = made
    data = examples(12, 3, 2, "classes")
    trace = backlit.forward(net, params, data[0])
    grad = backlit.backward(net, params, trace, data[1])
    return {"outputs": trace.a[net.L], "theta": grad.theta, "loss": np.array([grad.loss])}


def make_optimizers() -> Any:
    """One of each optimizer and schedule."""
    optimizers = [get_optimizer(name) for name in ("sgd", "adagrad", "rmsprop", "adam", "amsgrad", "adamw")]
    return optimizers, [get_schedule(name) for name in SCHEDULES.shipped]


def see_optimizers(made: Any) -> dict[str, Array]:
    """What each says of itself, and a step or a factor of it."""
    optimizers, schedules = made
    g = np.array([0.5, -2.0])
    steps = [o.update(g, o.init(g), 1, lr=o.learning_rate, theta=g)[0] for o in optimizers]
    factors = [schedule.bind(epochs=9, steps=90).factor(np.arange(5)) for schedule in schedules]
    names = [str(one.to_dict()) for one in (*optimizers, *schedules)]
    return {"steps": np.array(steps), "factors": np.array(factors), "labels": letters(names)}


def make_result() -> Any:
    """What `train` gives: model, history, settings, scores."""
    return backlit.train(dataset="iris", epochs=4, hidden=(4,), seed=1)


def see_result(made: Any) -> dict[str, Array]:
    """Its scores, its history, and its model's predictions."""
    predicted = backlit.predict(made.model, table_of_iris()).table
    return {
        "losses": np.array(made.history.column("loss")),
        "metrics": np.array([made.metrics["test"]["accuracy"], made.metrics["train"]["log_loss"]], np.float32),
        "predictions": predicted.drop("target").to_numpy().astype(np.float32),
    }


def table_of_iris() -> Any:
    """Every tenth iris."""
    import polars as pl
    from sklearn.datasets import load_iris

    data = load_iris().data[::10]
    return pl.DataFrame(data, schema=["sepal_length_cm", "sepal_width_cm", "petal_length_cm", "petal_width_cm"])


def make_problem() -> Any:
    """A problem."""
    from tests.golden.outputs import SEVERAL

    return backlit.read_problem(SEVERAL)


def see_problem(made: Any) -> dict[str, Array]:
    """Its gradients."""
    found = backlit.explain(made).to_dict()
    return {"loss": np.array([found["loss"]]), "outputs": np.array(found["grad_W"]["1"])}


OBJECTS: dict[str, tuple[Callable[[], Any], Callable[[Any], dict[str, Array]]]] = {
    "network and parameters": (make_network, see_network),
    "optimizers and schedules": (make_optimizers, see_optimizers),
    "train result": (make_result, see_result),
    "problem": (make_problem, see_problem),
}


def load_object(see: Callable[[Any], dict[str, Array]], path: Path) -> dict[str, Array]:
    """Of a pickle of one of OBJECTS."""
    return see(pickle.loads(path.read_bytes()))


# --- checkpoints ------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for the end of the process."""


def broken_off(run: Callable[[Path], Any], at: int, path: Path) -> None:
    """Leave in `path` what a run leaves that ends right after its `at`-th checkpoint."""
    rename, written = os.replace, 0

    def last_rename(old: Any, new: Any, **options: Any) -> None:
        nonlocal written
        rename(old, new, **options)
        written += Path(new).parent == path
        if written == at:
            raise Killed

    try:
        with patch("os.replace", last_rename):
            run(path)
    except Killed:
        return
    raise AssertionError(f"{path.name}: the run ended before its checkpoint {at}")


def resumed(run: Callable[[Path], dict[str, Array]], path: Path) -> dict[str, Array]:
    """Where a copy of a checkpoint's run ends."""
    with TemporaryDirectory() as folder:
        shutil.copytree(path, Path(folder, "run"))
        return run(Path(folder, "run"))


def trainer_run(engine: str, path: Path) -> dict[str, Array]:
    """The trainer's, with everything that a checkpoint holds: batch norm, dropout, a plateau, the best epoch."""
    net = Network(3, [Dense(6, "tanh", norm="batch", dropout=0.2, train_bias=False), Dense(4, "relu"), Dense(2)])
    numbers = examples(40, 3, 2, "numbers")
    learned, held_out = (Data(*(array[part] for array in numbers)) for part in (slice(0, 30), slice(30, 40)))
    settings = Settings(
        epochs=8, batch_size=8, optimizer=ADAM, seed=4, engine=engine, n_threads=1, monitor="validation_loss",
        patience=4, restore_best=True, schedule={"name": "reduce_on_plateau", "patience": 1, "rate": 0.5},
    )  # fmt: skip
    params = net.init("he_normal", seed=1)
    outcome = fit(net, params, learned, settings, validation=held_out, checkpoint=path, checkpoint_every=3)
    history = outcome.history
    return {
        "theta": outcome.params.theta, "mean": outcome.statistics.mean[1], "slots": np.concatenate(outcome.state.slots),
        "losses": np.array(history.column("loss")), "validation": np.array(history.column("validation_loss")),
        "rates": np.array(history.column("learning_rate")),
    }  # fmt: skip


def estimator_run(engine: str, path: Path) -> dict[str, Array]:
    """An estimator's, with early stopping."""
    told = {"early_stopping": True, "n_iter_no_change": 3, "max_iter": 30, "tol": 0.05}
    model = quietly(MLPClassifier, told, engine)
    return attributes(model.fit(X, WORDS, checkpoint=path))


def chunks_run(path: Path) -> dict[str, Array]:
    """One on chunks, broken off in the middle of an epoch."""
    chunks = [(X[cut], WORDS[cut]) for cut in (slice(0, 25), slice(25, 31), slice(31, 60))]
    model = quietly(MLPClassifier, {**SHORT, "n_iter_no_change": 4}, "reference")
    return attributes(model.fit_chunks(chunks, checkpoint=path, checkpoint_every=2))


def attributes(model: Any) -> dict[str, Array]:
    """Parameters and losses of an estimator."""
    theta = np.concatenate([np.ravel(array) for array in (*model.coefs_, *model.intercepts_)])
    return {"theta": theta, "losses": np.array(model.loss_curve_)}


def table_run(path: Path) -> dict[str, Array]:
    """`train` on a table."""
    return result_of(backlit.train(table(), "price", drop=["grade"], epochs=6, hidden=(6,), seed=2, checkpoint=path))


def folder_run(path: Path) -> dict[str, Array]:
    """`train` on a folder of Parquet files, broken off in the middle of an epoch."""
    return result_of(train_folder(checkpoint=path, checkpoint_every=2))


def result_of(result: Any) -> dict[str, Array]:
    """Parameters and losses of what `train` gave."""
    return {"theta": result.model.params.theta, "losses": np.array(result.history.column("loss"))}


RUNS: dict[str, tuple[Callable[[Path], dict[str, Array]], int, str]] = {  # run, checkpoints before its end, needs
    "trainer, reference": (partial(trainer_run, "reference"), 7, ""),
    "trainer, native": (partial(trainer_run, "native"), 7, "native"),
    "classifier, reference": (partial(estimator_run, "reference"), 3, ""),
    "classifier, native": (partial(estimator_run, "native"), 3, "native"),
    "classifier on chunks": (chunks_run, 5, ""),
    "table": (table_run, 3, "native"),
    "folder of Parquet": (folder_run, 5, "native"),
}


# --- ONNX -------------------------------------------------------------------------------------------------------------

EXPORTED = (
    "classifier, plain", "classifier, labels", "classifier, residual", "regressor, columns", "regressor, batch norm",
)  # fmt: skip


def export(name: str, path: Path) -> None:
    """The saved estimator as ONNX."""
    cls = MLPClassifier if name.startswith("classifier") else MLPRegressor
    cls.load(path.parent.parent / "estimators" / f"{name}.safetensors").to_onnx(path)


def run_onnx(path: Path) -> dict[str, Array]:
    """What onnxruntime makes of a file."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(None, {"X": X}), strict=True))
    return {name: letters(value) if name.startswith("label") else value for name, value in found.items()}


def run_exported(name: str, path: Path) -> dict[str, Array]:
    """What it makes of a file that is written now, and that file's operators."""
    import onnx

    with TemporaryDirectory() as folder:
        new = Path(folder, "new", path.name)
        new.parent.mkdir()
        shutil.copytree(path.parent.parent / "estimators", Path(folder, "estimators"))
        export(name, new)
        return run_onnx(new) | {OPERATORS: letters([node.op_type for node in onnx.load(new).graph.node])}


# --- all of them ------------------------------------------------------------------------------------------------------


def all_kinds() -> dict[str, Kind]:
    """Each file by its place in a version's folder."""
    kinds = {
        "models/regression.safetensors": Kind(partial(train_table, target="price"), predict_table),
        "models/classification.safetensors": Kind(partial(train_table, target="grade"), predict_table),
        "models/flag, batch norm.safetensors": Kind(
            partial(train_table, target="used", norm="batch", dropout=0.1, optimizer="adamw"),
            predict_table,
        ),
        "models/streamed.safetensors": Kind(train_streamed, predict_table),
    }
    for name, made in ESTIMATORS.items():
        if name != "classifier, an optimizer object":
            kinds[f"estimators/{name}.safetensors"] = Kind(partial(save, made), load_saved)
    for name, made in (ESTIMATORS | FUNCTIONS).items():
        kinds[f"pickles/{name}.protocol{PROTOCOL}.pickle"] = Kind(partial(dump, made), load_pickled)
    for name, (make_it, see) in OBJECTS.items():
        kinds[f"pickles/{name}.protocol{PROTOCOL}.pickle"] = Kind(partial(dump, make_it), partial(load_object, see))
    for name, (run, at, needs) in RUNS.items():
        kinds[f"checkpoints/{name}"] = Kind(partial(broken_off, run, at), partial(resumed, run), needs)
    for name in EXPORTED:
        kinds[f"onnx/{name}.onnx"] = Kind(partial(export, name), run_onnx, "onnxruntime")
    return kinds


KINDS = all_kinds()


def items() -> dict[str, tuple[Path, Callable[[Path], dict[str, Array]], str]]:
    """Each file that was written by some version: its path, how it is opened, and what that needs."""
    found = {}
    for version in sorted(folder.name for folder in FILES_FOLDER.glob("*")):
        for name, kind in KINDS.items():
            path = FILES_FOLDER / version / name
            if path.exists():
                found[f"{version}/{name}"] = (path, kind.open, kind.needs)
        for name in EXPORTED:
            path = FILES_FOLDER / version / "onnx" / f"{name}.onnx"
            if path.exists():
                found[f"{version}/onnx/{name}, exported now"] = (path, partial(run_exported, name), "onnx")
    return found


def lacking(needs: str) -> str:
    """Why a file cannot be opened here, "" where it can."""
    if needs in ("", "native"):
        return missing("any" if needs else "")
    return "" if find_spec(needs) else f"{needs} is not installed"


def unwritten() -> list[str]:
    """Kinds of files of which no version has written one; with a folder of this version's, all that it lacks."""
    newest = FILES_FOLDER / backlit.__version__
    folders = [newest] if newest.exists() else list(FILES_FOLDER.glob("*"))
    return [name for name in KINDS if not any((folder / name).exists() for folder in folders)]


def write_missing() -> list[str]:
    """Write what is unwritten; the names."""
    names = unwritten()
    for name in names:
        path = FILES_FOLDER / backlit.__version__ / name
        path.parent.mkdir(parents=True, exist_ok=True)
        KINDS[name].write(path)
    return names
