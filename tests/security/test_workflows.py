"""The workflows of CI can do no harm: actions are pinned, rights are few, no secret is used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml", reason="`make security` installs it")

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").iterdir())
#: Rights beyond reading the repository, each for one job.
WRITES = {"codeql/analyze": {"security-events"}, "scorecard/analysis": {"security-events", "id-token"}}
_PIN = re.compile(r"uses: [\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


def problems(name: str, text: str) -> Iterator[str]:
    """Yields what is wrong with a workflow."""
    workflow: dict[Any, Any] = yaml.safe_load(text)
    events = workflow[True]  # YAML reads the key `on` as a boolean
    if "pull_request_target" in events or "workflow_run" in events:
        yield "code of a stranger could get rights"
    if workflow.get("permissions") != {"contents": "read"}:
        yield "it may do more than read by default"
    if re.search(r"\bsecrets\b", text):
        yield "it uses a secret"
    for line in text.splitlines():
        if "uses:" in line and not _PIN.search(line):
            yield f"not pinned: {line.strip()}"
    for job, facts in workflow["jobs"].items():
        rights = facts.get("permissions", {})
        if rights == "write-all" or {right for right, how in dict(rights).items() if how == "write"} - WRITES.get(
            f"{name}/{job}", set()
        ):
            yield f"{job} may write"
        if "timeout-minutes" not in facts:
            yield f"{job} may run for hours"
        for step in facts["steps"]:
            if "actions/checkout@" in step.get("uses", "") and step["with"]["persist-credentials"]:
                yield f"{job} leaves a token in the work tree"
            if "github.event" in step.get("run", "") or "github.head_ref" in step.get("run", ""):
                yield f"{job} runs what a stranger wrote"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_can_do_no_harm(path: Path) -> None:
    assert path.suffix == ".yml"
    assert list(problems(path.stem, path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("pull_request:", "pull_request_target:", "code of a stranger could get rights"),
        ("contents: read", "contents: write", "it may do more than read by default"),
        ("make lint\n", "echo ${{ secrets.TOKEN }}\n", "it uses a secret"),
        ("make lint\n", "echo ${{ github.event.issue.title }}\n", "lint runs what a stranger wrote"),
        ("@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7", "not pinned: - uses: actions/checkout@v7"),
        ("persist-credentials: false", "persist-credentials: true", "lint leaves a token in the work tree"),
        ("    timeout-minutes: 20\n", "", "lint may run for hours"),
        ("    timeout-minutes: 20\n", "    timeout-minutes: 20\n    permissions: write-all\n", "lint may write"),
        (
            "    timeout-minutes: 20\n",
            "    timeout-minutes: 20\n    permissions:\n      contents: write\n",
            "lint may write",
        ),
    ],
)
def test_a_planted_fault_is_found(old: str, new: str, problem: str) -> None:
    text = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    assert old in text
    assert problem in list(problems("ci", text.replace(old, new)))


def test_dependabot_watches_all_three_kinds_of_dependencies() -> None:
    updates = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text(encoding="utf-8"))["updates"]
    assert {each["package-ecosystem"] for each in updates} == {"pip", "npm", "github-actions"}
    for each in updates:
        for folder in each.get("directories", [each.get("directory")]):
            assert (ROOT / folder.strip("/")).is_dir()


def test_the_workflows_run_commands_that_there_are() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    text = "\n".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    targets = set(re.findall(r"run: make ([\w-]+)", text))
    assert {"lint", "test", "security"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
