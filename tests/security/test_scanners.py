"""Each scanner of `make security` finds a fault that is planted for it, and says so when it cannot check."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import scanners.__main__ as program
from scanners import outcome as tools
from scanners.code import check_suppressions, run_bandit, run_ruff
from scanners.components import check_bill, write_extension, write_python
from scanners.leaks import scan_secrets
from scanners.licences import check_licences
from scanners.lock import check_lock
from scanners.outcome import NotChecked, Outcome, State
from scanners.vulnerabilities import audit_extension, audit_python

for tool in ("bandit", "cyclonedx", "detect_secrets", "license_expression", "pip_audit", "piplicenses"):
    pytest.importorskip(tool, reason="`make security` installs the scanners")

ROOT = Path(__file__).parents[2]
DIGEST = "0" * 64
ALLOWED = "pragma: " + "allowlist secret"
PYPROJECT = """
[project]
name = "sample"
version = "1"
dependencies = ["planted>=1"]
[tool.ruff.lint]
select = ["S"]
[tool.scanners]
licences = ["MIT", "Apache-2.0"]
suppressions-on-lines = 1
suppressions-of-rules = 0
files-of-data = []
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository in which every scanner passes."""
    put(tmp_path, "pyproject.toml", PYPROJECT)
    put(tmp_path, ".ci/requirements.txt", f"planted==1.0 \\\n    --hash=sha256:{DIGEST}\n")
    put(tmp_path, "server/conexus/sample.py", "def answer() -> int:\n    return 42\n")
    package = {"name": "sample", "version": "1.0.0", "dependencies": {"planted": "1.0.0"}}
    entry = {"version": "1.0.0", "license": "MIT", "resolved": "https://registry.npmjs.org/planted/-/planted-1.0.0.tgz"}
    lock = {
        "name": "sample",
        "version": "1.0.0",
        "lockfileVersion": 3,
        "packages": {"": package, "node_modules/planted": entry},
    }
    put(tmp_path, "editors/vscode/package.json", json.dumps(package))
    put(tmp_path, "editors/vscode/package-lock.json", json.dumps(lock))
    git = shutil.which("git")
    assert git is not None
    subprocess.run([git, "init", "--quiet", str(tmp_path)], check=True)
    return tmp_path


def put(tree: Path, name: str, text: str) -> Path:
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, licence: str) -> None:
    """Makes the metadata of an installed package `planted`, and nothing else of it."""
    text = f"Metadata-Version: 2.4\nName: planted\nVersion: 1.0\n{licence}\n"
    put(folder, "site/planted-1.0.dist-info/METADATA", text)
    monkeypatch.setenv("PYTHONPATH", str(folder / "site"))


class Service(ThreadingHTTPServer):
    """A database of advisories on this machine: `answers` has the JSON of each path."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, Any] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def do_GET(self) -> None:
        assert isinstance(self.server, Service)
        answer = self.server.answers.get(self.path)
        content = json.dumps({} if answer is None else answer).encode()
        self.send_response(404 if answer is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Service]:
    server = Service()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


# --- code ---

_SHELL = "import subprocess\n\n\ndef run(text: str) -> None:\n    subprocess.run(text, shell=True, check=True)\n"


@pytest.mark.parametrize(("scan", "rule"), [(run_ruff, "S602"), (run_bandit, "B602")])
def test_a_shell_is_found(tree: Path, scan: Any, rule: str) -> None:
    assert scan(tree).state is State.PASSED
    put(tree, "server/conexus/planted.py", _SHELL)
    outcome = scan(tree)
    assert outcome.state is State.FAILED
    assert any("planted.py:5" in finding and rule in finding for finding in outcome.findings), outcome


def test_a_file_that_is_no_python_has_not_passed(tree: Path) -> None:
    put(tree, "server/conexus/planted.py", "def (:\n")
    assert run_ruff(tree).state is State.FAILED
    assert run_bandit(tree).state is State.FAILED


