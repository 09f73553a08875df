"""The training rows of a surveyed table as a stream: read, encoded and handed to the trainer a buffer at a time."""

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from backlit.engine import Data
from backlit.errors import TableError
from backlit.io.tables.folder import Chunk
from backlit.io.tables.surveying import CELL, TRAINING, Survey, rows_at_once, targets

Array = np.ndarray
CHUNKS_IN_A_BUFFER = 16


@dataclass(frozen=True)
class TableStream:
    """See `training.Stream`.

    An epoch shuffles the chunks of the table, fills a buffer with as many as `buffer_rows`
    allow, and shuffles its rows.
    as_Y : from class indices or numbers (m,) to Y (m, n_L).
    """

    survey: Survey
    buffer_rows: int
    as_Y: Callable[[Array], Array]
    outputs: int
    is_sparse: ClassVar[bool] = False

    def __len__(self) -> int:
        return self.survey.n[TRAINING]

    @cached_property
    def chunks(self) -> list[Chunk]:
        """The pieces in which the table is read, those without training rows left out."""
        most = min(rows_at_once(len(self.survey.table.schema)), self.buffer_rows // CHUNKS_IN_A_BUFFER // CELL * CELL)
        return [chunk for chunk in self.survey.table.chunks(max(most, CELL)) if self.survey.training_rows(chunk)]

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
            (file.name, rows, file.stat().st_size)
            for file, rows in zip(survey.table.files, survey.table.rows, strict=True)
        ]
        described = json.dumps([survey.encoder.to_dict(), survey.codec.to_dict(), files, self.buffer_rows])
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


def has_value(column: Any) -> Array:
    """Which rows (m,) are neither null nor NaN."""
    return (column.is_not_nan().fill_null(False) if column.dtype.is_float() else column.is_not_null()).to_numpy()
