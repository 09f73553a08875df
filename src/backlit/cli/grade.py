"""`backlit grade`: many submissions of a backward pass, each in its own process, into one table and one page."""

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from backlit.cli.formats import Format, print_json


def command(
    submissions: Annotated[list[Path], Argument(help="Python files, each with the function that the rubric names.")],
    rubric: Annotated[Path, Option(help="The rubric, a TOML file.")],
    out: Annotated[Path | None, Option("--out", "-o", help="Write the table here (.csv).", show_default=False)] = None,
    html: Annotated[Path | None, Option(help="Write a page here.", show_default=False)] = None,
    format: Annotated[Format, Option(help="How to show the result.")] = Format.text,
) -> int:
    """Grade submissions: run each within limits, and say its first wrong equation.

    Submissions are other people's code.  Limits on time and memory and an empty folder protect from accidents.
    On Linux the network is cut off where the system allows it.  A hostile program is not kept from your files.
    """
    from backlit.files import atomic_write, check_outputs, check_suffix
    from backlit.render.check_html import grades_csv, grades_page
    from backlit.verification.grading.grade import grade
    from backlit.verification.grading.rubric import read_rubric

    asked = read_rubric(rubric)
    check_outputs(out, html, inputs=(*submissions, rubric))
    check_suffix(out, ".csv", what="a table of grades")
    check_suffix(html, ".html", ".htm", what="a page")
    grades = []
    for one in grade(submissions, asked):
        grades.append(one)
        print(one.line(), file=sys.stderr)
    for path, text in ((out, lambda: grades_csv(grades)), (html, lambda: grades_page(grades, title=asked.title))):
        if path is not None:
            with atomic_write(path) as file:
                file.write_text(text(), encoding="utf-8")
    if format is Format.json:
        print_json({"title": asked.title, "grades": [one.row() for one in grades]})
    elif out is None and not sys.stdout.isatty():  # a person has read the lines; a pipe gets the table
        sys.stdout.write(grades_csv(grades))
    return 0
