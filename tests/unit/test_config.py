"""Settings: what is valid is taken, what is not is told, nothing raises."""

from __future__ import annotations

import os
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conexus.config import Settings, camel_case, merge
from conexus.workspace import settings_file
from conexus.workspace.settings_file import load_file

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
        (b"maxFiles = ", "conexus.toml has no effect: "),
        (b"maxFiles = '\xff'", "is not UTF-8"),
        (b"exclude = " + b"[" * 50_000, "nested too deeply"),
        (b"maxFiles = " + b"9" * 5000, "conexus.toml has no effect: "),
        (b"[maxFiles]\na = 1\n", "`maxFiles` must be a whole number"),
        (b"x" * 64 * 1024 + b"\n", "is larger than 64 KiB"),
        (
            b'"' + b'\\"' * 32_000,
            "conexus.toml has no effect: ",
        ),  # took 20 s where strings without an end were looked for again
        (b"a." * 21 + b"a = 1\n", "has a key of too many parts"),
        (b"[" + b'"a".' * 21 + b"a]\n", "has a key of too many parts"),
        (b"exclude = {" + b"'a'." * 21 + b"a = 1}\n", "has a key of too many parts"),
        (b'"\xe2\x80\xa8#"' + b" . a" * 21 + b"= 1\n", "has a key of too many parts"),
        (b'a = ["""\n\' """, {' + b"a." * 21 + b"a = 1}, '' ]\n", "has a key of too many parts"),
        (b'a = [""" \n# """, {' + b'"\\u0061".' * 21 + b"a = 1}]\n", "has a key of too many parts"),
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
    assert load_file(tmp_path, Settings()) == (Settings(), ["conexus.toml has no effect: it is not a file"])
    (tmp_path / "conexus.toml").unlink()
    (tmp_path / "conexus.toml").mkdir()
    assert load_file(tmp_path, Settings()) == (Settings(), ["conexus.toml has no effect: it is not a file"])


@pytest.mark.parametrize("target", ["real.toml", "nowhere", "/dev/zero"])
def test_a_link_is_not_followed(tmp_path: Path, target: str) -> None:
    (tmp_path / "real.toml").write_text("maxFiles = 5\n")
    (tmp_path / "conexus.toml").symlink_to(target)
    settings, problems = load_file(tmp_path, Settings())
    assert settings == Settings()
    assert problems == ["conexus.toml has no effect: it is a symbolic link"]


def test_a_file_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(settings_file, "read_bytes_of", denied)  # tests may run as root, who may read everything
    assert load_file(tmp_path, Settings()) == (
        Settings(),
        ["conexus.toml has no effect: it cannot be read (PermissionError)"],
    )


def test_a_folder_that_is_none_has_no_file(tmp_path: Path) -> None:
    assert load_file(tmp_path / "nowhere", Settings()) == (Settings(), [])
    (tmp_path / "file").touch()
    assert load_file(tmp_path / "file", Settings()) == (Settings(), [])
    assert load_file(Path("a\0b"), Settings()) == (Settings(), [])


def test_patterns_and_comments_may_have_many_dots(tmp_path: Path) -> None:
    (tmp_path / "conexus.toml").write_text(f"# {'.' * 99}\nexclude = ['{'*.' * 30}', \"{'.' * 50}\"] # {'.' * 99}\n")
    settings, problems = load_file(tmp_path, Settings())
    assert (len(settings.exclude), problems) == (2, [])


@pytest.mark.parametrize("name", ["maxFiles", "maxFileBytes"])
def test_a_file_of_a_repository_only_lowers_limits(tmp_path: Path, name: str) -> None:
    file, default = tmp_path / "conexus.toml", {"maxFiles": 200_000, "maxFileBytes": 1_000_000}[name]
    file.write_text(f"{name} = {default - 1}\n")
    settings, problems = load_file(tmp_path, Settings())
    assert (settings, problems) == (merge(Settings(), {name: default - 1}, "")[0], [])
    for raised in (default + 1, 2**40, 2**63, 10**300):
        file.write_text(f"{name} = {raised}\n")
        settings, problems = load_file(tmp_path, Settings())
        assert settings == Settings()
        assert problems == [f"conexus.toml: a repository cannot raise `{name}` above {default}"]
    file.write_text(f"{name} = 1e9\n")
    assert load_file(tmp_path, Settings())[0] == Settings()


def test_long_names_are_cut(tmp_path: Path) -> None:
    (tmp_path / "conexus.toml").write_text(f"{'x' * 5000} = 1\n")
    _, (problem,) = load_file(tmp_path, Settings())
    assert problem == f"conexus.toml: there is no setting `{'x' * 60}…`"


def test_a_file_of_a_repository_cannot_decide_what_runs(tmp_path: Path) -> None:
    (tmp_path / "conexus.toml").write_text('model = "./evil"\nallowLargeFolders = true\nmaxFiles = 7\n')
    settings, problems = load_file(tmp_path, Settings())
    assert settings == Settings(max_files=7)
    assert sorted(problems) == [
        "conexus.toml: a repository cannot set `allowLargeFolders`",
        "conexus.toml: a repository cannot set `model`",
    ]
