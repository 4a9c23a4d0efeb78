"""Settings: what is valid is taken, what is not is told, nothing raises."""

from __future__ import annotations

import os
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conexus.config import Settings, camel_case, load_file, merge

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NAMES = [camel_case(item.name) for item in fields(Settings)]


def test_names_on_the_wire_are_in_camel_case() -> None:
    assert camel_case("max_file_bytes") == "maxFileBytes"
    assert camel_case("model") == "model"


def test_valid_settings_are_taken_and_the_others_stay() -> None:
    settings, problems = merge(
        Settings(workers=3),
        {"maxFileBytes": 10, "exclude": ["*.min.js"], "watcher": "off", "allowLargeFolders": True, "model": None},
        "here",
    )
    assert settings == Settings(
        workers=3, max_file_bytes=10, exclude=("*.min.js",), watcher="off", allow_large_folders=True
    )
    assert problems == []
    assert merge(settings, {"exclude": []}, "here")[0].exclude == ()


@pytest.mark.parametrize(
    ("given_settings", "words"),
    [
        ({"maxFileBytes": "10"}, "`maxFileBytes` must be a whole number"),
        ({"maxFileBytes": True}, "`maxFileBytes` must be a whole number"),
        ({"maxFileBytes": 1.5}, "`maxFileBytes` must be a whole number"),
        ({"maxFileBytes": 0}, "`maxFileBytes` must be 1 or more"),
        ({"allowLargeFolders": 1}, "`allowLargeFolders` must be true or false"),
        ({"allowLargeFolders": "true"}, "`allowLargeFolders` must be true or false"),
        ({"model": ["static"]}, "`model` must be a string"),
        ({"watcher": "sometimes"}, "`watcher` must be one of auto, client, server, off"),
        ({"watcher": ["auto"]}, "`watcher` must be one of auto, client, server, off"),
        ({"exclude": "*.js"}, "`exclude` must be a list of strings"),
        ({"exclude": ["a", 1]}, "`exclude` must be a list of strings"),
        ({"max_file_bytes": 1}, "there is no setting `max_file_bytes`"),
        ({"": 1}, "there is no setting ``"),
        (["maxFiles"], "expected settings by name, got list"),
        ("maxFiles", "expected settings by name, got str"),
    ],
)
def test_what_is_not_valid_is_told_and_changes_nothing(given_settings: object, words: str) -> None:
    settings, problems = merge(Settings(), given_settings, "here")
    assert settings == Settings()
    assert problems == [f"here: {words}"]


def test_one_problem_does_not_stop_the_others() -> None:
    settings, problems = merge(Settings(), {"maxFiles": "x", "workers": 2, "nonsense": 1}, "here")
    assert settings.workers == 2
    assert len(problems) == 2


@given(st.dictionaries(st.sampled_from(NAMES) | st.text(), JSON) | JSON)
def test_nothing_that_a_client_sends_raises(given_settings: object) -> None:
    settings, _ = merge(Settings(), given_settings, "here")
    hash(settings)  # plain values only


def test_settings_are_frozen_and_described() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().workers = 1  # type: ignore[misc]
    assert all(item.metadata["description"].endswith((".", ")")) for item in fields(Settings))


def test_the_file_of_a_folder_is_read(tmp_path: Path) -> None:
    assert load_file(tmp_path, Settings()) == (Settings(), [])
    (tmp_path / "conexus.toml").write_text('maxFiles = 5\nexclude = ["a"]\n', encoding="utf-8-sig")
    assert load_file(tmp_path, Settings()) == (Settings(max_files=5, exclude=("a",)), [])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"maxFiles = ", "conexus.toml: "),
        (b"maxFiles = '\xff'", "is not UTF-8"),
        (b"exclude = " + b"[" * 100_000, "nested too deeply"),
        (b"maxFiles = " + b"9" * 5000, "conexus.toml: "),
        (b"[maxFiles]\na = 1\n", "`maxFiles` must be a whole number"),
    ],
)
def test_a_file_that_cannot_be_understood_is_told(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "conexus.toml").write_bytes(content)
    settings, problems = load_file(tmp_path, Settings())
    assert settings == Settings()
    assert len(problems) == 1
    assert words in problems[0]
    assert str(tmp_path) not in problems[0]


def test_what_is_no_file_is_told_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "conexus.toml")
    assert load_file(tmp_path, Settings()) == (Settings(), ["conexus.toml: is not a file"])
    (tmp_path / "conexus.toml").unlink()
    (tmp_path / "conexus.toml").mkdir()
    assert load_file(tmp_path, Settings()) == (Settings(), ["conexus.toml: is not a file"])


def test_a_file_of_a_repository_cannot_decide_what_runs(tmp_path: Path) -> None:
    (tmp_path / "conexus.toml").write_text('model = "./evil"\nallowLargeFolders = true\nmaxFiles = 7\n')
    settings, problems = load_file(tmp_path, Settings())
    assert settings == Settings(max_files=7)
    assert sorted(problems) == [
        "conexus.toml: `allowLargeFolders` can only be set in the editor",
        "conexus.toml: `model` can only be set in the editor",
    ]
