"""Bytes to UTF-8 text: from UTF-8, UTF-16 and UTF-32, and from Windows-1252 where it is none of these."""

import codecs

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
