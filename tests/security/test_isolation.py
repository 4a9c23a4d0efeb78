"""No file of a repository runs as Python: in no command, in no process that one starts."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

import conexus
from conexus import isolation
from conexus.isolation import isolate
from tests.lsp.raw import raw_client, server_environment
from tests.planted import plant

#: How people and editors start the program.
SCRIPT = [str(Path(sys.executable).with_name("conexus"))]
MODULE = [sys.executable, "-P", "-m", "conexus"]

#: Every interpreter that starts imports this: it says what was started, and whether it is isolated.
PROBE = """
import json, os, sys
record = {"argv": sys.orig_argv, "safe": sys.flags.safe_path, "path": sys.path, "directory": os.getcwd()}
record["environment"] = dict(os.environ)
with open(os.environ["CONEXUS_TEST_PROBE"], "a") as file:
    file.write(json.dumps(record) + "\\n")
"""


class Repository:
    """A planted workspace, and a record of every Python process that was started for it."""

    def __init__(self, scratch: Path, probe: Path) -> None:
        self.folder = scratch / "repository"
        self.mark = scratch / "mark"
        self._log = scratch / "started"
        plant(self.folder, self.mark)
        (probe / "sitecustomize.py").write_text(PROBE)
        self.environment = server_environment(scratch / "data")
        self.environment["PYTHONPATH"] += f"{os.pathsep}{probe}"
        self.environment["CONEXUS_TEST_PROBE"] = str(self._log)
        self.environment.pop("PYTHONSAFEPATH", None)
        here = str(self.folder)
        self.environment |= {
            "PATH": os.pathsep.join((".", "", "bin", here, f"{here}/bin", self.environment["PATH"])),
            "LD_LIBRARY_PATH": f":{here}:lib:/usr/lib",
            "NIX_PYTHONPATH": here,
            "GIT_EXEC_PATH": here,
            "GIT_PAGER": f"{here}/git",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "core.fsmonitor",
            "GIT_CONFIG_VALUE_0": f"{here}/git",
            "PYTHONSTARTUP": f"{here}/json.py",
            "PYTHONBREAKPOINT": "json.main",
            "BASH_ENV": f"{here}/bash",
            "ENV": f"{here}/sh",
            "RUST_LOG": "trace",
        }

    def run(self, command: list[str], directory: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a command in the planted folder, or in another directory."""
        return subprocess.run(
            command,
            cwd=directory or self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def started(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def check(self, *expected: str) -> None:
        """Nothing planted has run, every child is isolated, and the expected kinds of children were among them."""
        ran = self.mark.read_text().split() if self.mark.exists() else []
        assert not ran, f"files of the repository have run: {ran}"
        _, *children = self.started
        for child in children:
            assert child["safe"], child["argv"]
            assert str(self.folder) not in child["path"], child["argv"]
            assert child["directory"] == "/", child["argv"]
            self.check_environment(child["environment"])
        words = " ".join(" ".join(child["argv"]) for child in children)
        for kind in expected:
            assert kind in words, (kind, words)

    def check_environment(self, variables: dict[str, str]) -> None:
        """No search path of a child has a relative directory or one of the repository, and variables are few."""
        here = str(self.folder)
        for name, value in variables.items():
            assert name == "CONEXUS_TEST_PROBE" or here not in value, name
        for name in ("PATH", "LD_LIBRARY_PATH"):
            assert all(map(os.path.isabs, variables[name].split(os.pathsep))), variables[name]
        assert not {name for name in variables if name.startswith(("GIT_", "BASH_", "RUST_"))} - {"GIT_CONFIG_NOSYSTEM"}
        assert not {"ENV", "PYTHONSTARTUP", "PYTHONBREAKPOINT"} & variables.keys()


@pytest.fixture
def repository(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path, tmp_path_factory.mktemp("probe"))


#: Arguments, where FOLDER stands for the planted folder; the children that the command is known to start.
COMMANDS = {
    "search": (["search", "FOLDER", "say hello"], ["resource_tracker", "multiprocessing.spawn"]),
    "index": (["index", "FOLDER"], ["resource_tracker", "multiprocessing.spawn"]),
    "related": (["related", "FOLDER/greeting.py:1", "--root", "FOLDER"], ["resource_tracker"]),
    "doctor": (["doctor", "FOLDER"], ["importlib"]),
    "status": (["status", "FOLDER"], []),
}


@pytest.mark.parametrize("here", [True, False], ids=["inside", "from elsewhere"])
@pytest.mark.parametrize("program", [SCRIPT, MODULE], ids=["script", "module"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs_nothing_of_the_repository(
    repository: Repository, tmp_path: Path, command: str, program: list[str], here: bool
) -> None:
    arguments, children = COMMANDS[command]
    place = "." if here else str(repository.folder)
    result = repository.run(
        [*program, *(each.replace("FOLDER", place) for each in arguments)],
        repository.folder if here else tmp_path,
    )
    assert result.returncode == (1 if command == "status" else 0), result.stderr
    repository.check(*children)


@pytest.mark.parametrize("command", ["search", "doctor"])
def test_without_p_as_little_runs_as_python_lets(repository: Repository, command: str) -> None:
    """Python itself imports from the working directory before any code of ours: only what comes later can be held."""
    later = {"argparse", "multiprocessing", "subprocess", "numpy", "lancedb", "json", "logging", "tomllib"}
    for planted in repository.folder.glob("*.py"):
        if planted.stem not in {*later, "app", "greeting"}:
            planted.unlink()
    arguments, children = COMMANDS[command]
    result = repository.run([sys.executable, "-m", "conexus", *(each.replace("FOLDER", ".") for each in arguments)])
    assert result.returncode == 0, result.stderr
    repository.check(*children[:1])


@pytest.mark.parametrize("here", [True, False], ids=["inside", "from elsewhere"])
@pytest.mark.parametrize("program", [SCRIPT, MODULE], ids=["script", "module"])
def test_the_server_runs_nothing_of_the_repository(
    repository: Repository, tmp_path: Path, program: list[str], here: bool
) -> None:
    """Neovim, Emacs and Helix start it in the workspace, VS Code in the home directory."""
    data = Path(repository.environment["CONEXUS_DATA_DIR"])
    folder = repository.folder if here else tmp_path
    command = [*program, "serve"]
    with raw_client(data, environment=repository.environment, command=command, folder=folder) as client:
        client.initialize(repository.folder)
        client.wait_until_quiescent()
        uri = (repository.folder / "greeting.py").as_uri()
        assert client.request("conexus/search", {"query": "say hello"})["hits"]
        place = {"textDocument": {"uri": uri}, "position": {"line": 0, "character": 5}}
        assert client.request("conexus/related", place)["hits"]
        client.request("conexus/reindex", {})
        client.wait_until_quiescent()
        assert client.shut_down() == 0
    repository.check("resource_tracker", "multiprocessing.spawn", "watcher_process.py")


def test_without_the_environment_children_are_isolated_all_the_same(repository: Repository) -> None:
    """`python -E` hides PYTHONSAFEPATH from children; the probe, too, so that the mark alone tells."""
    command = [sys.executable, "-E", *SCRIPT, "index", "."]
    result = subprocess.run(
        command, cwd=repository.folder, env=repository.environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert not repository.mark.exists(), repository.mark.read_text()


def test_a_script_from_standard_input_starts_no_file_of_its_name(repository: Repository) -> None:
    (repository.folder / "<stdin>").write_text((repository.folder / "json.py").read_text())
    script = "import sys\nfrom conexus.__main__ import main\nif __name__ == '__main__':\n    sys.exit(main())\n"
    result = subprocess.run(
        [sys.executable, "-P", "-", "index", "."],
        cwd=repository.folder,
        env=repository.environment,
        input=script,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    repository.check("multiprocessing.spawn")


def test_a_script_that_is_not_guarded_runs_once(repository: Repository, tmp_path: Path) -> None:
    """Some installers write no ``if __name__ == "__main__"``. multiprocessing would run the script in each worker."""
    script, runs = tmp_path / "conexus-script", tmp_path / "runs"
    note = f"open({str(runs)!r}, 'a').write('run ')\n"
    script.write_text(f"import sys\nfrom conexus.__main__ import main\n{note}sys.exit(main())\n")
    result = subprocess.run(
        [sys.executable, "-P", script, "index", repository.folder],
        env=repository.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert runs.read_text() == "run "
    repository.check("multiprocessing.spawn")


def test_no_program_of_the_repository_is_taken_for_git(repository: Repository) -> None:
    program = repository.folder / "git"
    program.write_text(f"#!/bin/sh\necho git >> '{repository.mark}'\n")
    program.chmod(0o755)
    for path in (f".:{os.environ['PATH']}", f":{os.environ['PATH']}", "."):
        result = subprocess.run(
            [*MODULE, "index", "."],
            cwd=repository.folder,
            env={**repository.environment, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        assert not repository.mark.exists()


@pytest.mark.torch
@pytest.mark.parametrize("program", [SCRIPT, MODULE], ids=["script", "module"])
def test_the_process_of_a_model_runs_nothing_of_the_repository(
    repository: Repository, built: Path, program: list[str]
) -> None:
    result = repository.run([*program, "doctor", "--model", str(built / "small")])
    assert result.returncode == 0, result.stdout
    repository.check("conexus.embedding.transformer.worker")


# --- the parts ---


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A working directory; what isolation changes is put back at the end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    monkeypatch.setenv("PYTHONPATH", "")
    return tmp_path


def test_the_working_directory_leaves_the_path(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path / "link").symlink_to(path)
    kept = [entry for entry in sys.path if entry]
    monkeypatch.setattr(sys, "path", ["", ".", "src", str(path), str(path / "link"), *kept])
    isolate()
    assert sys.path == kept
    assert os.environ["PYTHONSAFEPATH"] == "1"


@pytest.mark.parametrize("empty", ["", ":", ".", "src:lib", "{here}", "{here}/src", "./", "..:."])
def test_children_inherit_no_relative_path(path: Path, monkeypatch: pytest.MonkeyPatch, empty: str) -> None:
    monkeypatch.setenv("PYTHONPATH", empty.format(here=path))
    isolate()
    assert "PYTHONPATH" not in os.environ


def test_other_entries_of_the_users_path_stay(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = str(path.parent / "elsewhere")
    monkeypatch.setenv("PYTHONPATH", f":{elsewhere}:.")
    monkeypatch.setattr(sys, "path", ["", elsewhere, str(path / "src")])
    isolate()
    assert os.environ["PYTHONPATH"] == elsewhere
    assert sys.path == [elsewhere, str(path / "src")]  # who put the last one there was not PYTHONPATH


def test_what_the_users_path_names_below_the_working_directory_goes(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{path / 'src'}:lib")
    monkeypatch.setattr(sys, "path", [str(path / "src"), str(path / "lib"), str(path / ".venv/lib")])
    isolate()
    assert "PYTHONPATH" not in os.environ
    assert sys.path == [str(path / ".venv/lib")]


def test_our_own_package_stays_importable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`PYTHONPATH=server` in a clone, or the current directory is where Conexus is installed."""
    home = Path(conexus.__file__).parents[1]
    monkeypatch.chdir(home.parent)
    monkeypatch.setenv("PYTHONPATH", home.name)
    monkeypatch.setattr(sys, "path", [str(home)])
    isolate()
    assert os.environ["PYTHONPATH"] == str(home)
    monkeypatch.chdir(home)
    isolate()
    assert sys.path == [str(home)]


@pytest.mark.parametrize("name", ["stdlib", "purelib"])
def test_it_starts_where_python_and_its_packages_are(repository: Repository, name: str) -> None:
    folder, command = sysconfig.get_path(name), [*SCRIPT, "--version"]
    result = subprocess.run(command, cwd=folder, env=repository.environment, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr


def test_a_working_directory_that_is_gone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(isolation.os, "getcwd", gone)
    monkeypatch.setattr(sys, "path", ["/usr/lib/python"])
    isolate()
    assert sys.path == ["/usr/lib/python"]


#: What starts a process.
STARTS = {f"subprocess.{name}" for name in ("Popen", "run", "call", "check_call", "check_output", "getoutput")} | {
    f"os.{name}" for name in ("system", "popen", "posix_spawn", "spawnv", "fork", "startfile")
}


def test_one_module_starts_processes_and_every_interpreter_is_isolated() -> None:
    """In the source: whoever starts ``sys.executable`` says -P, and multiprocessing is used through one function."""
    package = Path(conexus.__file__).parent
    found = 0
    for source in sorted(package.rglob("*.py")):
        tree = ast.parse(source.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, (ast.List, ast.Tuple)) and node.elts and ast.unparse(node.elts[0]) == "sys.executable":
                found += 1
                assert ast.unparse(node.elts[1]) == "'-P'", f"{source}:{node.lineno}"
            if isinstance(node, ast.Call) and ast.unparse(node.func) in STARTS:
                assert source.name == "start.py", f"{source}:{node.lineno}"
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "multiprocessing.get_context":
                assert source.name == "child.py", source
    assert found
