"""What training found, in a terminal: what the score is worth, the network or its members, the scores, the columns."""

from typing import Any

from backlit import terminal
from backlit.render.report import STOPPED, duration, sentence
from backlit.tables.messages import figure

RIVALS = {"constant": "constant", "linear": "linear", "gradient_boosting": "boosting"}


def result_text(result: Any) -> str:
    """The same as plain text of 80 columns."""
    return terminal.captured(lambda console: show_result(result, console))


def show_result(result: Any, console: Any = None) -> None:
    """Print what a person wants to know, what the score is worth first, in a terminal's width."""
    console = console or terminal.console()
    if result.assessment:
        console.print(sentence(result.assessment.verdict), style="bold")
    (show_ensemble if result.members else show_network)(console, result)
    console.print(score_table(result))
    console.print(columns_in_short(result))
    for note in result.notes:
        console.print(f"note: {note}", style="dim")
    for kind, path in (("model", result.model_path), ("report", result.report_path)):
        if path:
            console.print(f"{kind}: {path}", soft_wrap=True)


def score_table(result: Any) -> Any:
    """A row a metric, beside the baselines of the same held-out rows."""
    from rich.table import Table
    from rich.text import Text

    table = Table("metric", box=None, header_style="dim", pad_edge=False, padding=(0, 1))
    assessed = result.assessment
    rivals = assessed.baselines if assessed else {}
    for head in (
        "out of fold" if result.members else "training",
        "held out",
        *(["95% interval"] if assessed else []),
        *(RIVALS[name] for name in rivals),
    ):
        table.add_column(head, justify="right")
    for name, value in result.metrics["test"].items():
        ends = [short_interval(assessed.intervals.get(name))] if assessed else []
        theirs = [figure(scores[name]) for scores in rivals.values()]
        table.add_row(name, figure(result.metrics["train"][name]), Text(figure(value), "bold"), *ends, *theirs)
    return table


def short_interval(ends: tuple[float, float] | None) -> str:
    """Both ends in three digits.

    >>> short_interval((0.77081, 0.8131)), short_interval((18_893.2, 27_418.8)), short_interval(None)
    ('0.771–0.813', '18,893–27,419', '–')
    """
    return "–" if ends is None else "–".join(figure(end) if abs(end) >= 1e4 else f"{end:.3g}" for end in ends)


def columns_in_short(result: Any) -> str:
    """How many features the columns became, where most, and which columns matter most."""
    columns = result.columns
    features = [column.features for column in columns]
    widest = max(columns, key=lambda column: column.features)
    most = f", {widest.features} of them of {widest.name!r}" if widest.features > 2 and len(columns) > 1 else ""
    used = sum(n > 0 for n in features)
    left_out = f" ({len(columns) - used} left out)" if used < len(columns) else ""
    told = f"{used} column{'s' if used != 1 else ''}{left_out} as {sum(features):,} features{most}"
    growing = (
        [name for name, growth in result.assessment.importances.items() if growth > 0] if result.assessment else []
    )
    return f"{told}; what matters most: {', '.join(growing[:5])}" if growing else told


def show_network(console: Any, result: Any) -> None:
    """What was trained, where that is one network."""
    shape = " → ".join(map(str, result.model.net.n))
    console.print(headline(result, f"network {shape}"))
    best = f"; the best was epoch {result.history.best_epoch}" if result.history.best_epoch else ""
    console.print(f"{result.epochs} epochs in {duration(result.seconds)} s, until {STOPPED[result.stopped]}{best}")
    if result.stopped == "interrupted":
        console.print("stopped by Ctrl-C: the model and its scores are those of the best epoch until then")
    console.print(
        f"{result.n_train:,} training rows, {result.n_validation:,} of them to stop by; {result.n_test:,} held-out rows"
    )


def show_ensemble(console: Any, result: Any) -> None:
    """What was trained, where that is an ensemble: its presets by weight."""
    shares: dict[str, float] = {}
    for member in result.members:
        shares[member.recipe] = shares.get(member.recipe, 0.0) + member.weight
    folds = len({member.fold for member in result.members})
    console.print(
        headline(result, f"ensemble of {len(result.members)} networks on {folds} fold{'s' if folds > 1 else ''}")
    )
    told = ", ".join(f"{name} {share:.0%}" for name, share in sorted(shares.items(), key=lambda item: -item[1]))
    console.print(f"weights: {told}")
    console.print(f"{result.epochs:,} epochs of its networks, {duration(result.seconds)} s in all")
    if result.stopped != "finished":
        console.print(f"stopped early ({result.stopped}): the model is the best until then")
    console.print(f"{result.n_train:,} training rows, scored out of fold; {result.n_test:,} held-out rows")


def headline(result: Any, made: str) -> Any:
    """What was trained for what, by which engine, and how far its gradient was from the right one."""
    from rich.text import Text

    error = f"gradient checked: largest relative error {result.gradient_check.max_relative_error:.1e}"
    target = (result.model.target.name, "bold")
    return Text.assemble(f"{result.task} of ", target, f", {made}, {result.engine} engine; {error}")
