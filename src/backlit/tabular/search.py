"""`search`: which options of one network a table likes best, by Optuna over the recipe's own space."""

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.core.initializers import checked_seed
from backlit.display import Displayed
from backlit.errors import BacklitError, Divergence, ProblemError
from backlit.jobs import Job, Processes, run_jobs
from backlit.tabular.members import HERE, Lesson, Limit, check_time_limit, train_fold
from backlit.tabular.presets import ENCODINGS, Preset
from backlit.tabular.result import command_of
from backlit.tabular.table_rows import TableRows, plain_folds
from backlit.tabular.training import ONE, find_table, train
from backlit.training.progress import show_passes, stop_on_interrupt

if TYPE_CHECKING:
    import polars as pl

FOLDS, AT_ONCE = 3, 4  # folds that score a trial; trials that are asked for together, on however many processors
TEST_SIZE = 0.2  # as `train` has it


@dataclass(frozen=True)
class SearchResult(Displayed):
    """What `search` gives.

    Parameters
    ----------
    best : dict
        Options of `train` that did best.
    score : float
        Their mean loss over the folds: log loss, or root mean square error.
    trials : list of dict
        {"options", "score"} of each trial, in order; a score is None where training diverged.
    stopped : str
        "finished", "time limit" or "interrupted".
    command : str
        The `train` command of the best options.

    Examples
    --------
    >>> from backlit.tabular import search
    >>> found = search(dataset="iris", trials=2)
    >>> found.command.startswith("backlit train --dataset iris")
    True
    """

    best: dict[str, Any]
    score: float
    trials: list[dict[str, Any]]
    stopped: str
    command: str

    def __repr__(self) -> str:
        return f"<SearchResult: {len(self.trials)} trials, {self.stopped}, the best loss is {self.score:.4g}>"

    def to_dict(self) -> dict[str, Any]:
        """The result as `backlit search --format json` prints it."""
        return {
            "best": self.best,
            "score": self.score,
            "trials": self.trials,
            "stopped": self.stopped,
            "command": self.command,
        }


def search(
    table: "str | Path | pl.DataFrame | None" = None,
    target: str | None = None,
    *,
    dataset: str | None = None,
    task: str | None = None,
    drop: Any = (),
    trials: int = 40,
    time_limit: float | None = None,
    seed: int = 0,
    cluster: Any = None,
    progress: bool = False,
) -> SearchResult:
    """Search the options of one network that predict a table best.

    Parameters
    ----------
    table : str, Path or polars.DataFrame, optional
        As `train` takes it.  Give this or `dataset`.
    target : str, optional
        Name of the column to predict.
    dataset : {"digits", "iris", "wine", "breast_cancer", "diabetes"}, optional
        A table of scikit-learn's.
    task : {"classification", "regression"}, optional
        What to predict; the target's type decides if not given.
    drop : str or sequence of str, default ()
        Columns to leave out.
    trials : int, default 40
        How many settings are tried.
    time_limit : float, optional
        Seconds after which no more are tried.
    seed : int, default 0
        Draws the settings, the folds and the weights; the same seed gives the same search on any number of processors.
    cluster : int, str or distributed.Client, optional
        Who runs the trials, as `backlit.jobs.run_jobs` takes it; threads of this process if not given.
    progress : bool, default False
        Whether to show how far it is.

    Returns
    -------
    SearchResult
        The best options, and every trial.

    Raises
    ------
    BacklitError
        If the package `optuna` is not installed, or the table or an option cannot be used.
    Divergence
        If no setting stayed finite.

    Examples
    --------
    >>> found = search(dataset="iris", trials=2)
    >>> len(found.trials), found.score == min(trial["score"] for trial in found.trials)
    (2, True)
    """
    if isinstance(drop, str):
        drop = (drop,)
    if not isinstance(trials, int) or trials < 1:
        raise ProblemError(f"trials is {trials}: give a whole number above 0")
    check_time_limit(time_limit)
    seed = checked_seed(seed)
    optuna = imported()
    raw, column = find_table(table, target, dataset)
    format, frame = raw.typed({}, drop)
    rows = TableRows.read(
        raw.name,
        frame,
        column,
        task,
        drop,
        group=None,
        time=None,
        weight=None,
        test=None,
        test_size=TEST_SIZE,
        seed=seed,
        format=format,
    )
    y, frame = rows.target.y[rows.kept], rows.frame[rows.kept]  # what `train` holds out, the search does not see
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    tried: list[dict[str, Any]] = []
    limit = Limit(float("inf") if time_limit is None else time.monotonic() + time_limit)
    folds = plain_folds(y, FOLDS, seed)
    with executor_of(cluster) as who, stop_on_interrupt(who in HERE) as stop, show_passes("search", progress) as show:
        limit.stop = stop
        lesson = Lesson.of(
            frame,
            y,
            rows.target.codec,
            rows.encoder,
            folds,
            ENCODINGS.values(),
            seed=seed,
            limit=limit,
            init=ONE["init"],  # as the command draws it
        )
        while len(tried) < trials and not (tried and limit.reached()):
            asked = [study.ask() for _ in range(min(AT_ONCE, trials - len(tried)))]
            presets = [preset_of(trial) for trial in asked]
            try:
                scores = scores_of(lesson, presets, who)
            except KeyboardInterrupt:  # where trials run elsewhere: what still ran there has ended
                if not tried:
                    raise
                stop.asked = True
                break
            for trial, preset, score in zip(asked, presets, scores, strict=True):
                study.tell(trial, score, state=None if score is not None else optuna.trial.TrialState.FAIL)
                tried.append({"options": options_of(preset, len(y)), "score": score})
            show(len(tried) / trials)
    scored = [trial for trial in tried if trial["score"] is not None]
    if not scored and limit.reason == "interrupted":
        raise KeyboardInterrupt
    if not scored:
        raise Divergence("every network diverged: look for huge values in the table", step=0)
    best = min(scored, key=lambda trial: trial["score"])
    given = {"table": table, "target": target, "dataset": dataset, "task": task, "drop": tuple(drop), "seed": seed}
    defaults = {name: parameter.default for name, parameter in signature(train).parameters.items()}
    command = command_of(train, defaults | given | best["options"])
    return SearchResult(best["options"], best["score"], tried, limit.reason, command)


