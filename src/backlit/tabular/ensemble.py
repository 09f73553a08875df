"""An ensemble of a table: presets tried on some folds, the best of them trained on all, and weighed by what they say
of rows that they never learned from.

Finished networks may be kept in a folder, each a model file, from which an interrupted ensemble goes on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backlit.errors import Divergence, ModelError, ProblemError
from backlit.files import checksum
from backlit.formats.ensembles import Ensemble, Member
from backlit.formats.models import Model, load_model, save_model
from backlit.jobs import Executor, Job, run_jobs
from backlit.tables import TableEncoder, TargetCodec
from backlit.tables.fitting import Bins
from backlit.tabular.blend import blended, final_outputs, fit_temperature, greedy_weights
from backlit.tabular.members import HERE, Lesson, Limit, Trained, check_presets, judged, settings_of, train_fold
from backlit.tabular.presets import BINS_BY_TARGET, PRESETS, Preset, Quality
from backlit.tabular.table_rows import Folds
from backlit.training import History
from backlit.training.checkpoint import FILE, claimed, first_difference, make_folder, short
from backlit.training.engine_check import EngineCheck
from backlit.training.progress import show_passes, stop_on_interrupt

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray
SKEWED = 1.0  # a positive target of at least this skewness may be learned by its log


@dataclass(frozen=True)
class Learned:
    """What training an ensemble gives.

    ensemble : without notes on its training.  rows, outputs : training rows (m,), and what the ensemble says of them by
    members that never learned from them: probabilities (m, K) or numbers (m,).  trained : the members' trainings,
    in their order.  checks : of the engine's gradient, one for each kind of layers.  stopped : "finished", "time limit"
    or "interrupted".  notes : what was left out.
    """

    ensemble: Ensemble
    rows: Array
    outputs: Array
    trained: tuple[Trained, ...]
    checks: tuple[EngineCheck, ...]
    stopped: str
    seconds: float
    notes: tuple[str, ...]
    seed: int

    @property
    def epochs(self) -> int:
        """Passes over the rows, of all members."""
        return sum(member.epochs for member in self.ensemble.members)


def train_ensemble(
    table: pl.DataFrame,
    y: Array,
    target: TargetCodec,
    encoder: TableEncoder,
    folds: Folds,
    quality: Quality,
    *,
    weight: Array | None = None,
    metric: str | None = None,
    seed: int = 0,
    engine: str = "auto",
    time_limit: float | None = None,
    checkpoint: Path | None = None,
    how: str | Executor = "threads",
    workers: int | None = None,
    progress: bool = False,
) -> Learned:
    """Train an ensemble on the rows of a table.

    table, y : training rows, their targets as class indices or numbers (n,).  encoder : fitted to them.
    metric : what presets are chosen and networks stopped by; log loss or root mean square error if not given.
    time_limit : seconds after which the best so far is kept; the first network has an epoch all the same.
    checkpoint : a folder that keeps finished networks, from which a run that was stopped goes on.
    Raises Divergence where no network stayed finite.
    """
    started = time.monotonic()
    presets = presets_for(y, target, quality)
    alone = claimed(checkpoint) if checkpoint else nullcontext()
    with stop_on_interrupt(how in HERE) as stop, alone:
        lesson = Lesson.of(
            table,
            y,
            target,
            encoder,
            folds,
            {preset.bins for preset in presets},
            weight=weight,
            metric=metric,
            seed=seed,
            engine=engine,
            limit=Limit(float("inf") if time_limit is None else started + time_limit, stop),
        )

        train = partial(
            train_members, lesson, MemberFiles.of(checkpoint, lesson), how=how, workers=workers, progress=progress
        )
        checks = tuple(check_presets(lesson, presets))
        trials = min(quality.trial_folds, folds.K)
        trained: list[Trained] = []
        for fold in range(trials):
            trained += train(presets, [fold], f"trying {len(presets)} presets", must=fold == 0)
            if not trained and lesson.limit.reason == "interrupted":
                raise KeyboardInterrupt
            if not trained:
                raise Divergence("every network diverged: look for huge values in the table, or give --hidden", step=0)
            presets = best_presets(lesson, presets, trained, quality.finalists, left=trials - 1 - fold)
            trained = [member for member in trained if member.preset in presets]
        trained += train(presets, range(trials, folds.K), f"training {len(presets)} presets on all folds")
        reason = lesson.limit.reason
    wanted = len(presets) * folds.K
    notes = [] if len(trained) == wanted else [missing_note(wanted, len(trained), reason)]
    return learned(lesson, presets, trained, checks, reason, time.monotonic() - started, notes)


def presets_for(y: Array, target: TargetCodec, quality: Quality) -> list[Preset]:
    """The presets that a quality tries; one more, which learns the log, for a skewed positive target."""
    presets = list(PRESETS[: quality.presets])
    if target.task == "regression" and y.min() > 0:
        apart = y - y.mean()
        if (apart**3).mean() > SKEWED * (apart**2).mean() ** 1.5:
            name = f"{BINS_BY_TARGET.name}, log of the target"
            presets.append(replace(BINS_BY_TARGET, name=name, log_target=True))
    return presets


def train_members(
    lesson: Lesson,
    files: MemberFiles,
    presets: Sequence[Preset],
    folds: Iterable[int],
    name: str,
    *,
    must: bool = False,
    how: str | Executor,
    workers: int | None,
    progress: bool,
) -> list[Trained]:
    """Train presets on folds, but for the members that the files hold, and keep each in the files.

    must : whether there is to be at least one, whatever the limit says.
    """
    encodings = dict.fromkeys(preset.bins for preset in presets)
    order = [(fold, p) for fold in folds for bins in encodings for p in presets if p.bins == bins]
    loaded = ((fold, preset, files.load(lesson, preset, fold)) for fold, preset in order)
    trained = {(fold, preset): member for fold, preset, member in loaded if member is not None}
    if lesson.limit.stop.asked:
        return [trained[key] for key in order if key in trained]
    jobs = jobs_of(lesson, [key for key in order if key not in trained], must and not trained)
    with show_passes(name, progress) as show:
        try:
            for members in run_jobs(
                jobs,
                how=how,
                workers=workers,
                n_threads=1,
                show=lambda k, n: show(k / n),
                shared=lesson.shared_parts,
            ):
                for member in members:
                    files.save(member)
                    trained[member.fold, member.preset] = member
        except KeyboardInterrupt:  # where jobs run elsewhere: what still ran there has ended
            if not trained and must:
                raise
            lesson.limit.stop.asked = True
    return [trained[key] for key in order if key in trained]


def jobs_of(lesson: Lesson, wanted: Iterable[tuple[int, Preset]], must: bool) -> list[Job]:
    """One job for each fold and encoding, whose presets share the encoded rows; the longest of a fold first.

    must : whether the first has to give a network, whatever the limit says.
    """
    groups: dict[tuple[int, Bins], list[Preset]] = {}
    for fold, preset in wanted:
        groups.setdefault((fold, preset.bins), []).append(preset)
    order = sorted(groups.items(), key=lambda group: (group[0][0], -sum(preset.work for preset in group[1])))
    return [
        Job(train_fold, (lesson, bins, fold, presets, must and not k), name=f"networks of fold {fold}")
        for k, ((fold, bins), presets) in enumerate(order)
    ]


def outputs_of_presets(lesson: Lesson, presets: Sequence[Preset], trained: Iterable[Trained]) -> Array:
    """(P, n, K): what each preset's members say of the rows that they left out; NaN where none did."""
    K = max(len(lesson.target.classes), 1)
    outputs = np.full((len(presets), len(lesson.y), K), np.nan)
    for member in trained:
        outputs[presets.index(member.preset), member.rows] = member.outputs
    return outputs


