"""The pages of the reference that the code itself tells: written anew whenever the site is built.

Activations, losses and equations from their records and registries, mistakes from the catalogue, commands from Typer,
public names from each package's `__all__`.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

PACKAGES = (
    "backlit",
    "backlit.estimators",
    "backlit.training",
    "backlit.optim",
    "backlit.optim.schedules",
    "backlit.verification",
    "backlit.diagnosis",
    "backlit.derivation",
    "backlit.costs",
    "backlit.tabular",
    "backlit.formats.onnx",
    "backlit.formats.scikit_learn",
    "backlit.formats.state_dicts",
)
ABOUT = {
    "backlit": "The verbs, networks and their passes, models and problems",
    "backlit.estimators": "Estimators in scikit-learn's conventions",
    "backlit.training": "The training loop",
    "backlit.optim": "Optimizers",
    "backlit.optim.schedules": "Schedules of the learning rate",
    "backlit.verification": "Checks of gradients",
    "backlit.diagnosis": "Gradient flow",
    "backlit.derivation": "Worked derivations",
    "backlit.costs": "Operations and bytes",
    "backlit.tabular": "Tables",
    "backlit.formats.onnx": "ONNX",
    "backlit.formats.scikit_learn": "scikit-learn's networks",
    "backlit.formats.state_dicts": "PyTorch's state dicts",
}


def write(folder: Path) -> None:
    """Write every page; one whose text is as it was keeps its date, so that Sphinx does not read it again."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        text = "\n".join(page()) + "\n"
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


# --- activations and losses -------------------------------------------------------------------------------------------


def activations() -> Iterator[str]:
    """A section an activation: formula, slope, range, kinks, source, and both drawn."""
    from backlit.core import ACTIVATIONS
    from backlit.derivation.expressions import Sym
    from backlit.derivation.functions import known, meaning_of, slope_of
    from backlit.render.derivation_latex import latex

    yield "# Activations\n"
    yield (
        "One record each, a file in `backlit/core/activations`; everything on this page is read from it. A layer names "
        'its own: `Dense(64, "gelu")`, or with parameters `{"name": "leaky_relu", "alpha": 0.1}`. φ′ is a function of '
        "the pre-activation z (of u, after a norm), never of a.\n"
    )
    u = Sym("u")
    for name, phi in ACTIVATIONS.items():
        yield f"(activation-{name})=\n## {name}\n"
        if known(phi):
            yield f"$$\\varphi(u) = {latex(meaning_of(phi, u))}, \\qquad \\varphi'(u) = {latex(slope_of(phi, u))}$$\n"
        elif phi.latex:
            yield f"$$\\varphi(u) = {phi.latex}" + (
                f", \\qquad {phi.derivative_latex}$$\n" if phi.derivative_latex else "$$\n"
            )
        if phi.elementwise:
            yield drawing(f"{name} and its slope", [("φ", phi.function), ("φ′", phi.derivative)], "u")
        else:
            yield "It mixes the units of a layer, so it has no curve of its own; it stands at the output.\n"
        yield from facts(phi.parameters, phi.source, [("Range", interval(phi.range)), ("Kinks", numbers(phi.kinks))])


def losses() -> Iterator[str]:
    """A section a loss: formula, gradient, domains, source, and both drawn."""
    from backlit.core import LOSSES
    from backlit.derivation.expressions import Sym
    from backlit.derivation.functions import loss_over, loss_slope_of
    from backlit.render.derivation_latex import latex

    yield "# Losses\n"
    yield (
        'ℓ is of one example; the cost C of a batch is their mean, or their sum with `reduction="sum"`. Everything on '
        "this page is read from the records in `backlit/core/losses`. k counts outputs, n of them.\n"
    )
    a, y, n = Sym("a", "k"), Sym("y", "k"), Sym("n")
    for name, loss in LOSSES.items():
        yield f"(loss-{name})=\n## {name}\n"
        value, slope = attempt(loss_over, loss, [a], [y], n), attempt(loss_slope_of, loss, a, y, n)
        if value is not None:
            yield f"$$\\ell(a, y) = {latex(value)}$$\n"
        if slope is not None:
            yield f"$$\\frac{{\\partial \\ell}}{{\\partial a_k}} = {latex(slope)}$$\n"
        yield loss_drawing(name, loss)
        domains = [("Outputs", interval(loss.outputs)), ("Targets", interval(loss.targets))]
        yield from facts(loss.parameters, loss.source, domains)


