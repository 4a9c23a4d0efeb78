"""What chunks hold, how long definitions are cut, and what hostile input does: nothing."""

from __future__ import annotations

import subprocess
import sys
import time
import tracemalloc

import pytest

from conexus.chunking import LANGUAGES, Chunk, chunk_text, tree_sitter_leak


def symbols(chunks: list[Chunk]) -> list[str]:
    return [chunk.symbol for chunk in chunks]


def only(chunks: list[Chunk], symbol: str) -> Chunk:
    (found,) = [chunk for chunk in chunks if chunk.symbol == symbol]
    return found


def python_function(name: str, lines: int) -> str:
    return f"def {name}():\n" + "".join(f"    step_{line}()\n" for line in range(lines))


def test_importing_the_package_loads_no_grammar() -> None:
    code = "import sys, conexus.chunking; sys.exit(any('tree_sitter' in name for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("language", "source", "symbol", "expected"),
    [
        ("python", "def f(a: Kind):\n    return self.load(make(a))\n", "f", ("Kind", "load", "make")),
        ("python", "@app.route('/')\nclass A(Base):\n    pass\n", "A", ("route", "Base")),
        ("typescript", "function f(a: Kind) { return new Store(a).load() }", "f", ("Kind", "Store", "load")),
        ("tsx", "function f() { return <Panel><Text/></Panel> }", "f", ("Panel", "Text")),
        ("go", "func F(a Kind) { fmt.Print(load(a)) }", "F", ("Kind", "Print", "load")),
        ("rust", "fn f(a: Kind) { a.load(); io::read(); vec![] }", "f", ("Kind", "load", "read", "vec")),
        ("java", "class A { void f(Kind a) { a.load(new Store()); } }", "A", ("Kind", "load", "Store")),
        ("cpp", "void f(Kind a) { std::move(a.load()); g<int>(); }", "f", ("Kind", "move", "load")),
        ("csharp", "class A : Base {\n void F(Kind a) { this.Load<T>(a); }\n}", "F", ("Kind", "Load")),
        ("elixir", "def f(a), do: Store.load(a)", "f", ("Store", "load")),
        ("bash", "f() { load $(make x); }", "f", ("load", "make")),
    ],
)
def test_references(language: str, source: str, symbol: str, expected: tuple[str, ...]) -> None:
    references = only(chunk_text(source, language), symbol).references
    assert [name for name in references if name in expected] == list(expected)


def test_a_definition_does_not_refer_to_itself() -> None:
    (chunk,) = chunk_text("def walk(node):\n    walk(node.left)\n    visit(node)\n", "python")
    assert chunk.references == ("visit",)


def test_references_are_bounded() -> None:
    source = "def f():\n    " + "; ".join(f"name_{number}()" for number in range(400)) + "\n"
    assert max(len(chunk.references) for chunk in chunk_text(source, "python")) == 200


def test_imported_names_are_references() -> None:
    chunks = chunk_text("import os.path\nfrom a.b import Store as S, load\n", "python")
    assert chunks[0].references == ("path", "Store", "load")


def test_a_long_function_is_cut_into_parts_of_one_symbol() -> None:
    source = "\n".join(f"def f{number}(): pass" for number in range(2)) + "\n" + python_function("long", 200)
    parts = [chunk for chunk in chunk_text(source, "python") if chunk.symbol == "long"]
    assert [part.part for part in parts] == list(range(len(parts)))
    assert len(parts) >= 3
    assert {part.kind for part in parts} == {"function"}
    assert all(part.end_line - part.start_line <= 72 for part in parts)
    assert parts[-1].end_line == 203


def test_parts_begin_where_a_reader_would_begin() -> None:
    paragraph = "".join(f"    if a{line}:\n        go()\n" for line in range(10)) + "\n"
    chunks = chunk_text("def f():\n" + 8 * paragraph, "python")
    for chunk in chunks[1:]:
        assert chunk.code.startswith("    if")


def test_pages_of_documentation_do_not_hide_a_short_function() -> None:
    source = "".join(f"/// Line {line} of it.\n" for line in range(100)) + "fn short() {\n    go();\n}\n"
    chunks = chunk_text(source, "rust")
    assert {chunk.symbol for chunk in chunks} == {"short"}
    assert chunks[-1].end_line == 103
    assert chunks[-1].end_line - chunks[-1].start_line <= 40
    assert chunks[-1].documentation.startswith("Line 0 of it.")
    assert chunks[0].documentation == ""


def test_small_nested_functions_stay_in_the_outer_one() -> None:
    source = "def outer():\n" + "".join("    " + line for line in python_function("inner", 20).splitlines(True))
    assert symbols(chunk_text(source, "python")) == ["outer"]


def test_large_functions_in_a_large_one_are_chunks_of_their_own() -> None:
    inner = "".join("    " + line for line in python_function("inner", 30).splitlines(True))
    source = "def outer():\n    a()\n" + inner + "".join(f"    b{line}()\n" for line in range(50))
    chunks = chunk_text(source, "python")
    assert symbols(chunks) == ["outer", "inner", "outer"]
    assert chunks[1].breadcrumb == ("outer",)
    assert [chunk.part for chunk in chunks] == [0, 0, 1]