def test_a_scan_of_no_code_fails(tree: Path) -> None:
    (tree / "server/conexus/sample.py").unlink()
    assert program.run("bandit", run_bandit, tree).state is State.FAILED


@pytest.mark.parametrize(
    "comment",
    ["# noqa: S301", "# noqa: E501,S301", "# noqa", "# nosec B301", "# nosec", f"# {ALLOWED}", f"+ '# {ALLOWED}'"],
)
def test_a_suppression_without_its_reason_is_found(tree: Path, comment: str) -> None:
    put(tree, "tests/planted.py", f"x = 1  {comment}\n")
    outcome = check_suppressions(tree)
    assert outcome.state is State.FAILED
    assert outcome.findings[0].startswith("tests/planted.py:1: "), outcome


@pytest.mark.parametrize("comment", ["# noqa: S301  read from our own file", "# nosec B615 - the user chose it"])
def test_a_suppression_with_its_reason_passes_and_one_more_does_not(tree: Path, comment: str) -> None:
    line = f"x = 1  {comment}\n"
    put(tree, "tests/planted.py", line)
    assert check_suppressions(tree).state is State.PASSED
    put(tree, "tests/planted.py", line * 2)
    assert check_suppressions(tree).findings == ("2 suppressions on lines; pyproject.toml allows 1",)


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa  whatever it is",
        "# nosec  whatever it is",
        "# ruff: noqa: S603  whatever it is",
        "# flake8: noqa  whatever it is",
        "# ruff: disable[S603]  whatever it is",
    ],
)
def test_a_suppression_of_everything_is_found(tree: Path, comment: str) -> None:
    put(tree, "tests/planted.py", f"x = 1  {comment}\n")
    assert check_suppressions(tree).findings == ("tests/planted.py:1: suppresses every rule, not a named one",)


def test_a_suppression_by_configuration_is_counted(tree: Path) -> None:
    text = PYPROJECT.replace('select = ["S"]', 'select = ["S"]\nper-file-ignores = {"tests/**" = ["S101", "E501"]}')
    put(tree, "pyproject.toml", text)
    assert check_suppressions(tree).findings == ("1 suppressions in pyproject.toml; it allows 0",)


@pytest.mark.parametrize("name", ["server/ruff.toml", "tests/pyproject.toml", ".bandit"])
def test_another_configuration_of_a_scanner_is_found(tree: Path, name: str) -> None:
    put(tree, name, "")
    assert check_suppressions(tree).findings == (f"{name} configures a scanner beside pyproject.toml",)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('select = ["S"]', 'select = ["E"]'),
        ("[tool.ruff.lint]", '[tool.ruff]\nextend-exclude = ["server/conexus"]\n[tool.ruff.lint]'),
        ("[tool.scanners]", '[tool.bandit]\nskips = ["B602"]\n[tool.scanners]'),
    ],
)
def test_a_scanner_that_is_switched_off_by_configuration_is_found(tree: Path, old: str, new: str) -> None:
    put(tree, "pyproject.toml", PYPROJECT.replace(old, new))
    assert check_suppressions(tree).state is State.FAILED


def test_other_comments_are_no_suppressions_for_security(tree: Path) -> None:
    put(tree, "tests/planted.py", 'x = "# noqa: S301"  # noqa: E501\n')
    assert check_suppressions(tree).summary.startswith("0 of at most 1 on lines")


def test_this_repository_has_a_reason_for_each_suppression_and_a_right_lock() -> None:
    assert check_suppressions(ROOT).findings == ()
    assert check_lock(ROOT).findings == ()


# --- secrets ---


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("docs/planted.md", "AKIA" + "Q3EGPIXS5PL7DW2N"),
        ("tests/planted.py", "ghp_" + "kLmNoPqRsTuV" * 3),
        ("editors/planted.txt", "-----BEGIN RSA " + "PRIVATE KEY-----"),
    ],
)
def test_a_secret_is_found(tree: Path, name: str, secret: str) -> None:
    assert scan_secrets(tree).state is State.PASSED
    put(tree, name, f"x = '{secret}'\n")
    outcome = scan_secrets(tree)
    assert outcome.state is State.FAILED
    assert outcome.findings[0].startswith(f"{name}:1: "), outcome
    assert secret not in str(outcome)


