"""A file's bytes as UTF-8 text: unpacked where they are compressed, and brought to one encoding.

Unpacked are gzip, bzip2, xz, Zstandard, and a zip archive of one file, within a bound; read are UTF-8, UTF-16 and
UTF-32, and Windows-1252 where it is none of these.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable, Iterator
from typing import IO

from backlit.errors import TableError

SIGNATURES = {  # what a file that is not a text table begins with: name, remedy
    b"PAR1": ("a Parquet file", "let its name end in .parquet"),
    b"PK\x03\x04": ("a zip archive or an Excel workbook", "let a workbook's name end in .xlsx, and unpack an archive"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "let its name end in .xls"),
    b"SQLite format 3": ("an SQLite database", "export the table as CSV"),
    b"%PDF": ("a PDF document", "export the table as CSV"),
}
WIDE = {  # byte-order marks, the longer first: UTF-32's begins as UTF-16's does
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
HEAD = 4096  # bytes that are looked at to tell text from anything else
BLOCK = 1 << 24
SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".zip")  # of compressed files
SIP, PIECE = 1 << 12, 1 << 22  # packed bytes at a time, where a few may unpack to many, and unpacked ones
UTF_8, WINDOWS = "UTF-8", "Windows-1252"
WINDOWS_LETTERS = {byte: bytes([byte]).decode("cp1252", "ignore") or byte for byte in range(0x80, 0xA0)}


def text_bytes(data: bytes, path: object) -> tuple[bytes, str]:
    """Return `data` as UTF-8 without a byte-order mark and with lines that end in a line feed, and its encoding.

    Raises TableError where `data` is another format or no text, or UTF-8 that was damaged.

    >>> text_bytes(b"\\xef\\xbb\\xbfa,b\\r1,2\\r", "t.csv"), text_bytes("a,é".encode("utf-16"), "t.csv")
    ((b'a,b\\n1,2\\n', 'UTF-8'), (b'a,\\xc3\\xa9', 'UTF-16'))
    """
    _refuse_formats(data, path)
    encoding = _wide(data)
    if encoding:
        try:
            data = data.decode(encoding).encode("utf-8")
        except UnicodeError:
            raise TableError(f"{path}: begins as text in {encoding} and is cut or damaged: write it anew") from None
    _refuse_binary(data, path)
    data = data.removeprefix(codecs.BOM_UTF8)
    if not encoding:
        encoding = _check_utf_8(data, path)
        data = data if encoding == UTF_8 else from_windows(data)
    if b"\r" in data[:HEAD] and b"\n" not in data:  # lines as Macs once ended them, which Polars does not know
        data = data.replace(b"\r", b"\n")
    return data, encoding


def from_windows(data: bytes) -> bytes:
    """Windows-1252 as UTF-8; the five bytes that it leaves out are those of Latin-1, so that each byte is a letter.

    >>> from_windows(b"\\x80\\x81").decode() == "€\\x81"
    True
    """
    return data.decode("latin-1").translate(WINDOWS_LETTERS).encode("utf-8")


def _refuse_formats(data: bytes, path: object) -> None:
    for signature, (name, remedy) in SIGNATURES.items():
        if data.startswith(signature):
            raise TableError(f"{path}: is {name}, not a text table: {remedy}")


def _wide(data: bytes) -> str:
    """UTF-16 or UTF-32, by its mark or by its zeros, or nothing."""
    encoding = next((name for mark, name in WIDE.items() if data.startswith(mark)), "")
    head = data[:HEAD]
    if not encoding and b"\0" in head:
        # ASCII text in UTF-16 has a zero in every other place and hardly any elsewhere
        even, odd = head[::2].count(0), head[1::2].count(0)
        few, many = sorted((even, odd))
        encoding = ("UTF-16LE" if odd > even else "UTF-16BE") if many > len(head) / 4 and few < many / 10 else ""
    return encoding


def _refuse_binary(data: bytes, path: object) -> None:
    head = data[:HEAD]
    controls = sum(byte < 32 and byte not in b"\t\n\r\f\v" for byte in head)
    if b"\0" in data or controls > len(head) / 20:
        raise TableError(f"{path}: holds binary data, not a text table: give a CSV, TSV, Parquet or JSON lines file")


def _check_utf_8(data: bytes, path: object) -> str:
    """UTF-8; or Windows-1252 where no letter beyond ASCII is UTF-8's.  Raises TableError where some are."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    beyond_ascii = False
    for start in range(0, len(data) + 1, BLOCK):
        block = data[start : start + BLOCK]
        try:
            beyond_ascii |= not decoder.decode(block, final=start + BLOCK > len(data)).isascii()
        except UnicodeDecodeError as error:
            cut = error.reason == "unexpected end of data"
            if not (cut or beyond_ascii or not data.decode("utf-8", errors="ignore").isascii()):
                return WINDOWS
            # the decoder counts from the bytes it kept from the block before
            at = start + error.start - (len(error.object) - len(block))
            line = data.count(b"\n", 0, at) + 1
            raise TableError(
                f"{path}: line {line} has the byte 0x{data[at]:02X}, which is not UTF-8, though other letters are: "
                f"write the file anew, in UTF-8"
            ) from None
    return UTF_8


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
        while block := stream.read(PIECE):
            yield block


UNPACKERS: dict[bytes, Callable[[bytes, object], Iterator[bytes]]] = {  # by what the file begins with
    b"\x1f\x8b": lambda data, path: blocks_of(gzip.GzipFile(fileobj=io.BytesIO(data))),  # type: ignore[arg-type]  # typed as BinaryIO
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
