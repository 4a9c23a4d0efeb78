"""URIs and paths of both families of systems; which folders are taken."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conexus.workspace.paths import path_of_uri, uri_of_path
from conexus.workspace.roots import needs_consent, normalise_roots


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///home/me/a.py", "/home/me/a.py"),
        ("FILE:///a%20b/%C3%A9%23.py", "/a b/é#.py"),
        ("file://localhost/a", "/a"),
        ("file:/a/b", "/a/b"),
        ("file:///a/./b/../c/", "/a/c"),
        ("file:////a", "/a"),
        ("file:///", "/"),
        ("file:///a%2Fb", "/a/b"),
        ("file:///a?query#fragment", "/a"),
        ("file:///c%3A/x", "/c:/x"),
        ("file:///a\\b", "/a\\b"),
        ("file://server/share/a", None),
        ("file:///a%FF.py", None),
        ("file:///a%ED%A0%80", None),
        ("file:///a%00b", None),
        ("file:relative", None),
        ("untitled:Untitled-1", None),
        ("http://example.com/a", None),
        ("/home/me/a.py", None),
        ("profile:///a", None),
        ("", None),
    ],
)
def test_uris_on_posix(uri: str, path: str | None) -> None:
    assert path_of_uri(uri, windows=False) == path


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///c%3A/Users/a%20b.py", "C:\\Users\\a b.py"),
        ("file:///C:/Users", "C:\\Users"),
        ("file:/c:/x", "C:\\x"),
        ("file:///c|/x", "C:\\x"),
        ("file:///c:", "C:\\"),
        ("file:///d%3A/a/../b/", "D:\\b"),
        ("file://server/share/a.py", "\\\\server\\share\\a.py"),
        ("file:////server/share/a.py", "\\\\server\\share\\a.py"),
        ("file://localhost/c:/x", "C:\\x"),
        ("file:///home/me", None),
        ("file:///c%3A/a%FF", None),
    ],
)
def test_uris_on_windows(uri: str, path: str | None) -> None:
    assert path_of_uri(uri, windows=True) == path


@pytest.mark.parametrize(
    ("path", "windows", "uri"),
    [
        ("/home/me/a b#é.py", False, "file:///home/me/a%20b%23%C3%A9.py"),
        ("/", False, "file:///"),
        ("/a\\b:c", False, "file:///a%5Cb%3Ac"),
        ("/bad\udcff", False, "file:///bad%FF"),
        ("C:\\Users\\a b.py", True, "file:///C:/Users/a%20b.py"),
        ("\\\\server\\share\\a.py", True, "file://server/share/a.py"),
    ],
)
def test_uris_of_paths(path: str, windows: bool, uri: str) -> None:
    assert uri_of_path(path, windows=windows) == uri


def test_paths_may_be_path_objects() -> None:
    assert uri_of_path(Path("/a/b"), windows=False) == "file:///a/b"


@given(st.lists(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)))
def test_every_path_survives_its_uri(parts: list[str]) -> None:
    path = "/" + "/".join(part for part in parts if part not in (".", ".."))
    assert path_of_uri(uri_of_path(path, windows=False), windows=False) == path


@given(st.text())
def test_no_uri_raises(text: str) -> None:
    for windows in (False, True):
        path_of_uri(text, windows)
        path_of_uri("file://" + text, windows)


def test_overlapping_folders_are_one_set_of_files(tmp_path: Path) -> None:
    for name in ("a/inner", "ab", "b"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "file").touch()
    given_folders = ["a", "a/inner", "ab", "b/../a", "b/", "link", "link/inner", "gone", "file"]
    roots, problems = normalise_roots([f"{tmp_path}/{name}" for name in given_folders])
    assert roots == [tmp_path / "a", tmp_path / "ab", tmp_path / "b"]
    assert len(problems) == 2
    assert "`gone`" in problems[0]
    assert str(tmp_path) not in "".join(problems)


def test_a_folder_keeps_the_clients_spelling(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert normalise_roots([tmp_path / "link", tmp_path / "real"])[0] == [tmp_path / "link"]


def test_special_folders_need_consent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "homes" / "me"
    (home / "project").mkdir(parents=True)
    (tmp_path / "link").symlink_to(home)
    monkeypatch.setenv("HOME", str(home))
    assert needs_consent(home / "project") is None
    assert "home directory" in str(needs_consent(home))
    assert "home directory" in str(needs_consent(tmp_path / "link"))
    assert "home directories" in str(needs_consent(tmp_path / "homes"))
    assert "file system" in str(needs_consent(os.sep))
