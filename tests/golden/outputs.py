"""What the commands print and write, as text: the same call, in a folder of its own, without times, paths and versions.

An item is named as a file, whose suffix says what it holds.
"""

import io
import json
import math
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, chdir, contextmanager, redirect_stderr, redirect_stdout
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from tests.golden.fits import missing
from tests.golden.library import extension

import backlit
from backlit import explain
from backlit.cli import main
from backlit.derivation.examples import read_example

EXAMPLES = ("worked", "mazur", "softmax", "batch-norm", "residual", "deep-sigmoid")
SUFFIXES = {"text": "txt", "markdown": "md", "latex": "tex", "typst": "typ", "html": "html", "json": "json"}
TERMINAL = {"COLUMNS": "100", "LINES": "40", "TERM": "dumb", "OMP_NUM_THREADS": "1"}
COLORS = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE")
TIMES = ("seconds", "samples_per_second", "made")  # keys of JSON whose value is another one each time
PLOT = re.compile(r"<svg(?:(?!</svg>).)*?matplotlib.*?</svg>", re.DOTALL)

WORKED: dict[str, Any] = {
    "inputs": 2,
    "layers": [
        {"units": 2, "activation": "sigmoid", "W": [[0.1, -0.2], [0.4, 0.3]], "b": [0.0, 0.1]},
        {"units": 1, "activation": "identity", "W": [[0.2, -0.5]], "b": [0.0]},
    ],
    "loss": "half_squared_error",
    "x": [[1.0, 2.0]],
    "y": [[1.0]],
    "optimizer": {"name": "sgd", "learning_rate": 0.5},
}
SEVERAL: dict[str, Any] = {  # enough examples that a forgotten 1/m, a transposition and the like can be told apart
    "inputs": 3,
    "layers": [
        {"units": 3, "activation": "tanh", "b": [0.1, -0.2, 0.3],
         "W": [[0.5, -0.3, 0.2], [0.1, 0.8, -0.6], [-0.4, 0.3, 0.7]]},
        {"units": 2, "activation": "softmax", "W": [[0.6, -0.4, 0.9], [-0.7, 0.5, 0.2]], "b": [0.05, -0.1]},
    ],
    "loss": "cross_entropy",
    "l2": 0.1,
    "x": [[1.0, -0.5, 0.25], [-1.5, 0.75, 1.0], [0.5, 1.25, -2.0], [2.0, -1.0, 0.5]],
    "y": [0, 1, 1, 0],
    "optimizer": {"name": "adam", "learning_rate": 0.1},
}  # fmt: skip
SEEDED: dict[str, Any] = {
    "inputs": 8,
    "layers": [{"units": 8, "activation": "sigmoid"} for _ in range(6)] + [{"units": 1}],
    "init": {"scheme": "xavier_uniform", "seed": 1},
    "x": [[((3 * i + 5 * j) % 17 - 8) / 8 for j in range(8)] for i in range(12)],
    "y": [[((7 * i) % 11 - 5) / 5] for i in range(12)],
}  # fmt: skip


# --- a command, and what it gave --------------------------------------------------------------------------------------


@contextmanager
def bare_folder() -> Iterator[Path]:
    """A folder of its own as the working folder, a terminal of known width, and no lines that only a slow run shows."""
    quiet = patch("backlit.training.progress.SECONDS_BETWEEN_LINES", math.inf)
    with TemporaryDirectory() as name, chdir(name), patch.dict(os.environ, TERMINAL), quiet:
        for color in COLORS:
            os.environ.pop(color, None)
        yield Path(name)


def run(*arguments: object) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of a command."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="") for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())  # type: ignore[attr-defined]  # a TextIOWrapper over bytes
    return code, texts[0], texts[1]


def plain(text: str) -> str:
    """Text without the version, and without the names of folders that were made for a while."""
    text = text.replace(f"Backlit {backlit.__version__}", "Backlit VERSION")
    text = PLOT.sub(labels_of, text)
    text = re.sub(r"epochs in \S+ s,", "epochs in TIME,", text)
    return re.sub(re.escape(os.path.realpath(os.curdir)), "FOLDER", text)


def labels_of(plot: re.Match[str]) -> str:
    """What stands in place of a plot, whose lines are Matplotlib's: its labels."""
    return f"[plot: {'; '.join(re.findall('<!-- (.*?) -->', plot[0]))}]"


def readable(text: str) -> str:
    """JSON with a key a line, short lists on one line, keys in the order that they have; without times."""
    return lines_of(timeless(json.loads(text)), "") + "\n"