# --- dependencies ---


@pytest.mark.parametrize(
    ("lock", "finding"),
    [
        ("", "planted is not locked"),
        ("planted==1.0\n", "planted 1.0 has no digest"),
        (f"planted==0.9 \\\n    --hash=sha256:{DIGEST}\n", "planted 0.9 is locked, but pyproject.toml says >=1"),
    ],
)
def test_a_lock_that_does_not_fit_is_found(tree: Path, lock: str, finding: str) -> None:
    assert check_lock(tree).state is State.PASSED
    put(tree, ".ci/requirements.txt", lock)
    assert finding in check_lock(tree).findings


def test_a_known_vulnerability_of_a_python_package_is_found(tree: Path, service: Service) -> None:
    """The advisory comes from a service on this machine in OSV's protocol; pip-audit itself compares."""
    service.answers["/v1/query"] = {"vulns": []}
    assert audit_python(tree, f"{service.url}/v1/query").state is State.PASSED
    affected = {
        "package": {"name": "planted", "ecosystem": "PyPI"},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}],
    }
    service.answers["/v1/query"] = {"vulns": [{"id": "PYSEC-2000-1", "summary": "planted", "affected": [affected]}]}
    outcome = audit_python(tree, f"{service.url}/v1/query")
    assert outcome.state is State.FAILED
    assert outcome.findings == ("planted 1.0: PYSEC-2000-1, mended in 2.0",)


def test_a_known_vulnerability_of_an_npm_package_is_found(tree: Path, service: Service) -> None:
    bulk = "/-/npm/v1/security/advisories/bulk"
    service.answers[bulk] = {}
    assert audit_extension(tree, service.url).state is State.PASSED
    version = {"name": "planted", "version": "1.0.0"}
    service.answers["/planted"] = {
        "name": "planted",
        "versions": {"1.0.0": version},
        "dist-tags": {"latest": "1.0.0"},
    }
    advisory = {
        "id": 1,
        "url": "https://example.org/1",
        "title": "planted",
        "severity": "high",
        "vulnerable_versions": "<2.0.0",
        "cwe": [],
        "cvss": {"score": 8, "vectorString": None},
    }
    service.answers[bulk] = {"planted": [advisory]}
    outcome = audit_extension(tree, service.url)
    assert outcome.state is State.FAILED
    assert outcome.findings[0].startswith("planted "), outcome


@pytest.mark.parametrize(
    "licence",
    [
        "License-Expression: GPL-3.0-only",
        "License-Expression: MIT AND GPL-3.0-only",
        "Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)",
        "License: a licence of our own",
        "Summary: none is named",
    ],
)
def test_a_licence_that_is_not_accepted_is_found(tree: Path, monkeypatch: pytest.MonkeyPatch, licence: str) -> None:
    install(tree, monkeypatch, licence)
    outcome = check_licences(tree)
    assert outcome.state is State.FAILED
    assert outcome.findings[0].startswith("planted (Python): "), outcome


@pytest.mark.parametrize(
    "licence",
    [
        "License-Expression: MIT OR GPL-3.0-only",
        "License-Expression: MIT AND Apache-2.0",
        "Classifier: License :: OSI Approved :: MIT License",
    ],
)
def test_an_accepted_licence_passes(tree: Path, monkeypatch: pytest.MonkeyPatch, licence: str) -> None:
    install(tree, monkeypatch, licence)
    assert check_licences(tree).state is State.PASSED


def test_a_licence_of_an_npm_package_is_found(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tree, monkeypatch, "License-Expression: MIT")
    lock = tree / "editors/vscode/package-lock.json"
    lock.write_text(lock.read_text().replace('"MIT"', '"AGPL-3.0-only"'))
    assert check_licences(tree).findings == ("planted (npm): AGPL-3.0-only",)


