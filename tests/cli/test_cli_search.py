"""``conexus search``."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Conexus, Result

_HEAD = re.compile(r"(?P<path>[^:\n]+):(?P<line>\d+): (?P<rest>.+)")


def heads(output: str) -> list[re.Match[str]]:
    """The lines that stand for a hit."""
    return [match for line in output.splitlines() if (match := _HEAD.fullmatch(line))]


def hits(result: Result) -> list[Any]:
    return list(json.loads(result.stdout)["hits"])


def test_finds_code_by_meaning_without_an_index(conexus: Conexus, shop: Path) -> None:
    result = conexus("search", ".", "sum", "of", "all", "prices", cwd=shop)
    first = heads(result.stdout)[0]
    assert first["path"] == "shop/basket.py"
    assert "total_price" in first["rest"]
    assert "def total_price(self):" in result.stdout
    assert result.stderr == ""


def test_the_line_is_where_the_hit_begins(conexus: Conexus, shop: Path) -> None:
    first = heads(conexus("search", ".", "sendConfirmation", cwd=shop).stdout)[0]
    shown = (shop / first["path"]).read_text(encoding="utf-8").splitlines()[int(first["line"]) - 1 :]
    assert any("sendConfirmation" in line for line in shown[:2])


def test_paths_are_below_the_folder_as_it_was_named(conexus: Conexus, shop: Path) -> None:
    named = heads(conexus("search", shop, "sendConfirmation").stdout)[0]["path"]
    assert named == str(shop / "shop/mail.js")
    named = heads(conexus("search", shop.name, "sendConfirmation", cwd=shop.parent).stdout)[0]["path"]
    assert named == f"{shop.name}/shop/mail.js"


def test_a_changed_file_is_found_as_it_is_now(conexus: Conexus, shop: Path) -> None:
    conexus("search", shop, "basket")
    (shop / "shop/voucher.py").write_text("def redeem_voucher(code):\n    return lookup(code)\n", encoding="utf-8")
    (shop / "shop/mail.js").unlink()
    names = [hit.get("symbol") for hit in hits(conexus("search", shop, "redeem_voucher", "--json"))]
    assert names[0] == "redeem_voucher"
    assert "sendConfirmation" not in names


def test_ignored_files_are_not_found(conexus: Conexus, shop: Path) -> None:
    result = conexus("search", shop, "add_everything", "--json", "--limit", "50")
    assert not any("build/" in hit["location"]["uri"] for hit in hits(result))


def test_json_has_the_fields_of_the_protocol(conexus: Conexus, shop: Path) -> None:
    answer = json.loads(conexus("search", shop, "total_price", "--json").stdout)
    assert set(answer) == {"hits", "index", "generation", "tookMs"}
    assert answer["index"]["complete"] is True
    assert answer["index"]["indexedFiles"] == answer["index"]["totalFiles"] > 0
    first = answer["hits"][0]
    assert first["location"]["uri"] == (shop / "shop/basket.py").as_uri()
    assert first["folder"] == shop.as_uri()
    assert (first["symbol"], first["kind"], first["container"]) == ("total_price", "method", "Basket")
    assert first["language"] == "python"
    assert 0 <= first["score"] <= 1
    assert "version" not in first  # the file is not open anywhere
    assert all(isinstance(reason, str) for reason in first["reasons"])
    assert first["reasons"]
    span = first["location"]["range"]
    lines = (shop / "shop/basket.py").read_text(encoding="utf-8").splitlines()
    assert "def total_price" in "\n".join(lines[span["start"]["line"] : span["end"]["line"] + 1])


@pytest.mark.parametrize(
    ("options", "allowed"),
    [
        (["--lang", "javascript"], {"shop/mail.js"}),
        (["--lang", "javascript,markdown"], {"shop/mail.js", "README.md"}),
        (["--path", "tests/"], {"tests/test_basket.py"}),
        (["--path", "*.js", "--path", "*.md"], {"shop/mail.js", "README.md"}),
        (["--kind", "method"], {"shop/basket.py"}),
        (["--tests", "only"], {"tests/test_basket.py"}),
    ],
)
def test_filters_leave_only_what_they_allow(
    conexus: Conexus, shop: Path, options: list[str], allowed: set[str]
) -> None:
    found = hits(conexus("search", shop, "basket total price mail tea", "--json", "--limit", "50", *options))
    paths = {hit["location"]["uri"].removeprefix(shop.as_uri() + "/") for hit in found}
    assert paths
    assert paths <= allowed


def test_tests_can_be_left_out(conexus: Conexus, shop: Path) -> None:
    found = hits(conexus("search", shop, "total price of an empty basket", "--json", "--tests", "exclude"))
    assert found
    assert not any("/tests/" in hit["location"]["uri"] for hit in found)


def test_limit(conexus: Conexus, shop: Path) -> None:
    assert len(hits(conexus("search", shop, "basket", "--json", "--limit", "2"))) == 2


def test_one_line_for_each_hit_without_preview(conexus: Conexus, shop: Path) -> None:
    output = conexus("search", shop, "basket", "--lines", "0").stdout
    assert len(heads(output)) == len(output.splitlines()) > 1


def test_nothing_found_is_status_1(conexus: Conexus, shop: Path) -> None:
    result = conexus("search", shop, "basket", "--path", "nowhere/", expect=1)
    assert result.stdout == ""
    assert result.stderr == "conexus: nothing was found\n"
    result = conexus("search", shop, "basket", "--path", "nowhere/", "--json", expect=1)
    assert json.loads(result.stdout)["hits"] == []
    assert result.stderr == ""


def test_an_empty_folder_has_nothing(conexus: Conexus, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    result = conexus("search", empty, "anything", expect=1)
    assert result.stderr == f"conexus: nothing was found: {empty} has no files to search\n"


def test_an_unknown_language_is_named(conexus: Conexus, shop: Path) -> None:
    result = conexus("search", shop, "basket", "--lang", "python,klingon", expect=2)
    assert result.stdout == ""
    assert result.stderr == "conexus: there is no language `klingon`; did you mean kotlin?\n"
    result = conexus("search", shop, "basket", "--lang", "x\x1b[31m", expect=2)
    assert result.stderr == "conexus: there is no language `x\\x1b[31m`\n"
    result = conexus("search", shop, "basket lang:pyhton", expect=2)
    assert result.stderr.endswith("`pyhton`; did you mean python?\n")
    # A language that is known by another name, or of which there is no file, is no mistake.
    assert hits(conexus("search", shop, "basket", "--lang", "py", "--json"))
    assert conexus("search", shop, "basket", "--lang", "toml", expect=1).stderr == "conexus: nothing was found\n"


@pytest.mark.parametrize(
    "query", ["", "   ", "'; DROP TABLE chunks; --", "(((", "x" * 20_000, "日本語 の 質問", "\\", '"', "%_*?[]"]
)
def test_any_query_is_answered_or_refused_in_a_sentence(conexus: Conexus, shop: Path, query: str) -> None:
    result = conexus("search", shop, "--json", "--", query, expect=None)
    assert result.returncode in (0, 1, 2)
    if result.returncode == 2:
        assert result.stderr.count("\n") == 1
    else:
        json.loads(result.stdout)


def test_output_to_a_pipe_has_no_colour(conexus: Conexus, shop: Path) -> None:
    assert "\x1b" not in conexus("search", shop, "basket").stdout


def on_terminal(command: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """Run a command with a terminal as its standard output and error; returns its exit status and what it wrote."""
    controller, terminal = pty.openpty()
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal, env=environment
    ) as process:
        os.close(terminal)
        written = b""
        while select.select([controller], [], [], 120)[0]:
            try:
                piece = os.read(controller, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            written += piece
    os.close(controller)
    return process.returncode, written.decode("utf-8")


def test_a_terminal_gets_colour_unless_no_color(shop: Path, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "conexus", "search", str(shop), "total_price"]
    status, written = on_terminal(command, environment)
    assert status == 0
    assert "\x1b[35m" in written
    status, written = on_terminal(command, {**environment, "NO_COLOR": "1"})
    assert status == 0
    assert "\x1b[35m" not in written


def test_a_file_cannot_drive_the_terminal(conexus: Conexus, shop: Path) -> None:
    (shop / "evil.py").write_text("def evil_title():\n    print('\x1b]0;owned\x07')\n", encoding="utf-8")
    (shop / "\x1b[31mred.py").write_text("def evil_title_too():\n    pass\n", encoding="utf-8")
    output = conexus("search", shop, "evil_title").stdout
    assert "evil_title" in output
    assert "\x1b" not in output
    assert "\x07" not in output


def test_oddly_named_files_are_printed(conexus: Conexus, shop: Path) -> None:
    (shop / "naïve 'quoted' \"file\".py").write_text("def odd_name():\n    pass\n", encoding="utf-8")
    assert "naïve 'quoted' \"file\".py:1:" in conexus("search", shop, "odd_name").stdout


def test_a_terminal_without_unicode_is_no_failure(shop: Path, environment: dict[str, str]) -> None:
    (shop / "naïve.py").write_text("def odd_name():\n    pass\n", encoding="utf-8")
    command = [sys.executable, "-m", "conexus", "search", str(shop), "odd_name"]
    ascii_only = {**environment, "PYTHONIOENCODING": "ascii"}
    result = subprocess.run(command, capture_output=True, text=True, env=ascii_only, check=True)
    assert "na\\xefve.py:1:" in result.stdout


def test_a_reader_that_stops_reading_is_no_failure(shop: Path, environment: dict[str, str]) -> None:
    for number in range(200):
        (shop / f"part_{number}.py").write_text(f"def basket_{number}():\n" + "    work()\n" * 40, encoding="utf-8")
    command = [sys.executable, "-m", "conexus", "search", str(shop), "basket", "--limit", "200", "--lines", "40"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
    assert process.returncode == 0
    assert errors == ""
