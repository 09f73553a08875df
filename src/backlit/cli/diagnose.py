"""`backlit diagnose`: why gradients vanish or explode, and what helps."""

import json
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from backlit.cli.formats import Format, plain, print_json


def command(
    problem: Annotated[Path | None, Argument(help="A problem file.", show_default=False)] = None,
    model: Annotated[Path | None, Option(help="A model file.", show_default=False)] = None,
    depth: Annotated[int | None, Option(help="Layers of a network of equal layers.", show_default=False)] = None,
    width: Annotated[int | None, Option(help="Units of each of them.", show_default=False)] = None,
    activation: Annotated[str, Option(help="Their activation.")] = "tanh",
    init: Annotated[str | None, Option(help="How W is drawn; xavier_uniform unless told.", show_default=False)] = None,
    sigma_w: Annotated[float | None, Option(help="Draw W with variance s²/n_in.", show_default=False)] = None,
    sigma_b: Annotated[float | None, Option(help="Draw b with variance s².", show_default=False)] = None,
    norm: Annotated[str | None, Option(help="batch or layer.", show_default=False)] = None,
    skip: Annotated[float | None, Option(help="Scale of a skip over each layer.", show_default=False)] = None,
    dropout: Annotated[float, Option(help="Probability that a unit is dropped.")] = 0.0,
    seeds: Annotated[int, Option(help="How many draws are measured.")] = 5,
    remedies: Annotated[bool, Option(help="Try remedies.")] = True,
    fix: Annotated[
        Path | None, Option(help="Write the problem with the best remedy here (.json).", show_default=False)
    ] = None,
    format: Annotated[Format, Option(help="How to show the result.")] = Format.text,
) -> int:
    """Say whether gradients vanish or explode, why, and which remedy works."""
    from backlit.diagnosis import diagnose
    from backlit.io.atomic import atomic_write, check_folder
    from backlit.io.models import load_model
    from backlit.io.problems import read_problem

    check_folder(fix)
    diagnosis = diagnose(
        None if problem is None else read_problem(problem),
        model=None if model is None else load_model(model),
        depth=depth,
        width=width,
        activation=activation,
        init=init,
        sigma_w=sigma_w,
        sigma_b=sigma_b,
        norm=norm,
        skip=skip,
        dropout=dropout,
        seeds=seeds,
        remedies=remedies,
    )
    if fix is not None:
        with atomic_write(fix) as temporary:
            temporary.write_text(json.dumps(plain(diagnosis.fixed_problem()), indent=1), encoding="utf-8")
    if format is Format.json:
        print_json(diagnosis.to_dict())
        return 0
    from backlit.render.diagnosis_text import show_diagnosis

    show_diagnosis(diagnosis)
    return 0
