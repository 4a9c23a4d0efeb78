"""What a client says of itself, and what follows for who watches and what symbols are good for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types as lsp
from pytest_lsp import client_capabilities

from conexus.lsp.client import Client, client_of
from conexus.lsp.configuration import Configuration, symbols_wanted
from conexus.text.positions import Encoding
from conexus.workspace.settings_file import read_settings_file


def client(name: str, capabilities: lsp.ClientCapabilities | None = None) -> Client:
    info = lsp.ClientInfo(name) if name else None
    return client_of(lsp.InitializeParams(capabilities or lsp.ClientCapabilities(), client_info=info))


@pytest.mark.parametrize(
    ("name", "filters"),
    [
        ("Visual Studio Code", True),
        ("Visual Studio Code - Insiders", True),
        ("VSCodium", True),
        ("Cursor", True),
        ("Zed", True),
        ("Neovim", False),
        ("helix", False),
        ("Emacs", False),
        ("", False),
    ],
)
def test_who_filters_symbols(name: str, filters: bool) -> None:
    settings, problems = Configuration().settings(client(name))
    assert symbols_wanted(settings, client(name)) != filters
    assert problems == []


@pytest.mark.parametrize(
    ("name", "preset", "platform", "watcher"),
    [
        ("Visual Studio Code", "visual-studio-code", "linux", "client"),
        ("Neovim", "visual-studio-code", "darwin", "client"),
        ("Neovim", "visual-studio-code", "linux", "server"),
        ("Neovim", "neovim", "linux", "server"),
        ("Emacs", "emacs", "linux", "server"),
        ("helix", "visual-studio-code", "linux", "server"),
    ],
)
def test_who_watches(name: str, preset: str, platform: str, watcher: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", platform)
    settings, _ = Configuration().settings(client(name, client_capabilities(preset)))
    assert settings.watcher == watcher


@pytest.mark.parametrize(
    ("experimental", "expected"),
    [
        (None, (False, False)),
        ([], (False, False)),
        ({"conexus": 5}, (False, False)),
        ({"conexus": {"indexChanged": "yes"}, "serverStatusNotification": 1}, (False, False)),
        ({"conexus": {"indexChanged": True}}, (True, False)),
        ({"serverStatusNotification": True}, (False, True)),
    ],
)
def test_notifications_are_opt_in(experimental: Any, expected: tuple[bool, bool]) -> None:
    given = client("", lsp.ClientCapabilities(experimental=experimental))
    assert (given.wants_index_changed, given.wants_server_status) == expected


def test_encodings_in_the_clients_order() -> None:
    def chosen(*names: str) -> Encoding:
        general = lsp.GeneralClientCapabilities(position_encodings=list(names))
        return client("", lsp.ClientCapabilities(general=general)).encoding

    assert chosen("utf-32", "utf-8") is Encoding.UTF32
    assert chosen("utf-7", "utf-8") is Encoding.UTF8
    assert chosen("utf-7") is Encoding.UTF16
    assert chosen() is Encoding.UTF16


def test_eglot_gets_the_encoding_that_it_counts_in_whatever_it_names_first() -> None:
    general = lsp.GeneralClientCapabilities(position_encodings=["utf-32", "utf-8", "utf-16"])
    assert client("Eglot", lsp.ClientCapabilities(general=general)).encoding is Encoding.UTF16


def test_layers_of_settings(tmp_path: Path) -> None:
    (tmp_path / "conexus.toml").write_text('exclude = ["file"]\nmaxFiles = 5\nwatcher = "off"\nbad = 1\n')
    file = read_settings_file(tmp_path)
    configuration = Configuration(file, {"exclude": ["options"], "maxFiles": 6}, {"exclude": ["client"], "path": "x"})
    settings, problems = configuration.settings(client(""))
    assert (settings.exclude, settings.max_files, settings.watcher) == (("client",), 6, "off")
    assert len(problems) == 1
    assert "`bad`" in problems[0]
