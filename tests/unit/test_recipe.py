"""The text that stands for a chunk: what it holds, in which order, and its limits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from conexus.chunking.chunk import Chunk
from conexus.embedding.recipe import PARTS, document_text, parts_of, place_words


def chunk(code: str = "def f(): ...", documentation: str = "", breadcrumb: tuple[str, ...] = ()) -> Chunk:
    return Chunk(0, code.count("\n") + 1, "function", "read_config", breadcrumb, documentation, code)


def test_parts_come_from_the_outside_in() -> None:
    text = document_text("src/app/settings/loader.py", chunk("code", "Reads it.", ("Settings", "Loader")))
    assert text.split("\n") == ["app settings loader", "Settings Loader", "read_config", "Reads it.", "code"]


def test_where_there_is_nothing_to_say_a_line_is_empty() -> None:
    assert document_text("main.go", chunk("code")).split("\n") == ["main", "", "read_config", "code"]
    assert document_text("", Chunk(0, 1, "text", "", (), "", "")) == "\n\n\n"


def test_each_head_is_one_line_whatever_its_names_hold() -> None:
    strange = Chunk(0, 1, "section", "one\ntwo", ("a\r\nb", "c\u2028d"), "", "x\n\ny")
    text = document_text("src/odd\nname/file.md", strange)
    assert parts_of(text) == ("src odd name file", "a b c d", "one two", "x\n\ny")


def test_any_other_text_is_all_body() -> None:
    assert len(PARTS) == 4
    for text in ("", "read a file", "two\nlines", "\n\n"):
        assert parts_of(text) == ("", "", "", text)


def test_only_the_head_of_long_code_counts() -> None:
    text = document_text("a.py", chunk("x" * 10_000))
    assert len(text) < 2_000


def test_long_documentation_leaves_room_for_the_code_below_it() -> None:
    documentation = "word " * 100
    text = document_text("a.py", chunk(f"# {documentation}\nthe_body()", documentation))
    assert text.endswith("the_body()")


def test_a_file_at_the_root_and_an_empty_path_are_legal() -> None:
    assert document_text("a.py", chunk()).startswith("a\n")
    assert document_text("", chunk()).startswith("\n\nread_config\n")


@given(st.text(), st.text(), st.text(), st.lists(st.text(), max_size=4))
def test_any_text_gives_the_same_text_again(path: str, code: str, documentation: str, names: list[str]) -> None:
    given_chunk = Chunk(0, 1, "function", "f", tuple(names), documentation, code)
    first = document_text(path, given_chunk)
    assert first == document_text(path, given_chunk)
    assert code[:1500] in first
    head, breadcrumb, symbol, body = parts_of(first)
    assert "\n".join((head, breadcrumb, symbol, body)) == first
    assert (head.split(), symbol) == (place_words(path).split(), "f")
    assert breadcrumb.split() == " ".join(names).split()
    assert body == (f"{documentation[:600]}\n" if documentation else "") + code[: 1500 + len(documentation[:600])]
