"""`backlit grade`: many submissions of a backward pass, each in its own process, into one table and one page."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from backlit.cli.formats import Format, print_json
from backlit.cli.streams import say, write_data
from backlit.errors import ProblemError

if TYPE_CHECKING:
    from backlit.verification.grading.grade import Grade


def command(
    submissions: Annotated[list[Path], Argument(help="Python files with the rubric's function, or a folder of them.")],
    rubric: Annotated[Path, Option(help="The rubric, a TOML file.")],
    out: Annotated[
        Path | None,
        Option("--out", "-o", help="Write the table here (.csv), a row when it is known.", show_default=False),
    ] = None,
    html: Annotated[Path | None, Option(help="Write a page here.", show_default=False)] = None,
    sandbox: Annotated[
        str, Option(help="What submissions run in: auto (the strongest that works), bwrap, landlock or none.")
    ] = "auto",
    require_sandbox: Annotated[bool, Option("--require-sandbox", help="Refuse to run where no sandbox works.")] = False,
    seed: Annotated[
        int | None, Option(help="Draw the networks of an earlier run again; else a secret one.", show_default=False)
    ] = None,
    format: Annotated[Format, Option(help="How to show the result.")] = Format.text,
) -> int:
    """Grade submissions: run each in a sandbox, and say its first wrong equation.

    Submissions are other people's code.  bwrap (bubblewrap) and landlock keep it from your files, the network and other
    processes; none is limits alone, which protect from accidents and not from a hostile program.
    A run that was interrupted goes on where the table ends: only what is new or has changed is graded.
    """
    from backlit.files import atomic_write, check_outputs, check_suffix
    from backlit.render.check import grades_page
    from backlit.training.progress import ERASE, show_passes
    from backlit.verification.grading.grade import (
        append,
        begin,
        check_table,
        digest,
        grade,
        grades_csv,
        known_grades,
        summary,
    )
    from backlit.verification.grading.rubric import read_rubric
    from backlit.verification.grading.sandbox import bounded, chosen

    check_outputs(out, html, inputs=(*submissions, rubric))
    check_suffix(out, ".csv", what="a table of grades")
    check_suffix(html, ".html", ".htm", what="a page")
    files = files_of(submissions)
    if out is not None:
        check_table(out)
    before = known_grades(out) if out is not None else []
    asked = read_rubric(rubric, before[0].seed if seed is None and before else seed)
    sandbox = chosen(sandbox, required=require_sandbox)
    before = [] if out is None else known_grades(out, asked)
    known = {(one.file, one.digest): one for one in before if (one.seed, one.sandbox) == (asked.seed, sandbox)}
    kept = [one for file in files if (one := known.get((str(file), digest(file, asked)))) and one.digest]
    grades = {one.file: one for one in kept}
    limits = bounded()
    say(f"sandbox: {sandbox} ({WORDS[sandbox]}), limits for each {limits}, seed: {asked.seed}", error=True)
    if kept:
        say(f"{len(kept)} of {len(files)} are known from {out}; remove it to grade all anew", error=True)
    if out is not None:
        begin(out, kept, asked)
    new = [file for file in files if str(file) not in grades]
    with show_passes("graded", sys.stderr.isatty()) as show:
        for done, one in enumerate(grade(new, asked, sandbox=sandbox), start=1):
            grades[one.file] = one
            if out is not None:
                append(out, one, asked)
            print(ERASE if sys.stderr.isatty() else "", end="", file=sys.stderr)
            say(one.line(), error=True)
            show(done / len(new))
    ordered = [grades[str(file)] for file in files]
    show_summary(ordered)
    if html is not None:
        with atomic_write(html) as file:
            text = grades_page(ordered, title=asked.title, limits=limits)
            file.write_text(text, encoding="utf-8", errors="backslashreplace")
    if format is Format.json:
        mistakes = [{"submissions": n, "what": what} for n, what in summary(ordered)]
        grading = {"title": asked.title, "sandbox": sandbox, "limits": limits, "seed": asked.seed, "summary": mistakes}
        print_json(grading | {"grades": [one.row() for one in ordered]})
    elif out is None and not stdout_is_a_terminal():  # a person has read the lines; a pipe gets the table
        write_data(grades_csv(ordered, asked))
    return 0


WORDS = {
    "bwrap": "bubblewrap: no files of yours, no network, no processes",
    "landlock": "Linux's Landlock: no files of yours, no network, no processes",
    "none": "limits alone: a hostile submission can do what you can",
}


def stdout_is_a_terminal() -> bool:
    """Whether a person reads standard output."""
    return sys.stdout.isatty()


def files_of(submissions: Sequence[Path]) -> list[Path]:
    """The files that are meant, each once: a folder stands for its Python files."""
    from backlit.verification.grading.grade import check_files

    found: list[Path] = []
    for one in submissions:
        found += sorted(one.glob("*.py")) if one.is_dir() and one.suffix != ".py" else [one]
    if not found:
        raise ProblemError(f"{submissions[0]}: holds no submission: give Python files (.py), or a folder of them")
    check_files(found)
    return list(dict.fromkeys(found))


def show_summary(grades: Sequence["Grade"]) -> None:
    """Say of a class how many made which mistake."""
    from backlit.verification.grading.grade import summary

    if len(grades) > 1:
        total = sum(one.points for one in grades) / len(grades)
        say(f"{len(grades)} submissions, {total:.3g} of {grades[0].out_of:g} points on average:", error=True)
        for n, what in summary(grades):
            say(f"{n:>6}  {what}", error=True)
