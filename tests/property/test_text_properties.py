"""Whatever an editor does to a buffer, our text is the editor's."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from conexus.text.positions import Encoding, LineIndex, split_lines, units

CHARACTERS = st.sampled_from(
    [
        *"ab \t",
        "\n",
        "\r",
        "\r\n",
        "\f",
        "\x85",
        "\u2028",
        "é",
        "e\u0301",
        "世",
        "😀",
        "👩\u200d🔬",
        "\ud83d",
        "\udcff",
    ]
)
TEXTS = st.lists(CHARACTERS, max_size=20).map("".join)
PLACES = st.tuples(st.integers(0, 6), st.integers(0, 3) | st.integers(0, 12))
CHANGES = st.lists(st.tuples(PLACES, PLACES, TEXTS), max_size=8)


def width(character: str, encoding: Encoding) -> int:
    code = ord(character)
    if encoding is Encoding.UTF8:
        return 1 if code < 0x80 else 2 if code < 0x800 else 3 if code < 0x10000 else 4
    return 2 if encoding is Encoding.UTF16 and code > 0xFFFF else 1


def naive_offset(characters: list[str], line: int, column: int, encoding: Encoding) -> int:
    """Walks the whole document, one code point at a time."""
    at = 0
    while line > 0 and at < len(characters):
        if characters[at] == "\n" or (characters[at] == "\r" and characters[at + 1 : at + 2] != ["\n"]):
            line -= 1
        at += 1
    if line > 0:
        return len(characters)
    while at < len(characters) and characters[at] not in "\r\n" and column >= width(characters[at], encoding):
        column -= width(characters[at], encoding)
        at += 1
    return at


@given(TEXTS, CHANGES, st.sampled_from(Encoding))
@settings(max_examples=500, deadline=None)
def test_edits_equal_a_naive_editor(
    text: str, changes: list[tuple[tuple[int, int], tuple[int, int], str]], encoding: Encoding
) -> None:
    index = LineIndex(text)
    characters = list(text)
    for (start_line, start_column), (end_line, end_column), new_text in changes:
        start = naive_offset(characters, start_line, start_column, encoding)
        end = naive_offset(characters, end_line, end_column, encoding)
        assert index.offset(start_line, start_column, encoding) == start
        start, end = min(start, end), max(start, end)
        characters[start:end] = list(new_text)
        index = index.edit(start_line, start_column, end_line, end_column, new_text, encoding)
        assert index.text == "".join(characters)
        fresh = LineIndex(index.text)
        assert index.line_count == fresh.line_count
        assert all(index.line(n) == fresh.line(n) for n in range(fresh.line_count))


@given(TEXTS, st.sampled_from(Encoding))
@settings(deadline=None)
def test_positions_and_offsets_are_inverse(text: str, encoding: Encoding) -> None:
    index = LineIndex(text)
    for offset in range(len(text) + 1):
        inside_line_end = text[offset - 1 : offset + 1] == "\r\n" and offset > 0
        assert index.offset(*index.position(offset, encoding), encoding) == offset - inside_line_end


@given(TEXTS, st.sampled_from(Encoding))
@settings(deadline=None)
def test_units_are_the_sum_of_the_characters_and_lines_are_the_text(text: str, encoding: Encoding) -> None:
    assert units(text, encoding) == sum(width(character, encoding) for character in text)
    assert "".join(split_lines(text)) == text
    assert LineIndex(text).line_count == 1 + text.replace("\r\n", "\n").replace("\r", "\n").count("\n")
