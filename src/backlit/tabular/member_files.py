"""Finished networks of an ensemble in a folder, each a model file, from which an interrupted ensemble goes on."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backlit.errors import ModelError, ProblemError
from backlit.files import checksum
from backlit.formats.models import Model, load_model, save_model
from backlit.tabular.members import Lesson, Trained, judged, settings_of
from backlit.tabular.presets import Preset
from backlit.training import History
from backlit.training.checkpoint import FILE, first_difference, make_folder, short
from backlit.training.run import Epoch

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
    def of(cls, folder: Path | None, lesson: Lesson) -> "MemberFiles":
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
        notes, now = model.training, as_stored({**self.run, "preset": asdict(preset)})
        try:
            preset_before = notes["preset"]
            preset_before["bins"].setdefault("steps", False)  # not told by version 0.1 and before
            before = {**notes["run"], "preset": preset_before}
            history = history_of(notes["history"])
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


def history_of(told: dict[str, Any]) -> History:
    """The history that `to_dict` was called on."""
    epochs = [Epoch(**{**epoch, "gradient_norms": tuple(epoch["gradient_norms"])}) for epoch in told["epochs"]]
    return History(epochs, told["best_epoch"], told["stopped"])


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


def as_stored(value: Any) -> Any:
    """The same as JSON gives it back."""
    return json.loads(json.dumps(value))
