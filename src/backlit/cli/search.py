"""`backlit search`: which options of one network a table likes best."""

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from backlit.cli.formats import Cluster, Format, Workers, cluster_of, print_json
from backlit.errors import Divergence


def command(
    table: Annotated[Path | None, Argument(help="CSV, Parquet or JSON lines.", show_default=False)] = None,
    target: Annotated[str | None, Option(help="The column to predict.", show_default=False)] = None,
    dataset: Annotated[
        str | None, Option(help="digits, iris, wine, breast_cancer or diabetes, in place of TABLE.", show_default=False)
    ] = None,
    task: Annotated[
        str | None, Option(help="classification or regression; else the target's type decides.", show_default=False)
    ] = None,
    drop: Annotated[
        list[str] | None, Option(help="A column to leave out; may be given again.", show_default=False)
    ] = None,
    trials: Annotated[int, Option(help="How many settings are tried.")] = 40,
    time_limit: Annotated[
        float | None, Option(help="Seconds after which no more are tried.", show_default=False)
    ] = None,
    seed: Annotated[int, Option(help="Of the settings, the folds and the weights.")] = 0,
    workers: Workers = 0,
    cluster: Cluster = None,
    format: Annotated[Format, Option(help="How to show the result.")] = Format.text,
) -> int:
    """Try options of one network on folds of a table, and print the best as a train command."""
    from backlit.tabular import search

    try:
        found = search(
            table,
            target,
            dataset=dataset,
            task=task,
            drop=tuple(drop or ()),
            trials=trials,
            time_limit=time_limit,
            seed=seed,
            cluster=cluster_of(workers, cluster),
            progress=True,
        )
    except Divergence as error:
        print(f"backlit: {error}", file=sys.stderr)
        return 1
    if format is Format.json:
        print_json(found.to_dict())
        return 0
    cut = "" if found.stopped == "finished" else f" ({found.stopped})"
    print(
        f"{len(found.trials)} trials{cut}; the best has a loss of {found.score:.4g} on rows that it never learned from:"
    )
    print(found.command)
    return 0