def imported() -> Any:
    """Optuna, silent; BacklitError in one line if it is not installed."""
    try:
        import optuna
    except ImportError:
        raise BacklitError("search needs the package optuna: pip install 'backlit[search]'") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def preset_of(trial: Any) -> Preset:
    """A point of the space, as Optuna suggests it."""
    width = trial.suggest_categorical("width", [16, 64, 128, 256, 512])
    return Preset(
        name=f"trial {trial.number}",
        bins=ENCODINGS[trial.suggest_categorical("encoding", list(ENCODINGS))],
        hidden=(width,) * trial.suggest_int("depth", 1, 3),
        activation=trial.suggest_categorical("activation", ["gelu", "relu", "mish", "selu"]),
        norm=trial.suggest_categorical("norm", [None, "batch", "layer"]),
        dropout=round(trial.suggest_float("dropout", 0.0, 0.5, step=0.05), 2),
        learning_rate=float(f"{trial.suggest_float('learning_rate', 3e-4, 1e-2, log=True):.2g}"),
        schedule=trial.suggest_categorical("schedule", ["constant", "cosine"]),
    )


def executor_of(cluster: Any) -> AbstractContextManager[Any]:
    """Who runs the trials: threads of this process, or processes that are started once for all of them."""
    if isinstance(cluster, int) and cluster > 0:
        return Processes(cluster)
    return nullcontext("threads" if cluster in (None, 0) else cluster)


def scores_of(lesson: Lesson, presets: list[Preset], who: Any) -> list[float | None]:
    """The mean loss of each preset over the folds; None where a fold diverged or was not trained."""
    jobs = [
        Job(train_fold, (lesson, preset.bins, fold, [preset], True), name=preset.name)
        for preset in presets
        for fold in range(lesson.folds.K)
    ]
    results = list(run_jobs(jobs, how=who, n_threads=1, shared=lesson.shared_parts))
    scores: list[float | None] = []
    for k in range(len(presets)):
        found = [
            member.score for trained in results[k * lesson.folds.K : (k + 1) * lesson.folds.K] for member in trained
        ]
        scores.append(float(np.mean(found)) if len(found) == lesson.folds.K else None)
    return scores


def options_of(preset: Preset, rows: int) -> dict[str, Any]:
    """The options of `train` that make such a network on so many rows."""
    settings = preset.settings(rows, 0, "auto", "validation_loss")
    options = {
        "encoding": next(name for name, bins in ENCODINGS.items() if bins == preset.bins),
        "hidden": list(preset.hidden),
        "activation": preset.activation,
        "norm": preset.norm,
        "dropout": preset.dropout,
        "optimizer": {"name": "adamw", "learning_rate": preset.learning_rate},
        "schedule": preset.schedule,
        "l2": 0.0,
        "epochs": settings.epochs,
        "batch_size": settings.batch_size,
        "patience": preset.patience,
    }
    return {name: value for name, value in options.items() if value is not None}
