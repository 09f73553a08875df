"""`train` on a table that stays on the disk: a survey, epochs of buffers, and a pass that scores."""

import json
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from backlit.core.network import Network
from backlit.core.targets import as_targets
from backlit.engine import Data
from backlit.errors import ProblemError, TableError
from backlit.formats.models import Model
from backlit.jobs import on
from backlit.tables.messages import count
from backlit.tables.parquet import Chunk, ParquetTable, Piece, size_of
from backlit.tables.scan import CELL, TEST, TRAINING, VALIDATION, Parts, Survey, rows_at_once, survey, targets
from backlit.tables.target import Task
from backlit.tabular.presets import build_network, unscale
from backlit.tabular.remarks import describe_typical, without_area
from backlit.tabular.result import TrainResult, made_by, notes_on_shards
from backlit.tabular.scoring import has_value, outputs_of
from backlit.tabular.streamed_scores import SAMPLE, Scores
from backlit.training import Outcome, Settings, Shards, fit
from backlit.training.engine_check import EngineCheck, check_engine
from backlit.training.progress import show_passes
from backlit.training.sharding import check_shards

Array = np.ndarray
CHUNKS_IN_A_BUFFER = 16


@dataclass(frozen=True)
class Targets:
    """From class indices or numbers (m,) to Y (m, n_L), in the scale in which a network learns them."""

    net: Network
    shift: float
    scale: float

    def __call__(self, y: Array) -> Array:
        """Y."""
        regression = self.net.loss.name == "half_squared_error"  # as `build_network` has it
        return as_targets(self.net, (y - self.shift) / self.scale if regression else y, len(y), np.float32)


