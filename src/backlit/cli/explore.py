"""`backlit explore`: a problem in, a page out in which its backward pass can be touched."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option


def command(
    problem: Annotated[Path | None, Argument(help="A problem file: JSON, TOML or YAML.", show_default=False)] = None,
    example: Annotated[
        str | None, Option(help="A built-in problem, which `backlit example` lists.", show_default=False)
    ] = None,
    model: Annotated[Path | None, Option(help="A model file that `backlit train` wrote.", show_default=False)] = None,
    member: Annotated[
        int | None, Option(help="Of an ensemble: which network, from 0; else the heaviest.", show_default=False)
    ] = None,
    table: Annotated[
        Path | None, Option(help="With --model: a table with the columns of its training.", show_default=False)
    ] = None,
    output: Annotated[Path, Option("--output", "-o", help="The page.")] = Path("explorer.html"),
) -> int:
    """Write a page in which a network is stepped, edited, trained and compared; it works from a file, offline."""
    from backlit.files import check_outputs, check_suffix
    from backlit.render.explorer import explore

    check_outputs(output, inputs=(problem, model, table))
    check_suffix(output, ".html", what="a page")
    explore(problem, example=example, model=model, table=table, member=member).write(output)
    print(f"{output}: open it in a browser; it needs no network and no server.")
    return 0
