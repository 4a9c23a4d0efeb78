"""Text of a repository, a client or the file system does nothing where it is shown: every sink of it."""

from __future__ import annotations

import ast
import io
import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

import conexus
from conexus import escape
from conexus.lsp import convert, errors, results_page, types
from conexus.lsp.structuring import make_converter
from conexus.values import Answer, Hit, IndexState, Position, TextRange
from tests.lsp.raw import RawClient

Start = Callable[..., RawClient]

LINK = "[Fix this](command:workbench.action.terminal.sendSequence?%7B%22text%22%3A%22id%5Cn%22%7D)"
ESCAPES = "\x1b]0;owned\x07\x1b[31mred\x9b0m\u202e"
HOSTILE = f"x` {LINK} ![i](https://127.0.0.1:9/x.png) <img src=https://127.0.0.1:9/z.png> {ESCAPES} `"

#: What drives a terminal or turns text round; and what VS Code makes links of (its `parseLinkedText`).
DRIVES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
LINKS = re.compile(r"\[([^\]]+)\]\(((?:https?:\/\/|command:|file:)[^\)\s]+)(?: ([\"'])(.+?)(\3))?\)", re.IGNORECASE)

hostile_texts = st.lists(
    st.sampled_from([*"[]()`*_<>#!&;\\\n\r\t \x1b\x07\u202e\u2028ab", "](", "command:x", "https://y", "&lt;", "```"])
    | st.text(max_size=3),
    max_size=12,
).map("".join)


def harmless(text: str) -> None:
    assert not DRIVES.search(text), repr(text)
    assert not LINKS.search(text), repr(text)


def toml(folder: Path) -> Path:
    """A settings file whose unknown keys are hostile."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "app.py").write_text("def greet():\n    return 'hello'\n")
    keys = (f"a{ESCAPES}", "b` [Fix](command:workbench.action.quit) `")
    (folder / "conexus.toml").write_text("".join(f"{json.dumps(key)} = 1\n" for key in keys))
    return folder


# --- the functions, one for each kind of sink ---


@given(hostile_texts)
def test_a_line_is_one_line_and_drives_nothing(text: str) -> None:
    line = escape.one_line(text)
    assert not DRIVES.search(line)
    assert len(line.splitlines()) <= 1
    if text.isprintable():
        assert line == text


@given(hostile_texts)
def test_a_message_holds_no_link(text: str) -> None:
    harmless(escape.message(text))


@given(hostile_texts)
def test_markdown_shows_text_as_it_is(text: str) -> None:
    """A real parser sees nothing but text in it."""
    (paragraph, inline, end) = MarkdownIt().parse(f"x {escape.markdown(text)} x")
    shown = inline.children or []
    assert {child.type for child in shown} <= {"text", "text_special"}, shown
    expected = f"x {escape.one_line(text.replace(chr(10), ' '))} x"
    assert "".join(child.content for child in shown).split() == expected.split()
    assert (paragraph.type, end.type) == ("paragraph_open", "paragraph_close")


@given(hostile_texts.filter(bool))
def test_markdown_code_stays_code(text: str) -> None:
    (_, inline, _) = MarkdownIt().parse(f"x {escape.markdown_code(text)} x")
    assert [child.type for child in inline.children or ()] == ["text", "code_inline", "text"]


@given(hostile_texts, hostile_texts)
def test_a_block_of_code_stays_one(text: str, language: str) -> None:
    (block,) = MarkdownIt().parse("\n".join(escape.markdown_block(text, language)))
    assert block.type == "fence"
    assert not DRIVES.search(block.content + block.info)


def test_without_a_home_directory_the_text_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", home)
    assert escape.without_home("/home/me/x") == "/home/me/x"


# --- the protocol ---


def test_messages_and_the_log_of_a_server(start: Start, tmp_path: Path) -> None:
    """An unknown key of conexus.toml reaches the user's eyes in a notification, in its log and in ours."""
    client = start()
    client.initialize(toml(tmp_path / f"folder {ESCAPES}"))
    client.wait_until_quiescent()
    for method in ("window/showMessage", "window/logMessage"):
        shown = [client.notification(method)["message"] for _ in range(2)]
        assert r"`a\x1b]0;owned\x07" in shown[0]
        assert "[Fix] (command:workbench.action.quit)" in shown[1]
        for message in shown:
            harmless(message)
    assert client.shut_down() == 0
    assert "there is no setting" in client.stderr
    assert not DRIVES.search(client.stderr)


