"""The scan of records against one that goes letter by letter, for blocks of any size."""

from unittest import mock

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from tests.helpers import raises_naming

from backlit.errors import TableError
from backlit.tables import delimited, text_encoding
from backlit.tables.delimited import cut, misplaced_quote, scan, without_blank

texts = st.text(st.sampled_from('a,"\n '), max_size=30)
blocks = st.integers(1, 12)


def letter_by_letter(text: str, quoted: bool) -> list[tuple[str, int]]:
    """Each record and its number of fields."""
    found, record, fields, inside = [], "", 1, False
    for letter in text:
        inside ^= quoted and letter == '"'
        if letter == "\n" and not inside:
            found.append((record, fields))
            record, fields = "", 1
        else:
            record += letter
            fields += letter == "," and not inside
    return [*found, (record, fields)] if record else found


@given(texts, st.booleans(), blocks)
def test_the_scan_is_that_of_letter_by_letter(text, quoted, block):
    data = text.encode()
    with mock.patch.object(delimited, "BLOCK", block):
        found = scan(data, ",", quoted=quoted)
    read = [(data[a:b].decode(), n) for a, b, n in zip(found.start, found.stop, found.fields, strict=True)]
    assert read == [(record, n) for record, n in letter_by_letter(text, quoted) if record not in ("", *" \r\v\f")]
    assert found.open == (quoted and text.count('"') % 2 == 1)


@given(texts, blocks)
@example('a,"b",c"d"', 3)
def test_a_misplaced_quote_is_the_first_that_opens_where_no_field_begins(text, block):
    inside, first = False, None
    for i, letter in enumerate(text):
        if letter == '"':
            inside = not inside
            if inside and i and text[i - 1] not in ',\n"' and first is None:
                first = i
    with mock.patch.object(delimited, "BLOCK", block):
        assert misplaced_quote(text.encode(), ",") == first


@given(texts, st.booleans())
def test_blank_records_and_no_others_are_cut_out(text, quoted):
    data = text.encode()
    kept = cut(data, without_blank(data, scan(data, ",", quoted=quoted)))
    lines = letter_by_letter(text, quoted)
    widest = max((fields for _, fields in lines), default=1)
    full = [line for line, n in lines if n > 1 or line.strip() or (widest == 1 and len(line) > 1)]
    whole = "".join(line + "\n" for line in full)
    assert kept.decode() in (whole, whole.removesuffix("\n"))  # the last line may have no end


@given(st.text(st.sampled_from("aé中\U0001f600\n"), max_size=12), st.integers(0, 40), blocks)
def test_a_wrong_byte_is_found_whatever_the_blocks(text, place, block):
    good = text.encode()
    assert text_encoding.text_bytes(good, "t") == (good, "UTF-8")
    letters = text[: place % (len(text) + 1)].encode()
    with mock.patch.object(text_encoding, "BLOCK", block):
        assert text_encoding.text_bytes(good, "t") == (good, "UTF-8")
        if text.isascii():  # nothing says that it was to be UTF-8
            found = text_encoding.text_bytes(letters + b"\xff" + good, "t")
            assert found == ((letters.decode() + "ÿ" + text).encode(), "Windows-1252")
            return
        with raises_naming(TableError, f"t: line {letters.count(10) + 1} has the byte 0xFF", "UTF-8"):
            text_encoding.text_bytes(letters + b"\xff" + good, "t")


def test_no_text_has_no_records():
    assert_array_equal(scan(b"", ",", quoted=True).fields, np.empty(0))