def blend_loss(lesson: Lesson, rows: Array) -> Callable[[Array], float]:
    """The measure of blended outputs of these rows."""
    y, weight = lesson.y[rows], None if lesson.weight is None else lesson.weight[rows]
    return lambda outputs: lesson.measure(outputs, y, weight)


def best_presets(lesson: Lesson, presets: list[Preset], trained: list[Trained], most: int, left: int) -> list[Preset]:
    """Those that a blend of the folds so far would take, the heaviest first, at most so many.

    left : trials still to come, before each of which one more may stay, and one without weight too, by its own loss.
    """
    weights = weigh(lesson, presets, trained, start=0)
    scores = [[member.score for member in trained if member.preset == preset] for preset in presets]
    losses = [float(np.mean(score)) if score else np.inf for score in scores]
    order = sorted(range(len(presets)), key=lambda p: (-weights[p], losses[p]))[: most + left]
    return [presets[p] for p in order if weights[p] > 0 or (left and scores[p])]


def weigh(lesson: Lesson, presets: Sequence[Preset], trained: Sequence[Trained], start: int) -> Array:
    """Greedy weights (P,) on the rows of which every preset says something that any says something of.

    start : votes that each preset has before the first round.
    """
    present = [p for p, preset in enumerate(presets) if any(member.preset == preset for member in trained)]
    outputs = outputs_of_presets(lesson, presets, trained)[present]
    speaks = ~np.isnan(outputs[:, :, 0])
    rows = np.flatnonzero(speaks.all(axis=0))
    if not rows.size:  # no row that all speak of: each counts alike
        rows, start = np.flatnonzero(speaks.any(axis=0)), 1
    weights = np.zeros(len(presets))
    weights[present] = greedy_weights(outputs[:, rows], blend_loss(lesson, rows), np.full(len(present), start))
    return weights