def timeless(value: Any) -> Any:
    """The same with each time in it called a time."""
    if isinstance(value, dict):
        return {key: "TIME" if key in TIMES and item is not None else timeless(item) for key, item in value.items()}
    return [timeless(item) for item in value] if isinstance(value, list) else value


def lines_of(value: Any, indent: str) -> str:
    """A value as JSON, broken where it is longer than a line."""
    short = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or len(indent) + len(short) <= 110:
        return short
    inner = indent + " "
    if isinstance(value, dict):
        items = [f"{inner}{json.dumps(key)}: {lines_of(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    return "[\n" + ",\n".join(f"{inner}{lines_of(item, inner)}" for item in value) + f"\n{indent}]"


def shown(code: int, out: str, err: str) -> str:
    """All that a person sees, what is not standard output marked."""
    ends = [f"[exit code {code}]\n"] if code else []
    return plain("".join([out, *(f"[error] {line}\n" for line in err.splitlines()), *ends]))


# --- what several items show ------------------------------------------------------------------------------------------

RESULTS = (  # what the commands compute and then show in a format
    ("backlit.render.explanation", "explain"),
    ("backlit.verification.problem_check", "check"),
    ("backlit.api", "diagnose"),
)


@contextmanager
def computed_once() -> Iterator[None]:
    """What a command computes is computed once for the same files and options, and shown in each format."""
    known: dict[Any, Any] = {}

    def once(name: str, compute: Callable[..., Any]) -> Callable[..., Any]:
        def computed(*args: Any, **options: Any) -> Any:
            told = [str(value) for value in (*args, *sorted(options.items())) if not objects_in(value)]
            asked = (name, *told, *contents())
            if asked not in known:
                known[asked] = compute(*args, **options)
            return known[asked]

        return computed

    def ran_once(*before: object) -> None:
        asked = (*before, *contents())
        if asked not in known:
            run(*before)
            known[asked] = contents()
        for file, content in known[asked]:
            Path(file).write_bytes(content)

    with ExitStack() as patches:
        for module, name in RESULTS:
            compute = getattr(import_module(module), name)
            patches.enter_context(patch(f"{module}.{name}", once(name, compute)))
        patches.enter_context(patch(f"{__name__}.run_before", ran_once))
        yield


def objects_in(value: Any) -> bool:
    """Whether an argument, or a pair of a name and one, is a problem, which was read from a file, or a function."""
    last = value[-1] if isinstance(value, tuple) else value
    return not isinstance(last, str | int | float | Path | dict | None)


def contents() -> list[tuple[str, bytes]]:
    """The files of the working folder."""
    return [(path.name, path.read_bytes()) for path in sorted(Path().iterdir())]


def run_before(*arguments: object) -> None:
    """A command whose files another one reads."""
    run(*arguments)


# --- the items --------------------------------------------------------------------------------------------------------


def command(
    *arguments: Any, files: dict[str, Any] | None = None, output: str = "", before: tuple[Any, ...] = ()
) -> str:
    """What a command shows, or the file `output` that it wrote; before : another command, `files` : its inputs."""
    with bare_folder() as folder:
        for name, content in (files or {}).items():
            (folder / name).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        if before:
            run_before(*before)
        code, out, err = run(*arguments)
        if output:
            written = (folder / output).read_text(encoding="utf-8")
            return readable(written) if output.endswith(".json") else plain(written)
        as_json = "--format" in arguments and arguments[arguments.index("--format") + 1] == "json"
        return readable(out) if as_json and out else shown(code, out, err)


def both(name: str, *arguments: object, **options: Any) -> Iterator[tuple[str, Callable[[], str]]]:
    """A command's text and its JSON."""
    yield f"{name}.txt", partial(command, *arguments, **options)
    yield f"{name}.json", partial(command, *arguments, "--format", "json", **options)


def explanations() -> Iterator[tuple[str, Callable[[], str]]]:
    """`explain`: each example in each format, and other ways to ask."""
    for example in EXAMPLES:
        for format, suffix in SUFFIXES.items():
            yield f"explain {example}.{suffix}", partial(command, "explain", "--example", example, "--format", format)
    more: dict[str, tuple[object, ...]] = {
        "worked, 3 steps": ("--example", "worked", "--steps", 3),
        "worked, fractions": ("--example", "worked", "--fractions"),
        "worked, grad_W[1][0,1]": ("--example", "worked", "--entry", "grad_W[1][0,1]"),
        "softmax, delta[2][1,0]": ("--example", "softmax", "--entry", "delta[2][1,0]"),
        "batch-norm, grad_gamma[1][1]": ("--example", "batch-norm", "--entry", "grad_gamma[1][1]"),
        "residual, grad_a[0][0,1]": ("--example", "residual", "--entry", "grad_a[0][0,1]"),
        "deep-sigmoid, z[5][0,1]": ("--example", "deep-sigmoid", "--entry", "z[5][0,1]"),
    }
    for name, arguments in more.items():
        yield from both(f"explain {name}", "explain", *arguments)
    yield (
        "explain residual, 8 digits.txt",
        partial(command, "explain", "--example", "residual", "--digits", 8),
    )
    yield (
        "explain batch-norm, 2 steps.txt",
        partial(command, "explain", "p.json", "--steps", 2, files={"p.json": without_bias("batch-norm")}),
    )
    yield (
        "explain worked, one entry.html",
        partial(command, "explain", "--example", "worked", "--entry", "grad_W[1][0,1]", "--format", "html"),
    )
    yield "explain several.txt", partial(command, "explain", "p.json", files={"p.json": SEVERAL})


def without_bias(example: str) -> dict[str, Any]:
    """An example whose normed layers leave b as it is.

    Under batch norm the gradient of b is what rounding leaves, of another sign on each machine; Adam makes steps of it.
    """
    problem = read_example(example)
    layers = [layer | {"train_bias": False} if layer.get("norm") else layer for layer in problem["layers"]]
    return problem | {"layers": layers}


def claims_of(problem: dict[str, Any], mistake: str) -> dict[str, Any]:
    """Claims with a mistake in them."""
    made = json.loads(numbers_of(json.dumps(problem)))
    claims: dict[str, Any] = {
        key: made[key] for key in ("loss", "z", "a", "delta", "grad_W", "grad_b", "grad_a", "update")
    }
    m = len(problem["x"])
    if mistake == "no 1 over m":
        claims = {"grad_W": scaled(made["grad_W"], m), "grad_b": scaled(made["grad_b"], m)}
    elif mistake == "sign":
        claims = {"grad_b": scaled(made["grad_b"], -1)}
    elif mistake == "one number":
        claims["grad_W"]["1"][0][1] += 0.01
    elif mistake == "no slope":
        claims = {"grad_W": {"1": [[-0.258003711232, -0.516007422464], [0.64500927808, 1.29001855616]]}}
    elif mistake == "three digits":
        claims = rounded(claims, 3)
    return claims


@cache
def numbers_of(problem: str) -> str:
    """What `explain` computes of a problem, both as JSON."""
    return json.dumps(explain(json.loads(problem)).to_dict())


def scaled(values: dict[str, Any], factor: float) -> dict[str, Any]:
    """Each number of each layer times a factor."""

    def times(value: Any) -> Any:
        return [times(item) for item in value] if isinstance(value, list) else value * factor

    return {key: times(value) for key, value in values.items()}


def rounded(value: Any, digits: int) -> Any:
    """Each number with so many digits behind the point."""
    if isinstance(value, dict):
        return {key: rounded(item, digits) for key, item in value.items()}
    return [rounded(item, digits) for item in value] if isinstance(value, list) else round(value, digits)


def checked(problem: dict[str, Any], mistake: str, *arguments: object, output: str = "") -> str:
    """What `check` says of claims."""
    files = {"p.json": problem, "c.json": claims_of(problem, mistake)}
    return command("check", "p.json", "c.json", *arguments, files=files, output=output)


def checks() -> Iterator[tuple[str, Callable[[], str]]]:
    """`check`: right claims and wrong ones."""
    cases = [
        ("worked", WORKED, ("right", "no slope", "sign", "one number", "three digits")),
        ("several", SEVERAL, ("right", "no 1 over m", "sign", "one number", "three digits")),
    ]
    for name, problem, mistakes in cases:
        for mistake in mistakes:
            item = f"check {name}, {mistake}"
            yield f"{item}.txt", partial(checked, problem, mistake)
            yield f"{item}.json", partial(checked, problem, mistake, "--format", "json")
    yield "check worked, right.html", partial(checked, WORKED, "right", "--html", "o.html", output="o.html")
    yield (
        "check several, no 1 over m.html",
        partial(checked, SEVERAL, "no 1 over m", "--html", "o.html", output="o.html"),
    )
    yield from both("suggest inputs", "check", "p.json", "--suggest-inputs", files={"p.json": WORKED})


def diagnoses() -> Iterator[tuple[str, Callable[[], str]]]:
    """`diagnose`: a problem, and networks of equal layers."""
    seeded = {"p.json": SEEDED}
    yield from both("diagnose a problem", "diagnose", "p.json", "--seeds", 2, files=seeded)
    yield (
        "diagnose a problem.html",
        partial(command, "diagnose", "p.json", "--seeds", 2, "--format", "html", files=seeded),
    )
    layers = ("diagnose", "--depth", 8, "--width", 16, "--seeds", 2)
    yield from both("diagnose tanh", *layers, "--no-probe")
    yield from both("diagnose relu, sigma_w 2.5", *layers, "--activation", "relu", "--sigma-w", 2.5)
    yield from both("diagnose no remedies", *layers, "--norm", "layer", "--skip", 1, "--no-remedies")
    yield from both("diagnose trained", "diagnose", "p.json", "--seeds", 1, "--train", 2, files=seeded)
    fixed = ("diagnose", "p.json", "--seeds", 2, "--fix", "o.json")
    yield "diagnose fix.json", partial(command, *fixed, files=seeded, output="o.json")


def costs() -> Iterator[tuple[str, Callable[[], str]]]:
    """`cost`: sizes, a problem, a limit."""
    sizes = ("cost", "--sizes", "8,16,4", "--batch", 32)
    asked: dict[str, tuple[Any, ...]] = {
        "cost of sizes": sizes,
        "cost of a problem": ("cost", "p.json", "--dtype", "float64"),
        "cost of 784 inputs": ("cost", "--sizes", "784,512,512,10", "--optimizer", "adam", "--batch", 64),
        "cost under a limit": ("cost", "--sizes", ",".join(["16"] * 12), "--batch", 256, "--memory-limit", "500KB"),
    }
    for name, arguments in asked.items():
        for item, _ in both(name):
            yield item, partial(costed, *arguments, *(("--format", "json") if item.endswith(".json") else ()))
    yield "cost.html", partial(costed, *sizes, "--html", "o.html", output="o.html")


def costed(*arguments: Any, output: str = "") -> str:
    """What `cost` says where there is no AVX, so that the workspace is the same size on every processor."""
    with patch.object(extension(), "instruction_sets", lambda: ["baseline"]):
        return command(*arguments, files={"p.json": SEVERAL}, output=output)


IRIS = ("train", "--dataset", "iris", "--epochs", 12, "--hidden", "8", "--seed", 3)
TABLE = "size,kind,day,price\n" + "".join(
    f"{'' if k % 11 == 0 else k % 7},{'abc'[k % 3]},2024-0{1 + k % 9}-1{k % 8},{(k % 7) * 2 + k % 3}.5\n"
    for k in range(60)
)


def tables() -> Iterator[tuple[str, Callable[[], str]]]:
    """`train` and `predict`."""
    yield from both("train iris", *IRIS)
    diabetes = ("train", "--dataset", "diabetes", "--epochs", 4, "--norm", "batch", "--dropout", 0.2)
    yield "train diabetes.json", partial(command, *diabetes, "--format", "json")
    table = {"t.csv": TABLE}
    learn = ("train", "t.csv", "--target", "price", "--epochs", 5, "--hidden", "6", "--out", "m.safetensors")
    yield "train a table.json", partial(command, *learn, "--format", "json", files=table)
    yield "predict a table.csv", partial(command, "predict", "m.safetensors", "t.csv", files=table, before=learn)
    yield (
        "predict a table.json",
        partial(command, "predict", "m.safetensors", "t.csv", "--format", "json", files=table, before=learn),
    )
    yield from both(
        "explain a model", "explain", "--model", "m.safetensors", "--table", "t.csv", "--row", 4, files=table,
        before=learn,
    )  # fmt: skip
    yield (
        "diagnose a model.json",
        partial(
            command, "diagnose", "--model", "m.safetensors", "--seeds", 1, "--format", "json", files=table, before=learn
        ),
    )


OUTPUTS: dict[str, Callable[[], str]] = dict(
    item for items in (explanations(), checks(), diagnoses(), costs(), tables()) for item in items
)
NATIVE = {"diagnose trained.json", "diagnose trained.txt", *dict(costs()), *dict(tables())}


def lacking(item: str) -> str:
    """Why an output cannot be made here, "" where it can."""
    return missing("any") if item in NATIVE else ""


def tolerance(item: str) -> float:
    """What a number may differ by on another machine: more after trainings in float32 and where digits are few."""
    trained = item.startswith("diagnose") or item in dict(tables())
    if item.endswith(".json"):
        return 1e-4 if trained else 1e-9
    return 1e-3 if trained else 2e-4
