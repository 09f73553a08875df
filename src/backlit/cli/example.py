"""`backlit example`: the built-in problems, and each of them as a problem file to begin one's own from."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from backlit.cli.formats import Format, print_json


def command(
    name: Annotated[
        str | None, Argument(help="The problem to print; without it all are listed.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None, Option("--output", "-o", help="Write the problem file here.", show_default=False)
    ] = None,
    format: Annotated[Format, Option(help="How to show the list; a problem is JSON either way.")] = Format.text,
) -> int:
    """List the built-in problems, or print one as a problem file (docs/problem-files.md)."""
    from backlit.derivation.examples import EXAMPLES, example_text
    from backlit.errors import ProblemError
    from backlit.files import atomic_write, check_outputs, check_suffix

    check_outputs(output)
    check_suffix(output, ".json", what="a problem file")
    if name is None and output is not None:
        raise ProblemError(f"--output is for one problem: name it, one of {', '.join(EXAMPLES)}")
    if name is None and format is Format.json:
        print_json({"examples": EXAMPLES})
    elif name is None:
        width = max(map(len, EXAMPLES))
        print(*(f"{one:<{width}}  {sentence}" for one, sentence in EXAMPLES.items()), sep="\n")
    elif output is None:
        print(example_text(name), end="")
    else:
        text = example_text(name)
        with atomic_write(output) as file:
            file.write_text(text, encoding="utf-8")
    return 0