@dataclass(frozen=True)
class TableStream:
    """See `training.Stream`.

    An epoch shuffles the chunks of the table, fills a buffer with as many as `buffer_rows`
    allow, and shuffles its rows.
    as_Y : from class indices or numbers (m,) to Y (m, n_L).
    shard, S : which of S shards of the table it is; the chunks are dealt out one by one.
    """

    survey: Survey
    buffer_rows: int
    as_Y: Callable[[Array], Array]
    outputs: int
    shard: int = 0
    S: int = 1
    is_sparse: ClassVar[bool] = False

    def __len__(self) -> int:
        return self.rows

    @cached_property
    def rows(self) -> int:
        """Its training rows."""
        return self.survey.n[TRAINING] if self.S == 1 else sum(map(self.survey.training_rows, self.chunks))

    @cached_property
    def chunks(self) -> list[Chunk]:
        """The pieces in which the table is read, those without training rows left out."""
        most = min(rows_at_once(len(self.survey.table.schema)), self.buffer_rows // CHUNKS_IN_A_BUFFER // CELL * CELL)
        if self.S > 1:  # a table that is read in few pieces has enough for all
            most = min(most, len(self.survey.table) // (CHUNKS_IN_A_BUFFER * self.S) // CELL * CELL)
        chunks = [chunk for chunk in self.survey.table.chunks(max(most, CELL)) if self.survey.training_rows(chunk)]
        return chunks[self.shard :: self.S]

    def shards(self, S: int) -> list["TableStream"]:
        """The same rows in S shards, whose buffers together are as large.  Raises ProblemError for too few rows."""
        check_shards(S, len(self))
        shards = [replace(self, shard=s, S=S, buffer_rows=max(self.buffer_rows // S, 1)) for s in range(S)]
        if not len(shards[-1]):
            there = sum(bool(len(shard)) for shard in shards)
            raise ProblemError(f"{S} shards need {S} pieces of {CELL:,} rows, and the table has {there}: give fewer "
                               f"shards")  # fmt: skip
        return shards

    def buffers(self, seed: int, epoch: int, shuffle: bool) -> list[list[Chunk]]:
        """The chunks of each buffer of an epoch, in its order."""
        order = (
            np.random.default_rng((seed, epoch)).permutation(len(self.chunks)) if shuffle else range(len(self.chunks))
        )
        buffers: list[list[Chunk]] = []
        filled = self.buffer_rows
        for k in order:
            rows = self.survey.training_rows(self.chunks[k])
            if filled + rows > self.buffer_rows:
                buffers.append([])
                filled = 0
            buffers[-1].append(self.chunks[k])
            filled += rows
        return buffers

    def sizes(self, seed: int, epoch: int, shuffle: bool) -> list[int]:
        """Rows of each buffer."""
        return [sum(map(self.survey.training_rows, chunks)) for chunks in self.buffers(seed, epoch, shuffle)]

    def loads(self, seed: int, epoch: int, shuffle: bool, first: int, heads: Sequence[int]) -> Iterator[Data]:
        """The buffers from number `first` on."""
        sizes, buffers = self.sizes(seed, epoch, shuffle), self.buffers(seed, epoch, shuffle)
        for chunks, size, head in zip(buffers[first:], sizes[first:], heads, strict=True):
            yield self.load(chunks, size, head)

    def load(self, chunks: Sequence[Chunk], size: int, head: int) -> Data:
        """The training rows of some chunks, `size` of them, behind `head` unwritten rows."""
        X = np.empty((head + size, len(self.survey.encoder.feature_names_out)), np.float32)
        Y = np.empty((head + size, self.outputs), np.float32)
        at = head
        for chunk in chunks:
            x, y = read_part(self.survey, chunk, TRAINING)
            X[at : at + len(x)], Y[at : at + len(x)] = x, self.as_Y(y)
            at += len(x)
        return Data(X, Y)

    def digest(self) -> list[Any]:
        """Rows, type and a checksum of what was learned of the table, its files and its target."""
        survey = self.survey
        files = [
            (file.name, rows, size_of(file)) for file, rows in zip(survey.table.files, survey.table.rows, strict=True)
        ]
        learned = replace(survey.encoder, format=None).to_dict()  # the format shows in the checksum of the values
        part = [] if self.S == 1 else [[self.shard, self.S]]
        described = json.dumps([learned, survey.codec.to_dict(), files, self.buffer_rows, *part])
        return [len(self), "float32", zlib.crc32(described.encode(), survey.checksum)]


def read_part(survey: Survey, chunk: Chunk, *parts: int) -> tuple[Array, Array]:
    """Features (m, n_0) and targets (m,) of a chunk's rows that have a target and are in one of the parts."""
    table = survey.table
    frame = table.read(chunk, columns_of(survey))
    part = survey.parts.of(chunk.first, chunk.rows)
    wanted = np.isin(part, parts) & has_value(frame[survey.codec.name])
    frame = frame.filter(wanted)
    try:
        return survey.encoder.transform(frame, np.float32), targets(survey.codec, frame[survey.codec.name])
    except TableError as error:
        raise TableError(f"{table.where(chunk)}: {error}") from None


def columns_of(survey: Survey) -> list[str]:
    """The columns that the model needs, and the target."""
    return [*(c.name for c in survey.encoder.columns if c.features), survey.codec.name]


MEGABYTE = 2**20
MOST_VALIDATION = 100_000  # rows that are held in memory to measure each epoch by
WIDEST_WORD = 102  # features of a text column at most


def train_streamed(
    path: str | Path,
    target: str,
    settings: Settings,
    *,
    network: dict[str, Any],
    init: str,
    task: Task | None,
    drop: Any,
    columns: dict[str, str],
    test_size: float,
    buffer_mb: float,
    checkpoint: str | Path | None,
    checkpoint_every: int | None,
    shards: int,
    progress: bool,
    cluster: Any,
) -> TrainResult:
    """See `train`; the memory it takes depends on `buffer_mb` and on the width of the table, not on its rows."""
    from backlit.distributed import engine_on

    if not buffer_mb > 0:
        raise ProblemError(f"buffer_mb is {buffer_mb}: give a size above 0, 64 unless told")
    table = ParquetTable.open(path).learn(columns)
    drop = [*drop, *(name for name, type in columns.items() if type == "ignore")]
    table.refuse_problems(drop)
    files = count(len(table.files), "Parquet file")
    say(progress, f"{path}: {count(len(table), 'row')} in {files}, streamed from the disk")
    budget = int(buffer_mb * MEGABYTE)
    parts = Parts(settings.seed, test_size, validation_share(table, test_size, budget))
    with show_passes("survey", progress) as show:
        found = survey(table, target, task, parts, drop=drop, show=show, run=on(cluster))
    features = len(found.encoder.feature_names_out)
    net = build_network(found.encoder, found.codec, network.pop("hidden"), network.pop("activation"), **network)
    as_Y = Targets(net, found.shift, found.scale)
    stream = TableStream(found, max(budget // (4 * (features + net.outputs)), 1), as_Y, net.outputs)
    settings = replace(settings, batch_size=min(settings.batch_size, len(stream)))
    validation = Data(
        found.encoder.transform(found.validation, np.float32), as_Y(targets(found.codec, found.validation[target]))
    )
    first = stream.load(stream.chunks[:1], found.training_rows(stream.chunks[0]), 0)
    params = net.init(init, seed=settings.seed, dtype=np.float32, X=first.X)
    params.W[1][:, found.encoder.silent_features] = 0
    checked = check_engine(net, params, first, settings)
    every = max(stream.buffer_rows // settings.batch_size, 1)
    learned = stream if shards == 1 else Shards.of(light(stream).shards(shards), settings)
    with engine_on(cluster, net, params, learned, settings, first) as engine:
        del first
        outcome = fit(
            net,
            params,
            learned,
            settings,
            validation=validation,
            progress=progress,
            checkpoint=checkpoint,
            checkpoint_every=every if checkpoint_every is None and checkpoint is not None else checkpoint_every,
            engine=engine,
        )
    if outcome.divergence is not None:
        raise outcome.divergence
    unscale(outcome.params, found.shift, found.scale)
    model = Model(outcome.params, outcome.statistics, found.encoder, found.codec)
    with show_passes("scores", progress) as show:
        scores = score_table(found, model, show, cluster)
    return summarize(found, model, scores, outcome, stream, checked, settings)


def light(stream: TableStream) -> TableStream:
    """The stream without what is held in memory beside it."""
    return replace(stream, survey=replace(stream.survey, validation=stream.survey.validation.clear()))


def validation_share(table: ParquetTable, test_size: float, budget: int) -> float:
    """A tenth of the rows that are not held out, or as many as the budget holds at the widest encoding."""
    widths = [1 if dtype.is_numeric() else WIDEST_WORD for dtype in table.schema.values()]
    most = max(min(MOST_VALIDATION, budget // (4 * sum(widths))), 10)
    return min(0.1 * (1 - test_size), most / len(table))


def score_table(found: Survey, model: Model, show: Any, cluster: Any) -> dict[str, Scores]:
    """Predict every row that has a target, in one more pass, and score the two parts."""
    scores, done = empty_scores(found, 0), 0
    pieces = found.table.pieces(rows_at_once(len(found.table.schema) + len(found.encoder.feature_names_out)))
    bare = replace(found, validation=found.validation.clear(), cells=())
    for piece, part in zip(pieces, on(cluster)(score_piece, [(bare, model, piece) for piece in pieces]), strict=True):
        for name, seen in part.items():
            scores[name].merge(seen)
        done += piece.rows
        show(done / len(found.table))
    return scores


def score_piece(found: Survey, model: Model, piece: Piece) -> dict[str, Scores]:
    """Predict the rows of a piece that have a target, and score the two parts."""
    alone = replace(found, table=piece.checked())
    scores = empty_scores(found, piece.chunks[0].first)
    for chunk in piece.chunks:
        for name, parts in SCORED.items():
            X, y = read_part(alone, chunk, *parts)
            scores[name].add(y, outputs_of(model, X))
    return scores


SCORED = {"train": (TRAINING, VALIDATION), "test": (TEST,)}


def empty_scores(found: Survey, first: int) -> dict[str, Scores]:
    """Scores of both parts before the row of number `first`."""
    rows = {name: sum(found.n[part] for part in parts) for name, parts in SCORED.items()}
    return {name: Scores(found.codec.task, len(found.codec.classes), SAMPLE / n, first) for name, n in rows.items()}


def summarize(
    found: Survey,
    model: Model,
    scores: dict[str, Scores],
    outcome: Outcome,
    stream: TableStream,
    checked: EngineCheck,
    settings: Settings,
) -> TrainResult:
    """Put everything together."""
    metrics = {name: each.metrics() for name, each in scores.items()}
    source, format = str(found.table.path), found.table.format
    read = format.notes([found.codec.name]) if format else ()
    training = made_by(source, settings.seed, len(outcome.history), metrics)
    training["typical_row"] = describe_typical(found.validation, found.encoder)
    y_test, test_outputs, _ = scores["test"].sampled()
    return TrainResult(
        task=found.codec.task,
        source=source,
        model=replace(model, training=training),
        metrics=metrics,
        history=outcome.history,
        gradient_check=checked,
        engine=outcome.engine.name,
        seconds=outcome.history.seconds,
        n_train=found.n[TRAINING] + found.n[VALIDATION],
        n_validation=found.n[VALIDATION],
        n_test=found.n[TEST],
        y_test=y_test,
        test_outputs=test_outputs,
        notes=(
            *found.notes,
            *notes_on(found, stream, scores),
            *notes_on_shards(outcome, settings),
            *read,
            *found.encoder.remarks(),
        ),
        settings=settings,
    )


def notes_on(found: Survey, stream: TableStream, scores: dict[str, Scores]) -> list[str]:
    """What streaming did that a table in memory would not have had."""
    buffers = len(stream.sizes(0, 1, shuffle=True))
    shuffled = (
        f"shuffled in {buffers} buffers of up to {stream.buffer_rows:,} rows" if buffers > 1 else "shuffled whole"
    )
    files = count(len(found.table.files), "file")
    notes = [
        f"streamed: {count(len(found.table), 'row')} of {files}, {shuffled} in each epoch",
        "not compared with other models, which learn in memory: train on one file of some of the rows for that",
    ]
    if found.codec.classes:
        notes += without_area(found.codec.classes, scores["test"].confusion.sum(axis=1))
    large = [name for name, each in scores.items() if each.n > SAMPLE]
    if large and found.codec.task == "classification":
        notes.append(f"ROC AUC of {' and '.join(large)} rows from a random sample of about {SAMPLE:,}")
    return notes


def say(wanted: bool, message: str) -> None:
    """Tell the user once, on standard error."""
    if wanted:
        print(message, file=sys.stderr, flush=True)