def test_the_name_of_a_model_is_a_message_in_the_status(start: Start, tmp_path: Path) -> None:
    client = start()
    client.initialize(tmp_path, initializationOptions={"model": HOSTILE})
    harmless(client.request("conexus/status")["model"]["name"])
    client.wait_until_quiescent()
    harmless(client.request("conexus/status")["model"]["name"])
    assert client.shut_down() == 0


def test_a_flood_of_problems_is_a_few_messages(start: Start, tmp_path: Path) -> None:
    client = start()
    folder = toml(tmp_path / "folder")
    (folder / "conexus.toml").write_text("".join(f"{'x' * 200}{number} = 1\n" for number in range(200)))
    client.initialize(folder)
    client.wait_until_quiescent()
    shown = [client.notification("window/showMessage")["message"] for _ in range(4)]
    assert all(len(message) < 120 for message in shown), shown
    assert shown[-1] == "197 more settings were not accepted; the log lists them."
    for _ in shown:
        client.notification("window/logMessage")
    assert client.shut_down() == 0


def test_errors_quote_nothing_that_acts(start: Start, tmp_path: Path) -> None:
    client = start()
    folder = toml(tmp_path / "folder")
    (folder / "conexus.toml").unlink()
    client.initialize(folder)
    client.wait_until_quiescent()
    place = {"textDocument": {"uri": (folder / "app.py").as_uri()}, "position": {"line": 0, "character": 0}}
    asked: list[tuple[str, Any]] = [
        (HOSTILE, {}),
        ("conexus/related", {**place, "relations": [HOSTILE]}),
        ("conexus/search", {"query": f"lang:{LINK} greet"}),
        ("conexus/search", {"query": "greet", "filters": {"languages": [HOSTILE]}}),
        ("workspace/executeCommand", {"command": HOSTILE}),
    ]
    answers = [client.answer(client.ask(method, params)) for method, params in asked]
    assert len([answer for answer in answers if "command:" in answer.get("error", {}).get("message", "")]) >= 2, answers
    for answer in answers:
        for text in texts_of(answer):
            harmless(text)
    assert client.shut_down() == 0


def test_every_error_is_escaped() -> None:
    for made in (
        errors.invalid_request(HOSTILE),
        errors.method_not_found(HOSTILE),
        errors.invalid_params(HOSTILE),
        errors.request_failed(HOSTILE),
    ):
        harmless(made.message)


def hostile_hit() -> Hit:
    span = TextRange(Position(0, 0), Position(1, 0))
    return Hit(
        document=f"/folder/{HOSTILE.replace('/', '-')}.py",
        range=span,
        folder="/folder",
        language=HOSTILE,
        kind="function",
        symbol=HOSTILE,
        container=HOSTILE,
        score=1.0,
        reasons=(HOSTILE,),
        preview=f"code {HOSTILE}\n```\n# {HOSTILE}\n",
        matches=(),
        version=None,
        relation=None,
        name_range=None,
    )


def test_labels_of_hits_and_symbols_drive_nothing() -> None:
    hit = convert.hit(hostile_hit())
    symbol = convert.symbol(hostile_hit())
    for label in (hit.symbol, hit.container, hit.language, *hit.reasons, symbol.name, symbol.container_name):
        assert label is not None
        assert not DRIVES.search(label)
    assert hit.preview == hostile_hit().preview  # code is text of the document, as it is