def test_a_package_that_is_not_installed_has_no_licence_to_check(tree: Path) -> None:
    assert program.run("licences", check_licences, tree).state is State.NOT_CHECKED


def test_the_bills_have_every_component(tree: Path) -> None:
    for outcome in (write_python(tree), write_extension(tree)):
        assert outcome.state is State.PASSED, outcome
        assert outcome.summary.startswith("1 components")


def test_a_missing_component_and_a_malformed_bill_are_found(tree: Path) -> None:
    write_python(tree)
    path = tree / "build/sbom/python.cdx.json"
    bill = json.loads(path.read_text())
    path.write_text(json.dumps({**bill, "components": []}))
    outcome = check_bill("SBOM", path, {("planted", "1.0")})
    assert outcome.findings == ("planted 1.0 is missing",)
    path.write_text(json.dumps({**bill, "components": [{**bill["components"][0], "type": "planted"}]}))
    assert check_bill("SBOM", path, {("planted", "1.0")}).state is State.FAILED


# --- what cannot be checked ---

_BY_MODULE = ["ruff", "bandit", "secrets", "pip-audit", "licences", "SBOM (Python)"]


@pytest.mark.parametrize("name", _BY_MODULE)
def test_a_scanner_that_is_not_installed_says_not_checked(
    tree: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(tools.importlib.util, "find_spec", lambda name: None)
    outcome = program.run(name, program.SCANNERS[name], tree)
    assert outcome.state is State.NOT_CHECKED
    assert "is not installed" in outcome.summary


@pytest.mark.parametrize("name", ["npm audit", "SBOM (extension)", "suppressions", "secrets"])
def test_a_program_that_is_not_installed_is_not_checked(tree: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("PATH", "")
    outcome = program.run(name, program.SCANNERS[name], tree)
    assert outcome.state is State.NOT_CHECKED
    assert "is not installed" in outcome.summary


def test_a_service_that_does_not_answer_is_not_checked(tree: Path, service: Service) -> None:
    url = service.url  # every path of it answers 404, so far
    with pytest.raises(NotChecked):
        audit_python(tree, f"{url}/v1/query")
    with pytest.raises(NotChecked):
        audit_extension(tree, url)
    service.server_close()
    with pytest.raises(NotChecked):
        audit_python(tree, f"{url}/v1/query")
    with pytest.raises(NotChecked):
        audit_extension(tree, url)


def test_a_tool_that_breaks_has_failed(tree: Path) -> None:
    put(tree, ".ci/requirements.txt", "not a requirement ==\n")
    put(tree, "editors/vscode/package-lock.json", "{")
    for name in ("pip-audit", "npm audit", "licences", "SBOM (Python)", "SBOM (extension)"):
        assert program.run(name, program.SCANNERS[name], tree).state is State.FAILED, name


def test_the_summary_names_each_scanner_and_the_exit_status_what_failed(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unreachable(tree: Path) -> Outcome:
        raise NotChecked("no service answers")

    fine: dict[str, Any] = {"one": lambda tree: Outcome("one", State.PASSED, "3 files"), "two": unreachable}
    monkeypatch.setattr(program, "SCANNERS", fine)
    assert program.main([str(tree)]) == 0
    written = capsys.readouterr().out
    assert "not checked: two: no service answers\n" in written
    _, _, summary = written.partition("Security scan:\n")
    assert [line.split(maxsplit=1) for line in summary.splitlines()] == [
        ["one", "passed       3 files"],
        ["two", "not checked  no service answers"],
    ]
    assert program.main([str(tree), "--strict"]) == 1

    failed: dict[str, Any] = {"three": lambda tree: Outcome("three", State.FAILED, "1 file", ("x.py:1: bad",))}
    monkeypatch.setattr(program, "SCANNERS", fine | failed)
    assert program.main([str(tree)]) == 1
    assert "three: x.py:1: bad\n" in capsys.readouterr().out
