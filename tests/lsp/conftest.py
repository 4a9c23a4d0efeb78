"""Workspaces and clients of the tests over real stdio."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.lsp.raw import RawClient, raw_client

FILES = {
    "src/parser.py": '''"""Reads configuration."""


def parse_config(text: str) -> dict[str, str]:
    """Turn lines of key = value into a mapping."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def load_settings(path: str) -> dict[str, str]:
    """Read a settings file from the disk."""
    with open(path) as file:
        return parse_config(file.read())
''',
    "src/retry.py": '''"""Trying again."""

import time


def retry_with_backoff(action, attempts: int = 3):
    """Call an action again with growing delays until it succeeds."""
    for attempt in range(attempts):
        try:
            return action()
        except ConnectionError:
            time.sleep(2**attempt)
    raise ConnectionError("gave up")
''',
    "tests/test_parser.py": """from src.parser import parse_config


def test_parse_config():
    assert parse_config("a = 1") == {"a": "1"}
""",
    "README.md": "# Sample\n\nHow to install this sample program.\n",
}


def write_files(folder: Path) -> Path:
    """A small repository."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers are not started in our own repository, which would be a new workspace with many files."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return write_files(tmp_path / "workspace")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., RawClient]]:
    """Starts raw clients; each is accounted for at the end of the test."""
    with ExitStack() as stack:

        def begin(*arguments: str, folder: Path | None = None, **environment: str) -> RawClient:
            client = raw_client(tmp_path / "data", *arguments, environment=environment, folder=folder)
            return stack.enter_context(client)

        yield begin
