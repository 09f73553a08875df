"""`backlit check`: are these numbers right, and if not, which mistake made them wrong?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from backlit.cli.formats import Format, print_json
from backlit.errors import ProblemError

if TYPE_CHECKING:
    from backlit.core.problem import Problem


def command(
    problem: Annotated[Path, Argument(help="A problem file: .json, .toml or .yaml.")],
    claims: Annotated[
        Path | None, Argument(help="A JSON file with any of z, a, loss, delta, grad_W, …", show_default=False)
    ] = None,
    steps: Annotated[int, Option(help="Optimizer steps that `update` is claimed after.")] = 1,
    pairs: Annotated[bool, Option(help="Look for two mistakes at once where no single one fits.")] = True,
    suggest_inputs: Annotated[
        bool, Option("--suggest-inputs", help="Print a problem file on which more mistakes show, and leave.")
    ] = False,
    html: Annotated[Path | None, Option(help="Write a page here too.", show_default=False)] = None,
    format: Annotated[Format, Option(help="How to show the result.")] = Format.text,
) -> int:
    """Check claimed numbers of a problem, and name the mistake that made them wrong."""
    from backlit.files import atomic_write, check_outputs, check_suffix
    from backlit.formats.sources import problem_from

    check_outputs(html, inputs=(problem, claims))
    check_suffix(html, ".html", ".htm", what="a page")
    asked = problem_from(problem)
    if suggest_inputs:
        return suggest(asked, format)
    if claims is None:
        raise ProblemError("give a file of claims after the problem, or --suggest-inputs")
    from backlit.verification.problem_check import check

    result = check(asked, claims, steps=steps, pairs=pairs)
    if html is not None:
        from backlit.render.check import check_page

        with atomic_write(html) as file:
            file.write_text(check_page(result, title=str(problem)), encoding="utf-8")
    if format is Format.json:
        print_json(result.to_dict())
    else:
        from backlit.render.check import show_check

        show_check(result)
    return result.exit_code


def suggest(problem: "Problem", format: Format) -> int:
    """Print a problem file that reveals more; what it reveals goes to standard error, so that `> file` works."""
    import json

    from backlit.cli.formats import plain
    from backlit.render.check import show_suggestion
    from backlit.verification.telling_numbers import suggest_inputs

    suggestion = suggest_inputs(problem)
    if format is Format.json:
        print_json(suggestion.to_dict())
    else:
        print(json.dumps(plain(suggestion.problem.to_dict()), indent=1))
        show_suggestion(suggestion)
    return 0
