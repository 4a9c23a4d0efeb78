"""Which programs are started, with which environment, and what git is asked."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from conexus import audit, isolation
from conexus.isolation import keep_out, reduced
from conexus.processes import start
from conexus.processes.start import candidates, environment, find_program, outside_workspace, run
from conexus.processes.workers import WorkerProcesses
from conexus.storage.lance.process import LanceProcess
from conexus.storage.lance.requests import OpenTables
from conexus.workspace import repository
from conexus.workspace.repository import GitSettings, common_directory, git_settings, named_directory

FOREIGN = frozenset({"/repo"})


def program(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace folder that is open."""
    monkeypatch.setattr(isolation, "_workspaces", set())
    folder = tmp_path / "repository"
    folder.mkdir()
    keep_out(str(folder))
    return folder


# --- programs ---


def test_a_program_comes_from_no_workspace(opened: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = program(tmp_path / "bin" / "git")
    program(opened / "git")
    program(opened / "bin" / "git")
    (tmp_path / "link").symlink_to(opened)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "git").symlink_to(opened / "git")
    entries = [
        opened,
        opened / "bin",
        tmp_path / "link",
        tmp_path / "tools",
        f"{tmp_path}/bin/../repository",
        right.parent,
    ]
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, ["", ".", "bin", *entries])))
    monkeypatch.chdir(opened)
    assert find_program("git") == str(right)
    right.unlink()
    with pytest.raises(FileNotFoundError):
        find_program("git")


def test_a_program_comes_not_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "git")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f".{os.pathsep}{os.pathsep}{tmp_path}")
    with pytest.raises(FileNotFoundError):
        find_program("git")


def test_programs_of_the_home_directory_are_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """VS Code starts the server there, and `~/.local/bin` is no part of a workspace."""
    right = program(tmp_path / ".local" / "bin" / "git")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(right.parent))
    monkeypatch.chdir(tmp_path)
    assert find_program("git") == str(right)


def test_on_windows_the_working_directory_and_batch_files_are_no_programs() -> None:
    path = r'C:\Git\cmd;;.;tools;\tools;C:tools;"C:\Program Files\Git\bin"'
    assert candidates("git", path, windows=True) == [
        r"C:\Git\cmd\git.exe",
        r"C:\Git\cmd\git.com",
        r"C:\Program Files\Git\bin\git.exe",
        r"C:\Program Files\Git\bin\git.com",
    ]


def test_elsewhere_relative_entries_of_the_path_are_no_places_of_programs() -> None:
    assert candidates("git", "::.:bin:../bin:/usr/bin:", windows=False) == ["/usr/bin/git"]


def test_a_program_runs_outside_the_workspace_and_has_no_terminal(tmp_path: Path) -> None:
    show = program(tmp_path / "show", "pwd; cat; env")
    answer = run([str(show)], 20, b"given\n").stdout.decode()
    assert answer.startswith("/\ngiven\n")
    with outside_workspace():
        assert Path.cwd() == Path("/")
    assert Path.cwd() != Path("/")


# --- the environment ---


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("PATH", ":.:bin:/repo/bin:/usr/bin", "/usr/bin"),
        ("PATH", ".", ""),
        ("PATH", "/repository/bin:/repo/../usr/bin", "/repository/bin:/repo/../usr/bin"),
        ("LD_LIBRARY_PATH", "/opt/conda/lib:", "/opt/conda/lib"),
        ("LD_LIBRARY_PATH", "/nix/store/x/lib:/repo/lib:lib", "/nix/store/x/lib"),
        ("LD_LIBRARY_PATH", ":", None),
        ("DYLD_LIBRARY_PATH", "/repo", None),
        ("LD_PRELOAD", "/usr/lib/libjemalloc.so libx.so ./y.so:/repo/z.so", "/usr/lib/libjemalloc.so"),
        ("LD_PRELOAD", "libx.so", None),
        ("LD_AUDIT", "/usr/lib/audit.so", None),
        ("PYTHONHOME", "/opt/python", "/opt/python"),
        ("PYTHONHOME", "/repo/python", None),
        ("PYTHONPYCACHEPREFIX", "cache", None),
        ("PYTHONSTARTUP", "/home/user/startup.py", None),
        ("PYTHONWARNINGS", "error::planted.Warning", None),
        ("PYTHONUTF8", "1", "1"),
        ("GIT_CONFIG_GLOBAL", "/home/user/.gitconfig", "/home/user/.gitconfig"),
        ("GIT_CONFIG_GLOBAL", "/repo/.gitconfig", None),
        ("GIT_DIR", "/elsewhere", None),
        ("GIT_SSH_COMMAND", "ssh", None),
        ("XDG_CONFIG_HOME", "config", None),
        ("https_proxy", "http://proxy", "http://proxy"),
        ("HF_HOME", "/models", "/models"),
        ("RUST_LOG", "trace", None),
        ("NODE_OPTIONS", "--require /repo/x.js", None),
        ("EDITOR", "vi", None),
    ],
)
def test_the_environment_is_reduced(name: str, value: str, kept: str | None) -> None:
    assert reduced({name: value}, FOREIGN) == ({} if kept is None else {name: kept})