def test_what_an_answer_had_to_do_without_is_a_message() -> None:
    answer = Answer([], IndexState(True, 1, 1, HOSTILE), 1, 1.0)
    degraded = convert.result(answer).index.degraded
    assert degraded is not None
    harmless(degraded)


def test_a_page_of_results_is_text_links_to_its_places_and_code() -> None:
    converter = make_converter()
    result = convert.result(Answer([hostile_hit()], IndexState(True, 1, 1, None), 1, 1.0))
    page = results_page.render(HOSTILE, converter.structure(converter.unstructure(result), types.SearchResult))
    assert not DRIVES.search(page)
    parser = MarkdownIt("commonmark", {"html": True})
    parser.validateLink = lambda url: True  # type: ignore[method-assign]  # as VS Code's, which has links to files
    tokens = list(flat(parser.parse(page)))
    assert not [token for token in tokens if token.type in {"image", "html_inline", "html_block"}]
    links = [token.attrs["href"] for token in tokens if token.type == "link_open"]
    assert links == [str(result.hits[0].location.uri) + "#L1"]
    assert [token.type for token in tokens].count("fence") == 1


def flat(tokens: Any) -> Iterator[Any]:
    for token in tokens:
        yield token
        yield from flat(token.children or ())


def texts_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts_of(item)


# --- the terminal ---


@pytest.mark.parametrize("command", ["index", "search", "status", "doctor", "related", "search nothing", "usage"])
def test_a_command_drives_no_terminal(tmp_path: Path, environment: dict[str, str], command: str) -> None:
    folder = toml(tmp_path / f"folder {ESCAPES}")
    (folder / f"{ESCAPES}.py").write_text(f"def greet_again():\n    return '{ESCAPES}'\n")
    arguments = {
        "search": ["search", str(folder), "greet"],
        "related": ["related", f"{folder}/app.py:1"],
        "search nothing": ["search", str(folder), f"lang:{ESCAPES}"],
        "usage": ["search", str(folder), "greet", f"--{ESCAPES}"],
    }.get(command, [command, str(folder)])
    if command == "status":
        run("index", str(folder), environment=environment)
    output = run(*arguments, environment=environment)
    assert "\\x1b" in output, output
    assert not DRIVES.search(output), repr(output)


def run(*arguments: str, environment: dict[str, str]) -> str:
    command = [sys.executable, "-P", "-m", "conexus", *arguments]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return result.stdout + result.stderr


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    import os

    return {**os.environ, "CONEXUS_DATA_DIR": str(tmp_path / "data"), "NO_COLOR": "1"}


# --- the log ---


def test_a_log_record_is_one_line_whatever_it_says() -> None:
    from conexus.logs import EscapingFormatter

    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(EscapingFormatter("%(levelname)s %(message)s"))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    logger.warning("%s", f"{HOSTILE}\nERROR forged")
    try:
        raise ValueError(f"{HOSTILE}\nERROR forged")
    except ValueError:
        logger.exception("it failed")
    first, second, *traceback = stream.getvalue().splitlines()
    assert (first[:8], second) == ("WARNING ", "ERROR it failed")
    assert all(line.startswith("  ") for line in traceback)
    assert not DRIVES.search(stream.getvalue())


# --- the source ---


def calls() -> Iterator[tuple[Path, ast.Call]]:
    package = Path(conexus.__file__).parent
    for source in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield source.relative_to(package), node


def test_each_sink_has_one_owner() -> None:
    """Whoever writes to a sink by himself would have to remember to escape."""
    owners = {
        "window_show_message": {"lsp/connection.py"},
        "window_log_message": {"lsp/connection.py"},
        "JsonRpcException": {"lsp/errors.py", "lsp/protocol.py"},  # the latter: what a client answered
        "print": {"cli/terminal.py", "cli/doctor.py"},
        "basicConfig": {"logs.py"},
    }
    found: dict[str, set[str]] = {name: set() for name in owners}
    for source, call in calls():
        name = ast.unparse(call.func).rpartition(".")[2]
        if name in found:
            found[name].add(source.as_posix())
    assert found == owners
