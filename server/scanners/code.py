"""Scanners of the code: ruff's rules for security, bandit, and the suppressions of both."""

from __future__ import annotations

import io
import json
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scanners.outcome import Broken, Outcome, State, run_module, tracked_files
from scanners.policy import read_policy, read_pyproject

#: bandit checks what users run. Findings below medium severity are of rules that ruff checks, line by line.
_BANDIT = ["--recursive", "server/conexus", "--severity-level", "medium", "--format", "json", "--quiet"]

_NOQA = re.compile(r"#\s*noqa(?::\s*(?P<codes>[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*))?", re.IGNORECASE)
_NOSEC = re.compile(r"#\s*nosec\b:?(?P<codes>(?:[\s,]+B[0-9]{3})*)")
#: Suppressions of more than a line.
_WIDE = re.compile(r"#\s*(?:(?:ruff|flake8):\s*noqa\b|ruff:\s*(?:disable|ignore|file-ignore)\s*\[)", re.IGNORECASE)
_ALLOWED_SECRET = re.compile(r"[#/*'\-;%\"]\s*pragma: ?(?:allow|white)list(?: nextline)?[ -]secret")
_DIRECTIVES = (_NOQA, _NOSEC, _ALLOWED_SECRET)
#: Files by which a scanner is configured, beside pyproject.toml in the root.
_CONFIGURATIONS = {"ruff.toml", ".ruff.toml", "pyproject.toml", ".bandit", "bandit.yaml", "bandit.yml", "bandit.toml"}


def run_ruff(tree: Path) -> Outcome:
    """Runs ruff as the repository configures it and takes the findings of the S rules, which are bandit's."""
    ended = run_module("ruff", ["check", "--output-format", "json", "--no-cache", "."], tree)
    findings = [
        f"{Path(each['filename']).relative_to(tree)}:{each['location']['row']}: {each['code']} {each['message']}"
        for each in _report(ended.output, ended.last_line)
        if re.fullmatch(r"S\d+|[^A-Z]*", each["code"] or "")  # "invalid-syntax" is no code of a rule
    ]
    state = State.FAILED if findings else State.PASSED
    return Outcome("ruff", state, "rules S on the whole repository", tuple(findings))


def run_bandit(tree: Path) -> Outcome:
    """Runs bandit on the product. It has rules that ruff lacks, such as those for models and for bidirectional text."""
    ended = run_module("bandit", _BANDIT, tree)
    report = _report(ended.output, ended.last_line)
    findings = [
        f"{each['filename']}:{each['line_number']}: {each['test_id']} ({each['issue_severity']}) {each['issue_text']}"
        for each in report["results"]
    ]
    findings += [f"{each['filename']}: {each['reason']}" for each in report["errors"]]
    lines = report["metrics"]["_totals"]["loc"]
    if not lines:
        raise Broken("bandit found no code in server/conexus")
    state = State.FAILED if findings or ended.code else State.PASSED
    return Outcome("bandit", state, f"{lines} lines of the product, medium severity and above", tuple(findings))


def check_suppressions(tree: Path) -> Outcome:
    """Checks that each suppression of a security rule says its reason on its line, and that there are not more.

    Suppressions are comments `noqa: S…`, `nosec B…` and `pragma: allowlist secret`, and in pyproject.toml the S rules
    that ruff ignores everywhere or in some files, and the files in which no secrets are searched.
    """
    policy = read_policy(tree)
    findings: list[str] = []
    lines = 0
    pyproject = read_pyproject(tree)
    if "S" not in pyproject["tool"]["ruff"]["lint"].get("select", []):
        findings.append("pyproject.toml does not select the rules S of ruff")
    for name in tracked_files(tree):
        if Path(name).name in _CONFIGURATIONS and name != "pyproject.toml":
            findings.append(f"{name} configures a scanner beside pyproject.toml")
        for number, comment in _comments(tree / name):
            if not (directives := _suppressions(comment)):
                continue
            lines += 1
            if not _reason(comment):
                findings.append(f"{name}:{number}: {directives} without a reason")
            if "everything" in directives:
                findings.append(f"{name}:{number}: suppresses every rule, not a named one")
    rules = len(_configured(pyproject)) + len(policy.files_of_data)
    if lines > policy.most_lines:
        findings.append(f"{lines} suppressions on lines; pyproject.toml allows {policy.most_lines}")
    if rules > policy.most_rules:
        findings.append(f"{rules} suppressions in pyproject.toml; it allows {policy.most_rules}")
    state = State.FAILED if findings else State.PASSED
    summary = (
        f"{lines} of at most {policy.most_lines} on lines, {rules} of at most {policy.most_rules} by configuration"
    )
    return Outcome("suppressions", state, summary, tuple(findings))


def _suppressions(comment: str) -> str:
    """Returns what a comment suppresses, in words, or nothing if that is no rule for security."""
    found: list[str] = []
    for match in _NOQA.finditer(comment):
        codes = [code for code in re.split(r"[,\s]+", match["codes"] or "") if re.fullmatch(r"S\d+", code)]
        found += codes if match["codes"] else ["everything"]
    for match in _NOSEC.finditer(comment):
        found += match["codes"].replace(",", " ").split() or ["everything"]
    found += ["everything"] * len(_WIDE.findall(comment))
    found += ["a secret"] * len(_ALLOWED_SECRET.findall(comment))
    return ", ".join(found)


def _reason(comment: str) -> str:
    """Returns the words of a comment beside its directives, if there is a word of three letters."""
    for directive in _DIRECTIVES:
        comment = directive.sub(" ", comment)
    return comment if re.search(r"[A-Za-z]{3}", comment) else ""


def _comments(path: Path) -> Iterator[tuple[int, str]]:
    """Yields the comments of a Python file, and the lines of any text that allow a secret, with their numbers."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    if path.suffix == ".py":
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], _ALLOWED_SECRET.sub(" ", token.string)
    for number, line in enumerate(text.splitlines(), 1):
        if match := _ALLOWED_SECRET.search(line):
            yield number, line[match.start() :]


def _configured(pyproject: dict[str, Any]) -> list[str]:
    """Returns the S rules that the configuration of ruff ignores, once for each pattern of files, and what it excludes.

    The configuration of bandit counts as a whole.
    """
    tools = pyproject["tool"]
    ruff, lint = tools["ruff"], tools["ruff"]["lint"]
    lists = [lint.get("ignore", []), lint.get("extend-ignore", [])]
    for key in ("per-file-ignores", "extend-per-file-ignores"):
        lists += lint.get(key, {}).values()
    found = [code for codes in lists for code in codes if re.fullmatch(r"S\d*|ALL", code)]
    for table in (ruff, lint):
        found += [*table.get("exclude", []), *table.get("extend-exclude", [])]
    return found + list(tools.get("bandit", {}))


def _report(output: str, last_line: str) -> Any:
    try:
        return json.loads(output)
    except json.JSONDecodeError:
        raise Broken(f"no report: {last_line}") from None
