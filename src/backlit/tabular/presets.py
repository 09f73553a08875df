"""The networks of a table: the presets that an ensemble chooses among, how much work each quality is allowed.

Presets were chosen together, on many tables: each is best somewhere, and their average nearly everywhere.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from backlit.core.network import Dense, Network
from backlit.core.parameters import Parameters
from backlit.errors import ProblemError, near
from backlit.tables import TableEncoder, Target, TargetCodec
from backlit.tables.fitting import Bins
from backlit.training import Settings

Array = np.ndarray
PLAIN, EIGHT, QUANTILES, FINE = Bins(), Bins(8, by_target=True), Bins(24), Bins(48)
BY_TARGET, STEPS = Bins(24, by_target=True), Bins(24, by_target=True, steps=True)
ENCODINGS = {
    "no_bins": PLAIN,
    "quantiles": QUANTILES,
    "fine": FINE,
    "by_target": BY_TARGET,
    "eight_by_target": EIGHT,
    "steps": STEPS,
}
ROWS_A_RUN, FEWEST = 400_000, 8  # rows that a network sees in all, and epochs at least
MOST = {"constant": 160, "cosine": 80}  # at most: patience ends the one, and the other's rate falls over all of them
FULL_ROWS = 3_000  # beyond which there are fewer presets and folds
MANY_ROWS = 50_000  # beyond which there are fewer trials and finalists
FEWEST_PRESETS, FEWEST_FOLDS = 4, 3


@dataclass(frozen=True)
class Preset:
    """How one network is made and trained.

    name : what `members` calls it.  bins : how numbers are encoded.  log_target : whether it learns the log of a
    target that is positive.  Other fields are those of `Dense` and of AdamW.
    """

    name: str
    bins: Bins
    hidden: tuple[int, ...] = (256, 256)
    activation: str = "gelu"
    norm: str | None = None
    dropout: float = 0.15
    learning_rate: float = 0.001
    weight_decay: float = 0.01
    schedule: str = "constant"
    patience: int = 14
    log_target: bool = False

    @property
    def work(self) -> int:
        """Weights of its network for 128 features, by which long trainings are told from short ones.

        >>> PRESETS[0].work > PRESETS[2].work > PRESETS[3].work > 0
        True
        """
        return sum(before * units for before, units in pairwise((128, *self.hidden, 1)))

    def settings(self, rows: int, seed: int, engine: str, monitor: Any) -> Settings:
        """How it is trained on so many rows: the fewer they are, the smaller the batches and the more the epochs.

        >>> told = BINS_BY_TARGET.settings(4000, 0, "auto", "validation_loss")
        >>> told.epochs, told.batch_size
        (100, 128)
        """
        return Settings(
            epochs=max(FEWEST, min(MOST[self.schedule], round(ROWS_A_RUN / rows))),
            batch_size=min(rows, batch_size(rows)),
            optimizer={"name": "adamw", "learning_rate": self.learning_rate, "weight_decay": self.weight_decay},  # type: ignore[arg-type]  # which Settings takes
            schedule=self.schedule,  # type: ignore[arg-type]  # likewise
            monitor=monitor,
            patience=self.patience,
            tol=0.0,
            restore_best=True,
            seed=seed,
            engine=engine,
            n_threads=1,  # members run side by side
        )


def batch_size(rows: int) -> int:
    """A power of two near rows/24 within 16 and 128, and near rows/256 for very many.

    >>> batch_size(500), batch_size(8000), batch_size(100_000)
    (16, 128, 512)
    """
    return int(2 ** max(4, min(7, round(math.log2(rows / 24))), min(10, round(math.log2(rows / 256)))))


BINS_BY_TARGET = Preset("bins by target", BY_TARGET, dropout=0.3)
PRESETS = (  # those first that add most to the ones before them, so that less work still has what differs most
    Preset("no bins", PLAIN, learning_rate=0.003, schedule="cosine"),
    Preset("batch norm", QUANTILES, norm="batch"),
    Preset("small", BY_TARGET, hidden=(16,), dropout=0.0, learning_rate=0.003),
    Preset("additive", BY_TARGET, hidden=(), dropout=0.0, learning_rate=0.01, schedule="cosine"),
    Preset("steps", STEPS, dropout=0.3),
    Preset("eight bins by target", EIGHT, learning_rate=0.002, schedule="cosine"),
    Preset("quantile bins", QUANTILES, learning_rate=0.002, schedule="cosine"),
    BINS_BY_TARGET,
    Preset("one wide layer", BY_TARGET, hidden=(512,), dropout=0.3, learning_rate=0.002),
    Preset("fine bins", FINE, weight_decay=0.3),
    Preset("deep", BY_TARGET, hidden=(256, 256, 256)),
    Preset("mish", Bins(16), activation="mish"),
)


@dataclass(frozen=True)
class Quality:
    """How much work is done: presets that are tried, on how many of the folds first, and how many go on to all.

    finalist_rows : finalists times training rows, at most, but for two finalists.
    """

    presets: int
    folds: int
    trial_folds: int
    finalists: int
    finalist_rows: int = 12_000

    def for_rows(self, rows: int) -> "Quality":
        """The same for so many training rows: the more they are, the less another network adds, and the more it costs.

        >>> QUALITIES["good"].for_rows(4_000).finalists, QUALITIES["good"].for_rows(8_000).finalists
        (3, 2)
        >>> QUALITIES["good"].for_rows(1_000_000)
        Quality(presets=4, folds=3, trial_folds=1, finalists=1, finalist_rows=12000)
        """
        root, share = math.sqrt(FULL_ROWS / rows), min(1.0, MANY_ROWS / rows)
        return replace(
            self,
            presets=min(self.presets, max(FEWEST_PRESETS, round(self.presets * root))),
            folds=min(self.folds, max(FEWEST_FOLDS, round(self.folds * root))),
            trial_folds=max(1, round(self.trial_folds * share)),
            finalists=min(self.finalists, max(1, round(2 * share), round(self.finalist_rows / rows))),
        )


QUALITIES = {
    "fast": Quality(presets=4, folds=4, trial_folds=1, finalists=2),
    "good": Quality(presets=7, folds=8, trial_folds=2, finalists=5),
    "best": Quality(presets=12, folds=10, trial_folds=3, finalists=7, finalist_rows=30_000),
}


def quality_of(name: str) -> Quality:
    """The quality of that name; ProblemError for another."""
    if name not in QUALITIES:
        raise ProblemError(f"unknown quality {name!r}: {near(name, QUALITIES)}")
    return QUALITIES[name]


# --- the network, and the scale in which it learns its target ---------------------------------------------------------


def target_scale(y: Array, weight: Array | None) -> tuple[float, float]:
    """Mean and standard deviation of the training rows' numbers (m,), by which regression learns a number near 1."""
    mean = np.average(y, weights=weight)
    return float(mean), float(np.sqrt(np.average((y - mean) ** 2, weights=weight))) or 1.0


def unscale(params: Parameters, shift: float, scale: float) -> None:
    """Fold the target's scale into the last layer, so that the network gives the target itself."""
    params.W[-1][:] *= scale
    params.b[-1][:] = params.b[-1] * scale + shift


def build_network(
    encoder: TableEncoder,
    target: Target | TargetCodec,
    hidden: Sequence[int],
    activation: str,
    *,
    norm: Any,
    dropout: float,
    l2: float,
) -> Network:
    """The network for a table: hidden layers alike, and the output and loss that the task asks for."""
    layers = [Dense(units, activation, norm=norm, dropout=dropout) for units in hidden]
    K = len(target.classes)
    if target.task == "regression":
        output, loss = Dense(1, "identity"), "half_squared_error"
    elif K == 2:
        output, loss = Dense(1, "sigmoid"), "binary_cross_entropy"
    else:
        output, loss = Dense(K, "softmax"), "cross_entropy"
    return Network(len(encoder.feature_names_out), [*layers, output], loss=loss, l2=l2)
