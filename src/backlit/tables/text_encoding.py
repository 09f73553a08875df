"""Bytes to UTF-8 text, with the name of the encoding or of the format where it is something else."""

import codecs

from backlit.errors import TableError

SIGNATURES = {  # what a file that is not a text table begins with: name, remedy
    b"PAR1": ("a Parquet file", "let its name end in .parquet"),
    b"PK\x03\x04": ("a zip archive or an Excel workbook", "save the sheet as CSV (UTF-8), or unpack the archive"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "save the sheet as CSV (UTF-8)"),
    b"\x1f\x8b": ("a gzip file", "unpack it with gunzip"),
    b"BZh": ("a bzip2 file", "unpack it with bunzip2"),
    b"\xfd7zXZ": ("an xz file", "unpack it with unxz"),
    b"\x28\xb5\x2f\xfd": ("a Zstandard file", "unpack it with unzstd"),
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


def text_bytes(data: bytes, path: object) -> bytes:
    """Return `data` as UTF-8 without a byte-order mark and with lines that end in a line feed.

    Raises TableError where `data` is another format, another encoding or no text.

    >>> text_bytes(b"\\xef\\xbb\\xbfa,b\\r1,2\\r", "t.csv")
    b'a,b\\n1,2\\n'
    """
    _refuse_formats(data, path)
    _refuse_wide_and_binary(data, path)
    data = data.removeprefix(codecs.BOM_UTF8)
    _refuse_other_encodings(data, path)
    if b"\r" in data[:HEAD] and b"\n" not in data:  # lines as Macs once ended them, which Polars does not know
        data = data.replace(b"\r", b"\n")
    return data


def _refuse_formats(data: bytes, path: object) -> None:
    for signature, (name, remedy) in SIGNATURES.items():
        if data.startswith(signature):
            raise TableError(f"{path}: is {name}, not a text table: {remedy}")


def _refuse_wide_and_binary(data: bytes, path: object) -> None:
    encoding = next((name for mark, name in WIDE.items() if data.startswith(mark)), None)
    head = data[:HEAD]
    if encoding is None and b"\0" in head:
        # ASCII text in UTF-16 has a zero in every other place and hardly any elsewhere
        even, odd = head[::2].count(0), head[1::2].count(0)
        few, many = sorted((even, odd))
        encoding = ("UTF-16LE" if odd > even else "UTF-16BE") if many > len(head) / 4 and few < many / 10 else None
    if encoding is not None:
        raise TableError(f"{path}: is text in {encoding}, and UTF-8 is needed: {conversion(encoding, path)}")
    controls = sum(byte < 32 and byte not in b"\t\n\r\f\v" for byte in head)
    if b"\0" in data or controls > len(head) / 20:
        raise TableError(f"{path}: holds binary data, not a text table: give a CSV, TSV, Parquet or JSON lines file")


def _refuse_other_encodings(data: bytes, path: object) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(data) + 1, BLOCK):
        block = data[start : start + BLOCK]
        try:
            decoder.decode(block, final=start + BLOCK > len(data))
        except UnicodeDecodeError as error:
            # the decoder counts from the bytes it kept from the block before
            at = start + error.start - (len(error.object) - len(block))
            line = data.count(b"\n", 0, at) + 1
            raise TableError(
                f"{path}: line {line} has the byte 0x{data[at]:02X}, which is not UTF-8 (it may be Latin-1 or "
                f"Windows-1252): {conversion('WINDOWS-1252', path)}"
            ) from None


def conversion(encoding: str, path: object) -> str:
    """The remedy for a file in another encoding."""
    return f"save it as UTF-8, or convert it with 'iconv -f {encoding} -t UTF-8 {path} > utf8.csv'"
