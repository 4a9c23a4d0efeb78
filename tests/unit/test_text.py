"""Lines and columns as the protocol counts them."""

from __future__ import annotations

import time

import pytest

from conexus.text.positions import Encoding, LineIndex, index_of_column, split_lines, units

UTF8, UTF16, UTF32 = Encoding


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("a", ["a"]),
        ("a\n", ["a\n"]),
        ("a\r\nb\rc\nd", ["a\r\n", "b\r", "c\n", "d"]),
        ("\r\r\n\n", ["\r", "\r\n", "\n"]),
        ("a\fb\nc\n", ["a\fb\n", "c\n"]),
        ("a\vb\x1cc\x1dd\x1ee\x85f\u2028g\u2029h\ri", ["a\vb\x1cc\x1dd\x1ee\x85f\u2028g\u2029h\r", "i"]),
    ],
)
def test_lines_end_only_at_the_three_line_ends(text: str, lines: list[str]) -> None:
    assert split_lines(text) == lines


def test_the_last_line_has_no_line_end() -> None:
    index = LineIndex("a\nb\r\n")
    assert index.line_count == 3
    assert [index.line(n) for n in range(4)] == ["a\n", "b\r\n", "", ""]
    assert LineIndex("").line_count == 1


@pytest.mark.parametrize(("encoding", "length"), [(UTF8, 10), (UTF16, 6), (UTF32, 5)])
def test_units_of_a_text_beyond_ascii(encoding: Encoding, length: int) -> None:
    assert units("a😀é\u0301x", encoding) == length


@pytest.mark.parametrize(
    ("encoding", "indices"),
    [
        # One entry a column, from 0 on: a is 1 byte, 😀 4, é 2, z 1.
        (UTF8, [0, 1, 1, 1, 1, 2, 2, 3, 4, 4, 4]),
        (UTF16, [0, 1, 1, 2, 3, 4, 4]),
        (UTF32, [0, 1, 2, 3, 4, 4]),
    ],
)
@pytest.mark.parametrize("line_end", ["", "\n", "\r\n", "\r"])
def test_columns_inside_a_character_are_its_start_and_past_the_end_the_end(
    encoding: Encoding, indices: list[int], line_end: str
) -> None:
    line = "a😀éz" + line_end
    assert [index_of_column(line, column, encoding) for column in range(len(indices))] == indices
    assert index_of_column(line, 10**9, encoding) == 4
    assert index_of_column(line, -1, encoding) == 0


def test_columns_after_several_pairs() -> None:
    assert [index_of_column("😀😀x\n", column, UTF16) for column in range(7)] == [0, 0, 1, 1, 2, 3, 3]


@pytest.mark.parametrize("encoding", list(Encoding))
def test_positions_outside_the_text_are_moved_inside(encoding: Encoding) -> None:
    index = LineIndex("ab\r\ncd")
    assert index.offset(0, 99, encoding) == 2
    assert index.offset(99, 0, encoding) == 6
    assert index.offset(-1, 5, encoding) == 0
    assert index.position(3, encoding) == (0, 2)
    assert index.position(99, encoding) == (1, 2)
    assert index.position(-5, encoding) == (0, 0)


@pytest.mark.parametrize("encoding", list(Encoding))
def test_lone_surrogates_do_no_harm(encoding: Encoding) -> None:
    text = "a\ud83d\ude00b\udcff\n"
    index = LineIndex(text)
    for offset in range(len(text)):
        assert index.offset(*index.position(offset, encoding), encoding) == offset
    assert LineIndex(text).edit(0, 0, 0, 1, "\ud800", encoding).text == "\ud800" + text[1:]


def test_an_edit_after_a_form_feed_hits_the_line_the_editor_means() -> None:
    assert LineIndex("a\fb\nc\n").edit(1, 0, 1, 1, "C", UTF16).text == "a\fb\nC\n"


@pytest.mark.parametrize(
    ("text", "change", "edited"),
    [
        ("ab", (0, 1, 0, 1, "\n"), "a\nb"),
        ("a\nb\nc", (0, 1, 2, 0, ""), "ac"),
        ("a\nb", (1, 1, 0, 0, "x"), "x"),
        ("a\rb", (1, 0, 1, 1, "\nc"), "a\r\nc"),
        ("a\r\rb", (1, 0, 1, 0, "\n"), "a\r\n\rb"),
        ("a\nb\n", (0, 0, 9, 9, ""), ""),
        ("", (0, 0, 0, 0, "x\n"), "x\n"),
    ],
)
def test_edits_keep_the_lines_right(text: str, change: tuple[int, int, int, int, str], edited: str) -> None:
    index = LineIndex(text).edit(*change, UTF16)
    fresh = LineIndex(edited)
    assert index.text == edited
    assert [index.line(n) for n in range(index.line_count)] == [fresh.line(n) for n in range(fresh.line_count)]


def test_an_edit_leaves_the_former_text_alone() -> None:
    before = LineIndex("a\nb")
    after = before.edit(0, 0, 0, 1, "x", UTF16)
    assert (before.text, after.text) == ("a\nb", "x\nb")


def test_typing_in_a_large_document_is_quick() -> None:
    index = LineIndex("    some_call(argument, 'é') # a line of a large document\n" * 20_000)
    assert index.line_count == 20_001
    quickest = 1.0
    for _ in range(20):
        begin = time.perf_counter()
        index = index.edit(10_000, 10, 10_000, 10, "x", UTF16)
        quickest = min(quickest, time.perf_counter() - begin)
    assert quickest < 0.005  # 0.2 ms where it was written; copying and splitting the text takes longer