def attempt(write: Callable[..., Any], *args: Any) -> Any:
    """What a formula gives for symbols; None where it chooses by its numbers."""
    from backlit.core.formulas import Unsupported
    from backlit.derivation.numbers import NotNumeric

    try:
        return write(*args)
    except (Unsupported, NotNumeric, ZeroDivisionError):
        return None


def loss_drawing(name: str, loss: Any) -> str:
    """ℓ and ∂ℓ/∂a of one output over a, for a target in the middle of what is allowed."""
    (low, high), (least, most) = loss.outputs, loss.targets
    y = 1.0 if (least, most) in ((0, 1), (0, np.inf)) or least == 0 else 0.0
    start, end = (low + 0.02 if np.isfinite(low) else -3.0), (high - 0.02 if np.isfinite(high) else 3.0)

    def row(f: Callable[..., Any]) -> Callable[[Any], Any]:
        return lambda a: np.array([np.ravel(f(np.array([[v]]), np.array([[y]])))[0] for v in a])

    return drawing(
        f"{name} at the target {y:g}", [("ℓ", row(loss.value)), ("∂ℓ/∂a", row(loss.gradient))], "a", start, end
    )


def drawing(title: str, curves: Iterable[tuple[str, Any]], xlabel: str, low: float = -4.0, high: float = 4.0) -> str:
    """Curves as an SVG element that takes the page's colors."""
    from backlit.render.pages import SERIES, svg

    x = np.linspace(low, high, 401)

    def draw(axes: Any) -> None:
        for k, (label, f) in enumerate(curves):
            with np.errstate(all="ignore"):
                axes.plot(
                    x, np.clip(f(x), -6, 6), color=SERIES[k], linestyle=("-", "--")[k], label=label, linewidth=1.6
                )
        axes.set_xlabel(xlabel)
        axes.legend()

    picture = svg(draw, title, width=4.6, height=2.4)
    return f'```{{raw}} html\n<div class="plot">{picture}</div>\n```\n'


def facts(parameters: Any, source: str, more: Iterable[tuple[str, str]]) -> Iterator[str]:
    """What else a record says, as a line each."""
    told = ", ".join(f"`{key}` = {value:g}" for key, value in parameters.items())
    for name, text in (*more, ("Parameters", told), ("Source", source)):
        if text:
            yield f"- {name}: {text}"
    yield ""


def interval(ends: tuple[float, float]) -> str:
    """[0, ∞)."""
    low, high = ends
    left = "(−∞" if np.isinf(low) else f"[{low:g}"
    return (left + ", " + ("∞)" if np.isinf(high) else f"{high:g}]")).replace("-", "−")


def numbers(values: Iterable[float]) -> str:
    """Numbers with commas between them."""
    return ", ".join(f"{value:g}" for value in values).replace("-", "−")


# --- equations and mistakes -------------------------------------------------------------------------------------------


def equations() -> Iterator[str]:
    """Each numbered equation with its sentence and source."""
    from backlit import equations as registry

    yield "# Equations\n"
    yield (
        "Each number stands for one formula. A comment such as `# [BP2]` ends the one line of the code that computes "
        "it, derivations quote it, and a test holds that the two agree.\n"
    )
    for title, group in (
        ("Forward", registry.FORWARD),
        ("Backward", registry.BACKWARD),
        ("Norms", registry.NORMS),
        ("Updates", registry.UPDATES),
        ("Schedules", registry.SCHEDULES),
    ):
        yield f"## {title} equations\n"
        for id, equation in group.items():
            yield f"(equation-{id.lower()})=\n### {id}\n"
            yield f"$$\n{equation.latex}\n$$\n"
            yield f"{equation.sentence} *{equation.source}*\n"


