"""Compressed files: gzip, bzip2, xz, Zstandard, and a zip archive of one file, unpacked within a bound."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable, Iterator
from typing import IO

from backlit.errors import TableError

SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".zip")
BLOCK = 1 << 22
SIP = 1 << 12  # packed bytes at a time, where a few may unpack to many


def zstd_blocks(data: bytes, path: object) -> Iterator[bytes]:
    """What a Zstandard file holds; TableError if nothing here can read it."""
    try:
        from zstandard import ZstdDecompressor
    except ImportError:
        raise TableError(
            f"{path}: is a Zstandard file, and reading it needs zstandard: pip install 'backlit[zstd]', or unzstd it"
        ) from None
    at = 0
    while at < len(data):  # frame by frame
        frame = ZstdDecompressor().decompressobj()
        while not frame.eof:
            if at >= len(data):
                raise EOFError("its end is missing")
            piece = data[at : at + SIP]
            yield frame.decompress(piece)
            at += len(piece) - len(frame.unused_data)


def zip_blocks(data: bytes, path: object) -> Iterator[bytes]:
    """What the one file in a zip archive holds; TableError if there are none or several."""
    archive = zipfile.ZipFile(io.BytesIO(data))
    inside = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX")]
    if any(name.startswith("xl/") for name in inside):
        raise TableError(f"{path}: is an Excel workbook: let its name end in .xlsx, or save the sheet as CSV")
    if len(inside) != 1:
        found = f"{len(inside)} files, such as {inside[0]!r}" if inside else "no file"
        raise TableError(f"{path}: is a zip archive with {found}: give one table a file, or unpack it")
    yield from blocks_of(archive.open(inside[0]))


def blocks_of(stream: IO[bytes]) -> Iterator[bytes]:
    """A stream to its end."""
    with stream:
        while block := stream.read(BLOCK):
            yield block


UNPACKERS: dict[bytes, Callable[[bytes, object], Iterator[bytes]]] = {  # by what the file begins with
    b"\x1f\x8b": lambda data, path: blocks_of(gzip.GzipFile(fileobj=io.BytesIO(data))),  # type: ignore[arg-type]
    b"BZh": lambda data, path: blocks_of(bz2.BZ2File(io.BytesIO(data))),
    b"\xfd7zXZ": lambda data, path: blocks_of(lzma.LZMAFile(io.BytesIO(data))),  # noqa: SIM115  `blocks_of` closes it
    b"\x28\xb5\x2f\xfd": zstd_blocks,
    b"PK\x03\x04": zip_blocks,
}


def unpacked(data: bytes, path: object, most: float) -> bytes:
    """What a compressed file holds; other data as they are.

    most : bytes that it may grow to.  Raises TableError where it would grow further, or is damaged.

    >>> unpacked(gzip.compress(b"a,b"), "t.csv.gz", 100), unpacked(b"a,b", "t.csv", 100)
    (b'a,b', b'a,b')
    """
    unpack = next((unpack for mark, unpack in UNPACKERS.items() if data.startswith(mark)), None)
    if unpack is None:
        return data
    blocks, size = [], 0
    try:
        for block in unpack(data, path):
            size += len(block)
            if size > most:
                raise TableError(
                    f"{path}: unpacks to more than {most / 2**30:,.1f} GiB, for which this machine has no room: "
                    f"unpack it and write it as Parquet, which --stream reads from the disk"
                )
            blocks.append(block)
    except TableError:
        raise
    except Exception as error:  # each of the libraries has errors of its own
        raise TableError(f"{path}: is a compressed file, cut or damaged ({error}): copy or write it anew") from None
    return b"".join(blocks)