def test_constants_are_merged_unless_documented() -> None:
    source = "A = 1\nB = 2\n\n# How many\n# there may be.\nLIMIT = 3\n"
    chunks = chunk_text(source, "python")
    assert symbols(chunks) == ["", "LIMIT"]
    assert chunks[1].documentation == "How many\nthere may be."


def test_comments_after_code_are_no_documentation() -> None:
    chunks = chunk_text("int a; // about a\nint f() { return 1; }\n", "c")
    assert only(chunks, "f").documentation == ""


def test_licence_headers_apart_from_the_definition_are_not_documentation() -> None:
    chunks = chunk_text("// Copyright\n\nfunc F() {}\n", "go")
    assert only(chunks, "F").documentation == ""


def test_docstrings_keep_their_inner_indentation() -> None:
    (chunk,) = chunk_text('def f():\n    """First.\n\n    Then:\n        code\n    """\n    go()\n', "python")
    assert chunk.documentation == "First.\n\nThen:\n    code"


@pytest.mark.parametrize("language", ["json", "yaml", "sql", "css", "html", "text", "no such language"])
def test_other_text_is_cut_at_blank_lines(language: str) -> None:
    block = "".join(f"{'  ' * (line % 5)}entry {line}\n" for line in range(15))
    chunks = chunk_text((block + "\n") * 6, language)
    assert {chunk.kind for chunk in chunks} == {"text"}
    assert all(chunk.code.startswith("entry 0\n") for chunk in chunks)
    assert all(chunk.end_line - chunk.start_line <= 48 for chunk in chunks)


def test_languages_have_aliases() -> None:
    source = "function f() { go() }\n"
    assert chunk_text(source, "TS") == chunk_text(source, "typescript")
    assert symbols(chunk_text(source, "ts")) == ["f"]


@pytest.mark.parametrize("text", ["", "\n", " \t\n\r\n\x0c\n", "\r"])
def test_blank_texts_have_no_chunks(text: str) -> None:
    assert chunk_text(text, "python") == []


def test_lines_end_at_line_feeds_and_carriage_returns_only() -> None:
    (chunk,) = chunk_text("def f():\r    a = '\x0c\x0b\x1c\x85\u2028'\r\n    return a\n", "python")
    assert (chunk.start_line, chunk.end_line, chunk.symbol) == (0, 3, "f")


def test_lone_surrogates_survive() -> None:
    source = "def f():\n    return '\ud800 \udc00\ud800'\n"
    (chunk,) = chunk_text(source, "python")
    assert (chunk.symbol, chunk.code) == ("f", source)


def test_a_byte_order_mark_harms_nothing() -> None:
    assert symbols(chunk_text("\ufeffdef f(): pass\n", "python")) == ["f"]


def test_code_around_a_syntax_error_keeps_its_symbols() -> None:
    source = python_function("one", 3) + "def broken(:\n    )) ]\n\n" + python_function("two", 3)
    found = symbols(chunk_text(source, "python"))
    assert {"one", "two"} <= set(found)


HOSTILE = {
    "a long line": "x" * 5_000_000,
    "nested brackets": "(" * 10_000 + ")" * 10_000,
    "open brackets": ("(" * 80 + "\n") * 600,
    "open braces": ("{" * 80 + "\n") * 600,
    "mixed brackets": "({[" * 20_000,
    "minified": "function a(b){return c(b,function(d){return{e:d}})};" * 20_000,
    "quotes": "\"'`\n" * 2_000,
    "conditions": "if x then if (y) {\n" * 1_000,
    "here-documents": "<<A\n" * 1_000,
    "generics": "Map<\n" * 1_000,
    "comparisons": ("a<" * 40 + "\n") * 5_000,
    "strings": ('"' * 80 + "\n") * 2_500,
    "tags": "<a\n>" * 2_000,
    "headings": "# a\n## b\n" * 2_000,
    "nested lists": "".join(" " * (level % 200) + "- > a\n" for level in range(600)),
    "quotations": ("> " * 60 + "a\n") * 100,
    "nested blocks": "".join(" " * level + "if x:\n" for level in range(400)),
    "NULs": "\0" * 300_000,
}


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_hostile_input_is_chunked_in_bounded_time(language: str) -> None:
    for name, text in HOSTILE.items():
        began = time.thread_time()
        chunks = chunk_text(text, language)
        took = time.thread_time() - began
        assert took < 6, f"{name}: {took:.1f} s"
        assert chunks, name


def test_many_nested_definitions_are_bounded() -> None:
    source = "".join("  " * level + f"class C{level}:\n" for level in range(300)) + "  " * 300 + "pass\n"
    chunks = chunk_text(source, "python")
    assert "".join(chunk.code for chunk in chunks) == source
    assert max(len(chunk.breadcrumb) for chunk in chunks) <= 32


def test_parsing_again_and_again_takes_no_more_memory() -> None:
    # A server parses a file at every keystroke; what the parser's library keeps of it would add up.
    text = "def calls(x):\n    return answers(x)\n\n\n" * 2000
    chunk_text(text, "python")
    tracemalloc.start()
    try:
        for _ in range(5):
            chunk_text(text, "python")
        lent = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, tree_sitter_leak.__file__)])
    finally:
        tracemalloc.stop()
    assert sum(each.size for each in lent.statistics("filename")) < len(text) / 2