def learned(
    lesson: Lesson,
    presets: list[Preset],
    trained: list[Trained],
    checks: tuple[EngineCheck, ...],
    reason: str,
    seconds: float,
    notes: list[str],
) -> Learned:
    """Weigh the finalists, fit the temperature, and put the ensemble together."""
    weights = weigh(lesson, presets, trained, start=1)
    outputs = blended(outputs_of_presets(lesson, presets, trained), weights)
    rows = np.flatnonzero(~np.isnan(outputs[:, 0]))
    z, y = outputs[rows], lesson.y[rows]
    temperature, residual, fold = 1.0, None, None
    if lesson.target.task == "classification":
        temperature = fit_temperature(z, y, None if lesson.weight is None else lesson.weight[rows])
    else:
        residual, fold = y - z[:, 0], lesson.folds.of[rows]
    counts = [sum(m.preset == p for m in trained) for p in presets]
    share = {p: w / n for p, w, n in zip(presets, weights, counts, strict=True) if w}
    kept = [member for member in trained if member.preset in share]
    total = sum(share[member.preset] for member in kept)
    members = tuple(
        Member(m.model, m.preset.name, m.fold, share[m.preset] / total, len(m.history), m.score) for m in kept
    )
    ensemble = Ensemble(members, lesson.target, temperature, residual, fold)
    final = final_outputs(ensemble, z)
    return Learned(ensemble, rows, final, tuple(kept), checks, reason, seconds, tuple(notes), lesson.seed)


def missing_note(wanted: int, found: int, reason: str) -> str:
    """What there is to say where some networks are missing."""
    left = f"{wanted - found} of {wanted} networks"
    if reason == "finished":
        return f"{left} diverged and were left out"
    why = "the time limit was reached" if reason == "time limit" else "it was interrupted"
    return f"{left} were not trained, as {why}: the model is the best until then"


# --- finished networks in a folder ------------------------------------------------------------------------------------

ROWS = 50_000  # that are encoded at once
FINISHED = ("epochs", "patience")  # why a network may have stopped that would stop there again


@dataclass(frozen=True)
class MemberFiles:
    """The folder of one ensemble.

    folder : where the files are; None keeps nothing.  run : what must be the same for them to be used again.
    """

    folder: Path | None
    run: dict[str, Any]

    @classmethod
    def of(cls, folder: Path | None, lesson: Lesson) -> MemberFiles:
        """The folder for what is to be learned; made now, so that nothing is learned in vain.

        Raises ProblemError where it holds the run of one network.
        """
        if folder is None:
            return cls(None, {})
        make_folder(folder)
        if (folder / FILE).exists():
            raise ProblemError(f"{folder} holds the run of one network: give its options again, or another folder")
        return cls(folder, fingerprint(lesson))

    def path(self, preset: Preset, fold: int) -> Path:
        """Where a member is kept."""
        assert self.folder is not None
        return self.folder / f"{preset.name}, fold {fold}.safetensors"

    def save(self, member: Trained) -> None:
        """Keep a member, unless a limit cut its training short.  Raises BacklitError if it cannot be written."""
        if self.folder is None or member.history.stopped not in FINISHED:
            return
        notes = {
            "run": self.run,
            "preset": asdict(member.preset),
            "history": member.history.to_dict(),
            "engine": member.engine,
        }
        model = member.model
        save_model(
            Model(model.params, model.statistics, model.encoder, model.target, notes),
            self.path(member.preset, member.fold),
        )

    def load(self, lesson: Lesson, preset: Preset, fold: int) -> Trained | None:
        """The member that the folder has, None where it has none.

        Raises ModelError for a file that is damaged, ProblemError for one of another run.
        """
        if self.folder is None or not (path := self.path(preset, fold)).exists():
            return None
        model = load_model(path)
        notes = model.training
        now = json.loads(json.dumps({**self.run, "preset": asdict(preset)}))  # as the file gives it back
        try:
            preset_before = notes["preset"]
            preset_before["bins"].setdefault("steps", False)  # not told by version 0.1 and before
            before = {**notes["run"], "preset": preset_before}
            history = History.from_dict(notes["history"])
        except (KeyError, TypeError):
            raise ModelError(f"{path}: not a network that --checkpoint kept: remove it") from None
        if now != before:
            where, was, is_now = first_difference("run", before, now)
            raise ProblemError(
                f"{path} belongs to another run: its {where.removeprefix('run.')} was {short(was)}, now it is "
                f"{short(is_now)}: give the same again, or another folder"
            )
        rows, left_out = lesson.folds.parts(fold)
        assert model.encoder is not None
        X = model.encoder.transform(lesson.table[left_out], np.float32)
        outputs, score = judged(lesson, model.params, model.statistics, X, left_out)
        settings = settings_of(lesson, preset, fold, len(rows))
        model = Model(model.params, model.statistics, model.encoder, lesson.target)
        return Trained(preset, fold, model, left_out, outputs, score, history, settings, notes["engine"])


def fingerprint(lesson: Lesson) -> dict[str, Any]:
    """Data, folds, seed and what networks stop by: with a preset, all that a member's bits hang on."""
    table, check = lesson.table, 0
    for start in range(0, len(table), ROWS):
        check = checksum(lesson.encoder.transform(table[start : start + ROWS], np.float64), check)
    for array in (lesson.y, lesson.folds.of, lesson.weight):
        check = check if array is None else checksum(array, check)
    return {
        "seed": lesson.seed,
        "engine": lesson.engine,
        "metric": lesson.metric,
        "target": lesson.target.to_dict(),
        "folds": {"number": lesson.folds.K, "past": lesson.folds.past},
        "data": {"rows": len(table), "features": len(lesson.encoder.feature_names_out), "checksum": check},
    }
