"""``conexus doctor``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from conexus.cli import checks
from conexus.cli.checks import Check, folder_checks, installation_checks, own_model
from tests.cli.conftest import Conexus, Result


def of(checks: Iterable[Check], subject: str) -> Check:
    (found,) = (check for check in checks if check.subject == subject)
    return found


def report(result: Result) -> dict[str, tuple[str, str]]:
    """The lines of a report: subject -> (level, rest)."""
    lines = [re.fullmatch(r"(OK|WARN|FAIL) +(.+?)  +(.+)", line) for line in result.stdout.splitlines()]
    assert all(lines), result.stdout
    return {match[2]: (match[1], match[3]) for match in lines if match}


def test_a_sound_installation_has_no_failure(conexus: Conexus, shop: Path, tmp_path: Path) -> None:
    lines = report(conexus("doctor", cwd=shop))
    assert {
        "python", "packages", "native code", "model", "grammars", "data", "audit", "disk", "settings", "watcher",
        "index",
    } == set(lines)  # fmt: skip
    for subject in ("native code", "model", "grammars", "data", "settings", "index"):
        assert lines[subject][0] == "OK", lines[subject]
    assert str(shop) in lines["index"][1]
    assert not (tmp_path / "data").exists()


def test_what_must_be_repaired_is_a_failure(conexus: Conexus, shop: Path, tmp_path: Path) -> None:
    blocker = tmp_path / "a file"
    blocker.write_text("", encoding="utf-8")
    result = conexus("doctor", shop, expect=1, CONEXUS_DATA_DIR=str(blocker / "data"))
    level, found = report(result)["data"]
    assert level == "FAIL"
    assert "CONEXUS_DATA_DIR" in found


def test_a_data_directory_that_is_a_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocker = tmp_path / "a file"
    blocker.write_text("", encoding="utf-8")
    monkeypatch.setenv("CONEXUS_DATA_DIR", str(blocker))
    check = of(folder_checks(tmp_path), "data")
    assert (check.level, check.found) == ("FAIL", f"{blocker} is not a directory")
    assert "CONEXUS_DATA_DIR" in check.advice


# --- what a whole run would take long to show, on the checks themselves ---


def test_who_may_read_the_indexes(
    conexus: Conexus, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    monkeypatch.setenv("CONEXUS_DATA_DIR", str(data))
    conexus("index", shop)
    assert "mode 700" in of(folder_checks(shop), "data").found
    index = of(folder_checks(shop), "index")
    assert index.level == "OK"
    (data / "indexes").chmod(0o755)
    Path(index.found.partition(", ")[0]).chmod(0o755)
    data.chmod(0o755)
    assert of(folder_checks(shop), "data").level == "WARN"
    assert of(folder_checks(shop), "data").advice == f"run `chmod 700 {data}`"
    assert of(folder_checks(shop), "index").level == "WARN"


def test_directories_that_others_may_control_are_named(
    conexus: Conexus, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "place" / "data"
    monkeypatch.setenv("CONEXUS_DATA_DIR", str(data))
    data.parent.mkdir()
    data.symlink_to(tmp_path / "nowhere")
    assert "is a link that leads nowhere" in of(folder_checks(shop), "data").found
    data.unlink()
    conexus("index", shop, CONEXUS_DATA_DIR=str(data))
    assert of(folder_checks(shop), "data").level == "OK"
    data.parent.chmod(0o777)
    check = of(folder_checks(shop), "data")
    assert (check.level, "other users can replace it" in check.found) == ("WARN", True)
    data.parent.chmod(0o1777)
    assert of(folder_checks(shop), "data").level == "OK"
    index = Path(of(folder_checks(shop), "index").found.partition(", ")[0])
    (index / "x.lance").symlink_to(tmp_path)
    check = of(folder_checks(shop), "index")
    assert (check.level, "`x.lance` in the index directory is a link" in check.found) == ("FAIL", True)
    (index / "x.lance").unlink()
    (data / "indexes").chmod(0o777)
    for subject in ("data", "index"):
        check = of(folder_checks(shop), subject)
        assert (check.level, "other users can write to `indexes`" in check.found) == ("FAIL", True)
    result = conexus("index", shop, expect=3, CONEXUS_DATA_DIR=str(data))
    assert (
        "the index directory cannot be used: other users can write to `indexes` in the data directory" in result.stderr
    )
    (data / "indexes").chmod(0o700)
    data.rename(tmp_path / "elsewhere")
    data.symlink_to(tmp_path / "elsewhere")
    check = of(folder_checks(shop), "data")
    assert (check.level, "the data directory is a link" in check.found) == ("FAIL", True)


def test_wrong_settings_are_named(shop: Path) -> None:
    (shop / "conexus.toml").write_text("watcher = 3\n", encoding="utf-8")
    check = of(folder_checks(shop), "settings")
    assert check.level == "WARN"
    assert "watcher" in check.found


def test_a_model_that_cannot_be_had(shop: Path) -> None:
    check = own_model(str(shop / "no such model"))
    assert check.level == "FAIL"
    assert check.found


def test_the_limits_of_the_watcher(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = tmp_path / "inotify"
    monkeypatch.setattr(checks, "_INOTIFY", limits)
    assert of(folder_checks(shop), "watcher").level == "OK"
    limits.mkdir()
    (limits / "max_user_instances").write_text("128\n", encoding="ascii")
    for watches, level in ((100_000, "OK"), (40, "WARN"), (3, "FAIL")):
        (limits / "max_user_watches").write_text(f"{watches}\n", encoding="ascii")
        for number in range(20):
            (shop / f"folder_{number}").mkdir(exist_ok=True)
        check = of(folder_checks(shop), "watcher")
        assert check.level == level
        assert ("sysctl" in check.advice) == (level != "OK")
    (limits / "max_user_watches").write_text("many\n", encoding="ascii")
    assert of(folder_checks(shop), "watcher").level == "FAIL"


def test_native_code_for_another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made_elsewhere.py").write_text("import os\nos.kill(os.getpid(), 4)\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(checks, "_NATIVE", ("json", "made_elsewhere"))
    check = of(installation_checks(), "native code")
    assert (check.level, check.found) == ("FAIL", "importing made_elsewhere ended the process with signal 4")
    monkeypatch.setattr(checks, "_NATIVE", ("json", "never_installed"))
    check = of(installation_checks(), "native code")
    assert check.level == "FAIL"
    assert "never_installed cannot be imported" in check.found
