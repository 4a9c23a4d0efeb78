"""``conexus doctor``."""

from __future__ import annotations

import re
from pathlib import Path

from tests.cli.conftest import Conexus, Result


def report(result: Result) -> dict[str, tuple[str, str]]:
    """The lines of a report: subject -> (level, rest)."""
    lines = [re.fullmatch(r"(OK|WARN|FAIL) +(.+?)  +(.+)", line) for line in result.stdout.splitlines()]
    assert all(lines), result.stdout
    return {match[2]: (match[1], match[3]) for match in lines if match}


def test_a_sound_installation_has_no_failure(conexus: Conexus, shop: Path, tmp_path: Path) -> None:
    checks = report(conexus("doctor", cwd=shop))
    assert {
        "python", "packages", "native code", "model", "grammars", "data", "disk", "settings", "watcher", "index"
    } == set(checks)  # fmt: skip
    for subject in ("native code", "model", "grammars", "data", "settings", "index"):
        assert checks[subject][0] == "OK", checks[subject]
    assert str(shop) in checks["index"][1]
    assert not (tmp_path / "data").exists()


def test_it_sees_the_index_and_who_may_read_it(conexus: Conexus, shop: Path, tmp_path: Path) -> None:
    conexus("index", shop)
    assert "mode 700" in report(conexus("doctor", shop))["data"][1]
    (tmp_path / "data").chmod(0o755)
    level, found = report(conexus("doctor", shop))["data"]
    assert level == "WARN"
    assert f"chmod 700 {tmp_path / 'data'}" in found


def test_what_must_be_repaired_is_a_failure(conexus: Conexus, shop: Path, tmp_path: Path) -> None:
    blocker = tmp_path / "a file"
    blocker.write_text("", encoding="utf-8")
    result = conexus("doctor", shop, expect=1, CONEXUS_DATA_DIR=str(blocker / "data"))
    level, found = report(result)["data"]
    assert level == "FAIL"
    assert "CONEXUS_DATA_DIR" in found


def test_wrong_settings_are_named(conexus: Conexus, shop: Path) -> None:
    (shop / "conexus.toml").write_text("watcher = 3\n", encoding="utf-8")
    level, found = report(conexus("doctor", shop))["settings"]
    assert level == "WARN"
    assert "watcher" in found
