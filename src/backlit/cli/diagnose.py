"""`backlit diagnose`: why gradients vanish or explode, and what helps."""

import json
import shlex
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Context, Option

from backlit.cli.formats import Cluster, Workers, cluster_of, plain, print_json
from backlit.errors import ProblemError

if TYPE_CHECKING:
    from backlit.diagnosis import Diagnosis


QUIET = ("fix", "fix_estimator", "format", "output", "remedies")  # options that the advice does not repeat


class Shown(StrEnum):
    """The formats of a diagnosis."""

    text = "text"
    html = "html"
    json = "json"


def command(
    context: Context,
    problem: Annotated[Path | None, Argument(help="A problem file, or an ONNX file.", show_default=False)] = None,
    model: Annotated[Path | None, Option(help="A model file.", show_default=False)] = None,
    member: Annotated[
        int | None, Option(help="Of an ensemble: which network, from 0; else the heaviest.", show_default=False)
    ] = None,
    table: Annotated[
        Path | None, Option(help="With --model: a table with the columns of its training.", show_default=False)
    ] = None,
    torch: Annotated[
        str | None,
        Option(
            help="A function that makes a torch.nn.Sequential, as FILE.py:function; the file is run.",
            show_default=False,
        ),
    ] = None,
    depth: Annotated[int | None, Option(help="Layers of a network of equal layers.", show_default=False)] = None,
    width: Annotated[int | None, Option(help="Units of each of them.", show_default=False)] = None,
    activation: Annotated[str, Option(help="Their activation.")] = "tanh",
    init: Annotated[str | None, Option(help="How W is drawn; xavier_uniform unless told.", show_default=False)] = None,
    sigma_w: Annotated[float | None, Option(help="Draw W with variance s²/n_in.", show_default=False)] = None,
    sigma_b: Annotated[float | None, Option(help="Draw b with variance s².", show_default=False)] = None,
    norm: Annotated[str | None, Option(help="batch or layer.", show_default=False)] = None,
    skip: Annotated[float | None, Option(help="Scale of a skip over each layer.", show_default=False)] = None,
    dropout: Annotated[float, Option(help="Probability that a unit is dropped.")] = 0.0,
    batch: Annotated[int | None, Option(help="Examples passed at once, for batch norm.", show_default=False)] = None,
    seeds: Annotated[int, Option(help="How many draws are measured.")] = 5,
    remedies: Annotated[bool, Option(help="Try remedies.")] = True,
    probe: Annotated[bool, Option(help="Rank them by a few training steps, not by their gradient ratio.")] = True,
    train: Annotated[
        int | None, Option(help="Train it and each remedy for so many epochs, and rank by loss.", show_default=False)
    ] = None,
    fix: Annotated[
        Path | None, Option(help="Write the problem with the best remedy here (.json).", show_default=False)
    ] = None,
    fix_estimator: Annotated[
        Path | None,
        Option(help="Write the best remedy as MLPClassifier or MLPRegressor arguments (.json).", show_default=False),
    ] = None,
    workers: Workers = 0,
    cluster: Cluster = None,
    format: Annotated[Shown, Option(help="How to show the result.")] = Shown.text,
    output: Annotated[
        Path | None, Option("--output", "-o", help="Write the page or the JSON here.", show_default=False)
    ] = None,
) -> int:
    """Say whether gradients vanish or explode, why, and which remedy works."""
    from backlit.api import diagnose
    from backlit.files import check_outputs, check_suffix
    from backlit.formats.sources import load_source
    from backlit.training.progress import show_passes

    if torch is not None and problem is not None:
        raise ProblemError("a problem file and --torch both name a network: give one of the two")
    check_outputs(fix, fix_estimator, output, inputs=(problem, model, table))
    if output is not None and format is Shown.text:
        raise ProblemError("-o writes a page or JSON: add --format html or --format json")
    check_suffix(fix, ".json", what="a problem")
    check_suffix(fix_estimator, ".json", what="a remedy")
    check_suffix(output, *([".json"] if format is Shown.json else [".html", ".htm"]), what=f"a diagnosis in {format}")
    with show_passes("trained", True) as shown:
        diagnosis = diagnose(
            problem if torch is None else load_source(torch),
            model=None if model is None else str(model),
            member=member,
            table=None if table is None else str(table),
            depth=depth,
            width=width,
            activation=activation,
            init=init,
            sigma_w=sigma_w,
            sigma_b=sigma_b,
            norm=norm,
            skip=skip,
            dropout=dropout,
            batch=batch,
            seeds=seeds,
            remedies=remedies,
            probe=probe,
            train=train,
            show=lambda done, of: shown(done / of),
            cluster=cluster_of(workers, cluster),
        )
    diagnosis = replace(diagnosis, command=command_line(context))
    if fix is not None:
        write(fix, as_json(diagnosis.fixed_problem()))
    if fix_estimator is not None:
        write(fix_estimator, as_json(diagnosis.estimator_parameters()))
    show(diagnosis, format, output)
    return 0


def command_line(context: Context) -> str:
    """The command that was typed, without what writes its result somewhere: what the advice repeats."""
    words = ["backlit", "diagnose"]
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        if value is None or value == parameter.get_default(context) or parameter.name in QUIET:
            continue
        if parameter.param_type_name == "argument":
            words.append(str(value))
        elif isinstance(value, bool):
            words.append((parameter.opts if value else parameter.secondary_opts)[0])
        else:
            words += [parameter.opts[0], f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join(words)


def show(diagnosis: "Diagnosis", format: Shown, output: Path | None) -> None:
    """Print it, or write it to a file."""
    if format is Shown.text:
        from backlit.render.diagnosis import show_diagnosis

        show_diagnosis(diagnosis)
    elif format is Shown.html:
        from backlit.render.diagnosis import diagnosis_page

        text = diagnosis_page(diagnosis)
        print(text) if output is None else write(output, text)
    elif output is None:
        print_json(diagnosis.to_dict())
    else:
        write(output, as_json(diagnosis.to_dict()))


def as_json(value: object) -> str:
    """JSON that a person can read, without what JSON has no word for."""
    return json.dumps(plain(value), indent=1, ensure_ascii=False)


def write(path: Path, text: str) -> None:
    """Write a file beside and rename it."""
    from backlit.files import atomic_write

    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