def mistakes() -> Iterator[str]:
    """The catalogue: what was used beside what is right."""
    from backlit.verification.catalogue import CATALOGUE
    from backlit.verification.catalogue.blocks import BLOCKS, STEPS
    from backlit.verification.catalogue.conventions import CONVENTIONS, FORWARDS
    from backlit.verification.catalogue.output import OUTPUT
    from backlit.verification.catalogue.scaling import SCALING
    from backlit.verification.catalogue.slopes import SLOPES
    from backlit.verification.catalogue.tensors import TENSORS

    yield "# Mistakes that `check` names\n"
    yield (
        f"{len(CATALOGUE)} ways to get backpropagation wrong, each with the wrong formula beside the right one. "
        "[`check`](../../check.md) replays each of them on your numbers; one that gives exactly these is named.\n"
    )
    for title, bugs in (
        ("At the output", OUTPUT),
        ("Slopes", SLOPES),
        ("Matrices", TENSORS),
        ("Norms, dropout and skips", BLOCKS),
        ("Means and factors", SCALING),
        ("Updates", STEPS),
        ("On the way forward", FORWARDS),
        ("Other conventions", CONVENTIONS),
    ):
        yield f"## {title}\n"
        for bug in bugs:
            yield f"(mistake-{bug.name.replace('_', '-')})=\n### {bug.name}\n"
            yield f"{literal(bug.words)}\n"
            yield "| wrong | right | equation |\n|---|---|---|"
            link = f"[{bug.equation}](#equation-{bug.equation.lower()})"
            yield f"| {code(bug.wrong)} | {code(bug.right)} | {link} |\n"
            yield f"Shows {literal(bug.visible)}. {literal(bug.fix)}\n"


def code(formula: str) -> str:
    """A formula between backquotes, safe in a cell."""
    return f"`{formula}`".replace("|", "\\|")


def literal(text: str) -> str:
    """Prose in which no sign is markup."""
    for sign in "\\*_[]<>$":
        text = text.replace(sign, "\\" + sign)
    return text


# --- commands and names -----------------------------------------------------------------------------------------------


def commands() -> Iterator[str]:
    """Every command with its arguments, options and examples, as Typer knows them."""
    import typer.main

    from backlit.cli.commands import app

    yield "# Commands\n"
    yield (
        "`--format json` prints one JSON object on standard output and nothing else there. Exit codes: 0 done, 1 "
        "`check` found something wrong or `train` failed on its data, 2 the call or a file is unusable, which one line "
        "on standard error explains.\n"
    )
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        yield f"(command-{name})=\n## backlit {name}\n"
        yield f"{plain(command.help)}\n"
        yield from examples(command.epilog)
        for kind, title in (("argument", "Argument"), ("option", "Option")):
            rows = [row(p) for p in command.params if p.param_type_name == kind and p.name != "help"]
            if rows:
                yield f"| {title} | What | Default |\n|---|---|---|"
                yield "\n".join(rows) + "\n"


def examples(epilog: str | None) -> Iterator[str]:
    """The examples under a command's help as a console block."""
    lines = [line.strip() for line in (epilog or "").splitlines() if line.strip().startswith("$ ")]
    if lines:
        yield "```console\n" + "\n".join(lines) + "\n```\n"


def row(parameter: Any) -> str:
    """One option: its names, its help and its default."""
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts) if name)
    if parameter.param_type_name == "argument":
        names = f"`{parameter.name.upper()}`"
    default = getattr(parameter.default, "value", parameter.default)
    nothing = default is None or default is False or default == ()
    shown = "required" if parameter.required else "" if nothing else f"`{default}`"
    help = literal(parameter.help or "").replace("|", "\\|")
    return f"| {names} | {help} | {shown} |"


def plain(help: str | None) -> str:
    """A docstring as Markdown."""
    return inspect.cleandoc(help or "")


def names() -> Iterator[str]:
    """Public names by package, each once; autosummary makes a page of each from its docstring."""
    yield "Python\n======\n"
    yield "Every public name, with parameters, errors and an example that runs.\n"
    seen: set[int] = set()
    for package in PACKAGES:
        module = import_module(package)
        listed = []
        for name in module.__all__:
            thing = getattr(module, name)
            if (inspect.isclass(thing) or inspect.isfunction(thing)) and id(thing) not in seen:
                seen.add(id(thing))
                listed.append(name)
        if not listed:
            continue
        yield f"{ABOUT[package]}\n{'-' * len(ABOUT[package])}\n"
        yield f".. currentmodule:: {package}\n"
        yield ".. autosummary::\n   :toctree: ../api\n   :nosignatures:\n"
        yield "\n".join(f"   {name}" for name in sorted(listed, key=str.lower)) + "\n"


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "activations.md": activations,
    "losses.md": losses,
    "equations.md": equations,
    "mistakes.md": mistakes,
    "commands.md": commands,
    "python.rst": names,
}