def test_what_belongs_to_the_running_interpreter_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual environment in the repository that the user has activated: its code runs anyway."""
    monkeypatch.setattr(sys, "prefix", "/repo/.venv")
    found = reduced({"PATH": "/repo/.venv/bin:/repo/bin:/usr/bin"}, FOREIGN)
    assert found == {"PATH": "/repo/.venv/bin:/usr/bin"}


def test_an_interpreter_above_the_workspace_excuses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", "/")
    monkeypatch.setattr(sys, "base_prefix", "/")
    assert reduced({"PATH": "/repo/bin:/usr/bin"}, FOREIGN) == {"PATH": "/usr/bin"}


def test_children_are_told_to_send_nothing() -> None:
    found = environment({"HF_HUB_OFFLINE": "1"})
    assert found.items() >= {"DO_NOT_TRACK": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1"}.items()


# --- git ---


@pytest.fixture
def git_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository's `.git/config`, which does not exist yet; the user has no settings of git."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    return tmp_path / "repository" / ".git" / "config"


def test_a_repositorys_own_settings_count(git_config: Path) -> None:
    git_config.write_text("[core]\n\tignoreCase = true\n\texcludesFile = hidden/ignore\n")
    root = git_config.parents[1]
    (root / "hidden").mkdir()
    (root / "hidden" / "ignore").write_text("*.log\n")
    (root / "inner").mkdir()
    for folder in (root, root / "inner"):
        assert git_settings(str(folder)) == GitSettings(b"*.log\n", ignore_case=True)


@pytest.mark.parametrize("named", ["{outside}", "../secret", "~/secret", "link", "/dev/zero", "fifo", "..", "", "\\0"])
def test_a_repository_names_no_file_outside_that_is_read(
    git_config: Path, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    outside = tmp_path / "secret"
    outside.write_text("*.secret\n")
    root = git_config.parents[1]
    (root / "link").symlink_to(outside)
    os.mkfifo(root / "fifo")
    git_config.write_text(f"[core]\n\texcludesFile = {named.format(outside=outside)}\n")
    assert git_settings(str(root)) == GitSettings()


def test_a_config_that_is_a_pipe_is_not_waited_for(git_config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(git_config)
    asked = asks(monkeypatch)
    assert git_settings(str(git_config.parents[1])) == GitSettings()
    assert [given for _, given in asked] == [b""]


def test_of_a_large_config_only_the_beginning_is_read(git_config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with git_config.open("w") as file:
        file.write("[core]\n\tignoreCase = true\n#")
        file.truncate(200 * 2**20)
    asked = asks(monkeypatch)
    git_settings(str(git_config.parents[1]))
    assert max(len(given) for _, given in asked) <= 2**18


def test_git_is_told_of_no_repository(git_config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git_config.write_text("[core]\n\tignoreCase = true\n[include]\n\tpath = /planted\n[alias]\n\tconfig = !touch x\n")
    root = git_config.parents[1]
    monkeypatch.chdir(root)
    monkeypatch.setenv("GIT_DIR", str(root / ".git"))
    asked = asks(monkeypatch)
    assert git_settings(str(root)).ignore_case
    for command, _ in asked:
        assert not any(str(root) in word for word in command)
    assert [command[1:4] for command, _ in asked] == [
        ["config", "--null", "--type=path"],
        ["config", "--file", "-"],
    ]
    assert start.environment({"GIT_DIR": os.devnull})["GIT_DIR"] == os.devnull


def asks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], bytes]]:
    """The commands that are run from now on, with their input."""
    asked: list[tuple[list[str], bytes]] = []
    true_run = repository.run

    def watched(
        command: list[str], seconds: float, given: bytes = b"", variables: dict[str, str] | None = None
    ) -> object:
        assert variables == {"GIT_DIR": os.devnull}
        asked.append((command, given))
        return true_run(command, seconds, given, variables)

    monkeypatch.setattr(repository, "run", watched)
    return asked


@pytest.mark.parametrize(
    "named",
    [rb"\\host\share\x", b"//host/share", rb"\\?\UNC\host\share", rb"\\.\pipe\x", rb"/\host\share", b"a\0b", b""],
)
def test_on_windows_a_repository_names_no_share_and_no_device(named: bytes) -> None:
    assert named_directory(r"C:\work", named, windows=True) is None


@pytest.mark.parametrize(
    ("named", "meant"),
    [(b"../other/.git", r"C:\work\..\other\.git"), (b"D:/x/.git", r"D:\x\.git"), (b" C:\\x \n", r"C:\x")],
)
def test_on_windows_a_repository_names_a_directory(named: bytes, meant: str) -> None:
    assert named_directory(r"C:\work", named, windows=True) == meant


def test_a_pointer_to_a_directory_is_followed(tmp_path: Path) -> None:
    (tmp_path / "main" / ".git" / "worktrees" / "w").mkdir(parents=True)
    (tmp_path / "main" / ".git" / "worktrees" / "w" / "commondir").write_text("../..\n")
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / ".git").write_text(f"gitdir: {tmp_path}/main/.git/worktrees/w\n")
    assert common_directory(str(tmp_path / "w")) == str(tmp_path / "main" / ".git")
    (tmp_path / "w" / ".git").write_text("gitdir: \0\n")
    assert common_directory(str(tmp_path / "w")) is None


# --- the audit log ---


def test_starts_and_forced_ends_are_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded: list[tuple[str, object]] = []
    monkeypatch.setattr(audit, "record", lambda event, **details: recorded.append((event, details["process"])))
    process = LanceProcess("store")
    process.ask(OpenTables(tmp_path / "index", 8))
    child = process._child
    assert child is not None
    child.kill("a test")
    process.close()
    workers = WorkerProcesses(1)
    workers.submit(len, ()).result()
    workers.close()
    watching = start.start_python("watcher", ["-c", "pass"])
    watching.communicate()
    assert recorded == [
        ("processStarted", "store"),
        ("processKilled", "store"),
        ("processStarted", "worker"),
        ("processStarted", "watcher"),
    ]
